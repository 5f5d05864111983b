from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from airflow_provider_brightpearl.core.changes import RecordChange, RowOutcome
from airflow_provider_brightpearl.core.ports.matching import NothingLinked
from airflow_provider_brightpearl.errors import TimedOut, Unavailable
from tests.systems.brightpearl.merchant import Merchant, change, flow, record, with_ids

STOCK = flow("""
flow: stock_to_brightpearl
source: brightpearl.products
target: brightpearl
objects:
  StockCorrection:
    key: {place: id}
    fields:
      {warehouseId: a, productId: b, inStock: c, reason: d, cost: e, costCurrency: f, costPriceListId: g}
""")


def count(product: int, in_stock: Any, warehouse: int = 2, **fields: Any) -> RecordChange:
    key = f"{warehouse}|{product}"
    values = {
        "warehouseId": warehouse, "productId": product, "inStock": in_stock, "reason": "M3 count", "cost": 2.5,
        "costCurrency": "GBP", **fields,
    }  # fmt: skip
    return record(key, change("StockCorrection", key, values))


def held(merchant: Merchant) -> dict[tuple[int, int], int]:
    """Pieces by warehouse and product."""
    stock = merchant.client().get_map("warehouse-service/product-availability", range(1001, 1060))
    return {
        (int(warehouse), int(product)): figures["inStock"]
        for product, raw in stock
        for warehouse, figures in msgspec.json.decode(raw)["warehouses"].items()
    }


def tracked(merchant: Merchant) -> list[int]:
    return sorted({product for _, product in held(merchant)})


def corrections(merchant: Merchant) -> list[tuple[int, int, str]]:
    found = []
    for _, _, body in merchant.sent:
        found += [(each["productId"], each["quantity"], each["reason"]) for each in body["corrections"]]
    return found


def test_the_difference_to_what_is_held_is_corrected_once(merchant: Merchant) -> None:
    first, second, third, *_ = tracked(merchant)
    before = held(merchant)
    counts = [
        count(first, before[2, first] + 5),
        count(second, 0),
        count(third, before[2, third]),
        count(first, 7, warehouse=3),
    ]
    results = merchant.write(STOCK, counts)
    assert [RowOutcome.CREATED] * 4 == [each.outcome for each in results]
    assert [
        (first, 5, f"M3 count (2|{first})"),
        (second, -before[2, second], f"M3 count (2|{second})"),
        (first, 7 - before.get((3, first), 0), f"M3 count (3|{first})"),
    ] == corrections(merchant)
    # one call reads, one corrects both warehouses
    assert 2 == merchant.calls == merchant.fewest
    after = held(merchant)
    assert (before[2, first] + 5, 0, 7) == (after[2, first], after[2, second], after[3, first])

    again = merchant.write(STOCK, [with_ids(each, results) for each in counts])
    assert ([], 1, {RowOutcome.UPDATED}) == (merchant.sent, merchant.calls, {each.outcome for each in again})
    # what is sold meanwhile is no difference of before, but of now
    merchant.client().post(
        "warehouse-service/warehouse/2/stock-correction",
        {"corrections": [{"productId": first, "quantity": -2, "reason": "sold"}]},
    )
    merchant.write(STOCK, counts[:1])
    assert [2] == [quantity for _, quantity, _ in corrections(merchant)]


def test_a_correction_whose_answer_was_lost_is_not_made_twice(merchant: Merchant) -> None:
    first, second, *_ = tracked(merchant)
    before = held(merchant)
    counts = [count(each, before[2, each] + 3) for each in (first, second)]
    merchant.fault(path="multi-message", drop="after")
    with pytest.raises(TimedOut, match=rf"2\|{first}, 2\|{second}: no answer, so they are in doubt"):
        merchant.write(STOCK, counts)
    results = merchant.write(STOCK, counts)
    assert ([], [f"2|{first}", f"2|{second}"]) == (merchant.sent, [each.target_id for each in results])
    assert (before[2, first] + 3, before[2, second] + 3) == (
        held(merchant)[2, first],
        held(merchant)[2, second],
    )
    assert [] == merchant.intents.in_doubt("stock_to_brightpearl")

    merchant.fault(path="multi-message", drop="before")
    with pytest.raises(TimedOut):
        merchant.write(STOCK, [count(first, 1)])
    merchant.write(STOCK, [count(first, 1)])
    assert 1 == held(merchant)[2, first]


