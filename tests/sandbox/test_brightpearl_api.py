from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.sandbox.brightpearl_account import PRIVATE, TOKEN_FORM, Account

UNTIL = datetime(2025, 6, 1, tzinfo=UTC)
NOW = "2025-06-01T12:00:00+00:00"


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=40, products=60, orders=300, until=UNTIL, check_addresses=False) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.control("DELETE", "/settings/brightpearl")
    running.reset()
    running.control("POST", "/clock", {"now": NOW})
    return running


@pytest.fixture
def account(sandbox: Sandbox) -> Iterator[Account]:
    account = Account(sandbox.url)
    yield account
    account.session.close()


def switch(sandbox: Sandbox, **settings: object) -> None:
    sandbox.control("POST", "/settings/brightpearl", settings)


def new_contact(account: Account) -> int:
    address = {
        "addressLine1": "1 Quay St",
        "addressLine3": "Bristol",
        "postalCode": "BS1 1AA",
        "countryIsoCode": "GBR",
    }
    place = account.make("contact-service/postal-address", address)
    body = {
        "firstName": "Ada",
        "lastName": "Marsh",
        "postAddressIds": {"DEF": place, "BIL": place, "DEL": place},
    }
    emails = {"emails": {"PRI": {"email": "ada@example.test"}}, "telephones": {"PRI": "01170000000"}}
    return int(account.make("contact-service/contact", body | {"communication": emails}))


def sales_order(account: Account, reference: str = "shop-x") -> dict[str, object]:
    row = {
        "productId": 1002,
        "name": "Tee",
        "quantity": "2",
        "taxCode": "T20",
        "net": "50.00",
        "tax": "10.00",
    }
    body = {"customer": {"id": new_contact(account)}, "ref": "WEB-1", "externalRef": reference, "rows": [row]}
    return body | {"installedIntegrationInstanceId": 13, "statusId": 3}


NEW_ORDER = {"orderTypeCode": "SO", "parties": {"customer": {"contactId": 201}}}


class TestThrottle:
    def test_headers_count_down_on_every_answer(self, account: Account) -> None:
        left = [
            account.get("order-service/order-status").headers["brightpearl-requests-remaining"] for _ in "abc"
        ]
        assert left == ["199", "198", "197"]
        wait = int(account.get("nowhere").headers["brightpearl-next-throttle-period"])
        assert 0 < wait <= 60_000

    def test_a_refused_login_uses_quota_too(self, account: Account) -> None:
        account.get("order-service/order-status")
        refused = account.call("GET", "order-service/order-status", headers={"brightpearl-staff-token": "no"})
        assert (refused.status_code, refused.headers["brightpearl-requests-remaining"]) == (401, "198")

    def test_over_the_cap_is_503_until_the_window_ends(self, sandbox: Sandbox, account: Account) -> None:
        switch(sandbox, throttle_limit=3)
        answers = [account.get("order-service/order-type") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 503]
        sentence = "You have sent too many requests. Please wait before sending another request"
        assert answers[3].json() == {"response": sentence}
        sandbox.control("POST", "/clock", {"advance_seconds": 60})
        assert account.get("order-service/order-type").status_code == 200

    def test_the_window_rolls(self, sandbox: Sandbox, account: Account) -> None:
        switch(sandbox, throttle_limit=2)
        sandbox.control("DELETE", "/log")
        statuses = []
        for seconds in (0, 40, 25, 0, 36):
            sandbox.control("POST", "/clock", {"advance_seconds": seconds})
            answer = account.get("order-service/order-type")
            statuses.append((answer.status_code, answer.headers["brightpearl-requests-remaining"]))
        assert statuses == [(200, "1"), (200, "0"), (200, "0"), (503, "0"), (200, "0")]
        # the oldest one in the window was answered 36 seconds ago
        assert 23_000 < int(answer.headers["brightpearl-next-throttle-period"]) <= 24_000
        assert sandbox.control("GET", "/peak/brightpearl?seconds=60") == {"most": 3}
        assert sandbox.control("GET", "/peak/brightpearl?seconds=20") == {"most": 2}

    def test_a_fixed_window_on_request(self, sandbox: Sandbox, account: Account) -> None:
        switch(sandbox, throttle_limit=2, throttle_window="fixed")
        statuses = []
        for seconds in (0, 40, 25, 0):
            sandbox.control("POST", "/clock", {"advance_seconds": seconds})
            statuses.append(account.get("order-service/order-type").status_code)
        assert statuses == [200, 200, 200, 200]

    def test_429_mode_has_retry_after(self, sandbox: Sandbox, account: Account) -> None:
        switch(sandbox, throttle_limit=1, throttle_status=429)
        account.get("order-service/order-type")
        refused = account.get("order-service/order-type")
        assert refused.status_code == 429
        assert 0 < int(refused.headers["retry-after"]) <= 60

    def test_off(self, sandbox: Sandbox, account: Account) -> None:
        switch(sandbox, throttle=False)
        assert {account.get("order-service/order-type").status_code for _ in range(210)} == {200}


