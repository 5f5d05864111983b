"""Products with their prices: found by exact SKU, created with a POST, changed by what differs.

Brightpearl creates a second product of the same SKU without a word, so a new one is an intent, and its SKU is looked
for first. Members of a product that are changed are sent whole, with what Brightpearl has in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from math import ceil
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS
from airflow_provider_brightpearl.systems.brightpearl.custom_fields import custom_fields
from airflow_provider_brightpearl.systems.brightpearl.fields import at, nested
from airflow_provider_brightpearl.systems.brightpearl.match import PRODUCTS, Matcher
from airflow_provider_brightpearl.systems.brightpearl.messages import (
    Message,
    Once,
    State,
    min_calls,
    note_missing,
    send_all,
    send_once,
)
from airflow_provider_brightpearl.systems.brightpearl.objects import PRODUCT
from airflow_provider_brightpearl.systems.brightpearl.reading import Odd, read_there
from airflow_provider_brightpearl.systems.brightpearl.rows import SEPARATOR, Row, Whole, whole_of
from airflow_provider_brightpearl.systems.brightpearl.writer import Writer
from airflow_provider_brightpearl.systems.intent_log import digest_of

_PRODUCT = "product-service/product"
_PRICES = "product-service/product-price"
# members of a product's first sales channel
_CHANNEL = {"name": "productName", "categoryCode": "categories", "description": "description"}
_NEEDED = ("name", "brandId")
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class ProductWriter(Writer):
    """Writes the products of one flow, as many at once as one call reads."""

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        """The fewest calls: new ones searched and created, others read and changed; prices read and set."""
        products = [whole_of(self.flow, record) for record in records]
        new = sum(not product.id for product in products)
        changed = len(products) - new
        priced = sum(bool(product.parts) for product in products)
        reads = ceil(changed / MAX_IDS) + ceil(priced / MAX_IDS)
        return min_calls(new, new, changed + priced) + reads

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Results of all rows of these products."""
        products = [whole_of(self.flow, record) for record in records]
        self._identify([product for product in products if product.open])
        self._find([product for product in products if product.open and not product.id])
        self._read([product for product in products if product.open and product.id])
        self._create([product for product in products if product.open and not product.id])
        self._change([product for product in products if product.open])
        yield [result for product in products for result in _results(product)]

    def _identify(self, products: Sequence[Whole]) -> None:
        # what an earlier call of this run left in doubt is not waited for
        self.intent_log.known.clear()
        self.intent_log.load({product.key: _digest(product) for product in products if product.key})
        self.intent_log.wait_until_quiet()
        for product in products:
            intent = self.intent_log.known.get(product.key)
            if not product.id and intent and intent.state is IntentState.DONE:
                product.id, product.created = intent.target_id, True
        self.release_taken(products)

    def _find(self, products: Sequence[Whole]) -> None:
        """Takes over products that Brightpearl has already, and remembers them as ours."""
        known = self.intent_log.known
        doubtful = {each.key for each in products if known[each.key].state is IntentState.IN_DOUBT}
        # a product whose answer was lost may have come to be since the first look
        self.linked.unfound.difference_update(doubtful)
        Matcher(self.client, self.flow, PRODUCTS, self.linked).find(products)
        for product in products:
            product.created = bool(product.id) and product.key in doubtful
        found = [product for product in products if product.id and product.open]
        self.intent_log.begin({each.key: _digest(each) for each in found if not each.created})
        self.intent_log.confirm({each.key: each.id for each in found})

    def _read(self, products: Sequence[Whole]) -> None:
        """Reads the products as they are now."""
        params = {"includeOptional": "customFields"}
        read_there(self.client, _PRODUCT, "id", products, params=params)
        for product in products:
            if product.there is None:
                product.refuse(f"Brightpearl no longer has product {product.id}")

    def _create(self, products: Sequence[Whole]) -> None:
        new = {}
        for product in products:
            values = product.head.values if product.head else {}
            if product.head is None:
                product.refuse("the product of this price is not in Brightpearl yet", passing=True)
            elif missing := [name for name in _NEEDED if values.get(name) in (None, "")]:
                product.refuse("is needed for a new product", name=missing[0])
            else:
                new[product.key] = product
        writes = [
            Once(key, _digest(each), Message("POST", _PRODUCT, _body(each, {}))) for key, each in new.items()
        ]
        for pairs in send_once(self.client, self.intent_log, self.pending, writes):
            for sent, answer in pairs:
                product = new[sent.key]
                product.unanswered = answer.state in (State.UNKNOWN, State.UNREACHED)
                if answer.state is State.REFUSED:
                    product.refuse(answer.reason)
                elif answer.done:
                    product.id, product.created, product.sent = answer.made, True, True

    def _change(self, products: Sequence[Whole]) -> None:
        """Sends what differs; all of it is harmless to repeat, so a lost change is found by the next reading."""
        priced = [product for product in products if product.parts or product.gone]
        stored = self._prices(priced)
        changes: list[tuple[Whole, Message]] = []
        for product in (each for each in products if each.open):
            if body := {} if product.sent else _body(product, product.there or {}):
                changes.append((product, Message("PUT", f"{_PRODUCT}/{product.id}", body)))
            changes += [(product, message) for message in custom_fields(product, _PRODUCT)]
            if lists := _price_lists(product, stored.get(product.id, {})):
                message = Message("PUT", f"{_PRICES}/{product.id}/price-list", {"priceLists": lists})
                changes.append((product, message))
        for place, answer in send_all(self.client, [message for _, message in changes], repeatable=True):
            product, _ = changes[place]
            product.touched = True
            if answer.state is State.REFUSED:
                product.refuse(answer.reason)
            product.unanswered |= note_missing(self.pending, product.key or product.id, answer)

    def _prices(self, products: Sequence[Whole]) -> dict[str, dict[int, dict[str, Any]]]:
        """Prices by quantity, of each list of each product."""
        odd = Odd()
        raw = self.client.get_records(_PRICES, [int(each.id) for each in products], set_aside=odd)
        found = {
            str(record["productId"]): {
                each["priceListId"]: each["quantityPrice"] for each in record["priceLists"]
            }
            for record in map(_decode, raw)
        }
        for product in products:
            odd.refuse(product, product.id)
        return found


