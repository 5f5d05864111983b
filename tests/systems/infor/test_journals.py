from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.changes import Change
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.errors import TimedOut, Unavailable
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.systems.infor.client import Answer, Transaction
from airflow_provider_brightpearl.systems.infor.journals import imbalance
from airflow_provider_brightpearl.systems.infor.rows import Row
from tests.postgres import sqlite_url
from tests.systems.infor.m3 import Tenant, change, flow, record
from tests.systems.live import running_sandbox, sandbox

__all__ = ["running_sandbox", "sandbox"]

JOURNALS = flow("""
flow: payments_to_infor_gl
source: brightpearl.sales_orders
target: infor
objects:
  Journal:
    key: {KEY1: id}
    fields: {INTN: "1", DESC: "1"}
  Debit: &line
    object: JournalLine
    key: {line: id}
    parent: {KEY1: Journal}
    fields: {LINE: "1", INRI: "1", AIT1: "1", CUCD: "1", CUAM: "1", DBCR: "1", ACDT: "1", VTXT: "1"}
  Credit: *line
""")


@pytest.fixture
def m3(sandbox: Sandbox, tmp_path: Path) -> Iterator[Tenant]:
    tenant = Tenant(sandbox, SqlIntents(open_engine(sqlite_url(tmp_path))))
    yield tenant
    tenant.switch(closed_periods=[], ledger_validation="job", list_ceilings={})


def payment(number: int, amount: str = "47.98", account: str = "1930", **more: Any) -> Any:
    key = f"BP{number}"
    line = {"INRI": "I1", "CUCD": "GBP", "ACDT": "2026-11-20", "VTXT": f"{number} card", **more}
    return record(
        str(number),
        change("Journal", key, {"INTN": "BPGL", "DESC": f"Payment {number}"}),
        change(
            "Debit", f"{key}-1", {**line, "LINE": 1, "AIT1": account, "CUAM": float(amount), "DBCR": "D"}, key
        ),
        change(
            "Credit",
            f"{key}-2",
            {**line, "LINE": 2, "AIT1": "1590", "CUAM": -float(amount), "DBCR": "C"},
            key,
        ),
    )


def vouchers(m3: Tenant) -> list[tuple[str, str]]:
    return sorted((row["VTXT"], row["CUAM"]) for row in m3.rows("vouchers"))


def test_a_payment_becomes_a_posted_voucher(m3: Tenant) -> None:
    results = m3.write(JOURNALS, [payment(1), payment(2, "10")])
    assert [] == [each.reason for each in results if each.refused]
    assert [
        ("BP1 1 card", "-47.98"), ("BP1 1 card", "47.98"), ("BP2 2 card", "-10.00"), ("BP2 2 card", "10.00"),
    ] == vouchers(m3)  # fmt: skip
    assert {"2026|300|80001", "2026|300|80002"} == {each.target_id for each in results}


def test_a_repeat_is_recognised(m3: Tenant) -> None:
    first = m3.write(JOURNALS, [payment(1)])
    assert first[0].target_id == m3.write(JOURNALS, [payment(1)])[0].target_id
    told = m3.write(JOURNALS, [payment(1, "48.00")])[0].reason
    assert "is posted already with other content" in told
    assert 2 == len(vouchers(m3))


def test_a_repeat_is_recognised_without_the_state_database(m3: Tenant, tmp_path: Path) -> None:
    m3.write(JOURNALS, [payment(1)])
    m3.intents = SqlIntents(open_engine(sqlite_url(tmp_path, "other.db")))
    assert "2026|300|80001" == m3.write(JOURNALS, [payment(1)])[0].target_id
    assert 2 == len(vouchers(m3))


def test_calls_are_the_fewest(m3: Tenant) -> None:
    sink = m3.sink(JOURNALS)
    records = [payment(number) for number in range(100)]
    assert 300 == sum(len(results) for results in sink.write(records))
    assert (11, 11) == (sink.calls, sink.min_calls(records))


