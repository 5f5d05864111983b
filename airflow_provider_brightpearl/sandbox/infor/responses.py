"""Response bodies: v2 with its misspelt counter, v1 with padded values (reference 2.2 to 2.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

from .errors import Nok
from .execution import TransactionResult
from .signatures import is_date, is_number

_NAMESPACE = "http://lawson.com/m3/miaccess"


def v2_response(
    results: Sequence[TransactionResult], settings: Mapping[str, object], bulk: bool
) -> dict[str, object]:
    """A v2 body; the status is 200 whatever the outcome of the transactions."""
    failed = sum(1 for one in results if one.error is not None)
    skipped = sum(1 for one in results if not one.processed)
    body: dict[str, object] = {
        "results": [_result(one, settings) for one in results],
        "wasTerminated": skipped > 0,
        "nrOfSuccessfullTransactions": len(results) - failed - skipped,
        "nrOfFailedTransactions": failed,
    }
    if bulk:
        body["nrOfNotProcessedTransactions"] = skipped
    if skipped:
        body.update(terminationReason="Job was terminated", terminationErrorType="JobTerminated")
        body["bulkJobId"] = uuid4().hex
    return body


def _result(result: TransactionResult, settings: Mapping[str, object]) -> dict[str, Any]:
    found: dict[str, Any] = {"transaction": result.call.transaction}
    if not result.processed:
        return {**found, "notProcessed": True}
    if result.records is not None:
        found["records"] = result.records
    elif result.error is None and settings["empty_output"] != "absent":
        found["records"] = [{}] if settings["empty_output"] == "record" else []
    if result.call.options.extended:
        found["parameters"] = dict(result.call.record)
    if result.error is None:
        return found
    if settings["records_in_errors"]:
        found.setdefault("records", [])
    return {**found, **_refusal(result.error)}


def _refusal(error: Nok) -> dict[str, str]:
    return {
        "errorMessage": error.message,
        "errorCode": error.code,
        "errorField": error.field,
        "errorType": error.kind,
    }


def v1_response(result: TransactionResult, settings: Mapping[str, object], metadata: bool) -> dict[str, Any]:
    """A v1 body: rows as name and value pairs, or an error message instead."""
    if result.error is not None and result.records is None:
        return _message(result.error)
    call = result.call
    pairs = [
        {"RowIndex": number, "NameValue": [_pair(n, v, result.columns, settings) for n, v in record.items()]}
        for number, record in enumerate(result.records if result.records is not None else [{}])
    ]
    body: dict[str, Any] = {"Program": call.program, "Transaction": call.transaction}
    if metadata:
        body["Metadata"] = {"Field": _fields(result)}
    single = settings["v1_single_as_object"] and len(pairs) == 1
    body["MIRecord"] = pairs[0] if single else pairs
    if result.error is not None:
        body["ErrorMessage"] = _message(result.error)
    return body


def _pair(
    name: str, value: str, columns: Mapping[str, int], settings: Mapping[str, object]
) -> dict[str, str]:
    padded = value.ljust(columns.get(name, 0)) if settings["v1_padding"] else value
    return {"Name": name, "Value": padded}


def _fields(result: TransactionResult) -> list[dict[str, str]]:
    return [
        {
            "@name": name,
            "@type": "N" if is_number(name) else "D" if is_date(name, length) else "A",
            "@length": str(length),
            "@description": name,
        }
        for name, length in result.columns.items()
    ]


def _message(error: Nok) -> dict[str, Any]:
    text = error.message.ljust(max(50, len(error.message)))
    return {
        "Message": text,
        "@type": error.kind,
        "@code": error.code.ljust(7),
        "@cfg": None,
        "@field": error.field,
    }


def as_xml(body: Mapping[str, Any]) -> bytes:
    """A v1 body as XML; the root of an error message is ErrorMessage."""
    root = ElementTree.Element("miResult" if "Program" in body else "ErrorMessage", xmlns=_NAMESPACE)
    if "Program" not in body:
        _message_element(root, body)
        return _text(root)
    for name in ("Program", "Transaction"):
        ElementTree.SubElement(root, name).text = body[name]
    metadata = ElementTree.SubElement(root, "Metadata")
    for field in body.get("Metadata", {}).get("Field", []):
        ElementTree.SubElement(metadata, "Field", {name[1:]: value for name, value in field.items()})
    records = body["MIRecord"] if isinstance(body["MIRecord"], list) else [body["MIRecord"]]
    for record in records:
        _record_element(root, record)
    if "ErrorMessage" in body:
        _message_element(ElementTree.SubElement(root, "ErrorMessage"), body["ErrorMessage"])
    return _text(root)


def _record_element(root: ElementTree.Element, record: Mapping[str, Any]) -> None:
    element = ElementTree.SubElement(root, "MIRecord")
    ElementTree.SubElement(element, "RowIndex").text = str(record["RowIndex"])
    for pair in record["NameValue"]:
        value = ElementTree.SubElement(element, "NameValue")
        ElementTree.SubElement(value, "Name").text = pair["Name"]
        ElementTree.SubElement(value, "Value").text = pair["Value"]


def _message_element(element: ElementTree.Element, body: Mapping[str, Any]) -> None:
    for name in ("type", "code", "cfg", "field"):
        element.set(name, body[f"@{name}"] or "")
    ElementTree.SubElement(element, "Message").text = body["Message"]


def _text(root: ElementTree.Element) -> bytes:
    found: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return found
