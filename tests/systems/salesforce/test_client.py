"""The Salesforce client against a scripted server: what the sandbox cannot be made to say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simple_salesforce import Salesforce

from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    Misconfigured,
    RateLimited,
    SchemaMismatch,
    SyncError,
    TimedOut,
    Unavailable,
)
from airflow_provider_brightpearl.systems.http.transport import new_session
from airflow_provider_brightpearl.systems.salesforce import csv
from airflow_provider_brightpearl.systems.salesforce.bulk import pause_before_look
from airflow_provider_brightpearl.systems.salesforce.client import RowAnswer, SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.collections import (
    BULK_THRESHOLD,
    keys_of,
    min_upsert_calls,
    pack,
    with_type,
)
from airflow_provider_brightpearl.systems.salesforce.graph import Graph, GraphAnswer, Node, NodeAnswer
from tests.systems.stub import Asked, FakeClock, Reply, Stub, in_turn, serving

KEY = "Brightpearl_Order_Id__c"
EXPIRED = Reply([{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}], 401)
LOCKED = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access", "fields": []}


@contextmanager
def org(
    answer: Callable[[Asked], Reply], clock: FakeClock | None = None
) -> Iterator[tuple[SalesforceClient, Stub]]:
    clock = clock or FakeClock()
    with serving(answer) as stub:
        session = new_session(endpoint_override=stub.url)
        sf = Salesforce(session_id="sid", instance_url="https://acme.my.salesforce.com", session=session)
        yield SalesforceClient(sf, sleep=clock.sleep, chance=lambda: 0.0), stub


def row(key: int, **fields: Any) -> str:
    return json.dumps({KEY: str(key), **fields})


def accepting(asked: Asked) -> Reply:
    records = asked.json()["records"]
    return Reply([{"id": f"801{r[KEY]}", "success": True, "created": True, "errors": []} for r in records])


def refusing(*keys: str, code: str = "UNABLE_TO_LOCK_ROW") -> Callable[[Asked], Reply]:
    def answer(asked: Asked) -> Reply:
        error = {**LOCKED, "statusCode": code}
        return Reply([
            {"success": False, "errors": [error]} if r[KEY] in keys
            else {"id": f"801{r[KEY]}", "success": True, "created": False, "errors": []}
            for r in asked.json()["records"]
        ])  # fmt: skip

    return answer


def test_rows_are_upserted_200_a_call_in_order() -> None:
    with org(accepting) as (client, stub):
        answers = client.upsert("Order", KEY, [row(number) for number in range(401)])
        assert [RowAnswer(str(number), f"801{number}", True) for number in range(401)] == answers
        assert [200, 200, 1] == [len(asked.json()["records"]) for asked in stub.asked]
        assert ("PATCH", f"/services/data/v59.0/composite/sobjects/Order/{KEY}", "Bearer sid", 3) == (
            stub.asked[0].method,
            stub.asked[0].path,
            stub.asked[0].headers["Authorization"],
            client.calls,
        )


def test_digits_of_rows_leave_untouched() -> None:
    with org(accepting) as (client, stub):
        client.upsert("Order", KEY, [f'{{"{KEY}":"1","Amount":10.10,"Big":12345678901234567.89}}'])
        assert b'"Amount":10.10,"Big":12345678901234567.89' in stub.asked[0].body


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", '{"attributes":{"type":"Order"}}'),
        (' { "A": 1} ', '{"attributes":{"type":"Order"},"A": 1}'),
    ],
)
def test_the_object_is_named_inside_the_text(text: str, expected: str) -> None:
    assert expected == with_type("Order", text)


def test_only_locked_rows_are_sent_again() -> None:
    clock = FakeClock()
    calls = [refusing("2"), refusing("2"), accepting]
    with org(lambda asked: calls.pop(0)(asked), clock) as (client, stub):
        answers = client.upsert("Order", KEY, [row(1), row(2), row(3)])
        assert [("1", True), ("2", True), ("3", True)] == [(answer.key, answer.success) for answer in answers]
        assert [3, 1, 1] == [len(asked.json()["records"]) for asked in stub.asked]
        assert [0.25, 0.75] == clock.naps


def test_a_row_that_stays_locked_is_an_answer() -> None:
    with org(refusing("2")) as (client, _):
        answer = client.upsert("Order", KEY, [row(1), row(2)])[1]
        assert (False, "UNABLE_TO_LOCK_ROW", 5) == (answer.success, answer.code, client.calls)


def test_other_refusals_are_not_sent_again() -> None:
    with org(refusing("2", code="REQUIRED_FIELD_MISSING")) as (client, _):
        answer = client.upsert("Order", KEY, [row(2)])[0]
        assert ("REQUIRED_FIELD_MISSING", 1) == (answer.code, client.calls)


@pytest.mark.parametrize("rows", [[row(1), row(1)], ['{"Name":"x"}'], [f'{{"{KEY}":null}}'], ["[]"]])
def test_keys_must_be_there_once(rows: list[str]) -> None:
    with org(accepting) as (client, _), pytest.raises(ValueError, match=KEY):
        client.upsert("Order", KEY, rows)


def test_keys_are_text() -> None:
    assert ["7", "a"] == keys_of("K", ['{"K":7}', '{"x":{"K":1},"K":"a"}'])


def test_the_duplicate_rule_is_named() -> None:
    found = {
        "duplicateRule": "Standard_Account_Rule",
        "matchResults": [{"matchRecords": [{"record": {"Id": "001A"}}]}],
    }
    error = {
        "statusCode": "DUPLICATES_DETECTED",
        "message": "Use one of these records?",
        "duplicateResut": found,
    }
    with org(lambda _: Reply([{"success": False, "errors": [error]}])) as (client, _):
        expected = "Use one of these records? (duplicate rule Standard_Account_Rule, matches 001A)"
        assert expected == client.upsert("Account", KEY, [row(1)])[0].message


def test_rows_are_deleted_by_id() -> None:
    with org(lambda _: Reply([{"id": "801A", "success": True, "errors": []}])) as (client, stub):
        assert [RowAnswer("801A", "801A")] == client.delete(["801A"])
        assert ("DELETE", "ids=801A&allOrNone=false") == (stub.asked[0].method, stub.asked[0].raw_query)


def test_pages_of_a_query_are_followed_and_digits_kept() -> None:
    first = b"""{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v59.0/query/01g-2000","records":
        [{"attributes":{"type":"Order"},"Amount":10.10,"Account":{"attributes":{"type":"Account"},"Name":"x"}}]}"""
    with org(in_turn(Reply(first), Reply({"totalSize": 2, "done": True, "records": [{"Id": "2"}]}))) as (
        client,
        stub,
    ):
        rows = list(client.query("SELECT Id FROM Order WHERE Name = 'a+b'"))
        assert [{"Amount": Decimal("10.10"), "Account": {"Name": "x"}}, {"Id": "2"}] == rows
        assert "SELECT Id FROM Order WHERE Name = 'a+b'" == stub.asked[0].query["q"]


def login_then(answer: Callable[[Asked], Reply]) -> Callable[[Asked], Reply]:
    def serve(asked: Asked) -> Reply:
        if asked.path != "/services/oauth2/token":
            return answer(asked)
        logins.append(asked)
        host = "https://acme.my.salesforce.com" if len(logins) == 1 else "https://moved.my.salesforce.com"
        return Reply({"access_token": f"sid{len(logins)}", "instance_url": host})

    logins: list[Asked] = []
    return serve


def test_an_expired_session_logs_in_once_and_repeats() -> None:
    def api(asked: Asked) -> Reply:
        return (
            Reply({"DailyApiRequests": {"Max": 9}})
            if asked.headers["Authorization"] == "Bearer sid2"
            else EXPIRED
        )

    with serving(login_then(api)) as stub:
        session = new_session(endpoint_override=stub.url)
        sf = Salesforce(consumer_key="k", consumer_secret="s", domain="acme.my", session=session)
        client = SalesforceClient(sf)
        assert {"DailyApiRequests": {"Max": 9}} == client.limits()
        assert (2, 2, "moved.my.salesforce.com") == (client.calls, client.meter.logins, sf.sf_instance)


def test_a_session_that_stays_expired_stops() -> None:
    with serving(login_then(lambda _: EXPIRED)) as stub:
        session = new_session(endpoint_override=stub.url)
        sf = Salesforce(consumer_key="k", consumer_secret="s", domain="acme.my", session=session)
        client = SalesforceClient(sf)
        with pytest.raises(CredentialsRefused):
            client.limits()
        assert 2 == client.calls


def test_a_session_without_a_login_says_so() -> None:
    with org(lambda _: EXPIRED) as (client, _), pytest.raises(CredentialsRefused, match="cannot be renewed"):
        client.limits()


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "calls"),
    [
        (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", RateLimited, 1),
        (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded", RateLimited, 20),
        (403, "INSUFFICIENT_ACCESS", "no", CredentialsRefused, 1),
        (400, "MALFORMED_QUERY", "unexpected token", Misconfigured, 1),
        (400, "INVALID_FIELD", "No such column 'x'", SchemaMismatch, 1),
        (404, "NOT_FOUND", "The requested resource does not exist", SchemaMismatch, 1),
        (500, "UNKNOWN_EXCEPTION", "oops", Unavailable, 4),
        (503, "SERVER_UNAVAILABLE", "busy", Unavailable, 4),
    ],
)
def test_reads_by_status_and_code(
    status: int, code: str, message: str, kind: type[SyncError], calls: int
) -> None:
    with org(lambda _: Reply([{"errorCode": code, "message": message}], status)) as (client, _):
        with pytest.raises(kind) as caught:
            client.describe("Order")
        assert (calls, code, "GET sobjects/Order/describe") == (
            client.calls,
            caught.value.code,
            caught.value.operation,
        )


def test_a_lost_answer_to_an_upsert_is_asked_for_again() -> None:
    calls = [lambda _: Reply([{"id": "1"}] * 9, cut=5), lambda _: Reply(b"<html>", 502), accepting]
    with org(lambda asked: calls.pop(0)(asked)) as (client, _):
        assert ("8011", 3) == (client.upsert("Order", KEY, [row(1)])[0].id, client.calls)


def test_an_answer_of_another_length_is_not_trusted() -> None:
    with org(lambda _: Reply([])) as (client, _), pytest.raises(TimedOut, match="0 answers to 1 rows"):
        client.upsert("Order", KEY, [row(1)])


# graphs


def graph_of(name: str) -> Graph:
    order = Node.upsert("order", "Order", KEY, "a/b #1", '{"Status":"Draft","Amount":10.10}')
    item = Node.upsert("item", "OrderItem", "Row__c", "5", '{"OrderId":"@{order.id}"}')
    return Graph(name, (order, item))


def graph_reply(asked: Asked, failing: str = "", code: str = "") -> Reply:
    def one(graph: dict[str, Any]) -> dict[str, Any]:
        references = [node["referenceId"] for node in graph["compositeRequest"]]
        failed = graph["graphId"] == failing
        if failed:
            bodies: list[Any] = [[{"errorCode": "PROCESSING_HALTED", "message": "m"}] for _ in references]
            bodies[0][0]["errorCode"] = code or "PROCESSING_HALTED"
        else:
            bodies = [{"id": f"80{n}", "success": True, "created": True} for n, _ in enumerate(references)]
        nodes = [
            {"body": body, "httpStatusCode": 400 if failed else 201, "referenceId": reference}
            for body, reference in zip(bodies, references, strict=True)
        ]
        answer = {"compositeResponse": nodes}
        return {"graphId": graph["graphId"], "graphResponse": answer, "isSuccessful": not failed}

    # the order of answers is not promised
    return Reply({"graphs": [one(graph) for graph in reversed(asked.json()["graphs"])]})


def test_graphs_are_answered_in_their_order() -> None:
    with org(graph_reply) as (client, stub):
        answers = client.graph([graph_of("a"), graph_of("b")])
        nodes = (NodeAnswer("order", 201, "800", True), NodeAnswer("item", 201, "801", True))
        assert [GraphAnswer("a", True, nodes), GraphAnswer("b", True, nodes)] == answers
        url = stub.asked[0].json()["graphs"][0]["compositeRequest"][0]["url"]
        assert f"/services/data/v59.0/sobjects/Order/{KEY}/a%2Fb%20%231" == url
        assert b'"Amount":10.10' in stub.asked[0].body


def test_a_failed_graph_names_its_culprit() -> None:
    with org(lambda asked: graph_reply(asked, "a", "REQUIRED_FIELD_MISSING")) as (client, _):
        answer = client.graph([graph_of("a"), graph_of("b")])[0]
        assert (False, ["order"], 1) == (
            answer.success,
            [node.reference for node in answer.culprits],
            client.calls,
        )


@pytest.mark.parametrize("code", ["UNABLE_TO_LOCK_ROW", ""])
def test_a_locked_or_unreached_graph_is_sent_again_alone(code: str) -> None:
    calls = [lambda asked: graph_reply(asked, "b", code), graph_reply]
    with org(lambda asked: calls.pop(0)(asked)) as (client, stub):
        answers = client.graph([graph_of("a"), graph_of("b")])
        assert ([True, True], [2, 1]) == (
            [answer.success for answer in answers],
            [len(asked.json()["graphs"]) for asked in stub.asked],
        )


def test_graphs_that_are_not_reached_are_sent_for_as_long_as_others_are() -> None:
    names = [f"g{number}" for number in range(9)]

    def one_at_a_time(asked: Asked) -> Reply:
        """Refuses the first graph of a call, and leaves the others out."""
        found = []
        for place, graph in enumerate(asked.json()["graphs"]):
            code = "PROCESSING_HALTED" if place else "REQUIRED_FIELD_MISSING"
            body = [{"errorCode": code, "message": "m"}]
            node = {"body": body, "httpStatusCode": 400, "referenceId": "order"}
            answer = {"compositeResponse": [node]}
            found.append({"graphId": graph["graphId"], "graphResponse": answer, "isSuccessful": False})
        return Reply({"graphs": found})

    clock = FakeClock()
    with org(one_at_a_time, clock) as (client, _):
        answers = client.graph([graph_of(name) for name in names])
        assert (names, 9, []) == ([each.id for each in answers], client.calls, clock.naps)
        assert ["REQUIRED_FIELD_MISSING"] * 9 == [each.culprits[0].code for each in answers]


def test_graphs_that_no_call_reaches_end_the_task_and_are_not_refused() -> None:
    with org(lambda asked: graph_reply(asked, "b")) as (client, _):
        with pytest.raises(Unavailable, match="left out 1 rows or graphs"):
            client.graph([graph_of("b")])
        assert 5 == client.calls


def test_too_large_a_call_is_refused() -> None:
    with org(graph_reply) as (client, _), pytest.raises(ValueError, match="at most 75 graphs"):
        client.graph([graph_of(str(number)) for number in range(76)])


@given(st.lists(st.integers(1, 500), max_size=300))
def test_packing_holds_every_graph_once_within_both_limits(sizes: list[int]) -> None:
    groups = pack(sizes)
    assert list(range(len(sizes))) == sorted(index for group in groups for index in group)
    assert all(len(group) <= 75 and sum(sizes[index] for index in group) <= 500 for group in groups)


def test_packing_200_orders_of_three_lines() -> None:
    assert 3 == len(pack([5] * 200))


def test_a_graph_that_fits_no_call_is_refused() -> None:
    with pytest.raises(ValueError, match="number 1 has 501"):
        pack([1, 501])


@pytest.mark.parametrize(
    ("rows", "calls"), [(0, 0), (1, 1), (200, 1), (201, 2), (1000, 5), (1001, 4), (90_000, 4)]
)
def test_fewest_calls(rows: int, calls: int) -> None:
    assert calls == min_upsert_calls(rows)


# bulk


def csv_text(*rows: str, limit: int = 10_000) -> list[tuple[str, int]]:
    return [(content.decode(), count) for content, count in csv.files(rows, KEY, limit)]


def test_csv_keeps_digits_and_says_null() -> None:
    rows = [
        f'{{"Amount":10.10,"{KEY}":"1","Name":"a, \\"b\\"\\nc","Active":true,"Account":{{"Ext__c":"x"}}}}',
        f'{{"{KEY}":"2","Name":null,"Account":null,"Note":""}}',
    ]
    expected = (
        f'{KEY},Amount,Name,Active,Account.Ext__c,Note\n1,10.10,"a, ""b""\nc",true,x,\n2,,#N/A,,#N/A,#N/A\n'
    )
    assert [(expected, 2)] == csv_text(*rows)


def test_csv_is_split_by_size_with_a_header_each() -> None:
    files = csv_text(*[row(number, Name="x" * 20) for number in range(10)], limit=120)
    assert 10 == sum(count for _, count in files)
    assert all(text.startswith(f"{KEY},Name\n") and len(text) <= 120 for text, _ in files)
    assert len(files) > 1


def test_rows_of_several_shapes_share_one_header() -> None:
    rows = [
        f'{{"{KEY}":"1","Account":{{"Ext__c":"x"}}}}',
        f'{{"{KEY}":"2","Account":{{"Other__c":"y"}},"Name":"n"}}',
        f'{{"{KEY}":"3","Account":null}}',
        f'{{"{KEY}":"4"}}',
    ]
    expected = f"{KEY},Account.Ext__c,Account.Other__c,Name\n1,x,,\n2,,y,n\n3,#N/A,#N/A,\n4,,,\n"
    assert [(expected, 4)] == csv_text(*rows)


def test_cells_of_result_rows_are_picked_by_column() -> None:
    text = f'"sf__Id","Name","{KEY}"\n"a","line\nbreak","1"\n"b","{"x" * 200_000}","2"\n'
    assert [("1", "a", ""), ("2", "b", "")] == csv.pick(text, (KEY, "sf__Id", "sf__Created"))
    assert ["1", "2"] == [each[KEY] for each in csv.read(text)]
    with pytest.raises(ValueError, match="a result row with 2 cells of 3"):
        csv.pick('"a","b","c"\n1,2', ("a", "b"))


def test_no_rows_are_no_file() -> None:
    assert [] == csv_text()


class BulkOrg:
    """One ingest job at a time; ``failures`` are sf__Error texts by key for the first job only."""

    def __init__(self, failures: dict[str, str], final: dict[str, Any] | None = None) -> None:
        self.failures, self.final, self.jobs = failures, final or {}, 0
        self.rows: list[dict[str, str]] = []

    def __call__(self, asked: Asked) -> Reply:
        if "/composite/" in asked.path:
            return accepting(asked)
        if asked.method == "PUT":
            self.rows = csv.read(asked.body.decode())
            return Reply(b"", 201)
        if asked.path.endswith("Results"):
            return self._results("failed" in asked.path)
        self.jobs += asked.method == "POST"
        state = "JobComplete" if asked.method == "GET" else "Open"
        failed = sum(r[KEY] in self.failures for r in self.rows)
        counts = {"numberRecordsProcessed": len(self.rows), "numberRecordsFailed": failed}
        return Reply(
            {"id": "750A", "state": state, **counts, **(self.final if asked.method == "GET" else {})}
        )

    def _results(self, failed: bool) -> Reply:
        chosen = [r[KEY] for r in reversed(self.rows) if (r[KEY] in self.failures) == failed]
        lines = [
            f'"801{key}","{self.failures[key]}","{key}"' if failed else f'"801{key}","true","{key}"'
            for key in chosen
        ]
        header = f'"sf__Id","{"sf__Error" if failed else "sf__Created"}","{KEY}"'
        return Reply("\n".join([header, *lines]).encode(), headers={"Content-Type": "text/csv"})


def test_bulk_answers_are_matched_by_key_in_the_fewest_calls() -> None:
    clock = FakeClock()
    with org(BulkOrg({}), clock) as (client, stub):
        answers = {answer.key: answer for answer in client.bulk_upsert("Order", KEY, [row(1), row(2)])}
        assert {str(n): RowAnswer(str(n), f"801{n}", True) for n in (1, 2)} == answers
        assert (5, 1) == (client.calls, client.looks)
        assert [1.0] == pytest.approx(clock.naps, abs=0.1)
        assert ["POST", "PUT", "PATCH", "GET", "GET"] == [asked.method for asked in stub.asked]


@given(st.floats(0.1, 20_000.0))
def test_the_end_of_a_job_is_noticed_within_two_seconds_or_a_quarter_of_its_duration(ends: float) -> None:
    waited = 0.0
    while waited < ends:
        waited += pause_before_look(waited)
    assert waited - ends <= max(2.0, ends / 4)


def test_looks_are_counted_apart_repeated_ones_too() -> None:
    bulk, clock = BulkOrg({}), FakeClock()
    # not ended at the first two looks, the second of which is answered with an error once
    states = [Reply({"id": "750A", "state": "InProgress"}), Reply(b"<html>", 503)]

    def answer(asked: Asked) -> Reply:
        waits = asked.method == "GET" and not asked.path.endswith("Results")
        return states.pop(0) if waits and states else bulk(asked)

    with org(answer, clock) as (client, _):
        list(client.bulk_upsert("Order", KEY, [row(1)]))
        assert (7, 3) == (client.calls, client.looks)
        assert 1.0 + 2.0 <= sum(clock.naps)


def test_bulk_refusals_are_read_and_locked_rows_sent_again() -> None:
    failures = {
        "1": "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --",
        "2": "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record:--",
    }
    with org(BulkOrg(failures)) as (client, _):
        answers = {a.key: a for a in client.bulk_upsert("Order", KEY, [row(1), row(2), row(3)])}
        expected = RowAnswer(
            "1", "8011", False, False,
            "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", ("Name",),
        )  # fmt: skip
        assert (expected, True, True) == (answers["1"], answers["2"].success, answers["3"].success)


def locked_for_ever(asked: Asked) -> Reply:
    """An org whose rows are all locked, however they are sent."""
    if "/composite/" in asked.path:
        error = {"statusCode": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access"}
        return Reply([{"success": False, "errors": [error]} for _ in asked.json()["records"]])
    raise AssertionError(asked.path)


@pytest.mark.parametrize("count", [3, BULK_THRESHOLD + 1])
def test_rows_that_stay_locked_are_refused_after_growing_pauses(count: int) -> None:
    failures = {str(n): "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access:--" for n in range(count)}
    bulk, clock = BulkOrg(failures), FakeClock()
    with org(lambda a: locked_for_ever(a) if "/composite/" in a.path else bulk(a), clock) as (client, _):
        answers = list(client.bulk_upsert("Order", KEY, [row(n) for n in range(count)]))
    assert {"unable to obtain exclusive access (the same after 5 tries)"} == {a.message for a in answers}
    assert count == len({answer.key for answer in answers})
    few = count < BULK_THRESHOLD
    assert (1 if few else 5) == bulk.jobs
    pauses = [nap for nap in clock.naps if nap != 1.0]
    assert pauses == sorted(pauses)
    assert len(pauses) == (5 if few else 4)


def test_rows_that_a_job_leaves_out_are_sent_again_and_never_refused() -> None:
    left_out = BulkOrg({}, {"numberRecordsProcessed": 0})

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("unprocessedrecords"):
            return Reply(f'"{KEY}"\n"1"\n"2"'.encode(), headers={"Content-Type": "text/csv"})
        return left_out(asked)

    with org(answer) as (client, stub):
        answers = list(client.bulk_upsert("Order", KEY, [row(1), row(2)]))
        assert {"1", "2"} == {each.key for each in answers if each.success}
        assert 1 == sum("/composite/" in asked.path for asked in stub.asked)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("InvalidBatch : Field name not found : X__c", SchemaMismatch), ("Too many batches", Unavailable)],
)
def test_a_failed_job_says_why(reason: str, kind: type[SyncError]) -> None:
    final = {"state": "Failed", "errorMessage": reason}
    with org(BulkOrg({}, final)) as (client, _), pytest.raises(kind, match=reason.split(":")[0].strip()):
        list(client.bulk_upsert("Order", KEY, [row(1)]))


def test_result_rows_that_are_missing_are_not_overlooked() -> None:
    final = {"numberRecordsProcessed": 3}
    with org(BulkOrg({}, final)) as (client, _), pytest.raises(Unavailable, match="2 result rows of 3"):
        list(client.bulk_upsert("Order", KEY, [row(1), row(2)]))


def test_a_lost_upload_starts_a_new_job() -> None:
    bulk = BulkOrg({})
    lost = [Reply(b"<html>", 502)]
    with org(lambda a: lost.pop() if a.method == "PUT" and lost else bulk(a)) as (client, _):
        assert (1, 2) == (len(list(client.bulk_upsert("Order", KEY, [row(1)]))), bulk.jobs)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("InvalidBatch : Failed to process query: INVALID_FIELD: No such column 'X'", SchemaMismatch),
        ("QUERY_TIMEOUT: Your query request was running for too long.", Unavailable),
        ("InternalServerError : retry later", Unavailable),
        (None, Unavailable),
    ],
)
def test_a_failed_query_job_is_judged_by_its_reason(reason: str | None, kind: type[SyncError]) -> None:
    job = {"id": "750X", "state": "Failed", "errorMessage": reason}
    with org(lambda _: Reply(job)) as (client, _), pytest.raises(kind, match="ended as Failed: ") as caught:
        list(client.bulk_query("SELECT Id FROM Order"))
    assert (reason or "no reason") in str(caught.value)
