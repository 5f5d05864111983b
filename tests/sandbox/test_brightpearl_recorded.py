"""What recorded traffic and other people's clients showed to be different from a first reading of the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.sandbox.brightpearl_account import Account

UNTIL = datetime(2025, 6, 1, 12, tzinfo=UTC)
ADDRESS = {"addressLine1": "1 Quay St", "postalCode": "BS1 1AA"}
TEMPLATE = "${account-code} ${resource-type} ${lifecycle-event} ${resource-id}"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=10, products=30, orders=60, until=UNTIL) as sandbox:
        yield sandbox


@pytest.fixture
def account(running: Sandbox) -> Iterator[Account]:
    running.reset()
    account = Account(running.url)
    yield account
    account.session.close()


def new_order(account: Account, kind: str = "SO", **more: Any) -> int:
    side = "supplier" if kind in ("PO", "PC") else "customer"
    body = {"orderTypeCode": kind, "parties": {side: {"contactId": 201}}, **more}
    id: int = account.make("order-service/order", body)
    return id


def codes(answer: Any) -> tuple[int, list[str]]:
    return answer.status_code, [error["code"] for error in answer.json()["errors"]]


class TestWhatIsWrittenIsKept:
    def test_tax_date_of_an_order(self, account: Account) -> None:
        id = new_order(account, invoices=[{"taxDate": "2025-05-20T00:00:00Z"}])
        assert account.read(f"order-service/order/{id}")[0]["invoices"] == [
            {"invoiceReference": "", "taxDate": "2025-05-20T01:00:00.000+01:00"}
        ]
        row = account.search(f"order-service/order-search?orderId={id}")[0]
        assert row["taxDate"] == "2025-05-20T01:00:00.000+01:00"

    def test_tax_date_and_parent_of_a_credit(self, account: Account) -> None:
        body = {"customer": {"id": 201}, "taxDate": "2025-05-20", "parentId": 100001}
        body |= {
            "rows": [{"productId": 1001, "quantity": "1", "taxCode": "T20", "net": "1.00", "tax": "0.20"}]
        }
        id = account.make("order-service/sales-credit", body)
        order = account.read(f"order-service/order/{id}")[0]
        assert order["parentOrderId"] == 100001
        assert account.read(f"order-service/sales-credit/{id}")[0]["parentId"] == 100001
        assert account.search("order-service/order-search?parentOrderId=100001")[0]["orderId"] == id
        assert order["invoices"][0]["taxDate"] == "2025-05-20T01:00:00.000+01:00"

    @pytest.mark.parametrize("kind", ["PO", "PC"])
    def test_the_supplier_is_the_contact_of_a_purchase(self, account: Account, kind: str) -> None:
        id = new_order(account, kind)
        assert account.search("order-service/order-search?contactId=201&orderTypeId=2,4")[0]["orderId"] == id


class TestInvoicedOrders:
    def test_take_no_change(self, account: Account) -> None:
        change = [{"op": "replace", "path": "/reference", "value": "new"}]
        assert codes(account.call("PATCH", "order-service/order/100001", change))[0] == 400
        row = {"productName": "Late", "quantity": {"magnitude": 1}}
        assert codes(account.call("POST", "order-service/order/100001/row", row))[0] == 400
        old = next(iter(account.read("order-service/order/100001")[0]["orderRows"]))
        assert codes(account.call("DELETE", f"order-service/order/100001/row/{old}"))[0] == 400

    def test_a_row_of_an_unknown_order(self, account: Account) -> None:
        answer = account.call("POST", "order-service/order/5/row", {"quantity": {"magnitude": 1}})
        assert codes(answer) == (400, ["ORDC-003", "ORDC-026"])


class TestGoodsOut:
    @pytest.fixture
    def order(self, account: Account) -> tuple[int, int]:
        """An order of three pieces, and its row."""
        id = new_order(account)
        row = {"productId": 1001, "quantity": {"magnitude": "3"}, "rowValue": {"taxCode": "T20"}}
        return id, account.make(f"order-service/order/{id}/row", row)

    def note(self, account: Account, order: tuple[int, int], quantity: object) -> Any:
        goods = [{"productId": 1001, "salesOrderRowId": order[1], "quantity": quantity}]
        path = f"warehouse-service/order/{order[0]}/goods-note/goods-out"
        return account.call("POST", path, {"warehouses": [{"warehouseId": 2, "products": goods}]})

    @pytest.mark.parametrize("quantity", ["1", 0, -1, 1.5, None, True, 4, 9999])
    def test_only_whole_pieces_that_are_left(
        self, account: Account, order: tuple[int, int], quantity: object
    ) -> None:
        assert codes(self.note(account, order, quantity))[0] == 400
        assert account.get(f"warehouse-service/order/{order[0]}/goods-note/goods-out").status_code == 404

    def test_notes_share_what_is_left(self, account: Account, order: tuple[int, int]) -> None:
        answers = [self.note(account, order, quantity).status_code for quantity in (2, 2, 1, 1)]
        assert answers == [200, 400, 200, 400]

    def test_events_happen_together_or_not_at_all(self, account: Account, order: tuple[int, int]) -> None:
        id = self.note(account, order, 3).json()["response"][0]
        path = f"warehouse-service/goods-note/goods-out/{id}/event"
        events = {"events": [{"eventCode": "PIC"}, {"eventCode": "XXX"}]}
        assert codes(account.call("POST", path, events))[0] == 400
        stale = account.call("POST", path, {"events": [{"eventCode": "PIC"}]}, headers={"If-Match": "1"})
        assert stale.status_code == 412
        note = account.read(f"warehouse-service/order/*/goods-note/goods-out/{id}")[str(id)]
        assert (note["status"]["picked"], len(note["events"])) == (False, 1)
        fresh = {"If-Match": str(note["lastEventVersion"])}
        assert account.call("POST", path, {"events": [{"eventCode": "SHW"}]}, headers=fresh).json() == {}


class TestWebhooks:
    @pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
    def test_need_their_variables(self, account: Account, method: str) -> None:
        hook = {
            "subscribeTo": "product",
            "httpMethod": method,
            "uriTemplate": "https://hooks.example.test/bp",
        }
        answer = account.call("POST", "integration-service/webhook", hook | {"bodyTemplate": "none"})
        assert codes(answer) == (400, ["INTC-057"] * 3)

    def test_may_have_them_in_the_address(self, account: Account) -> None:
        address = "https://hooks.example.test/${account-code}/${resource-type}/${lifecycle-event}"
        hook = {"subscribeTo": "product", "httpMethod": "GET", "uriTemplate": address}
        assert account.make("integration-service/webhook", hook)


class TestHarmlessDifferences:
    @pytest.mark.parametrize(
        "path",
        [
            "accounting-service/tax-code/",
            "accounting-service/tax-code/1",
            "/order-service//order/100001/",
            "order-service/order/100001?firstResult=1&lastResult=5",
            "order-service/order-search?firstResult=1&lastResult=5",
        ],
    )
    def test_are_ignored(self, account: Account, path: str) -> None:
        assert account.read(path)

    def test_a_country_by_its_number(self, account: Account) -> None:
        id = account.make("contact-service/postal-address", {**ADDRESS, "countryId": 222})
        assert account.read(f"contact-service/postal-address/{id}")[0]["countryIsoCode"] == "GBR"
        order = new_order(account, parties={"customer": {"contactId": 201}, "delivery": {"countryId": 222}})
        assert (
            account.read(f"order-service/order/{order}")[0]["parties"]["delivery"]["countryIsoCode"] == "GB"
        )


class TestShapes:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("order-type/1", {"id": 1, "code": "SO", "description": "SALES_ORDER"}),
            ("order-stock-status/3", {"id": 3, "code": "SOA", "description": "All fulfilled"}),
            ("order-shipping-status/2", {"id": 2, "code": "SNS", "description": "Stock not shipped"}),
        ],
    )
    def test_lists_of_codes(self, account: Account, path: str, expected: dict[str, object]) -> None:
        assert account.read(f"order-service/{path}") == [expected]

    def test_types_of_search_columns(self, account: Account) -> None:
        kinds: dict[str, str] = {}
        for path in ("order-service/order-search", "accounting-service/customer-payment-search"):
            columns = account.read(f"{path}/meta-data")["metaData"]["columns"]
            kinds |= {column["name"]: column["reportDataType"] for column in columns}
        assert [name for name, kind in kinds.items() if kind == "INTEGER"] == [
            "contactId",
            "orderStatusId",
            "orderStockStatusId",
            "createdById",
            "orderPaymentStatusId",
            "orderShippingStatusId",
            "installedIntegrationInstanceId",
            "staffOwnerContactId",
            "departmentId",
        ]
        assert (kinds["amountPaid"], kinds["amountAuthorized"]) == ("STRING", "STRING")

    def test_product_search_names_the_categories(self, account: Account) -> None:
        body = account.get("product-service/product-search?productId=1001-1003").json()
        members = body["reference"]["productCategoryMembership"]
        assert sorted(members) == ["1001", "1002", "1003"]
        first = account.search("product-service/product-search?productId=1001")[0]
        assert first["brightpearlCategoryCode"] == members["1001"][0]

    def test_categories_have_dates(self, account: Account) -> None:
        row = account.search("product-service/brightpearl-category-search?updatedOn=2019-01-01/")[0]
        assert row["createdOn"] and row["updatedBy"] == 4
