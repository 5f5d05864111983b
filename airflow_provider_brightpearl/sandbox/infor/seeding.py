"""Seeds the tenant with its setup and a few records, as it is before any sync."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from .seed_data import (
    ACCOUNTS,
    CHARGES,
    CODES,
    CURRENCIES,
    DIMENSIONS,
    DIVISIONS,
    INTERFACES,
    ORDER_TYPES,
    PARTNERS,
    VAT_CODES,
    WAREHOUSES,
)
from .tenant import Tenant

COMPANIES = {"100": "Acme Trading", "409": "Acme Test"}


def seed(tenant: Tenant, until: date, days: int) -> None:
    """Rebuild the setup of every company, with a few customers, items and their stock."""
    tenant.clear()
    for cono, name in COMPANIES.items():
        tenant["companies"].add({"CONO": cono, "TX40": name})
        _places(tenant, cono)
        _codes(tenant, cono)
        _ledger(tenant, cono, until, days)
        _customers(tenant, cono)
        _items(tenant, cono)


def _places(tenant: Tenant, cono: str) -> None:
    for divi, name, locd in DIVISIONS:
        tenant["divisions"].add({"CONO": cono, "DIVI": divi, "TX40": name, "LOCD": locd})
    for whlo, name, faci, divi, locations in WAREHOUSES:
        if tenant["facilities"].get(cono, faci) is None:
            tenant["facilities"].add({"CONO": cono, "FACI": faci, "FACN": f"Facility {faci}", "DIVI": divi})
        place = {"CONO": cono, "WHLO": whlo, "WHNM": name, "FACI": faci, "DIVI": divi, "CSCD": "GB"}
        tenant["warehouses"].add({**place, "WHTY": "10", "TIZO": "GMT"})
        for whsl in locations:
            tenant["locations"].add({"CONO": cono, "WHLO": whlo, "WHSL": whsl})


def _codes(tenant: Tenant, cono: str) -> None:
    for cucd, (name, places, _) in CURRENCIES.items():
        tenant["currencies"].add({"CONO": cono, "CUCD": cucd, "TX40": name, "DCCD": places})
    for kind, words in CODES.items():
        for word in words.split() if kind not in ("PRVG", "RESP") else ["", *words.split()]:
            tenant["codes"].add({"CONO": cono, "STCO": kind, "STKY": word, "TX40": word, "LNCD": "GB"})
    for code, name, rate in VAT_CODES:
        row = {
            "CONO": cono,
            "VTCD": code,
            "TX40": name,
            "VTP1": Decimal(rate),
            "CSCD": "GB",
            "FRDT": "20200101",
        }
        tenant["vat_codes"].add(row)
    for ortp, name, credit in ORDER_TYPES:
        tenant["order_types"].add({"CONO": cono, "ORTP": ortp, "TX40": name, "CREDIT": credit})
    for crid, name, vtcd in CHARGES:
        tenant["charge_types"].add({"CONO": cono, "CRID": crid, "TX40": name, "VTCD": vtcd})
    for partner, kind in PARTNERS:
        tenant["partners"].add({"CONO": cono, "E0PA": partner, "E065": kind})
    tenant["numbers"].add({"CONO": cono, "NBTY": "01", "NBID": "1"})


def _ledger(tenant: Tenant, cono: str, until: date, days: int) -> None:
    first = (until - timedelta(days=days)).replace(day=1)
    closed = (first - timedelta(days=1)).strftime("%Y%m")
    for divi, _, locd in DIVISIONS:
        _rates(tenant, cono, divi, locd)
        for period in _months(first, until):
            row = {"CONO": cono, "DIVI": divi, "PERI": period, "STAT": int(period == closed)}
            tenant["periods"].add(row)
        for account, name, locked in ACCOUNTS:
            own = {"AITP": 1, "AITM": account, "TX40": name, "TX15": name[:15], "LCCD": locked}
            tenant["accounts"].add({"CONO": cono, "DIVI": divi, **own})
        for kind, value, name in DIMENSIONS:
            own = {"AITP": kind, "AITM": value, "TX40": name, "TX15": name[:15], "LCCD": 0}
            tenant["accounts"].add({"CONO": cono, "DIVI": divi, **own})
    for name, setup in INTERFACES.items():
        tenant["interfaces"].add({"CONO": cono, "INTN": name, **setup})


def _rates(tenant: Tenant, cono: str, divi: str, locd: str) -> None:
    """One rate per currency, valid from 2000 on, in units of the local currency."""
    base = Decimal(CURRENCIES[locd][2])
    for cucd, (_, _, pounds) in CURRENCIES.items():
        if cucd != locd:
            rate = (Decimal(pounds) / base).quantize(Decimal("0.000001")).normalize()
            key: dict[str, Any] = {"CONO": cono, "DIVI": divi, "CUCD": cucd, "CRTP": 1, "CUTD": "20000101"}
            tenant["rates"].add({**key, "ARAT": rate, "LOCD": locd, "DMCU": 1, "RAFA": 1})


def _months(first: date, until: date) -> list[str]:
    """The accounting periods: from a closed one before the history to one year after its end."""
    day = (first - timedelta(days=1)).replace(day=1)
    months = []
    while day <= until + timedelta(days=366):
        months.append(day.strftime("%Y%m"))
        day = (day + timedelta(days=32)).replace(day=1)
    return months


def _customers(tenant: Tenant, cono: str) -> None:
    common = {"CONO": cono, "CUTP": 0, "CSCD": "GB", "LNCD": "GB", "CUCD": "GBP", "ORTP": "W01", "TXAP": 1}
    template = {**common, "CUNO": "WEB", "CUNM": "Web customers", "TEPY": "P30", "MODL": "STD", "TEDL": "DDP"}
    tenant["templates"].add({**template, "BLCD": 0, "MCOS": 0})
    tenant["templates"].add({**template, "CUNO": "EXPORT", "CUNM": "Export customers", "TXAP": 0})
    for number, name in (("ACME01", "Corner Shop Ltd"), ("ACME02", "Harbour Stores")):
        address = {"CUA1": "1 Dock Road", "TOWN": "Hull", "PONO": "HU1 1AA", "STAT": "20"}
        tenant["customers"].add({**template, **address, "CUNO": number, "CUNM": name})
        place = {"CONO": cono, "CUNO": number, "ADRT": 1, "ADID": "DEL01", "CUNM": name, "CSCD": "GB"}
        tenant["addresses"].add({**place, **{n: v for n, v in address.items() if n != "STAT"}})


def _items(tenant: Tenant, cono: str) -> None:
    """A template item and two items, in every warehouse; the two have stock in the first one."""
    texts = (("TEMPLATE", "Template item", "0"), ("ITEM-1", "Lamp", "19.99"), ("ITEM-2", "Table", "149.00"))
    for itno, name, price in texts:
        basic = {"CONO": cono, "ITNO": itno, "STAT": "20", "ITDS": name, "FUDS": name, "UNMS": "PCS"}
        more = {"RESP": "", "ITTY": "100", "MABU": 1, "PRVG": "", "DCCD": 0, "STCD": 1, "VTCS": 1, "SALE": 1}
        tenant["items"].add({**basic, **more, "ITGR": "GENERAL", "SAPR": Decimal(price), "CUCS": "GBP"})
        for whlo, _, faci, divi, locations in WAREHOUSES:
            _stock(
                tenant, {"CONO": cono, "ITNO": itno, "FACI": faci, "DIVI": divi, "WHLO": whlo}, locations[0]
            )


def _stock(tenant: Tenant, place: dict[str, Any], whsl: str) -> None:
    cono, itno = place["CONO"], place["ITNO"]
    if tenant["item_facility"].get(cono, itno, place["FACI"]) is None:
        tenant["item_facility"].add({"CONO": cono, "ITNO": itno, "FACI": place["FACI"]})
    first = itno != "TEMPLATE" and place["WHLO"] == WAREHOUSES[0][0]
    stock = Decimal(100) if first else Decimal(0)
    figures = {"STQT": stock, "ALQT": Decimal(0), "REQT": Decimal(0), "STAT": "20", "WHSL": whsl}
    tenant["item_warehouse"].add({**place, **figures})
    if stock:
        lot = {"BANO": "", "CAMU": "", "REPN": 0, "STAS": "2"}
        place = {name: place[name] for name in ("CONO", "WHLO", "ITNO")}
        tenant["balances"].add({**place, **lot, "WHSL": whsl, "STQT": stock})
