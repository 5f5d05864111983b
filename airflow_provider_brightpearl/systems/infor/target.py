"""Reads the rows of a flow in M3: each bound row is requested by its key, in bulks.

No transaction lists rows by a key of ours, so a row that is in M3 and not in the crosswalk is not seen. Journals,
picks and tracking references have no transaction that finds them cheaply: there the crosswalk is trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from airflow_provider_brightpearl.core.changes import RowResult
from airflow_provider_brightpearl.core.numbers import decimal_of
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.ports.target import Held, TargetRow
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.infor.client import Answer, InforClient, Transaction
from airflow_provider_brightpearl.systems.infor.keyed import keys_of
from airflow_provider_brightpearl.systems.infor.objects import DOCUMENTS, KEYED, KeyedObject


@dataclass(frozen=True, slots=True)
class _Lookup:
    """The transaction that gets one row; ``amounts``: its answer has some."""

    keyed: KeyedObject
    amounts: bool = False


_ORDER = _Lookup(KeyedObject("OIS100MI", ("ORNO",), "", get="GetHead"), amounts=True)


def _lookup(kind: str) -> _Lookup | None:
    if kind == "Order":
        return _ORDER
    entry = KEYED.get(kind)
    return _Lookup(entry) if entry and entry.get and entry.keys else None


class InforTarget:
    """The rows of one flow that are bound, each requested by its key.

    Args:
        client: calls to M3.
        flow: its objects are read.
    """

    reads_bound_rows_only = True

    def __init__(self, client: InforClient, flow: FlowSpec) -> None:
        self.client = client
        self.flow = flow
        self.kinds = {name: flow.target_object(name) for name in flow.objects}
        kind = self.kinds[flow.root]
        self.can_rewrite = kind not in DOCUMENTS
        self.lookup = _lookup(kind)

    @property
    def trusts_crosswalk(self) -> bool:
        return self.lookup is None

    @property
    def note(self) -> str:
        if self.trusts_crosswalk:
            return "M3 is not queried: its rows are those that the crosswalk records as written"
        return "M3 is queried for the rows that the crosswalk knows; others in M3 are not seen"

    @property
    def calls(self) -> int:
        return self.client.calls

    def read(
        self, keys: Sequence[str], fields: Sequence[str], bound: Mapping[str, str]
    ) -> Iterator[TargetRow]:
        """The rows of these keys that are bound and that M3 has."""
        known = [(key, bound[key]) for key in keys if key in bound]
        if self.lookup is None:
            yield from (TargetRow(*pair) for pair in known)
            return
        for (key, target_id), answer in self._asked(self.lookup.keyed, known):
            if answer is not None:
                yield TargetRow(key, target_id, {name: _value(answer.first.get(name)) for name in fields})

    def _asked(
        self, entry: KeyedObject, known: Sequence[tuple[str, str]]
    ) -> Iterator[tuple[tuple[str, str], Answer | None]]:
        """Each row with its answer, None where M3 does not have it."""
        sent = [Transaction(entry.get, keys_of(entry, target_id)) for _, target_id in known]
        for group in self.client.pack(sent):
            answers = self.client.bulk(entry.program, [sent[place] for place in group])
            for place, answer in zip(group, answers, strict=True):
                if not answer.done and not answer.missing:
                    raise answer.error(f"{entry.program} {entry.get}")
                yield known[place], answer if answer.done else None

    def held(self, object_name: str, target_ids: Sequence[str], fields: Sequence[str]) -> Iterator[Held]:
        """The rows of these ids that M3 has, with its text of each field; M3 shows the day of a change and no time.

        Who changed a row is shown of items, not of customers.

        Raises:
            Misconfigured: M3 has no transaction that shows a row, or it shows one of these fields to nobody.
            SyncError: M3 does not answer as it should.
        """
        lookup = _lookup(self.kinds[object_name])
        place = f"{self.flow.flow}.yaml: authority"
        if lookup is None:
            raise Misconfigured(
                f"{place}: M3 shows no row of {object_name} by its key; write it in one flow only"
            )
        known = [(target_id, target_id) for target_id in target_ids]
        for (target_id, _), answer in self._asked(lookup.keyed, known):
            if answer is None:
                continue
            if hidden := [name for name in fields if name not in answer.first]:
                shown = f"{lookup.keyed.program} {lookup.keyed.get}"
                raise Misconfigured(
                    f"{place}: {object_name}.{hidden[0]}: {shown} does not show it; write it in one flow only"
                )
            changed_by = answer.first.get("CHID", "")
            yield Held(target_id, {name: answer.first[name] for name in fields}, changed_by=changed_by)

    def existing_ids(self, object_name: str, target_ids: Sequence[str]) -> set[str]:
        """Those of the rows that M3 has, as far as it can be queried."""
        lookup = _lookup(self.kinds[object_name])
        if lookup is None:
            return set(target_ids)
        known = [(target_id, target_id) for target_id in target_ids]
        return {target_id for (target_id, _), answer in self._asked(lookup.keyed, known) if answer}

    def remove(self, rows: Sequence[Binding]) -> Iterator[list[RowResult]]:
        """M3 keeps its rows; ``check_reconcile`` refuses a flow that asks for more."""
        raise Misconfigured(f"{self.flow.flow}.yaml: reconcile.deleted: rows of M3 are not removed")


def _value(text: str | None) -> Decimal | str | None:
    if not text:
        return None
    number = decimal_of(text)
    return text if number is None else number


def check_reconcile(flow: FlowSpec) -> None:
    """Raises ``Misconfigured`` where a flow wants of a reconciliation what M3 cannot do."""
    spec = flow.reconcile
    if spec is None:
        return
    place = f"{flow.flow}.yaml: reconcile"
    if spec.deleted == "remove":
        text = "rows of M3 are not removed by flows; use report, ignore or, with a flow of the other direction, detach"
        raise Misconfigured(f"{place}.deleted: {text}")
    if spec.fields:
        raise Misconfigured(
            f"{place}.fields: M3 reports too few of the fields that flows write; leave it out"
        )
    lookup = _lookup(flow.target_object(flow.root))
    if spec.amount and not (lookup and lookup.amounts):
        raise Misconfigured(
            f"{place}.amount: M3 reports no amounts of {flow.target_object(flow.root)}; leave it out"
        )