class TestAccess:
    def test_no_token(self, sandbox: Sandbox) -> None:
        answer = requests.get(f"{sandbox.url}/public-api/acmetest/order-service/order/1", timeout=5)
        sentence = "Not authenticated. You must provide a valid authentication token."
        assert (answer.status_code, answer.json()) == (401, {"response": sentence})
        assert answer.headers["message-type"] == "api-proxy"
        assert "www-authenticate" not in answer.headers

    def test_account_token(self, account: Account) -> None:
        account.session.headers.pop("brightpearl-staff-token")
        account.session.headers["brightpearl-account-token"] = "sandbox-account-token"
        assert account.get("order-service/order-type").status_code == 200

    def bearer(self, sandbox: Sandbox, **changes: str) -> requests.Response:
        return requests.post(f"{sandbox.url}/token/acmetest", data=TOKEN_FORM | changes, timeout=5)

    def test_refresh_gives_the_same_token_with_its_remaining_life(self, sandbox: Sandbox) -> None:
        first = self.bearer(sandbox).json()
        sandbox.control("POST", "/clock", {"advance_seconds": 1000})
        second = self.bearer(sandbox).json()
        assert set(first) == {"access_token", "refresh_token", "api_domain", "token_type", "expires_in"}
        assert second["access_token"] == first["access_token"]
        assert first["expires_in"] - second["expires_in"] in (1000, 1001)

    def test_an_expired_token_is_refused_and_refreshed(self, sandbox: Sandbox, account: Account) -> None:
        headers = {"Authorization": "Bearer " + self.bearer(sandbox).json()["access_token"]}
        assert account.call("GET", "order-service/order-type", headers=headers).status_code == 200
        sandbox.control("POST", "/clock", {"advance_seconds": 604_800})
        refused = account.call("GET", "order-service/order-type", headers=headers)
        assert (refused.status_code, refused.json()) == (401, {"response": "Authorization token expired"})
        assert self.bearer(sandbox).json()["expires_in"] == 604_800

    def test_unknown_bearer(self, account: Account) -> None:
        answer = account.call(
            "GET", "order-service/order-type", headers={"Authorization": "Bearer NOT-A-TOKEN"}
        )
        assert answer.json() == {"response": "Invalid instance token: NOT-A-TOKEN"}

    def test_rotation(self, sandbox: Sandbox) -> None:
        switch(sandbox, oauth_rotate="always")
        fresh = self.bearer(sandbox).json()["refresh_token"]
        assert fresh != TOKEN_FORM["refresh_token"]
        stale = self.bearer(sandbox)
        sentence = "The auth token has either expired or does not exist"
        assert (stale.status_code, stale.json()) == (
            400,
            {"error": "invalid_grant", "error_description": sentence},
        )
        assert self.bearer(sandbox, refresh_token=fresh).status_code == 200

    def test_values_must_be_url_encoded(self, sandbox: Sandbox) -> None:
        raw = "&".join(f"{key}={value}" for key, value in TOKEN_FORM.items())
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = requests.post(f"{sandbox.url}/acmetest/oauth/token", data=raw, headers=kind, timeout=5)
        assert answer.json()["error"] == "invalid_grant"

    def test_wrong_client(self, sandbox: Sandbox) -> None:
        assert self.bearer(sandbox, client_id="x").json() == {"error": "invalid_client"}

    def test_code_grant_once(self, sandbox: Sandbox) -> None:
        change = {"grant_type": "authorization_code", "code": "sandbox+code/1="}
        assert self.bearer(sandbox, **change).json()["installation_instance_id"] == "13"
        assert self.bearer(sandbox, **change).status_code == 400


