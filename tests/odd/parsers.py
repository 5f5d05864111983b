"""Every parser of what others send, as a function of bytes that raises nothing but errors with a sentence.

Shared by hypothesis (``test_parsers``) and by atheris (``fuzz``), which looks for bytes that reach new branches.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import requests

from airflow_provider_brightpearl.core import raw
from airflow_provider_brightpearl.core.certificate_check import Broken, check_certificate
from airflow_provider_brightpearl.core.numbers import decimal_of
from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.flow.durations import parse_duration
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.systems.brightpearl import answers as brightpearl
from airflow_provider_brightpearl.systems.brightpearl import client as brightpearl_client
from airflow_provider_brightpearl.systems.brightpearl.search import Page
from airflow_provider_brightpearl.systems.http import header_values, oauth
from airflow_provider_brightpearl.systems.http.echoes import repeats
from airflow_provider_brightpearl.systems.http.secrets import masked, redacted_page, remember
from airflow_provider_brightpearl.systems.http.transport import excerpt, understood
from airflow_provider_brightpearl.systems.infor import answers as infor
from airflow_provider_brightpearl.systems.infor.auth import IonApp
from airflow_provider_brightpearl.systems.salesforce import answers as salesforce
from airflow_provider_brightpearl.systems.salesforce import bulk, pages, soql
from airflow_provider_brightpearl.systems.salesforce import csv as salesforce_csv
from airflow_provider_brightpearl.systems.salesforce.graph import Graph, Node, graph_answers

SECRET = "odd+9f8e7d6c/5b4a=3210"
REQUEST = requests.Request(
    "GET", "https://x.test/a?b=c", headers={"Authorization": f"Bearer {SECRET}"}
).prepare()
Read = Callable[[requests.Response], object]


class Parser(NamedTuple):
    """A parser, and texts that it takes."""

    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...]


def answer(content: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> requests.Response:
    """An answer to a request that carried ``SECRET``."""
    found = requests.Response()
    found.status_code, found._content = status, content
    found.headers.update(headers or {})
    found.request = REQUEST
    return found


def reading(
    read: Read, broken: Callable[[requests.Response, Exception], SyncError]
) -> Callable[[bytes], object]:
    """A reader of good answers, inside of what every call has around it."""
    return lambda content: understood(read, answer(content), broken)


def refusing(check: Callable[[requests.Response], None]) -> Callable[[bytes], object]:
    """A reader of bad answers: the first byte is the status."""

    def parse(content: bytes) -> None:
        check(answer(content[1:], 400 + sum(content[:1])))

    return parse


def text_of(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda content: parse(content.decode("utf-8", "replace"))


def header(content: bytes) -> None:
    """Values as ``http.client`` gives them, in Latin-1."""
    text, _, date = content.decode("latin-1").partition("\n")
    count, seconds = header_values.count_in(text), header_values.seconds_in(text)
    wait = header_values.retry_after({"Retry-After": text, "Date": date})
    assert count is None or count >= 0
    assert all(each is None or 0 <= each <= header_values.LONGEST_WAIT for each in (seconds, wait))


def page(content: bytes) -> None:
    remember(SECRET)
    assert SECRET.encode() not in masked(content, REQUEST)
    assert SECRET.encode() not in redacted_page(content)
    excerpt(answer(content))


def echo(content: bytes) -> None:
    """What repeats a credential is found in whatever is around it."""
    text = content.decode("utf-8", "replace")
    repeats(text, (SECRET,))
    assert repeats(f"{text} {SECRET} {text}", (SECRET,))


def id_set(response: requests.Response) -> None:
    uris = [response.content.decode("utf-8", "replace")]
    found = brightpearl_client._listed_ids(answer(json.dumps({"response": {"getUris": uris}}).encode()))
    assert all(isinstance(each, int) for ids in found for each in islice(ids, 3))


def result_file(text: str) -> None:
    names = ("sf__Id", "sf__Error")
    try:
        picked = salesforce_csv.pick(text, names)
    except (ValueError, csv.Error):
        # as ``understood`` has it
        return
    assert all(len(row) == len(names) for row in picked)
    assert len(picked) == salesforce_csv.count(text)
    salesforce_csv.read(text)


def login(content: bytes) -> None:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return
    if oauth.has_token(found):
        assert found["access_token"]
        assert timedelta() <= oauth.lifetime(found)


def record(content: bytes) -> None:
    if not raw.unusable(content):
        assert isinstance(msgspec.json.decode(content), dict)
    text = raw.storable(content.decode("utf-8", "surrogateescape"))
    assert "\x00" not in text
    assert len(raw.kept_id(text)) <= raw.LONGEST_ID


def number(text: str) -> None:
    found = decimal_of(text)
    assert found is None or found.is_finite()


def certificate(content: bytes) -> None:
    try:
        check_certificate("it", io.BytesIO(content), lambda *_: True)
    except Broken as error:
        assert str(error)


def infor_answers(response: requests.Response) -> object:
    found = infor.answers(response, "P T", 2, read=True)
    assert len(found) == 2
    assert all(isinstance(text, str) for each in found for row in each.records for text in row.values())
    return [(each.reason, each.passing, each.exists, each.missing) for each in found]


TWO = (Graph("g1", (Node("PATCH", "A/K/1", "n1", "{}"),)),)
OF_INFOR = partial(infor.broken, operation="P T", read=True)
FLOW = (Path(__file__).parents[2] / "include" / "mappings" / "customers_to_infor.yaml").read_bytes()
ENVELOPE = b'{"response": [{"id": 7, "price": 1.50, "name": "x"}], "reference": {}}'
MI = (
    b'{"results": [{"transaction": "Get", "records": [{"CUNO": "Y1 ", "CRLM": "1.50"}]},'
    b' {"errorMessage": "m", "errorCode": "WCU0203", "errorField": "CUNO"}], "nrOfFailedTransactions": 1}'
)
MI_V1 = b'{"MIRecord": [{"RowIndex": "0", "NameValue": [{"Name": "CUNO", "Value": "Y1   "}]}]}'
NOK_V1 = b'{"Message": "no", "@code": "XRE0103", "@field": "CUNO", "ErrorMessage": {"Message": "x"}}'
ERRORS = b'd{"errors": [{"code": "CMNC-404", "message": "nothing found"}]}'
SF_ERRORS = b'\x00[{"errorCode": "INVALID_FIELD", "message": "no such column", "fields": ["A"]}]'
APP = b'{"ti": "T", "ci": "c", "cs": "s", "iu": "https://x", "pu": "https://x/", "ot": "t", "saak": "a", "sask": "s"}'
PARSERS: dict[str, Parser] = {
    "brightpearl_value": Parser(reading(brightpearl.value, brightpearl.broken), (ENVELOPE,)),
    "brightpearl_entries": Parser(
        reading(brightpearl.entries, brightpearl.broken), (ENVELOPE, b'{"response": {"1": {"id": 1}}}')
    ),
    "brightpearl_search": Parser(
        reading(Page.read, brightpearl.broken),
        (
            b'{"response": {"results": [[1, "x"]],'
            b' "metaData": {"columns": [{"name": "id"}], "resultsAvailable": 1}}}',
        ),
    ),
    "brightpearl_messages": Parser(
        reading(brightpearl_client._messages, brightpearl.broken),
        (
            b'{"response": {"processedMessages": [{"label": "1", "statusCode": 200, "body": {"content": "{}"}}]}}',
        ),
    ),
    "brightpearl_errors": Parser(
        refusing(partial(brightpearl.check, operation="GET x", read=True)), (ERRORS,)
    ),
    "brightpearl_ids": Parser(reading(id_set, brightpearl.broken), (b"/order-service/order/1-2,5.7",)),
    "salesforce_rows": Parser(
        reading(salesforce.row_answers(["1", "2"]), salesforce.broken),
        (
            b'[{"id": "0", "success": true, "errors": []},'
            b' {"success": false, "errors": [{"statusCode": "X", "message": ""}]}]',
        ),
    ),
    "salesforce_graph": Parser(
        reading(graph_answers(TWO), salesforce.broken),
        (
            b'{"graphs": [{"graphId": "g1", "isSuccessful": false, "graphResponse": {"compositeResponse":'
            b' [{"referenceId": "n1", "httpStatusCode": 400, "body": [{"errorCode": "X", "message": "m"}]}]}}]}',
        ),
    ),
    "salesforce_pages": Parser(
        reading(pages._read, salesforce.broken),
        (b'{"done": false, "totalSize": 2, "nextRecordsUrl": "/x", "records": [{"Id": "1"}]}',),
    ),
    "salesforce_parts": Parser(
        reading(pages._read_part, salesforce.broken),
        (
            b'{"compositeResponse": [{"httpStatusCode": 200, "body": {"done": true, "totalSize": 0, "records": []}}]}',
        ),
    ),
    "salesforce_jobs": Parser(
        reading(bulk._job, salesforce.broken), (b'{"id": "750", "state": "JobComplete"}',)
    ),
    "salesforce_errors": Parser(
        refusing(partial(salesforce.check, operation="GET x", read=True)), (SF_ERRORS,)
    ),
    "salesforce_csv": Parser(text_of(result_file), (b'"sf__Id","sf__Error","K__c"\n"00A","","1"\n', b"\n\n")),
    "salesforce_dates": Parser(
        text_of(soql.instant), (b"2026-03-01T10:00:00.000+0000", b"2026-03-01T10:00:00Z")
    ),
    "infor_v2": Parser(reading(infor_answers, OF_INFOR), (MI,)),
    "infor_v1": Parser(
        reading(partial(infor.answer_v1, operation="P T", read=True), OF_INFOR), (MI_V1, NOK_V1)
    ),
    "infor_errors": Parser(
        refusing(partial(infor.check, operation="P T", read=True, wait_seconds=1.0)), (b'\x1d{"error": "x"}',)
    ),
    "infor_app": Parser(text_of(IonApp.of), (APP, b"[" * 3_000)),
    "headers": Parser(header, (b"120", b"Fri, 31 Dec 1999 23:59:59 GMT\nFri, 31 Dec 1999 23:59:00 GMT")),
    "logins": Parser(login, (b'{"access_token": "a", "refresh_token": "r", "expires_in": "3600"}',)),
    "pages": Parser(page, (f"<p>{SECRET}</p>".encode(), b'{"token": "abc"}')),
    "echoes": Parser(echo, (b"b2RkKzlmOGU3ZDZjLzViNGE9MzIxMA==", b"%6f%64%64&#111;")),
    "records": Parser(record, (b'{"id": 1, "name": "\xc3\x9f"}', b'{"id": 1, "a": ' + b"[" * 3_000)),
    "numbers": Parser(text_of(number), (b"1234.56", b"-0.10", b"12.50-")),
    "durations": Parser(text_of(partial(parse_duration, "window.delay")), (b"90d", b"30m")),
    "certificates": Parser(
        certificate, (b'{"kind":"books-closed certificate"}\n["a","1"]\n{"digest":"x"}\n',)
    ),
    # the text is not kept: a cache of a million of them would be
    "flow_files": Parser(text_of(lambda text: parse_flow.__wrapped__(text, "odd.yaml")), (FLOW,)),
}


def try_out(name: str, content: bytes) -> None:
    """Raises what is not to be: anything but an error with a sentence."""
    try:
        PARSERS[name].parse(content)
    except SyncError as error:
        assert str(error)
