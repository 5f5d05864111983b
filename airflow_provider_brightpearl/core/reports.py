"""What each stage reports to the next, as values that travel as plain JSON, such as Airflow's XCom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

import msgspec

from airflow_provider_brightpearl.core.records import Calls, Cause, Counts, Money, PartRef, RawPart
from airflow_provider_brightpearl.core.window import RunKind, Selection, Window


@dataclass(frozen=True, slots=True)
class Report:
    """A value of plain fields; money travels as text, digit by digit, and instants as ISO 8601."""

    def as_dict(self) -> dict[str, Any]:
        """The report as plain JSON."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The report that ``as_dict`` returned.

        Raises:
            msgspec.ValidationError: the data are another report's, or another release's.
        """
        return msgspec.convert(data, cls)


@dataclass(frozen=True, slots=True)
class StateMark(Report):
    """The name of a state database, and how often runs have written to it: an older copy of it has fewer writes."""

    identity: str = ""
    writes: int = 0


@dataclass(frozen=True, slots=True)
class RunInfo(Report):
    """What is fixed about a run when it begins: its id, what it reads, with which mapping, and calls before loading.

    ``state`` is the mark of the state database, ``lookups`` are the staged translation tables, None where there is
    nothing to map. ``unread`` are the staged rejections of records that could not be read, None where all could;
    ``lost`` of them were found in what the run reads, the others were named. ``warnings`` are those of the source,
    ``notes`` what changed in the target and stops nothing.
    ``pair`` names the two instances that it connects: ``brightpearl:acme>salesforce:00D000000000001EAA``. ``lease``
    is the name under which the run holds the flow's lease, its attempt where that is empty.
    """

    run: str
    kind: RunKind
    selection: Selection
    mapping_version: str
    started_at: datetime
    calls: Calls = field(default_factory=Calls)
    state: StateMark = field(default_factory=StateMark)
    lookups: PartRef | None = None
    unread: PartRef | None = None
    lost: int = 0
    pair: str = ""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lease: str = ""

    @property
    def attempt(self) -> str:
        """Names this run among those of the same id: a run that is cleared begins anew and keeps its id."""
        return attempt_of(self.run, self.started_at)

    @property
    def holder(self) -> str:
        """Who holds the lease of the flow while this run works."""
        return self.lease or self.attempt


def attempt_of(run: str, begun: datetime) -> str:
    """The name of the attempt of a run, or of a command, that began at that aware instant."""
    return f"{run}@{begun.isoformat()}"


def run_of(attempt: str) -> str:
    """The run's id in the name of one of its attempts."""
    return attempt.rpartition("@")[0] or attempt


def begun_at(attempt: str) -> datetime | None:
    """When an attempt of a run began, aware, by its name; None where the name does not hold it."""
    _, separator, stamp = attempt.rpartition("@")
    return datetime.fromisoformat(stamp) if separator else None


@dataclass(frozen=True, slots=True)
class ExtractReport(Report):
    """What extract staged: the raw parts, none where there was nothing new."""

    run: RunInfo
    parts: tuple[RawPart, ...]


@dataclass(frozen=True, slots=True)
class TransformReport(Report):
    """One mapped part: a file per object, rejections, counts and money.

    ``filtered`` counts records that the flow's ``where`` does not want; ``warnings`` counts rows by problems that
    reject nothing. ``due`` of the others say nothing new: they were read for the sake of their dead letters alone, or
    are rejected as they were in a settled run; ``due_rejected`` of those are rejected again. ``present`` counts records
    with a value, by column that the mapping reads. Money is that of all records, of the rejected and parked ones, and
    of the filtered ones.
    """

    name: str
    raw: RawPart
    records: int
    objects: dict[str, PartRef]
    rejections: PartRef
    rejected: int = 0
    parked: int = 0
    certificate: Certified | None = None
    filtered: int = 0
    due: int = 0
    due_rejected: int = 0
    present: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    extracted_money: Money = field(default_factory=dict)
    rejected_money: Money = field(default_factory=dict)
    filtered_money: Money = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GateReport(Report):
    """What the gate found over all parts; ``closed`` says why nothing may be loaded, empty where it may.

    ``quarantine`` says why the gate is closed where that keeps out the failed records alone; ``judged`` whether there
    were enough records to judge. ``rejections`` are staged by part.
    """

    closed: str
    records: int
    evaluated: int
    rejected: int
    rejections: dict[str, PartRef]
    rejected_money: Money = field(default_factory=dict)
    quarantine: str = ""
    judged: bool = False


