"""Replays dead letters, as an Airflow operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured, RecordRefused
from airflow_provider_brightpearl.operators.pausing import BUSY_PAUSE, PausingOperator, Plain
from airflow_provider_brightpearl.operators.request import check_conf


class ReplayOperator(PausingOperator):
    """Runs the records of dead letters anew; returns what was closed and what is left, group by group.

    Params of the DAG: ``ids`` of letters or records, a ``group``, a ``flow``, or ``all``. Where another run writes a
    flow, or a system is down, it does what need not wait, and goes on with the rest later, without a worker and in
    the same try. Fails where letters are left, after all that can be replayed was.

    Args:
        mappings: folder of the flow files, None for the configured one.
        source_conn_id: connection of the sources, None for the systems' usual ones.
        target_conn_id: connection of the targets, likewise.
        on_alert: notifiers that hear of an outage that the task waits for, besides mail.
    """

    ui_color = "#f6eedb"
    ui_fgcolor = "#1b1f24"
    waits_for_parts = True

    def __init__(
        self,
        *,
        mappings: str | Path | None = None,
        source_conn_id: str | None = None,
        target_conn_id: str | None = None,
        on_alert: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # the ports of the flows that a worker has opened
        self.opened: list[Any] = []
        self.mappings = str(mappings) if mappings else None
        self.source_conn_id = source_conn_id
        self.target_conn_id = target_conn_id
        self.on_alert = list(on_alert)

    def work(self, context: Any, state: Plain) -> dict[str, Any]:
        # imported by the worker only: they pull in DuckDB, requests and SQLAlchemy
        import msgspec

        from airflow_provider_brightpearl.environment import airflow_environment
        from airflow_provider_brightpearl.runtime.desk import letters_to_replay
        from airflow_provider_brightpearl.runtime.replay import replay
        from airflow_provider_brightpearl.runtime.request import request_from
        from airflow_provider_brightpearl.runtime.wiring import Wiring

        check_conf(context)
        params = context.get("params") or {}
        ids = request_from({"ids": params.get("ids")}).ids
        group, flow = (str(params.get(name) or "") for name in ("group", "flow"))
        if not (ids or group or flow or params.get("all") is True):
            raise Misconfigured("say what to replay: ids, a group, a flow, or all")
        environment = replace(
            airflow_environment(self.mappings),
            lease_wait=timedelta(seconds=BUSY_PAUSE),
            sits_out=self.sits_out,
        )

        def opened(name: str) -> Wiring:
            wiring = Wiring.of(name, environment, self.source_conn_id, self.target_conn_id)
            self.opened.append(wiring)
            return wiring

        begun = getattr(context.get("dag_run"), "start_date", None)
        letters = letters_to_replay(environment, ids, group, flow, begun=begun)
        # the same after a pause, and another one in another try: those of earlier tries stay in the ledger
        name = f"{context['run_id']}.{context['ti'].try_number}"
        done = replay(environment, letters, name, opened, self.log.info, waits=True)
        if done.left:
            raise RecordRefused(
                f"{done.left:,} of {len(letters):,} letters still wait: "
                + "; ".join(f"{each.flow} {each.group}: {each.note}" for each in done.groups if each.left)
            )
        self.log.info("%s closed", counted(done.closed, "letter"))
        return dict(msgspec.to_builtins(done))

    def came_further(self, since: datetime) -> bool:
        """Whether records of the flows were written after an instant."""
        return any(each.events.wrote_since(each.flow.flow, since) for each in self.opened)