def _digest(product: Whole) -> str:
    return digest_of(row.change for row in product.rows)


def _body(product: Whole, there: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a product that differ, each with what Brightpearl has in it."""
    if product.head is None:
        return {}
    values = product.head.changeable() if there else product.head.values
    differing = {
        name: value
        for name, value in values.items()
        if value is not None
        and (known := PRODUCT.fields.get(name)) is not None
        and not known.same(value, at(there, known.path) if name not in _CHANNEL else _in_channel(there, name))
    }
    body = nested(PRODUCT.fields, {name: each for name, each in differing.items() if name not in _CHANNEL})
    merged = {member: _merged(there.get(member), value) for member, value in body.items()}
    shown = {name: value for name, value in differing.items() if name in _CHANNEL}
    return {**merged, "salesChannels": _channels(there, shown)} if shown else merged


def _merged(theirs: Any, ours: Any) -> Any:
    if not isinstance(theirs, dict) or not isinstance(ours, dict):
        return ours
    return {**theirs, **{name: _merged(theirs.get(name), value) for name, value in ours.items()}}


def _in_channel(there: Mapping[str, Any], name: str) -> Any:
    channels: Sequence[Mapping[str, Any]] = there.get("salesChannels") or ({},)
    channel = channels[0]
    found = channel.get(_CHANNEL[name])
    if name == "description":
        return (found or {}).get("text")
    if name == "categoryCode":
        return ((found or [{}])[0] or {}).get("categoryCode")
    return found


def _channels(there: Mapping[str, Any], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All sales channels, with these values in the first."""
    channels = deepcopy(list(there.get("salesChannels") or ())) or [{"salesChannelName": "Brightpearl"}]
    for name, value in values.items():
        shown: Any = value
        if name == "description":
            shown = {"languageCode": "en", "text": value, "format": "HTML_FRAGMENT"}
        elif name == "categoryCode":
            shown = [{"categoryCode": value}, *(channels[0].get("categories") or [])[1:]]
        channels[0][_CHANNEL[name]] = shown
    return channels


def _price_lists(product: Whole, stored: Mapping[int, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The price lists that differ, each with all its prices by quantity."""
    wanted: dict[int, dict[str, Any]] = {}
    for row in product.parts:
        prices = wanted.setdefault(row.values["priceListId"], dict(stored.get(row.values["priceListId"], {})))
        prices[str(_from(row))] = row.values["price"]
    for gone in product.gone:
        _, price_list, quantity = gone.target_id.split(SEPARATOR)
        wanted.setdefault(int(price_list), dict(stored.get(int(price_list), {}))).pop(quantity, None)
    return [
        {"priceListId": price_list, "quantityPrice": prices}
        for price_list, prices in wanted.items()
        if _exact(prices) != _exact(stored.get(price_list, {}))
    ]


def _exact(prices: Mapping[str, Any]) -> dict[str, Decimal]:
    return {quantity: Decimal(str(price)) for quantity, price in prices.items()}


def _from(row: Row) -> int:
    return int(row.values.get("quantity") or 1)


def _results(product: Whole) -> Iterator[RowResult]:
    if product.refusal is not None:
        yield product.refusal
    elif not product.unanswered:
        yield from product.removals()
        for row in product.rows:
            parts = () if row is product.head else (str(row.values["priceListId"]), str(_from(row)))
            target_id = SEPARATOR.join((product.id, *parts))
            yield product.written(row, target_id)
