from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    Misconfigured,
    RateLimited,
    RecordRefused,
    SchemaMismatch,
    TimedOut,
    Unavailable,
)
from airflow_provider_brightpearl.systems.http.oauth import BearerAuth, MemoryTokens, Token
from airflow_provider_brightpearl.systems.http.transport import new_session
from airflow_provider_brightpearl.systems.infor.auth import IonApp, ServiceAccountTokens
from airflow_provider_brightpearl.systems.infor.client import (
    InforClient,
    State,
    Transaction,
    is_read,
    mi_text,
)
from airflow_provider_brightpearl.systems.infor.fields import inputs, misfit
from tests.systems.stub import Asked, FakeClock, Reply, Stub, in_turn, serving

NOW = datetime(2026, 3, 1, tzinfo=UTC)
Answering = Callable[[Asked], Reply]


def app(url: str) -> IonApp:
    return IonApp.of(
        {
            "ti": "ACME_TST", "cn": "sync", "ci": "ACME_TST~1", "cs": "hush", "iu": url, "ot": "token.oauth2",
            "pu": f"{url}/ACME_TST/as/", "saak": "ACME_TST#a", "sask": "s+/=", "v": "1.0",
        }
    )  # fmt: skip


def done(*records: dict[str, str]) -> dict[str, Any]:
    return {"transaction": "x", "records": list(records)}


def refused(
    code: str, message: str = "no", field: str = "", kind: str = "ServerReturnedNOK"
) -> dict[str, Any]:
    return {"errorMessage": message, "errorCode": code, "errorField": field, "errorType": kind}


def envelope(*results: dict[str, Any], **more: Any) -> Reply:
    failed = sum("errorMessage" in result for result in results)
    counters = {"nrOfSuccessfullTransactions": len(results) - failed, "nrOfFailedTransactions": failed}
    return Reply({"results": list(results), "wasTerminated": False, **counters, **more})


def with_login(answer: Answering) -> Answering:
    def route(asked: Asked) -> Reply:
        if asked.path.endswith("/token.oauth2"):
            return Reply({"access_token": "t1", "token_type": "Bearer", "expires_in": 7200})
        return answer(asked)

    return route


def client_of(stub: Stub, **options: Any) -> InforClient:
    session = new_session()
    tokens = ServiceAccountTokens(app(stub.url), MemoryTokens(), session)
    given: dict[str, Any] = {"company": "100", "division": "AAA", "sleep": FakeClock().sleep, **options}
    return InforClient(stub.url, "ACME_TST", BearerAuth(tokens), session, chance=lambda: 0.0, **given)


@pytest.fixture
def m3() -> Iterator[Callable[..., tuple[Stub, InforClient]]]:
    open_servers = []

    def start(answer: Answering, **options: Any) -> tuple[Stub, InforClient]:
        server = serving(with_login(answer))
        open_servers.append(server)
        stub = server.__enter__()
        return stub, client_of(stub, **options)

    yield start
    for server in open_servers:
        server.__exit__(None, None, None)


def customers(count: int) -> list[Transaction]:
    return [
        Transaction("Add", {"CUTM": "WEB", "CUNO": f"BP{n}", "CUNM": "A", "CUA1": "1 High Street"})
        for n in range(count)
    ]


def sent(asked: Asked) -> list[dict[str, Any]]:
    transactions: list[dict[str, Any]] = asked.json()["transactions"]
    return transactions


def echo(asked: Asked) -> Reply:
    return envelope(*(done({"CUNO": each["record"]["CUNO"]}) for each in sent(asked)))


def calls(stub: Stub) -> list[Asked]:
    return [asked for asked in stub.asked if "token" not in asked.path]


# the wire


def test_a_read_names_company_and_asks_for_all_records(m3: Any) -> None:
    stub, client = m3(lambda _: envelope(done({"CUNO": "BP1", "CUNM": "A  "})))
    assert ({"CUNO": "BP1", "CUNM": "A"},) == client.read("CRS610MI", "GetBasicData", {"CUNO": "BP1"})
    [asked] = calls(stub)
    assert "/ACME_TST/M3/m3api-rest/v2/execute/CRS610MI/GetBasicData" == asked.path
    assert {"CUNO": "BP1", "cono": "100", "divi": "AAA", "maxrecs": "0", "dateformat": "YMD8"} == asked.query
    assert "Bearer t1" == asked.headers["Authorization"]
    assert 1 == client.calls


