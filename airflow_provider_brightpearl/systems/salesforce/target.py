"""Reads the rows of a flow in a Salesforce org, and removes those of deleted records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.changes import RowOutcome, RowResult
from airflow_provider_brightpearl.core.ports.sides import Span
from airflow_provider_brightpearl.core.ports.stores import Binding
from airflow_provider_brightpearl.core.ports.target import Held, TargetRow
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.salesforce.address_codes import AddressCodes, text_field
from airflow_provider_brightpearl.systems.salesforce.answers import GONE, RowAnswer
from airflow_provider_brightpearl.systems.salesforce.bulk_query import QUERY_THRESHOLD
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.collections import COLLECTION_ROWS
from airflow_provider_brightpearl.systems.salesforce.lost import MERGEABLE, survivors
from airflow_provider_brightpearl.systems.salesforce.soql import KEYS_ASKED, listed


class SalesforceTarget:
    """The rows of one flow: queries by external id, 2,000 rows a call, or a bulk query.

    Args:
        client: calls to the org.
        flow: its objects are read and removed.
        bulk_from: rows expected from which on a bulk query is used.
    """

    reads_bound_rows_only = False
    can_rewrite = True
    note = ""

    def __init__(self, client: SalesforceClient, flow: FlowSpec, bulk_from: int = QUERY_THRESHOLD) -> None:
        self.client = client
        self.bulk_from = bulk_from
        self.flow = flow
        self.soft_delete = flow.reconcile.soft_delete if flow.reconcile else {}
        self.object = flow.target_object(flow.root)
        self.key = flow.objects[flow.root].key_field
        self._codes = AddressCodes(client, flow)

    @property
    def calls(self) -> int:
        return self.client.calls

    def read(
        self, keys: Sequence[str], fields: Sequence[str], bound: Mapping[str, str]
    ) -> Iterator[TargetRow]:
        """The rows of these keys."""
        for chunk in chunked(keys, KEYS_ASKED):
            yield from self._query(f"{self.key} IN {listed(chunk)}", fields)

    def read_span(self, span: Span, fields: Sequence[str]) -> Iterator[TargetRow]:
        """The rows whose key is a number within the span."""
        pieces = _pieces(span.low, span.high)
        parts = [f"({self.key} >= '{first}' AND {self.key} <= '{last}')" for first, last in pieces]
        for row in self._query(" OR ".join(parts), fields, bulk=span.count >= self.bulk_from):
            # as text, 1000 lies between 10 and 20 too
            if row.key.isdigit() and span.low <= int(row.key) <= span.high:
                yield row

    def as_written(self, object_name: str, payload: str) -> str:
        """The JSON fields of an object's row, with the values that the org takes."""
        return self._codes.valued(object_name, payload)

    def _query(self, condition: str, fields: Sequence[str], *, bulk: bool = False) -> Iterator[TargetRow]:
        renamed = self._codes.renamed(self.flow.root) if any(map(text_field, fields)) else {}
        held = {name: renamed.get(name, name) for name in fields}
        names = dict.fromkeys(["Id", self.key, *held.values(), *self.soft_delete])
        soql = f"SELECT {', '.join(names)} FROM {self.object} WHERE {condition}"  # noqa: S608
        for record in self.client.bulk_query(soql) if bulk else self.client.query(soql):
            yield self._row(record, held)

    def _row(self, record: Mapping[str, Any], held: Mapping[str, str]) -> TargetRow:
        retired = self.soft_delete.items()
        return TargetRow(
            str(record[self.key]),
            str(record["Id"]),
            {name: _value(record[column]) for name, column in held.items()},
            retired=bool(retired) and all(_same(record[name], value) for name, value in retired),
        )

    def held(self, object_name: str, target_ids: Sequence[str], fields: Sequence[str]) -> Iterator[Held]:
        """The rows of these ids that are not deleted, with when and by whom they were changed last."""
        renamed = self._codes.renamed(object_name) if any(map(text_field, fields)) else {}
        columns = {name: renamed.get(name, name) for name in fields}
        names = ", ".join(dict.fromkeys(["Id", "SystemModstamp", "LastModifiedById", *columns.values()]))
        for chunk in chunked(target_ids, KEYS_ASKED):
            source = f"{self.flow.target_object(object_name)} WHERE Id IN {listed(chunk)}"
            for record in self.client.query(f"SELECT {names} FROM {source}"):  # noqa: S608
                changed_at = datetime.fromisoformat(str(record["SystemModstamp"]))
                changed_by = str(record["LastModifiedById"] or "")
                values = {name: record[column] for name, column in columns.items()}
                yield Held(str(record["Id"]), values, changed_at, changed_by)

    def existing_ids(self, object_name: str, target_ids: Sequence[str]) -> set[str]:
        """Those of the rows that are neither deleted nor in the recycle bin."""
        found: set[str] = set()
        target = self.flow.target_object(object_name)
        for chunk in chunked(target_ids, KEYS_ASKED):
            soql = f"SELECT Id FROM {target} WHERE Id IN {listed(chunk)}"  # noqa: S608
            found.update(str(record["Id"]) for record in self.client.query(soql))
        return found

    def merged(self, object_name: str, target_ids: Sequence[str]) -> set[str]:
        """Those of the rows that were merged into others, as far as the recycle bin still says so."""
        target = self.flow.target_object(object_name)
        if target not in MERGEABLE:
            return set()
        return {each for each, heir in survivors(self.client, target, target_ids).items() if heir}

    def remove(self, rows: Sequence[Binding]) -> Iterator[list[RowResult]]:
        """Sets ``soft_delete`` on the first object's rows, or deletes all rows, the lowest first."""
        first = [row for row in rows if row.object == self.flow.root]
        if self.soft_delete:
            yield from self._set(first, self.soft_delete)
            return
        if opened := self.flow.objects[self.flow.root].set_last:
            # Salesforce deletes no order that is activated
            for results in self._set(first, opened):
                yield [each for each in results if each.refused]
        for name in reversed(self.flow.objects):
            yield from self._delete([row for row in rows if row.object == name])

    def _set(self, rows: Sequence[Binding], fields: Mapping[str, Any]) -> Iterator[list[RowResult]]:
        for chunk in chunked(rows, COLLECTION_ROWS):
            bodies = [msgspec.json.encode({self.key: row.key, **fields}).decode() for row in chunk]
            answers = self.client.upsert(self.object, self.key, bodies)
            yield [_result(*pair) for pair in zip(chunk, answers, strict=True)]

    def _delete(self, rows: Sequence[Binding]) -> Iterator[list[RowResult]]:
        for chunk in chunked(rows, COLLECTION_ROWS):
            answers = self.client.delete([row.target_id for row in chunk])
            yield [_result(*pair) for pair in zip(chunk, answers, strict=True)]


def _value(value: Any) -> Decimal | str | None:
    """A field's value as exact number or text; a bulk query answers in text, and with empty text for null."""
    return None if value in (None, "") else value if isinstance(value, Decimal) else str(value)


def _same(there: Any, wanted: Any) -> bool:
    """Whether a field holds a value; a bulk query answers in text."""
    return str(there).lower() == str(wanted).lower()


def _result(row: Binding, answer: RowAnswer) -> RowResult:
    gone = answer.success or answer.code in GONE
    return RowResult(
        row.source_id,
        row.object,
        row.key,
        RowOutcome.REMOVED if gone else RowOutcome.REFUSED,
        row.target_id,
        reason="" if gone else f"{answer.code}: {answer.message}",
    )


def _pieces(low: int, high: int) -> Iterator[tuple[int, int]]:
    """The range in pieces of equal length as text, where the order of text is that of numbers."""
    while low <= high:
        last = min(high, 10 ** len(str(low)) - 1)
        yield low, last
        low = last + 1
