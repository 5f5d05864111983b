"""Alerts: what they say, whom they reach, and that they never fail a task."""

from __future__ import annotations

import json
import logging
import socketserver
import threading
from datetime import UTC, datetime
from email import message_from_string
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_brightpearl import alerts, compat
from airflow_provider_brightpearl.core.records import Calls, Cause, Counts
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.dag import sync_dag
from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    GateClosed,
    Misconfigured,
    SyncError,
    TimedOut,
)
from airflow_provider_brightpearl.notifications import AlertMail, SyncNotifier, announce
from airflow_provider_brightpearl.operators.flow import FlowOperator
from airflow_provider_brightpearl.operators.retry import airflow_errors
from airflow_provider_brightpearl.operators.stages import _announce_outcome
from airflow_provider_brightpearl.systems.http.secrets import remember
from tests.docs import markdown
from tests.systems.http.test_echoes import SHAPES

WINDOW = {"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-02T00:00:00+00:00"}


class Instance:
    dag_id, task_id, run_id, try_number = "orders_to_salesforce", "load", "scheduled__1", 2
    log_url = "http://airflow.example/log/1"


def task_of(mappings: Path, flow: str = "orders_to_salesforce", **more: Any) -> Any:
    """What an alert reads of a task: its flow, connections, and what it was given."""
    given = {
        "flow": flow, "mappings": str(mappings), "source_conn_id": "bp_shop", "target_conn_id": None,
        "run": {"selection": {"window": WINDOW}}, "gate": {"rejected": 3},
    }  # fmt: skip
    return SimpleNamespace(**given | more)


def fails_with(task: Any, error: BaseException) -> list[str]:
    """The alert of a task that fails as stages do."""
    with pytest.raises(Exception) as raised, airflow_errors(logging.getLogger("test")):
        raise error
    return alerts.failure({"ti": Instance(), "task": task, "exception": raised.value}).text.splitlines()


def run_with(counts, **more):
    began = datetime(2026, 1, 2, tzinfo=UTC)
    return RunSummary("r", "orders", "manual", "done", None, "v", counts, Calls(), {}, began, **more)


@pytest.fixture
def context():
    return {
        "ti": Instance(),
        "dag": None,
        "task": SimpleNamespace(flow="", run={"selection": {"window": WINDOW}}, gate={"rejected": 3}),
        "exception": RuntimeError("quota used up"),
    }


def test_failure_names_flow_window_counts_reason_and_log(context):
    assert [
        "orders_to_salesforce: load failed",
        "quota used up",
        "To do: read the log of the task; clear it once the cause is gone",
        "see: docs/troubleshooting.md#classes-of-errors",
        "run: scheduled__1, try 2",
        "window: 2026-01-01T00:00:00+00:00 to 2026-01-02T00:00:00+00:00",
        "log: http://airflow.example/log/1",
        "counts: rejected 3",
    ] == alerts.failure(context).text.splitlines()


def test_refused_credentials_name_their_connection_and_what_to_do(mappings):
    error = CredentialsRefused("Authorization token expired", system="brightpearl", status=401)
    lines = fails_with(task_of(mappings), error)
    assert [
        "orders_to_salesforce: load failed",
        "Authorization token expired (system brightpearl, status 401)",
        "connection: bp_shop",
        "To do: correct connection bp_shop, then clear the task",
        "see: docs/connections.md#what-the-test-says",
    ] == lines[:5]
    at_target = fails_with(task_of(mappings), CredentialsRefused("no", system="salesforce"))
    assert "connection: salesforce_default" in at_target


def test_a_closed_gate_names_records_and_the_line_of_their_field(mappings, monkeypatch):
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__DOCS_URL", "https://docs.example.com/")
    causes = [Cause("Order.Status: not known", 6, ("1", "2", "3", "4", "5"), "Order", "Status")]
    error = GateClosed("6 of 7 records failed; nothing was loaded\n6 times: not known", causes=causes)
    lines = fails_with(task_of(mappings), error)
    line = 1 + (mappings / "orders_to_salesforce.yaml").read_text().splitlines().index(
        """    fields: {Status: "coalesce(a, '|')"}"""
    )
    assert [
        "6 of 7 records failed; nothing was loaded",
        "6 x Order.Status: not known",
        "    records: 1, 2, 3, 4, 5 …",
        f"    in: orders_to_salesforce.yaml, line {line}",
        "connections: bp_shop, salesforce_default",
    ] == lines[1:6]
    assert lines[6].startswith("To do: correct the records or orders_to_salesforce.yaml, or raise")
    assert "see: https://docs.example.com/operations.html#the-gate" == lines[7]


