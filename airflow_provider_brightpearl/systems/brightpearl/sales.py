"""Sales orders and credits: created whole, read back, and changed by what differs.

Brightpearl knows a repeat by ``externalRef`` together with ``installedIntegrationInstanceId``. Without the latter, and
for what an order gains later, a write is an intent, and after a lost answer the order is looked for by
``externalRef`` before it may be sent again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from math import ceil
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.ports.matching import LinkedRows
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.answers import NOTHING_FOUND
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS, BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.fields import at
from airflow_provider_brightpearl.systems.brightpearl.messages import (
    Message,
    Once,
    State,
    min_calls,
    note_missing,
    read,
    rows_of,
    send_all,
    send_once,
)
from airflow_provider_brightpearl.systems.brightpearl.objects import RETURNED, SALE
from airflow_provider_brightpearl.systems.brightpearl.reading import read_there, refused_search
from airflow_provider_brightpearl.systems.brightpearl.rows import SEPARATOR, Row, Whole, whole_of
from airflow_provider_brightpearl.systems.brightpearl.sale_changes import (
    changes,
    check_addresses,
    new_sale,
    row_changes,
    stored_row,
)
from airflow_provider_brightpearl.systems.brightpearl.sale_figures import Figures, check_row, check_stored
from airflow_provider_brightpearl.systems.brightpearl.sale_parents import Parents
from airflow_provider_brightpearl.systems.brightpearl.writer import Writer
from airflow_provider_brightpearl.systems.intent_log import IntentLog, digest_of

_SEARCH = "order-service/order-search"
_PATHS = {"SalesOrder": "order-service/sales-order", "SalesCredit": "order-service/sales-credit"}
_TYPES = {"SalesOrder": 1, "SalesCredit": 3}
_CHANGE = "change"


class SaleWriter(Writer):
    """Writes the sales orders or credits of one flow, as many at once as one call reads."""

    def __init__(
        self, client: BrightpearlClient, flow: FlowSpec, intent_log: IntentLog, linked: LinkedRows
    ) -> None:
        super().__init__(client, flow, intent_log, linked)
        self.kind = flow.target_object(flow.root)
        self.path = _PATHS[self.kind]
        self.figures = Figures(client)
        self.parents = Parents(client)
        self._cancelled_status: str | None = None
        self.with_rows = "OrderRow" in map(flow.target_object, flow.objects)

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        """The fewest calls: new ones in full messages and read back, others read, changed, and read again.

        Those that are older than the flow's state are looked for as well, where Brightpearl would not recognise them.
        Tax codes are read once where rows come without their tax.
        """
        sales = [whole_of(self.flow, record) for record in records]
        changed = sum(bool(sale.id) for sale in sales)
        new = [sale for sale in sales if not sale.id]
        custom = sum(bool(sale.head and sale.head.custom) for sale in new)
        old = (sale for sale in new if self.intent_log.may_be_written(sale.created_at))
        asked = sum(not _recognised(sale) for sale in old)
        allocated = sum(bool(sale.head and sale.head.values.get("allocate")) for sale in new)
        reads = ceil(len(sales) / MAX_IDS) + ceil((changed + allocated) / MAX_IDS)
        taxes = any(row.values.get("tax") is None for sale in sales for row in sale.of_kind("OrderRow"))
        return (
            min_calls(asked, len(new), custom + changed + allocated)
            + reads
            + taxes
            + self.parents.min_calls(sales)
        )

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Results of all rows of these sales, of which there are at most as many as one call reads."""
        sales = [whole_of(self.flow, record) for record in records]
        for sale in sales:
            if sale.open:
                check_addresses(sale)
        self._identify([sale for sale in sales if sale.open])
        if self.kind == "SalesCredit":
            # what a change leaves as it is counts as well
            self._read([sale for sale in sales if sale.id and sale.open])
            self.parents.complete(sales)
        for sale in sales:
            if sale.open:
                self.figures.complete(sale)
        self.parents.judge()
        self._create([sale for sale in sales if not sale.id and sale.open])
        self._read([sale for sale in sales if sale.id and sale.open and not sale.there])
        self._change([sale for sale in sales if sale.there and sale.open])
        yield [result for sale in sales for result in self._results(sale)]

    # which order it is

    def _identify(self, sales: Sequence[Whole]) -> None:
        """Takes the ids of orders that exist: from earlier writes, or by their external reference."""
        # what an earlier call of this run left in doubt is not waited for
        self.intent_log.known.clear()
        self.intent_log.load({sale.key: _digest(sale) for sale in sales if sale.key})
        self.intent_log.wait_until_quiet()
        unknown = []
        for sale in sales:
            intent = self.intent_log.known.get(sale.key)
            doubtful = intent is not None and intent.state is IntentState.IN_DOUBT
            if sale.id or intent is None:
                continue
            if intent.state is IntentState.DONE:
                sale.id, sale.created, sale.sent = intent.target_id, True, intent.digest == _digest(sale)
            elif doubtful and intent.step == _CHANGE:
                sale.id = intent.reference
            elif doubtful or self._may_be_written(sale):
                unknown.append(sale)
        self._find(unknown)

    def _may_be_written(self, sale: Whole) -> bool:
        """Whether Brightpearl may have this sale, unknown to the state, and would take it for a new one."""
        return not _recognised(sale) and self.intent_log.may_be_written(sale.created_at, sale.key)

    def _find(self, sales: Sequence[Whole]) -> None:
        """Looks for orders by external reference, ten to a call."""
        columns = "orderId,externalRef"
        kind = f"orderTypeId={_TYPES[self.kind]}&columns={columns}"
        paths = [f"{_SEARCH}?externalRef={quote(sale.key, safe='')}&{kind}" for sale in sales]
        found = []
        for sale, answer in zip(sales, read(self.client, paths), strict=True):
            if refused_search(sale, answer, "externalRef"):
                continue
            ids = [str(row["orderId"]) for row in rows_of(answer) if row["externalRef"] == sale.key]
            if len(ids) > 1:
                sale.refuse(
                    f"Brightpearl has {len(ids)} orders of this externalRef: {', '.join(ids)}; delete all but one"
                )
            elif ids:
                sale.id, sale.created = ids[0], True
                sale.sent = self._was_sent(sale)
                found.append(sale)
        fresh = [sale for sale in found if self.intent_log.known[sale.key].state is not IntentState.IN_DOUBT]
        self.intent_log.begin({sale.key: _digest(sale) for sale in fresh})
        self.intent_log.confirm({sale.key: sale.id for sale in found})

    def _was_sent(self, sale: Whole) -> bool:
        """Whether the order that was found is what a call in doubt has sent."""
        intent = self.intent_log.known[sale.key]
        return intent.state is IntentState.IN_DOUBT and intent.digest == _digest(sale)

    # new ones

    def _create(self, sales: Sequence[Whole]) -> None:
        new = {}
        writes = []
        for sale in sales:
            if sale.head is None:
                sale.refuse("the order of this row is not in Brightpearl yet", passing=True)
                continue
            if self.with_rows and not sale.of_kind("OrderRow"):
                sale.refuse("needs a row, and the source has none; nothing was sent", sale.head)
                continue
            new[sale.key] = sale
            writes.append(
                Once(sale.key, _digest(sale), Message("POST", self.path, new_sale(sale, sale.head)))
            )
        nameless = []
        recognised = all(map(_recognised, new.values()))
        for pairs in send_once(self.client, self.intent_log, self.pending, writes, repeatable=recognised):
            for sent, answer in pairs:
                sale = new[sent.key]
                sale.unanswered = answer.state in (State.UNKNOWN, State.UNREACHED)
                if answer.state is State.REFUSED:
                    sale.refuse(answer.reason)
                elif answer.done and not answer.made:
                    nameless.append(sale)
                elif answer.done:
                    sale.id, sale.created, sale.sent = answer.made, True, True
        # a repeat may be answered without the id
        self._find(nameless)

    def _read(self, sales: Sequence[Whole]) -> None:
        """Reads the orders as they are now."""
        read_there(self.client, self.path, "id", sales)
        for sale in sales:
            if sale.there is None:
                sale.refuse(f"Brightpearl no longer has {self.kind} {sale.id}")

    # changes

    def _change(self, sales: Sequence[Whole]) -> None:
        planned = [(sale, self._planned(sale)) for sale in sales]
        flat = [(sale, message) for sale, messages in planned for message in messages if sale.open]
        adding = {sale.key: sale for sale, message in flat if message.method == "POST"}
        self.intent_log.begin(
            {key: _digest(sale) for key, sale in adding.items()},
            _CHANGE,
            {key: sale.id for key, sale in adding.items()},
        )
        messages, renew = [message for _, message in flat], partial(self.intent_log.renew, adding)
        for place, answer in send_all(self.client, messages, repeatable=not adding, before=renew):
            sale, message = flat[place]
            sale.touched = True
            if message.method == "DELETE" and answer.code == NOTHING_FOUND:
                continue
            if answer.state is State.REFUSED:
                sale.refuse(f"{answer.reason}; what else changed of {sale.id} was sent")
            sale.unanswered |= note_missing(self.pending, sale.key or sale.id, answer)
        lost = set(self.pending.lost)
        self.intent_log.confirm({key: sale.id for key, sale in adding.items() if key not in lost})
        changed = {sale.source_id: sale for sale, _ in flat if sale.open}
        self._read(list(changed.values()))

    def _planned(self, sale: Whole) -> list[Message]:
        # what is stored of a head that was just sent may look different, its figures may not
        return row_changes(sale) if sale.sent else changes(sale, self._cancelled)

    def _cancelled(self) -> str:
        """The account's status of cancelled orders; asked for only where it matters."""
        if self._cancelled_status is None:
            found = self.client.configuration()["configuration"]
            self._cancelled_status = str(found.get("cancelledOrderStatusId"))
        return self._cancelled_status

    def _results(self, sale: Whole) -> Iterator[RowResult]:
        stored = {row.key: stored_row(sale, row) for row in sale.of_kind("OrderRow")} if sale.open else {}
        if sale.open:
            _check(sale, stored)
        if sale.refusal is not None:
            yield sale.refusal
        elif not sale.unanswered:
            yield from sale.removals()
            for row in sale.rows:
                result = sale.written(row, _target_id(sale, row, stored))
                yield replace(result, returned_fields=_returned(sale)) if row is sale.head else result


def _digest(sale: Whole) -> str:
    return digest_of(row.change for row in sale.rows)


def _recognised(sale: Whole) -> bool:
    """Whether Brightpearl recognises a repeat of this sale."""
    return bool(sale.head and sale.head.values.get("installedIntegrationInstanceId"))


def _check(sale: Whole, stored: dict[str, dict[str, Any] | None]) -> None:
    for row in sale.of_kind("OrderRow"):
        if (found := stored[row.key]) is None:
            sale.refuse(f"{sale.id} was written, and Brightpearl does not show this row of it", row)
        else:
            check_row(sale, row, found)
    check_stored(sale)


def _target_id(sale: Whole, row: Row, stored: dict[str, dict[str, Any] | None]) -> str:
    if row is sale.head:
        return sale.id
    found = stored.get(row.key)
    return f"{sale.id}{SEPARATOR}{found['id'] if found else row.values['type']}"


def _returned(sale: Whole) -> tuple[tuple[str, str], ...]:
    paths = {name: SALE.fields[name].path if name in SALE.fields else name for name in RETURNED}
    values = ((name, at(sale.there, path)) for name, path in paths.items())
    return tuple((name, str(value)) for name, value in values if value is not None)
