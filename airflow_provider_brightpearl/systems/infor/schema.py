"""What M3 itself lists, by ``MRS001MI``, of the transactions with which a flow writes and of what they take.

Lists may end without a sign, and not every user may call the program: what cannot be read is not compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_brightpearl.core.drift import Drift, FieldSchema, TargetFields
from airflow_provider_brightpearl.errors import CredentialsRefused, SchemaMismatch
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.infor.answers import may_be_cut
from airflow_provider_brightpearl.systems.infor.client import Answer, InforClient, Record, Transaction
from airflow_provider_brightpearl.systems.infor.fields import inputs
from airflow_provider_brightpearl.systems.infor.objects import KEYED, transactions_of

_PROGRAM = "MRS001MI"
_COLUMNS = ("FLNM", "LENG", "TYPE", "MAND")
_KINDS = {"A": "text", "N": "number", "D": "date"}
# what makes a document take effect
_CLOSING = {
    "Order": [("OIS100MI", "Confirm")],
    "Journal": [("GLS840MI", "CtrlBatch"), ("GLS840MI", "UpdBatch")],
}


@dataclass(frozen=True, slots=True)
class _Use:
    """A transaction that a flow uses for one of its objects; ``name`` is that of the flow file."""

    name: str
    kind: str
    program: str
    transaction: str

    @property
    def call(self) -> tuple[str, str]:
        return self.program, self.transaction

    def __str__(self) -> str:
        return f"{self.name} {self.program} {self.transaction}"

    @property
    def sent(self) -> set[str]:
        """Fields that are sent whatever the flow file says."""
        known = inputs(*self.call)
        required = {name for name, each in known.items() if each.required}
        # keys that only find the row are no inputs
        keys = KEYED[self.kind].keys if self.kind in KEYED else ()
        return required.union(name for name in keys if not known or name in known)


def schema_calls(client: InforClient, flow: FlowSpec) -> int:
    """Calls that ``read_fields`` takes where M3 has every transaction."""
    return client.min_calls(len({use.call for use in _uses(flow)}))


def read_fields(client: InforClient, flow: FlowSpec) -> TargetFields:
    """The input fields of the transactions that a flow uses, by object and transaction, as M3 lists them.

    Raises:
        SyncError: M3 does not answer as it should; not where its user may not call ``MRS001MI``.
    """
    uses = _uses(flow)
    calls = list(dict.fromkeys(use.call for use in uses))
    sent = [Transaction("LstFields", {"MINM": each[0], "TRNM": each[1], "TRTP": "I"}) for each in calls]
    try:
        answers = dict(zip(calls, client.bulk(_PROGRAM, sent, columns=_COLUMNS), strict=True))
        gone = _gone(client, [call for call, answer in answers.items() if _may_be_gone(answer)])
    except (CredentialsRefused, SchemaMismatch) as error:
        # a token that is refused is refused everywhere
        if error.status == 401:
            raise
        hint = f"give the user of the connection {_PROGRAM} to have them compared before each run"
        return TargetFields(
            {str(use): {} for use in uses}, notes=[f"fields of M3 are not compared: {error}; {hint}"]
        )
    found = {str(use): _fields(use, answers[use.call]) for use in uses if use.call not in gone}
    missing = {str(use): _missing(flow, use, found.get(str(use))) for use in uses}
    notes = [
        f"fields of {' '.join(call)} are not compared: {_why_unread(answer)}"
        for call, answer in answers.items()
        if call not in gone and not _is_readable(answer)
    ]
    return TargetFields(found, {place: each for place, each in missing.items() if each}, notes)


def _uses(flow: FlowSpec) -> list[_Use]:
    found = []
    for name in flow.objects:
        kind = flow.target_object(name)
        keyed = KEYED.get(kind)
        others = [(keyed.program, each) for each in (keyed.get, keyed.remove) if each] if keyed else []
        calls = [*transactions_of(kind), *others, *_CLOSING.get(kind, ())]
        found += [_Use(name, kind, *call) for call in dict.fromkeys(calls)]
    return found


def _is_readable(answer: Answer) -> bool:
    return answer.done and bool(answer.records) and not may_be_cut(answer.records)


def _why_unread(answer: Answer) -> str:
    if not answer.done:
        return f"{_PROGRAM} LstFields: {answer.reason}"
    return f"M3 lists {len(answer.records)} of them, which may not be all"


def _may_be_gone(answer: Answer) -> bool:
    return answer.missing or (answer.done and not answer.records)


def _gone(client: InforClient, suspected: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Those that their program does not list among its transactions either."""
    programs = list(dict.fromkeys(program for program, _ in suspected))
    asked = [Transaction("LstTransactions", {"MINM": program}) for program in programs]
    listed = dict(zip(programs, client.bulk(_PROGRAM, asked, columns=("TRNM",)), strict=True))
    return {call for call in suspected if _is_unlisted(call[1], listed[call[0]])}


def _is_unlisted(transaction: str, listed: Answer) -> bool:
    names = {each.get("TRNM") for each in listed.records}
    return listed.missing or (_is_readable(listed) and transaction not in names)


def _fields(use: _Use, answer: Answer) -> dict[str, FieldSchema]:
    """The fields by name, none where they cannot be read."""
    if not _is_readable(answer):
        return {}
    return {each.get("FLNM", ""): _field(use, each) for each in answer.records}


def _field(use: _Use, listed: Record) -> FieldSchema:
    kind, length = listed.get("TYPE", ""), listed.get("LENG", "")
    return FieldSchema(
        _KINDS.get(kind, kind),
        length=int(length) if length.isdecimal() else 0,
        required=listed.get("MAND") == "1",
        sent=listed.get("FLNM") in use.sent,
    )


def _missing(flow: FlowSpec, use: _Use, fields: dict[str, FieldSchema] | None) -> list[Drift]:
    if fields is None:
        return [Drift("", "M3 has no such transaction, or this user may not see it", breaking=True)]
    spec = flow.objects[use.name]
    written = [name for name in (*spec.parent, *spec.fields) if name in inputs(*use.call)]
    needed = dict.fromkeys([*written, *sorted(use.sent)]) if fields else {}
    return [
        Drift(name, "is not a field of this transaction in this M3", breaking=True)
        for name in needed
        if name not in fields
    ]
