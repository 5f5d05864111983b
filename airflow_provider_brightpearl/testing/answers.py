"""The faults of answers: lost, late, cut, refused, or nonsense."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_brightpearl.systems.http.time_limit import AnswerLimit
from airflow_provider_brightpearl.testing.fault import Answers, Fault, Settings
from airflow_provider_brightpearl.testing.flows import ALL, LEDGER, M3, PLACED, SALES

if TYPE_CHECKING:
    from airflow_provider_brightpearl.testing.trial import Trial

_HTML = "<html><body><h1>Service unavailable</h1></body></html>"
# what a system was sent to log in with, and could repeat
_CREDENTIALS = {
    "brightpearl": ("sandbox-staff-token",),
    "salesforce": ("sandbox-consumer-key", "sandbox-consumer-secret"),
    "infor": ("sandbox-client-secret", "sandbox-service-secret"),
}


class Echo(Answers):
    """A system that answers with a page of its own credentials, in shapes that no name or sign announces."""

    def begin(self, trial: Trial) -> None:
        first, *others = _CREDENTIALS[trial.system(self.side)]
        text = f"debug: staff={first}; secret&#61;{first} key {' '.join(others)} [{first}]"
        page = f"<html><body><pre>{text}</pre></body></html>"
        self.add(trial, {"status": 500, "body": page, "times": 0})


class Drip(Answers):
    """A system that sends its answer a byte a second, to a client that waits for a second, not for minutes."""

    def begin(self, trial: Trial) -> None:
        super().begin(trial)
        trial.place.limit = AnswerLimit(1.0)

    def end(self, trial: Trial) -> None:
        super().end(trial)
        trial.place.limit = None


ANSWERS = (
    Fault(
        "answer-lost",
        "Network",
        "answer lost after the write",
        Answers("target", "write", {"drop": "after"}),
        ALL,
    ),
    Fault(
        "answer-lost-later",
        "Network",
        "answer lost after a later write",
        Answers("target", "write", {"drop": "after", "skip": 1}, {"drop": "after", "skip": 2}),
        (M3,),
    ),
    Fault(
        "request-lost",
        "Network",
        "connection reset before the write",
        Answers("target", "write", {"drop": "before"}),
        (PLACED,),
    ),
    Fault(
        "read-reset",
        "Network",
        "connection reset while reading",
        Answers("source", "any", {"drop": "before", "times": 2}),
        (SALES,),
    ),
    Fault(
        "read-cut",
        "Network",
        "answer of a read cut short",
        Answers("source", "any", {"truncate": 40, "times": 2}),
        (PLACED,),
    ),
    Fault(
        "write-cut",
        "Network",
        "answer of a write cut short",
        Answers("target", "write", {"truncate": 40, "times": 2}),
        (SALES,),
    ),
    Fault(
        "drip",
        "Network",
        "an answer of a byte a second",
        Drip("target", "any", {"drip_seconds": 1.0, "skip": 1}),
        (SALES,),
    ),
    Fault(
        "throttled",
        "Load",
        "429 with Retry-After in seconds",
        Answers("target", "any", {"status": 429, "headers": {"Retry-After": "7"}, "times": 2}),
        (M3,),
    ),
    Fault(
        "throttled-date",
        "Load",
        "503 with Retry-After as a date",
        Answers(
            "target",
            "any",
            {"status": 503, "headers": {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "times": 2},
        ),
        (SALES,),
    ),
    Fault(
        "throttled-silent",
        "Load",
        "429 without Retry-After",
        Answers("source", "any", {"status": 429, "times": 2}),
        (PLACED,),
    ),
    Fault(
        "throttled-nonsense",
        "Load",
        "429 with nonsense as Retry-After",
        Answers("target", "any", {"status": 429, "headers": {"Retry-After": "soon, 1e309"}, "times": 2}),
        (LEDGER,),
    ),
    Fault(
        "storm-source",
        "Outage",
        "the source answers 500 for the whole run",
        Answers("source", "any", {"status": 500, "body": _HTML, "times": 0}),
        (SALES,),
    ),
    Fault(
        "storm-target",
        "Outage",
        "the target answers 503 for the whole run",
        Answers("target", "any", {"status": 503, "body": _HTML, "times": 0}),
        (M3,),
    ),
    Fault(
        "login-down",
        "Outage",
        "the login answers 500 for the whole run",
        Answers("target", "login", {"status": 500, "body": _HTML, "times": 0}),
        (M3,),
    ),
    Fault(
        "token-refused-once",
        "Login",
        "the token expires in the middle of the run",
        Answers("target", "any", {"status": 401, "skip": 1}),
        (LEDGER,),
    ),
    Fault(
        "token-refused",
        "Login",
        "the token is refused for ever",
        Answers("target", "any", {"status": 401, "skip": 1, "times": 0}),
        (LEDGER,),
    ),
    Fault(
        "html",
        "Answers",
        "a page of HTML with status 200",
        Answers("source", "any", {"status": 200, "body": _HTML, "times": 2}),
        (PLACED,),
    ),
    Fault(
        "html-write",
        "Answers",
        "a write answered by HTML with status 200",
        Answers("target", "write", {"status": 200, "body": _HTML}),
        (PLACED,),
    ),
    Fault(
        "empty",
        "Answers",
        "an empty answer with status 200",
        Answers("target", "write", {"status": 200, "body": ""}),
        (LEDGER,),
    ),
    Fault(
        "half-json",
        "Answers",
        "half of a JSON text",
        Answers("source", "any", {"status": 200, "body": '{"response": [1, '}),
        (SALES,),
    ),
    Fault(
        "echo",
        "Answers",
        "an error page that repeats the credentials",
        Echo("target", "any"),
        (M3,),
    ),
    Fault(
        "quota",
        "Load",
        "a quota of 5 calls a minute",
        Settings(brightpearl={"throttle": True, "throttle_limit": 5}),
        (PLACED,),
    ),
)
