"""From flow files to Airflow DAGs: ``sync_dag("orders_to_salesforce")``, and over all of them ``reconcile_dag()``.

``events_dag()`` runs them within seconds for what events named, ``maintenance_dag()`` removes what they leave behind,
``replay_dag()`` replays dead letters.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter

from airflow_provider_brightpearl import compat, settings
from airflow_provider_brightpearl.assets import create_asset, create_events_asset
from airflow_provider_brightpearl.compat import (
    DAG,
    AssetAny,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    Param,
    airflow_version,
)
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.flow_docs import describe, describe_reconciliation
from airflow_provider_brightpearl.notifications import SyncNotifier
from airflow_provider_brightpearl.operators.events import ProcessEventsOperator
from airflow_provider_brightpearl.operators.maintenance import CleanOperator
from airflow_provider_brightpearl.operators.reconcile import CompareOperator, RepairOperator
from airflow_provider_brightpearl.operators.replay import ReplayOperator
from airflow_provider_brightpearl.operators.retry import retry_arguments
from airflow_provider_brightpearl.operators.stages import (
    ExtractOperator,
    GateOperator,
    LoadOperator,
    SettleOperator,
    TransformOperator,
    WriteBackOperator,
)
from airflow_provider_brightpearl.sensors.inbox import InboxSensor
from airflow_provider_brightpearl.triggers.inbox import InboxTrigger

log = logging.getLogger(__name__)

# of DAGs that are for no single flow
_STANDING: dict[str, Any] = {
    "start_date": datetime(2024, 1, 1, tzinfo=UTC),
    "catchup": False,
    "max_active_runs": 1,
}


def sync_dag(
    flow_name: str,
    *,
    schedule: Any = None,
    mappings: str | Path | None = None,
    source_conn_id: str | None = None,
    target_conn_id: str | None = None,
    on_alert: Sequence[Any] = (),
    default_args: dict[str, Any] | None = None,
    **dag_kwargs: Any,
) -> Any:
    """The DAG of one flow: extract, transform, gate, load, settle, and write_back where the flow does.

    Args:
        flow_name: name of the flow file without ``.yaml``; also the DAG's id.
        schedule: cron text instead of the flow's own, in the flow's time zone, or what else Airflow takes.
        mappings: folder of the flow files, where it is not the one configured.
        source_conn_id: connection of the source, where it is not the system's default.
        target_conn_id: connection of the target, likewise.
        on_alert: notifiers that get every alert (failures, rejected and parked records, warnings), besides the mail to
            ``alert_email``; they find it as ``{{ alert.subject }}`` and ``{{ alert.text }}``.
        default_args: defaults of the tasks, over those of this package.
        dag_kwargs: further arguments of the DAG, over those of this package.

    Raises:
        Misconfigured: the flow file is missing or wrong; names file and field, and what to do. Or the state would lie
            in a file on each worker's own disk.
    """
    settings.check_state_is_shared()
    folder = Path(mappings) if mappings else settings.mappings_folder()
    flow = _read(folder, flow_name)
    arguments = _dag_arguments(flow, schedule) | dag_kwargs
    arguments["default_args"] = _task_defaults(on_alert) | (default_args or {})
    with DAG(dag_id=arguments.pop("dag_id", flow.flow), **arguments) as dag:
        _add_stages(flow, on_alert, {
            "flow": flow.flow,
            "mappings": str(folder),
            "source_conn_id": source_conn_id,
            "target_conn_id": target_conn_id,
        })  # fmt: skip
    return dag


def reconcile_dag(
    flows: Sequence[str] | None = None,
    *,
    dag_id: str = "brightpearl_reconcile",
    schedule: Any = "30 4 * * *",
    mappings: str | Path | None = None,
    source_conn_id: str | None = None,
    target_conn_id: str | None = None,
    certificate: str | None = None,
    on_alert: Sequence[Any] = (),
    default_args: dict[str, Any] | None = None,
    **dag_kwargs: Any,
) -> Any:
    """The DAG that compares both systems, flow by flow, and repairs what differs: two tasks a flow.

    Args:
        flows: names of flows; all in the folder that have a ``reconcile:`` block if left out. Of those, one whose
            file is wrong is left out with a warning: its own DAG shows the error, and the others are compared.
        dag_id: its id, for one DAG each of several groups of flows.
        schedule: cron text in UTC, or what else Airflow takes.
        mappings: folder of the flow files, where it is not the one configured.
        source_conn_id: connection of the sources, where it is not the system's default.
        target_conn_id: connection of the targets, likewise; flows to several systems need a DAG for each.
        certificate: ``period`` certifies what is compared, ``month`` compares and certifies the calendar month
            before, in UTC; both unless a run says otherwise.
        on_alert: notifiers that get every alert, as in ``sync_dag``.
        default_args: defaults of the tasks, over those of this package.
        dag_kwargs: further arguments of the DAG, over those of this package.

    Raises:
        Misconfigured: a flow named here is missing or wrong, or has no ``reconcile:`` block.
    """
    settings.check_state_is_shared()
    folder = Path(mappings) if mappings else settings.mappings_folder()
    chosen = _reconciled(folder, flows)
    arguments = _reconcile_arguments(chosen, schedule, certificate) | dag_kwargs
    arguments["default_args"] = _task_defaults(on_alert) | (default_args or {})
    common: dict[str, Any] = {"source_conn_id": source_conn_id, "target_conn_id": target_conn_id}
    common |= {"mappings": str(folder), "on_alert": on_alert}
    with DAG(dag_id=dag_id, **arguments) as dag:
        for flow in chosen:
            found = CompareOperator(task_id=f"compare_{flow.flow}", flow=flow.flow, **common)
            RepairOperator(task_id=f"repair_{flow.flow}", flow=flow.flow, found=found.output, **common)
    return dag


def maintenance_dag(
    *,
    dag_id: str = "brightpearl_maintenance",
    schedule: Any = "50 3 * * *",
    on_alert: Sequence[Any] = (),
    default_args: dict[str, Any] | None = None,
    **dag_kwargs: Any,
) -> Any:
    """The DAG that removes staging files and state older than the settings say.

    Args:
        dag_id: its id.
        schedule: cron text in UTC, or what else Airflow takes.
        on_alert: notifiers that get an alert when it fails, as in ``sync_dag``.
        default_args: defaults of the task, over those of this package.
        dag_kwargs: further arguments of the DAG, over those of this package.
    """
    settings.check_state_is_shared()
    arguments: dict[str, Any] = {
        "description": "Removes staging files and state that are no longer needed",
        "schedule": schedule,
        "tags": ["brightpearl-sync", "maintenance"],
        **_STANDING,
        **dag_kwargs,
        "default_args": _task_defaults(on_alert) | (default_args or {}),
    }
    with DAG(dag_id=dag_id, **arguments) as dag:
        CleanOperator(task_id="clean")
    return dag


def replay_dag(
    *,
    dag_id: str = "brightpearl_replay",
    mappings: str | Path | None = None,
    source_conn_id: str | None = None,
    target_conn_id: str | None = None,
    on_alert: Sequence[Any] = (),
    default_args: dict[str, Any] | None = None,
    **dag_kwargs: Any,
) -> Any:
    """The DAG that replays dead letters when it is triggered, with what to replay in its form.

    Args:
        dag_id: its id.
        mappings: folder of the flow files, where it is not the one configured.
        source_conn_id: connection of the sources, where it is not the system's default.
        target_conn_id: connection of the targets, likewise.
        on_alert: notifiers that get an alert when letters are left, as in ``sync_dag``.
        default_args: defaults of the task, over those of this package.
        dag_kwargs: further arguments of the DAG, over those of this package.
    """
    settings.check_state_is_shared()
    arguments: dict[str, Any] = {
        "description": "Replays dead letters: parents first, one record of each group before the others",
        "schedule": None,
        "params": _replay_params(),
        "tags": ["brightpearl-sync", "maintenance"],
        **_STANDING,
        **dag_kwargs,
        "default_args": _task_defaults(on_alert) | (default_args or {}),
    }
    with DAG(dag_id=dag_id, **arguments) as dag:
        ReplayOperator(
            task_id="replay",
            mappings=mappings,
            source_conn_id=source_conn_id,
            target_conn_id=target_conn_id,
            on_alert=on_alert,
        )
    return dag


def events_dag(
    flows: Sequence[str] | None = None,
    *,
    dag_id: str = "brightpearl_events",
    linger: float = 60,
    mappings: str | Path | None = None,
    source_conn_id: str | None = None,
    target_conn_id: str | None = None,
    on_alert: Sequence[Any] = (),
    default_args: dict[str, Any] | None = None,
    **dag_kwargs: Any,
) -> Any:
    """The DAG that runs flows within seconds, by id, for what events named; their own DAGs stay as the sweep.

    Events arrive in the inbox and wake it: on Airflow 3 by a watcher in the triggerer, on 2.11 by a run that is always
    there, and deferred until events arrive.

    Args:
        flows: names of flows; all in the folder with ``events: true`` if left out. One flow belongs to one such DAG.
        dag_id: its id, for one DAG each of several groups of flows, or of several accounts.
        linger: seconds that a run waits for further events after the last one.
        mappings: folder of the flow files, where it is not the one configured.
        source_conn_id: connection of the sources, where it is not the system's default.
        target_conn_id: connection of the targets, likewise; flows to several systems need a DAG for each.
        on_alert: notifiers that get every alert, as in ``sync_dag``.
        default_args: defaults of the tasks, over those of this package.
        dag_kwargs: further arguments of the DAG, over those of this package.

    Raises:
        Misconfigured: a flow named here is missing or wrong, or does not say ``events: true``.
    """
    settings.check_state_is_shared()
    folder = Path(mappings) if mappings else settings.mappings_folder()
    chosen = _told_by_events(folder, flows)
    names, systems = [flow.flow for flow in chosen], sorted({flow.source_system for flow in chosen})
    waiting = InboxTrigger(dag_id, names, systems, source_conn_id, once=airflow_version() < (3, 0))
    arguments: dict[str, Any] = {
        "description": "Runs flows for what events named: " + (", ".join(names) or "none"),
        "tags": ["brightpearl-sync", "events"],
        **_STANDING,
        **dag_kwargs,
        "schedule": _woken(dag_id, waiting) if names else None,
        "default_args": _task_defaults(on_alert) | (default_args or {}),
    }
    with DAG(dag_id=dag_id, **arguments) as dag:
        process = ProcessEventsOperator(
            task_id="process",
            group=dag_id,
            flows=names,
            linger=linger,
            mappings=folder,
            source_conn_id=source_conn_id,
            target_conn_id=target_conn_id,
            on_alert=on_alert,
        )
        if names and airflow_version() < (3, 0):
            InboxSensor(task_id="wait", trigger=waiting) >> process
    return dag


def _told_by_events(folder: Path, names: Sequence[str] | None) -> list[FlowSpec]:
    """The flows that events run, by name."""
    if names is None:
        read = (_read_or_warn(folder, path.stem, "run by events") for path in sorted(folder.glob("*.yaml")))
        return [flow for flow in read if flow and flow.events]
    chosen = [_read(folder, name) for name in names]
    for flow in chosen:
        if not flow.events:
            raise Misconfigured(f"{flow.flow}.yaml: says no events: true, so events do not run it")
    return chosen


def _woken(dag_id: str, waiting: InboxTrigger) -> Any:
    if airflow_version() < (3, 0):
        return "@continuous"
    watched = create_events_asset(group=dag_id, watchers=[compat.AssetWatcher(name=dag_id, trigger=waiting)])
    return [watched]


def _replay_params() -> dict[str, Any]:
    text = {"type": ["null", "string"]}
    return {
        "ids": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="Letters",
            description="Letters such as orders_to_salesforce:100001, or ids of records, one a line",
        ),
        "group": Param(
            None, title="Group", description="As `brightpearl dead-letters list` names it", **text
        ),
        "flow": Param(None, title="Flow", description="All letters of this flow that wait", **text),
        "all": Param(False, type="boolean", title="All", description="All letters that wait"),
    }


def _reconciled(folder: Path, names: Sequence[str] | None) -> list[FlowSpec]:
    """The flows to be compared, by name."""
    if names is None:
        read = (_read_or_warn(folder, path.stem, "reconciled") for path in sorted(folder.glob("*.yaml")))
        return [flow for flow in read if flow and flow.reconcile]
    chosen = [_read(folder, name) for name in names]
    for flow in chosen:
        if flow.reconcile is None:
            raise Misconfigured(f"{flow.flow}.yaml: has no reconcile: block, so there is nothing to compare")
    return chosen


def _read_or_warn(folder: Path, flow_name: str, done: str) -> FlowSpec | None:
    try:
        return _read(folder, flow_name)
    except Misconfigured as error:
        log.warning("%s is not %s: %s", flow_name, done, error)
        return None


def _reconcile_arguments(flows: Sequence[FlowSpec], schedule: Any, certificate: str | None) -> dict[str, Any]:
    if isinstance(schedule, str):
        if not croniter.is_valid(schedule):
            raise Misconfigured(f"reconcile_dag: schedule {schedule!r} is not a valid cron expression")
        schedule = CronDataIntervalTimetable(schedule, timezone="UTC")
    names = [flow.flow for flow in flows]
    return {
        "description": "Compares both systems, flow by flow, and repairs small differences",
        "schedule": schedule,
        **_STANDING,
        # comparing reads much, and the quota is shared with the flows
        "max_active_tasks": 2,
        "params": _reconcile_params(names, certificate),
        "doc_md": describe_reconciliation(flows),
        "tags": ["brightpearl-sync", "reconcile"],
    }


def _reconcile_params(names: list[str], certificate: str | None) -> dict[str, Any]:
    common = _params()
    return {
        "from": common["from"],
        "to": common["to"],
        "full_resync": common["full_resync"],
        "flows": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            examples=names,
            title="Flows",
            description="Names of the flows to compare; all if empty",
        ),
        "max_repair": Param(
            None,
            type=["null", "integer"],
            minimum=0,
            title="Repair up to",
            description="Differences to repair, instead of what the flow file says",
        ),
        "certificate": Param(
            certificate,
            type=["null", "string"],
            enum=[None, "period", "month"],
            title="Certificate",
            description="period: certify what is compared; month: compare and certify the calendar month before, "
            "in UTC",
        ),
    }


def _read(folder: Path, flow_name: str) -> FlowSpec:
    file = folder / f"{flow_name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml"))) or "none"
        raise Misconfigured(
            f"there is no flow file {file}; flows in that folder: {known}. "
            f"Set [{settings.SECTION}] mappings to the folder of your flow files, or run `brightpearl init`"
        )
    try:
        flow = load_flow(file)
    except Misconfigured as error:
        raise Misconfigured(
            f"{error}\nCorrect {file}; `brightpearl mapping check {file}` checks it"
        ) from None
    if flow.flow != flow_name:
        raise Misconfigured(f"{file.name}: flow: is {flow.flow!r}; it must be the file's name, {flow_name!r}")
    return flow


def _dag_arguments(flow: FlowSpec, schedule: Any) -> dict[str, Any]:
    return {
        "description": flow.description.strip().partition("\n")[0] or None,
        "schedule": _schedule(flow, schedule or flow.schedule),
        "start_date": _start(flow),
        "catchup": False,
        "max_active_runs": 1,
        "params": _params(),
        "doc_md": describe(flow),
        "tags": ["brightpearl-sync", flow.source_system, flow.target],
    }


def _start(flow: FlowSpec) -> datetime:
    try:
        return datetime.fromisoformat(flow.start_date).replace(tzinfo=ZoneInfo(flow.timezone))
    except ValueError:
        raise Misconfigured(
            f"{flow.flow}.yaml: start_date: {flow.start_date!r} is not a date; write it as 2024-01-31"
        ) from None


def _schedule(flow: FlowSpec, wanted: Any) -> Any:
    return _timetable(flow, wanted) if isinstance(wanted, str) else wanted


def _timetable(flow: FlowSpec, cron: str) -> Any:
    # a plain cron expression has intervals of no width on Airflow 3, and every window would be empty
    if not croniter.is_valid(cron):
        raise Misconfigured(
            f"{flow.flow}.yaml: schedule: {cron!r} is not a valid cron expression; write one such as '*/15 * * * *'"
        )
    timetable = CronDataIntervalTimetable(cron, timezone=flow.timezone)
    if not flow.after or airflow_version() < (3, 0):
        return timetable
    return AssetOrTimeSchedule(
        timetable=timetable, assets=AssetAny(*(create_asset(flow=parent) for parent in flow.after))
    )


def _params() -> dict[str, Any]:
    instant = {"type": ["null", "string"], "format": "date-time"}
    return {
        "from": Param(None, title="From", description="First instant of source changes to read", **instant),
        "to": Param(
            None, title="To", description="Instant to read up to, itself left out; now if empty", **instant
        ),
        "ids": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="Ids",
            description="Ids of source records, one a line; only these are read",
        ),
        "full_resync": Param(
            False,
            type="boolean",
            title="Full resync",
            description="Read all records of the source, whenever changed",
        ),
    }


def _task_defaults(on_alert: Sequence[Any]) -> dict[str, Any]:
    callback = SyncNotifier(notifiers=on_alert)
    return retry_arguments(settings.number("retries")) | {
        "on_failure_callback": [callback],
        # one run is active at a time, so one that hangs would hold up all later ones
        "execution_timeout": settings.execution_timeout(),
    }


def _add_stages(flow: FlowSpec, on_alert: Sequence[Any], common: dict[str, Any]) -> None:
    extract = ExtractOperator(task_id="extract", **common)
    run = extract.output["run"]
    transform = _per_part(TransformOperator, {"part": extract.output}, task_id="transform", run=run, **common)
    gate = GateOperator(task_id="gate", mapped=transform.output, run=run, **common)
    load = _per_part(
        LoadOperator, {"mapped": transform.output}, task_id="load", gate=gate.output, run=run, **common
    )
    settle = SettleOperator(
        task_id="settle",
        parts=extract.output,
        mapped=transform.output,
        loads=load.output,
        run=run,
        # nothing new skips the stages between, and still the watermark moves
        trigger_rule="none_failed",
        outlets=[create_asset(flow=flow.flow)],
        on_alert=on_alert,
        **common,
    )
    extract >> transform >> gate >> load >> settle
    if flow.write_back:
        # also where settle found nothing new: what earlier runs left is due
        settle >> WriteBackOperator(
            task_id="write_back",
            summary=settle.output,
            run=run,
            trigger_rule="none_failed",
            on_alert=on_alert,
            **common,
        )


def _per_part(operator: Any, over: dict[str, Any], **arguments: Any) -> Any:
    """One task for each part, side by side; on Airflow 2 one task for all.

    There a backfill takes itself for deadlocked as soon as a task is mapped: tasks that end
    expand the next one before the backfill does ([scheduler] schedule_after_task_execution), which then loses
    sight of it.
    """
    if airflow_version() < (3, 0):
        return operator(**over, **arguments)
    return operator.partial(map_index_template=operator.name_of_part, **arguments).expand(**over)
