"""Change events by CometD (reference, section 5)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.salesforce_org import Api, api, sandbox

__all__ = ["api", "sandbox"]

CHANNEL = "/data/AccountChangeEvent"


class Subscriber:
    def __init__(self, api: Api) -> None:
        self.api = api
        (answer,) = self.send(
            channel="/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling"]
        )
        self.id = answer["clientId"]

    def send(self, **message: Any) -> list[dict[str, Any]]:
        answer = self.api.http.post(f"{self.api.sandbox.url}/cometd/62.0", json=[message], timeout=30)
        found: list[dict[str, Any]] = answer.json()
        return found

    def subscribe(self, replay: int = -1, channel: str = CHANNEL) -> dict[str, Any]:
        ext = {"replay": {channel: replay}}
        return self.send(channel="/meta/subscribe", clientId=self.id, subscription=channel, ext=ext)[0]

    def events(self) -> list[dict[str, Any]]:
        found = self.send(channel="/meta/connect", clientId=self.id, connectionType="long-polling")
        return [one["data"] for one in found if "data" in one]


@pytest.fixture
def subscriber(api: Api) -> Subscriber:
    api.settings(change_events=["Account"], streaming_seconds=0.2)
    return Subscriber(api)


def test_what_changes_is_announced(api: Api, subscriber: Subscriber) -> None:
    assert subscriber.subscribe()["successful"]
    headers = {"Sforce-Call-Options": "client=bp"}
    id = api("POST", "sobjects/Account", {"Name": "A", "Phone": "1"}, headers=headers).json()["id"]
    api("PATCH", f"sobjects/Account/{id}", {"Name": "B", "Phone": None})
    api("DELETE", f"sobjects/Account/{id}")
    api.create("Contact", LastName="not selected")
    created, updated, deleted = (one["payload"] for one in subscriber.events())
    header = created["ChangeEventHeader"]
    assert ("CREATE", [id], "com/salesforce/api/rest/62.0;client=bp", "A") == (
        header["changeType"],
        header["recordIds"],
        header["changeOrigin"],
        created["Name"],
    )
    changed = updated["ChangeEventHeader"]
    assert (["LastModifiedDate", "Name", "Phone"], ["Phone"]) == (
        changed["changedFields"],
        changed["nulledFields"],
    )
    assert ("B", False) == (updated["Name"], "Phone" in updated)
    assert ("DELETE", 1) == (deleted["ChangeEventHeader"]["changeType"], len(deleted))
    assert [] == subscriber.events()


def test_what_is_undone_is_not_announced(api: Api, subscriber: Subscriber) -> None:
    subscriber.subscribe()
    rows = [{"Name": "A", "Brightpearl_Id__c": "1"}, {"Name": "x" * 300, "Brightpearl_Id__c": "2"}]
    api.upsert("Account", "Brightpearl_Id__c", rows, whole=True)
    assert [] == subscriber.events()
    api.upsert("Account", "Brightpearl_Id__c", rows)
    assert ["A"] == [one["payload"]["Name"] for one in subscriber.events()]


def test_replay(api: Api, subscriber: Subscriber) -> None:
    for name in ("A", "B", "C"):
        api.create("Account", Name=name)
    subscriber.subscribe(-2)
    first, *rest = subscriber.events()
    assert ["A", "B", "C"] == [one["payload"]["Name"] for one in (first, *rest)]
    again = Subscriber(api)
    assert again.subscribe(first["event"]["replayId"])["successful"]
    assert ["B", "C"] == [one["payload"]["Name"] for one in again.events()]
    assert "replayId {999}" in again.subscribe(999)["error"]
    api.sandbox.control("POST", "/clock", {"advance_seconds": 73 * 3600})
    api.login()
    late = Subscriber(api)
    assert "replayId" in late.subscribe(first["event"]["replayId"])["error"]
    assert late.subscribe(-2)["successful"]
    assert [] == late.events()


def test_unknown_channels_and_clients(api: Api, subscriber: Subscriber) -> None:
    assert "does not exist" in subscriber.subscribe(channel="/data/OrderChangeEvent")["error"]
    assert subscriber.subscribe(channel="/data/ChangeEvents")["successful"]
    subscriber.id = "gone"
    assert "handshake" == subscriber.subscribe()["advice"]["reconnect"]
