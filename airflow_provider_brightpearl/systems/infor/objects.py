"""M3's objects as rows of a table: which MI program and transactions write them, and by which key.

``OIS100MI`` orders, ``GLS840MI`` journals and ``MHS850MI`` picks have no key of ours that M3 would recognise;
they are written through intents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.infor.fields import inputs


@dataclass(frozen=True, slots=True)
class KeyedObject:
    """An object that M3 finds by a key of ours, so that writing it again is harmless.

    ``change`` is the same as ``add`` where one transaction sets the values, whatever was there; it is empty
    where nothing can be changed, and both are where nothing is written. ``get`` shows what exists when
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
    # a delivery is found by its order, see shipments; with it, a flow back knows which ones came from here
    "Tracking": KeyedObject("MWS410MI", ("DLIX", "RIDN"), "UpdPlanSts", "UpdPlanSts"),
}


@dataclass(frozen=True, slots=True)
class DocumentObject:
    """A head with parts that takes effect when it is closed; ``parts`` names the transaction of each kind of part.

    ``compared`` are fields of the head that are not sent, but must equal what M3 returns when it is read back;
    ``returned`` are those it returns that a write-back may name.
    """

    program: str
    add: str
    parts: Mapping[str, str]
    compared: frozenset[str] = frozenset()
    returned: tuple[str, ...] = ()


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
        returned=("ORSL", "ORST", "NTAM", "ORVA", "TOPY"),
    ),
    "Journal": DocumentObject("GLS840MI", "AddBatchHead", {"JournalLine": "AddBatchLineFld"}),
}

PICK = "Pick"
PICKS = DocumentObject("MHS850MI", "AddCOPick", {})

# identify the row; not fields of the transactions that write it
FINDING = {"Tracking": frozenset({"RIDN", "RIDL", "ITNO"})}

# OIS100MI takes no VAT code, that of customer or item counts: here so that an unknown tax code rejects its order
UNSENT = {"OrderLine": frozenset({"VTCD"}), "OrderCharge": frozenset({"VTCD"})}


def returned_fields_of(name: str) -> tuple[str, ...]:
    """What M3 returns for a row of this object beside its id."""
    return DOCUMENTS[name].returned if name in DOCUMENTS else ()


def known_objects() -> list[str]:
    """Every object that a flow may write."""
    parts = [name for document in DOCUMENTS.values() for name in document.parts]
    return sorted([*KEYED, *DOCUMENTS, *parts, PICK])


def check_objects(flow: FlowSpec) -> None:
    """Raises ``Misconfigured`` where a flow writes an object or field that M3's programs do not have."""
    kinds = {name: flow.target_object(name) for name in flow.objects}
    known = known_objects()
    for name, kind in kinds.items():
        place = f"{flow.flow}.yaml: objects.{name}"
        if flow.objects[name].owner:
            raise Misconfigured(f"{place}.owner: M3 is sent all fields of a row; keep each field in one flow")
        if kind not in known:
            hint = did_you_mean(kind, known) or f"; known: {', '.join(known)}"
            raise Misconfigured(f"{place}: M3 has no object {kind!r}{hint}")
        unknown = [field for field in flow.objects[name].fields if not _takes(kind, field)]
        if unknown:
            fields = {field for each in transactions_of(kind) for field in inputs(*each)}
            hint = did_you_mean(unknown[0], sorted(fields))
            named = " or ".join(_named(kind))
            raise Misconfigured(f"{place}.fields.{unknown[0]}: is not a field of {named}{hint}")


def transactions_of(kind: str) -> list[tuple[str, str]]:
    """Program and transaction of each call that writes an object."""
    if kind in KEYED:
        entry = KEYED[kind]
        return [(entry.program, name) for name in dict.fromkeys((entry.add, entry.change)) if name]
    if kind == PICK:
        return [(PICKS.program, PICKS.add)]
    if kind in DOCUMENTS:
        return [(DOCUMENTS[kind].program, DOCUMENTS[kind].add)]
    return [(each.program, each.parts[kind]) for each in DOCUMENTS.values() if kind in each.parts]


def _named(kind: str) -> list[str]:
    return [f"{program} {name}" for program, name in transactions_of(kind)]


def _takes(kind: str, field: str) -> bool:
    extra = FINDING.get(kind, UNSENT.get(kind, frozenset()))
    compared = DOCUMENTS[kind].compared if kind in DOCUMENTS else frozenset()
    known = [inputs(*each) for each in transactions_of(kind)]
    keys = KEYED[kind].keys if kind in KEYED else ()
    return (
        field in extra
        or field in compared
        or field in keys
        or any(not each or field in each for each in known)
    )
