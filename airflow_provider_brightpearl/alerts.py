"""The text of alerts on failed runs and on records left behind; ``notifications`` sends them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl import errors, settings
from airflow_provider_brightpearl.core.window import format_window

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.records import Cause
    from airflow_provider_brightpearl.core.reports import RunSummary

REASONS_SHOWN = 5
COUNTS = ("records", "extracted", "created", "updated", "unchanged", "rejected", "parked")
_LOOKUP = re.compile(r"is not in lookup (\w+)")


@dataclass(frozen=True, slots=True)
class Alert:
    """One message: a subject and lines of plain text, without credentials, wherever they are from."""

    subject: str
    lines: tuple[str, ...]

    def __post_init__(self) -> None:
        from airflow_provider_brightpearl.systems.http.secrets import redacted

        object.__setattr__(self, "subject", redacted(self.subject))
        object.__setattr__(self, "lines", tuple(map(redacted, self.lines)))

    @property
    def text(self) -> str:
        return "\n".join((self.subject, *self.lines))


@dataclass(frozen=True, slots=True)
class Remedy:
    """What a person has to do, with the documentation page (``page.md#heading``) that says more.

    In ``text``, ``{connection}`` and ``{file}`` stand for those of the flow.
    """

    text: str
    page: str


REMEDIES: dict[type[errors.SyncError], Remedy] = {
    errors.CredentialsRefused: Remedy(
        "correct connection {connection}, then clear the task", "connections.md#what-the-test-says"
    ),
    errors.Misconfigured: Remedy(
        "correct what the message names, then clear the task", "troubleshooting.md#dags-and-flow-files"
    ),
    errors.SchemaMismatch: Remedy(
        "add what is missing to the system behind {connection}, or take it out of {file}; then clear the task",
        "flows.md#what-the-org-has-to-have",
    ),
    errors.GateClosed: Remedy(
        "correct the records or {file}, or raise its gate.max_rejected; then clear the failed run",
        "operations.md#the-gate",
    ),
    errors.RunChanged: Remedy(
        "clear the run from its task extract on: what it left is missing or changed", "operations.md#staging"
    ),
    errors.OutOfBalance: Remedy(
        "keep the staging folder of the run and report it; the watermark has not moved",
        "troubleshooting.md#runs",
    ),
    errors.DriftTooLarge: Remedy(
        "find the common cause, then repair; nothing was changed", "reconciliation.md#what-is-repaired"
    ),
    errors.RateLimited: Remedy(
        "nothing at once, the next run begins where this one did; if it recurs, give the flow a longer schedule",
        "operations.md#retries",
    ),
    errors.RetryLater: Remedy(
        "check that the system behind {connection} answers; the next run begins where this one did",
        "operations.md#retries",
    ),
}
UNKNOWN = Remedy(
    "read the log of the task; clear it once the cause is gone", "troubleshooting.md#classes-of-errors"
)
REJECTED = Remedy(
    "correct the records or {file}: a changed record or mapping brings them in by itself; "
    "after a correction in the target, replay them (`brightpearl dead-letters list`)",
    "dead_letters.md",
)
QUARANTINED = Remedy(
    "find what they have in common, and correct the records or {file}: a changed record or mapping brings them in by "
    "itself",
    "operations.md#quarantine",
)
ASIDE = Remedy(
    "read the task's log for the cause; once it is gone, `brightpearl events replay` processes them again. The "
    "scheduled runs of the flow go on meanwhile",
    "events.md#records-that-are-set-aside",
)
PARKED = Remedy(
    "nothing, if the flow they wait for runs: they come in by themselves after it",
    "operations.md#dead-letters",
)


def failure(context: Mapping[str, Any]) -> Alert:
    """The alert of a failed task: reason, records and connection at fault, what to do, window, counts, log."""
    instance, exception = context["ti"], context.get("exception")
    task = _Task(context.get("task"))
    error = _sync_error(exception)
    causes = getattr(error, "causes", ())
    from airflow_provider_brightpearl.systems.http.secrets import redacted

    reason = redacted(str(error or exception or "the task ended without saying why")).splitlines()
    return Alert(
        f"{task.flow or instance.dag_id}: {instance.task_id} failed",
        (
            # what follows the first line of a closed gate are its causes, which are shown with their records
            *(reason[:1] if causes else reason),
            *task.causes(causes),
            *task.connection_lines(error.system if error else ""),
            *task.to_do(_remedy(error), error.system if error else ""),
            *_where(context),
            *_count_lines(task.gate),
        ),
    )


def rejections(summary: RunSummary, context: Mapping[str, Any]) -> Alert:
    """The alert of a run that went through but left records behind: how many, why, which, and what to do."""
    counts, task = summary.counts, _Task(context.get("task"))
    left = [f"{number} {name}" for name in ("rejected", "parked") if (number := getattr(counts, name))]
    return Alert(
        f"{summary.flow}: {', '.join(left)} of {counts.extracted} records",
        (
            *_count_lines(asdict(counts)),
            *task.causes(summary.causes),
            *summary.warnings,
            *task.connection_lines(),
            *task.to_do(REJECTED if counts.rejected else PARKED),
            *_where(context, summary),
        ),
    )


def set_aside(records: Sequence[tuple[str, str, str]], context: Mapping[str, Any]) -> Alert:
    """The alert of records that events named and whose runs failed again and again: flow, id and why."""
    shown = [f"{flow} {record_id}: {why}" for flow, record_id, why in records[:REASONS_SHOWN]]
    further = len(records) - len(shown)
    return Alert(
        f"events: {len(records)} records set aside",
        (
            *shown,
            *([f"and {further} more"] if further else []),
            *_Task(context.get("task")).to_do(ASIDE),
            *_where(context),
        ),
    )


def quarantine(summary: RunSummary, context: Mapping[str, Any]) -> Alert:
    """The alert of a run whose gate is closed for the failed records alone: how many, why, which, and what to do."""
    task = _Task(context.get("task"))
    return Alert(
        f"{summary.flow}: gate closed, {summary.counts.rejected} records in quarantine",
        (
            summary.quarantine,
            *_count_lines(asdict(summary.counts)),
            *task.causes(summary.causes),
            *summary.warnings,
            *task.connection_lines(),
            *task.to_do(QUARANTINED),
            *_where(context, summary),
        ),
    )


def warnings(summary: RunSummary, context: Mapping[str, Any]) -> Alert:
    """The alert of a run in which all records went through, but something has to be checked."""
    lines = (*summary.warnings, *_count_lines(asdict(summary.counts)), *_where(context, summary))
    return Alert(f"{summary.flow}: please check", lines)


def selection_text(selection: Mapping[str, Any]) -> str:
    """A run's selection, as it travels between tasks, for people."""
    if selection.get("ids"):
        return f"ids: {len(selection['ids'])}"
    window = selection.get("window")
    if not window:
        return "full resync"
    return f"{window['start']} to {window['end']}" if window["start"] else f"all up to {window['end']}"


@dataclass(frozen=True, slots=True)
class _Task:
    """The flow of a task: its file, connections and what the task was given; all of it may be missing."""

    task: Any
    flow: str = field(init=False)

    def __post_init__(self) -> None:
        flow = getattr(self.task, "flow", None)
        object.__setattr__(self, "flow", flow if isinstance(flow, str) else "")

    @property
    def file(self) -> Path:
        mappings = getattr(self.task, "mappings", None)
        return (Path(mappings) if mappings else settings.mappings_folder()) / f"{self.flow}.yaml"

    @property
    def gate(self) -> Mapping[str, Any]:
        report = getattr(self.task, "gate", None)
        return report if isinstance(report, Mapping) else {}

    def connections(self, system: str = "") -> list[str]:
        """Connection ids of the flow's systems, or of that one."""
        from airflow_provider_brightpearl.flow.load import load_flow
        from airflow_provider_brightpearl.systems.registry import find_system

        try:
            flow = load_flow(self.file)
            systems = {flow.source_system: "source_conn_id", flow.target: "target_conn_id"}
            return [
                getattr(self.task, given, None) or find_system(name).conn_id
                for name, given in systems.items()
                if name == system or system not in systems
            ]
        except (errors.SyncError, OSError):
            # the flow file may be the very cause
            return []

    def connection_lines(self, system: str = "") -> list[str]:
        found = self.connections(system) if self.flow else []
        return [f"connection{'s' if len(found) > 1 else ''}: {', '.join(found)}"] if found else []

    def causes(self, causes: Iterable[Cause]) -> Iterator[str]:
        """Reasons with the ids of the first records, and where the flow file maps the field."""
        from airflow_provider_brightpearl.flow.places import place_of

        for cause in list(causes)[:REASONS_SHOWN]:
            more = " …" if cause.count > len(cause.ids) else ""
            yield f"{cause.count} x {cause.reason}"
            yield f"    records: {', '.join(cause.ids)}{more}"
            if self.flow and cause.object:
                place = place_of(self.file, cause.object, cause.field)
                yield f"    in: {', '.join(filter(None, (place, self._lookup_file(cause))))}"

    def _lookup_file(self, cause: Cause) -> str:
        from airflow_provider_brightpearl.flow.load import load_flow

        name = _LOOKUP.search(cause.reason)
        try:
            lookup = load_flow(self.file).lookups.get(name[1]) if name else None
        except (errors.SyncError, OSError):
            return ""
        return str(lookup.file) if lookup and lookup.file else ""

    def to_do(self, remedy: Remedy, system: str = "") -> list[str]:
        named = self.connections(system) if self.flow and "{connection}" in remedy.text else []
        file = f"{self.flow}.yaml" if self.flow else "the flow file"
        text = remedy.text.format(connection=" or ".join(named) or "of the system", file=file)
        return [f"To do: {text}", f"see: {page_address(remedy.page)}"]


def page_address(page: str) -> str:
    """The address of a documentation page, or its name if no site is configured."""
    base = settings.text("docs_url").rstrip("/")
    return f"{base}/{page.replace('.md', '.html')}" if base else f"docs/{page}"


def _remedy(error: errors.SyncError | None) -> Remedy:
    return next((REMEDIES[kind] for kind in type(error).__mro__ if kind in REMEDIES), UNKNOWN)


def _sync_error(exception: BaseException | None) -> errors.SyncError | None:
    """The error behind the one that Airflow was given."""
    while exception is not None and not isinstance(exception, errors.SyncError):
        exception = exception.__cause__ or exception.__context__
    return exception


def _where(context: Mapping[str, Any], summary: RunSummary | None = None) -> list[str]:
    instance = context["ti"]
    lines = [f"run: {instance.run_id}, try {instance.try_number}"]
    run = getattr(context.get("task"), "run", None)
    if summary and summary.window:
        lines.append(f"window: {format_window(summary.window)}")
    elif isinstance(run, Mapping) and run.get("selection"):
        lines.append(f"window: {selection_text(run['selection'])}")
    link = getattr(instance, "log_url", None)
    return [*lines, f"log: {link}"] if link else lines


def _count_lines(counts: Mapping[str, Any]) -> list[str]:
    shown = {name: counts[name] for name in COUNTS if name in counts}
    return ["counts: " + ", ".join(f"{name} {number}" for name, number in shown.items())] if shown else []
