"""Orders, shipments, invoices and returns (reference, sections 2.6.5 to 2.6.7, 2.6.9)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.sandbox.infor_tenant import M3, m3, sandbox

__all__ = ["m3", "sandbox"]


def test_a_batch_order_becomes_an_order(m3: M3) -> None:
    temporary = m3.order(CUOR="500123", NREF="500123", ORTP="W01", FACI="A01", WHLO="100", YREF="J Smith")
    m3.rows("OIS100MI", "AddBatchAddress", ORNO=temporary, ADRT="1", CUNM="J Smith", CUA1="Home", CSCD="GB")
    m3.rows("OIS100MI", "AddBatchText", ORNO=temporary, TYPE="1", TYTR="1", PARM="Leave with neighbour " * 4)
    m3.rows("OIS100MI", "AddBatchHeadChg", ORNO=temporary, CRID="FRGHT", CRAM="5.00")
    assert "" == m3.row("OIS100MI", "GetOrderNo", ORNO=temporary)["ORNR"]
    confirmed = m3.row("OIS100MI", "Confirm", ORNO=temporary)
    orno = confirmed["ORNO"]
    assert ("90", True) == (confirmed["STAT"], orno != temporary)
    assert {"ORNO": temporary, "ORNR": orno, "STAT": "90"} == m3.row(
        "OIS275MI", "GetTmpOrderStat", ORNO=temporary
    )
    head = m3.row("OIS100MI", "GetHead", ORNO=orno)
    totals = [head[name] for name in ("NTAM", "EXAM", "VTAM", "TOPY")]
    assert ["39.98", "5.00", "9.00", "53.98"] == totals
    assert ("500123", "22", "ACME01") == (head["CUOR"], head["ORST"], head["CUNO"])
    line = m3.row("OIS100MI", "LstLine", ORNO=orno)
    assert ("ITEM-1", "2", "39.98", "1") == (line["ITNO"], line["ORQT"], line["NLAM"], line["PONR"])
    assert "Home" == m3.row("OIS100MI", "GetAddress", ORNO=orno, ADRT="1")["CUA1"]
    assert 2 == len(m3.rows("OIS100MI", "LstHeadText", ORNO=orno, TYTR="1"))
    assert "5.00" == m3.row("OIS100MI", "LstOrderCharge", ORNO=orno)["PBAM"]
    balance = m3.row("MMS200MI", "GetItmWhsBal", WHLO="100", ITNO="ITEM-1")
    assert ("100", "2", "98", "100") == tuple(balance[name] for name in ("STQT", "ALQT", "AV01", "AV02"))


def test_the_same_reference_twice_is_two_orders(m3: M3) -> None:
    first, second = m3.confirmed(CUOR="1"), m3.confirmed(CUOR="1")
    assert first != second
    found = m3.rows("OIS100MI", "LstBatchHead", CUNO="ACME01")
    assert [("1", first), ("1", second)] == [(row["CUOR"], row["ORNR"]) for row in found]
    query = "OAORNO,OACUOR from OOHEAD where OACUOR = '1' and OACUNO = 'ACME01'"
    assert [f"{first};1", f"{second};1"] == [
        r["REPL"] for r in m3.rows("EXPORTMI", "Select", QERY=query, SEPC=";")
    ]
    assert 2 == len(m3.rows("CMS100MI", "Lst_OXHEAD_CUOR", OACUOR="1"))
    m3.settings(unique_customer_order=True)
    assert ("XRE0104", "CUOR") == m3.code("OIS100MI", "AddBatchHead", CUNO="ACME01", CUOR="1")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"CUNO": "NONE"}, ("WCU0203", "CUNO")),
        ({"ORTP": "ZZZ"}, ("WTT0403", "ORTP")),
        ({"FACI": "Z99"}, ("WFAC303", "FACI")),
        ({"WHLO": "999"}, ("WWH0103", "WHLO")),
        ({"ADID": "NONE"}, ("WAD1003", "ADID")),
        ({"CUCD": "XXX"}, ("XRE0103", "CUCD")),
        ({"MODL": "ZZZ"}, ("WMO0103", "MODL")),
        ({"TEDL": "ZZZ"}, ("WTE0103", "TEDL")),
    ],
)
def test_heads_that_are_refused(m3: M3, change: dict[str, str], expected: tuple[str, str]) -> None:
    assert expected == m3.code("OIS100MI", "AddBatchHead", **{"CUNO": "ACME01", **change})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ITNO": "NONE"}, ("WIT0103", "ITNO")),
        ({"ORQT": "0"}, ("CPF9898", "ORQT")),
        ({"ORQT": "-1"}, ("XNU0000", "ORQT")),
        ({"ORQT": "1.5"}, ("XNU0000", "ORQT")),
        ({"SAPR": "1.1234567"}, ("XNU0000", "SAPR")),
        ({"WHLO": "999"}, ("WWH0103", "WHLO")),
        ({"CUPO": "12345678"}, ("", "CUPO")),
    ],
)
def test_lines_that_are_refused(m3: M3, change: dict[str, str], expected: tuple[str, str]) -> None:
    line = {"ORNO": m3.order(), "ITNO": "ITEM-1", "ORQT": "1", "SAPR": "1"}
    assert expected == m3.code("OIS100MI", "AddBatchLine", **{**line, **change})
    assert 1 == len(m3.stored("batch_lines"))


def test_a_credit_order_may_be_negative(m3: M3) -> None:
    orno = m3.confirmed({"ITNO": "ITEM-1", "ORQT": "-1", "SAPR": "10"}, ORTP="C01")
    assert "-12.00" == m3.row("OIS100MI", "GetOrderValue", ORNO=orno)["TOPY"]


def test_confirm_answers_ok_although_the_order_stays(m3: M3) -> None:
    empty = m3.row("OIS100MI", "AddBatchHead", CUNO="ACME01")["ORNO"]
    assert {"ORNO": empty, "STAT": "20"} == m3.row("OIS100MI", "Confirm", ORNO=empty)
    m3.rows("CRS610MI", "ChgFinancial", CUNO="ACME01", BLCD="1")
    stopped = m3.order()
    assert "30" == m3.row("OIS100MI", "Confirm", ORNO=stopped)["STAT"]
    m3.rows("CRS610MI", "ChgFinancial", CUNO="ACME01", BLCD="0")
    assert "90" == m3.row("OIS100MI", "Confirm", ORNO=stopped)["STAT"]
    assert "WST0301" == m3.code("OIS100MI", "Confirm", ORNO=stopped)[0]
    assert "WST0301" == m3.code("OIS100MI", "AddBatchLine", ORNO=stopped, ITNO="ITEM-1", ORQT="1")[0]


def test_mistakes_may_come_out_at_the_confirmation(m3: M3) -> None:
    m3.settings(line_validation="confirm", head_validation="confirm", confirm_failed_number="blank")
    orno = m3.order({"ITNO": "NONE", "ORQT": "1", "SAPR": "1"})
    assert {"ORNO": "", "STAT": "25"} == m3.row("OIS100MI", "Confirm", ORNO=orno)
    error = m3.row("OIS100MI", "LstErrMsgOrder", ORNO=orno)
    assert ("WIT0103", "NONE") == (error["MSID"], error["MDTA"])
    assert "15" == m3.row("OIS100MI", "Confirm", ORNO=m3.order(FACI="Z99"))["STAT"]


def test_confirm_may_be_a_job_that_takes_its_time(m3: M3) -> None:
    m3.settings(confirm_seconds=30)
    orno = m3.order()
    m3.rows("OIS100MI", "Confirm", ORNO=orno)
    assert "" == m3.row("OIS275MI", "GetTmpOrderStat", ORNO=orno)["ORNR"]
    m3.sandbox.control("POST", "/clock", {"advance_seconds": 31})
    assert "90" == m3.row("OIS275MI", "GetTmpOrderStat", ORNO=orno)["STAT"]


def test_one_line_refused_leaves_the_rest(m3: M3) -> None:
    m3.fault(transaction="AddBatchLine", record={"CUPO": "2"}, code="XIT0107", field="ITNO")
    orno = m3.row("OIS100MI", "AddBatchHead", CUNO="ACME01")["ORNO"]
    lines = [
        ("AddBatchLine", {"ORNO": orno, "ITNO": "ITEM-1", "ORQT": "1", "CUPO": str(n)}) for n in (1, 2, 3)
    ]
    assert [None, "XIT0107", None] == [one.get("errorCode") for one in m3.bulk("OIS100MI", *lines)["results"]]
    assert ["1", "3"] == [row["CUPO"] for row in m3.rows("OIS100MI", "LstBatchLine", ORNO=orno)]
    m3.rows("OIS100MI", "DelBatchHead", ORNO=orno)
    assert ([], "WOR0303") == (m3.stored("batch_lines"), m3.code("OIS100MI", "GetBatchHead", ORNO=orno)[0])


@pytest.mark.parametrize(
    ("cucd", "price", "line", "total"),
    [
        ("GBP", "19.99", "59.97", "71.96"),
        ("JPY", "333.3", "1000", "1200"),
        ("KWD", "1.2345", "3.704", "4.445"),
    ],
)
def test_amounts_have_the_decimals_of_the_currency(
    m3: M3, cucd: str, price: str, line: str, total: str
) -> None:
    orno = m3.confirmed({"ITNO": "ITEM-1", "ORQT": "3", "SAPR": price}, CUCD=cucd)
    head = m3.row("OIS100MI", "GetHead", ORNO=orno)
    assert (line, total) == (head["NTAM"], head["TOPY"])


def test_discounts(m3: M3) -> None:
    orno = m3.confirmed({"ITNO": "ITEM-1", "ORQT": "2", "SAPR": "10", "DIP1": "10", "DIA2": "1"})
    value = m3.row("OIS100MI", "GetOrderValue", ORNO=orno)
    assert ("20.00", "4.00", "16.00") == (value["BRAM"], value["ODAM"], value["NTAM"])
    m3.settings(discount_amount_basis="line")
    assert "17.00" == m3.row("OIS100MI", "GetOrderValue", ORNO=orno)["NTAM"]


def pick(m3: M3, orno: str, **changes: str) -> dict[str, Any]:
    delivery = m3.rows("MWS411MI", "LstDelLnByOrd", RORC="3", RIDN=orno)[0]
    call = {
        "WHLO": "100",
        "E0PA": "BRIGHTPEARL",
        "E065": "BPSHP",
        "CUNO": "ACME01",
        "RIDN": orno,
        "RIDL": "1",
    }
    call.update(PLSX="1", DLIX=delivery["DLIX"], WHSL="A0101", PRFL="*EXE")
    return dict(m3.single("MHS850MI", "AddCOPick", **{**call, **changes})["results"][0])


def test_a_shipment_in_two_parts_with_tracking(m3: M3) -> None:
    orno = m3.confirmed()
    assert "errorCode" not in pick(m3, orno, QTYP="1", PMSN="BPG1")
    assert "WMS3804" == pick(m3, orno, QTYP="1", PMSN="BPG1")["errorCode"]
    assert "44" == m3.row("OIS100MI", "GetHead", ORNO=orno)["ORST"]
    assert "MH85008" == pick(m3, orno, QTYP="2", PMSN="BPG2")["errorCode"]
    assert "WMS3703" == m3.code("MHS850MI", "GetMvxMsg", E0PB="BRIGHTPEARL", PMSN="BPG2")[0]
    pick(m3, orno, QTYP="1", PMSN="BPG3")
    line = m3.row("MWS411MI", "LstDelLnByOrd", RORC="3", RIDN=orno)
    dlix = line["DLIX"]
    assert ("2", "0") == (line["TRQT"], line["PLQT"])
    m3.rows("MWS410MI", "UpdPlanSts", DLIX=dlix, ETRN="1Z999", DEDA="20250715")
    m3.rows("MWS423MI", "AddPackage", DLIX=dlix, PANR="PKG1", ETRN="1Z999")
    assert "XRE0104" == m3.code("MWS423MI", "AddPackage", DLIX=dlix, PANR="PKG1")[0]
    head = m3.row("MWS410MI", "GetHead", DLIX=dlix)
    assert ("90", "1Z999") == (head["PGRS"], head["ETRN"])
    assert "PKG1" == m3.row("MWS410MI", "LstPackages", DLIX=dlix)["PANR"]
    invoice = m3.row("OIS350MI", "LstAllInvByCO", ORNO=orno)
    assert ("47.98", "77") == (invoice["IVAV"], m3.row("OIS100MI", "GetHead", ORNO=orno)["ORST"])
    assert "MW_0008" == pick(m3, orno, QTYP="1", PMSN="BPG4")["errorCode"]
    lines = m3.rows("OIS350MI", "LstInvLine", YEA4=invoice["YEA4"], IVNO=invoice["IVNO"])
    assert [("39.98", "8.00", "20")] == [(row["AMT2"], row["VTAM"], row["VTP1"]) for row in lines]
    assert "98" == m3.row("MMS200MI", "GetItmWhsBal", WHLO="100", ITNO="ITEM-1")["AV01"]


def test_what_is_not_in_stock_cannot_be_picked(m3: M3) -> None:
    orno = m3.confirmed({"ITNO": "ITEM-1", "ORQT": "101", "SAPR": "1"})
    assert "MW42223" == pick(m3, orno, QTYP="101")["errorCode"]
    m3.settings(stock_checked_at_pick=False)
    assert "errorCode" not in pick(m3, orno, QTYP="101")


def test_a_whole_picking_list_and_reporting_numbers(m3: M3) -> None:
    orno = m3.confirmed({"ITNO": "ITEM-1", "ORQT": "1"}, {"ITNO": "ITEM-2", "ORQT": "1"})
    dlix = m3.rows("MWS411MI", "LstDelLnByOrd", RORC="3", RIDN=orno)[0]["DLIX"]
    details = m3.rows("MWS422MI", "LstPickDetail", DLIX=dlix)
    assert ["ITEM-1", "ITEM-2"] == [row["ITNO"] for row in details]
    message = {"WHLO": "100", "E0PA": "BRIGHTPEARL", "E065": "BPSHP", "PRMD": "*EXE"}
    m3.rows("MHS850MI", "AddPickViaRepNo", **message, PLRN=details[0]["PLRN"])
    m3.rows("MHS850MI", "AddCfmPickList", **message, DLIX=dlix, PLSX="1")
    assert [] == m3.rows("MWS422MI", "LstPickDetail", DLIX=dlix)


def test_a_return_is_not_more_than_was_delivered(m3: M3) -> None:
    orno = m3.confirmed()
    pick(m3, orno, QTYP="2")
    repn = m3.row("OIS390MI", "AddHead", WHLO="100", CUNO="ACME01", RORN=orno)["REPN"]
    assert "MH85008" == m3.code("OIS390MI", "AddLine", WHLO="100", REPN=repn, REQ0="3", RORL="1")[0]
    reli = m3.row("OIS390MI", "AddLine", WHLO="100", REPN=repn, REQ0="1", RORL="1")["RELI"]
    receipt = {"WHLO": "100", "E0PA": "BRIGHTPEARL", "E065": "BPRET", "CUNO": "ACME01", "RESP": "BPSVC"}
    m3.rows("MHS850MI", "AddCOReturn", **receipt, REPN=repn, RELI=reli, QTY="1", PRFL="*EXE", WHSL="RETURNS")
    assert "99" == m3.row("MMS200MI", "GetItmWhsBal", WHLO="100", ITNO="ITEM-1")["STQT"]


def test_an_order_line_can_be_closed_and_an_order_deleted(m3: M3) -> None:
    orno = m3.confirmed({"ITNO": "ITEM-1", "ORQT": "1"}, {"ITNO": "ITEM-2", "ORQT": "1"})
    m3.rows("OIS100MI", "CloLine", ORNO=orno, PONR="1", POSX="0")
    assert "0" == m3.row("MMS200MI", "GetItmWhsBal", WHLO="100", ITNO="ITEM-1")["ALQT"]
    m3.rows("OIS100MI", "DelHead", ORNO=orno)
    assert "WOR0303" == m3.code("OIS100MI", "GetHead", ORNO=orno)[0]
    assert "0" == m3.row("MMS200MI", "GetItmWhsBal", WHLO="100", ITNO="ITEM-2")["ALQT"]


def test_a_thousand_orders_of_three_lines_are_quick(m3: M3) -> None:
    started = time.perf_counter()
    made: list[str] = []
    for first in range(0, 1000, 50):
        heads = [("AddBatchHead", {"CUNO": "ACME01", "CUOR": str(first + n)}) for n in range(50)]
        made += [one["records"][0]["ORNO"] for one in m3.bulk("OIS100MI", *heads)["results"]]
    lines = [("AddBatchLine", {"ORNO": o, "ITNO": "ITEM-1", "ORQT": "1"}) for o in made for _ in range(3)]
    for first in range(0, 3000, 50):
        m3.bulk("OIS100MI", *lines[first : first + 50])
    for first in range(0, 1000, 50):
        m3.bulk("OIS100MI", *[("Confirm", {"ORNO": orno}) for orno in made[first : first + 50]])
    assert (1000, 3000) == (len(m3.stored("orders")), len(m3.stored("order_lines")))
    assert time.perf_counter() - started < 30
