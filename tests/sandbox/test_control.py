from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from airflow_provider_brightpearl.sandbox.clock import Clock
from airflow_provider_brightpearl.sandbox.server import Sandbox, UnknownAddresses
from tests.sandbox.brightpearl_account import Account


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(
        customers=10,
        products=10,
        orders=30,
        until=datetime(2025, 6, 1, tzinfo=UTC),
        check_addresses=False,
    ) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@pytest.fixture
def account(sandbox: Sandbox) -> Iterator[Account]:
    account = Account(sandbox.url)
    yield account
    account.session.close()


ORDER = "order-service/order/100001"


def fault(sandbox: Sandbox, **rule: object) -> None:
    sandbox.control("POST", "/faults", {"system": "brightpearl", **rule})


def test_counts_and_log(sandbox: Sandbox, account: Account) -> None:
    account.get(ORDER)
    account.get("nowhere?x=1")
    assert sandbox.counts()["brightpearl"] == 2
    last = sandbox.control("GET", "/log?system=brightpearl")[-1]
    assert (last["path"], last["query"], last["status"]) == ("/public-api/acmetest/nowhere", "x=1", 501)
    sandbox.control("DELETE", "/log")
    assert sandbox.counts()["brightpearl"] == 0


def test_unknown_addresses_are_counted(sandbox: Sandbox, account: Account) -> None:
    sandbox.control("DELETE", "/unknown")
    account.get(ORDER)
    account.get("order-service/ordr/100001")
    account.call("PUT", ORDER, {})
    message = {"label": "one", "uri": "/nothing", "httpMethod": "GET"}
    account.call("POST", "multi-message", {"messages": [message], "onFail": "STOP"})
    for path in ("/services/data/v62.0/nothing", "/ACME_TST/nothing", "/nothing"):
        requests.get(sandbox.url + path, timeout=10)
    sandbox.reset()
    assert sandbox.unknown_addresses() == [
        "brightpearl GET /order-service/ordr/100001",
        f"brightpearl PUT /{ORDER}",
        "brightpearl GET /nothing",
        "GET /nothing",
    ]


def test_a_block_that_touched_an_unknown_address_fails() -> None:
    with (
        pytest.raises(UnknownAddresses, match="brightpearl GET /order-service/ordr"),
        Sandbox(customers=1, products=1, orders=1) as running,
    ):
        Account(running.url).get("order-service/ordr")


def test_fault_answers_then_is_spent(sandbox: Sandbox, account: Account) -> None:
    fault(
        sandbox,
        method="GET",
        path="order/100001",
        skip=1,
        times=2,
        status=502,
        body="<html>bad gateway</html>",
    )
    assert [account.get(ORDER).status_code for _ in range(4)] == [200, 502, 502, 200]
    assert sandbox.control("GET", "/faults")[0]["hits"] == 2


def test_fault_for_ever_with_json_and_headers(sandbox: Sandbox, account: Account) -> None:
    fault(sandbox, times=0, status=503, body={"response": "down"}, headers={"Retry-After": "1"})
    answers = [account.get(ORDER) for _ in range(3)]
    assert {a.status_code for a in answers} == {503}
    assert answers[0].json() == {"response": "down"}
    assert answers[0].headers["retry-after"] == "1"
    assert "brightpearl-requests-remaining" in answers[0].headers
    sandbox.control("DELETE", "/faults")
    assert account.get(ORDER).status_code == 200


@pytest.mark.parametrize(("when", "notes"), [("before", 0), ("after", 1)])
def test_dropped_connection(sandbox: Sandbox, account: Account, when: str, notes: int) -> None:
    fault(sandbox, drop=when, method="POST")
    with pytest.raises(requests.ConnectionError):
        account.call("POST", ORDER + "/note", {"text": "hi"})
    assert len(sandbox.snapshot("brightpearl", "order-note")) == notes
    assert sandbox.control("GET", "/log")[-1]["status"] == 0


def test_cut_body(sandbox: Sandbox, account: Account) -> None:
    fault(sandbox, truncate=100)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        account.get(ORDER)
    assert account.get(ORDER).status_code == 200


def test_delay(sandbox: Sandbox, account: Account) -> None:
    fault(sandbox, delay_seconds=0.2)
    started = time.perf_counter()
    assert account.get(ORDER).status_code == 200
    assert time.perf_counter() - started >= 0.2


def test_dripping_body(sandbox: Sandbox, account: Account) -> None:
    fault(sandbox, drip_seconds=0.0001)
    slow = account.get(ORDER)
    assert slow.json() == account.get(ORDER).json()


def test_changes_between_two_requests(sandbox: Sandbox, account: Account) -> None:
    number = int(ORDER.rpartition("/")[2])
    fault(sandbox, changes=[{"collection": "order", "id": number, "patch": {"reference": "later"}}])
    assert "later" != account.get(ORDER).json()["response"][0]["reference"]
    assert "later" == account.get(ORDER).json()["response"][0]["reference"]
    fault(sandbox, changes=[{"collection": "order", "id": number}])
    assert account.get(ORDER).json()["response"]
    assert number not in [each["id"] for each in sandbox.snapshot("brightpearl", "order")]


@pytest.mark.parametrize(
    "rule",
    [
        {"system": "nobody"},
        {"system": "brightpearl", "nope": 1},
        {"system": "brightpearl", "changes": [{"id": 1}]},
        {},
    ],
)
def test_bad_rules_are_refused(sandbox: Sandbox, rule: dict[str, object]) -> None:
    with pytest.raises(RuntimeError):
        sandbox.control("POST", "/faults", rule)
    assert sandbox.control("GET", "/faults") == []


