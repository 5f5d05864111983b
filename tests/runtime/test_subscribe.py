"""Change events of the sandbox's org in the inbox: each once, through broken streams, lost places and kills."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.engine import open_engine
from tests.runtime.org_events import CONNECTION, Place


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with Sandbox(customers=1, products=1, orders=1, pubsub_port=0) as sandbox:
        yield sandbox


@pytest.fixture
def place(served: Sandbox, tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "brightpearl").mkdir()
    engine = open_engine(f"sqlite:///{tmp_path / 'brightpearl' / 'state.db'}")
    found = Place(served, engine)
    found.begin()
    yield found
    engine.dispose()


def test_a_keepalive_moves_the_cursor_and_stores_nothing(place: Place) -> None:
    assert place.position()
    assert [] == place.events()


def test_what_changes_while_nobody_listens_is_due_once(place: Place) -> None:
    made = [place.account(f"Firm {number}") for number in range(120)]
    place.listen(lambda: len(place.events()) >= 120)
    assert {("accounts", each) for each in made} == place.due()
    before = place.position()
    other = place.account()
    place.listen(lambda: place.position() != before)
    assert ("accounts", other) in place.due()
    assert 121 == len(place.events())


def test_our_own_changes_are_left_out(place: Place) -> None:
    place.account("Ours", client="ours")
    theirs = place.account("Theirs", client="theirs")
    place.listen(place.due)
    assert {("accounts", theirs)} == place.due()


def test_repeats_are_absorbed(place: Place) -> None:
    place.account()
    place.sandbox.control("POST", "/salesforce/events", {"repeat": 1})
    place.account()
    place.listen(lambda: len(place.due()) == 2)
    assert 2 == len(place.events())


def test_a_stream_that_breaks_goes_on_after_what_is_stored(place: Place) -> None:
    before = place.logins
    made = [place.account(f"Firm {number}") for number in range(5)]
    broken = {"rpc": "Subscribe", "after_events": 2}
    place.settings(pubsub_faults=[broken, {"rpc": "Subscribe", "code": "service.auth.error"}])
    place.listen(lambda: len(place.events()) >= 5)
    assert {("accounts", each) for each in made} == place.due()
    assert 5 == len(place.events())
    assert 3 == place.logins - before


def test_a_stream_that_breaks_at_a_schema_loses_no_event(place: Place) -> None:
    made = place.account()
    place.settings(pubsub_faults=[{"rpc": "GetSchema"}])
    place.listen(place.due)
    assert {("accounts", made)} == place.due()


def test_what_cannot_be_stored_is_sent_again(place: Place) -> None:
    made, stand, before = place.account(), place.position(), place.logins
    place.rename("bp_inbox", "bp_gone")
    place.listen(lambda: place.logins >= before + 3)
    assert (stand, []) == (place.position(), place.events())
    place.rename("bp_gone", "bp_inbox")
    place.listen(place.due)
    assert {("accounts", made)} == place.due()


def test_a_place_that_is_no_longer_kept_is_said_and_new_events_arrive(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.account("missed")
    place.settings(
        pubsub_faults=[{"rpc": "Subscribe", "code": "subscription.fetch.replayid.corrupted"}],
        pubsub_keepalive_seconds=0.05,
    )
    stand = place.position()
    place.listen(lambda: place.position() != stand)
    assert "events were missed, which the next scheduled runs find" in caplog.text
    assert [] == place.events()
    other = place.account()
    place.settings(pubsub_keepalive_seconds=270.0)
    place.listen(place.due)
    assert {("accounts", other)} == place.due()


def test_an_overflow_is_kept_and_said(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    gap = {"object": "Account", "kind": "GAP_OVERFLOW", "ids": ["001000000000000AAA"]}
    place.sandbox.control("POST", "/salesforce/events", gap)
    place.listen(place.events)
    assert ["AccountChangeEvent.GAP_OVERFLOW"] == [name for name, _ in place.events()]
    assert "GAP_OVERFLOW of Account does not say which records have changed" in caplog.text
    assert set() == place.due()


def test_a_topic_that_does_not_exist_ends_it(place: Place) -> None:
    with pytest.raises(Misconfigured, match="NoneChangeEvent does not exist"):
        place.listen(lambda: False, place.subscriber("/data/NoneChangeEvent"))


@pytest.mark.system
def test_the_command_that_is_killed_goes_on_where_it_was(place: Place, tmp_path: Path) -> None:
    connection = {
        "conn_type": "salesforce",
        "extra": {
            "consumer_key": "sandbox-consumer-key", "consumer_secret": "sandbox-consumer-secret", "domain": "acme.my",
            "endpoint_override": place.sandbox.url,
            "pubsub_endpoint": f"http://{place.sandbox.pubsub()['address']}", "client_id": "ours",
        },
    }  # fmt: skip
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_SALESFORCE_DEFAULT": json.dumps(connection),
    }
    command = [sys.executable, "-m", "airflow_provider_brightpearl", "subscribe", "--conn-id", CONNECTION]
    made: set[tuple[str, str]] = set()
    for _ in range(2):
        made.add(("accounts", place.account()))
        with (
            (tmp_path / "log").open("w") as output,
            subprocess.Popen(command, env=env, stdout=output, stderr=output) as running,
        ):
            for _ in range(600):
                if place.due() == made or running.poll() is not None:
                    break
                time.sleep(0.1)
            running.kill()
        assert made == place.due(), (tmp_path / "log").read_text()[-3000:]
    assert 2 == len(place.events())
