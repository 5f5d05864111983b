"""Token service, gateway and the two versions of MI over REST (reference, sections 1 and 2.2 to 2.4)."""

from __future__ import annotations

import time

import pytest
import requests

from airflow_provider_brightpearl.sandbox.infor.signatures import signatures
from tests.sandbox.infor_tenant import M3, m3, sandbox

__all__ = ["m3", "sandbox"]


def test_the_credentials_file_has_this_origins_urls(m3: M3) -> None:
    assert {"ti", "ci", "cs", "iu", "pu", "ot", "or", "saak", "sask"} <= set(m3.file)
    assert (m3.sandbox.url, f"{m3.sandbox.url}/ACME_TST/as/") == (m3.file["iu"], m3.file["pu"])


def test_token_by_body_and_by_basic(m3: M3) -> None:
    answer = m3.token().json()
    assert ("Bearer", 7200) == (answer["token_type"], answer["expires_in"])
    form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
    url = m3.file["pu"] + m3.file["ot"]
    again = requests.post(url, data=form, auth=(m3.file["ci"], m3.file["cs"]), timeout=10)
    assert (200, True) == (again.status_code, again.json()["access_token"] != answer["access_token"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"client_secret": "x"}, (401, "invalid_client")),
        ({"password": "x"}, (400, "invalid_grant")),
        ({"grant_type": "refresh_token"}, (400, "invalid_grant")),
        ({"grant_type": "client_credentials"}, (400, "unsupported_grant_type")),
    ],
)
def test_refused_logins(m3: M3, changes: dict[str, str], expected: tuple[int, str]) -> None:
    answer = m3.token(**changes)
    assert expected == (answer.status_code, answer.json()["error"])


def test_refresh_tokens_can_be_off(m3: M3) -> None:
    m3.settings(refresh_tokens=False, grants=["password"])
    assert "refresh_token" not in m3.token().json()
    refused = m3.token(grant_type="refresh_token", refresh_token="x")
    assert {"error": "unauthorized_client"} == refused.json()


def test_twenty_logins_a_minute_and_a_hundred_tokens_a_day(m3: M3) -> None:
    statuses = [m3.token().status_code for _ in range(20)]  # the fixture had one already
    assert [200] * 19 + [429] == statuses
    for _ in range(8):
        m3.sandbox.control("POST", "/clock", {"advance_seconds": 61})
        statuses += [m3.token().status_code for _ in range(10)]
    assert 99 == statuses.count(200)


def test_a_token_ends(m3: M3) -> None:
    m3.sandbox.control("POST", "/clock", {"advance_seconds": 7201})
    answer = m3.get("GENERAL/GetServerTime")
    assert (401, {"error": "Unauthorized"}) == (answer.status_code, answer.json())
    m3.settings(expired_token_status=500)
    assert 500 == m3.get("GENERAL/GetServerTime").status_code


def test_a_revoked_token_ends(m3: M3) -> None:
    form = {"token": m3.http.headers["Authorization"].split()[1], "token_type_hint": "access_token"}
    auth = (m3.file["ci"], m3.file["cs"])
    answer = requests.post(m3.file["pu"] + m3.file["or"], data=form, auth=auth, timeout=10)
    assert (200, "", 401) == (answer.status_code, answer.text, m3.get("GENERAL/GetServerTime").status_code)


def test_paths_verbs_and_programs_that_are_not_there(m3: M3) -> None:
    other = m3.root.replace("ACME_TST", "OTHER_PRD")
    assert 404 == m3.http.get(f"{other}/v2/execute/GENERAL/GetServerTime", timeout=10).status_code
    suite = m3.root.replace("/M3/", "/LN/")
    assert 404 == m3.http.get(f"{suite}/v2/execute/GENERAL/GetServerTime", timeout=10).status_code
    assert 405 == m3.http.post(f"{m3.root}/v2/execute/GENERAL/GetServerTime", timeout=10).status_code
    assert [400, 400] == [m3.get(path).status_code for path in ("CRS612MI/Add", "CRS610MI/AddItmBasic")]
    m3.settings(unknown_transaction_status=200)
    assert "TransactionNotFound" == m3.single("CRS610MI", "Nope")["results"][0]["errorType"]


