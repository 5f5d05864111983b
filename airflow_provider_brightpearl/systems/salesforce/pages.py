"""Query results page by page, each record as raw JSON; pages that do not add up are not believed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from json import dumps
from urllib.parse import urlencode

import msgspec
import requests

from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.systems.salesforce.answers import SYSTEM, UNREADABLE, broken, check
from airflow_provider_brightpearl.systems.salesforce.bulk import Call

PAGE = 2_000
# address and headers together may take 16,384 bytes
LONGEST_ADDRESS = 12_000


class _Page(msgspec.Struct):
    records: list[msgspec.Raw]
    totalSize: int
    done: bool = True
    nextRecordsUrl: str | None = None


class _Part(msgspec.Struct):
    httpStatusCode: int
    body: msgspec.Raw


class _Composite(msgspec.Struct):
    compositeResponse: list[_Part]


_pages = msgspec.json.Decoder(_Page)
_composites = msgspec.json.Decoder(_Composite)


def records(call: Call, data_path: str, soql: str, *, deleted: bool) -> Iterator[bytes]:
    """The records of a query, raw.

    Raises:
        Unavailable: the pages hold another number of records than they announce.
    """
    page = _first(call, data_path, soql, deleted=deleted)
    given = 0
    while True:
        yield from map(bytes, page.records)
        given += len(page.records)
        if page.done:
            break
        page = call("GET", str(page.nextRecordsUrl), _read)
    _check_total(given, page.totalSize)


def rest(call: Call, url: str, given: int, total: int) -> Iterator[bytes]:
    """The records from a page on, raw; ``given`` of ``total`` came before it. Raises as ``records``."""
    next_url: str | None = url or None
    while next_url:
        page = call("GET", next_url, _read)
        yield from map(bytes, page.records)
        given += len(page.records)
        next_url = None if page.done else page.nextRecordsUrl
    _check_total(given, total)


def count(call: Call, data_path: str, soql: str, *, deleted: bool) -> int:
    """The answer to a ``SELECT COUNT()``."""
    return _first(call, data_path, soql, deleted=deleted).totalSize


def _first(call: Call, data_path: str, soql: str, *, deleted: bool) -> _Page:
    path = ("queryAll" if deleted else "query") + "?" + urlencode({"q": soql})
    if len(path) <= LONGEST_ADDRESS:
        return call("GET", path, _read)
    # an org with hundreds of custom fields: the address of a composite's part is in its body
    part = {"method": "GET", "url": data_path + path, "referenceId": "page"}
    return call("POST", "composite", _read_part, body=dumps({"compositeRequest": [part]}), repeatable=True)


def _read(response: requests.Response) -> _Page:
    try:
        page = _pages.decode(response.content)
    except UNREADABLE as error:
        raise broken(response, error) from None
    if not page.done and not page.nextRecordsUrl:
        raise broken(response, ValueError("a page that is not the last one names no next page"))
    return page


def _read_part(response: requests.Response) -> _Page:
    try:
        (part,) = _composites.decode(response.content).compositeResponse
    except (msgspec.DecodeError, ValueError) as error:
        raise broken(response, error) from None
    inner = requests.Response()
    inner.status_code, inner.raw = part.httpStatusCode, io.BytesIO(bytes(part.body))
    inner.headers, inner.request = response.headers, response.request
    check(inner, "GET query", read=True)
    return _read(inner)


def _check_total(given: int, total: int) -> None:
    if given != total:
        raise Unavailable(
            f"a query announces {total} records and its pages hold {given}: nothing of it is used, "
            "so that no record is lost",
            system=SYSTEM,
            operation="GET query",
        )