def test_a_bulk_holds_fifty_and_answers_in_order(m3: Any) -> None:
    stub, client = m3(echo)
    answers = client.bulk("CRS610MI", customers(120))
    assert [f"BP{n}" for n in range(120)] == [answer.first["CUNO"] for answer in answers]
    assert ([50, 50, 20], 3) == ([len(sent(each)) for each in calls(stub)], client.min_calls(120))
    body = json.loads(calls(stub)[0].body)
    assert ("CRS610MI", 100, "transactions") == (body["program"], body["cono"], list(body)[-1])


def test_a_bulk_stays_below_the_size_the_gateway_buffers(m3: Any) -> None:
    stub, client = m3(echo)
    texts = [Transaction("Tenant", {"CUNO": str(n), "TEXT": "x" * 5000}) for n in range(12)]
    client.bulk("EXT001MI", texts)
    assert [5, 5, 2] == [len(sent(each)) for each in calls(stub)]


def test_a_refusal_inside_a_good_status_is_told_with_code_and_field(m3: Any) -> None:
    _, client = m3(
        lambda _: envelope(done({"CUNO": "BP0"}), refused("WCU0203", "BP1 does not exist", "CUNO"))
    )
    good, bad = client.bulk("CRS610MI", customers(2))
    assert (True, "WCU0203: BP1 does not exist", "CUNO") == (good.done, bad.reason, bad.field)
    assert (True, False) == (bad.missing, bad.exists)


def test_a_single_refusal_is_an_error(m3: Any) -> None:
    _, client = m3(lambda _: envelope(refused("WCU0203", "X does not exist", "CUNO")))
    with pytest.raises(RecordRefused, match="X does not exist, field CUNO.*code WCU0203"):
        client.read("CRS610MI", "GetBasicData", {"CUNO": "X"})


@pytest.mark.parametrize("code", ["XRE0104", "WCU0204", "WIT0104", "WMS3804"])
def test_codes_of_records_that_are_there_already(m3: Any, code: str) -> None:
    _, client = m3(lambda _: envelope(refused(code)))
    assert client.bulk("CRS610MI", customers(1))[0].exists


def test_an_unknown_transaction_or_a_user_without_rights_stops(m3: Any) -> None:
    _, client = m3(
        in_turn(envelope(refused("", kind="TransactionNotFound")), envelope(refused("XAU0008", field="CONO")))
    )
    with pytest.raises(SchemaMismatch):
        client.bulk("CRS610MI", customers(1))
    with pytest.raises(CredentialsRefused):
        client.bulk("CRS610MI", customers(1))


def test_locked_records_alone_are_sent_again(m3: Any) -> None:
    stub, client = m3(
        in_turn(
            envelope(done({"CUNO": "BP0"}), refused("XO_1130", "try again later")),
            envelope(done({"CUNO": "BP1"})),
        )
    )
    assert ["BP0", "BP1"] == [answer.first["CUNO"] for answer in client.bulk("CRS610MI", customers(2))]
    assert ["BP1"] == [each["record"]["CUNO"] for each in sent(calls(stub)[1])]


def test_what_a_terminated_job_did_not_reach_is_sent_again(m3: Any) -> None:
    ended = envelope(done({"CUNO": "BP0"}), {"notProcessed": True}, wasTerminated=True)
    stub, client = m3(in_turn(ended, envelope(done({"CUNO": "BP1"}))))
    assert ["BP0", "BP1"] == [answer.first["CUNO"] for answer in client.bulk("CRS610MI", customers(2))]
    assert [2, 1] == [len(sent(each)) for each in calls(stub)]


def test_an_answer_that_is_missing_is_unknown_and_a_write_is_not_sent_again(m3: Any) -> None:
    stub, client = m3(lambda _: envelope(done({"CUNO": "BP0"})))
    assert [State.DONE, State.UNKNOWN] == [each.state for each in client.bulk("CRS610MI", customers(2))]
    assert 1 == len(calls(stub))