def test_success_and_failure_are_both_200(m3: M3) -> None:
    good = m3.single("CRS610MI", "GetBasicData", CUNO="ACME01", returncols="CUNO,CUNM,STAT")
    record = {"CUNO": "ACME01", "CUNM": "Corner Shop Ltd", "STAT": "20"}
    assert good == {
        "results": [{"transaction": "GetBasicData", "records": [record]}],
        "wasTerminated": False,
        "nrOfSuccessfullTransactions": 1,
        "nrOfFailedTransactions": 0,
    }
    bad = m3.single("CRS610MI", "GetBasicData", CUNO="X")
    refusal = {
        "transaction": "GetBasicData",
        "errorMessage": "Customer number X does not exist",
        "errorCode": "WCU0203",
        "errorField": "CUNO",
        "errorType": "ServerReturnedNOK",
    }
    assert ([refusal], 1) == (bad["results"], bad["nrOfFailedTransactions"])


def test_bulk_goes_on_after_a_failure_in_order(m3: M3) -> None:
    answer = m3.bulk(
        "CRS610MI",
        ("Add", {"CUTM": "WEB", "CUNO": "BP1", "CUNM": "One", "CUA1": "1 High Street"}),
        ("ChgBasicData", {"CUNO": "BP2", "TOWN": "London"}),
        ("Nope", {}),
        ("ChgBasicData", {"CUNO": "BP1", "TOWN": "London"}),
    )
    kinds = [one.get("errorType") for one in answer["results"]]
    assert [None, "ServerReturnedNOK", "TransactionNotFound", None] == kinds
    counted = [answer[f"nrOf{name}Transactions"] for name in ("Successfull", "Failed", "NotProcessed")]
    assert [2, 2, 0] == counted


def test_bulk_shapes_that_are_refused(m3: M3) -> None:
    item = {"transaction": "GetServerTime", "record": {}}
    late = {"program": "GENERAL", "transactions": [item], "cono": 100}
    assert 400 == m3.post(late).status_code
    m3.settings(attributes_after_transactions="accept")
    assert 200 == m3.post(late).status_code
    assert 400 == m3.post({"program": "NOPEMI", "transactions": [item]}).status_code
    assert 400 == m3.post({"program": "GENERAL", "transactions": [item], "prog": 1}).status_code
    plain = {"Content-Type": "text/plain"}
    assert 415 == m3.http.post(f"{m3.root}/v2/execute", data="{}", headers=plain, timeout=10).status_code


def test_validation_of_fields(m3: M3) -> None:
    def kind(**fields: str) -> tuple[str, str]:
        result = m3.single("CRS610MI", "Add", **fields)["results"][0]
        return result["errorType"], result["errorField"]

    full = {"CUTM": "WEB", "CUNM": "One", "CUA1": "Street"}
    assert ("MandatoryInputFieldNotFound", "CUA1") == kind(**{**full, "CUA1": " "})
    assert ("InputFieldTooLong", "CUNM") == kind(**{**full, "CUNM": "x" * 37})
    assert ("ServerReturnedNOK", "NAME") == kind(**full, NAME="x")
    m3.settings(unknown_field="ignore")
    assert "errorType" not in m3.single("CRS610MI", "Add", **full, NAME="x")["results"][0]


def test_numbers_and_dates_are_checked(m3: M3) -> None:
    assert ("XNU0000", "CRLM") == m3.code("CRS610MI", "ChgFinancial", CUNO="ACME01", CRLM="1,5")
    assert ("XDT0001", "RLDT") == m3.code("OIS100MI", "AddBatchHead", CUNO="ACME01", RLDT="20250230")
    assert ("XDT0001", "RLDT") == m3.code("OIS100MI", "AddBatchHead", CUNO="ACME01", RLDT="2025-02-03")
    head = m3.row("OIS100MI", "AddBatchHead", CUNO="ACME01", RLDT="030225", dateformat="DMY6")
    assert "20250203" == m3.row("OIS100MI", "GetBatchHead", ORNO=head["ORNO"])["RLDT"]
    shown = m3.row("OIS100MI", "GetBatchHead", ORNO=head["ORNO"], dateformat="YMD8-")
    assert "2025-02-03" == shown["RLDT"]


def test_columns_trim_empty_and_cap(m3: M3) -> None:
    padded = m3.row("CRS610MI", "GetBasicData", CUNO="ACME01", righttrim="false", returncols="CUNO,CUA2")
    assert {"CUNO": "ACME01    ", "CUA2": " " * 36} == padded
    short = m3.row("CRS610MI", "GetBasicData", CUNO="ACME01", excludeempty="true", returncols="CUNO,CUA2")
    assert {"CUNO": "ACME01"} == short
    assert "CPF9898" == m3.code("CRS610MI", "GetBasicData", CUNO="ACME01", returncols="NOPE")[0]
    assert 400 == m3.get("CRS610MI/GetBasicData", params={"CUNO": "ACME01", "max": "1"}).status_code
    capped = m3.single("CRS610MI", "LstByNumber", maxrecs=1)["results"][0]
    assert {"transaction", "records"} == set(capped), "truncation leaves no marker"
    assert (1, 2) == (len(capped["records"]), len(m3.rows("CRS610MI", "LstByNumber")))


