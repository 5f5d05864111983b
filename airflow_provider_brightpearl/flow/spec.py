"""The YAML of a flow as one model: unknown keys are refused, every error names file and field."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.window import Policy, is_cron
from airflow_provider_brightpearl.flow.durations import Duration
from airflow_provider_brightpearl.flow.match import MatchRule
from airflow_provider_brightpearl.flow.reconcile import ReconcileSpec
from airflow_provider_brightpearl.flow.two_way import AuthoritySpec, ReverseSpec
from airflow_provider_brightpearl.flow.write_back import WriteBackSpec


def _share(value: object) -> object:
    if isinstance(value, str) and value.endswith("%"):
        return float(value[:-1]) / 100
    return value


def _within_one(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("a share lies between 0% and 100%")
    return value


def _cron(value: str) -> str:
    if not is_cron(value):
        raise ValueError(f"{value!r} is not a valid cron expression; write one such as '*/15 * * * *'")
    return value


Cron = Annotated[str, AfterValidator(_cron)]
Share = Annotated[
    float,
    BeforeValidator(_share, json_schema_input_type=str | float),
    AfterValidator(_within_one),
    Field(examples=["2%"]),
]

RecordCount = Annotated[int, Field(ge=0, strict=True)]


def format_share(share: float) -> str:
    """A share for people: ``2%``; as a number where that would round it away."""
    return f"{share:.0%}" if share >= 0.01 or not share else str(share)


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is not a time zone; write a name such as Europe/London") from error
    return value


TimeZone = Annotated[str, AfterValidator(_zone)]
# names of objects, fields and lookups: they become names in SQL, and an object's name one of a file
Name = Annotated[str, Field(pattern=r"^[A-Za-z]\w*$")]
Expression = Annotated[
    str, BeforeValidator(lambda value: str(value) if isinstance(value, (int, float)) else value)
]


def _filter(value: object) -> object:
    # true of YAML is true of a query, not True
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else value


# a flow and one of its lookups, as in inventory_to_infor.warehouse
FlowLookup = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*\.[A-Za-z]\w*$")]
Filter = Annotated[str, BeforeValidator(_filter, json_schema_input_type=str | bool | int)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WindowSpec(_Model):
    """How a scheduled window is read."""

    lookback: Duration = timedelta(minutes=30)
    delay: Duration = timedelta(minutes=2)
    sweep: Cron | None = Field(
        None,
        description="Cron expression in UTC; a run whose window contains one of its instants reads everything",
        examples=["0 3 * * *"],
    )

    @property
    def policy(self) -> Policy:
        return Policy(lookback=self.lookback, delay=self.delay, sweep=self.sweep)


class LookupSpec(_Model):
    """A translation table: a CSV with the columns ``key`` and ``value`` beside the flow file, or a query of the target.

    ``unknown`` says what becomes of a key that is not in the table: the record is rejected, the value is empty
    and the run warns, the value is empty, the key is kept as the value, or ``default`` is taken.
    """

    file: str | None = None
    query: str | None = None
    key: str = "key"
    value: str = "value"
    unknown: Literal["reject", "warn", "empty", "keep", "default"] = "reject"
    default: str | None = None


class ObjectSpec(_Model):
    """One target object: a row per record, or per entry of ``rows``."""

    object: str | None = Field(
        None, description="Target object, where the name of this entry is not it already"
    )
    rows: str | None = Field(
        None, description="Map or list of the record; one target row per entry, called row"
    )
    where: Expression | None = Field(
        None, description="Condition; rows for which it is not true are excluded"
    )
    distinct_on: list[Expression] = Field(
        default=[], description="Keep only the first row per value of these"
    )
    key: dict[Name, Expression] = Field(
        description="The external id field and its expression", min_length=1, max_length=1
    )
    parent: dict[Name, str] = Field(
        default={}, max_length=1, description="Lookup field of this object to an object above"
    )
    fields: dict[Name, Expression]
    create_only: list[str] = Field(
        default=[], description="Fields the target accepts only when a row is created"
    )
    set_last: dict[str, str] = Field(
        default={}, description="Field written alone after all rows; its value meanwhile"
    )
    owner: dict[Name, str] = Field(
        default={},
        description="Fields that another flow decides, and that flow: sent only when this one creates the row",
    )
    disjoint_from: list[str] = Field(
        default=[], description="Flows that write other rows of this object, never the same"
    )
    match: list[MatchRule] = Field(
        default=[],
        description="What identifies a row that the target has already: fields, or lists of fields, tried in order",
        examples=[["primaryEmail", ["lastName", "companyName"]]],
    )
    resend_in_sweep: bool = Field(
        False, description="A sweep writes unchanged rows too, as the target changes them by itself"
    )

    @property
    def sent_on_create(self) -> frozenset[str]:
        """Fields that are left out of writes to rows that exist."""
        return frozenset({*self.create_only, *self.owner})

    @property
    def key_field(self) -> str:
        return next(iter(self.key))

    @property
    def key_expression(self) -> str:
        return next(iter(self.key.values()))


class TotalsSpec(_Model):
    """Amount and currency of a record, summed per stage to prove that nothing was lost."""

    amount: Expression
    currency: Expression


# a few bad records are no sign that something is wrong with all of them
_FEW_REJECTED = 5


class GateSpec(_Model):
    """How many records may fail before the gate closes, and what a closed gate keeps out."""

    max_rejected: Share = 0.02
    min_records: int = Field(20, description="Below this many records the share is not judged")
    min_rejected: int | None = Field(
        None,
        ge=1,
        description="Fewer rejected records never close the gate; 5, or 1 where max_rejected is 0%",
    )
    closed: Literal["stop", "quarantine"] = Field(
        "stop", description="Whether a closed gate stops the run, or keeps out the failed records alone"
    )

    def allows(self, rejected: int, records: int) -> bool:
        """Whether so many of these records may be rejected."""
        few = self.min_rejected or (_FEW_REJECTED if self.max_rejected else 1)
        return records < self.min_records or rejected < few or rejected <= records * self.max_rejected


class LoadSpec(_Model):
    """How many records the target may refuse before the run fails, when all others are written."""

    max_refused: Share | RecordCount = Field(
        0.2, description="Share of the records that were sent, such as 20%, or a number of records"
    )
    min_records: int = Field(20, description="Below this many records that were sent the share is not judged")

    def allows(self, refused: int, sent: int) -> bool:
        """Whether so many records of those sent may be refused."""
        if isinstance(self.max_refused, int):
            return refused <= self.max_refused
        return sent < self.min_records or refused <= sent * self.max_refused

    @property
    def limit(self) -> str:
        """The limit as text: ``20%``, ``5 records``."""
        if isinstance(self.max_refused, int):
            return counted(self.max_refused, "record")
        return format_share(self.max_refused)


class FlowSpec(_Model):
    """One flow: what is read, how it is mapped, judged and written."""

    flow: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    description: str = ""
    source: str = Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$", description="system.stream")
    filters: dict[Name, Filter] = Field(
        default={}, description="Filters of the source's search, beside those of the stream"
    )
    target: str = Field(pattern=r"^[a-z0-9_]+$", description="system")
    after: list[str] = []
    schedule: Cron = "@hourly"
    events: bool = Field(
        False,
        description="Events of the source run the flow for the records that they name, beside its schedule",
    )
    timezone: TimeZone = "UTC"
    start_date: str = "2024-01-01"
    window: WindowSpec = WindowSpec()
    part_size: int = Field(20_000, ge=200, le=50_000)
    lookups: dict[Name, LookupSpec] = {}
    disjoint_lookups: dict[Name, FlowLookup] = Field(
        default={},
        description="Lookups of the places that this flow decides, and the lookup of a flow of the other direction "
        "that decides none of them",
    )
    constants: list[dict[str, Any]] = Field(
        default=[],
        description="Records that exist in no system, read with the first sync and with full sweeps",
    )
    objects: dict[Name, ObjectSpec] = Field(min_length=1)
    totals: TotalsSpec | None = None
    expect: dict[str, list[dict[str, dict[str, Any]]]] = Field(
        default={}, description="Object to its expectations, in Great Expectations' own names"
    )
    gate: GateSpec = GateSpec()
    load: LoadSpec = LoadSpec()
    write_back: dict[str, WriteBackSpec] = Field(
        default={},
        description="What is written back to a record of the source once its row is in the target, by object",
    )
    reconcile: ReconcileSpec | None = Field(
        None, description="How both systems are compared; flows without it are not"
    )
    authority: AuthoritySpec | None = Field(
        None, description="Whose value counts where another flow brings changes back"
    )
    reverse: ReverseSpec | None = Field(
        None, description="The flow of the other direction, with which this one shares its links"
    )

    @property
    def source_system(self) -> str:
        return self.source.partition(".")[0]

    @property
    def stream(self) -> str:
        return self.source.partition(".")[2]

    @property
    def root(self) -> str:
        return next(iter(self.objects))

    def target_object(self, name: str) -> str:
        return self.objects[name].object or name

    @model_validator(mode="after")
    def _objects_fit(self) -> FlowSpec:
        seen: list[str] = []
        for name, spec in self.objects.items():
            for parent in spec.parent.values():
                if parent not in seen or self.objects[parent].rows:
                    raise ValueError(
                        f"objects.{name}.parent: {parent!r} is not an object above it with one row a record"
                    )
            unknown = {*spec.sent_on_create, *spec.set_last} - {*spec.fields, *spec.parent}
            if unknown:
                raise ValueError(f"objects.{name}: {', '.join(sorted(unknown))} is not among its fields")
            if both := sorted({*spec.owner} & {*spec.set_last}):
                raise ValueError(f"objects.{name}: {both[0]} is set last, so no other flow can own it")
            if self.flow in {*spec.owner.values(), *spec.disjoint_from}:
                raise ValueError(f"objects.{name}: owner and disjoint_from name other flows, not this one")
            if self.authority and spec.set_last:
                raise ValueError(f"objects.{name}: has a field that is set last, so it takes no authority:")
            seen.append(name)
        if unknown := {*self.disjoint_lookups} - {*self.lookups}:
            raise ValueError(f"disjoint_lookups.{sorted(unknown)[0]}: is not among lookups:")
        if self.objects[seen[0]].rows:
            raise ValueError(f"objects.{seen[0]}: the first object has one row a record and takes no rows:")
        strangers = set(self.expect) - set(seen)
        if strangers:
            raise ValueError(f"expect.{strangers.pop()}: no such object; objects here: {', '.join(seen)}")
        for name in self.write_back:
            if name not in seen or self.objects[name].rows:
                raise ValueError(f"write_back.{name}: is not an object of this flow with one row a record")
        if self.reconcile and (unknown := {*self.reconcile.named} - {*self.objects[self.root].fields}):
            raise ValueError(f"reconcile.fields: {sorted(unknown)[0]} is not a field of {self.root}")
        if self.reconcile and self.reconcile.amount and self.totals is None:
            raise ValueError("reconcile.amount: is compared with the amount of totals:, which is missing")
        return self