def test_clock(sandbox: Sandbox) -> None:
    sandbox.control("POST", "/clock", {"now": "2025-06-01T00:00:00Z", "speed": 0})
    moved = sandbox.control("POST", "/clock", {"advance_seconds": 90})
    assert moved == {"now": "2025-06-01T00:01:30+00:00", "speed": 0.0}
    sandbox.reset()
    assert sandbox.control("GET", "/clock")["now"] > "2025-06-02"


def test_window_time_never_runs_backwards() -> None:
    clock = Clock(speed=1000)
    clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    before = clock.seconds()
    clock.set(datetime(2020, 1, 1, tzinfo=UTC))
    clock.reset()
    assert clock.seconds() >= before


def test_settings(sandbox: Sandbox) -> None:
    sandbox.control("POST", "/settings/brightpearl", {"throttle_limit": 5})
    assert sandbox.control("GET", "/settings/brightpearl")["throttle_limit"] == 5
    with pytest.raises(RuntimeError, match="unknown keys"):
        sandbox.control("POST", "/settings/brightpearl", {"nope": 1})
    assert sandbox.control("DELETE", "/settings/brightpearl")["throttle_limit"] == 200


def test_seed(sandbox: Sandbox) -> None:
    sandbox.control("POST", "/seed", {"orders": 60})
    assert sandbox.control("GET", "/snapshot/brightpearl")["order"] == 61
    sandbox.control("POST", "/seed", {"orders": 30})
    assert len(sandbox.snapshot("brightpearl", "order")) == 30


def test_edited_records(sandbox: Sandbox, account: Account) -> None:
    patch = {"parties": {"customer": {"email": ["not", "text"]}}, "createdOn": None, "orderStatus": "odd"}
    sandbox.control("PATCH", "/brightpearl/order/100001", patch)
    order = account.read(ORDER)[0]
    assert (order["parties"]["customer"]["email"], order["orderStatus"]) == (["not", "text"], "odd")
    assert "createdOn" not in order
    assert order["updatedOn"][:4] == sandbox.control("GET", "/clock")["now"][:4]
    assert account.search("order-service/order-search?orderId=100001")[0]["createdOn"] is None
    assert len(account.search("order-service/order-search?createdOn=2000-01-01/")) == 29
    sandbox.control("DELETE", "/brightpearl/order/100001")
    assert account.read(ORDER) == []
    with pytest.raises(RuntimeError, match="404"):
        sandbox.control("DELETE", "/brightpearl/order/100001")


def test_quiet_leaves_the_stamp(sandbox: Sandbox, account: Account) -> None:
    before = account.read(ORDER)[0].get("updatedOn")
    sandbox.control("PATCH", "/brightpearl/order/100001?quiet=1", {"reference": "x"})
    after = account.read(ORDER)[0]
    assert (after["reference"], after.get("updatedOn")) == ("x", before)


def test_activity_is_repeatable_and_stamped(sandbox: Sandbox) -> None:
    sandbox.control("POST", "/clock", {"now": "2025-06-01T12:00:00Z"})
    wanted = {
        "orders_changed": 3,
        "orders_created": 2,
        "customers_changed": 2,
        "products_changed": 1,
        "seed": 5,
    }
    first = sandbox.control("POST", "/brightpearl/activity", wanted)
    assert {key: len(ids) for key, ids in first.items()} == {
        "orders_created": 2,
        "orders_changed": 3,
        "customers_changed": 2,
        "products_changed": 1,
    }
    changed = {o["id"]: o for o in sandbox.snapshot("brightpearl", "order")}
    assert changed[first["orders_created"][0]]["createdOn"].startswith("2025-06-01T13:00")
    sandbox.reset()
    assert sandbox.control("POST", "/brightpearl/activity", wanted) == first


def test_unknown_system_and_collection(sandbox: Sandbox) -> None:
    for path in ("/snapshot/nobody", "/snapshot/brightpearl/nothing", "/settings/nobody"):
        with pytest.raises(RuntimeError, match="404"):
            sandbox.control("GET", path)


def test_path_of_no_system(sandbox: Sandbox) -> None:
    assert requests.get(sandbox.url + "/elsewhere", timeout=5).status_code == 404


def test_what_was_kept_comes_back(sandbox: Sandbox, account: Account) -> None:
    def data() -> dict[str, list[dict[str, object]]]:
        places = [("brightpearl", "contact"), ("salesforce", "Account"), ("infor", "customers")]
        return {system: sandbox.snapshot(system, name) for system, name in places}

    sandbox.control("POST", "/clock", {"now": "2026-03-01T12:00:00Z", "speed": 0})
    sandbox.control("PATCH", "/brightpearl/contact/201", {"firstName": "Kept"})
    before = data()
    sandbox.control("POST", "/keep")
    first = sandbox.control("POST", "/salesforce/Account", {"Name": "New"})["Id"]
    sandbox.control("DELETE", "/brightpearl/contact/201")
    sandbox.control("PATCH", "/infor/customers/ACME01", {"CUNM": "Changed"})
    sandbox.control("POST", "/clock", {"advance_seconds": 60})
    fault(sandbox, status=500)
    for _ in range(2):
        sandbox.control("POST", "/back")
        assert (before, []) == (data(), sandbox.control("GET", "/faults"))
        assert sandbox.control("GET", "/clock")["now"].startswith("2026-03-01T12:00:00")
        # also its numbers begin again
        assert first == sandbox.control("POST", "/salesforce/Account", {"Name": "New"})["Id"]
    sandbox.reset()
    sandbox.control("POST", "/clock", {"speed": 1})
    with pytest.raises(RuntimeError, match="nothing was kept"):
        sandbox.control("POST", "/back")
