"""Invoices of another system onto the sales orders they belong to: compared, noted in custom fields, closed.

Closing an order invoices it, under a number of Brightpearl's own. What the order is by then has to be what was
invoiced, so its totals are compared before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from math import ceil
from typing import Any

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS
from airflow_provider_brightpearl.systems.brightpearl.custom_fields import custom_fields, shown
from airflow_provider_brightpearl.systems.brightpearl.fields import at
from airflow_provider_brightpearl.systems.brightpearl.messages import (
    Message,
    Once,
    State,
    min_calls,
    note_missing,
    send_all,
    send_once,
)
from airflow_provider_brightpearl.systems.brightpearl.objects import INVOICE
from airflow_provider_brightpearl.systems.brightpearl.reading import read_there
from airflow_provider_brightpearl.systems.brightpearl.rows import SEPARATOR, Whole, whole_of
from airflow_provider_brightpearl.systems.brightpearl.writer import Writer
from airflow_provider_brightpearl.systems.intent_log import digest_of

_ORDER = "order-service/order"
_SALES_ORDER = "order-service/sales-order"
_TOTALS = ("net", "tax", "gross")


class InvoiceWriter(Writer):
    """Writes invoices onto orders, as many at once as one call reads."""

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        """The fewest calls: orders read, custom fields set, orders closed."""
        invoices = [whole_of(self.flow, record) for record in records if record.changes]
        custom = sum(bool(each.head and each.head.custom) for each in invoices)
        closed = sum(not (each.head and each.head.bound_to) for each in invoices)
        return ceil(len(invoices) / MAX_IDS) + min_calls(custom, closed)

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Results of these rows; an order that is invoiced already as it should be is left as it is."""
        invoices = [whole_of(self.flow, record) for record in records]
        # an invoice that the source no longer has stays
        yield [result for each in invoices for result in each.removals()]
        invoices = [each for each in invoices if each.rows]
        _refuse_twins(invoices)
        # what an earlier call of this run left in doubt is not waited for
        self.intent_log.known.clear()
        self.intent_log.load({each.key: _digest(each) for each in invoices if each.open})
        self.intent_log.wait_until_quiet()
        self._read([each for each in invoices if each.open])
        for each in invoices:
            if each.open:
                _check(each)
        self._refuse_seconds([each for each in invoices if each.open])
        self._note([each for each in invoices if each.open])
        self._close([each for each in invoices if each.open])
        yield [result for each in invoices for result in _results(each)]

    def _read(self, invoices: Sequence[Whole]) -> None:
        for each in invoices:
            each.id = _order(each)
        read_there(self.client, _SALES_ORDER, "id", invoices)
        for each in invoices:
            if each.there is None:
                each.refuse(f"Brightpearl has no sales order {each.id}", name="orderId")

    def _refuse_seconds(self, invoices: Sequence[Whole]) -> None:
        """Refuses an invoice that is new here, of an order that holds the number of another one already."""
        closed = [each for each in invoices if _reference(each) and not each.rows[0].bound_to]
        theirs = [each for each in closed if each.rows[0].custom]
        sales = {each.id: each.there for each in theirs}
        if theirs:
            read_there(self.client, _ORDER, "id", theirs, params={"includeOptional": "customFields"})
        for each in theirs:
            held = (each.there or {}).get("customFields") or {}
            each.there = {**(sales[each.id] or {}), "customFields": held}
            for name, ours in each.rows[0].custom.items():
                other = shown(held.get(name))
                if other and str(ours or "") != other:
                    each.refuse(
                        f"order {each.id} is invoiced already as {_reference(each)}, and holds {other}: "
                        "one of both invoices is one too many",
                        name=name,
                    )

    def _note(self, invoices: Sequence[Whole]) -> None:
        """Sets custom fields, also on orders that are invoiced."""
        changes = [(each, message) for each in invoices for message in custom_fields(each, _ORDER)]
        for place, answer in send_all(self.client, [message for _, message in changes], repeatable=True):
            each, _ = changes[place]
            if answer.state is State.REFUSED:
                each.refuse(answer.reason)
            each.unanswered |= note_missing(self.pending, each.key, answer)

    def _close(self, invoices: Sequence[Whole]) -> None:
        due = {each.key: each for each in invoices if not _reference(each)}
        writes = [Once(key, _digest(each), _closing(each)) for key, each in due.items()]
        for pairs in send_once(self.client, self.intent_log, self.pending, writes):
            for sent, answer in pairs:
                each = due[sent.key]
                each.created = answer.done
                each.unanswered = answer.state in (State.UNKNOWN, State.UNREACHED)
                if answer.state is State.REFUSED:
                    each.refuse(answer.reason)
        done = [each for each in invoices if each.open]
        self.intent_log.begin({each.key: _digest(each) for each in done if each.key not in due})
        self.intent_log.confirm({each.key: _target_id(each) for each in done})


def _order(each: Whole) -> str:
    return str(each.rows[0].values["orderId"])


def _digest(each: Whole) -> str:
    return digest_of(row.change for row in each.rows)


def _reference(each: Whole) -> str:
    """The number of the invoice that an order has, empty where it has none."""
    return str(at(each.there, "invoice/invoiceReference") or "")


def _refuse_twins(invoices: Sequence[Whole]) -> None:
    first: dict[str, str] = {}
    for each in invoices:
        if each.open and (other := first.setdefault(_order(each), each.source_id)) != each.source_id:
            each.refuse(f"record {other} is an invoice of the same order", name="orderId")


def _check(each: Whole) -> None:
    """Refuses an invoice of an order that is cancelled, is invoiced on another day, or has other totals."""
    head = each.rows[0]
    if at(each.there, "isCanceled"):
        each.refuse(f"order {each.id} is cancelled in Brightpearl", name="orderId")
    for name in _TOTALS:
        ours, theirs = head.values.get(name), at(each.there, f"total/{name}")
        if ours is not None and ours != Decimal(theirs or 0):
            each.refuse(
                f"is {ours} on the invoice and {theirs} on Brightpearl's order {each.id}: the order has changed, "
                "or this invoice is of a part of it; nothing was sent",
                head,
                name,
            )
    day = head.values.get("taxDate")
    theirs = at(each.there, "invoice/taxDate")
    if _reference(each) and day is not None and not INVOICE.fields["taxDate"].same(day, theirs):
        each.refuse(
            f"order {each.id} is invoiced already as {_reference(each)}, on {str(theirs)[:10]}",
            head,
            "taxDate",
        )


def _closing(each: Whole) -> Message:
    day = each.rows[0].values.get("taxDate")
    body: dict[str, Any] = {} if day is None else {"taxDate": day}
    return Message("POST", f"{_SALES_ORDER}/{each.id}/close", body)


def _target_id(each: Whole) -> str:
    return f"{each.id}{SEPARATOR}invoice"


def _results(each: Whole) -> Iterator[RowResult]:
    if each.refusal is not None:
        yield each.refusal
    elif not each.unanswered:
        for row in each.rows:
            yield row.written(_target_id(each), created=not row.bound_to)
