"""The Brightpearl client against a scripted server: paging, shifts, quota, broken bodies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    Misconfigured,
    RateLimited,
    RecordRefused,
    SchemaMismatch,
    SyncError,
    TimedOut,
    Unavailable,
)
from airflow_provider_brightpearl.systems.brightpearl.auth import PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient, MessageAnswer, period
from airflow_provider_brightpearl.systems.brightpearl.search import Page, Paging
from tests.systems.stub import Asked, FakeClock, Reply, Stub, in_turn, serving

HTML = Reply(b"<html><h1>504 Gateway Time-out</h1></html>", 200, {"Content-Type": "text/html"})
NOT_FOUND = Reply({"errors": [{"code": "CMNC-404", "message": "No Contact Found"}]}, 404)
TOO_MANY = "You have sent too many requests. Please wait before sending another request"


@contextmanager
def account(
    answer: Callable[[Asked], Reply], clock: FakeClock | None = None
) -> Iterator[tuple[BrightpearlClient, Stub]]:
    clock = clock or FakeClock()
    with serving(answer) as stub:
        auth = PrivateAppAuth("acme_app", "staff")
        client = BrightpearlClient(
            stub.url, "acmetest", auth, sleep=clock.sleep, now=clock.now, chance=lambda: 0.0
        )
        yield client, stub


class Rows:
    """A result set that a walk reads page by page, and that may change between pages."""

    def __init__(
        self, ids: range, size: int, after: Mapping[int, Callable[[Rows], None]] | None = None
    ) -> None:
        self.ids = list(ids)
        self.size = size
        self.after = dict(after or {})
        self.pages = 0
        self.count_lies = False

    def page(self, first: int) -> Page:
        rows = [[number, None] for number in self.ids[first - 1 : first - 1 + self.size]]
        last = first - 1 + len(rows)
        available = self.size if self.count_lies else len(self.ids)
        page = Page(("orderId", "updatedOn"), rows, last < len(self.ids), available, last if rows else 0)
        self.pages += 1
        self.after.get(self.pages, lambda _: None)(self)
        return page

    def walk(self) -> list[int]:
        paging = Paging("orderId", self.size)
        seen: list[int] = []
        while paging.first is not None:
            seen.extend(row["orderId"] for row in paging.take(self.page(paging.first)))
        return seen


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 999, 1000, 1001, 10_000, 25_000])
def test_every_row_once_within_three_percent_of_the_fewest_pages(count: int) -> None:
    rows = Rows(range(1, count + 1), 500)
    assert list(range(1, count + 1)) == rows.walk()
    assert rows.pages <= max(1, ceil(count / 500)) * 1.03


def test_a_count_that_lies_does_not_end_the_walk() -> None:
    rows = Rows(range(1, 1801), 500)
    rows.count_lies = True
    assert list(range(1, 1801)) == rows.walk()


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 90), st.lists(st.tuples(st.integers(1, 12), st.integers(1, 90)), max_size=25))
def test_rows_that_leave_while_we_read_take_no_other_with_them(
    count: int, leaving: list[tuple[int, int]]
) -> None:
    def leave(page: int) -> Callable[[Rows], None]:
        gone = {number for at, number in leaving if at == page}
        return lambda rows: setattr(rows, "ids", [number for number in rows.ids if number not in gone])

    rows = Rows(range(1, count + 1), 7, {page: leave(page) for page in range(1, 13)})
    seen = rows.walk()
    left = {number for _, number in leaving}
    assert sorted(set(seen)) == seen
    assert set(range(1, count + 1)) - left <= set(seen)


def test_rows_of_one_id_are_all_given() -> None:
    pages = [
        Page(("batchId", "productId"), [[1, 1], [2, 1], [2, 2]], True, 5, 3),
        Page(("batchId", "productId"), [[2, 2], [2, 3], [3, 1]], False, 5, 5),
    ]
    paging = Paging("batchId", 3)
    assert [(1, 1), (2, 1), (2, 2), (2, 3), (3, 1)] == [
        (row["batchId"], row["productId"]) for page in pages for row in paging.take(page)
    ]


def found(asked: Asked) -> Reply:
    columns = [{"name": name, "sortable": True} for name in ("amountPaid", "paymentId")]
    meta = {"morePagesAvailable": False, "resultsAvailable": 1, "firstResult": 1, "lastResult": 1}
    text = json.dumps({"response": {"results": [["X", 7]], "metaData": {**meta, "columns": columns}}})
    return Reply(text.replace('"X"', "10.10").encode())


def test_a_single_page_costs_one_call_and_keeps_digits() -> None:
    with account(found) as (client, stub):
        rows = list(
            client.search(
                "accounting-service/customer-payment-search",
                columns=["amountPaid"],
                filters={"createdOn": "2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z"},
                sort="paymentId",
            )
        )
        assert ([{"amountPaid": Decimal("10.10"), "paymentId": 7}], 1) == (rows, client.calls)
        assert (
            "createdOn=2026-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z" in stub.asked[0].raw_query,
            "sort=paymentId.ASC" in stub.asked[0].raw_query,
        ) == (True, True)


def test_period_is_closed_utc_and_refuses_naive_instants() -> None:
    end = datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=1)))
    assert "1970-01-01T00:00:00.000Z/2026-01-02T00:00:00.000Z" == period(None, end)
    with pytest.raises(ValueError, match="time zone"):
        period(datetime(2026, 1, 1), end)  # noqa: DTZ001


def echo(asked: Asked) -> Reply:
    ids = [int(piece) for piece in asked.path.rsplit("/", 1)[-1].split(",")]
    return Reply(json.dumps({"response": [{"id": number, "net": 1.10} for number in ids]}, indent=1).encode())


def test_records_are_raw_lines_in_batches_that_fit_an_address() -> None:
    with account(echo) as (client, stub):
        records = list(client.get_records("order-service/order", range(1_000_001, 1_001_001, 2)))
        assert (500, False) == (len(records), any(b"\n" in record for record in records))
        assert {"id": 1_000_001, "net": 1.1} == json.loads(records[0])
        assert (3, True) == (
            client.calls,
            all(len(asked.path) + len(stub.url) <= 1900 for asked in stub.asked),
        )


def test_no_ids_cost_no_call() -> None:
    with account(echo) as (client, _):
        assert ([], 0) == (list(client.get_records("order-service/order", [])), client.calls)


@pytest.mark.parametrize("reply", [NOT_FOUND, Reply({"response": []})])
def test_nothing_found_is_no_error(reply: Reply) -> None:
    with account(lambda _: reply) as (client, _):
        assert [] == list(client.get_records("contact-service/contact", [9]))


def test_maps_and_members_and_ids_inside_the_path() -> None:
    replies = in_turn(
        Reply({"response": {"1007": {"total": {"onHand": 52}}}}),
        Reply({"response": {"journals": [{"id": 1}]}}),
    )
    with account(replies) as (client, stub):
        notes = list(client.get_map("warehouse-service/order/*/goods-note/{ids}/x", [1007, 1008]))
        journals = list(client.get_records("accounting-service/journal", [1], member="journals"))
        assert [("1007", b'{"total": {"onHand": 52}}')] == notes
        assert [b'{"id": 1}'] == journals
        assert stub.asked[0].path.endswith("/order/*/goods-note/1007,1008/x")


def test_too_long_an_address_is_asked_in_halves() -> None:
    with account(lambda asked: Reply(HTML.body, 414) if "-4" in asked.path else echo(asked)) as (
        client,
        stub,
    ):
        assert 4 == len(list(client.get_records("product-service/product", [1, 2, 3, 4])))
        assert ["1-4", "1,2", "3,4"] == [asked.path.rsplit("/", 1)[-1] for asked in stub.asked]


def test_ids_are_listed_from_uris() -> None:
    uris = {"response": {"getUris": ["/order/1-2,5", "/order/322-324"]}}
    with account(lambda _: Reply(uris)) as (client, stub):
        assert [1, 2, 5, 322, 323, 324] == list(client.list_ids("order-service/order"))
        assert "OPTIONS" == stub.asked[0].method


@pytest.mark.parametrize("first", [HTML, Reply(b""), Reply({"response": [1] * 50}, cut=9), Reply(b'{"resp')])
def test_a_broken_page_is_read_again(first: Reply) -> None:
    with account(in_turn(first, Reply({"response": [{"id": 1}]}))) as (client, _):
        assert ([b'{"id": 1}'], 2) == (list(client.get_records("order-service/order", [1])), client.calls)


def test_a_page_that_stays_broken_says_what_it_was() -> None:
    with account(lambda _: HTML) as (client, _):
        with pytest.raises(Unavailable, match="text/html: <html><h1>504 Gateway Time-out"):
            client.get("order-service/order-type")
        assert 4 == client.calls


@pytest.mark.parametrize(
    ("status", "body", "kind", "calls"),
    [
        (500, {"errors": [{"code": "CMNC-018", "message": "cannot be parsed as: IDSET"}]}, SchemaMismatch, 1),
        (500, {"errors": [{"code": "CMNC-044", "message": "Invalid patch operation"}]}, SchemaMismatch, 1),
        (500, {"errors": [{"code": "CMNU-003", "message": "generic"}]}, Unavailable, 4),
        (503, {"response": "The service is being upgraded"}, Unavailable, 4),
        (401, {"response": "Not authenticated. You must provide a valid token."}, CredentialsRefused, 1),
        (403, {"errors": [{"code": "X", "message": "no permission"}]}, CredentialsRefused, 1),
        (404, {"errors": [{"code": "CMNC-001", "message": "no such path"}]}, SchemaMismatch, 1),
        (302, b"", SchemaMismatch, 1),
    ],
)
def test_reads_by_status(status: int, body: Any, kind: type[SyncError], calls: int) -> None:
    with account(lambda _: Reply(body, status, {"Ruid": "r-7"})) as (client, _):
        with pytest.raises(kind) as caught:
            client.get("order-service/order/1")
        assert (calls, status, "r-7") == (client.calls, caught.value.status, caught.value.request_id)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"errors": [{"code": "ORDC-005", "message": "type missing"}]}, RecordRefused),
        (404, {"errors": [{"code": "CMNC-404", "message": "none"}]}, RecordRefused),
        (500, {"errors": [{"code": "CMNC-044", "message": "Invalid patch operation"}]}, RecordRefused),
        (500, {"errors": [{"code": "CMNU-003", "message": "generic"}]}, TimedOut),
        (502, b"<html>", TimedOut),
        (200, b"<html>", TimedOut),
        (414, b"", Misconfigured),
    ],
)
def test_writes_by_status_are_sent_once(status: int, body: Any, kind: type[SyncError]) -> None:
    with account(lambda _: Reply(body, status)) as (client, _):
        with pytest.raises(kind):
            client.post("order-service/order", {"reference": "x"})
        assert 1 == client.calls


def test_a_write_that_may_be_repeated_is() -> None:
    with account(in_turn(Reply(b"<html>", 502), Reply({"response": 9}))) as (client, _):
        assert (9, 2) == (client.post("order-service/sales-order", {}, repeatable=True), client.calls)


def test_answers_of_simple_calls() -> None:
    replies = in_turn(Reply({"response": [7001]}), Reply({}), Reply({}), Reply({"response": {"id": 1}}))
    with account(replies) as (client, stub):
        assert [7001] == client.post("a", {"value": Decimal("5.00"), "name": "x"})
        assert None is client.put("a", '{"x":1.10}')
        assert None is client.delete("a")
        assert {"id": 1} == client.patch("a", [{"op": "add", "path": "/PCF_A", "value": 1}])
        assert (b'{"value":5.00,"name":"x"}', b'{"x":1.10}') == (stub.asked[0].body, stub.asked[1].body)


def test_multi_message() -> None:
    answer = {
        "processedMessages": [
            {"label": "m1", "statusCode": 200, "body": {"content": '{"response":111}'}},
            {"label": "m2", "statusCode": 400, "body": {"content": '{"errors":[{"code":"PRDC-024"}]}'}},
        ],
        "unprocessedMessages": ["m3"],
    }
    with account(lambda _: Reply({"response": answer}, 207)) as (client, _):
        assert [
            MessageAnswer("m1", 200, {"response": 111}),
            MessageAnswer("m2", 400, {"errors": [{"code": "PRDC-024"}]}),
            MessageAnswer("m3", 0),
        ] == client.multi_message([{"label": "m1"}, {"label": "m2"}, {"label": "m3"}])


def test_a_message_part_that_is_not_json_stays_text() -> None:
    page = "<html>502 Bad Gateway</html>"
    parts = [{"label": "m1", "statusCode": 502, "body": {"content": page}}]
    with account(lambda _: Reply({"response": {"processedMessages": parts}}, 207)) as (client, _):
        assert [MessageAnswer("m1", 502, page)] == client.multi_message([{"label": "m1"}])


class Quota:
    """200 calls a minute by the clock of the test, told the way Brightpearl tells it."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.start, self.used, self.refused = clock.seconds, 0, 0

    def __call__(self, _: Asked) -> Reply:
        if self.clock.seconds - self.start >= 60:
            self.start, self.used = self.clock.seconds, 0
        self.used += 1
        left = ceil((60 - (self.clock.seconds - self.start)) * 1000)
        headers = {
            "brightpearl-requests-remaining": str(max(0, 200 - self.used)),
            "brightpearl-next-throttle-period": str(left),
        }
        if self.used > 200:
            self.refused += 1
            return Reply({"response": TOO_MANY}, 503, headers)
        return Reply({"response": []}, headers=headers)