@pytest.mark.parametrize("skip", range(5))
@pytest.mark.parametrize("answer", [{"drop": "after"}, {"drop": "before"}, {"status": 504}])
def test_a_lost_answer_at_any_call_posts_nothing_twice(m3: Tenant, skip: int, answer: dict[str, Any]) -> None:
    m3.fault(path="/v2/execute", method="POST", skip=skip, **answer)
    records = [payment(number) for number in range(1, 4)]
    try:
        results = m3.write(JOURNALS, records)
    except TimedOut:
        results = m3.write(JOURNALS, records)
    assert [] == [each.reason for each in results if each.refused]
    assert 6 == len(vouchers(m3))
    assert [] == m3.intents.in_doubt()


def test_an_unknown_account_rejects_that_journal_and_the_next_try_takes_a_new_key(m3: Tenant) -> None:
    m3.switch(ledger_validation="nok")
    results = {each.source_id: each for each in m3.write(JOURNALS, [payment(1, account="9999"), payment(2)])}
    assert "nothing was posted; the next try carries it on, or takes a new key" in results["1"].reason
    assert "" == results["2"].reason
    assert "" == m3.write(JOURNALS, [payment(1)])[0].reason
    assert {"BP1-2 1 card", "BP2 2 card"} == {text for text, _ in vouchers(m3)}


@pytest.mark.parametrize("drop", ["before", "after"])
@pytest.mark.parametrize("skip", range(6))
def test_a_batch_that_was_begun_is_carried_on_and_none_is_left(m3: Tenant, skip: int, drop: str) -> None:
    m3.fault(path="/v2/execute", method="POST", skip=skip, drop=drop)
    records = [payment(number) for number in range(1, 4)]
    with suppress(TimedOut):
        m3.write(JOURNALS, records)
    m3.write(JOURNALS, records)
    assert {"BP1", "BP2", "BP3"} == {row["KEY1"] for row in m3.rows("journals")}
    assert 6 == len(m3.rows("journal_lines")) == len(vouchers(m3))


def test_half_of_all_answers_lost_leaves_no_rubbish_in_the_ledger(m3: Tenant) -> None:
    chance = random.Random(5)
    records = [payment(number) for number in range(60)]
    for _ in range(40):
        m3.fault(
            path="/v2/execute",
            method="POST",
            drop=chance.choice(["before", "after"]),
            skip=chance.randrange(2),
        )
    for _ in range(60):
        with suppress(TimedOut, Unavailable):
            if not [each for each in m3.write(JOURNALS, records) if each.refused]:
                break
    assert (60, 120, 120) == tuple(len(m3.rows(name)) for name in ("journals", "journal_lines", "vouchers"))
    assert [] == m3.intents.in_doubt()


def test_a_batch_refused_for_its_content_is_carried_on_once_m3_takes_it(m3: Tenant) -> None:
    m3.switch(closed_periods=["202610"], ledger_validation="nok")
    first = m3.write(JOURNALS, [payment(1, ACDT="2026-10-31")])
    assert "the next try carries it on" in first[0].reason
    m3.switch(closed_periods=[])
    assert "" == m3.write(JOURNALS, [payment(1, ACDT="2026-10-31")])[0].reason
    assert {"BP1"} == {row["KEY1"] for row in m3.rows("journals")}


def test_a_batch_that_is_left_behind_is_listed(m3: Tenant) -> None:
    m3.switch(ledger_validation="nok")
    m3.write(JOURNALS, [payment(1, account="9999")])
    m3.write(JOURNALS, [payment(1)])
    [left] = m3.intents.of(JOURNALS.flow, "Journal left behind", ["BP1", "BP1-2"]).values()
    assert "batch BP1 is left in GLS840 and not posted: delete it there" == left.reason