def test_a_worker_that_read_before_another_corrected_steps_back(merchant: Merchant) -> None:
    first, *_ = tracked(merchant)
    late = merchant.sink(STOCK, run="run2")
    key = f"2|{first}"
    late.intent_log.load({key: "d"})
    merchant.write(STOCK, [count(first, 1)])
    with pytest.raises(Unavailable):
        late.intent_log.begin({key: "d"})


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"inStock": 1.5}, "has to be a whole number from 0"),
        ({"inStock": -1}, "has to be a whole number from 0"),
        (
            {"inStock": 100000, "cost": None},
            "is needed where stock is added, and the source has none: enter it there, or map costPriceListId to a "
            "price list that has it",
        ),
        ({"productId": 98765432}, "Brightpearl has no product 98765432"),
        ({"warehouseId": 99}, "CMNC-404 No warehouse found"),
        ({"warehouseId": None}, "is missing"),
    ],
)
def test_what_cannot_be_corrected_is_refused_and_stops_no_other(
    merchant: Merchant, fields: dict[str, Any], reason: str
) -> None:
    first, second, *_ = tracked(merchant)
    results = merchant.write(STOCK, [count(first, 3, **fields), count(second, 4)])
    assert [reason, ""] == [each.reason for each in results]
    assert 4 == held(merchant)[2, second]


def test_corrections_that_are_refused_together_are_sent_in_halves(merchant: Merchant) -> None:
    products = tracked(merchant)[:6]
    # the message is refused as a whole, and its halves are not
    merchant.fault(path="multi-message", status=207, body=_refused())
    results = merchant.write(STOCK, [count(product, 9) for product in products])
    assert [""] * 6 == [each.reason for each in results]
    assert [6, 3, 3] == [len(body["corrections"]) for _, _, body in merchant.sent]
    assert {9} == {held(merchant)[2, product] for product in products}


def _refused() -> dict[str, Any]:
    content = '{"errors":[{"code":"WHSC-070","message":"Location 99 is not valid"}]}'
    message = {"label": "0", "statusCode": 400, "body": {"content": content}}
    return {"response": {"processedMessages": [message], "unprocessedMessages": []}}


def test_one_place_that_two_records_count_is_refused(merchant: Merchant) -> None:
    first, *_ = tracked(merchant)
    twin = count(first, 4)
    twin = record("other", *twin.changes)
    results = merchant.write(STOCK, [count(first, 3), twin])
    assert f"record 2|{first} counts the same product in the same warehouse" == results[1].reason
    assert 3 == held(merchant)[2, first]


def test_one_place_that_another_record_counted_earlier_is_refused(merchant: Merchant) -> None:
    first, *_ = tracked(merchant)

    class Known(NothingLinked):
        def owners(self, object_name: str, target_ids: Iterable[str]) -> dict[str, str]:
            return dict.fromkeys(target_ids, "100|LAMP")

    sink = merchant.sink(STOCK)
    sink.linked = Known()
    before = held(merchant)
    [refused] = [each for answered in sink.write([count(first, 3)]) for each in answered]
    assert "record 100|LAMP counts the same product in the same warehouse" == refused.reason
    assert before == held(merchant)


@pytest.mark.parametrize(
    ("product", "reason"),
    [
        ({"composition": {"bundle": True}}, "product {} is a bundle: its stock is that of its components"),
        ({"stock": {"stockTracked": False}}, "the stock of product {} is not tracked in Brightpearl"),
    ],
)
def test_a_product_without_a_stock_of_its_own_is_refused(
    merchant: Merchant, product: dict[str, Any], reason: str
) -> None:
    first, *_ = tracked(merchant)
    merchant.sandbox.control("DELETE", f"/brightpearl/product-availability/{first}")
    merchant.sandbox.control("PATCH", f"/brightpearl/product/{first}", product)
    [refused] = merchant.write(STOCK, [count(first, 3)])
    assert (reason.format(first), str(first)) == (refused.reason, refused.value)
    # none of it is what there is
    [right] = merchant.write(STOCK, [count(first, 0)])
    assert ("", []) == (right.reason, merchant.sent)


def test_a_cost_that_the_source_lacks_is_that_of_a_price_list(merchant: Merchant) -> None:
    first, second, third, *_ = tracked(merchant)
    before = held(merchant)
    for product, prices in ((first, {"5": "3.00", "1": "4.10"}), (second, {})):
        lists = [{"priceListId": 1, "quantityPrice": prices}]
        merchant.client().put(f"product-service/product-price/{product}/price-list", {"priceLists": lists})
    counts = [
        count(first, before[2, first] + 1, cost=None, costPriceListId=1),
        count(second, before[2, second] + 1, cost=None, costPriceListId=1),
        count(third, before[2, third] + 1, costPriceListId=1),
    ]
    results = merchant.write(STOCK, counts)
    [(_, _, body)] = merchant.sent
    assert [
        (first, {"currency": "GBP", "value": Decimal("4.1")}),
        (third, {"currency": "GBP", "value": Decimal("2.5")}),
    ] == [(each["productId"], each["cost"]) for each in body["corrections"]]
    assert [
        "is needed where stock is added, and the source has none: enter it there, or a price of product "
        f"{second} in price list 1 of Brightpearl"
    ] == [each.reason for each in results if each.refused]
