"""Odd things that people type: connections, run params, settings, flow files."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from airflow_provider_brightpearl import compat, environment, settings
from airflow_provider_brightpearl.compat import Connection
from airflow_provider_brightpearl.core.window import Request
from airflow_provider_brightpearl.errors import Misconfigured, SyncError
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook
from airflow_provider_brightpearl.hooks.infor import InforHook
from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook
from airflow_provider_brightpearl.runtime.request import check_names, request_from
from airflow_provider_brightpearl.systems.http.oauth import MemoryTokens
from airflow_provider_brightpearl.systems.http.transport import new_session
from airflow_provider_brightpearl.systems.registry import find_system
from tests.flows.site import MAPPINGS
from tests.odd.odd import MASKS, TEXTS, VALUES, Answers, altered, mounted

SECRET = "s3cr3t-of-the-app"
IONAPI = {
    "ti": "T", "ci": "c", "cs": SECRET, "iu": "https://x.test", "pu": "https://x.test/as/", "ot": "token.oauth2",
    "saak": SECRET, "sask": SECRET,
}  # fmt: skip
CONNECTIONS: dict[str, dict[str, Any]] = {
    "brightpearl": {
        "host": "https://x.test", "login": "acme", "password": SECRET,
        "extra": {"app_ref": "app", "refresh_token": SECRET, "expires_at": "2026-01-01T00:00:00Z"},
    },
    "infor": {"extra": {"ionapi": IONAPI, "cono": "100", "batch_size": "50", "timeout": 30, "settle_seconds": 5}},
}  # fmt: skip
HOOKS: dict[str, Any] = {"brightpearl": BrightpearlHook, "infor": InforHook}


@pytest.mark.parametrize("system", HOOKS)
@given(seed=MASKS, value=VALUES, twice=st.booleans())
def test_connections(system: str, seed: int, value: Any, twice: bool) -> None:
    fields = CONNECTIONS[system]
    extra = altered(fields["extra"], seed, value)
    text = json.dumps(json.dumps(extra)) if twice else json.dumps(extra)
    connection = Connection(conn_id="odd", conn_type=system, **{**fields, "extra": None})
    connection.extra = text
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(HOOKS[system], "get_connection", lambda *_: connection)
        patched.setattr(compat.BaseHook, "get_connection", lambda *_: connection)
        for use in (
            lambda: HOOKS[system]("odd", tokens=MemoryTokens()).client,
            lambda: environment.address(find_system(system), "odd"),
        ):
            try:
                use()
            except Misconfigured as error:
                assert str(error)
                assert SECRET not in str(error)


# extras by the way to log in; the official hook logs in with what it finds
LOGINS: dict[str, dict[str, Any]] = {
    "password": {"security_token": SECRET, "domain": "test", "organization_id": ""},
    "grant": {"consumer_key": "k", "consumer_secret": SECRET, "domain": "acme.my"},
    "client": {"consumer_key": "k", "consumer_secret": SECRET, "domain": "acme.my"},
    "key": {"consumer_key": "k", "private_key": SECRET, "domain": "login"},
}
MORE = {
    "version": "62.0",
    "request_timeout": "30",
    "instance_url": "",
    "proxies": {"https": "http://x.test:3128"},
}
SOAP = (
    b"<e><sessionId>00D!x</sessionId><serverUrl>https://x.test/services/Soap/u/62.0/00D</serverUrl>"
    b"<sessionSecondsValid>7200</sessionSecondsValid></e>"
)
OAUTH = {"access_token": "00D!x", "instance_url": "https://x.test", "id": "x", "token_type": "Bearer"}


def an_org(method: str, path: str, number: int) -> tuple[int, bytes, dict[str, str]]:
    return 200, SOAP if "/Soap/" in path else json.dumps(OAUTH).encode(), {}


@pytest.mark.parametrize("way", LOGINS)
@given(seed=MASKS, value=VALUES, where=st.sampled_from(["extra", "extra", "login", "password"]), typed=TEXTS)
def test_connections_of_salesforce(way: str, seed: int, value: Any, where: str, typed: str) -> None:
    extra = LOGINS[way] | MORE
    user = {} if way == "client" else {"login": "a@x.test", "password": SECRET}
    if where == "extra":
        extra = altered(extra, seed, value)
    elif "\x00" not in typed:
        user[where] = typed
    try:
        connection = Connection(conn_id="odd", conn_type="salesforce", **user, extra=json.dumps(extra))
    except UnicodeEncodeError:
        # Airflow 2.11 takes no such password in the first place
        reject()
    hook = SalesforceHook("odd", session=mounted(new_session(), Answers(an_org)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SalesforceHook, "get_connection", lambda *_: connection)
        try:
            assert hook.client.calls >= 0
        except SyncError as error:
            assert str(error)
            assert SECRET not in str(error)


@pytest.mark.parametrize("field", ["host", "login", "schema", "port"])
@given(value=TEXTS)
def test_other_fields_of_a_connection(field: str, value: str) -> None:
    fields = {**CONNECTIONS["brightpearl"], "extra": json.dumps({"app_ref": "app"})}
    if field == "port":
        fields["host"] = f"x.test:{value}"
    elif "\x00" not in value:
        fields[field] = value
    with pytest.MonkeyPatch.context() as patched:
        connection = Connection(conn_id="odd", conn_type="brightpearl", **fields)
        patched.setattr(BrightpearlHook, "get_connection", lambda *_: connection)
        try:
            assert BrightpearlHook("odd").client.root.startswith("http")
        except Misconfigured as error:
            assert str(error)


PARAMS = st.one_of(
    VALUES,
    TEXTS,
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.lists(TEXTS | st.integers(), max_size=3),
)


@given(params=st.dictionaries(st.sampled_from(["from", "to", "ids", "full_resync", "form"]), PARAMS))
def test_run_params(params: dict[str, Any]) -> None:
    try:
        check_names(params, ("from", "to", "ids", "full_resync"))
        found = request_from(params)
    except Misconfigured as error:
        assert str(error)
        return
    assert isinstance(found, Request)
    assert all(each.tzinfo for each in (found.start, found.end) if each)
    # what was asked for is not taken for everything
    if params.get("ids"):
        assert found.ids


@given(value=TEXTS)
def test_settings(value: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settings, "text", lambda _: value.strip())
        for read in (settings.number, settings.switch):
            try:
                read("gate_sql_rows")
            except Misconfigured as error:
                assert "[brightpearl] gate_sql_rows" in str(error)


FILES = sorted(MAPPINGS.glob("*.yaml"))


@given(file=st.sampled_from(FILES), seed=MASKS, value=TEXTS)
def test_flow_files(file: Any, seed: int, value: str) -> None:
    lines = file.read_text().splitlines()
    place = seed % len(lines)
    value = value.encode("utf-8", "ignore").decode()
    lines[place] = lines[place].partition(":")[0] + f": {value}" if seed % 3 else value
    try:
        parse_flow("\n".join(lines), file.name)
    except SyncError as error:
        assert str(error)