def test_lines_that_m3_takes_twice_spoil_the_batch_before_anything_is_posted(
    m3: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were there an M3 that does not refuse a line number that it has, amounts would double."""
    m3.fault(path="/v2/execute", method="POST", skip=1, drop="after")
    with suppress(TimedOut):
        m3.write(JOURNALS, [payment(1)])
    sink = m3.sink(JOURNALS)
    bulk = sink.client.bulk

    def takes_everything(program: str, sent: Sequence[Transaction], **more: Any) -> list[Answer]:
        answers = bulk(program, sent, **more)
        return [
            Answer() if name.name == "AddBatchLineFld" else answer
            for name, answer in zip(sent, answers, strict=True)
        ]

    monkeypatch.setattr(sink.client, "bulk", takes_everything)
    [result] = [each for results in sink.write([payment(1)]) for each in results]
    assert (True, True) == (result.refused, result.passing)
    assert "M3 took line 1 of batch BP1 twice" in result.reason
    assert [] == vouchers(m3)
    assert "" == m3.write(JOURNALS, [payment(1)])[0].reason
    assert {"BP1-2 1 card"} == {text for text, _ in vouchers(m3)}


def test_a_batch_of_others_with_the_same_key_is_not_added_to(m3: Tenant) -> None:
    head = {"KEY1": "BP1", "INTN": "BPGL", "DESC": "Somebody else's"}
    m3.client().write("GLS840MI", "AddBatchHead", head)
    line = {
        "KEY1": "BP1",
        "LINE": "1",
        "INRI": "I1",
        "AIT1": "1930",
        "CUCD": "GBP",
        "CUAM": "5",
    }
    m3.client().write("GLS840MI", "AddBatchLineFld", {**line, "DBCR": "D", "ACDT": "20261120", "VTXT": "x"})
    m3.fault(path="/v2/execute", method="POST", drop="after")
    with suppress(TimedOut):
        m3.write(JOURNALS, [payment(1)])
    [result] = m3.write(JOURNALS, [payment(1)])
    assert "batch BP1 has lines that this flow has not sent" in result.reason
    assert 1 == len(m3.rows("journal_lines"))
    assert "" == m3.write(JOURNALS, [payment(1)])[0].reason


def test_a_closed_period_rejects_that_journal(m3: Tenant) -> None:
    m3.switch(closed_periods=["202610"], ledger_validation="nok")
    results = {
        each.source_id: each for each in m3.write(JOURNALS, [payment(1, ACDT="2026-10-31"), payment(2)])
    }
    assert ("", True) == (results["2"].reason, "nothing was posted" in results["1"].reason)
    assert 2 == len(vouchers(m3))


def test_a_batch_that_m3_takes_and_does_not_post_is_told_and_taken_up_again(m3: Tenant) -> None:
    """M3 validates in a job of its own: its answers are good, and there is no voucher."""
    m3.switch(closed_periods=["202610"])
    results = {
        each.source_id: each for each in m3.write(JOURNALS, [payment(1, ACDT="2026-10-31"), payment(2)])
    }
    assert ("", True) == (results["2"].reason, "created no voucher" in results["1"].reason)

    other = m3.write(JOURNALS, [payment(1, "48.00", ACDT="2026-10-31")])[0]
    assert "batch BP1 is in GLS840 with unknown content" in other.reason
    assert "batch BP1 is in GLS840" in m3.write(JOURNALS, [payment(1, "48.00", ACDT="2026-10-31")])[0].reason
    assert 2 == len(vouchers(m3))


def test_a_batch_is_posted_when_its_period_is_open_again(m3: Tenant) -> None:
    m3.switch(closed_periods=["202610"])
    m3.write(JOURNALS, [payment(1, ACDT="2026-10-31")])
    m3.switch(closed_periods=[])
    assert "" == m3.write(JOURNALS, [payment(1, ACDT="2026-10-31")])[0].reason
    assert {"BP1 1 card"} == {text for text, _ in vouchers(m3)}
    assert 2 == len(vouchers(m3))


@pytest.mark.parametrize("state_is_lost", [False, True])
def test_a_voucher_beyond_the_end_of_a_list_is_neither_posted_again_nor_called_missing(
    m3: Tenant, tmp_path: Path, state_is_lost: bool
) -> None:
    m3.switch(list_ceilings={"GLS200MI LstVouchersByDt": 100})
    records = [payment(number) for number in range(1, 61)]
    for _ in range(2):
        refused = [each for each in m3.write(JOURNALS, records) if each.refused]
        assert 10 == len(refused)
        assert all(each.passing and "do not delete the batch" in each.reason for each in refused)
        assert not any("delete it there" in each.reason for each in refused)
        if state_is_lost:
            m3.intents = SqlIntents(open_engine(sqlite_url(tmp_path, "other.db")))
    m3.switch(list_ceilings={})
    assert [] == [each.reason for each in m3.write(JOURNALS, records) if each.refused]
    assert 120 == len(vouchers(m3))


def test_a_journal_that_does_not_balance_is_not_sent(m3: Tenant) -> None:
    record_ = payment(1)
    crooked = payment(1, "47.97").changes[2]
    calls = m3.client().calls
    sink = m3.sink(JOURNALS)
    [[result]] = list(sink.write([record("1", *record_.changes[:2], crooked)]))
    assert "the lines do not add up to zero: CUAM GBP 0.01" == result.reason
    assert calls == sink.calls
    assert {} == m3.intents.of("payments_to_infor_gl", "Journal", ["BP1"])


def lines(*pairs: tuple[str, str, str]) -> list[Row]:
    return [
        Row("1", Change("Debit", str(number), "{}", ""), {"CUCD": currency, "CUAM": amount, "DBCR": side})
        for number, (currency, amount, side) in enumerate(pairs)
    ]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (lines(("GBP", "1", "D")), "two lines"),
        (lines(("GBP", "1", "D"), ("EUR", "-1", "C")), "CUAM GBP 1, CUAM EUR -1"),
        (lines(("GBP", "1", "C"), ("GBP", "-1", "D")), "CUAM 1 does not match DBCR C"),
        (lines(("GBP", "x", "D"), ("GBP", "-1", "C")), "CUAM x does not match"),
    ],
)
def test_what_is_no_journal(rows: list[Row], reason: str) -> None:
    assert reason in imbalance(rows)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["GBP", "JPY", "KWD"]), st.decimals("0", "99999", places=3)), min_size=1
    ),
    st.decimals("0.001", "5", places=3),
)
def test_any_mirrored_amounts_balance_and_any_slip_is_seen(
    pairs: list[tuple[str, Decimal]], slip: Decimal
) -> None:
    mirrored = [
        each
        for currency, amount in pairs
        for each in ((currency, str(amount), "D"), (currency, str(-amount), "C"))
    ]
    assert "" == imbalance(lines(*mirrored))
    currency, amount, _ = mirrored[0]
    assert imbalance(lines((currency, str(Decimal(amount) + slip), "D"), *mirrored[1:]))
    assert IntentState.DONE


def test_journals_are_found_by_their_vouchers_and_none_is_written(m3: Tenant, tmp_path: Path) -> None:
    records = [payment(number) for number in range(1, 61)]
    m3.write(JOURNALS, records)
    before = vouchers(m3)
    m3.intents = SqlIntents(open_engine(sqlite_url(tmp_path, "other.db")))
    assert [] == m3.find(JOURNALS, [payment(61)])
    assert 180 == len([each for each in m3.find(JOURNALS, records) if not each.refused])

    m3.switch(list_ceilings={"GLS200MI LstVouchersByDt": 100})
    refused = [each for each in m3.find(JOURNALS, records) if each.refused]
    assert 10 == len(refused)
    assert all("cannot be seen" in each.reason for each in refused)
    assert before == vouchers(m3)
