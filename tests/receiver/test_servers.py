"""The receiver in real servers: killed at any time it has lost nothing that it answered, and no log shows a secret."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from airflow_provider_brightpearl.compat import airflow_version
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.engine import open_engine, reading
from tests.receiver.place import JSON, PATH, SECRET, body, environment, receiver

SENDERS, ENOUGH = 6, 150


def stored(home: Path) -> set[str]:
    engine = open_engine(f"sqlite:///{home / 'brightpearl' / 'state.db'}")
    with reading(engine) as connection:
        found = set(connection.execute(sa.select(tables.inbox.c.record_id)).scalars())
    engine.dispose()
    return found


def status_of(connection: http.client.HTTPConnection, method: str, path: str, record_id: int) -> int:
    connection.request(method, path, body(record_id) if method == "POST" else None, JSON)
    answer = connection.getresponse()
    answer.read()
    return answer.status


@pytest.mark.system
def test_a_killed_receiver_has_lost_nothing_that_it_answered(tmp_path: Path) -> None:
    answered: list[str] = []
    enough = threading.Event()

    def send(port: int, first: int) -> None:
        number = first
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection,
        ):
            while True:
                assert 202 == status_of(connection, "POST", PATH, number)
                answered.append(str(number))
                number += 1
                if len(answered) > ENOUGH:
                    enough.set()

    env = environment(tmp_path)
    with receiver(env, tmp_path / "log") as (running, port):
        senders = [
            threading.Thread(target=send, args=(port, 1_000_000 * each)) for each in range(1, SENDERS + 1)
        ]
        for each in senders:
            each.start()
        assert enough.wait(60), (tmp_path / "log").read_text()
        running.kill()
        for each in senders:
            each.join()
    found = stored(tmp_path)
    assert ENOUGH < len(answered)
    assert set() == set(answered) - found
    # what was stored and not answered any more is sent again, and was in flight
    assert len(found - set(answered)) <= SENDERS
    assert SECRET not in (tmp_path / "log").read_text()


@pytest.mark.system
def test_a_long_body_is_not_read_to_its_end_and_streams_are_bounded(tmp_path: Path) -> None:
    with receiver(environment(tmp_path), tmp_path / "log") as (_, port):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sender:
            head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            sender.sendall(f"{head}Content-Length: 99999999\r\n\r\n".encode())
            assert sender.recv(100).startswith(b"HTTP/1.1 413")
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sender:
            sender.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(9):
                sender.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
            assert sender.recv(100).startswith(b"HTTP/1.1 413")
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            asked = [("GET", PATH), ("POST", "/other"), ("POST", PATH), ("GET", "/brightpearl/events/health")]
            assert [404, 404, 202, 200] == [status_of(connection, *each, 1) for each in asked]
    assert {"1"} == stored(tmp_path)


IN_AIRFLOW_3 = """
import logging, sys
from fastapi import FastAPI
from starlette.testclient import TestClient
from airflow.api_fastapi.app import init_plugins
app = FastAPI()
init_plugins(app)
try:
    from airflow.api_fastapi.app import init_access_logging
    init_access_logging(app)
except ImportError:
    pass
client = TestClient(app)
# the sender's own log
for name in ("httpx", "httpx2"):
    logging.getLogger(name).setLevel("ERROR")
def post(path, **more):
    return client.post(path, content=more.get("content"), headers={"content-type": "application/json"}).status_code
def get(path):
    return client.get(path).status_code
"""
IN_AIRFLOW_2 = """
import sys
from flask import Flask
from airflow import plugins_manager
from airflow.www.app import csrf
plugins_manager.initialize_web_ui_plugins()
app = Flask("webserver")
app.config["SECRET_KEY"] = "x"
csrf.init_app(app)
for each in plugins_manager.flask_blueprints:
    app.register_blueprint(each["blueprint"])
def logged(environ, start_response):
    answer = list(app(environ, start_response))
    print("access log:", environ["PATH_INFO"], environ["RAW_URI"])
    return answer
from werkzeug.test import Client
client = Client(logged)
def post(path, **more):
    answer = client.post(
        path, data=more.get("content"), content_type="application/json", environ_base={"RAW_URI": path}
    )
    return answer.status_code
def get(path):
    return client.get(path, environ_base={"RAW_URI": path}).status_code
"""
POSTS = """
from tests.receiver.place import PATH, body
print("answers", post(PATH, content=body(7)), post(PATH[:-1], content=body(8)), post(PATH, content=b"x" * 70_000),
      get("/brightpearl/events/health"), get("/brightpearl/events/nothing"))
"""


@pytest.mark.system
def test_airflow_mounts_the_receiver_and_logs_no_secret(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    # as the entry point does where the package is installed
    (plugins / "events.py").write_text("from airflow_provider_brightpearl.plugin import BrightpearlPlugin\n")
    script = (IN_AIRFLOW_3 if airflow_version() >= (3, 0) else IN_AIRFLOW_2) + POSTS
    env = environment(tmp_path) | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=110
    )
    said = done.stdout + done.stderr
    assert "answers 202 404 413 200 404" in done.stdout, said
    assert {"7"} == stored(tmp_path)
    assert "/brightpearl/events/shop/***" in said
    assert SECRET[:-1] not in said


LIGHT = """
import json, sys
from airflow import plugins_manager
before = set(sys.modules)
from airflow_provider_brightpearl.plugin import BrightpearlPlugin
BrightpearlPlugin.flask_blueprints
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.mark.system
def test_processes_that_only_load_plugins_load_nothing_of_the_receiver(tmp_path: Path) -> None:
    env = environment(tmp_path) | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", LIGHT], env=env, capture_output=True, text=True, timeout=110)
    assert 0 == done.returncode, done.stderr
    loaded = {name for name in json.loads(done.stdout.splitlines()[-1]) if "brightpearl" in name}
    package = "airflow_provider_brightpearl"
    assert loaded <= {
        package, *(f"{package}.{name}" for name in ("plugin", "compat", "receiver", "receiver.asgi")),
    }  # fmt: skip
