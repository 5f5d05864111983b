"""Alerts: what they say, whom they reach, and that they never fail a task."""

from __future__ import annotations

import socketserver
import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from airflow_provider_brightpearl import alerts
from airflow_provider_brightpearl.core.records import Calls, Counts
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.notifications import SyncNotifier

WINDOW = {"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-02T00:00:00+00:00"}


class Instance:
    dag_id, task_id, run_id, try_number = "orders_to_salesforce", "load", "scheduled__1", 2
    log_url = "http://airflow.example/log/1"

    def __init__(self, **xcoms):
        self.xcoms = xcoms

    def xcom_pull(self, task_ids, key):
        return self.xcoms.get(f"{task_ids}_{key}")


def run_with(counts, **more):
    began = datetime(2026, 1, 2, tzinfo=UTC)
    return RunSummary("r", "orders", "manual", "done", None, "v", counts, Calls(), {}, began, **more)


@pytest.fixture
def context():
    instance = Instance(extract_run={"selection": {"window": WINDOW}}, gate_return_value={"rejected": 3})
    return {
        "ti": instance,
        "task": SimpleNamespace(flow="orders"),
        "exception": RuntimeError("quota used up"),
    }


def test_failure_names_flow_window_counts_reason_and_log(context):
    assert [
        "orders: load failed",
        "quota used up",
        "run: scheduled__1, try 2",
        "window: 2026-01-01T00:00:00+00:00 to 2026-01-02T00:00:00+00:00",
        "log: http://airflow.example/log/1",
        "counts: rejected 3",
    ] == alerts.failure(context).text.splitlines()


def test_rejections_name_counts_and_the_most_frequent_reasons(context):
    reasons = tuple((f"reason {number}", number) for number in range(9, 0, -1))
    summary = run_with(Counts(extracted=10, created=6, rejected=4), reasons=reasons)
    lines = alerts.rejections(summary, context).text.splitlines()
    assert "orders: 4 of 10 records rejected" == lines[0]
    assert ["9 x reason 9", "8 x reason 8"] == lines[2:4]
    assert alerts.REASONS_SHOWN == sum(" x reason" in line for line in lines)


@pytest.mark.parametrize(
    ("selection", "text"),
    [
        ({"ids": ["1", "2"]}, "ids: 2"),
        ({"window": None}, "full resync"),
        ({"window": {"start": None, "end": "E"}}, "the beginning to E"),
    ],
)
def test_selection_in_words(selection, text):
    assert text == alerts.window_text(selection)


def test_a_mail_server_that_is_not_there_fails_nothing(context, caplog, monkeypatch):
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_PORT", "1")
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_HOST", "127.0.0.1")
    SyncNotifier(to="team@example.com").notify(context)
    assert "was not mailed to team@example.com" in caplog.messages[-1]


def test_without_addresses_the_alert_is_logged(context, caplog):
    SyncNotifier().notify(context)
    assert "orders: load failed" == caplog.messages[-1].splitlines()[0]


def test_an_alert_goes_out_by_smtp(context, monkeypatch):
    received: list[str] = []
    with Mailbox(received) as port:
        monkeypatch.setenv("AIRFLOW__SMTP__SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__SMTP__SMTP_PORT", str(port))
        monkeypatch.setenv("AIRFLOW__SMTP__SMTP_STARTTLS", "False")
        monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__ALERT_EMAIL", "one@example.com, two@example.com")
        SyncNotifier().notify(context)
    mail = "".join(received)
    assert "Subject: orders: load failed" in mail
    assert "RCPT TO:<one@example.com>" in mail.upper().replace("ONE@EXAMPLE.COM", "one@example.com")


class Mailbox:
    """A mail server that takes everything and keeps the lines."""

    def __init__(self, received):
        class Talk(socketserver.StreamRequestHandler):
            def handle(self):
                self.wfile.write(b"220 test\r\n")
                data = False
                for raw in self.rfile:
                    line = raw.decode()
                    received.append(line)
                    if data and line.strip() != ".":
                        continue
                    data = line.strip().upper() == "DATA"
                    if line.upper().startswith("QUIT"):
                        self.wfile.write(b"221 bye\r\n")
                        return
                    self.wfile.write(b"354 go\r\n" if data else b"250 ok\r\n")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.server.server_address[1]

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_warnings_are_told_although_nothing_was_rejected(context):
    summary = run_with(
        Counts(extracted=1), warnings=("AvailableStock__c: 9 is not in lookup counted (4 rows)",)
    )
    lines = alerts.warnings(summary, context).text.splitlines()
    assert ["orders: please check", *summary.warnings] == lines[:2]
    assert lines[2].startswith("counts: extracted 1, ")