def test_company_and_division(m3: M3) -> None:
    assert ("XAU0008", "CONO") == m3.code("CRS610MI", "GetBasicData", CUNO="ACME01", cono="777")
    assert "409" == m3.row("CRS610MI", "GetBasicData", CUNO="ACME01", cono="409")["CONO"]
    m3.settings(unauthorised_programs=["GLS840MI"])
    assert "XAU0008" == m3.code("GLS840MI", "CtrlBatch", CONO="100", KEY1="X")[0]


def test_v1_matrix_parameters_and_padding(m3: M3) -> None:
    path = "CRS610MI/LstByNumber;metadata=true;maxrecs=1;excludempty=false;cono=100;returncols=CUNO,CRLM"
    body = m3.get(f"{path}?_rid=1", version="").json()
    fields = [(f["@name"], f["@type"], f["@length"]) for f in body["Metadata"]["Field"]]
    assert [("CUNO", "A", "10"), ("CRLM", "N", "15")] == fields
    values = [(pair["Name"], pair["Value"]) for pair in body["MIRecord"][0]["NameValue"]]
    assert [("CUNO", "ACME01    "), ("CRLM", "0" + " " * 14)] == values


def test_v1_refusal_and_transaction_without_output(m3: M3) -> None:
    refused = m3.get("CRS610MI/GetBasicData?CUNO=X", version="")
    body = refused.json()
    assert (200, "ServerReturnedNOK", "WCU0203", "CUNO", None) == (
        refused.status_code,
        *(body[name] for name in ("@type", "@code", "@field", "@cfg")),
    )
    assert body["Message"].startswith("Customer number X does not exist  ")
    silent = m3.get("CRS610MI/ChgFinancial?CUNO=ACME01&CUCD=EUR", version="").json()
    assert ([], [{"RowIndex": 0, "NameValue": []}]) == (silent["Metadata"]["Field"], silent["MIRecord"])
    xml = m3.get("CRS610MI/GetBasicData?CUNO=X", version="", headers={"Accept": "application/xml"})
    assert "<ErrorMessage " in xml.text


def test_a_partial_refusal_has_rows_and_a_message(m3: M3) -> None:
    m3.fault(transaction="LstByNumber", kind="partial", code="XDE0001", records=1, times=0)
    first = m3.get("CRS610MI/LstByNumber", version="").json()
    assert (1, "XDE0001") == (len(first["MIRecord"]), first["ErrorMessage"]["@code"])
    second = m3.single("CRS610MI", "LstByNumber")["results"][0]
    assert (1, "XDE0001") == (len(second["records"]), second["errorCode"])


def test_a_terminated_bulk_names_what_was_not_processed(m3: M3) -> None:
    m3.fault(transaction="GetBasicData", kind="terminate", skip=1)
    answer = m3.bulk("CRS610MI", *[("GetBasicData", {"CUNO": "ACME01"})] * 3)
    assert [None, True, True] == [one.get("notProcessed") for one in answer["results"]]
    assert (True, 2) == (answer["wasTerminated"], answer["nrOfNotProcessedTransactions"])
    assert (
        3 == m3.bulk("CRS610MI", *[("GetBasicData", {"CUNO": "ACME01"})] * 3)["nrOfSuccessfullTransactions"]
    )


def test_timeouts_before_after_and_in_the_middle(m3: M3) -> None:
    heads = [{"transaction": "AddBatchHead", "record": {"CUNO": "ACME01", "CUOR": str(n)}} for n in range(4)]
    call = {"program": "OIS100MI", "transactions": heads}
    for kind, made in (("timeout_before", 0), ("timeout_after", 4), ("timeout_here", 6)):
        m3.fault(transaction="AddBatchHead", kind=kind, skip=1 if kind == "timeout_here" else 0)
        assert (504, made) == (m3.post(call).status_code, len(m3.stored("batch_orders")))