def test_counters_that_contradict_the_results_are_not_believed(m3: Any) -> None:
    stub, client = m3(lambda _: envelope(done(), nrOfFailedTransactions=1))
    with pytest.raises(TimedOut, match="more failures are counted than returned"):
        client.bulk("CRS610MI", customers(1))
    assert 1 == len(calls(stub))


# what goes wrong on the way


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_write_without_an_answer_is_in_doubt_and_not_repeated(m3: Any, status: int) -> None:
    stub, client = m3(lambda _: Reply(b"gateway", status))
    with pytest.raises(TimedOut):
        client.bulk("OIS100MI", [Transaction("Confirm", {"ORNO": "1"})])
    assert 1 == len(calls(stub))


def test_a_read_without_an_answer_is_repeated(m3: Any) -> None:
    _, client = m3(in_turn(Reply(b"", 502), Reply(b"<html>", 200), envelope(done({"CUNO": "BP1"}))))
    assert ({"CUNO": "BP1"},) == client.read("CRS610MI", "GetBasicData", {"CUNO": "BP1"})


def test_a_repeatable_bulk_is_halved_when_the_gateway_gives_up_on_it(m3: Any) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(b"timeout", 504) if len(sent(asked)) > 3 else echo(asked)

    _, client = m3(answer, backoff=Backoff(tries=1))
    assert 8 == len([each for each in client.bulk("CRS610MI", customers(8), repeatable=True) if each.done])


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, SchemaMismatch), (403, CredentialsRefused), (404, Misconfigured), (405, Misconfigured)],
)
def test_statuses_that_only_a_person_can_mend(m3: Any, status: int, error: type[Exception]) -> None:
    _, client = m3(lambda _: Reply(b"<html>", status, {"Content-Type": "text/html"}))
    with pytest.raises(error):
        client.read("CRS610MI", "GetBasicData", {"CUNO": "X"})


def test_throttling_without_a_word_about_its_length_backs_off(m3: Any) -> None:
    clock = FakeClock()
    _, client = m3(
        in_turn(Reply(b"", 429), Reply(b"", 429), Reply(b"", 429), envelope(done())), sleep=clock.sleep
    )
    client.read("GENERAL", "GetUserInfo", {})
    assert [1.0, 2.0, 4.0] == clock.naps


def test_a_connection_cut_in_the_answer_of_a_v1_write_is_in_doubt(m3: Any) -> None:
    reply = Reply({"MIRecord": [{"NameValue": [{"Name": "CUNO", "Value": "x"}]}]}, cut=5)
    stub, client = m3(lambda _: reply, version="v1")
    with pytest.raises(TimedOut):
        client.bulk("CRS610MI", customers(1))
    assert 1 == len(calls(stub))


# v1


def test_v1_is_spoken_one_by_one_with_matrix_parameters(m3: Any) -> None:
    record = {"NameValue": [{"Name": "CUNO", "Value": "BP1   "}], "RowIndex": 0}
    stub, client = m3(lambda _: Reply({"Program": "CRS610MI", "MIRecord": record}), version="v1")
    assert [{"CUNO": "BP1"}] * 2 == [answer.first for answer in client.bulk("CRS610MI", customers(2))]
    asked = calls(stub)[0]
    path = "/ACME_TST/M3/m3api-rest/execute/CRS610MI/Add;metadata=false;maxrecs=0;excludempty=false"
    assert f"{path};cono=100;divi=AAA" == asked.path
    assert 2 == client.min_calls(2)


def test_v1_refusals(m3: Any) -> None:
    nok = {
        "Message": "no such customer   ",
        "@type": "ServerReturnedNOK",
        "@code": "WCU0203",
        "@field": "CUNO",
    }
    partial = {
        "MIRecord": [{"NameValue": []}],
        "ErrorMessage": {"Message": "cut", "@code": "X1", "@field": None},
    }
    _, client = m3(in_turn(Reply(nok), Reply(partial)), version="v1")
    answers = client.bulk("CRS610MI", customers(2))
    assert ["WCU0203: no such customer", "X1: cut"] == [answer.reason for answer in answers]


