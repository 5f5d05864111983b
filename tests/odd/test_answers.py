"""Odd answers to every client: what is read is complete and typed, or the call stops with a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simple_salesforce import Salesforce

from airflow_provider_brightpearl.core.ports.source import Message
from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.errors import SchemaMismatch, SyncError
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.systems.brightpearl.account import (
    fields_missing,
    fields_needed,
)
from airflow_provider_brightpearl.systems.brightpearl.auth import OAuthApp, OAuthTokens, PrivateAppAuth
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.webhooks import HookAddress, plan_hooks
from airflow_provider_brightpearl.systems.brightpearl.write_back import BrightpearlWriteBack
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens, Token
from airflow_provider_brightpearl.systems.http.transport import new_session
from airflow_provider_brightpearl.systems.infor.auth import IonApp, ServiceAccountTokens
from airflow_provider_brightpearl.systems.infor.client import InforClient, Transaction
from airflow_provider_brightpearl.systems.salesforce.address_codes import AddressCodes
from airflow_provider_brightpearl.systems.salesforce.client import SalesforceClient
from airflow_provider_brightpearl.systems.salesforce.graph import Graph, Node
from airflow_provider_brightpearl.systems.salesforce.schema import schema_problems
from airflow_provider_brightpearl.systems.salesforce.system import SALESFORCE
from tests.flows.site import MAPPINGS
from tests.odd.odd import A_QUARTER, MASKS, ODD, Answers, mounted, odd_body

ONCE = Backoff(tries=1, throttled_tries=1)
STATUSES = st.sampled_from([200, 200, 200, 200, 201, 400, 401, 404, 429, 500, 503, 504])
HEADERS = st.sampled_from([{}, {}, {"Retry-After": "x"}, {"Retry-After": "-1"}, {"Retry-After": "²"}])
Case = tuple[Callable[[Any], Any], Any]


def rested(_: float) -> None:
    return None


def brightpearl(answers: Answers) -> BrightpearlClient:
    session = mounted(new_session(), answers)
    auth = PrivateAppAuth("app", "secret")
    return BrightpearlClient("https://x.test", "acme", auth, session, backoff=ONCE, sleep=rested)


def salesforce(answers: Answers) -> SalesforceClient:
    session = mounted(new_session(), answers)
    sf = Salesforce(session_id="00D!x", instance="x.test", session=session)
    return SalesforceClient(sf, backoff=ONCE, row_backoff=ONCE, sleep=rested)


def infor(answers: Answers, version: str = "v2") -> InforClient:
    session = mounted(new_session(), answers)
    auth = PrivateAppAuth("app", "secret")
    return InforClient(
        "https://x.test", "T", auth, session, backoff=ONCE, row_backoff=ONCE, sleep=rested, version=version
    )


SEARCH = {
    "response": {
        "results": [[1, "2026-03-01T00:00:00Z", None], [2, "2026-03-02T00:00:00Z", "x"]],
        "metaData": {
            "resultsAvailable": 2, "resultsReturned": 2, "firstResult": 1, "lastResult": 2,
            "morePagesAvailable": False,
            "columns": [{"name": name, "sortable": True, "filterable": True} for name in ("id", "updatedOn", "x")],
            "sorting": [],
        },
    }
}  # fmt: skip
RECORDS = {"response": [{"id": 1, "reference": "a"}, {"id": 2, "reference": "b"}]}
MAPS = {"response": {"1": {"PCF_X": "a"}, "2": {"PCF_X": "b"}}}
PRICES = {"response": [{"productId": 1, "priceLists": [{"priceListId": 2, "quantityPrice": {"1": "5"}}]}]}
MESSAGES = {
    "response": {
        "processedMessages": [
            {"label": "0", "statusCode": 200, "body": {"content": '{"response": 5}'}},
            {"label": "1", "statusCode": 500, "body": {"content": '{"errors": [{"code": "CMNC-044"}]}'}},
        ],
        "unprocessedMessages": [],
    }
}  # fmt: skip
METADATA = {"response": [{"id": 1, "code": "PCF_M3ORDER", "customFieldType": "TEXT"}]}
HOOKS = {"response": [{"id": 1, "subscribeTo": "order", "uriTemplate": "https://x.test/"}]}
ORDERS = load_flow(MAPPINGS / "orders_to_infor.yaml")
CUSTOMERS = load_flow(MAPPINGS / "customers_to_salesforce.yaml")
WRITTEN = [Message("1", fields={"PCF_M3ORDER": "5"}), Message("2", note="n")]

BRIGHTPEARL: dict[str, Case] = {
    "search": (lambda c: list(c.search("o-search", columns=["id", "updatedOn"], sort="id")), SEARCH),
    "count": (lambda c: c.count("o-search"), SEARCH),
    "records": (lambda c: list(c.get_records("o", [1, 2])), RECORDS),
    "map": (lambda c: list(c.get_map("o", [1, 2])), MAPS),
    "value": (lambda c: c.get("o"), RECORDS),
    "ids": (lambda c: list(c.list_ids("o")), {"response": {"getUris": ["/o/1-5,9", "/o/12"]}}),
    "post": (lambda c: c.post("o", {}), {"response": 5}),
    "messages": (lambda c: c.multi_message([{"label": "0"}, {"label": "1"}]), MESSAGES),
    "write-back": (lambda c: BrightpearlWriteBack(c, "sales_orders").send(WRITTEN), MESSAGES),
    "notes": (lambda c: BrightpearlWriteBack(c, "sales_orders").find_notes(WRITTEN[1:]), SEARCH),
    "custom fields": (lambda c: fields_missing(c, fields_needed([ORDERS])), METADATA),
    "webhooks": (lambda c: plan_hooks(c, ["order.created"], HookAddress("https://x.test/", "s")), HOOKS),
}
ROWS = ['{"K__c":"1","Name":"a"}', '{"K__c":"2","Name":"b"}']
FIELD = {
    "name": "BillingStateCode", "type": "picklist", "externalId": False, "idLookup": False,
    "controllerName": "BillingCountryCode",
    "picklistValues": [{"value": "TX", "label": "Texas", "active": True, "validFor": "gA=="}],
}  # fmt: skip
COUNTRY = {**FIELD, "name": "BillingCountryCode", "controllerName": None,
           "picklistValues": [{"value": "US", "label": "United States", "active": True, "validFor": None}]}  # fmt: skip
DESCRIBE = {"name": "Account", "fields": [FIELD, COUNTRY, {"name": "Name", "type": "string"}]}
PAGE = {"totalSize": 1, "done": True, "records": [{"attributes": {"type": "A"}, "Id": "001", "Net__c": 1.50}]}
ROW_ANSWERS = [
    {"id": "001", "success": True, "created": True, "errors": []},
    {"success": False, "errors": [{"statusCode": "X", "message": "m", "fields": ["Name"], "duplicateResut": {
        "duplicateRule": "r", "matchResults": [{"matchRecords": [{"record": {"Id": "1"}}]}]}}]},
]  # fmt: skip
GRAPHS = {
    "graphs": [
        {
            "graphId": "g",
            "isSuccessful": True,
            "graphResponse": {
                "compositeResponse": [
                    {
                        "referenceId": "r",
                        "httpStatusCode": 201,
                        "body": {"id": "1", "success": True, "created": True},
                    },
                    {"referenceId": "s", "httpStatusCode": 400, "body": [{"errorCode": "X", "message": "m"}]},
                ]
            },
        }
    ]
}
GRAPH = [Graph("g", (Node("r", "POST", "x", "{}"), Node("s", "POST", "x", "{}")))]
LIMITS = {"DailyApiRequests": {"Max": 100, "Remaining": 5}}

SALESFORCE_CALLS: dict[str, Case] = {
    "query": (lambda c: list(c.query("SELECT Id FROM A")), PAGE),
    "describe": (lambda c: schema_problems(c, CUSTOMERS), DESCRIBE),
    "states": (lambda c: AddressCodes(c, CUSTOMERS).renamed("Account"), DESCRIBE),
    "objects": (lambda c: c.objects(), {"sobjects": [{"name": "A"}]}),
    "limits": (lambda c: SALESFORCE.quota(c), LIMITS),
    "upsert": (lambda c: c.upsert("A", "K__c", ROWS), ROW_ANSWERS),
    "delete": (lambda c: c.delete(["1", "2"]), ROW_ANSWERS),
    "graph": (lambda c: c.graph(GRAPH), GRAPHS),
}
JOB = {"id": "750", "state": "JobComplete", "numberRecordsProcessed": 3, "numberRecordsFailed": 1}
DONE = b'"sf__Id","sf__Created",K__c\n"001","true","1"\n"002","false","2"\n'
FAILED = (
    b'"sf__Id","sf__Error",K__c\n"","REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --",3\n'
)

MI = {
    "results": [
        {"transaction": "AddX", "records": [{"ORNO": "1", "NTAM": "12.50"}]},
        {"transaction": "AddX", "errorMessage": "m", "errorCode": "WCU0101", "errorField": "CUNO"},
    ],
    "nrOfSuccessfullTransactions": 1,
    "nrOfFailedTransactions": 1,
    "wasTerminated": False,
}
MI_V1 = {"Program": "CRS610MI", "Transaction": "LstX", "MIRecord": [
    {"RowIndex": "0", "NameValue": [{"Name": "CUNO", "Value": "Y1    "}, {"Name": "CUNM", "Value": "x"}]}]}  # fmt: skip
TWO = [Transaction("AddX", {"CUNO": "1"}), Transaction("AddX", {"CUNO": "2"})]


def fails_with_a_sentence(act: Callable[[], Any]) -> Any:
    """What it gives; raises anything but an error with a sentence."""
    try:
        return act()
    except SyncError as error:
        assert str(error)
        return error


def odd_answer(good: Any, seed: int, value: Any, status: int, headers: dict[str, str]) -> Answers:
    body = odd_body(good, seed, value)
    return Answers(lambda *_: (status, body, headers))


@pytest.mark.parametrize("name", BRIGHTPEARL)
@A_QUARTER
@given(seed=MASKS, value=ODD, status=STATUSES, headers=HEADERS)
def test_brightpearl(name: str, seed: int, value: Any, status: int, headers: dict[str, str]) -> None:
    call, good = BRIGHTPEARL[name]
    client = brightpearl(odd_answer(good, seed, value, status, headers))
    fails_with_a_sentence(lambda: call(client))


@pytest.mark.parametrize("name", SALESFORCE_CALLS)
@A_QUARTER
@given(seed=MASKS, value=ODD, status=STATUSES, headers=HEADERS)
def test_salesforce(name: str, seed: int, value: Any, status: int, headers: dict[str, str]) -> None:
    call, good = SALESFORCE_CALLS[name]
    client = salesforce(odd_answer(good, seed, value, status, headers))
    fails_with_a_sentence(lambda: call(client))


def test_a_state_field_without_its_list_is_named() -> None:
    listless = {name: value for name, value in FIELD.items() if name != "picklistValues"}
    answer = json.dumps({**DESCRIBE, "fields": [listless, COUNTRY]}).encode()
    codes = AddressCodes(salesforce(Answers(lambda *_: (200, answer, {}))), CUSTOMERS)
    with pytest.raises(SchemaMismatch, match="no picklistValues of BillingStateCode"):
        codes.renamed("Account")


@given(call=st.integers(1, 7), seed=MASKS, value=ODD, headers=HEADERS)
def test_a_bulk_job_of_salesforce(call: int, seed: int, value: Any, headers: dict[str, str]) -> None:
    def answer(method: str, path: str, number: int) -> tuple[int, bytes, dict[str, str]]:
        good: Any = DONE if "successful" in path else FAILED if "failedResults" in path else JOB
        body = json.dumps(good).encode() if isinstance(good, dict) else good
        return 200, odd_body(good, seed, value) if number == call else body, headers

    rows = [*ROWS, '{"K__c":"3","Name":""}']
    client = salesforce(Answers(answer))
    found = fails_with_a_sentence(lambda: list(client.bulk_upsert("A", "K__c", rows)))
    if isinstance(found, list):
        assert {each.key for each in found} <= {"1", "2", "3"}


@given(call=st.integers(1, 4), seed=MASKS, value=ODD)
def test_a_bulk_query_of_salesforce(call: int, seed: int, value: Any) -> None:
    def answer(method: str, path: str, number: int) -> tuple[int, bytes, dict[str, str]]:
        good: Any = DONE if "results" in path else JOB
        body = json.dumps(good).encode() if isinstance(good, dict) else good
        return 200, odd_body(good, seed, value) if number == call else body, {"Sforce-NumberOfRecords": "2"}

    client = salesforce(Answers(answer))
    fails_with_a_sentence(lambda: list(client.bulk_query("SELECT Id FROM A")))


@pytest.mark.parametrize("version", ["v1", "v2"])
@given(seed=MASKS, value=ODD, status=STATUSES, headers=HEADERS)
def test_infor(version: str, seed: int, value: Any, status: int, headers: dict[str, str]) -> None:
    good = MI if version == "v2" else MI_V1
    client = infor(odd_answer(good, seed, value, status, headers), version)
    fails_with_a_sentence(lambda: client.bulk("CRS610MI", TWO, repeatable=False))
    read = fails_with_a_sentence(lambda: client.read("CRS610MI", "LstX", {}))
    if not isinstance(read, SyncError):
        assert all(isinstance(text, str) for record in read for text in record.values())


TOKEN = {"access_token": "a", "refresh_token": "r", "expires_in": 3600, "token_type": "Bearer"}
APP = IonApp("T", "c", "https://x.test", "https://x.test/token", "a", "s", "s")


def tokens(answers: Answers) -> Iterator[Callable[[], str]]:
    """The logins of both OAuth systems."""
    session = mounted(new_session(), answers)
    app = OAuthApp("app", "", "https://x.test/token", "s")
    yield OAuthTokens(app, "b", MemoryTokens(), Token("", "r"), session).current
    yield ServiceAccountTokens(APP, MemoryTokens(), session).current


@given(seed=MASKS, value=ODD, status=STATUSES, headers=HEADERS)
def test_tokens(seed: int, value: Any, status: int, headers: dict[str, str]) -> None:
    for current in tokens(odd_answer(TOKEN, seed, value, status, headers)):
        found = fails_with_a_sentence(current)
        assert isinstance(found, SyncError) or (isinstance(found, str) and found)