def test_a_bulk_that_takes_too_long_times_out_and_is_finished(m3: M3) -> None:
    items: list[tuple[str, dict[str, str]]] = [("GetServerTime", {})] * 121
    call = {"program": "GENERAL", "transactions": [{"transaction": n, "record": r} for n, r in items]}
    assert 504 == m3.post(call).status_code
    call["transactions"] = call["transactions"][:120]
    assert 200 == m3.post(call).status_code
    counted = {one["transaction"]: one["times"] for one in m3.sandbox.snapshot("infor", "calls")}
    assert 241 == counted["GetServerTime"]


def test_an_injected_fault_drops_the_response(m3: M3) -> None:
    m3.sandbox.control("POST", "/faults", {"system": "infor", "path": "AddBatchHead", "drop": "after"})
    with pytest.raises(requests.ConnectionError):
        m3.single("OIS100MI", "AddBatchHead", CUNO="ACME01", CUOR="1")
    assert ["1"] == [row["CUOR"] for row in m3.stored("batch_orders")]


def test_spike_arrest_and_quota(m3: M3) -> None:
    m3.settings(calls_per_minute=2, calls_per_day=4, retry_after=7)
    statuses = [m3.get("GENERAL/GetServerTime") for _ in range(3)]
    assert [200, 200, 429] == [one.status_code for one in statuses]
    assert "7" == statuses[-1].headers["Retry-After"]
    m3.sandbox.control("POST", "/clock", {"advance_seconds": 61})
    assert [200, 200] == [m3.get("GENERAL/GetServerTime").status_code for _ in range(2)]
    m3.sandbox.control("POST", "/clock", {"advance_seconds": 61})
    assert 429 == m3.get("GENERAL/GetServerTime").status_code
    m3.settings(retry_after=0)
    assert "Retry-After" not in m3.get("GENERAL/GetServerTime").headers


def test_metadata_agrees_with_the_signatures(m3: M3) -> None:
    rows = m3.rows("MRS001MI", "LstFields", MINM="CRS610MI", TRNM="Add", TRTP="I")
    wanted = signatures()["CRS610MI"]["Add"].inputs
    assert list(wanted) == [row["FLNM"] for row in rows]
    assert {"CUTM", "CUNM", "CUA1"} == {row["FLNM"] for row in rows if row["MAND"] == "1"}
    names = [row["TRNM"] for row in m3.rows("MRS001MI", "LstTransactions", MINM="OIS100MI")]
    assert {"Confirm", "AddBatchHead", "GetServerTime"} <= set(names)


def test_a_release_changes_what_is_listed_and_what_is_taken(m3: M3) -> None:
    changes = {
        "CRS610MI Add.CUNM": {"length": 5},
        "CRS610MI Add.YREF": {"required": True, "numeric": True},
        "CRS610MI Add.PHNO": {"removed": True},
        "CRS610MI Add.NEWF": {"length": 3},
        "CRS610MI ChgBasicData": {"removed": True},
    }
    m3.sandbox.control("POST", "/settings/infor", {"field_changes": changes})
    rows = {
        row["FLNM"]: row for row in m3.rows("MRS001MI", "LstFields", MINM="CRS610MI", TRNM="Add", TRTP="I")
    }
    assert ("5", "N", "1") == (rows["CUNM"]["LENG"], rows["YREF"]["TYPE"], rows["YREF"]["MAND"])
    assert ("3", False) == (rows["NEWF"]["LENG"], "PHNO" in rows)
    names = [row["TRNM"] for row in m3.rows("MRS001MI", "LstTransactions", MINM="CRS610MI")]
    assert ("Add" in names, "ChgBasicData" in names) == (True, False)
    missing = m3.code("MRS001MI", "LstFields", MINM="CRS610MI", TRNM="ChgBasicData", TRTP="I")
    assert ("XRE0103", "TRNM") == missing
    given = {"CUTM": "WEB", "CUA1": "1 Quay"}
    assert "MandatoryInputFieldNotFound" in str(m3.single("CRS610MI", "Add", CUNM="Ann", **given))
    assert "InputFieldTooLong" in str(m3.single("CRS610MI", "Add", CUNM="Annabella", YREF="1", **given))
    assert 400 == m3.get("CRS610MI/ChgBasicData", params={"CUNO": "ACME01"}).status_code


def test_the_user_and_the_clock(m3: M3) -> None:
    user = m3.row("MNS150MI", "GetUserData")
    assert ("100", "AAA", "BPSVC") == (user["CONO"], user["DIVI"], user["USID"])
    stamp = int(m3.row("GENERAL", "GetServerTime")["LMTS"])
    assert abs(stamp - time.time() * 1000) < 60_000
