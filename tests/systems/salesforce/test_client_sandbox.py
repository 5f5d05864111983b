"""The Salesforce client against the sandbox, over HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_brightpearl.errors import RateLimited, SchemaMismatch, TimedOut
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.salesforce.graph import Graph, Node
from tests.systems.live import fault, running_sandbox, salesforce, sandbox, switch

__all__ = ["running_sandbox", "sandbox"]

KEY = "Brightpearl_Id__c"


def select(fields: str, where: str, of: str = "Account") -> str:
    return " ".join(["SELECT", fields, "FROM", of, "WHERE", where])


def account(number: int | str, **fields: Any) -> str:
    return json.dumps({KEY: f"c-{number}", "Name": f'Ünit "{number}", Ltd', **fields})


def names(sandbox: Sandbox) -> dict[str, str]:
    found = sandbox.snapshot("salesforce", "Account")
    return {record[KEY]: record["Name"] for record in found if record.get(KEY)}


def test_upserts_create_and_update_in_order(sandbox: Sandbox) -> None:
    client = salesforce(sandbox)
    first = client.upsert("Account", KEY, [account(number) for number in range(250)])
    again = client.upsert("Account", KEY, [account(number, Name="new") for number in range(249, -1, -1)])
    assert ([True] * 250, [False] * 250) == (
        [answer.created for answer in first],
        [answer.created for answer in again],
    )
    assert {answer.key: answer.id for answer in first} == {answer.key: answer.id for answer in again}
    assert {f"c-{number}": "new" for number in range(250)} == names(sandbox)
    assert 4 == client.calls


def test_a_refused_row_does_not_touch_its_neighbours(sandbox: Sandbox) -> None:
    answers = salesforce(sandbox).upsert("Account", KEY, [account(1), account(2, Name=None), account(3)])
    assert [("", True), ("REQUIRED_FIELD_MISSING", False), ("", True)] == [
        (answer.code, answer.success) for answer in answers
    ]
    assert ("Name",) == answers[1].fields


def test_bulk_gives_the_same_rows_as_collections(sandbox: Sandbox) -> None:
    client = salesforce(sandbox)
    rows = [account(number) for number in range(300)]
    answers = list(client.bulk_upsert("Account", KEY, [*rows, account("bad", Name=None)]))
    by_bulk = names(sandbox)
    assert ({f"c-{n}" for n in range(300)}, {"c-bad"}) == (
        {answer.key for answer in answers if answer.created},
        {answer.key for answer in answers if answer.code == "REQUIRED_FIELD_MISSING"},
    )
    assert [False] * 300 == [answer.created for answer in client.upsert("Account", KEY, rows)]
    assert by_bulk == names(sandbox)


def test_a_text_that_a_csv_file_takes_for_null_is_written(sandbox: Sandbox) -> None:
    rows = [account(number, Site="#N/A" if number == 2 else "s") for number in range(4)]
    rows += [account("quoted", Site='"#N/A"'), account("null", Site=None)]
    client = salesforce(sandbox)
    answers = list(client.bulk_upsert("Account", KEY, rows))
    assert [True] * 6 == [answer.created for answer in answers]
    sites = {row[KEY]: row.get("Site") for row in sandbox.snapshot("salesforce", "Account") if row.get(KEY)}
    assert {"c-0": "s", "c-1": "s", "c-2": "#N/A", "c-3": "s", "c-quoted": '"#N/A"', "c-null": None} == sites
    assert 1 == len(list(client.bulk_upsert("Account", KEY, rows[2:3])))


@pytest.mark.parametrize("count", [3, 1_001])
def test_rows_that_stay_locked_are_refused(sandbox: Sandbox, count: int) -> None:
    locked = {
        "object": "Account",
        "code": "UNABLE_TO_LOCK_ROW",
        "message": "unable to obtain exclusive access",
    }
    switch(sandbox, "salesforce", row_faults=[{**locked, "where": {"Phone": "1"}}])
    rows = [account(n, Phone="1" if n else "2") for n in range(count)]
    try:
        answers = {each.key: each for each in salesforce(sandbox).bulk_upsert("Account", KEY, rows)}
    finally:
        switch(sandbox, "salesforce", row_faults=[])
    assert count == len(answers)
    assert [True] == [each.success for each in answers.values() if each.code != "UNABLE_TO_LOCK_ROW"]
    assert 1 == len(names(sandbox))


def test_bulk_can_clear_a_value_and_leave_one_alone(sandbox: Sandbox) -> None:
    client = salesforce(sandbox)
    client.upsert("Account", KEY, [account(1, Phone="1", Website="w"), account(2, Phone="2", Website="w")])
    list(client.bulk_upsert("Account", KEY, [account(1, Phone=None), json.dumps({KEY: "c-2", "Name": "n"})]))
    rows = client.query(select("Phone, Website", f"{KEY} IN ('c-1', 'c-2') ORDER BY {KEY}"))
    assert [{"Phone": None, "Website": "w"}, {"Phone": "2", "Website": "w"}] == list(rows)


def test_bulk_resolves_a_parent_by_its_key(sandbox: Sandbox) -> None:
    client = salesforce(sandbox)
    parent = client.upsert("Account", KEY, [account(1)])[0].id
    contact = json.dumps({KEY: "p-1", "LastName": "Marsh", "Account": {KEY: "c-1"}})
    assert [True] == [answer.success for answer in client.bulk_upsert("Contact", KEY, [contact])]
    assert [{"AccountId": parent}] == list(client.query(select("AccountId", f"{KEY} = 'p-1'", "Contact")))


def test_an_unknown_column_fails_the_job_as_a_mismatch(sandbox: Sandbox) -> None:
    with pytest.raises(SchemaMismatch, match="Nope__c"):
        list(salesforce(sandbox).bulk_upsert("Account", KEY, [account(1, Nope__c=1)]))


def test_graphs_are_whole_or_nothing(sandbox: Sandbox) -> None:
    def graph(name: str, last_name: str | None) -> Graph:
        parent = Node.upsert("parent", "Account", KEY, name, '{"Name":"G"}')
        body = json.dumps({"LastName": last_name, "AccountId": "@{parent.id}"})
        return Graph(name, (parent, Node.upsert("child", "Contact", KEY, name, body)))

    good, bad = salesforce(sandbox).graph([graph("a/b #1", "Marsh"), graph("x", None)])
    assert (True, False, ["child"]) == (good.success, bad.success, [node.reference for node in bad.culprits])
    assert {"a/b #1": "G"} == names(sandbox)
    assert [True, True] == [node.created for node in good.nodes]


def test_a_query_reads_all_pages(sandbox: Sandbox) -> None:
    client = salesforce(sandbox)
    client.upsert("Account", KEY, [account(number) for number in range(450)])
    switch(sandbox, "salesforce", page_size=200)
    before = client.calls
    keys = [row[KEY] for row in client.query(select(KEY, f"{KEY} != null"))]
    switch(sandbox, "salesforce", page_size=2000)
    assert (450, 3) == (len(set(keys)), client.calls - before)


def test_a_session_that_expires_is_renewed(sandbox: Sandbox) -> None:
    client = salesforce(sandbox)
    sandbox.control("POST", "/clock", {"advance_seconds": 8000})
    assert client.limits()["DailyApiRequests"]["Max"] > 0
    assert 2 == client.meter.logins


def test_an_upsert_whose_answer_is_lost_is_sent_again_without_a_duplicate(sandbox: Sandbox) -> None:
    fault(sandbox, system="salesforce", method="PATCH", path="composite/sobjects", drop="after")
    answers = salesforce(sandbox).upsert("Account", KEY, [account(1)])
    assert ([False], {"c-1"}) == ([answer.created for answer in answers], set(names(sandbox)))


@pytest.mark.parametrize("step", ["batches$", "Results$", "ingest/[^/]+$"])
def test_a_bulk_job_survives_a_lost_answer(sandbox: Sandbox, step: str) -> None:
    fault(sandbox, system="salesforce", path=step, drop="after")
    answers = list(salesforce(sandbox).bulk_upsert("Account", KEY, [account(1), account(2)]))
    assert {"c-1", "c-2"} == {answer.key for answer in answers if answer.success}
    assert {"Open"}.isdisjoint(each["state"] for each in sandbox.snapshot("salesforce", "bulk_jobs"))


def test_a_job_that_is_given_up_is_aborted(sandbox: Sandbox) -> None:
    """Its rows would be written over newer ones."""
    switch(sandbox, "salesforce", bulk_seconds=100_000)
    with pytest.raises(TimedOut, match="is not done after"):
        list(salesforce(sandbox, lambda _: None).bulk_upsert("Account", KEY, [account(1)]))
    switch(sandbox, "salesforce", bulk_seconds=0)
    assert ["Aborted"] == [each["state"] for each in sandbox.snapshot("salesforce", "bulk_jobs")]


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_job_whose_closing_is_lost_twice_is_not_started_a_second_time(sandbox: Sandbox, drop: str) -> None:
    sandbox.control("DELETE", "/log")
    fault(sandbox, system="salesforce", method="PATCH", path="jobs/ingest/[^/]+$", drop=drop, times=2)
    answers = list(salesforce(sandbox).bulk_upsert("Account", KEY, [account(1), account(2)]))
    assert {"c-1", "c-2"} == {answer.key for answer in answers if answer.created}
    calls = sandbox.control("GET", "/log?system=salesforce")
    assert 1 == sum(call["method"] == "POST" and call["path"].endswith("jobs/ingest") for call in calls)


def test_the_daily_limit_is_not_waited_for(sandbox: Sandbox) -> None:
    client = salesforce(sandbox)
    switch(sandbox, "salesforce", daily_api_limit=client.calls)
    try:
        with pytest.raises(RateLimited) as caught:
            client.limits()
        # the client does not sit it out, the task is tried again as calls of the day become free
        assert 3600 == caught.value.wait_seconds
    finally:
        switch(sandbox, "salesforce", daily_api_limit=100_000)


def test_rows_are_deleted(sandbox: Sandbox) -> None:
    client = salesforce(sandbox)
    made = client.upsert("Account", KEY, [account(1)])[0]
    assert [True] == [answer.success for answer in client.delete([made.id])]
    assert [] == list(client.query(select("Id", f"{KEY} = 'c-1'")))
