"""The webhooks that an account sends to the receiver: which flows want which, and how to get there from what there is.

A webhook cannot be changed, so a wrong one is created anew before it is removed: what both send is processed once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_brightpearl.errors import Misconfigured, SchemaMismatch
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.complete import is_number
from airflow_provider_brightpearl.systems.brightpearl.events import VARIABLES, covers
from airflow_provider_brightpearl.systems.brightpearl.streams.stream import RaisesEvents
from airflow_provider_brightpearl.systems.brightpearl.streams.table import streams

_HOOKS = "integration-service/webhook"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_BODY = json.dumps({name: f"${{{variable}}}" for name, variable in VARIABLES.items()})


class Action(StrEnum):
    """What is done to one webhook."""

    CREATE = "create"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class HookStep:
    """One step to the webhooks that are wanted; ``number`` is that of the webhook to remove."""

    action: Action
    event: str
    why: str
    number: int = 0

    def __str__(self) -> str:
        number = f" (webhook {self.number})" if self.number else ""
        return f"{self.action} {self.event}{number}: {self.why}"


@dataclass(frozen=True, slots=True)
class HookAddress:
    """Where an account sends its events.

    Args:
        base: what the address of each of our webhooks begins with, and no other's.
        secret: the rest of it.
    """

    base: str
    secret: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.base)
        if not parts.hostname or (parts.scheme != "https" and parts.hostname not in _LOOPBACK):
            raise Misconfigured(
                f"{self.base!r} is not a valid address for webhooks: it must begin with https://",
                system="brightpearl",
            )

    @property
    def whole(self) -> str:
        return f"{self.base}{self.secret}"


def events_wanted(flows: Iterable[FlowSpec]) -> list[str]:
    """The events that announce changes in the streams of these flows, the widest alone; contacts have none."""
    names = {flow.stream for flow in flows if flow.source_system == "brightpearl"}
    known = [stream for name, stream in streams().items() if name in names]
    events = {event for stream in known if isinstance(stream, RaisesEvents) for event in stream.events}
    return sorted(each for each in events if not any(covers(wide, each) for wide in events - {each}))


def plan_hooks(client: BrightpearlClient, wanted: Sequence[str], address: HookAddress) -> list[HookStep]:
    """The steps to the webhooks that are wanted, creations first; webhooks with other addresses are not ours."""
    found = client.get_list(_HOOKS)
    ours = [hook for hook in found if str(hook.get("uriTemplate")).startswith(address.base)]
    kept: dict[str, int] = {}
    removed: list[HookStep] = []
    for number, hook in sorted(((_number(hook), hook) for hook in ours), key=itemgetter(0)):
        event = str(hook.get("subscribeTo"))
        if event not in wanted:
            why = "no flow reads what it announces, or a wider one covers it"
        elif wrong := _wrong(hook, address):
            why = f"its {wrong} is not as it should be"
        elif event in kept:
            why = f"webhook {kept[event]} sends the same"
        else:
            kept[event] = number
            continue
        removed.append(HookStep(Action.REMOVE, event, why, number))
    replaced = {step.event for step in removed}
    created = [
        HookStep(Action.CREATE, event, "takes the place of another" if event in replaced else "there is none")
        for event in wanted
        if event not in kept
    ]
    return [*created, *removed]


def take_step(client: BrightpearlClient, step: HookStep, address: HookAddress) -> None:
    """Creates or removes one webhook.

    Raises:
        SyncError: the account does not answer, or refuses it; steps that were taken stay.
    """
    if step.action is Action.REMOVE:
        client.delete(f"{_HOOKS}/{step.number}", repeatable=True)
    else:
        client.post(_HOOKS, {"subscribeTo": step.event, **_settings(address)})


def _settings(address: HookAddress) -> dict[str, Any]:
    """What all our webhooks have in common: they carry id sets, and are sent again until they are taken."""
    return {
        "httpMethod": "POST", "uriTemplate": address.whole, "bodyTemplate": _BODY,
        "contentType": "application/json", "idSetAccepted": True, "qualityOfService": 1,
    }  # fmt: skip


def _number(hook: dict[str, Any]) -> int:
    if not is_number(text := str(hook.get("id"))):
        raise SchemaMismatch(f"webhook id {text[:40]!r} is not a number", system="brightpearl")
    return int(text)


def _wrong(hook: dict[str, Any], address: HookAddress) -> str:
    """The setting of a webhook that differs, empty where none does; one that is not listed cannot differ."""
    wanted = _settings(address)
    return next((name for name in wanted if hook.get(name, wanted[name]) != wanted[name]), "")
