"""Replays dead letters, as an Airflow operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.compat import BaseOperator
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured, RecordRefused
from airflow_provider_brightpearl.operators.request import check_conf
from airflow_provider_brightpearl.operators.retry import airflow_errors


class ReplayOperator(BaseOperator):
    """Runs the records of dead letters anew; returns what was closed and what is left, group by group.

    Params of the DAG: ``ids`` of letters or records, a ``group``, a ``flow``, or ``all``. Fails where letters are left,
    after all that can be replayed was.

    Args:
        mappings: folder of the flow files, None for the configured one.
        source_conn_id: connection of the sources, None for the systems' usual ones.
        target_conn_id: connection of the targets, likewise.
    """

    ui_color = "#f6eedb"
    ui_fgcolor = "#1b1f24"

    def __init__(
        self,
        *,
        mappings: str | Path | None = None,
        source_conn_id: str | None = None,
        target_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mappings = str(mappings) if mappings else None
        self.source_conn_id = source_conn_id
        self.target_conn_id = target_conn_id

    def execute(self, context: Any) -> dict[str, Any]:
        # imported by the worker only: they pull in DuckDB, requests and SQLAlchemy
        import msgspec

        from airflow_provider_brightpearl.environment import airflow_environment
        from airflow_provider_brightpearl.runtime.desk import letters_to_replay
        from airflow_provider_brightpearl.runtime.replay import replay
        from airflow_provider_brightpearl.runtime.request import request_from
        from airflow_provider_brightpearl.runtime.wiring import Wiring

        with airflow_errors(self.log):
            check_conf(context)
            params = context.get("params") or {}
            ids = request_from({"ids": params.get("ids")}).ids
            group, flow = (str(params.get(name) or "") for name in ("group", "flow"))
            if not (ids or group or flow or params.get("all") is True):
                raise Misconfigured("say what to replay: ids, a group, a flow, or all")
            environment = airflow_environment(self.mappings)

            def opened(name: str) -> Wiring:
                return Wiring.of(name, environment, self.source_conn_id, self.target_conn_id)

            letters = letters_to_replay(environment, ids, group, flow)
            # a task that is cleared or tried again makes other runs: those of its earlier tries stay in the ledger
            name = f"{context['run_id']}.{environment.now():%Y%m%dT%H%M%S}"
            done = replay(environment, letters, name, opened, self.log.info)
            if done.left:
                raise RecordRefused(
                    f"{done.left:,} of {len(letters):,} letters still wait: "
                    + "; ".join(f"{each.flow} {each.group}: {each.note}" for each in done.groups if each.left)
                )
        self.log.info("%s closed", counted(done.closed, "letter"))
        return dict(msgspec.to_builtins(done))
