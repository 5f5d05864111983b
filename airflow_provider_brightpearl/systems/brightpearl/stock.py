"""Stock corrections: the difference between the stock that is mapped and what Brightpearl holds, read just before.

A correction is an intent. Since the stock is read again after a lost answer, one that arrived leaves no difference,
and one that did not is sent anew.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from math import ceil
from typing import Any

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.systems.brightpearl.costs import list_costs
from airflow_provider_brightpearl.systems.brightpearl.messages import (
    GROUP,
    Answer,
    Message,
    State,
    min_calls,
    note_missing,
    send,
)
from airflow_provider_brightpearl.systems.brightpearl.reading import Odd
from airflow_provider_brightpearl.systems.brightpearl.rows import SEPARATOR, Whole, whole_of
from airflow_provider_brightpearl.systems.brightpearl.writer import Writer
from airflow_provider_brightpearl.systems.intent_log import digest_of

_AVAILABILITY = "warehouse-service/product-availability"
_PRODUCT = "product-service/product"
# ids of a call that were answered wherever it was tried
PRODUCTS_A_CALL = 100
# corrections of one warehouse that travel in one message
_TOGETHER = 50
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _NoStock:
    """Why a product has no stock; ``exists`` if Brightpearl has it."""

    reason: str
    exists: bool = True


class StockWriter(Writer):
    """Writes the stock of products in warehouses."""

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        """The fewest calls: products read, and the corrections of each warehouse together."""
        counts = [whole_of(self.flow, record) for record in records if record.changes]
        counts = [each for each in counts if each.open]
        products = {_place(each)[1] for each in counts}
        warehouses: dict[int, int] = {}
        for each in counts:
            warehouses[_place(each)[0]] = warehouses.get(_place(each)[0], 0) + 1
        messages = sum(ceil(count / _TOGETHER) for count in warehouses.values())
        return ceil(len(products) / PRODUCTS_A_CALL) + min_calls(messages)

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Results of these rows; a row whose stock is right already is answered without a call."""
        counts = [whole_of(self.flow, record) for record in records]
        # stock that the source no longer has stays as it is
        yield [result for each in counts for result in each.removals()]
        counts = [each for each in counts if each.rows]
        self._refuse_bad(counts)
        # what an earlier call of this run left in doubt is not waited for
        self.intent_log.known.clear()
        self.intent_log.load({each.key: _digest(each) for each in counts if each.open})
        self.intent_log.wait_until_quiet()
        differences = self._differences([each for each in counts if each.open])
        self._settle([each for each in counts if each.open and not differences[each.source_id]])
        self._correct([each for each in counts if each.open and differences[each.source_id]], differences)
        yield [result for each in counts for result in _results(each)]

    def _refuse_bad(self, counts: Sequence[Whole]) -> None:
        """Refuses stock that cannot be, and a place that another record counts, in this run or an earlier one."""
        owners = self.linked.owners(self.flow.root, [_target_id(each) for each in counts if each.open])
        for each in counts:
            if not each.open:
                continue
            stock = each.rows[0].values["inStock"]
            if stock != int(stock) or stock < 0:
                each.refuse("has to be a whole number from 0", name="inStock")
            place = _target_id(each)
            other = owners.get(place) or self.linked.first(f"stock\0{place}", each.source_id)
            if other != each.source_id:
                each.refuse(f"record {other} counts the same product in the same warehouse", name="productId")

    def _differences(self, counts: Sequence[Whole]) -> dict[str, int]:
        """How much is missing, or too much where negative, by record."""
        held = self._held({_place(each)[1] for each in counts})
        found = {}
        for each in counts:
            warehouse, product = _place(each)
            stock = held[product]
            pieces = int(each.rows[0].values["inStock"])
            if isinstance(stock, _NoStock):
                found[each.source_id] = 0
                # none of what has no stock is as it should be
                if pieces or not stock.exists:
                    each.refuse(stock.reason, name="productId")
            else:
                found[each.source_id] = pieces - stock.get(warehouse, 0)
        self._price([each for each in counts if each.open and found[each.source_id] > 0])
        return found

    def _price(self, added: Sequence[Whole]) -> None:
        """Sets what the pieces cost that are added; refuses those of which nobody knows it."""
        self.costs: dict[str, Mapping[str, Any]] = {
            each.key: cost for each in added if (cost := _own_cost(each))
        }
        lists = {each.key: _cost_list(each) for each in added if each.key not in self.costs}
        found = list_costs(self.client, [place for place in lists.values() if place])
        self.costs |= {key: found[place] for key, place in lists.items() if place in found}
        for each in added:
            if each.key not in self.costs:
                each.refuse(_without_cost(each, lists[each.key]), name="cost")

    def _held(self, products: set[int]) -> dict[int, dict[int, int] | _NoStock]:
        """Pieces by warehouse for each product, or why it has no stock."""
        held: dict[int, dict[int, int] | _NoStock] = {}
        odd = Odd()
        for product, raw in self.client.get_map(
            _AVAILABILITY, products, batch=PRODUCTS_A_CALL, set_aside=odd
        ):
            warehouses = _decode(raw)["warehouses"].items()
            held[int(product)] = {
                int(warehouse): int(figures["inStock"]) for warehouse, figures in warehouses
            }
        # a product without stock so far is missing there, and so is one whose stock is not counted
        held |= {
            int(product): _NoStock(f"Brightpearl does not answer for it: {why}", exists=False)
            for product, why in odd.reasons.items()
        }
        missing = products - held.keys()
        raw_products = self.client.get_records(_PRODUCT, missing, set_aside=odd)
        records = map(_decode, raw_products) if missing else ()
        found = {int(record["id"]): record for record in records}
        return held | {product: _no_stock(product, found.get(product)) for product in missing}

    def _settle(self, counts: Sequence[Whole]) -> None:
        """Confirms corrections in doubt that turned out to have arrived."""
        doubtful = [e for e in counts if self.intent_log.known[e.key].state is IntentState.IN_DOUBT]
        self.intent_log.confirm({each.key: _target_id(each) for each in doubtful})

    def _correct(self, counts: Sequence[Whole], differences: Mapping[str, int]) -> None:
        by_warehouse: dict[int, list[Whole]] = {}
        for each in counts:
            by_warehouse.setdefault(_place(each)[0], []).append(each)
        waiting = deque(some for each in by_warehouse.values() for some in chunked(each, _TOGETHER))
        while waiting:
            groups = [waiting.popleft() for _ in range(min(GROUP, len(waiting)))]
            sent = [each for group in groups for each in group]
            self.intent_log.begin({each.key: _digest(each) for each in sent})
            try:
                messages = [_message(group, differences, self.costs) for group in groups]
                renew = partial(self.intent_log.renew, [each.key for each in sent])
                answers = send(self.client, messages, before=renew)
            except SyncError as error:
                self.intent_log.fail({each.key: f"not sent: {error.message}" for each in sent})
                raise
            for group, answer in zip(groups, answers, strict=True):
                waiting.extend(self._take(group, answer))

    def _take(self, group: Sequence[Whole], answer: Answer) -> Iterator[list[Whole]]:
        """Notes what became of corrections sent together; one that was refused is looked for by halving them."""
        if answer.done:
            self.intent_log.confirm({each.key: _target_id(each) for each in group})
            return
        for each in group:
            each.unanswered = note_missing(self.pending, each.key, answer)
        if answer.state is State.UNKNOWN:
            return
        self.intent_log.fail({each.key: answer.reason for each in group})
        if answer.state is State.REFUSED and len(group) > 1:
            yield from (list(half) for half in chunked(group, ceil(len(group) / 2)))
        elif answer.state is State.REFUSED:
            group[0].refuse(answer.reason)


