"""Customers, items, stock, currencies and custom fields (reference, sections 2.6.1 to 2.6.4, 2.6.9)."""

from __future__ import annotations

import pytest

from tests.sandbox.infor_tenant import M3, m3, sandbox

__all__ = ["m3", "sandbox"]

CUSTOMER = {"CUTM": "WEB", "CUNO": "BP1001", "CUNM": "Example Retail Ltd", "CUA1": "1 High Street"}
ADDRESS = {
    "CUNO": "ACME01",
    "ADRT": "1",
    "ADID": "DEL09",
    "CUA1": "Quay",
    "PONO": "1",
    "CSCD": "GB",
    "TOWN": "Hull",
}


def test_a_customer_takes_over_its_template(m3: M3) -> None:
    assert {"CUNO": "BP1001", "ERRM": ""} == m3.row("CRS610MI", "Add", **CUSTOMER, CSCD="GB")
    order = m3.row("CRS610MI", "GetOrderInfo", CUNO="BP1001")
    assert ("W01", "P30") == (order["ORTP"], order["TEPY"])
    assert "XRE0104" == m3.code("CRS610MI", "Add", **CUSTOMER)[0]
    m3.settings(duplicate_codes={"CRS610MI": "WCU0204"})
    assert ("WCU0204", "CUNO") == m3.code("CRS610MI", "Add", **CUSTOMER)


def test_a_customer_without_a_number_gets_one_each_time(m3: M3) -> None:
    unnamed = {name: value for name, value in CUSTOMER.items() if name != "CUNO"}
    assert m3.row("CRS610MI", "Add", **unnamed) != m3.row("CRS610MI", "Add", **unnamed)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"CSCD": "XX"}, "XRE0103"), ({"STAT": "55"}, "WST0301"), ({"CUTM": "NONE"}, "XRE0103")],
)
def test_customers_that_are_refused(m3: M3, change: dict[str, str], code: str) -> None:
    assert code == m3.code("CRS610MI", "Add", **{**CUSTOMER, **change})[0]


def test_changes_keep_what_is_not_said_and_check_the_change_number(m3: M3) -> None:
    before = m3.row("CRS610MI", "GetBasicData", CUNO="ACME01")
    m3.rows("CRS610MI", "ChgBasicData", CUNO="ACME01", MAIL="ap@example.test", CUA1="", CHNO=before["CHNO"])
    after = m3.row("CRS610MI", "GetBasicData", CUNO="ACME01")
    assert ("ap@example.test", "1 Dock Road") == (after["MAIL"], after["CUA1"])
    assert ("XUP0001", "CHNO") == m3.code("CRS610MI", "ChgBasicData", CUNO="ACME01", CHNO=before["CHNO"])
    m3.rows("CRS610MI", "ChgBasicData", CUNO="ACME01", MAIL="?")
    assert "" == m3.row("CRS610MI", "GetBasicData", CUNO="ACME01")["MAIL"]


def test_the_delta_listing_sees_what_changed(m3: M3) -> None:
    m3.sandbox.control("POST", "/clock", {"advance_seconds": 5})
    stamp = m3.row("GENERAL", "GetServerTime")["LMTS"]
    m3.sandbox.control("POST", "/clock", {"advance_seconds": 5})
    m3.rows("CRS610MI", "ChgFinancial", CUNO="ACME02", CUCD="EUR")
    assert [("ACME02", "EUR")] == [
        (r["CUNO"], r["CUCD"]) for r in m3.rows("CRS610MI", "LstByNumber", LMTS=stamp)
    ]


def test_addresses(m3: M3) -> None:
    assert {"CONO": "100", "CUNO": "ACME01", "ADRT": "1", "ADID": "DEL09"} == m3.row(
        "CRS610MI", "AddAddress", **ADDRESS
    )
    assert "XRE0104" == m3.code("CRS610MI", "AddAddress", **ADDRESS)[0]
    m3.rows("CRS610MI", "ChgAddress", CUNO="ACME01", ADRT="1", ADID="DEL09", TOWN="York")
    assert "York" == m3.row("CRS610MI", "GetAddress", CUNO="ACME01", ADRT="1", ADID="DEL09")["TOWN"]
    assert ["DEL01", "DEL09"] == [row["ADID"] for row in m3.rows("CRS610MI", "LstAddresses", CUNO="ACME01")]
    assert "WAD1003" == m3.code("CRS610MI", "GetAddress", CUNO="ACME01", ADRT="1", ADID="NONE")[0]
    assert "CPF9898" == m3.code("CRS610MI", "AddAddress", **{**ADDRESS, "ADRT": "77"})[0]


