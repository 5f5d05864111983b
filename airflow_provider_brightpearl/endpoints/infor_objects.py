"""M3's objects as rows of a table: which MI program and transactions write them, and by which key.

``OIS100MI`` orders, ``GLS840MI`` journals and ``MHS850MI`` picks have no key of ours that M3 would recognise;
they are written through intents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyedObject:
    """An object that M3 finds by a key of ours, so that writing it twice is harmless.

    ``change`` is the same as ``add`` where one transaction sets the values, whatever was there; it is empty
    where nothing can be changed, and both are where nothing is written. ``get`` tells what is there when
    ``add`` answers that the key exists.
    """

    program: str
    keys: tuple[str, ...]
    add: str
    change: str = ""
    get: str = ""
    remove: str = ""


KEYED: Mapping[str, KeyedObject] = {
    "Customer": KeyedObject("CRS610MI", ("CUNO",), "Add", "ChgBasicData", "GetBasicData"),
    "CustomerFinance": KeyedObject("CRS610MI", ("CUNO",), "ChgFinancial", "ChgFinancial"),
    "CustomerOrderInfo": KeyedObject("CRS610MI", ("CUNO",), "ChgOrderInfo", "ChgOrderInfo"),
    "CustomerAddress": KeyedObject(
        "CRS610MI", ("CUNO", "ADRT", "ADID"), "AddAddress", "ChgAddress", "GetAddress", "DeleteAddress"
    ),
    # a copy of a template item carries the technical values that Brightpearl does not know
    "Item": KeyedObject("MMS200MI", ("ITNO",), "CpyItmBasic", "UpdItmBasic", "GetItmBasic"),
    "ItemPrice": KeyedObject("MMS200MI", ("ITNO",), "UpdItmPrice", "UpdItmPrice"),
    "ItemWarehouse": KeyedObject("MMS200MI", ("WHLO", "ITNO"), "CpyItmWhs", "", "GetItmWhsBal"),
    "ItemAlias": KeyedObject("MMS025MI", ("ALWT", "POPN"), "AddAlias", "", "GetItem"),
    # an item that other rows of the record belong to; nothing is written
    "ItemReference": KeyedObject("MMS200MI", ("ITNO",), ""),
    "StockCount": KeyedObject("MMS310MI", ("WHLO", "ITNO", "WHSL"), "Update", "Update"),
    # a delivery is found by its order, see infor_shipments
    "Tracking": KeyedObject("MWS410MI", (), "UpdPlanSts", "UpdPlanSts"),
}


@dataclass(frozen=True, slots=True)
class DocumentObject:
    """A head with parts that counts once it is closed; ``parts`` names the transaction of each kind of part.

    ``compared`` are fields of the head that are not sent, but must be what M3 says when it is read back; ``told``
    are those it says then that a write-back may name.
    """

    program: str
    add: str
    parts: Mapping[str, str]
    compared: frozenset[str] = frozenset()
    told: tuple[str, ...] = ()


DOCUMENTS: Mapping[str, DocumentObject] = {
    "Order": DocumentObject(
        "OIS100MI",
        "AddBatchHead",
        {
            "OrderAddress": "AddBatchAddress",
            "OrderLine": "AddBatchLine",
            "OrderCharge": "AddBatchHeadChg",
            "OrderText": "AddBatchText",
        },
        compared=frozenset({"NTAM", "ORVA", "TOPY"}),
        told=("ORSL", "ORST", "NTAM", "ORVA", "TOPY"),
    ),
    "Journal": DocumentObject("GLS840MI", "AddBatchHead", {"JournalLine": "AddBatchLineFld"}),
}

PICK = "Pick"
PICKS = DocumentObject("MHS850MI", "AddCOPick", {})

# what a row carries to be found by; not fields of the transactions that write it
FINDING = {"Tracking": frozenset({"RIDN", "RIDL", "ITNO"})}

# OIS100MI takes no VAT code, that of customer or item counts: here so that an unknown tax code rejects its order
UNSENT = {"OrderLine": frozenset({"VTCD"}), "OrderCharge": frozenset({"VTCD"})}


def told_of(name: str) -> tuple[str, ...]:
    """What M3 says of a row of this object beside its id."""
    return DOCUMENTS[name].told if name in DOCUMENTS else ()


def known_objects() -> list[str]:
    """Every object that a flow may write."""
    parts = [name for document in DOCUMENTS.values() for name in document.parts]
    return sorted([*KEYED, *DOCUMENTS, *parts, PICK])