class TestIdSets:
    def test_grammar(self, account: Account) -> None:
        found = account.read("order-service/order/100001,100003,100005-100007")
        assert {order["id"] for order in found} == {100001, 100003, 100005, 100006, 100007}

    def test_results_are_not_sorted_but_always_the_same(self, account: Account) -> None:
        ids = [order["id"] for order in account.read("order-service/order/100001-100020")]
        assert ids != sorted(ids)
        assert ids == [order["id"] for order in account.read("order-service/order/100001-100020")]

    @pytest.mark.parametrize("bad", ["10-5", "0", "x", "1,,2", "1-", "-1"])
    def test_what_is_none(self, account: Account, bad: str) -> None:
        assert account.get(f"order-service/order/{bad}").status_code == 400

    def test_caps(self, account: Account) -> None:
        assert account.get("order-service/order/100001-100200").status_code == 200
        assert account.get("order-service/order/100001-100201").status_code == 400
        assert account.get("warehouse-service/order/*/goods-note/goods-out/12001-12500").status_code == 200
        assert account.get("warehouse-service/order/*/goods-note/goods-out/12001-12501").status_code == 400

    def test_a_long_uri_is_414_in_html(self, account: Account) -> None:
        answer = account.get(
            "warehouse-service/product-availability/" + ",".join(str(n) for n in range(1001, 1500))
        )
        assert answer.status_code == 414
        assert answer.headers["content-type"].startswith("text/html")

    def test_options_lists_what_exists(self, account: Account) -> None:
        found = account.call("OPTIONS", "order-service/order").json()["response"]["getUris"]
        assert found[0] == "/order/100001-100096,100098-100193,100195-100202"
        ids = {order["id"] for uri in found for order in account.read("order-service" + uri)}
        assert len(ids) == 306
        assert account.call("OPTIONS", "order-service/order/1-50").json() == {"response": {"getUris": []}}
        some = account.call("OPTIONS", "contact-service/contact/1-203,900").json()["response"]["getUris"]
        assert some == ["/contact/201-203"]

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("contact-service/contact/1", "No Contact Found"),
            ("product-service/product-price/1", "No Product Prices Found"),
            ("integration-service/webhook/99999", "No webhooks available in ID Set 99999"),
        ],
    )
    def test_missing_is_404(self, account: Account, path: str, message: str) -> None:
        answer = account.get(path)
        assert answer.status_code == 404
        assert answer.json() == {"errors": [{"code": "CMNC-404", "message": message}]}

    def test_a_missing_order_is_an_empty_list(self, account: Account) -> None:
        assert account.get("order-service/order/5").json() == {"response": []}