# what is checked before anything is sent


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"CUNM": "x" * 37}, "CRS610MI Add: CUNM is 37 characters long, at most 36 are allowed"),
        ({"CUNM": ""}, "CRS610MI Add: CUNM is missing"),
        ({"CFC2": "1,5"}, "CRS610MI Add: CFC2 is not a number, such as 1234.56"),
        ({"NAME": "x"}, "CRS610MI Add: NAME is not a field of this transaction"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_unsent(m3: Any, record: dict[str, str], reason: str) -> None:
    stub, client = m3(echo)
    good, other = customers(2)
    bad = Transaction("Add", {**other.record, **record})
    answers = client.bulk("CRS610MI", [bad, good])
    assert (reason, True) == (answers[0].reason, answers[1].done)
    assert [1] == [len(sent(each)) for each in calls(stub)]


def test_the_journal_program_gets_company_and_division_as_fields(m3: Any) -> None:
    stub, client = m3(lambda _: envelope(done()))
    client.write("GLS840MI", "CtrlBatch", {"KEY1": "BP1"})
    assert {"CONO": "100", "DIVI": "AAA", "KEY1": "BP1"} == sent(calls(stub)[0])[0]["record"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("19.990000"), "19.99"), (Decimal("1E+3"), "1000"), (Decimal("100"), "100"),
        (Decimal("-0.10"), "-0.1"), (date(2025, 7, 14), "20250714"), (True, "1"), (None, ""), (7, "7"),
        ("a ", "a "),
    ],
)  # fmt: skip
def test_values_as_mi_takes_them(value: Any, text: str) -> None:
    assert text == mi_text(value)


def test_floats_are_not_exact() -> None:
    with pytest.raises(TypeError):
        mi_text(0.1)  # type: ignore[arg-type]


def test_verbs() -> None:
    reads = [
        name
        for name in ("GetHead", "LstLine", "SelItem", "Select", "RtvNextNumber", "Add", "Confirm")
        if is_read(name)
    ]
    assert ["GetHead", "LstLine", "SelItem", "Select"] == reads


def test_the_table_of_fields() -> None:
    assert (20, 7, True) == (
        inputs("OIS100MI", "AddBatchHead")["CUOR"].length,
        inputs("OIS100MI", "AddBatchLine")["CUPO"].length,
        inputs("GLS840MI", "AddBatchLineFld")["CUAM"].number,
    )
    assert misfit("EXT001MI", "Any", {"X": "y"}) is None


# tokens


def token_server(stub_answers: dict[str, int]) -> Answering:
    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/token.oauth2"):
            stub_answers["logins"] = stub_answers.get("logins", 0) + 1
            return Reply(
                {"access_token": f"t{stub_answers['logins']}", "expires_in": 7200, "refresh_token": "r"}
            )
        good = asked.headers["Authorization"] == f"Bearer t{stub_answers.get('good', 1)}"
        return envelope(done({"X": "1"})) if good else Reply({"error": "Unauthorized"}, 401)

    return answer


def signed(stub: Stub, store: MemoryTokens, now: datetime) -> InforClient:
    session = new_session()
    tokens = ServiceAccountTokens(app(stub.url), store, session, now=lambda: now)
    return InforClient(stub.url, "ACME_TST", BearerAuth(tokens), session)


def test_all_workers_share_one_login() -> None:
    seen: dict[str, int] = {}
    store = MemoryTokens()
    with serving(token_server(seen)) as stub:
        for _ in range(30):
            signed(stub, store, NOW).read("GENERAL", "GetUserInfo", {})
        login = next(asked for asked in stub.asked if asked.path.endswith("/token.oauth2"))
    assert ({"logins": 1}, ["infor:ACME_TST:ACME_TST~1"]) == (seen, list(store.tokens))
    form = dict(pair.split("=") for pair in login.body.decode().split("&"))
    assert ("password", "ACME_TST%23a", "s%2B%2F%3D") == (
        form["grant_type"],
        form["username"],
        form["password"],
    )


