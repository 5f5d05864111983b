"""Lists that end without a sign, invoices in the receivable ledger, and another decimal sign."""

from __future__ import annotations

import pytest

from tests.sandbox.infor_tenant import M3, m3, sandbox
from tests.sandbox.test_infor_orders import pick

__all__ = ["m3", "sandbox"]


def test_a_list_ends_at_its_ceiling_without_a_sign(m3: M3) -> None:
    everything = len(m3.rows("MMS200MI", "LstItmByItm", ITNO="ITEM-1"))
    assert everything > 2
    m3.settings(list_ceiling=2, list_ceilings={"CRS610MI LstByNumber": 1})
    assert len(m3.rows("MMS200MI", "LstItmByItm", ITNO="ITEM-1")) == 2
    assert len(m3.rows("CRS610MI", "LstByNumber")) == 1
    assert m3.row("CRS610MI", "GetBasicData", CUNO="ACME01")["CUNO"] == "ACME01"


@pytest.mark.parametrize(("sign", "other"), [(".", ","), (",", ".")])
def test_the_decimal_sign_of_the_user(m3: M3, sign: str, other: str) -> None:
    m3.settings(decimal_sign=sign)
    order = m3.order({"ITNO": "ITEM-1", "ORQT": "2", "SAPR": f"19{sign}99"})
    line = m3.row("OIS100MI", "GetBatchLine", ORNO=order, PONR=1)
    assert line["SAPR"].rstrip("0") == f"19{sign}99"
    code = m3.code("OIS100MI", "AddBatchLine", ORNO=order, ITNO="ITEM-1", ORQT="1", SAPR=f"19{other}99")
    assert code == ("XNU0000", "SAPR")
    assert m3.row("GENERAL", "GetUserInfo")["DSEP"] == sign
    assert m3.row("MNS150MI", "GetUserData")["DCFM"] == sign


def test_invoices_by_division_journal_and_search(m3: M3) -> None:
    orno = m3.confirmed()
    pick(m3, orno, QTYP="2")
    ivno = m3.row("OIS350MI", "LstAllInvByCO", ORNO=orno)["IVNO"]
    row = m3.row("ARS200MI", "LstInvByDivi", FDIV="AAA", TDIV="AAA")
    assert (row["CINO"], row["CUNO"], row["CUAM"], row["RECO"]) == (ivno, "ACME01", "47.98", "0")
    assert [] == m3.rows("ARS200MI", "LstInvByDivi", FDIV="AAA", TDIV="AAA", IVDT="20991231")
    key = {name: row[name] for name in ("YEA4", "JRNO", "JSNO")}
    assert m3.row("ARS200MI", "GetInvoice", **key)["CINO"] == ivno
    assert m3.code("ARS200MI", "GetInvoice", **{**key, "JRNO": "1"}) == ("XRE0103", "JRNO")
    assert [ivno] == [found["CINO"] for found in m3.rows("ARS200MI", "SearchInvoices", SQRY="CUNO:ACME01")]
