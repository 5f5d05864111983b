"""The command line of the sandbox, and that what it prints is true."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from typer.testing import CliRunner, Result

from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook
from airflow_provider_brightpearl.hooks.infor import InforHook
from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook
from airflow_provider_brightpearl.sandbox.cli import app
from airflow_provider_brightpearl.sandbox.connections import url_of
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.sandbox.brightpearl_account import Account

MODULE = [sys.executable, "-m", "airflow_provider_brightpearl.sandbox"]
SMALL = ["--port", "0", "--customers", "2", "--products", "2", "--orders", "10"]


def invoke(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, list(arguments))


@contextmanager
def process(*options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A running sandbox with the lines it prints when it is ready."""
    command = [*MODULE, *SMALL, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            lines = [next(running.stdout)]
            while lines[-1] != "Press Ctrl-C to stop.\n":
                lines.append(next(running.stdout))
            yield running, lines
        finally:
            running.kill()


def section(lines: list[str], title: str) -> tuple[str, dict[str, str]]:
    """The URL and the credentials printed for one system."""
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{title}: "))
    rows = {}
    for line in lines[start + 1 :]:
        if not line.startswith("  "):
            break
        rows[line[2:19].strip()] = line[20:].strip()
    return lines[start].removeprefix(f"{title}: ").strip(), rows


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly(sent: signal.Signals) -> None:
    with process("--no-throttle") as (running, lines):
        assert lines[0].startswith("sandbox ready at http://127.0.0.1:")
        account = Account(lines[0].split()[3])
        with account.session:
            assert account.get("order-service/order-type").headers["brightpearl-requests-remaining"] == "200"
        running.send_signal(sent)
        _, errors = running.communicate(timeout=10)
    assert (0, "") == (running.returncode, errors)


def test_it_names_unknown_addresses_at_its_end() -> None:
    with process("--no-throttle") as (running, lines):
        account = Account(lines[0].split()[3])
        with account.session:
            assert account.get("order-service/ordr").status_code == 501
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=10)
    assert errors == "Requested, but not in the sandbox: brightpearl GET /order-service/ordr\n"


def test_printed_credentials_open_all_systems() -> None:
    with process() as (_, lines):
        url, shown = section(lines, "Brightpearl")
        headers = {"brightpearl-app-ref": shown["app ref"], "brightpearl-staff-token": shown["staff token"]}
        statuses = [requests.get(f"{url}/order-service/order-type", headers=headers, timeout=9).status_code]
        form = {"client_id": shown["client id"], "client_secret": shown["client secret"]}
        form |= {"grant_type": "refresh_token", "refresh_token": shown["refresh token"]}
        statuses.append(requests.post(shown["OAuth token URL"], form, timeout=9).status_code)

        url, shown = section(lines, "Salesforce")
        pair = (shown["consumer key"], shown["consumer secret"])
        login = {"grant_type": "client_credentials"}
        token = requests.post(shown["token URL"], login, auth=pair, timeout=9).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        statuses.append(requests.get(f"{url}/v62.0/limits", headers=headers, timeout=9).status_code)
        login = {"grant_type": "password", "username": shown["username"]}
        login["password"] = shown["password"] + shown["security token"]
        statuses.append(requests.post(shown["token URL"], login, auth=pair, timeout=9).status_code)

        url, shown = section(lines, "Infor M3")
        pair = (shown["client id (ci)"], shown["secret (cs)"])
        login = {
            "grant_type": "password",
            "username": shown["user (saak)"],
            "password": shown["password (sask)"],
        }
        token = requests.post(shown["token URL (pu+ot)"], login, auth=pair, timeout=9).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        path = f"{url}/m3api-rest/v2/execute/GENERAL/GetServerTime"
        statuses.append(requests.get(path, headers=headers, timeout=9).status_code)
        assert shown["tenant (ti)"] == requests.get(shown[".ionapi file"], timeout=9).json()["ti"]
    assert [200] * 5 == statuses


def test_printed_connections_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(customers=2, products=2, orders=10) as sandbox:
        port = sandbox.url.rpartition(":")[2]
        printed = invoke("--port", port, "--print-connections").stdout
        for line in printed.splitlines():
            *command, name, option, fields = shlex.split(line)
            assert ["airflow", "connections", "add", "--conn-json"] == [*command, option]
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(json.loads(fields)))
        hooks = (BrightpearlHook(), SalesforceHook(), InforHook())
        assert [True] * 3 == [hook.test_connection()[0] for hook in hooks]


def test_connections_name_the_host_that_clients_use() -> None:
    assert (
        "http://sandbox:9000" in invoke("--host", "sandbox", "--port", "9000", "--print-connections").stdout
    )
    assert 2 == invoke("--port", "0", "--print-connections").exit_code


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104
        ("::", "http://[::1]:80"),
        ("sandbox", "http://sandbox:80"),
    ],
)
def test_url(host: str, url: str) -> None:
    assert url == url_of(host, 80)


def test_it_listens_on_the_given_host() -> None:
    for host, others in (("127.0.0.1", False), ("0.0.0.0", True)):  # noqa: S104
        with Sandbox(customers=1, products=1, orders=1, host=host) as sandbox:
            port = int(sandbox.url.rpartition(":")[2])
            with socket.socket() as client:
                assert others == (client.connect_ex(("127.0.0.2", port)) == 0)


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([*MODULE, "--port", str(port)], capture_output=True, text=True, timeout=60)
    sentence = (
        f"Port {port} is already in use on 127.0.0.1. "
        "Choose another one with --port, or any free one with --port 0.\n"
    )
    assert (1, "", sentence) == (done.returncode, done.stdout, done.stderr)


def test_a_host_that_is_not_here() -> None:
    failed = invoke("--host", "203.0.113.7", "--port", "8765", "--orders", "1")
    assert (1, "Cannot listen on 203.0.113.7, port 8765: ") == (failed.exit_code, failed.stderr[:41])


def test_help_names_all_systems() -> None:
    shown = invoke("--help").stdout
    assert [] == [name for name in ("Brightpearl", "Salesforce", "Infor M3") if name not in shown]


def test_settings() -> None:
    with process("--setting", "brightpearl.throttle_limit=5", "--setting", "salesforce.page_size=7") as (
        _,
        lines,
    ):
        control = re.search(r"control API: (\S+)\)", lines[0])
        assert control
        found = [
            requests.get(f"{control[1]}/settings/{system}", timeout=9).json()[name]
            for system, name in (("brightpearl", "throttle_limit"), ("salesforce", "page_size"))
        ]
    assert [5, 7] == found


@pytest.mark.parametrize("text", ["brightpearl.nothing=1", "nobody.throttle=1", "brightpearl.throttle"])
def test_settings_that_do_not_exist(text: str) -> None:
    failed = invoke("--setting", text)
    assert 2 == failed.exit_code
    assert f"--setting {text}" in failed.stderr
