"""The documents (BODs) that M3 publishes of its records (reference, section 3.2).

Elements beyond the envelope and the ids are inferred from Infor's noun dictionary; they differ from version to version.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from ..system import json_value
from .settings import TENANT
from .tenant import Tenant
from .values import Row

NAMESPACE = "http://schema.infor.com/InforOAGIS/2"
# table: document that M3 publishes of its records, and the field with its id
PUBLISHED = {
    "customers": ("Sync.CustomerPartyMaster", "CUNO"),
    "items": ("Sync.ItemMaster", "ITNO"),
    "orders": ("Sync.SalesOrder", "ORNO"),
    "deliveries": ("Sync.Shipment", "DLIX"),
    "invoices": ("Sync.Invoice", "IVNO"),
}


def entity_of(row: Row) -> str:
    """Company and division of a record, as `100_AAA`."""
    return "_".join(str(part) for part in (row["CONO"], row.get("DIVI")) if part)


def document(tenant: Tenant, table: str, row: Row, deleted: bool) -> str:
    """The document of a record; that of a deleted one has its id alone."""
    name, field = PUBLISHED[table]
    variation = str(row.get("LMTS", ""))
    root, noun = envelope(
        name, entity_of(row), str(row[field]), variation, "Delete" if deleted else "Replace"
    )
    head = noun.find(f"{noun.tag}Header")
    if head is not None and not deleted:
        _CONTENT[table](tenant, row, head, noun)
    return text_of(root)


def envelope(name: str, entity: str, id: str, variation: str, action: str) -> tuple[Element, Element]:
    """A document and its noun, whose header has the id."""
    verb, _, kind = name.partition(".")
    root = Element(f"{verb}{kind}", {"xmlns": NAMESPACE, "releaseID": "9.2", "versionID": "2.14.0"})
    area = SubElement(root, "ApplicationArea")
    sender = SubElement(area, "Sender")
    _texts(sender, LogicalID="lid://infor.m3.m3", ConfirmationCode="OnError")
    bodid = f"infor-nid:{TENANT}:{entity}::{id}:{variation}?{kind}&verb={verb}&variationID={variation}"
    _texts(area, BODID=bodid)
    data = SubElement(root, "DataArea")
    action_area = SubElement(data, verb)
    _texts(action_area, TenantID=TENANT, AccountingEntityID=entity)
    SubElement(SubElement(action_area, "ActionCriteria"), "ActionExpression", actionCode=action)
    noun = SubElement(data, kind)
    id_area = SubElement(SubElement(noun, f"{kind}Header"), "DocumentID")
    SubElement(id_area, "ID", variationID=variation).text = id
    return root, noun


def confirmation(parameters: Row, reason: str, stamp: str) -> str:
    """The Confirm.BOD of a document that could not be processed, with the reason."""
    id = str(parameters["messageId"])
    root, noun = envelope("Confirm.BOD", str(parameters.get("accountingEntity", "")), id, stamp, "Add")
    failure = SubElement(SubElement(noun, "BODFailureMessage"), "ErrorProcessMessage")
    _texts(failure, Description=reason, Type="Error")
    original = SubElement(noun, "OriginalApplicationArea")
    _texts(original, BODID=id, DocumentName=parameters["documentName"])
    return text_of(root)


def text_of(root: Element) -> str:
    """A document as text."""
    return ElementTree.tostring(root, "unicode")


def _texts(parent: Element, **values: object) -> None:
    """Elements with a text, but for values that are empty."""
    for tag, value in values.items():
        if value not in (None, ""):
            SubElement(parent, tag).text = str(json_value(value))


def _path(parent: Element, path: str, value: object, **attributes: object) -> None:
    """Nested elements, such as `Item/ItemID/ID`, with a text in the last one."""
    if value in (None, ""):
        return
    for tag in path.split("/"):
        parent = SubElement(parent, tag)
    parent.attrib.update({name: str(one) for name, one in attributes.items()})
    parent.text = str(json_value(value))


def _instant(day: object) -> str:
    text = str(day or "")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T00:00:00Z" if len(text) == 8 and text.isdigit() else ""


def _address(parent: Element, row: Row) -> None:
    address = SubElement(SubElement(parent, "Location"), "Address")
    _texts(
        address,
        AttentionOfName=row.get("CUNM"),
        StreetName=row.get("CUA1"),
        AddressLine=row.get("CUA2"),
        CityName=row.get("TOWN"),
        CountrySubDivisionCode=row.get("ECAR"),
        CountryCode=row.get("CSCD"),
        PostalCode=row.get("PONO"),
    )


def _customer(tenant: Tenant, row: Row, head: Element, noun: Element) -> None:
    _path(head, "PartyIDs/ID", row["CUNO"])
    _texts(head, Name=row.get("CUNM"))
    _path(head, "Status/Code", row.get("STAT"))
    _address(head, row)
    _path(head, "Communication/DialNumber", row.get("PHNO"))
    _path(head, "Communication/URI", row.get("MAIL"))
    _texts(head, CurrencyCode=row.get("CUCD"))


def _item(tenant: Tenant, row: Row, head: Element, noun: Element) -> None:
    _path(head, "ItemID/ID", row["ITNO"])
    _texts(head, Description=row.get("ITDS"))
    _path(head, "ItemStatus/Code", row.get("STAT"))
    _texts(head, BaseUOMCode=row.get("UNMS"))


def _order(tenant: Tenant, row: Row, head: Element, noun: Element) -> None:
    key = (str(row["CONO"]), row["ORNO"])
    _path(head, "AlternateDocumentID/ID", row.get("CUOR"))
    _path(head, "Status/Code", row.get("ORST"))
    _path(head, "CustomerParty/PartyIDs/ID", row["CUNO"])
    ship_to = SubElement(head, "ShipToParty")
    _path(ship_to, "PartyIDs/ID", row["CUNO"])
    for address in tenant["order_addresses"].with_key_prefix(*key):
        if address["ADRT"] == 1:
            _address(ship_to, address)
    _texts(head, OrderDateTime=_instant(row.get("ORDT")), RequestedShipDateTime=_instant(row.get("RLDT")))
    for line in tenant["order_lines"].with_key_prefix(*key):
        part = SubElement(noun, "SalesOrderLine")
        _texts(part, LineNumber=line["PONR"])
        _path(part, "Item/ItemID/ID", line["ITNO"])
        _path(part, "Quantity", line["ORQT"], unitCode=line.get("ALUN", ""))
        _path(part, "UnitPrice/Amount", line.get("SAPR"), currencyID=row["CUCD"])
        _path(part, "ShippedQuantity", line.get("DLQT"), unitCode=line.get("ALUN", ""))
        _path(part, "Status/Code", line.get("ORST"))


def _shipment(tenant: Tenant, row: Row, head: Element, noun: Element) -> None:
    key = (str(row["CONO"]), row["DLIX"])
    _path(head, "DocumentReference/DocumentID/ID", row.get("RIDN"))
    _path(head, "Status/Code", row.get("PGRS"))
    _path(head, "ShipFromParty/Location/ID", row.get("WHLO"))
    _path(head, "ShipToParty/PartyIDs/ID", row.get("CONA"))
    _texts(
        head, ScheduledShipDateTime=_instant(row.get("DSDT")), ActualShipDateTime=_instant(row.get("DLDT"))
    )
    _path(head, "TrackingID", row.get("ETRN"))
    for line in tenant["delivery_lines"].with_key_prefix(*key):
        part = SubElement(noun, "ShipmentItem")
        _path(part, "ItemID/ID", line["ITNO"])
        _path(part, "ShippedQuantity", line.get("DLQT"), unitCode=line.get("ALUN", ""))
        _path(part, "DocumentReference/DocumentID/ID", line.get("RIDN"))
        _path(part, "DocumentReference/LineNumber", line.get("RIDL"))


def _invoice(tenant: Tenant, row: Row, head: Element, noun: Element) -> None:
    key = (str(row["CONO"]), str(row["DIVI"]), row["YEA4"], row["IVNO"])
    _texts(head, DocumentDateTime=_instant(row.get("IDAT")), DueDateTime=_instant(row.get("DUDT")))
    _path(head, "SalesOrderReference/DocumentID/ID", row.get("ORNO"))
    _path(head, "CustomerParty/PartyIDs/ID", row.get("CUNO"))
    _path(head, "ExtendedAmount", row.get("AMT1"), currencyID=row["CUCD"])
    _path(head, "TaxAmount", row.get("VTAM"), currencyID=row["CUCD"])
    _path(head, "TotalAmount", row.get("AMT2"), currencyID=row["CUCD"])
    for line in tenant["invoice_lines"].with_key_prefix(*key):
        part = SubElement(noun, "InvoiceLine")
        _texts(part, LineNumber=line["LINO"])
        _path(part, "ExtendedAmount", line.get("AMT1"), currencyID=row["CUCD"])
        _path(part, "Tax/ID", line.get("VTCD"))
        _path(part, "Tax/Amount", line.get("VTAM"), currencyID=row["CUCD"])


_CONTENT: dict[str, Callable[[Tenant, Row, Element, Element], None]] = {
    "customers": _customer,
    "items": _item,
    "orders": _order,
    "deliveries": _shipment,
    "invoices": _invoice,
}