class TestSearch:
    def test_envelope(self, account: Account) -> None:
        found = account.get("order-service/order-search?columns=orderId,orderTypeId&pageSize=2").json()
        assert found["response"]["results"] == [[100001, 1], [100002, 1]]
        meta = found["response"]["metaData"]
        counted = {"morePagesAvailable": True, "resultsAvailable": 306, "resultsReturned": 2}
        assert meta.items() >= (counted | {"firstResult": 1, "lastResult": 2}).items()
        assert meta["columns"][1] == {
            "name": "orderTypeId",
            "sortable": True,
            "filterable": True,
            "reportDataType": "IDSET",
            "referenceData": ["orderTypeNames"],
            "isFreeTextSearchable": False,
            "required": False,
        }
        assert meta["sorting"] == [{"filterable": meta["columns"][0], "direction": "ASC"}]
        assert found["reference"] == {"orderTypeNames": {"1": "SALES_ORDER"}}

    def test_the_order_columns_of_the_reference(self, account: Account) -> None:
        row = account.search("order-service/order-search?orderId=100001")[0]
        assert list(row)[:5] == ["orderId", "orderTypeId", "contactId", "orderStatusId", "orderStockStatusId"]
        assert len(row) == 19

    def test_no_rows_have_no_first_and_last(self, account: Account) -> None:
        meta = account.read("order-service/order-search?orderId=1")["metaData"]
        assert (meta["resultsAvailable"], meta["resultsReturned"], meta["morePagesAvailable"]) == (
            0,
            0,
            False,
        )
        assert not {"firstResult", "lastResult"} & set(meta)

    def test_pages_cover_everything_once(self, account: Account) -> None:
        seen, first = [], 1
        while True:
            page = account.read(
                f"order-service/order-search?columns=orderId&pageSize=100&firstResult={first}"
            )
            seen += [row[0] for row in page["results"]]
            if not page["metaData"]["morePagesAvailable"]:
                break
            first = page["metaData"]["lastResult"] + 1
        assert len(seen) == len(set(seen)) == 306

    def test_bad_filter_is_500_with_gson_escapes(self, account: Account) -> None:
        answer = account.get("product-service/product-search?productId=BAD%20PARAM")
        assert answer.status_code == 500
        assert answer.text == (
            '{"errors":[{"code":"CMNC-018","message":'
            '"The filter productId\\u003dBAD PARAM cannot be parsed as: IDSET"}]}'
        )

    @pytest.mark.parametrize(
        "query", ["orderId=100-", "updatedOn=yesterday", "isClosed=2", "createdOn=2025-01-01T00:00:00+01:00/"]
    )
    def test_more_bad_filters(self, account: Account, query: str) -> None:
        assert account.get(f"order-service/order-search?{query}").json()["errors"][0]["code"] == "CMNC-018"

    @pytest.mark.parametrize("query", ["nope=1", "columns=orderId,nope", "sort=nope.ASC", "sort=orderId.UP"])
    def test_unknown_names_are_errors(self, account: Account, query: str) -> None:
        assert account.get(f"order-service/order-search?{query}").status_code == 400

    @pytest.mark.parametrize("sign", [".", "|"])
    def test_sort(self, account: Account, sign: str) -> None:
        rows = account.search(f"order-service/order-search?columns=orderId&sort=orderId{sign}DESC&pageSize=3")
        ids = [row["orderId"] for row in rows]
        assert ids == sorted(ids, reverse=True)
        assert ids[0] == 100_309

    def test_never_modified_is_null_in_search_and_absent_in_get(self, account: Account) -> None:
        rows = account.search("order-service/order-search?orderStatusId=2,3")
        untouched = [row for row in rows if row["updatedOn"] is None]
        assert untouched
        ids = ",".join(str(row["orderId"]) for row in untouched[:20])
        assert all("updatedOn" not in order for order in account.read(f"order-service/order/{ids}"))
        windowed = account.search("order-service/order-search?updatedOn=2000-01-01/")
        assert not {row["orderId"] for row in untouched} & {row["orderId"] for row in windowed}

    def test_period_matches_what_the_rows_say(self, account: Account) -> None:
        low, high = "2025-01-10T00:00:00Z", "2025-02-10T00:00:00Z"
        everything = account.search("order-service/order-search")
        expected = {row["orderId"] for row in everything if low[:19] <= row["createdOn"][:19] <= high[:19]}
        found = {
            row["orderId"] for row in account.search(f"order-service/order-search?createdOn={low}/{high}")
        }
        assert found == expected != set()

    def test_boundaries_are_switchable(self, sandbox: Sandbox, account: Account) -> None:
        exact = account.search("order-service/order-search?orderId=100100")[0]["createdOn"]
        path = f"order-service/order-search?columns=orderId&createdOn={exact}/2026-01-01".replace("+", "%2B")
        assert account.search(path)[0]["orderId"] == 100100
        switch(sandbox, period_start_inclusive=False)
        sandbox.control("PATCH", "/brightpearl/order/100001?quiet=1", {})  # so that nothing is remembered
        assert account.search(path)[0]["orderId"] == 100101

    def test_day_and_open_ends(self, account: Account) -> None:
        whole = account.search("order-service/order-search?columns=orderId&createdOn=2025-03-01/")
        parts = account.search("order-service/order-search?columns=orderId&createdOn=/2025-03-01")
        assert len(whole) + len(parts) == 306
        day = account.search("order-service/order-search?columns=orderId,createdOn&createdOn=2025-03-04")
        assert {row["createdOn"][:10] for row in day} <= {"2025-03-04"}

    def test_changed_records_are_found_by_their_new_stamp(self, sandbox: Sandbox, account: Account) -> None:
        touched = sandbox.control("POST", "/brightpearl/activity", {"orders_changed": 5, "orders_created": 3})
        found = account.search("order-service/order-search?columns=orderId&updatedOn=2025-06-01T11:00:00Z/")
        assert {row["orderId"] for row in found} == set(touched["orders_changed"])
        fresh = account.search("order-service/order-search?columns=orderId&createdOn=2025-06-01T11:00:00Z/")
        assert {row["orderId"] for row in fresh} == set(touched["orders_created"])

    def test_sales_orders_only(self, account: Account) -> None:
        assert len(account.search("order-service/sales-order-search?pageSize=500")) == 300

    def test_by_references_and_mail(self, account: Account) -> None:
        assert account.search("order-service/order-search?externalRef=shop-100007")[0]["orderId"] == 100007
        assert account.search("order-service/order-search?externalRef=shop-7") == []
        mail = account.search("contact-service/contact-search?contactId=210")[0]["primaryEmail"]
        found = account.search(f"contact-service/contact-search?primaryEmail={mail[1:].upper()}")
        assert 210 in {row["contactId"] for row in found}

    @pytest.mark.parametrize(
        "path",
        [
            "warehouse-service/goods-note/goods-out-search?shipped=true",
            "warehouse-service/goods-movement-search?goodsNoteTypeCode=GO&updatedOn=2025-01-01/",
            "accounting-service/customer-payment-search?createdOn=2025-01-01/&sort=paymentId.DESC",
            "accounting-service/currency-search",
            "product-service/product-search?updatedOn=2020-01-01/",
            "product-service/brand-search",
            "warehouse-service/warehouse-search",
            "contact-service/contact-group-search",
        ],
    )
    def test_other_searches(self, account: Account, path: str) -> None:
        assert account.search(path)

    def test_few_columns_say_the_same_as_all(self, sandbox: Sandbox, account: Account) -> None:
        sandbox.control("POST", "/brightpearl/activity", {"orders_changed": 9, "orders_created": 3})
        names = ("orderId", "orderTypeId", "orderStatusId", "createdOn", "updatedOn")
        whole = account.search("order-service/order-search")
        few = account.search("order-service/order-search?columns=" + ",".join(names))
        assert few == [{name: row[name] for name in names} for row in whole]

    def test_metadata_only(self, account: Account) -> None:
        assert set(account.read("order-service/order-search/meta-data")) == {"metaData"}


