"""Bulk API 2.0, both ways (reference, sections 3.7 and 3.8)."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

from tests.sandbox.salesforce_org import Api, api, sandbox

__all__ = ["api", "sandbox"]


def _table(api: Api, job: dict[str, Any], which: str) -> list[dict[str, str]]:
    answer = api("GET", f"jobs/ingest/{job['id']}/{which}")
    assert "text/csv" in answer.headers["Content-Type"]
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_upsert_with_failures_in_shuffled_order(api: Api) -> None:
    lines = [f",N{i},{i}," if i % 10 else f",,{i}," for i in range(1, 101)]
    job = api.bulk("Account", "Id,Name,Brightpearl_Id__c,Type\n" + "\n".join(lines) + "\n")
    assert ("JobComplete", 100, 10) == (
        job["state"],
        job["numberRecordsProcessed"],
        job["numberRecordsFailed"],
    )
    good, bad = _table(api, job, "successfulResults"), _table(api, job, "FAILEDRESULTS/")
    keys = [int(row["Brightpearl_Id__c"]) for row in good]
    assert sorted(keys) != keys
    assert [i for i in range(1, 101) if i % 10] == sorted(keys)
    assert {"true"} == {row["sf__Created"] for row in good}
    assert 10 == len(bad)
    assert bad[0]["sf__Error"].startswith(
        "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"
    )
    assert [] == _table(api, job, "unprocessedRecords")


def test_empty_cells_are_left_alone_and_na_takes_away(api: Api) -> None:
    api.create("Account", Name="A", Brightpearl_Id__c="1", Phone="5", Site="home")
    api.bulk("Account", "Brightpearl_Id__c,Phone,Site\n1,,#N/A\n")
    row = api.rows("SELECT Phone, Site FROM Account WHERE Brightpearl_Id__c = '1'")[0]
    assert ("5", None) == (row["Phone"], row["Site"])


def test_parents_by_key(api: Api) -> None:
    api.create("Account", Name="A", Brightpearl_Id__c="1")
    text = "LastName;Brightpearl_Id__c;Account.Brightpearl_Id__c\r\nX;1;1\r\nY;2;9\r\n"
    job = api.bulk("Contact", text, columnDelimiter="SEMICOLON", lineEnding="CRLF")
    assert 1 == job["numberRecordsFailed"]
    answer = api("GET", f"jobs/ingest/{job['id']}/failedResults").text
    assert '"sf__Id";"sf__Error";"LastName"' in answer
    assert "INVALID_FIELD:Foreign key external ID: 9 not found" in answer


def test_unknown_column_fails_the_whole_job(api: Api) -> None:
    job = api.bulk("Account", "Brightpearl_Id__c,Nope__c\n1,2\n3,4\n")
    assert "Failed" == job["state"]
    assert job["errorMessage"].startswith("InvalidBatch : Field name not found : Nope__c")
    assert 2 == len(_table(api, job, "unprocessedrecords"))


def test_line_ending_must_be_as_announced(api: Api) -> None:
    job = api.bulk("Account", "Brightpearl_Id__c,Name\r\n1,2\r\n")
    assert ("Failed", True) == (job["state"], "LineEnding is invalid" in job["errorMessage"])


def test_duplicate_keys_in_one_chunk(api: Api) -> None:
    job = api.bulk("Account", "Brightpearl_Id__c,Name\n1,A\n1,B\n2,C\n")
    assert 2 == job["numberRecordsFailed"]
    assert {"DUPLICATE_VALUE"} == {
        row["sf__Error"].split(":")[0] for row in _table(api, job, "failedResults")
    }


def test_insert_update_delete(api: Api) -> None:
    job = api.bulk("Account", "Name\nA\n", "insert")
    made = _table(api, job, "successfulResults")[0]["sf__Id"]
    job = api.bulk("Account", f"Id,Name\n{made},B\n", "update")
    assert "false" == _table(api, job, "successfulResults")[0]["sf__Created"]
    assert "Failed" == api.bulk("Account", f"Id,Name\n{made},B\n", "delete")["state"]
    assert 0 == api.bulk("Account", f"Id\n{made}\n", "delete")["numberRecordsFailed"]
    assert 404 == api("GET", f"sobjects/Account/{made}").status_code


def test_states_and_bad_steps(api: Api) -> None:
    body = {"object": "Account", "operation": "upsert", "externalIdFieldName": "Brightpearl_Id__c"}
    assert (400, "INVALID_JOB") == api.refusal("POST", "jobs/ingest", {**body, "externalIdFieldName": "Name"})
    assert (400, "JSON_PARSER_ERROR") == api.refusal("POST", "jobs/ingest", {**body, "x": 1})
    job = api("POST", "jobs/ingest", body).json()
    path = f"jobs/ingest/{job['id']}"
    assert ("Open", "V2Ingest", 62.0) == (job["state"], job["jobType"], job["apiVersion"])
    text = {"data": b"Name,Brightpearl_Id__c\nA,1\n", "headers": {"Content-Type": "text/csv"}}
    put = api("PUT", f"{path}/batches/", **text)
    assert (201, b"") == (put.status_code, put.content)
    assert 400 == api("PUT", f"{path}/batches", **text).status_code
    assert 400 == api("GET", f"{path}/successfulResults").status_code
    api.settings(bulk_polls=3)
    assert "UploadComplete" == api("PATCH", path, {"state": "UploadComplete"}).json()["state"]
    states = [api("GET", path).json()["state"] for _ in range(3)]
    assert ["UploadComplete", "InProgress", "JobComplete"] == states
    assert 204 == api("DELETE", path).status_code
    assert (404, "NOT_FOUND") == api.refusal("GET", path)


def test_job_that_takes_its_time_by_the_clock(api: Api) -> None:
    api.settings(bulk_seconds=60)
    assert "InProgress" == api.bulk("Account", "Name,Brightpearl_Id__c\nA,1\n")["state"]
    path = f"jobs/ingest/{api('GET', 'jobs/ingest').json()['records'][0]['id']}"
    api.sandbox.control("POST", "/clock", {"advance_seconds": 61})
    assert "JobComplete" == api("GET", path).json()["state"]
    api.sandbox.control("POST", "/clock", {"advance_seconds": 604_800})
    api.login()
    assert 404 == api("GET", path).status_code


def test_a_job_that_dies_leaves_rows_unprocessed(api: Api) -> None:
    api.settings(bulk_fail_after_rows=200)
    text = "Name,Brightpearl_Id__c\n" + "".join(f"A,{i}\n" for i in range(500))
    job = api.bulk("Account", text)
    assert ("Failed", 200) == (job["state"], job["numberRecordsProcessed"])
    assert 200 == len(_table(api, job, "successfulResults"))
    assert 300 == len(_table(api, job, "unprocessedrecords"))


def test_a_job_that_somebody_aborts_leaves_rows_unprocessed(api: Api) -> None:
    api.settings(bulk_chunk_rows=2, bulk_abort_after_rows=4)
    text = "Name,Brightpearl_Id__c\n" + "".join(f"A,{i}\n" for i in range(7))
    job = api.bulk("Account", text)
    assert ("Aborted", 4) == (job["state"], job["numberRecordsProcessed"])
    assert 3 == len(_table(api, job, "unprocessedrecords"))
    assert [("Account", "Aborted")] == [
        (each["object"], each["state"]) for each in api.sandbox.snapshot("salesforce", "bulk_jobs")
    ]


def test_large_job_runs_behind_and_can_be_aborted(api: Api) -> None:
    text = "Name,Brightpearl_Id__c\n" + "".join(f"Account number {i},{i}\n" for i in range(30_000))
    body = {"object": "Account", "operation": "upsert", "externalIdFieldName": "Brightpearl_Id__c"}
    path = f"jobs/ingest/{api('POST', 'jobs/ingest', body).json()['id']}"
    api("PUT", f"{path}/batches", data=text.encode(), headers={"Content-Type": "text/csv"})
    api("PATCH", path, {"state": "UploadComplete"})
    assert "Aborted" == api("PATCH", path, {"state": "Aborted"}).json()["state"]
    time.sleep(0.1)
    done = int(api("GET", path).json()["numberRecordsProcessed"])
    left = len(api("GET", f"{path}/unprocessedrecords").text.splitlines()) - 1
    assert 30_000 == done + left
    assert left > 0


def test_query_job(api: Api) -> None:
    api.create("Contact", LastName='Quote "x"', DoNotCall=True)
    text = "SELECT Id, LastName, DoNotCall, Account.Name FROM Contact"
    job = api("POST", "jobs/query", {"operation": "query", "query": text}).json()
    path = f"jobs/query/{job['id']}"
    assert ("UploadComplete", 400) == (job["state"], api("GET", f"{path}/results").status_code)
    while api("GET", path).json()["state"] != "JobComplete":
        pass
    answer = api("GET", f"{path}/results")
    assert ("1", "null") == (answer.headers["Sforce-NumberOfRecords"], answer.headers["Sforce-Locator"])
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert ["Id", "LastName", "DoNotCall", "Account.Name"] == rows[0]
    assert ['Quote "x"', "true", ""] == rows[1][1:]
    assert 409 == api("GET", f"/services/data/v61.0/{path}/results").status_code


def test_query_job_pages(api: Api) -> None:
    job = api("POST", "jobs/query", {"operation": "query", "query": "SELECT Name FROM Account"}).json()
    path = f"jobs/query/{job['id']}"
    while api("GET", path).json()["state"] != "JobComplete":
        pass
    seen, locator = 0, ""
    while locator != "null":
        more = {"maxRecords": "2", **({"locator": locator} if locator else {})}
        answer = api("GET", f"{path}/results", params=more)
        seen += int(answer.headers["Sforce-NumberOfRecords"])
        locator = answer.headers["Sforce-Locator"]
    assert 5 == seen
    counting = {"operation": "query", "query": "SELECT COUNT(Id) FROM Account"}
    assert 400 == api("POST", "jobs/query", counting).status_code
