"""What M3 does with documents that arrive by ION: Process.SalesOrder and Sync.SalesOrder become customer orders."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from .errors import GatewayError, Terminated
from .execution import M3, Options, TransactionCall

SALES_ORDERS = ("Process.SalesOrder", "Sync.SalesOrder")


class Unprocessable(Exception):
    """M3 cannot process a document; the text is the reason."""


class Inbox:
    """M3's side of the documents that it takes."""

    def __init__(self, m3: M3) -> None:
        self._m3 = m3

    def process(self, document: str) -> str:
        """Create the order of a sales order, and return its number. Raises: Unprocessable."""
        try:
            root = ElementTree.fromstring(document)  # noqa: S314 - from tests on this machine
        except ElementTree.ParseError as error:
            raise Unprocessable(f"The document is not XML: {error}") from None
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        noun = root.find("DataArea/SalesOrder")
        head = noun.find("SalesOrderHeader") if noun is not None else None
        if noun is None or head is None:
            raise Unprocessable("The document has no SalesOrder with a SalesOrderHeader")
        expression = root.find(".//ActionCriteria/ActionExpression")
        action = "Add" if expression is None else expression.get("actionCode", "Add")
        if action not in ("Add", "Replace"):
            raise Unprocessable(f"The action {action} is not supported")
        order = self._run("AddBatchHead", _head(root, noun, head))["ORNO"]
        try:
            return self._complete(order, noun, head)
        except Unprocessable:
            self._run("DelBatchHead", {"ORNO": order})
            raise

    def _complete(self, order: str, noun: Element, head: Element) -> str:
        address = head.find("ShipToParty/Location/Address")
        if address is not None:
            self._run("AddBatchAddress", {"ORNO": order, "ADRT": "1", **_address(address)})
        for line in noun.findall("SalesOrderLine"):
            self._run("AddBatchLine", {"ORNO": order, **_line(line)})
        made = self._run("Confirm", {"ORNO": order})
        if made["STAT"] != "90":
            raise Unprocessable(f"The order was not created: status {made['STAT']}")
        return made["ORNO"]

    def _run(self, transaction: str, record: dict[str, str]) -> dict[str, str]:
        given = {name: value for name, value in record.items() if value}
        try:
            result = self._m3.run(TransactionCall("OIS100MI", transaction, given, Options()))
        except (GatewayError, Terminated):  # injected faults of transactions
            raise Unprocessable(f"{transaction}: the job was terminated") from None
        if result.error is not None:
            raise Unprocessable(f"{transaction}: {result.error.code} {result.error.message}".strip())
        return (result.records or [{}])[0]


def _head(root: Element, noun: Element, head: Element) -> dict[str, str]:
    amounts = (amount.get("currencyID", "") for amount in noun.iter("Amount"))
    return {
        "CONO": _text(root, ".//AccountingEntityID").partition("_")[0],
        "CUNO": _text(head, "CustomerParty/PartyIDs/ID"),
        "CUOR": _text(head, "AlternateDocumentID/ID") or _text(head, "DocumentID/ID"),
        "CUCD": next(amounts, ""),
        "RLDT": _text(head, "RequestedShipDateTime")[:10].replace("-", ""),
        "WHLO": _text(head, "ShipFromParty/Location/ID"),
    }


def _address(address: Element) -> dict[str, str]:
    return {
        "CUNM": _text(address, "AttentionOfName"),
        "CUA1": _text(address, "StreetName") or _text(address, "AddressLine"),
        "TOWN": _text(address, "CityName"),
        "ECAR": _text(address, "CountrySubDivisionCode"),
        "PONO": _text(address, "PostalCode"),
        "CSCD": _text(address, "CountryCode"),
    }


def _line(line: Element) -> dict[str, str]:
    return {
        "ITNO": _text(line, "Item/ItemID/ID"),
        "ORQT": _text(line, "Quantity"),
        "SAPR": _text(line, "UnitPrice/Amount"),
    }


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