class TestOrders:
    def test_keys_of_the_reference(self, account: Account) -> None:
        order = account.read("order-service/order/100001?includeOptional=customFields,nullCustomFields")[0]
        needed = "id parentOrderId orderTypeCode reference version state orderStatus tax orderPaymentStatus"
        needed += " placedOn"
        needed += " stockStatusCode allocationStatusCode shippingStatusCode createdOn createdById priceListId"
        needed += (
            " priceModeCode delivery invoices currency totalValue assignment parties orderRows warehouseId"
        )
        needed += " acknowledged costPriceListId historicalOrder isDropship orderWeighting externalRef"
        needed += " installedIntegrationInstanceId customFields nullCustomFields"
        assert set(needed.split()) <= set(order)
        row = next(iter(order["orderRows"].values()))
        assert row["rowValue"].keys() == {
            "taxRate",
            "taxCode",
            "taxCalculator",
            "rowNet",
            "rowTax",
            "taxClassId",
        }
        assert "contactId" not in order["parties"]["delivery"]

    def test_custom_fields_only_when_asked_for(self, account: Account) -> None:
        assert "customFields" not in account.read("order-service/order/100001")[0]
        assert account.get("order-service/order/100001?includeOptional=nope").status_code == 400
        assert account.get("order-service/order/100001?nope=1").status_code == 400

    def test_patch_whitelist(self, account: Account) -> None:
        bad = account.call(
            "PATCH", "order-service/order/100001", [{"op": "add", "path": "/reference", "value": "x"}]
        )
        assert bad.status_code == 500
        message = "Invalid patch operation (add) for given path (/reference)"
        assert bad.json() == {"errors": [{"code": "CMNC-044", "message": message}]}
        change = [{"op": "replace", "path": "/reference", "value": "new"}]
        id = account.make("order-service/order", NEW_ORDER)
        made = account.call("PATCH", f"order-service/order/{id}", change).json()["response"]
        assert (made["reference"], made["version"], "updatedOn" in made) == ("new", 1, False)
        assert account.read(f"order-service/order/{id}")[0]["updatedOn"] == "2025-06-01T13:00:00.000+01:00"

    def test_delivery_date_is_midnight_utc_in_account_time(self, sandbox: Sandbox, account: Account) -> None:
        switch(sandbox, time_zone="America/Costa_Rica")
        change = [{"op": "replace", "path": "/delivery/deliveryDate", "value": "2024-01-20"}]
        id = account.make("order-service/order", NEW_ORDER)
        order = account.call("PATCH", f"order-service/order/{id}", change).json()["response"]
        assert order["delivery"]["deliveryDate"] == "2024-01-19T18:00:00.000-06:00"

    def test_status_and_note(self, account: Account) -> None:
        body = {"orderStatusId": 17, "orderNote": {"text": "hi", "isPublic": False}}
        assert account.call("PUT", "order-service/order/100001/status", body).json() == {}
        order = account.read("order-service/order/100001")[0]
        assert order["orderStatus"] == {"orderStatusId": 17, "name": "Ready to ship"}
        assert account.read("order-service/order/100001/note")[0]["text"] == "hi"
        assert account.search("order-service/order-note-search?orderId=100001")[0]["noteText"] == "hi"

    def test_custom_field_patch(self, account: Account) -> None:
        path = "order-service/order/100002/custom-field"
        change = [{"op": "add", "path": "/PCF_ZONE", "value": {"id": 64}}]
        assert account.call("PATCH", path, change).json()["response"]["PCF_ZONE"] == {
            "id": 64,
            "value": "North",
        }
        assert account.read(path)["PCF_ZONE"]["value"] == "North"

    def test_integer_field_is_coerced(self, account: Account) -> None:
        path, change = "contact-service/contact/202/custom-field", {"op": "add", "path": "/PCF_LOYALTY"}
        found = account.call("PATCH", path, [change | {"value": "1234567890"}]).json()
        assert found == {"response": {"PCF_LOYALTY": 1234567890}}

    def test_sales_order_compound_key(self, account: Account) -> None:
        body = sales_order(account)
        first, again = (account.make("order-service/sales-order", body) for _ in "ab")
        assert first == again
        other = account.make("order-service/sales-order", sales_order(account, "shop-y"))
        assert other != first
        order = account.read(f"order-service/order/{first}")[0]
        assert order["totalValue"]["total"] == "60.00"
        assert order["version"] == 1
        assert "updatedOn" not in order
        generated = account.make("order-service/sales-order", sales_order(account, "shop-100001"))
        assert generated == 100001

    def test_sales_order_get_and_207(self, account: Account) -> None:
        id = account.make("order-service/sales-order", sales_order(account))
        found = account.read(f"order-service/sales-order/{id}")[0]
        assert found["total"]["gross"] == "60.00"
        assert found["rows"][0]["net"] == "50.0000"
        assert account.get(f"order-service/sales-order/{id},999999").status_code == 207

    def test_order_in_two_steps(self, account: Account) -> None:
        body = {"reference": "#0001", "orderTypeCode": "SO", "parties": {"customer": {"contactId": 202}}}
        first, second = (account.make("order-service/order", body) for _ in "ab")
        assert first != second
        empty = account.read(f"order-service/order/{first}")[0]
        assert (empty["orderRows"], empty["orderPaymentStatus"], empty["stockStatusCode"]) == (
            {},
            "NOT_APPLICABLE",
            "NON",
        )
        row = {"productId": 1002, "quantity": {"magnitude": "2"}}
        row["rowValue"] = {"taxCode": "T20", "rowNet": {"value": "65.00"}, "rowTax": {"value": "13.00"}}
        id = account.make(f"order-service/order/{first}/row", row)
        change = [{"op": "replace", "path": "/rowValue/rowNet/value", "value": 130}]
        changed = account.call("PATCH", f"order-service/order/{first}/row/{id}", change).json()["response"]
        assert changed["rowValue"]["rowTax"]["value"] == "26.00"
        assert account.read(f"order-service/order/{first}")[0]["totalValue"]["total"] == "156.00"

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"reference": "x"}, "ORDC-005"),
            ({"orderTypeCode": "XX"}, "ORDC-006"),
            ({"orderTypeCode": "PO", "parties": {}}, "ORDC-022"),
        ],
    )
    def test_order_errors(self, account: Account, body: dict[str, object], code: str) -> None:
        answer = account.call("POST", "order-service/order", body)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


