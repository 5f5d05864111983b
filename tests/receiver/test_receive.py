"""What the receiver takes, what it refuses, and that it answers only for what is stored."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.compat import Connection
from airflow_provider_brightpearl.core.inbox import InboxEvent, Topic
from airflow_provider_brightpearl.errors import Misconfigured, Unavailable
from airflow_provider_brightpearl.extra import Extra
from airflow_provider_brightpearl.receiver import accounts as module
from airflow_provider_brightpearl.receiver import commits as commits_module
from airflow_provider_brightpearl.receiver.accounts import SECONDS, Accounts, airflow_connection
from airflow_provider_brightpearl.receiver.commits import GroupCommits
from airflow_provider_brightpearl.receiver.receive import LONGEST_BODY, Receiver, masked
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.inbox import SqlInbox

FIRST, SECOND = "first-secret-of-the-shop-0001", "second_secret_of_the_shop_002"
JSON = {"content-type": "application/json; charset=utf-8"}


def connection(secrets: Any, conn_type: str = "brightpearl", conn_id: str = "shop") -> Any:
    extra = json.dumps({"app_ref": "app", "webhook_secrets": secrets})
    return Connection(conn_id=conn_id, conn_type=conn_type, login="acmetest", extra=extra)


def body(ids: object = "1", event: str = "order.modified.order-status", **other: object) -> bytes:
    resource, lifecycle = event.split(".")[:2]
    sent = {
        "accountCode": "acmetest", "resourceType": resource, "id": ids, "lifecycleEvent": lifecycle,
        "fullEvent": event, "raisedOn": "2026-03-05T10:41:40.000Z", "brightpearlVersion": "4",
    }  # fmt: skip
    return json.dumps({**sent, **other}).encode()


@dataclass
class Shop:
    """A receiver with one connection, and what it stores."""

    inbox: SqlInbox
    connections: dict[str, Any] = field(default_factory=lambda: {"shop": connection([FIRST])})
    looks: list[str] = field(default_factory=list)
    trouble: Exception | None = None
    store: Callable[[Sequence[InboxEvent]], object] | None = None
    now: float = 1_000.0

    def __post_init__(self) -> None:
        def store(events: Sequence[InboxEvent]) -> object:
            return (self.store or self.inbox.store)(events)

        self.receiver = Receiver(Accounts(self.find), GroupCommits(store), self.inbox.counts)

    def find(self, conn_id: str) -> Any:
        self.looks.append(conn_id)
        if self.trouble:
            raise self.trouble
        return self.connections.get(conn_id)

    def post(
        self, sent: bytes = b"", secret: str = FIRST, conn_id: str = "shop", headers: dict[str, str] = JSON
    ) -> int:
        path = f"/brightpearl/events/{conn_id}/{secret}"
        return self.receiver.receive(path, headers, lambda most: (sent or body())[:most], self.now).status


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('state') / 'state.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def shop(state: Engine) -> Shop:
    inbox = SqlInbox(state)
    for topic in inbox.due():
        inbox.ignore(topic, "of another test")
    return Shop(inbox)


def due(inbox: SqlInbox, stream: str) -> list[str]:
    take = inbox.take(Topic("brightpearl", "shop", stream), "run", 1_000)
    if take is None:
        return []
    inbox.done(take)
    return sorted(take.ids)


def test_what_is_answered_with_success_is_due(shop: Shop) -> None:
    assert 202 == shop.post(body("7-9,12"))
    assert [["12", "7", "8", "9"]] * 2 == [
        due(shop.inbox, name) for name in ("sales_orders", "sales_credits")
    ]
    assert 202 == shop.post(body(5))
    assert ["5"] == due(shop.inbox, "sales_orders")


@pytest.mark.parametrize(
    ("event", "streams", "record"),
    [
        ("order.modified", {"sales_orders", "sales_credits"}, "4"),
        ("sales-order.created", {"sales_orders"}, "4"),
        ("product.modified", {"products"}, "4"),
        ("product.modified.on-hand-modified", {"availability"}, "4"),
        ("goods-out-note.modified.shipped", {"goods_out_notes", "shipments"}, "4"),
        ("drop-ship-note.created", {"shipments"}, "DS4"),
        ("quarantine-release.created", set(), ""),
    ],
)
def test_an_event_is_for_the_streams_that_it_concerns(
    shop: Shop, event: str, streams: set[str], record: str
) -> None:
    assert 202 == shop.post(body(4, event))
    topics = {topic.stream for topic in shop.inbox.due()}
    assert streams == topics
    assert {record: len(streams)} == {record: sum([record] == due(shop.inbox, name) for name in topics)}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/brightpearl/events/shop", 404),
        ("/brightpearl/events/shop/", 404),
        ("/elsewhere", 404),
        (f"/brightpearl/events/nobody/{FIRST}", 404),
        (f"/brightpearl/events/sho%70/{FIRST}", 404),
        (f"/brightpearl/events/salesforce/{FIRST}", 404),
        (f"/brightpearl/events/closed/{FIRST}", 404),
        ("/brightpearl/events/shop/wrong", 404),
        (f"/brightpearl/events/shop/{FIRST[:-1]}", 404),
        (f"/brightpearl/events/shop/{FIRST}/", 202),
        (f"/team-a/brightpearl/events/shop/{FIRST}", 202),
    ],
)
def test_the_address_is_the_key(shop: Shop, path: str, status: int) -> None:
    shop.connections["salesforce"] = connection([FIRST], "salesforce", "salesforce")
    shop.connections["closed"] = connection([], conn_id="closed")
    answer = shop.receiver.receive(path, JSON, lambda most: body(), shop.now)
    assert status == answer.status
    assert answer.reason in ("", "stored")


def test_several_secrets_are_good_while_one_replaces_another(shop: Shop) -> None:
    assert [202, 404] == [shop.post(secret=FIRST), shop.post(secret=SECOND)]
    shop.connections["shop"] = connection(f"{SECOND}, {FIRST}")
    assert [202, 404] == [shop.post(secret=FIRST), shop.post(secret=SECOND)]
    shop.now += SECONDS
    assert [202, 202] == [shop.post(secret=FIRST), shop.post(secret=SECOND)]
    shop.connections["shop"] = connection([SECOND])
    shop.now += SECONDS
    assert [404, 202] == [shop.post(secret=FIRST), shop.post(secret=SECOND)]
    assert 3 == len(shop.looks)


def test_who_guesses_is_slowed_down_and_the_vendor_is_not(shop: Shop) -> None:
    answers = [shop.post(secret=f"guess-number-{number}-of-a-secret") for number in range(40)]
    assert {404, 429} == set(answers)
    assert 202 == shop.post()
    # and who tries names of connections keeps no database busy, and is not told that there are none
    answers = [shop.post(conn_id=f"name{number}") for number in range(80)]
    assert {404, 503} == set(answers)
    assert 202 == shop.post()
    assert len(shop.looks) < 60


def test_a_flood_of_one_account_is_sent_again_later(shop: Shop) -> None:
    path = f"/brightpearl/events/shop/{FIRST}"
    for _ in range(2_000):
        shop.receiver.admit(path, JSON, shop.now)
    answer = shop.receiver.receive(path, JSON, lambda most: body(), shop.now)
    assert (503, 1) == (answer.status, answer.retry_after)
    shop.now += 1
    assert 202 == shop.post()


@pytest.mark.parametrize(
    ("sent", "headers", "status"),
    [
        (body(), {}, 415),
        (body(), {"content-type": "text/plain"}, 415),
        (body(), {**JSON, "content-length": str(LONGEST_BODY + 1)}, 413),
        (b"[" * (LONGEST_BODY + 9), JSON, 413),
        (b"{", JSON, 400),
        (b"\xff", JSON, 400),
        (b"[" * LONGEST_BODY, JSON, 400),
        (body(accountCode="another"), JSON, 400),
        (body("1-999999999"), JSON, 400),
        (body("1-10001"), JSON, 400),
        (body("1;2"), JSON, 400),
        (body(""), JSON, 400),
        (body("-1"), JSON, 400),
        (body("٣"), JSON, 400),
        (body("1-10000"), JSON, 202),
        (body("9-1"), JSON, 202),
        (body(raisedOn="yesterday"), JSON, 202),
    ],
)
def test_what_no_vendor_sends_is_refused(
    shop: Shop, sent: bytes, headers: dict[str, str], status: int
) -> None:
    assert status == shop.post(sent, headers=headers)
    assert (status == 202) or not shop.inbox.due()


def test_own_trouble_asks_for_another_try(shop: Shop) -> None:
    def down(_: object) -> None:
        raise Unavailable("the state database does not answer")

    shop.store = down
    path = f"/brightpearl/events/shop/{FIRST}"
    answer = shop.receiver.receive(path, JSON, lambda most: body(), shop.now)
    assert (503, 10, "") == (answer.status, answer.retry_after, answer.reason)
    shop.store = None
    assert 202 == shop.post()


def test_connections_that_cannot_be_read_are_no_reason_to_refuse_for_good(shop: Shop) -> None:
    shop.trouble = Unavailable("the metadata database does not answer")
    assert 503 == shop.post()
    shop.trouble = None
    assert 202 == shop.post()
    shop.trouble = Unavailable("the metadata database does not answer")
    shop.now += SECONDS
    # what is known stays known
    assert 202 == shop.post()
    shop.trouble, shop.connections["shop"] = None, connection(["short"])
    shop.now += SECONDS
    assert 202 == shop.post()
    assert 503 == Shop(shop.inbox, shop.connections).post()


def test_who_is_known_does_not_wait_for_who_is_asked_for(shop: Shop) -> None:
    assert 202 == shop.post()
    asked, go_on = threading.Event(), threading.Event()

    def slow(conn_id: str) -> Any:
        asked.set()
        assert go_on.wait(60)
        return shop.connections.get(conn_id)

    shop.receiver._accounts._find = slow
    stranger = threading.Thread(target=shop.post, kwargs={"conn_id": "stranger"})
    stranger.start()
    assert asked.wait(60)
    known = threading.Thread(target=shop.post)
    known.start()
    known.join(30)
    assert not known.is_alive()
    go_on.set()
    stranger.join(60)


def test_a_backend_that_fails_is_not_one_that_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Down:
        def get_connection(self, conn_id: str) -> None:
            raise OSError("no route to the vault")

    class Has:
        def get_connection(self, conn_id: str) -> str | None:
            return "found" if conn_id == "shop" else None

    monkeypatch.setattr("airflow.configuration.ensure_secrets_loaded", lambda: [Down(), Has()])
    assert "found" == airflow_connection("shop")
    with pytest.raises(Unavailable, match="connection other cannot be read: OSError"):
        airflow_connection("other")
    monkeypatch.setattr("airflow.configuration.ensure_secrets_loaded", lambda: [Has()])
    assert airflow_connection("other") is None


def test_events_in_flight_are_stored_by_one_transaction(shop: Shop) -> None:
    sizes: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def store(events: Sequence[InboxEvent]) -> None:
        sizes.append(len(events))
        begun.set()
        go_on.wait(10)
        shop.inbox.store(events)

    shop.store = store
    account = shop.receiver.admit(f"/brightpearl/events/shop/{FIRST}", JSON, shop.now)
    futures = [shop.receiver.submit(account, body("100"))]
    begun.wait(10)
    futures += [shop.receiver.submit(account, body(number)) for number in range(101, 151)]
    assert not any(each.done() for each in futures)
    go_on.set()
    assert {None} == {each.result(10) for each in futures}
    assert [1, 50] == sizes
    assert 51 == len(due(shop.inbox, "sales_orders"))


def test_an_event_that_cannot_be_stored_takes_no_other_with_it(shop: Shop) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def store(events: Sequence[InboxEvent]) -> None:
        begun.set()
        go_on.wait(10)
        if any("666" in event.record_ids for event in events):
            raise ValueError("a value that the database refuses")
        shop.inbox.store(events)

    shop.store = store
    account = shop.receiver.admit(f"/brightpearl/events/shop/{FIRST}", JSON, shop.now)
    first = shop.receiver.submit(account, body("1"))
    begun.wait(10)
    good, bad = shop.receiver.submit(account, body("2")), shop.receiver.submit(account, body("666"))
    # who has given up does not hear of it
    late = shop.receiver.submit(account, body("3"))
    assert late.cancel()
    go_on.set()
    assert [None, None] == [first.result(10), good.result(10)]
    with pytest.raises(ValueError, match="refuses"):
        bad.result(10)
    assert ["1", "2"] == due(shop.inbox, "sales_orders")


def test_no_more_wait_than_can_be_stored_soon(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(commits_module, "_WAITING", 3)
    waiting = Shop(shop.inbox, store=lambda events: go_on.wait(10))
    account = waiting.receiver.admit(f"/brightpearl/events/shop/{FIRST}", JSON, waiting.now)
    futures = []
    with pytest.raises(Exception, match="too many events wait"):
        for _ in range(9):
            futures.append(waiting.receiver.submit(account, body()))
    assert 503 == waiting.post()
    go_on.set()
    assert {None} == {each.result(10) for each in futures}


def test_health_says_whether_events_can_be_stored(shop: Shop) -> None:
    broken = Receiver(Accounts(shop.find), GroupCommits(shop.inbox.store), lambda: 1 / 0)
    assert [200, 503] == [each.health(shop.now).status for each in (shop.receiver, broken)]


def test_refusals_are_counted_without_a_secret(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.post(secret="wrong-and-still-a-secret-of-somebody")
    for _ in range(3):
        shop.post(headers={})
    shop.now += 60
    shop.post(b'{"name": "Ann Smith"}')
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "1 with 404; the last one: wrong secret" in said
    assert "1 with 400, 3 with 415" in said
    assert "secret-of-somebody" not in said
    assert "Ann" not in said


def test_a_path_is_masked_from_its_secret_on() -> None:
    assert "/x/brightpearl/events/shop/***" == masked(f"/x/brightpearl/events/shop/{FIRST}")
    assert "/brightpearl/events/health" == masked("/brightpearl/events/health")
    for mistyped in (
        f"shop/{FIRST}/x",
        f"shop/{FIRST}//",
        f"/{FIRST}",
        f"my shop/{FIRST}",
        f"shop/{FIRST * 9}",
        FIRST,
    ):
        assert "secret" not in masked(f"/brightpearl/events/{mistyped}")


@pytest.mark.parametrize("secrets", ["short", [FIRST, 7], ["with/slash/" + FIRST], "ü" * 30, {"a": FIRST}])
def test_a_secret_that_cannot_stand_in_an_address_is_named_by_its_place(secrets: object) -> None:
    extra = Extra.of(connection(secrets))
    with pytest.raises(Misconfigured, match="extra webhook_secrets") as caught:
        module.webhook_secrets(extra)
    assert FIRST not in str(caught.value)
