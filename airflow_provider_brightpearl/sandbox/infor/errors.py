"""Errors of M3 and of the gateway; codes are from appendix B of the reference, most texts are our own."""

from __future__ import annotations

SERVER_NOK = "ServerReturnedNOK"

MESSAGES = {
    "XRE0103": "Record does not exist",
    "XRE0104": "Record already exists",
    "WCU0203": "Customer number &1 does not exist",
    "XIM0002": "Customer number &1 is invalid",
    "WIT0101": "Item number &1 is invalid",
    "WIT0102": "Item number must be entered",
    "WIT0103": "Item number &1 does not exist",
    "XIT0107": "Item &1 has a status that does not permit this",
    "WPO0403": "Alias number &1 does not exist",
    "WWH0102": "Warehouse must be entered",
    "WWH0103": "Warehouse &1 does not exist",
    "WWS0102": "Location must be entered",
    "WWS0103": "Location &1 does not exist",
    "WFAC303": "Facility &1 does not exist",
    "WAD1003": "Address number &1 does not exist",
    "WMO0103": "Delivery method &1 does not exist",
    "WTE0103": "Delivery terms &1 do not exist",
    "WTT0403": "Order type &1 does not exist",
    "WOR0303": "Customer order number &1 does not exist",
    "WDL0203": "Delivery number &1 does not exist",
    "MH85008": "Reported quantity &1 is more than what remains",
    "MW42223": "Quantity &1 is not available on the location",
    "MW_0008": "Delivery &1 is already invoiced",
    "WE00A03": "Partner &1 does not exist",
    "ED01016": "Message type &1 is not valid for the partner",
    "WMS3703": "Message number &1 does not exist",
    "WMS3804": "Message number &1 already exists",
    "WMS3902": "External message number must be entered",
    "WST0301": "Status &1 is invalid",
    "XNU0000": "&1 is not a valid number",
    "XDT0001": "&1 is not a correct date",
    "XUP0001": "The record has been changed by another user",
    "XDE0001": "The record has been deleted by another user",
    "XO_1130": "The record is in use, try again later",
    "XAU0008": "User is not authorised for company &1",
}


class Nok(Exception):
    """M3 rejects a transaction, which the API reports with HTTP 200 (reference 2.2, 2.3)."""

    def __init__(
        self, code: str, message: str, field: str = "", kind: str = SERVER_NOK, records: int = 0
    ) -> None:
        super().__init__(f"{code} {field}: {message}")
        self.code, self.message, self.field, self.kind = code, message, field, kind
        self.records = records  # rows returned before the error, for a partial NOK


class Terminated(Exception):
    """The bulk job is terminated before this transaction (reference 2.4)."""


class GatewayError(Exception):
    """An error response of the gateway itself (reference 1.6)."""

    def __init__(self, status: int, body: object = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status, self.body, self.headers = status, body, headers or {}


class UnknownAddress(GatewayError):
    """The gateway has no such path."""

    def __init__(self) -> None:
        super().__init__(404, "Not found")


def nok(code: str, value: object = "", field: str = "") -> Nok:
    """A NOK with a message code of M3 and its text."""
    return Nok(code, MESSAGES.get(code, code).replace("&1", str(value)), field)


def generic_nok(message: str, field: str = "") -> Nok:
    """A NOK whose code the reference does not give: the generic system message."""
    return Nok("CPF9898", message, field)


def missing_field(field: str) -> Nok:
    """The NOK for a required input field that is absent or blank."""
    return Nok("", f"Mandatory input field {field} not found", field, "MandatoryInputFieldNotFound")


def too_long(field: str, length: int) -> Nok:
    """The NOK for a value that is longer than its field."""
    return Nok("", f"Input field {field} is longer than {length}", field, "InputFieldTooLong")


def unknown_transaction(program: str, transaction: str) -> Nok:
    """The NOK for a program or transaction that does not exist."""
    return Nok("", f"Transaction {transaction} of program {program} not found", "", "TransactionNotFound")
