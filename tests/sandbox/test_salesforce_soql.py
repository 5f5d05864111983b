"""Queries and paging (reference, section 3.3)."""

from __future__ import annotations

import pytest

from tests.sandbox.salesforce_org import Api, api, sandbox

__all__ = ["api", "sandbox"]


@pytest.fixture
def people(api: Api) -> Api:
    account = api.create("Account", Name="O'Brien", Brightpearl_Id__c="1", AnnualRevenue=5)
    rows: list[dict[str, object]] = [
        {"LastName": "Ada", "Email": "ada@example.com", "Title": "Boss_1", "DoNotCall": True},
        {"LastName": "bob", "Birthdate": "1990-02-28"},
        {"LastName": "Cy", "Title": "100%", "AccountId": None},
    ]
    for row in rows:
        api.create("Contact", **{"AccountId": account, **row})
    return api


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("LastName = 'ADA'", ["Ada"]),
        ("LastName != 'ada'", ["bob", "Cy"]),
        ("Title != 'x'", ["Ada", "bob", "Cy"]),
        ("Title = null", ["bob"]),
        ("LastName IN ('ada','CY')", ["Ada", "Cy"]),
        ("LastName NOT IN ('ada','CY')", ["bob"]),
        ("LastName LIKE 'b%'", ["bob"]),
        ("LastName LIKE '_y'", ["Cy"]),
        (r"Title LIKE '%\%'", ["Cy"]),
        (r"Title LIKE 'Boss\_1'", ["Ada"]),
        ("NOT LastName = 'ada'", ["bob", "Cy"]),
        ("DoNotCall = true", ["Ada"]),
        ("Birthdate < 1991-01-01", ["bob"]),
        ("Birthdate = 1990-02-28", ["bob"]),
        ("CreatedDate = TODAY AND (LastName = 'bob' OR Title = '100%')", ["bob", "Cy"]),
        ("CreatedDate >= LAST_N_DAYS:2", ["Ada", "bob", "Cy"]),
        ("CreatedDate < 2020-01-01T00:00:00+01:00", []),
        (r"Account.Name = 'O\'Brien'", ["Ada", "bob"]),
        ("Account.AnnualRevenue > 4.5 AND Email != null", ["Ada"]),
        ("AccountId = null", ["Cy"]),
        ("LastName > 'B'", ["bob", "Cy"]),
    ],
)
def test_where(people: Api, where: str, found: list[str]) -> None:
    rows = people.rows(f"SELECT LastName FROM Contact WHERE {where} ORDER BY LastName")
    assert found == [row["LastName"] for row in rows]


def test_order_limit_offset_nulls(people: Api) -> None:
    def names(tail: str) -> list[str]:
        found = people.rows(f"select lastname from contact {tail}")
        return [row["LastName"] for row in found]

    assert ["Cy", "bob", "Ada"] == names("order by lastname desc")
    assert ["bob", "Cy", "Ada"] == names("ORDER BY Title ASC")
    assert ["Cy", "Ada", "bob"] == names("ORDER BY Title NULLS LAST")
    assert ["bob"] == names("ORDER BY LastName LIMIT 1 OFFSET 1")


def test_parents_children_and_counts(people: Api) -> None:
    row = people.rows("SELECT LastName, Account.Name, Account.Owner.Name FROM Contact WHERE Email != null")[0]
    assert ("Account", "O'Brien") == (row["Account"]["attributes"]["type"], row["Account"]["Name"])
    assert "Integration User" == row["Account"]["Owner"]["Name"]
    text = "SELECT Id, (SELECT LastName FROM Contacts ORDER BY LastName) FROM Account"
    children = [row["Contacts"] for row in people.rows(text)]
    assert 5 == children.count(None)
    assert [2] == [one["totalSize"] for one in children if one]
    found = people.query("SELECT COUNT() FROM Contact WHERE AccountId != null")
    assert (2, []) == (found["totalSize"], found["records"])