class TestTheRest:
    def test_contact_envelope(self, account: Account) -> None:
        found = account.get("contact-service/contact/202").json()
        assert found["pagination"] == {
            "morePagesAvailable": False,
            "resultsReturned": 1,
            "firstResult": 1,
            "lastResult": 1,
        }
        assert found["sorting"] == [{"field": "contactId", "direction": "ASC"}]
        assert "createdByid" in found["response"][0]

    def test_new_contact(self, account: Account) -> None:
        id = new_contact(account)
        found = account.read(f"contact-service/contact/{id}")[0]
        assert (found["firstName"], found["communication"]["emails"]["PRI"]["email"]) == (
            "Ada",
            "ada@example.test",
        )
        change = [{"op": "replace", "path": "/lastName", "value": "O'Neill"}]
        assert (
            account.call("PATCH", f"contact-service/contact/{id}", change).json()["response"]["lastName"]
            == "O'Neill"
        )
        assert account.search(f"contact-service/contact-search?contactId={id}")[0]["updatedOn"]

    def test_products_prices_and_bundles(self, account: Account) -> None:
        bundle = account.read("product-service/product/1020")[0]
        assert bundle["composition"]["bundle"] is True
        assert (
            account.read("product-service/product/1020/bundle") == bundle["composition"]["bundleComponents"]
        )
        path = "product-service/product-price/1001"
        body = {"priceLists": [{"priceListId": 1, "quantityPrice": {"1": 100, "5": 450}}]}
        assert account.call("PUT", path + "/price-list", body).json() == {}
        assert account.read(path + "/price-list/1")[0]["priceLists"][0]["quantityPrice"] == {
            "1": "100.0000",
            "5": "450.0000",
        }

    def test_new_product(self, account: Account) -> None:
        body = {
            "brandId": 74,
            "salesChannels": [
                {
                    "salesChannelName": "Brightpearl",
                    "productName": "Tee",
                    "categories": [{"categoryCode": 296}],
                }
            ],
        }
        id = account.make("product-service/product", body)
        found = account.read(f"product-service/product/{id}")[0]
        assert found["salesChannels"][0]["categories"] == [{"categoryCode": "296"}]
        assert "updatedOn" not in found
        bad = account.call("POST", "product-service/product", body | {"brandId": 1})
        assert bad.json()["errors"][0]["code"] == "PRDC-014"

    def test_availability(self, account: Account) -> None:
        found = account.read("warehouse-service/product-availability/1001-1060")
        assert "1020" not in found
        for product in found.values():
            for figures in (product["total"], *product["warehouses"].values()):
                assert figures["onHand"] == figures["inStock"] - figures["allocated"]
            assert product["total"]["inStock"] == sum(w["inStock"] for w in product["warehouses"].values())

    def test_stock_correction(self, account: Account) -> None:
        product = next(iter(account.read("warehouse-service/product-availability/1001-1060")))
        path = f"warehouse-service/product-availability/{product}"
        before = account.read(path)[product]["total"]["inStock"]
        given = {"quantity": 5, "productId": int(product), "reason": "count", "locationId": 2}
        notes = account.make(
            "warehouse-service/warehouse/2/stock-correction",
            {"corrections": [given | {"cost": {"currency": "GBP", "value": 5.00}}]},
        )
        assert notes == [7001]
        assert account.read(path)[product]["total"]["inStock"] == before + 5
        moved = account.search("warehouse-service/goods-movement-search?goodsNoteTypeCode=SC")
        assert [(row["productId"], row["quantity"]) for row in moved] == [(int(product), 5)]

    def test_goods_out_note_ships(self, account: Account) -> None:
        id = account.make("order-service/sales-order", sales_order(account))
        row = next(iter(account.read(f"order-service/order/{id}")[0]["orderRows"]))
        product = {"productId": 1002, "salesOrderRowId": int(row), "quantity": 2}
        body = {"warehouses": [{"warehouseId": 2, "products": [product]}], "shippingMethodId": 3}
        note = account.make(f"warehouse-service/order/{id}/goods-note/goods-out", body)[0]
        event = {"events": [{"eventCode": "SHW", "occured": "2025-06-01T10:41:38Z", "eventOwnerId": 4}]}
        assert (
            account.call("POST", f"warehouse-service/goods-note/goods-out/{note}/event", event).json() == {}
        )
        found = account.read(f"warehouse-service/order/{id}/goods-note/goods-out/")[str(note)]
        assert found["status"]["printed"] and found["status"]["shipped"]
        assert found["status"]["shippedOn"] == "2025-06-01T11:41:38.000+01:00"
        assert [one["eventCode"] for one in found["events"]] == ["PLA", "SHW"]

    def test_payment(self, account: Account) -> None:
        id = account.make("order-service/sales-order", sales_order(account))
        body = {
            "transactionRef": "PSP-X",
            "paymentMethodCode": "STRIPE",
            "paymentType": "RECEIPT",
            "orderId": id,
        }
        body |= {"currencyIsoCode": "GBP", "amountPaid": 60.00, "paymentDate": "2025-06-01T10:00:00Z"}
        payment = account.make("accounting-service/customer-payment", body)
        row = account.search(f"accounting-service/customer-payment-search?paymentId={payment}")[0]
        assert (row["amountPaid"], row["amountAuthorized"], row["expires"]) == ("60.00", "0.00", None)
        assert account.read(f"order-service/order/{id}")[0]["orderPaymentStatus"] == "PAID"

    def test_webhooks(self, account: Account) -> None:
        hook = {
            "subscribeTo": "goods-out-note.modified.shipped",
            "uriTemplate": "https://hooks.example.test/x",
        }
        hook["bodyTemplate"] = "${account-code} ${resource-type} ${lifecycle-event}"
        assert account.make("integration-service/webhook", hook) == 121
        assert account.read("integration-service/webhook/121")[0]["qualityOfService"] == 0
        bad = account.call("POST", "integration-service/webhook", hook | {"subscribeTo": "contact.created"})
        assert bad.json()["errors"][0]["code"] == "INTC-064"
        assert account.call("DELETE", "integration-service/webhook/121").json() == {}
        gone = account.call("DELETE", "integration-service/webhook/121").json()
        assert gone["errors"][0]["message"] == "Cannot find webhook: 121"

    def test_multi_message(self, account: Account) -> None:
        messages = [
            {"label": f"m{n}", "uri": "/product-service/brand", "httpMethod": "POST", "body": {"name": name}}
            for n, name in enumerate(("Northwind", "", "Other"), 1)
        ]
        before = int(account.get("order-service/order-type").headers["brightpearl-requests-remaining"])
        body = {"processingMode": "SEQUENTIAL", "onFail": "STOP", "messages": messages}
        answer = account.call("POST", "multi-message", body)
        assert answer.status_code == 207
        found = answer.json()["response"]
        assert found["processedMessages"][0]["body"]["content"] == '{"response":79}'
        assert "PRDC-024" in found["processedMessages"][1]["body"]["content"]
        assert found["unprocessedMessages"] == ["m3"]
        assert int(answer.headers["brightpearl-requests-remaining"]) == before - 1

    @pytest.mark.parametrize(
        "path",
        [
            "accounting-service/tax-code",
            "accounting-service/exchange-rate",
            "product-service/price-list",
            "product-service/channel",
            "product-service/brand/74",
            "warehouse-service/warehouse",
            "warehouse-service/warehouse/2",
            "order-service/order-status",
            "contact-service/tag",
            "contact-service/contact-group",
            "contact-service/postal-address/9001-9002",
            "order-service/sale/custom-field-meta-data",
            "order-service/sale/custom-field-meta-data/130-131",
            "order-service/purchase/custom-field-meta-data",
            "contact-service/customer/custom-field-meta-data",
            "contact-service/customer/custom-field-meta-data/140",
            "contact-service/supplier/custom-field-meta-data",
            "product-service/product/custom-field-meta-data",
            "warehouse-service/bundle-availability/1020",
        ],
    )
    def test_lists(self, account: Account, path: str) -> None:
        assert account.read(path)

    def test_zero_rate_has_no_key(self, account: Account) -> None:
        assert account.read("accounting-service/tax-code")[:2] == [
            {"id": 1, "code": "Z", "description": "Zero"},
            {"id": 2, "code": "T20", "description": "Standard", "rate": 20.0},
        ]

    def test_configuration_values_are_text(self, account: Account) -> None:
        found = account.read("integration-service/account-configuration")["configuration"]
        assert all(isinstance(value, str) for value in found.values())
        assert found["timeZone"] == "Europe/London"

    def test_unknown_path_and_malformed_body(self, account: Account) -> None:
        answer = account.get("order-service/nothing")
        assert (answer.status_code, answer.json()) == (
            501,
            {"response": "The sandbox has no resource GET /order-service/nothing"},
        )
        bad = account.session.post(
            f"{account.url}/public-api/acmetest/order-service/order", data="{", headers=PRIVATE
        )
        assert (bad.status_code, bad.json()["errors"][0]["code"]) == (500, "CMNU-003")
        assert account.call("POST", "order-service/order").json()["errors"][0]["code"] == "CMNC-010"