def test_five_hundred_calls_wait_for_the_quota_and_no_longer() -> None:
    clock = FakeClock()
    quota = Quota(clock)
    with account(quota, clock) as (client, _):
        for _ in range(500):
            client.get("order-service/order-type")
        assert (500, 0) == (client.calls, quota.refused)
        assert sum(clock.naps) <= 120 * 1.1


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_call_turned_away_by_the_quota_waits_and_is_sent_again(method: str) -> None:
    clock = FakeClock()
    refused = Reply({"response": TOO_MANY}, 503, {"brightpearl-next-throttle-period": "12000"})
    with account(in_turn(refused, Reply({"response": 5})), clock) as (client, _):
        arguments: tuple[Any, ...] = ("x",) if method == "get" else ("x", {})
        assert (5, [12.0]) == (getattr(client, method)(*arguments), clock.naps)


def test_429_with_retry_after_is_tolerated() -> None:
    clock = FakeClock()
    with account(in_turn(Reply(b"", 429, {"Retry-After": "3"}), Reply({"response": 5})), clock) as (
        client,
        _,
    ):
        assert (5, [3.0]) == (client.get("x"), clock.naps)


def test_a_quota_that_never_opens_ends_as_rate_limited() -> None:
    with (
        account(lambda _: Reply({"response": TOO_MANY}, 503)) as (client, _),
        pytest.raises(RateLimited, match="rate limit"),
    ):
        client.get("x")


def test_no_secret_in_an_error() -> None:
    reply = Reply({"response": "Invalid instance token: staff-secret"}, 401)
    with account(lambda _: reply) as (client, _), pytest.raises(CredentialsRefused) as caught:
        client.get("x")
    assert "staff-secret" not in str(caught.value)