def test_a_lookup_file_is_named_as_the_place_to_mend(mappings):
    file = mappings / "orders_to_salesforce.yaml"
    file.write_text(file.read_text() + "lookups: {status: {file: lookups/status.csv, key: a, value: b}}\n")
    cause = Cause("Order.Status: 'x' is not in lookup status", 1, ("7",), "Order", "Status")
    lines = fails_with(task_of(mappings), GateClosed("closed", causes=[cause]))
    [place] = [line for line in lines if line.startswith("    in: ")]
    assert place.endswith(", lookups/status.csv"), place


def test_a_broken_flow_file_does_not_break_its_alert(mappings):
    (mappings / "orders_to_salesforce.yaml").write_text("flow: [")
    lines = fails_with(task_of(mappings), Misconfigured("orders_to_salesforce.yaml: not YAML"))
    assert "To do: correct what the message names, then clear the task" == lines[2]


@pytest.mark.parametrize("kind", [*alerts.REMEDIES, SyncError, TimedOut])
def test_every_error_has_something_to_do_and_a_page_that_exists(kind, mappings):
    lines = fails_with(task_of(mappings), kind("why"))
    [page] = [line.removeprefix("see: ") for line in lines if line.startswith("see: ")]
    name, _, anchor = page.partition("#")
    assert anchor in markdown.anchors(markdown.ROOT / name), page
    assert any(line.startswith("To do: ") and "{" not in line for line in lines)


def test_rejections_name_counts_records_and_the_most_frequent_reasons(context):
    causes = tuple(Cause(f"reason {number}", number, ("7", "8")) for number in range(9, 0, -1))
    summary = run_with(Counts(extracted=10, created=6, rejected=4, parked=1), causes=causes)
    lines = alerts.rejections(summary, context).text.splitlines()
    assert "orders: 4 rejected, 1 parked of 10 records" == lines[0]
    assert ["9 x reason 9", "    records: 7, 8 …"] == lines[2:4]
    assert alerts.REASONS_SHOWN == sum(" x reason" in line for line in lines)


def test_parked_records_alone_come_in_by_themselves(context):
    lines = alerts.rejections(run_with(Counts(extracted=2, parked=2)), context).text.splitlines()
    assert "orders: 2 parked of 2 records" == lines[0]
    assert "To do: nothing, if the flow they wait for runs: they come in by themselves after it" in lines


@pytest.mark.parametrize(
    ("selection", "text"),
    [
        ({"ids": ["1", "2"]}, "ids: 2"),
        ({"window": None}, "full resync"),
        ({"window": {"start": None, "end": "E"}}, "all up to E"),
    ],
)
def test_selection_in_words(selection, text):
    assert text == alerts.selection_text(selection)


def test_a_mail_server_that_is_not_there_fails_nothing(context, caplog, monkeypatch):
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_PORT", "1")
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_HOST", "127.0.0.1")
    SyncNotifier(to="team@example.com").notify(context)
    # Airflow 2 keeps what a notifier raises to itself
    assert any("Connection refused" in message for message in caplog.messages)


def test_without_addresses_the_alert_is_logged(context, caplog):
    SyncNotifier().notify(context)
    assert "orders_to_salesforce: load failed" == caplog.messages[-1].splitlines()[0]


class Channel(compat.BaseNotifier):
    """A notifier as that of Slack: its text is a template."""

    template_fields = ("message",)

    def __init__(self, message: str, sent: list[str]) -> None:
        super().__init__()
        self.message, self.sent = message, sent

    def notify(self, context: Any) -> None:
        self.sent.append(self.message)


def test_notifiers_of_airflow_get_every_alert_and_one_that_fails_stops_no_other(context, caplog):
    sent: list[str] = []

    def broken(_: Any) -> None:
        raise ConnectionError("no network")

    channel = Channel("{{ alert.subject }}", sent)
    SyncNotifier(notifiers=[broken, channel])(context)
    announce(alerts.rejections(run_with(Counts(extracted=2, parked=2)), context), context, [channel])
    assert ["orders_to_salesforce: load failed", "orders: 2 parked of 2 records"] == sent
    assert any("function did not send the alert" in message for message in caplog.messages)


def test_flows_take_notifiers_for_failures_and_for_records_left_behind(mappings):
    channel = Channel("x", [])
    dag = sync_dag("orders_to_salesforce", mappings=mappings, on_alert=[channel])
    assert [channel] == dag.get_task("settle").on_alert
    own = FlowOperator(task_id="x", flow="f", on_alert=[channel])
    for task in (dag.get_task("extract"), dag.get_task("load"), own):
        [callback] = task.on_failure_callback
        # Airflow 2 copies the defaults of a DAG
        assert ["x"] == [each.message for each in callback.notifiers]


