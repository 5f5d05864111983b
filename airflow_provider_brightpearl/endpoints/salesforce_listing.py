"""Which rows of a flow a Salesforce org holds, with their amounts; and how rows of deleted records are taken out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from airflow_provider_brightpearl.clients.salesforce import RowAnswer, SalesforceClient
from airflow_provider_brightpearl.clients.salesforce_bulk_query import QUERY_THRESHOLD
from airflow_provider_brightpearl.clients.salesforce_rows import COLLECTION_ROWS
from airflow_provider_brightpearl.core.census import TargetRow
from airflow_provider_brightpearl.core.changes import RowResult
from airflow_provider_brightpearl.core.ports import Binding
from airflow_provider_brightpearl.mapping.identity import currency_field
from airflow_provider_brightpearl.mapping.reconcile_spec import ReconcileSpec
from airflow_provider_brightpearl.mapping.spec import FlowSpec

T = TypeVar("T")

_GONE = ("ENTITY_IS_DELETED", "NOT_FOUND", "INVALID_CROSS_REFERENCE_KEY")
# a query's address holds 16,000 bytes, and a quoted id takes up to 30 of them
_ASKED = 400


class SalesforceListing:
    """Implements ``core.census.Listing`` for one flow: queries by external id, 2,000 rows a call, or a bulk query.

    Args:
        client: calls to the org.
        flow: its first object is listed.
        bulk_from: rows expected from which on a bulk query is used.
    """

    by_binding = False
    rewrites = True
    note = ""

    def __init__(self, client: SalesforceClient, flow: FlowSpec, bulk_from: int = QUERY_THRESHOLD) -> None:
        self.client = client
        self.bulk_from = bulk_from
        self.flow = flow
        self.spec = flow.reconcile or ReconcileSpec()
        self.amount = self.spec.amount
        self.currency = currency_field(flow)
        self.object = flow.target_object(flow.root)
        self.key = flow.objects[flow.root].key_field

    @property
    def amounts(self) -> bool:
        return self.amount is not None

    @property
    def calls(self) -> int:
        return self.client.calls

    def rows(self, keys: Sequence[str], bound: Mapping[str, str], *, ranged: bool) -> Iterator[TargetRow]:
        """The rows of these keys, or of all keys between the first and the last number."""
        if ranged and keys:
            numbers = [int(key) for key in keys]
            yield from self._between(min(numbers), max(numbers), len(keys))
            return
        for chunk in _chunks(keys, _ASKED):
            yield from self._query(f"{self.key} IN {_listed(chunk)}")

    def _between(self, low: int, high: int, expected: int) -> Iterator[TargetRow]:
        parts = [f"({self.key} >= '{first}' AND {self.key} <= '{last}')" for first, last in _spans(low, high)]
        for row in self._query(" OR ".join(parts), bulk=expected >= self.bulk_from):
            # as text, 1000 lies between 10 and 20 too
            if row.key.isdigit() and low <= int(row.key) <= high:
                yield row

    def _query(self, condition: str, *, bulk: bool = False) -> Iterator[TargetRow]:
        wanted = [self.amount, self.currency, *self.spec.removed_as]
        names = dict.fromkeys(["Id", self.key, *(name for name in wanted if name)])
        soql = f"SELECT {', '.join(names)} FROM {self.object} WHERE {condition}"  # noqa: S608
        for record in self.client.bulk_query(soql) if bulk else self.client.query(soql):
            yield self._row(record)

    def _row(self, record: Mapping[str, Any]) -> TargetRow:
        amount = record[self.amount] if self.amount else None
        retired = self.spec.removed_as.items()
        return TargetRow(
            str(record[self.key]),
            str(record["Id"]),
            None if amount in (None, "") else Decimal(str(amount)),
            str((self.currency and record[self.currency]) or ""),
            retired=bool(retired) and all(_same(record[name], value) for name, value in retired),
        )

    def there(self, object_name: str, target_ids: Sequence[str]) -> set[str]:
        """Those of the rows that are neither deleted nor in the recycle bin."""
        found: set[str] = set()
        target = self.flow.target_object(object_name)
        for chunk in _chunks(target_ids, _ASKED):
            soql = f"SELECT Id FROM {target} WHERE Id IN {_listed(chunk)}"  # noqa: S608
            found.update(str(record["Id"]) for record in self.client.query(soql))
        return found

    def remove(self, rows: Sequence[Binding]) -> Iterator[list[RowResult]]:
        """Sets ``removed_as`` on the first object's rows, or deletes all rows, the lowest first."""
        first = [row for row in rows if row.object == self.flow.root]
        if self.spec.removed_as:
            yield from self._set(first, self.spec.removed_as)
            return
        if opened := self.flow.objects[self.flow.root].written_last:
            # Salesforce deletes no order that is activated
            for results in self._set(first, opened):
                yield [each for each in results if each.error]
        for name in reversed(self.flow.objects):
            yield from self._delete([row for row in rows if row.object == name])

    def _set(self, rows: Sequence[Binding], fields: Mapping[str, Any]) -> Iterator[list[RowResult]]:
        for chunk in _chunks(rows, COLLECTION_ROWS):
            bodies = [msgspec.json.encode({self.key: row.key, **fields}).decode() for row in chunk]
            answers = self.client.upsert(self.object, self.key, bodies)
            yield [_result(*pair) for pair in zip(chunk, answers, strict=True)]

    def _delete(self, rows: Sequence[Binding]) -> Iterator[list[RowResult]]:
        for chunk in _chunks(rows, COLLECTION_ROWS):
            answers = self.client.delete([row.target_id for row in chunk])
            yield [_result(*pair) for pair in zip(chunk, answers, strict=True)]


def _same(there: Any, wanted: Any) -> bool:
    """Whether a field holds a value; a bulk query answers in text."""
    return str(there).lower() == str(wanted).lower()


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _listed(texts: Sequence[str]) -> str:
    """Texts as a list in SOQL."""
    from simple_salesforce.format import quote_soql_value

    return f"({', '.join(map(quote_soql_value, texts))})"


def _result(row: Binding, answer: RowAnswer) -> RowResult:
    error = "" if answer.success or answer.code in _GONE else f"{answer.code}: {answer.message}"
    return RowResult(row.source_id, row.object, row.key, row.target_id, removed=not error, error=error)


def _spans(low: int, high: int) -> Iterator[tuple[int, int]]:
    """The range in pieces of equal length as text, where the order of text is that of numbers."""
    while low <= high:
        last = min(high, 10 ** len(str(low)) - 1)
        yield low, last
        low = last + 1
