"""Collections, composite, graph and tree (reference, sections 3.5 and 3.6)."""

from __future__ import annotations

from typing import Any

from tests.sandbox.salesforce_org import Api, api, sandbox

__all__ = ["api", "sandbox"]

BASE = "/services/data/v62.0"
KEY = "Brightpearl_Id__c"


def _codes(rows: list[dict[str, Any]]) -> list[str]:
    return [row["errors"][0]["statusCode"] if row["errors"] else "ok" for row in rows]


def test_upsert_keeps_the_order_and_reports_each_row(api: Api) -> None:
    rows = [{"Name": "A", KEY: "1"}, {"Name": "x" * 300, KEY: "2"}, {KEY: "3"}, {"Name": "D", KEY: "4"}]
    first = api.upsert("Account", KEY, rows)
    assert ["ok", "STRING_TOO_LONG", "REQUIRED_FIELD_MISSING", "ok"] == _codes(first)
    assert [True, False, False, True] == [row["created"] for row in first]
    assert {"statusCode", "message", "fields"} == set(first[1]["errors"][0])
    again = api.upsert("Account", KEY, [{"Name": "A", KEY: "1"}])
    assert (first[0]["id"], False) == (again[0]["id"], again[0]["created"])


def test_the_same_key_twice_refuses_both_rows(api: Api) -> None:
    rows = [{"Name": "A", KEY: "x1"}, {"Name": "B", KEY: "2"}, {"Name": "C", KEY: "X1"}]
    answer = api.upsert("Account", KEY, rows)
    assert ["DUPLICATE_VALUE", "ok", "DUPLICATE_VALUE"] == _codes(answer)
    assert "Duplicate external id specified: x1" == answer[0]["errors"][0]["message"]


def test_all_or_none_takes_everything_back(api: Api) -> None:
    api.upsert("Account", KEY, [{"Name": "old", KEY: "1"}])
    rows = [{"Name": "new", KEY: "1"}, {"Name": "B", KEY: "2"}, {KEY: "3"}]
    answer = api.upsert("Account", KEY, rows, whole=True)
    rolled_back = "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert [rolled_back, rolled_back, "REQUIRED_FIELD_MISSING"] == _codes(answer)
    kept = api.rows("SELECT Name FROM Account WHERE Brightpearl_Id__c != null")
    assert ["old"] == [row["Name"] for row in kept]
    assert ["ok"] == _codes(api.upsert("Account", KEY, [{"Name": "B", KEY: "2"}]))


def test_limits_and_shape_of_the_envelope(api: Api) -> None:
    path = f"composite/sobjects/Account/{KEY}"
    rows = [{"attributes": {"type": "Account"}, "Name": "A", KEY: str(i)} for i in range(201)]
    assert (400, "LIMIT_EXCEEDED") == api.refusal("PATCH", path, {"records": rows})
    assert (400, "JSON_PARSER_ERROR") == api.refusal("PATCH", path, {"record": []})
    assert (400, "INVALID_TYPE") == api.refusal("PATCH", path, {"records": [{"Name": "A"}]})
    assert 404 == api("PATCH", "composite/sobjects/Account/Name", {"records": rows[:1]}).status_code
    assert ["MISSING_ARGUMENT"] == _codes(api.upsert("Account", KEY, [{"Name": "A"}]))


def test_id_as_key_field(api: Api) -> None:
    made = api.upsert("Account", "Id", [{"Name": "A", "Id": None}])
    assert ["ok"] == _codes(made)
    again = api.upsert("Account", "Id", [{"Name": "B", "id": made[0]["id"]}])
    assert (False, made[0]["id"]) == (again[0]["created"], again[0]["id"])