def test_a_token_is_renewed_before_its_end() -> None:
    seen = {"good": 1}
    with serving(token_server(seen)) as stub:
        store = MemoryTokens()
        signed(stub, store, NOW).read("GENERAL", "GetUserInfo", {})
        seen["good"] = 2
        signed(stub, store, NOW + timedelta(minutes=116)).read("GENERAL", "GetUserInfo", {})
    assert 2 == seen["logins"]


def test_the_last_logins_of_a_day_are_kept_for_others() -> None:
    seen: dict[str, int] = {}
    store = MemoryTokens()
    logins = tuple(NOW - timedelta(hours=2) + timedelta(minutes=minute) for minute in range(95))
    store.tokens["infor:ACME_TST:ACME_TST~1"] = Token("old", expires_at=NOW, logins=logins)
    with serving(token_server(seen)) as stub:
        with pytest.raises(RateLimited, match="95 of a day's 100 tokens are used") as caught:
            signed(stub, store, NOW).read("GENERAL", "GetUserInfo", {})
        assert (22 * 3600, {}) == (caught.value.wait_seconds, seen)
        later = NOW + timedelta(hours=22, minutes=1)
        signed(stub, store, later).read("GENERAL", "GetUserInfo", {})
    assert {"logins": 1} == seen


def test_a_refused_token_is_renewed_once_and_logins_are_spared() -> None:
    """A gateway that refuses every token costs sixty logins and the regular ones a day, whatever is tried."""
    seen = {"good": 99}
    store = MemoryTokens()
    with serving(token_server(seen)) as stub:
        for minute in range(0, 24 * 60, 3):
            with pytest.raises(CredentialsRefused):
                signed(stub, store, NOW + timedelta(minutes=minute)).read("GENERAL", "GetUserInfo", {})
    assert 60 <= seen["logins"] <= 73


def test_a_401_takes_the_token_another_worker_has_got() -> None:
    seen = {"good": 7}
    store = MemoryTokens()
    with serving(token_server(seen)) as stub:
        client = signed(stub, store, NOW)
        store.tokens["infor:ACME_TST:ACME_TST~1"] = Token("old", expires_at=NOW + timedelta(hours=1))
        current = store.read

        def read(name: str) -> Token | None:
            token = current(name)
            store.tokens[name] = Token("t7", expires_at=NOW + timedelta(hours=1))
            return token

        store.read = read  # type: ignore[method-assign]
        client.read("GENERAL", "GetUserInfo", {})
    assert "logins" not in seen


def test_a_refused_login_says_so_without_secrets() -> None:
    body = {"error": "invalid_grant", "error_description": "bad saak"}
    with serving(lambda _: Reply(body, 400)) as stub, pytest.raises(CredentialsRefused) as caught:
        signed(stub, MemoryTokens(), NOW).read("GENERAL", "GetUserInfo", {})
    assert "invalid_grant" in str(caught.value)
    assert not [secret for secret in ("hush", "s+/=", "ACME_TST#a") if secret in str(caught.value)]


def test_too_many_logins_are_waited_for() -> None:
    def answer(asked: Asked) -> Reply:
        return replies(asked) if asked.path.endswith("/token.oauth2") else envelope(done({"X": "1"}))

    replies = in_turn(Reply(b"", 429), Reply({"access_token": "t", "expires_in": 60}))
    clock = FakeClock()
    with serving(answer) as stub:
        assert ({"X": "1"},) == client_of(stub, sleep=clock.sleep).read("GENERAL", "GetUserInfo", {})
    assert [60.0] == clock.naps


def test_a_broken_token_address_is_tried_again_later() -> None:
    with serving(lambda _: Reply(b"<html>", 503)) as stub, pytest.raises(Unavailable):
        client_of(stub).read("GENERAL", "GetUserInfo", {})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{not json hush", "is not a JSON object"),
        ("[1]", "is not a JSON object"),
        ('{"ti":"T","ci":"c","cs":"hush","iu":"u","pu":"p","ot":"o"}', "lacks saak, sask: download the file"),
    ],
)
def test_ionapi_content_that_is_of_no_use(content: str, reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason) as caught:
        IonApp.of(content)
    assert "hush" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    assert not [secret for secret in ("hush", "s+/=", "ACME_TST#a") if secret in repr(app("https://x"))]
