"""All that is known of a dead letter, and what answers it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.desk import Change, Letter, LetterDetail, OverrideView
from airflow_provider_brightpearl.core.patches import at, decode, places
from airflow_provider_brightpearl.core.ports.overrides import Override
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.identity import mapping_version
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.flow.lookups import lookup_digests
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.trace import record_steps
from airflow_provider_brightpearl.stores.dead_letters import REVIEW, UNRESOLVED, WAITING, LetterState
from airflow_provider_brightpearl.stores.desk import SqlDesk
from airflow_provider_brightpearl.stores.overrides import SqlOverrides


def show_letter(environment: Environment, letter: Letter) -> LetterDetail:
    """All that is known of a letter, and the commands that answer it.

    Raises:
        Unavailable: the state database does not answer.
    """
    payload = SqlDesk(environment.state()).payload(letter)
    try:
        record: Any = decode(payload)
    except msgspec.DecodeError:
        record = payload
    made = SqlOverrides(environment.state(), letter.pair).of_record(letter.flow, letter.source_id)
    steps = record_steps(environment, letter.pair, letter.flow, letter.source_id)
    return LetterDetail(
        letter, record, _version(environment, letter.flow), _next(letter, made), _commands(letter),
        tuple(map(override_view, made)), tuple(steps),
    )  # fmt: skip


def _version(environment: Environment, flow: str) -> str:
    try:
        spec = load_flow(environment.mappings / f"{flow}.yaml")
        return mapping_version(spec, lookup_digests(spec, environment.mappings))
    except Misconfigured:
        return ""


def override_view(made: Override) -> OverrideView:
    """An override as people see it: what it changes, place by place."""
    try:
        record = decode(made.payload)
    except msgspec.DecodeError:
        record = None
    changes = tuple(Change(each, at(record, each), at(made.patch, each)) for each in places(made.patch))
    return OverrideView(made.author, made.note, made.at, changes, made.ended_at, made.ended)


def _next(letter: Letter, overrides: Sequence[Override]) -> str:
    """What comes of a letter by itself."""
    if letter.state == LetterState.DISCARDED.value:
        return "nothing, until the record changes and fails again"
    if letter.state not in WAITING:
        return "nothing: it is closed"
    if letter.kind == REVIEW:
        return "nothing: a person has to say which row of the target it is"
    if letter.state == LetterState.PARKED.value and letter.waits_for:
        flow, name, key = letter.waits_for
        return f"the run after {name} {key} of {flow} is in the target reads the record again"
    if letter.next_try_at:
        with_values = " with the values of the override" if any(not each.ended for each in overrides) else ""
        return f"the first run after {letter.next_try_at.isoformat(timespec='seconds')} tries it again{with_values}"
    return "a run after the record, the flow file or a lookup file has changed reads it again"


def _commands(letter: Letter) -> dict[str, str]:
    """The commands that answer a letter, the likeliest first, with what each does."""
    mine, record = shlex.quote(letter.id), shlex.quote(letter.source_id)
    desk = "brightpearl dead-letters"
    if letter.state not in UNRESOLVED:
        return {}
    replay = {f"{desk} replay {mine}": "run the record now"}
    override = {
        f"{desk} override {mine} --set PLACE=VALUE --reason WHY": "put a value in the place of its own"
    }
    repro = {f"{desk} repro {mine}": "write a test that fails until the mapping is mended"}
    discard = {f"{desk} discard {mine} --reason WHY": "set it aside"}
    if letter.state == LetterState.DISCARDED.value:
        return replay | override
    if letter.kind == REVIEW:
        match = f"brightpearl match {letter.flow} --record {record}"
        return {
            f"{match} --to ID": "it is this row of the target",
            f"{match} --new": "it is none that the target has",
        } | discard
    if letter.waits_for:
        parent = f"{desk} list --flow {shlex.quote(letter.waits_for[0])} --all"
        return {parent: "see whether its parent waits too"} | replay | override | discard
    if letter.state == LetterState.MISSING.value:
        return replay | discard
    preview = {
        f"brightpearl mapping preview {letter.flow} --id {record}": "see what the mapping makes of it now"
    }
    return preview | override | replay | repro | discard