def copied(m3: M3, itno: str, whlo: str = "100") -> None:
    basic = {"STAT": "20", "ITNO": itno, "CITN": "TEMPLATE", "ITDS": "Blue shirt M" * 4, "UNMS": "PCS"}
    m3.rows("MMS200MI", "CpyItmBasic", **basic)
    m3.rows("MMS200MI", "CpyItmWhs", WHLO=whlo, ITNO=itno, CWHL=whlo, CITN="TEMPLATE")


def test_an_item_with_its_places(m3: M3) -> None:
    copied(m3, "SKU-001")
    assert "Blue shirt M" * 4 == m3.row("MMS200MI", "Get", ITNO="SKU-001")["ITDS"]
    assert ("Blue shirt M" * 4)[:30] == m3.row("MMS200MI", "GetItmBasic", ITNO="SKU-001")["ITDS"]
    assert "A01" == m3.row("MMS200MI", "GetItmFac", ITNO="SKU-001", FACI="A01")["FACI"]
    assert "100" == m3.row("MMS200MI", "GetItmWhsBasic", ITNO="SKU-001", WHLO="100")["WHLO"]
    assert "XRE0104" == m3.code("MMS200MI", "CpyItmBasic", STAT="20", ITNO="SKU-001")[0]
    assert "WIT0103" == m3.code("MMS200MI", "UpdItmBasic", ITNO="NONE", ITDS="x")[0]
    assert ("WWH0103", "WHLO") == m3.code(
        "MMS200MI", "CpyItmWhs", WHLO="999", ITNO="SKU-001", CWHL="100", CITN="TEMPLATE"
    )


def test_a_warehouse_record_needs_the_facility_record(m3: M3) -> None:
    basic = {"STAT": "20", "ITNO": "SKU-002", "ITDS": "Lamp", "RESP": "BPSVC", "UNMS": "PCS", "ITTY": "100"}
    m3.rows("MMS200MI", "AddItmBasic", **basic, MABU="1", PRVG="A")
    full = {"ALMT": "1", "STMT": "1", "SPMT": "1", "RESP": "BPSVC", "PLCD": "20", "ABCD": "A", "ABFC": "A"}
    full.update(ACOC="A", PUIT="2", ORTY="P01", FACI="A01", STRL="0", STAT="20", CPCD="CAL")
    place = {"WHLO": "100", "ITNO": "SKU-002", **full}
    assert ("XRE0103", "FACI") == m3.code("MMS200MI", "AddItmWhs", **place)
    m3.rows("MMS200MI", "AddItmFac", FACI="A01", ITNO="SKU-002")
    m3.rows("MMS200MI", "AddItmWhs", **place)
    assert "0" == m3.row("MMS200MI", "GetItmWhsBal", WHLO="100", ITNO="SKU-002")["STQT"]


def test_prices_aliases_and_the_delta_of_items(m3: M3) -> None:
    stamp = m3.row("GENERAL", "GetServerTime")["LMTS"]
    m3.sandbox.control("POST", "/clock", {"advance_seconds": 5})
    copied(m3, "sku-3")
    m3.rows("MMS200MI", "UpdItmPrice", ITNO="SKU-3", SAPR="19.9", CUCS="GBP")
    found = m3.rows("MMS200MI", "SelItem", LMTS=str(int(stamp) + 1))
    assert [("SKU-3", "19.90", "GBP")] == [(row["ITNO"], row["SAPR"], row["CUCS"]) for row in found]
    assert "WPO0403" == m3.code("MMS025MI", "GetItem", ALWT="1", ALWQ="EA13", POPN="5012345678900")[0]
    m3.rows("MMS025MI", "AddAlias", ALWT="1", ALWQ="EA13", POPN="5012345678900", ITNO="SKU-3")
    assert "SKU-3" == m3.row("MMS025MI", "GetItem", ALWT="1", ALWQ="EA13", POPN="5012345678900")["ITNO"]
    assert (
        "XRE0104"
        == m3.code("MMS025MI", "AddAlias", ALWT="1", ALWQ="EA13", POPN="5012345678900", ITNO="SKU-3")[0]
    )