@dataclass(frozen=True, slots=True)
class LoadReport(Report):
    """The outcome of the records of one part in the target, with their money and the calls that it took.

    ``page`` is the address at which the target shows the last of it, empty where it has none; ``writes`` are those of
    the state database by then, ``warnings`` say what the target no longer has, and which fields both
    sides changed.
    """

    name: str
    counts: Counts
    calls: Calls
    rejections: PartRef
    loaded_money: Money = field(default_factory=dict)
    rejected_money: Money = field(default_factory=dict)
    page: str = ""
    writes: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WriteBackReport(Report):
    """The outcome of the write-backs: records delivered, waiting, and given up.

    ``warnings`` are what a person should look at; ``note`` says what waits only because a run sends no more.
    """

    delivered: int = 0
    waiting: int = 0
    given_up: int = 0
    calls: Calls = field(default_factory=Calls)
    warnings: tuple[str, ...] = ()
    note: str = ""

    @property
    def tried(self) -> bool:
        """Whether anything was due."""
        return bool(self.delivered or self.waiting or self.given_up)


@dataclass(frozen=True, slots=True)
class RunSummary(Report):
    """What a run did: the ledger's row of it.

    ``money`` is by stage (extracted, loaded, rejected), ``reasons`` the most common reasons of rejections with how
    many records each; ``note`` says why the run failed, or what it warns of. Not in the ledger: ``page``, that of the
    last load, ``causes``, the reasons with ids of records, and ``quarantine``, why failed records are kept out, with
    ``news`` where people are to hear of it.
    """

    run: str
    flow: str
    kind: str
    state: str
    window: Window | None
    mapping_version: str
    counts: Counts
    calls: Calls
    money: dict[str, Money]
    started_at: datetime
    ended_at: datetime | None = None
    reasons: tuple[tuple[str, int], ...] = ()
    note: str = ""
    warnings: tuple[str, ...] = ()
    write_back: WriteBackReport | None = None
    page: str = ""
    causes: tuple[Cause, ...] = ()
    pair: str = ""
    quarantine: str = ""
    news: bool = False


class ReconcileState(StrEnum):
    """The result of a reconciliation."""

    CLEAN = "clean"
    NEEDS_REVIEW = "needs_review"
    DRIFT = "drift"
    OVER_LIMIT = "over_limit"
    REPAIRED = "repaired"
    PARTIALLY_REPAIRED = "partially_repaired"


@dataclass(frozen=True, slots=True)
class Certified(Report):
    """The certificate of a comparison; ``reasons`` say why its state is not ``closed``, ``path`` where its file is."""

    number: int
    state: str
    reasons: tuple[str, ...]
    path: str
    digest: str
    signed_by: str = ""


@dataclass(frozen=True, slots=True)
class ReconcileReport(Report):
    """What differs between both systems of a flow, and what was done about it.

    ``counts`` and ``ids`` are by kind of difference, ``money`` by side (source, target). ``repair`` are ids to write
    again, ``remove`` ids whose rows are to be removed, ``detach`` ids that both flows are to leave alone,
    ``stale_bindings`` ids that neither system has any more; all four are empty where more differs than ``max_repair``.
    """

    flow: str
    run: str
    state: ReconcileState
    period: Window
    counts: dict[str, int]
    money: dict[str, Money]
    ids: dict[str, tuple[str, ...]]
    calls: dict[str, int]
    note: str
    started_at: datetime
    ended_at: datetime | None = None
    drift: int = 0
    max_repair: int = 0
    repair: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    detach: tuple[str, ...] = ()
    stale_bindings: tuple[str, ...] = ()
    repaired: int = 0
    removed: int = 0
    refused: tuple[str, ...] = ()
    rejected: int = 0
    parked: int = 0
    certificate: Certified | None = None