def _place(each: Whole) -> Place:
    values = each.rows[0].values
    return values["warehouseId"], values["productId"]


def _target_id(each: Whole) -> str:
    return SEPARATOR.join(map(str, _place(each)))


def _own_cost(each: Whole) -> dict[str, Any] | None:
    values = each.rows[0].values
    known = values.get("cost") is not None
    return {"currency": values.get("costCurrency"), "value": values["cost"]} if known else None


def _cost_list(each: Whole) -> Place | None:
    """The product and the price list that says what it costs, None where none is mapped."""
    price_list = each.rows[0].values.get("costPriceListId")
    return None if price_list is None else (_place(each)[1], price_list)


def _without_cost(each: Whole, place: Place | None) -> str:
    needed = "is needed where stock is added, and the source has none"
    if place is None:
        return f"{needed}: enter it there, or map costPriceListId to a price list that has it"
    return (
        f"{needed}: enter it there, or a price of product {place[0]} in price list {place[1]} of Brightpearl"
    )


def _digest(each: Whole) -> str:
    return digest_of(row.change for row in each.rows)


def _no_stock(product: int, record: Mapping[str, Any] | None) -> dict[int, int] | _NoStock:
    if record is None:
        return _NoStock(f"Brightpearl has no product {product}", exists=False)
    if record.get("composition", {}).get("bundle"):
        return _NoStock(f"product {product} is a bundle: its stock is that of its components")
    if not record.get("stock", {}).get("stockTracked"):
        return _NoStock(f"the stock of product {product} is not tracked in Brightpearl")
    return {}


def _message(
    group: Sequence[Whole], differences: Mapping[str, int], costs: Mapping[str, Mapping[str, Any]]
) -> Message:
    warehouse, _ = _place(group[0])
    corrections = [_correction(each, differences[each.source_id], costs.get(each.key)) for each in group]
    path = f"warehouse-service/warehouse/{warehouse}/stock-correction"
    return Message("POST", path, {"corrections": corrections})


def _correction(each: Whole, quantity: int, cost: Mapping[str, Any] | None) -> dict[str, Any]:
    values = each.rows[0].values
    reason = f"{values.get('reason') or 'Stock count'} ({each.key})"
    found: dict[str, Any] = {"productId": values["productId"], "quantity": quantity, "reason": reason}
    if values.get("locationId") is not None:
        found["locationId"] = values["locationId"]
    if cost is not None:
        found["cost"] = cost
    return found


def _results(each: Whole) -> Iterator[RowResult]:
    if each.refusal is not None:
        yield each.refusal
    elif not each.unanswered:
        for row in each.rows:
            yield row.written(_target_id(each), created=not row.bound_to)
