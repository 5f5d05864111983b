"""The descriptor of a system, built in or provided by another package through an entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_brightpearl.core.drift import TargetFields
from airflow_provider_brightpearl.core.ports.source import Source, SourceInventory, WriteBack
from airflow_provider_brightpearl.core.ports.stores import Intents
from airflow_provider_brightpearl.core.ports.target import Sink, Target
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.flow.spec import FlowSpec


@dataclass(frozen=True, slots=True)
class Quota:
    """Calls a minute and a day, and how many are left of today's; None where there is no limit or it is not known."""

    per_minute: int | None = None
    per_day: int | None = None
    left_today: int | None = None


def _no_quota(_client: Any) -> Quota:
    return Quota()


def _anything_goes(_flow: FlowSpec) -> None:
    return None


def _always(_object: str) -> bool:
    return True


def _no_notes(_flow: FlowSpec) -> Sequence[str]:
    return ()


def _no_fields(_object: str) -> Sequence[str]:
    return ()


def _one_each(_client: Any, flow: FlowSpec) -> int:
    return len({flow.target_object(name) for name in flow.objects})


@dataclass(frozen=True, slots=True)
class System:
    """One system, as flows read and write it; what it cannot do is left out.

    Every callable that takes a client takes what ``get_client()`` of the hook returns.

    Args:
        name: as in ``source: <name>.<stream>`` and ``target: <name>`` of a flow file.
        hook: dotted path of the Airflow hook, which takes a connection id and has ``get_client()``.
        conn_id: connection that is used unless another one is named.
        streams: typed columns by name of the stream.
        open_source: a stream, by client, name, and ``filters`` of the flow file.
        open_inventory: the records of a stream, by the same; needed to reconcile flows out of this system.
        open_write_back: what writes back to records of a stream, by client and name.
        open_sink: the objects of a flow, by client, flow, intents and the name of the run.
        open_target: the rows of a flow's objects, by client and flow; needed to reconcile flows into this system.
        query: rows of a query by column, for ``lookups`` with ``query``.
        match_objects: target objects for which flow files may say by ``match`` how rows that exist are found.
        takes_filters: whether flow files may narrow its streams by ``filters``.
        check_source: raises ``Misconfigured`` where a flow asks of this source what it does not do.
        check_target: the same for this target.
        empties: whether an empty value empties the field of an existing row, by object; if not, it is left as it is.
        keeps_keys: whether rows of this target hold the key of the flow that wrote them.
        notes: what a flow does that may not be what its author expects; asks nobody.
        schema_problems: what this target lacks of what a flow writes, by client and flow; asks the target.
        read_fields: the fields of this target that a flow writes or has to write, by the same; a change of them is
            found before a run.
        schema_calls: how many calls these two take, by the same; one for each object if left out.
        is_unchanged: whether those fields are as they were at an aware instant, by the same, where that costs less.
        schema_every: after so long the fields are read again, though nothing else asks for it.
        returned_fields: what the target returns for a row of an object beside its id, for write-backs.
        quota: how many calls the system takes.
        instance: what identifies the account, org or company that a client leads to, whatever its address; may ask
            the system. If left out, the connection's id is used.
    """

    name: str
    hook: str
    conn_id: str
    streams: Mapping[str, StreamSchema] = field(default_factory=dict)
    open_source: Callable[[Any, str, Mapping[str, str]], Source] | None = None
    open_inventory: Callable[[Any, str, Mapping[str, str]], SourceInventory] | None = None
    open_write_back: Callable[[Any, str], WriteBack] | None = None
    open_sink: Callable[[Any, FlowSpec, Intents, str], Sink] | None = None
    open_target: Callable[[Any, FlowSpec], Target] | None = None
    query: Callable[[Any, str], Iterable[Mapping[str, Any]]] | None = None
    match_objects: Sequence[str] = ()
    takes_filters: bool = False
    check_source: Callable[[FlowSpec], None] = _anything_goes
    check_target: Callable[[FlowSpec], None] = _anything_goes
    empties: Callable[[str], bool] = _always
    keeps_keys: bool = True
    notes: Callable[[FlowSpec], Sequence[str]] = _no_notes
    schema_problems: Callable[[Any, FlowSpec], Sequence[str]] | None = None
    read_fields: Callable[[Any, FlowSpec], TargetFields] | None = None
    schema_calls: Callable[[Any, FlowSpec], int] = _one_each
    is_unchanged: Callable[[Any, FlowSpec, datetime], bool] | None = None
    schema_every: timedelta = timedelta(days=1)
    returned_fields: Callable[[str], Sequence[str]] = _no_fields
    quota: Callable[[Any], Quota] = _no_quota
    instance: Callable[[Any], str] | None = None
