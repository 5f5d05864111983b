"""Journals into the general ledger (reference, section 2.6.8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sandbox.infor_tenant import M3, m3, sandbox

__all__ = ["m3", "sandbox"]

TODAY = datetime.now(UTC).strftime("%Y%m%d")
KEY = "BP20250714A1B2"


def head(key: str = KEY, interface: str = "BPGL") -> tuple[str, dict[str, Any]]:
    return "AddBatchHead", {"CONO": "100", "DIVI": "AAA", "KEY1": key, "INTN": interface, "DESC": "Payments"}


def line(number: int, account: str, amount: str, **more: str) -> tuple[str, dict[str, Any]]:
    side = "C" if amount.startswith("-") else "D"
    place = {"KEY1": KEY, "LINE": str(number), "INRI": "I1", "GRNR": "1", "DIVI": "AAA", "AIT1": account}
    return "AddBatchLineFld", {**place, "CUCD": "GBP", "CUAM": amount, "DBCR": side, "ACDT": TODAY, **more}


def posted(m3: M3, *lines: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """Send, validate and post a batch; returns the stored journal."""
    key = {"CONO": "100", "KEY1": KEY, "DIVI": "AAA"}
    answer = m3.bulk("GLS840MI", head(), *lines, ("CtrlBatch", key), ("UpdBatch", key))
    assert 0 == answer["nrOfFailedTransactions"], answer
    return m3.stored("journals")[0]


def test_a_journal_is_posted_once(m3: M3) -> None:
    posted(m3, line(1, "1930", "47.98", VTXT="BP 500123 card"), line(2, "1590", "-47.98"))
    rows = m3.rows("GLS200MI", "LstVouchersByDt", FRDT=TODAY, TODT=TODAY, DIVI="AAA")
    assert [("1930", "47.98", "D"), ("1590", "-47.98", "C")] == [
        (r["AIT1"], r["ACAM"], r["DBCR"]) for r in rows
    ]
    assert ("BP 500123 card", TODAY[:6]) == (rows[0]["VTXT"], rows[0]["ACYP"])
    assert "XRE0104" == m3.code("GLS840MI", *[head()[0]], **head()[1])[0]
    assert "WST0301" == m3.code("GLS840MI", "UpdBatch", CONO="100", KEY1=KEY)[0]
    assert "WST0301" == m3.code("GLS840MI", "AddBatchLineFld", **line(3, "1930", "1")[1])[0]
    total = m3.row("GLS200MI", "GetVoucherHead", DIVI="AAA", YEA4=TODAY[:4], VONO=rows[0]["VONO"])
    assert ("47.98", "-47.98") == (total["DSUM"], total["CSUM"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"AIT1": "1111"}, "AIT1"),
        ({"AIT1": "9999"}, "AIT1"),
        ({"AIT2": "NONE"}, "AIT2"),
        ({"ACDT": "19990101"}, "ACDT"),
        ({"DBCR": "C"}, "DBCR"),
        ({"VTCD": "77"}, "VTCD"),
        ({"CUAM": "47.97"}, "CUAM"),
    ],
)
def test_what_is_wrong_is_found_by_the_job_and_nothing_is_posted(
    m3: M3, change: dict[str, str], field: str
) -> None:
    journal = posted(m3, line(1, "1930", "47.98", **change), line(2, "1590", "-47.98"))
    assert ("15", field) == (journal["STAT"], journal["ERRORS"][0]["FLDN"])
    assert [] == m3.stored("vouchers")


def test_ctrl_batch_may_report_the_errors(m3: M3) -> None:
    m3.settings(ledger_validation="nok")
    m3.bulk("GLS840MI", head(), line(1, "1111", "1"))
    assert ("XRE0103", "AIT1") == m3.code("GLS840MI", "CtrlBatch", CONO="100", KEY1=KEY)
    m3.settings(ledger_validation="line")
    assert ("XRE0103", "AIT1") == m3.code("GLS840MI", "AddBatchLineFld", **line(2, "1111", "1")[1])


def test_one_period_is_closed_and_any_can_be(m3: M3) -> None:
    closed = [row["PERI"] for row in m3.stored("periods") if row["STAT"] and row["DIVI"] == "AAA"]
    assert 1 == len(closed)
    early = {"ACDT": f"{closed[0]}15"}
    assert "ACDT" == posted(m3, line(1, "1930", "1", **early), line(2, "1590", "-1"))["ERRORS"][0]["FLDN"]
    m3.sandbox.reset()
    m3.login()
    m3.settings(closed_periods=[TODAY[:6]])
    assert "15" == posted(m3, line(1, "1930", "1"), line(2, "1590", "-1"))["STAT"]


def test_each_group_is_a_voucher_that_sums_to_zero(m3: M3) -> None:
    second = {"GRNR": "2", "CUCD": "JPY"}
    lines = [line(1, "1930", "10"), line(2, "1590", "-10")]
    lines += [line(3, "1930", "1000", **second), line(4, "1590", "-999", **second)]
    errors = posted(m3, *lines)["ERRORS"]
    assert {3} == {one["LINE"] for one in errors}


def test_local_amounts_are_computed_and_balance(m3: M3) -> None:
    euro = {"CUCD": "EUR"}
    lines = [
        line(1, "1930", "10.01", **euro),
        line(2, "1590", "-3.34", **euro),
        line(3, "1590", "-6.67", **euro),
    ]
    posted(m3, *lines)
    assert ["8.43", "-2.81", "-5.62"] == [row["ACAM"] for row in m3.stored("vouchers")]


def test_amounts_have_the_decimals_of_their_currency(m3: M3) -> None:
    m3.bulk("GLS840MI", head())
    for cucd, amount in (("JPY", "1.5"), ("GBP", "1.005"), ("KWD", "1.0005")):
        assert ("XNU0000", "CUAM") == m3.code(
            "GLS840MI", "AddBatchLineFld", **line(1, "1930", amount, CUCD=cucd)[1]
        )
    assert [{}] == m3.rows("GLS840MI", "AddBatchLineFld", **line(1, "1930", "1.005", CUCD="KWD")[1])
    assert ("XRE0104", "LINE") == m3.code("GLS840MI", "AddBatchLineFld", **line(1, "1930", "1")[1])


def test_positive_amounts_with_a_side(m3: M3) -> None:
    m3.settings(ledger_sign="dbcr")
    posted(m3, line(1, "1930", "5"), line(2, "1590", "5", DBCR="C"))
    assert ["5.00", "-5.00"] == [row["ACAM"] for row in m3.stored("vouchers")]


def test_lines_by_position(m3: M3) -> None:
    m3.bulk("GLS840MI", head(interface="BPGLPOS"))
    for number, (account, amount, side) in enumerate((("1930", "5.00", "D"), ("1590", "-5.00", "C")), 1):
        text = f"I1{'1':<10}{TODAY}{account:<10}{'':<10}GBP{amount:>17}{side}{'card':<40}"
        m3.rows("GLS840MI", "AddBatchLine", CONO="100", KEY1=KEY, LINE=str(number), PARM=text)
    assert "CPF9898" == m3.code("GLS840MI", "AddBatchLineFld", **line(3, "1930", "1")[1])[0]
    for name in ("CtrlBatch", "UpdBatch"):
        m3.rows("GLS840MI", name, CONO="100", KEY1=KEY)
    assert ["5.00", "-5.00"] == [row["ACAM"] for row in m3.stored("vouchers")]


def test_posting_may_take_its_time(m3: M3) -> None:
    m3.settings(ledger_job_seconds=60)
    posted(m3, line(1, "1930", "5"), line(2, "1590", "-5"))
    period = {"FRDT": TODAY, "TODT": TODAY}
    assert [] == m3.rows("GLS200MI", "LstVouchersByDt", **period)
    m3.sandbox.control("POST", "/clock", {"advance_seconds": 61})
    assert 2 == len(m3.rows("GLS200MI", "LstVouchersByDt", **period))


def test_the_chart_of_accounts(m3: M3) -> None:
    names = [row["AITM"] for row in m3.rows("CRS630MI", "LstAccountID", AITP="1", DIVI="AAA")]
    assert {"1930", "1590", "9999"} <= set(names)
    assert "1" == m3.row("CRS630MI", "GetAccountID", AITP="1", AITM="9999")["LCCD"]