@pytest.mark.parametrize(
    ("name", "mapped"), [("extract", {}), ("gate", {}), ("transform", {"part": {}}), ("load", {"mapped": {}})]
)
def test_notifiers_of_a_dag_get_what_any_of_its_tasks_has_to_say(mappings, name, mapped):
    """Such as an outage, which the first task that meets it announces."""
    dag = sync_dag("orders_to_salesforce", mappings=mappings, on_alert=[Channel("x", [])])
    task = dag.get_task(name)
    if getattr(task, "is_mapped", False):
        task = task.unmap(mapped)
    assert ["x"] == [each.message for each in task.on_alert]


def test_the_smtp_provider_mails_where_its_connection_exists(context, monkeypatch):
    received: list[str] = []
    with Mailbox(received) as port:
        connection = {
            "conn_type": "smtp", "host": "127.0.0.1", "port": port,
            "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"},
        }  # fmt: skip
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        context["exception"] = RuntimeError("{{ not a template }} <b>")
        AlertMail("one@example.com").notify(context)
    mail = "".join(received)
    assert "Subject: orders_to_salesforce: load failed" in mail
    assert "MAIL FROM:<AIRFLOW@EXAMPLE.COM>" in mail.upper()


def test_an_alert_goes_out_by_smtp(context, monkeypatch):
    received: list[str] = []
    with Mailbox(received) as port:
        monkeypatch.setenv("AIRFLOW__SMTP__SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__SMTP__SMTP_PORT", str(port))
        monkeypatch.setenv("AIRFLOW__SMTP__SMTP_STARTTLS", "False")
        monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__ALERT_EMAIL", "one@example.com, two@example.com")
        SyncNotifier().notify(context)
    mail = "".join(received)
    assert "Subject: orders_to_salesforce: load failed" in mail
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


CREDENTIAL = "3MVG9/x7Kq+Zr2=wP0aLd8"
ECHOES = [
    f"M3 says {shape(CREDENTIAL)}" for name, shape in SHAPES.items() if not name.startswith(("cut", "split"))
]


@pytest.mark.parametrize("build", [alerts.failure, alerts.rejections, alerts.quarantine, alerts.warnings])
def test_no_alert_and_no_mail_holds_a_credential(context, monkeypatch, caplog, build):
    """Whatever a vendor's page, a record or a notifier has repeated; at the last place before they leave."""
    remember(CREDENTIAL)
    received: list[str] = []
    context["exception"] = RuntimeError("\n".join(ECHOES))
    causes = tuple(Cause(f"Account: {echo}", 1, (CREDENTIAL,), "Account", "Name") for echo in ECHOES)
    monkeypatch.setattr(alerts, "REASONS_SHOWN", len(causes))
    summary = run_with(
        Counts(extracted=2, rejected=1), causes=causes, warnings=tuple(ECHOES), quarantine=ECHOES[1]
    )

    def broken(_: Any) -> None:
        raise RuntimeError(f"no channel for {ECHOES[2]}")

    with Mailbox(received) as port:
        connection = {
            "conn_type": "smtp", "host": "127.0.0.1", "port": port,
            "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"},
        }  # fmt: skip
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        alert = build(context) if build is alerts.failure else build(summary, context)
        announce(alert, context, [broken], ["one@example.com"])
    begun = next(place for place, line in enumerate(received) if line.strip().upper() == "DATA")
    parts = message_from_string("".join(received[begun + 1 :])).walk()
    mail = "".join(received) + "".join(str(part.get_payload(decode=True)) for part in parts)
    assert "***" in mail
    assert "did not send the alert" in caplog.text
    for shown in (mail, caplog.text, alert.text):
        assert not [each for each in ECHOES if each.removeprefix("M3 says ").casefold() in shown.casefold()]


def test_warnings_are_told_although_nothing_was_rejected(context):
    summary = run_with(
        Counts(extracted=1), warnings=("AvailableStock__c: 9 is not in lookup counted (4 rows)",)
    )
    lines = alerts.warnings(summary, context).text.splitlines()
    assert ["orders: please check", *summary.warnings] == lines[:2]
    assert lines[2].startswith("counts: extracted 1, ")


@pytest.mark.parametrize("news", [True, False])
def test_a_quarantine_is_announced_when_it_is_news_and_its_records_are_not(context, caplog, news):
    said = "7 of 21 records failed, the flow allows 2%; these are kept out, the others are loaded"
    counts = Counts(extracted=21, created=14, rejected=7)
    causes = (Cause("Thing.Status: not known", 7, ("1", "2")),)
    summary = run_with(counts, quarantine=said, news=news, causes=causes)
    _announce_outcome(summary, context, [])
    if not news:
        assert "alert" not in context
        return
    lines = context["alert"].text.splitlines()
    assert ["orders: gate closed, 7 records in quarantine", said] == lines[:2]
    assert "7 x Thing.Status: not known" in lines
    assert "see: docs/operations.md#quarantine" in lines