def test_insert_update_retrieve_delete(api: Api) -> None:
    records = [
        {"attributes": {"type": "Account"}, "Name": "A"},
        {"attributes": {"type": "Contact"}, "LastName": "B"},
    ]
    made = api("POST", "composite/sobjects", {"allOrNone": False, "records": records}).json()
    account, contact = (row["id"] for row in made)
    changes = [
        {"attributes": {"type": "Account"}, "id": account, "Name": "A2"},
        {"attributes": {"type": "Contact"}, "Id": contact, "LastName": None},
        {"attributes": {"type": "Account"}, "Id": "001000000000999AAA", "Name": "A2"},
    ]
    changed = api("PATCH", "composite/sobjects", {"records": changes}).json()
    assert ["ok", "REQUIRED_FIELD_MISSING", "INVALID_CROSS_REFERENCE_KEY"] == _codes(changed)
    wanted = {"ids": [account, "001000000000999AAA"], "fields": ["Name"]}
    found = api("POST", "composite/sobjects/Account", wanted).json()
    assert ["A2", None] == [row and row["Name"] for row in found]
    gone = api("DELETE", "composite/sobjects", params={"ids": f"{account},{account}"}).json()
    assert ["ok", "ENTITY_IS_DELETED"] == _codes(gone)


def test_one_bad_type_can_refuse_the_request(api: Api) -> None:
    rows = [{"Name": "A", KEY: "1"}, {"Name": "B", "AnnualRevenue": "lots", KEY: "2"}]
    assert ["ok", "JSON_PARSER_ERROR"] == _codes(api.upsert("Account", KEY, rows))
    api.settings(type_error_scope="request")
    rows = [{"Name": "A", KEY: "11"}, {"Name": "B", "AnnualRevenue": "lots", KEY: "12"}]
    assert "JSON_PARSER_ERROR" == api.upsert("Account", KEY, rows)[0]["errorCode"]
    assert [] == api.rows("SELECT Id FROM Account WHERE Brightpearl_Id__c = '11'")


def test_row_faults_come_as_often_as_asked(api: Api) -> None:
    api.settings(
        row_faults=[{"object": "Account", "code": "UNABLE_TO_LOCK_ROW", "where": {"Name": "B"}, "times": 1}]
    )
    rows = [{"Name": "A", KEY: "1"}, {"Name": "B", KEY: "2"}]
    assert ["ok", "UNABLE_TO_LOCK_ROW"] == _codes(api.upsert("Account", KEY, rows))
    assert ["ok", "ok"] == _codes(api.upsert("Account", KEY, rows))


def _node(reference: str, path: str, body: dict[str, Any], method: str = "POST") -> dict[str, Any]:
    return {"method": method, "url": f"{BASE}/{path}", "referenceId": reference, "body": body}


def test_composite_with_references(api: Api) -> None:
    parts = [
        _node("acc", "sobjects/Account", {"Name": "A"}),
        {
            "method": "GET",
            "url": f"{BASE}/query?q=SELECT+Name+FROM+Account+WHERE+Id='@{{acc.id}}'",
            "referenceId": "q",
        },
        _node("con", "sobjects/Contact", {"LastName": "@{q.records[0].Name}", "AccountId": "@{acc.id}"}),
    ]
    answer = api("POST", "composite", {"compositeRequest": parts}).json()["compositeResponse"]
    assert [201, 200, 201] == [part["httpStatusCode"] for part in answer]
    assert "A" == api.rows("SELECT LastName FROM Contact")[0]["LastName"]


def test_composite_all_or_none(api: Api) -> None:
    parts = [
        _node("a", "sobjects/Account", {"Name": "A"}),
        _node("b", "sobjects/Account", {}),
        _node("c", "sobjects/Account", {"Name": "C"}),
    ]
    together = api("POST", "composite", {"allOrNone": True, "compositeRequest": parts}).json()
    codes = [part["body"][0]["errorCode"] for part in together["compositeResponse"]]
    assert ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED"] == codes
    assert 5 == api.query("SELECT COUNT() FROM Account")["totalSize"]
    alone = api("POST", "composite", {"compositeRequest": parts}).json()["compositeResponse"]
    assert [201, 400, 201] == [part["httpStatusCode"] for part in alone]
    assert (400, "LIMIT_EXCEEDED") == api.refusal("POST", "composite", {"compositeRequest": [parts[0]] * 26})