def test_group_by(people: Api) -> None:
    columns = "AccountId, COUNT(Id) n, MIN(LastName), MAX(CreatedDate)"
    text = f"SELECT {columns} FROM Contact GROUP BY AccountId ORDER BY COUNT(Id)"
    rows = people.rows(text)
    assert [1, 2] == [row["n"] for row in rows]
    assert "AggregateResult" == rows[0]["attributes"]["type"]
    assert "Ada" == rows[1]["expr0"]
    assert 5 == people.rows("SELECT SUM(AnnualRevenue) FROM Account")[0]["expr0"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT Id FROM", "MALFORMED_QUERY"),
        ("SELECT Id Account", "MALFORMED_QUERY"),
        ("", "MALFORMED_QUERY"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        ("SELECT Nope FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Nope = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE CreatedDate > '2026-01-01'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE Name = 'a' AND Site = 'b' OR Phone = 'c'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Description = 'a'", "INVALID_FIELD"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("SELECT Id, Id FROM Account", "INVALID_FIELD"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY"),
    ],
)
def test_bad_queries(api: Api, text: str, code: str) -> None:
    assert (400, code) == api.refusal("GET", "query", params={"q": text})


def test_paging(api: Api) -> None:
    for start in range(0, 600, 200):
        rows = [{"Name": f"N{i:03}", "Brightpearl_Id__c": str(i)} for i in range(start, start + 200)]
        api.upsert("Account", "Brightpearl_Id__c", rows)
    text = "SELECT Name FROM Account WHERE Brightpearl_Id__c != null ORDER BY Name"
    page = api("GET", "query/", params={"q": text}, headers={"Sforce-Query-Options": "batchSize=250"}).json()
    assert (600, False, 250) == (page["totalSize"], page["done"], len(page["records"]))
    names = [row["Name"] for row in page["records"]]
    header = {"Sforce-Query-Options": "batchSize=250"}
    while not page["done"]:
        page = api("GET", page["nextRecordsUrl"], headers=header).json()
        names += [row["Name"] for row in page["records"]]
    assert [f"N{i:03}" for i in range(600)] == names
    api.settings(page_max=7)
    assert 7 == len(api.rows(text))
    api.sandbox.control("POST", "/clock", {"advance_seconds": 200_000})
    api.login()
    locator = api.refusal("GET", "query/0r8000000000001AAA-7")
    assert (400, "INVALID_QUERY_LOCATOR") == locator


def test_query_all_shows_the_deleted_but_no_order_items(api: Api) -> None:
    account = api.create("Account", Name="Gone")
    api("DELETE", f"sobjects/Account/{account}")
    text = "SELECT Id, IsDeleted FROM Account WHERE Name = 'Gone'"
    assert [] == api.rows(text)
    assert [True] == [row["IsDeleted"] for row in api.rows(text, "queryAll")]
    order = api.draft_order()
    _, entry = api.priced_product()
    item = api.create("OrderItem", OrderId=order, PricebookEntryId=entry, Quantity=1, UnitPrice=1)
    api("DELETE", f"sobjects/OrderItem/{item}")
    assert [] == api.rows("SELECT Id FROM OrderItem WHERE IsDeleted = true", "queryAll")


def test_longer_child_lists_have_pages_of_their_own(people: Api) -> None:
    people.settings(child_page_size=1)
    account = people.rows("SELECT Id, (SELECT LastName FROM Contacts ORDER BY LastName) FROM Account WHERE "
                          "Brightpearl_Id__c = '1'")[0]  # fmt: skip
    first = account["Contacts"]
    assert (2, False, ["Ada"]) == (
        first["totalSize"],
        first["done"],
        [row["LastName"] for row in first["records"]],
    )
    last = people("GET", first["nextRecordsUrl"]).json()
    assert (2, True, ["bob"]) == (
        last["totalSize"],
        last["done"],
        [row["LastName"] for row in last["records"]],
    )


def test_query_all_shows_deleted_children_and_parents(people: Api) -> None:
    account = people.rows("SELECT Id FROM Account WHERE Brightpearl_Id__c = '1'")[0]["Id"]
    contact = people.rows("SELECT Id FROM Contact WHERE LastName = 'Ada'")[0]["Id"]
    people("DELETE", f"sobjects/Contact/{contact}")
    children = f"SELECT Id, (SELECT LastName FROM Contacts) FROM Account WHERE Id = '{account}'"
    assert 1 == people.rows(children)[0]["Contacts"]["totalSize"]
    assert 2 == people.rows(children, "queryAll")[0]["Contacts"]["totalSize"]
    people("DELETE", f"sobjects/Account/{account}")
    deleted = people.rows(f"SELECT Account.Name FROM Contact WHERE Id = '{contact}'", "queryAll")
    assert "O'Brien" == deleted[0]["Account"]["Name"]


def test_an_opportunity_is_won_by_its_stage(people: Api) -> None:
    for stage in ("Prospecting", "Closed Won", "Closed Lost"):
        people.create("Opportunity", Name=stage, StageName=stage, CloseDate="2026-03-01")
    won = people.rows("SELECT Name, IsClosed FROM Opportunity WHERE IsWon = true")
    assert [("Closed Won", True)] == [(row["Name"], row["IsClosed"]) for row in won]