def test_a_count_is_absolute(m3: M3) -> None:
    place = {"WHLO": "100", "ITNO": "ITEM-1", "WHSL": "A0101"}
    for _ in range(2):
        assert [{}] == m3.rows("MMS310MI", "Update", **place, STQI="25", STDI="20250714", RSCD="BP1")
    m3.rows("MMS310MI", "Update", **{**place, "WHSL": "A0102"}, STQI="5")
    assert "30" == m3.row("MMS200MI", "GetItmWhsBal", WHLO="100", ITNO="ITEM-1")["STQT"]
    assert ["25", "5"] == [row["STQT"] for row in m3.rows("MMS060MI", "List", WHLO="100", ITNO="ITEM-1")]
    delta = m3.rows("OIS100MI", "LstWarehBalance", ITNO="ITEM-1", returncols="WHLO,AV01,AV02")[0]
    assert {"WHLO": "100", "AV01": "30.00", "AV02": "30.00"} == delta


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"WHSL": "NONE"}, ("WWS0103", "WHSL")),
        ({"WHLO": "999"}, ("WWH0103", "WHLO")),
        ({"ITNO": "NONE"}, ("WIT0103", "ITNO")),
        ({"STQI": "-1"}, ("XNU0000", "STQI")),
        ({"STQI": "1.5"}, ("XNU0000", "STQI")),
        ({"RSCD": "ZZZ"}, ("XRE0103", "RSCD")),
    ],
)
def test_counts_that_are_refused(m3: M3, change: dict[str, str], expected: tuple[str, str]) -> None:
    place = {"WHLO": "100", "ITNO": "ITEM-1", "WHSL": "A0101", "STQI": "1"}
    assert expected == m3.code("MMS310MI", "Update", **{**place, **change})


def test_messages_adjust_stock_once(m3: M3) -> None:
    message = {"E0PA": "BRIGHTPEARL", "E065": "BPINV", "WHLO": "100", "WHSL": "A0101", "ITNO": "ITEM-1"}
    first = m3.row("MMS850MI", "AddAdjust", **message, QLQT="-2", PMSN="BP7F", PRFL="*EXE")
    assert ("WMS3804", "PMSN") == m3.code("MMS850MI", "AddAdjust", **message, QLQT="-2", PMSN="BP7F")
    found = m3.row("MMS850MI", "GetMvxMsg", E0PB="BRIGHTPEARL", PMSN="BP7F")
    assert (first["MSNR"], "98") == (
        found["MSGN"],
        m3.row("MMS200MI", "GetItmWhsBal", WHLO="100", ITNO="ITEM-1")["STQT"],
    )
    staged = m3.row("MMS850MI", "AddQty", **message, QLQT="7")
    m3.rows("MMS850MI", "PrcStkTran", MSNR=staged["MSNR"])
    assert "7" == m3.row("MMS200MI", "GetItmWhsBal", WHLO="100", ITNO="ITEM-1")["STQT"]
    assert "WST0301" == m3.code("MMS850MI", "PrcStkTran", MSNR=staged["MSNR"])[0]
    assert "WE00A03" == m3.code("MMS850MI", "AddQty", **{**message, "E0PA": "NOBODY"}, QLQT="7")[0]
    assert "ED01016" == m3.code("MMS850MI", "AddQty", **{**message, "E065": "NOPE"}, QLQT="7")[0]


def test_rates_and_decimals(m3: M3) -> None:
    rates = {row["CUCD"]: row for row in m3.rows("CRS055MI", "SelExchangeRate", CRTP="1", CUTD="20250714")}
    assert ("0.8421", "GBP", "1") == tuple(rates["EUR"][name] for name in ("ARAT", "LOCD", "DMCU"))
    m3.rows("CRS055MI", "AddRate", CUCD="EUR", CRTP="1", CUTD="20250715", ARAT="0.85")
    later = m3.rows("CRS055MI", "SelExchangeRate", CRTP="1", CUTD="20250716", FCUR="EUR")
    assert ["0.85"] == [row["ARAT"] for row in later]
    places = {row["CUC1"]: row["DCCD"] for row in m3.rows("CRS175MI", "LstCurrRates", CRTP="1")}
    assert ("0", "2", "3") == (places["JPY"], places["EUR"], places["KWD"])


def test_custom_fields(m3: M3) -> None:
    key = {"FILE": "OCUSMA", "PK01": "ACME01"}
    assert "XRE0103" == m3.code("CUSEXTMI", "GetFieldValue", **key)[0]
    m3.rows("CUSEXTMI", "AddFieldValue", **key, A030="bp:contact:77")
    assert "XRE0104" == m3.code("CUSEXTMI", "AddFieldValue", **key)[0]
    m3.rows("CUSEXTMI", "ChgFieldValue", **key, A130="x")
    row = m3.row("CUSEXTMI", "GetFieldValue", **key)
    assert ("bp:contact:77", "x") == (row["A030"], row["A130"])


def test_edited_records(m3: M3) -> None:
    m3.sandbox.control("PATCH", "/infor/customers/ACME01", {"BLCD": 1})
    assert "1" == m3.row("CRS610MI", "GetFinancial", CUNO="ACME01")["BLCD"]
    m3.sandbox.control(
        "POST", "/infor/warehouses", {"WHLO": "130", "WHNM": "New", "FACI": "A01", "DIVI": "AAA"}
    )
    assert "130" in [row["WHLO"] for row in m3.rows("MMS005MI", "LstWarehouses")]
    m3.sandbox.control("DELETE", "/infor/customers/100|ACME01")
    assert "WCU0203" == m3.code("CRS610MI", "GetBasicData", CUNO="ACME01")[0]