def test_batch_counts_every_part(api: Api) -> None:
    parts = [
        {"method": "GET", "url": "v62.0/limits"},
        {"method": "GET", "url": "v62.0/no"},
        {"method": "GET", "url": "v62.0/limits"},
    ]
    before = api.sandbox.control("GET", "/settings/salesforce")["daily_api_used"]
    answer = api("POST", "composite/batch", {"haltOnError": True, "batchRequests": parts}).json()
    assert (True, [200, 404, 412]) == (
        answer["hasErrors"],
        [part["statusCode"] for part in answer["results"]],
    )
    assert before + 3 == api.sandbox.control("GET", "/settings/salesforce")["daily_api_used"]


def _order_graph(api: Api, name: str, entry: str, account: str, quantity: int) -> dict[str, Any]:
    order = {"AccountId": account, "EffectiveDate": "2026-01-31", "Status": "Draft"}
    order["Pricebook2Id"] = api.standard_book()
    item = {"OrderId": "@{order.id}", "PricebookEntryId": entry, "Quantity": quantity, "UnitPrice": "9.99"}
    nodes = [
        _node("order", f"sobjects/Order/Brightpearl_Order_Id__c/{name}", order, "PATCH"),
        _node("item", f"sobjects/OrderItem/Brightpearl_Row_Id__c/{name}-1", item, "PATCH"),
        _node("on", "sobjects/Order/@{order.id}", {"Status": "Processing"}, "PATCH"),
    ]
    return {"graphId": name, "compositeRequest": nodes}


def test_each_graph_is_a_transaction(api: Api) -> None:
    _, entry = api.priced_product()
    account = api.create("Account", Name="A")
    graphs = [_order_graph(api, str(n), entry, account, 0 if n == 2 else 1) for n in (1, 2, 3)]
    answer = api("POST", "composite/graph", {"graphs": graphs}).json()["graphs"]
    assert [True, False, True] == [graph["isSuccessful"] for graph in answer]
    assert [201, 201, 204] == [p["httpStatusCode"] for p in answer[0]["graphResponse"]["compositeResponse"]]
    codes = [p["body"][0]["errorCode"] for p in answer[1]["graphResponse"]["compositeResponse"]]
    assert ["PROCESSING_HALTED", "FIELD_INTEGRITY_EXCEPTION", "PROCESSING_HALTED"] == codes
    orders = api.rows(
        "SELECT Brightpearl_Order_Id__c, StatusCode FROM Order ORDER BY Brightpearl_Order_Id__c"
    )
    assert [("1", "Activated"), ("3", "Activated")] == [
        (row["Brightpearl_Order_Id__c"], row["StatusCode"]) for row in orders
    ]


def test_graph_limits(api: Api) -> None:
    node = _node("a", "sobjects/Account", {"Name": "A"})
    graphs = [{"graphId": str(n), "compositeRequest": [node]} for n in range(76)]
    assert (400, "LIMIT_EXCEEDED") == api.refusal("POST", "composite/graph", {"graphs": graphs})
    bad = [{"graphId": str(n), "compositeRequest": [_node("a", "sobjects/Account", {})]} for n in range(15)]
    graphs = [*bad, {"graphId": "last", "compositeRequest": [node]}]
    answer = api("POST", "composite/graph", {"graphs": graphs}).json()["graphs"]
    assert not answer[-1]["isSuccessful"]


def test_tree(api: Api) -> None:
    contact = {"attributes": {"type": "Contact", "referenceId": "c"}, "LastName": "B"}
    account = {
        "attributes": {"type": "Account", "referenceId": "a"},
        "Name": "A",
        "Contacts": {"records": [contact]},
    }
    answer = api("POST", "composite/tree/Account", {"records": [account]})
    assert (201, ["a", "c"]) == (answer.status_code, [row["referenceId"] for row in answer.json()["results"]])
    assert "A" == api.rows("SELECT Account.Name FROM Contact")[0]["Account"]["Name"]
    contact["LastName"] = ""
    answer = api("POST", "composite/tree/Account", {"records": [account]})
    assert (400, True) == (answer.status_code, answer.json()["hasErrors"])
    assert 6 == api.query("SELECT COUNT() FROM Account")["totalSize"]
