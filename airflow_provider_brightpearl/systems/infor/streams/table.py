"""M3's streams by name, with the fields of their transactions that flows can use.

Fields are those of the MI programs. All values of M3 are text; amounts and quantities are DECIMAL here, dates are DATE
in the time zone of the company.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_brightpearl.core.schema import Schema
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.systems.infor.listing import (
    Either,
    Export,
    KeyList,
    NumberSeries,
    WarehouseList,
)
from airflow_provider_brightpearl.systems.infor.streams.stream import InforStream, Part

MONEY = "DECIMAL(18,4)"
PRICE = "DECIMAL(18,6)"


def _texts(names: str) -> Schema:
    return dict.fromkeys(names.split(), "VARCHAR")


def _figures(names: str, kind: str = MONEY) -> Schema:
    return dict.fromkeys(names.split(), kind)


_DATES: Schema = {"LMDT": "DATE", "RGDT": "DATE"}

CUSTOMER = InforStream(
    key=("CUNO",),
    own=Part(
        "CRS610MI",
        "GetBasicData",
        {
            **_texts("CUNM CUA1 CUA2 CUA3 CUA4 PONO TOWN ECAR CSCD PHNO PHN2 TFNO MAIL ALCU YREF YRE2"),
            **_texts("STAT CUTP CUCD LNCD DIVI CFC1 CFC3 CFC4 CFC5 CFC6 CFC8 CFC9 CFC0 EALO CHNO"),
            **_DATES,
        },
    ),
    find=Either(
        (
            KeyList("CRS610MI", "LstByNumber", "CUNO", "CUNO"),
            Export("OCUSAD", "OP", ("CUNO", "ADRT", "ADID"), frozenset({"CUNO", "ADID"}), owner=1),
        )
    ),
    parts={
        "finance": Part(
            "CRS610MI",
            "GetFinancial",
            {
                **_texts("CUCD VRNO VTCD TXAP TECD PYCD BLCD CRTP AGPY INRC"),
                **_figures("CRLM CRL2 CRL3"),
            },
        ),
        "orders": Part(
            "CRS610MI",
            "GetOrderInfo",
            _texts("ORTP CUCL FACI WHLO PLTB DISY TEPY TEDL MODL PYNO SMCD SDST ADID"),
        ),
        "addresses": Part(
            "CRS610MI",
            "LstAddresses",
            _texts("ADRT ADID CUNM CUA1 CUA2 CUA3 CUA4 PONO TOWN ECAR CSCD PHNO YREF MODL TEDL EALO"),
            many=True,
        ),
    },
    created=Export("OCUSMA", "OK", ("CUNO",), frozenset({"CUNO"}), day="RGDT"),
)

ITEM = InforStream(
    key=("ITNO",),
    own=Part(
        "MMS200MI",
        "GetItmBasic",
        {
            **_texts("ITDS FUDS STAT UNMS ITTY ITGR ITCL RESP PRGP HIE1 HIE2 HIE3 HIE4 HIE5 BUAR ATMO"),
            **_texts("CFI1 CFI3 CFI4 CFI5 VTCS VTCP SALE STCD DCCD"),
            **_figures("NEWE GRWE VOL3 CFI2", PRICE),
            "LMDT": "DATE",
        },
    ),
    find=KeyList("MMS200MI", "SelItem", "ITNO", "FRIT"),
    parts={
        "prices": Part(
            "MMS200MI", "GetItmPrice", {**_figures("SAPR PUPR", PRICE), **_texts("CUCS CUCD SPUN PPUN SUNO")}
        ),
        "aliases": Part("MMS025MI", "LstAlias", _texts("ALWT ALWQ POPN E0PA"), many=True),
    },
    created=Export("MITMAS", "MM", ("ITNO",), frozenset({"ITNO"}), day="RGDT"),
)

STOCK = InforStream(
    key=("WHLO", "ITNO"),
    own=Part(
        "MMS200MI",
        "GetItmWhsBal",
        {
            **_figures("STQT QUQT RJQT ALQT REQT ORQT PLQT AVAL AV01 AV02"),
            **_texts("FACI"),
            "IDDT": "DATE",
            "ODDT": "DATE",
            "INDT": "DATE",
        },
    ),
    find=WarehouseList(),
    # what a piece costs
    parts={
        "prices": Part(
            "MMS200MI",
            "GetItmPrice",
            {**_figures("PUPR SAPR", PRICE), **_texts("CUCD CUCS")},
            {"ITNO": "ITNO"},
        )
    },
)

INVOICE = InforStream(
    key=("YEA4", "IVNO"),
    numbers=frozenset({"YEA4", "IVNO"}),
    own=Part(
        "OIS350MI",
        "GetInvHead",
        {
            **_texts("CUNO PYNO INRC CUNM FACI VONO CUCD INST IVTP EXIN TECD PYCD LNCD BKID PAIN"),
            **_figures("AMT1 AMT2 RAFC"),
            "IDAT": "DATE",
            "DUDT": "DATE",
            "ACDT": "DATE",
            **_DATES,
        },
    ),
    find=Export("OINVOH", "UH", ("YEA4", "IVNO"), by_division=True),
    series=NumberSeries("OINVOH", "UH", "YEA4", "IVNO"),
    parts={
        "lines": Part(
            "OIS350MI",
            "LstInvLine",
            {
                **_texts("IVTP ORNO DLIX WHLO IVRF PYNO VTCD BSCD FTCO"),
                **_figures("AMT1 AMT2 AMT3 VTAM"),
                **_figures("VTP1 VTP2", PRICE),
            },
            many=True,
        ),
        # an invoice is in the ledger once it is posted
        "ledger": Part(
            "ARS200MI",
            "GetInvTotInfo",
            {**_texts("RECO VSER VONO"), **_figures("CUAM PCUA OCUA VTAM"), "IVDT": "DATE", "DUDT": "DATE"},
            {"PYNO": "PYNO", "CINO": "IVNO", "INYR": "YEA4", "CUNO": "CUNO"},
            optional=True,
        ),
    },
    created=Export("OINVOH", "UH", ("YEA4", "IVNO"), by_division=True, day="RGDT"),
)

DELIVERY = InforStream(
    key=("DLIX",),
    numbers=frozenset({"DLIX"}),
    own=Part(
        "MWS410MI",
        "GetHead",
        {
            **_texts("RORC RIDN WHLO CUOR IVNO CONN PGRS PIST PLSX MODL TEDL ROUT FWNO ETRN ADID"),
            **_texts("CSCD ECAR PONO DONR DONO INPX EXIN"),
            **_figures("GRW2 NEW2 PAV3"),
            "IVDT": "DATE",
            "DTDT": "DATE",
            "TRDT": "DATE",
            "DSDT": "DATE",
        },
    ),
    # 3: of customer orders
    find=Export("MHDISH", "OQ", ("DLIX",), where="OQRORC = 3"),
    parts={
        "lines": Part(
            "MWS411MI",
            "LstDeliveryLine",
            {
                **_texts("RIDN RIDL RIDX ITNO FACI POPN ALUN"),
                **_figures("TRQT PLQT TRQA PLQA"),
                **_DATES,
            },
            many=True,
        ),
        "packages": Part(
            "MWS410MI",
            "LstPackages",
            {**_texts("PANR SSCC PACT ETRN"), **_figures("NEWE GRWE VOL3"), "DSDT": "DATE"},
            many=True,
        ),
        "order": Part(
            "OIS100MI",
            "GetHead",
            _texts("CUOR ORTP CUNO CUCD ORSL ORST TEPY"),
            {"ORNO": "RIDN"},
            optional=True,
        ),
        # what was delivered; a line of the delivery says what is ordered and what is left to pick
        "delivered": Part(
            "OIS350MI",
            "LstDelLine",
            {**_texts("PONR POSX ITNO ALUN ORST"), **_figures("QTY1 QTY2")},
            {"ORNO": "RIDN", "DLIX": "DLIX", "WHLO": "WHLO", "TEPY": "order.TEPY"},
            many=True,
            optional=True,
        ),
    },
    created=Export("MHDISH", "OQ", ("DLIX",), where="OQRORC = 3", day="RGDT"),
)

STREAMS: Mapping[str, InforStream] = {
    "customers": CUSTOMER,
    "items": ITEM,
    "stock": STOCK,
    "invoices": INVOICE,
    "deliveries": DELIVERY,
}


def find_stream(name: str) -> InforStream:
    """The stream of that name; raises ``Misconfigured`` where there is none."""
    if name not in STREAMS:
        raise Misconfigured(f"unknown stream infor.{name}; known: {', '.join(STREAMS)}")
    return STREAMS[name]
