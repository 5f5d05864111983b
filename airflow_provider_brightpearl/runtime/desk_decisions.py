"""What a person decides at the dead-letter desk: letters set aside, and values in the place of a record's own."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.desk import Letter, OverrideView
from airflow_provider_brightpearl.core.patches import at, decode, difference, merged, patch_of
from airflow_provider_brightpearl.core.ports.overrides import Override
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.runtime.desk_detail import override_view
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.state_guard import current_state
from airflow_provider_brightpearl.stores.desk import SqlDesk
from airflow_provider_brightpearl.stores.ledger import SqlLedger
from airflow_provider_brightpearl.stores.overrides import SqlOverrides


def discard_letters(
    environment: Environment, letters: Sequence[Letter], author: str, note: str
) -> list[Letter]:
    """Sets letters aside, with who and why; returns those that still waited.

    A discarded letter stays so until its record changes and fails again. Its record counts nowhere as gone through.

    Raises:
        Misconfigured: there is no reason.
        Unavailable: the state database does not answer.
    """
    _check_decision(environment, note)
    return SqlDesk(environment.state()).discard(letters, author, note.strip(), environment.now())


def override_letter(
    environment: Environment, letter: Letter, patch: dict[str, Any], author: str, note: str
) -> OverrideView:
    """Puts values in the place of a record's own for every run, until the record changes.

    The next run takes the record up, or a replay now. A second override adds to the first.

    Args:
        environment: where the flows run.
        letter: of the record.
        patch: JSON merge patch (RFC 7396) of the record as it was read.
        author: who says so.
        note: why.

    Raises:
        Misconfigured: there is no reason, the patch changes nothing or the record's id, or there is no record.
        Unavailable: the state database does not answer.
    """
    _check_decision(environment, note)
    desk, overrides = SqlDesk(environment.state()), SqlOverrides(environment.state(), letter.pair)
    payload = desk.payload(letter)
    record = _record(letter, payload)
    earlier = overrides.active(letter.flow).get(letter.source_id)
    before = merged(record, earlier.patch) if earlier and earlier.payload == payload else record
    patch = difference(record, merged(before, patch))
    if not patch:
        raise Misconfigured(f"{letter.id}: the record has these values already; nothing is overridden")
    made = Override(letter.source_id, patch, payload, author, note.strip(), environment.now())
    overrides.keep(letter.flow, made)
    return override_view(made)


def withdraw_override(environment: Environment, letter: Letter, author: str, note: str) -> bool:
    """Ends the override of a letter's record; returns whether there was one. Raises as ``override_letter`` does."""
    _check_decision(environment, note)
    overrides = SqlOverrides(environment.state(), letter.pair)
    why = f"withdrawn by {author}: {note.strip()}"
    return bool(overrides.end(letter.flow, [letter.source_id], why, environment.now()))


def patch_from(environment: Environment, letter: Letter, assignments: Sequence[str]) -> dict[str, Any]:
    """The merge patch of ``place=value`` texts, each value of the kind that the record has at that place.

    ``null`` removes a member. Places are names with dots between, numbers from 0 for entries of lists.

    Raises:
        Misconfigured: a text has no ``=``, a place cannot be, or a value is not of its kind.
    """
    record = _record(letter, SqlDesk(environment.state()).payload(letter))
    changed = record
    for each in assignments:
        place, equals, text = (part.strip() for part in each.partition("="))
        if not equals or not place:
            raise Misconfigured(
                f"--set {each!r}: write place=value, such as parties.delivery.postalCode='BA1 1AA'"
            )
        value = _typed(place, text, at(record, place))
        try:
            changed = merged(changed, patch_of(changed, place, value))
        except LookupError as error:
            raise Misconfigured(f"--set {each!r}: {error.args[0]}") from None
    return difference(record, changed)


def patch_of_json(text: str) -> dict[str, Any]:
    """The merge patch of a JSON text; raises ``Misconfigured`` if it is none."""
    try:
        patch = decode(text)
    except msgspec.DecodeError as error:
        raise Misconfigured(f"--patch: {text!r} is not JSON: {error}") from error
    if not isinstance(patch, dict) or not patch:
        raise Misconfigured(f"--patch: {text!r} is not a JSON object with members")
    return patch


def _typed(place: str, text: str, before: Any) -> Any:
    """A value as it is written, of the kind of the one before; text where there is none."""
    if text == "null":
        return None
    if before is None or isinstance(before, str):
        return text
    try:
        value = decode(text)
    except msgspec.DecodeError:
        value = None
    numbers = (int, Decimal)
    alike = isinstance(value, numbers) and isinstance(before, numbers)
    if not alike or isinstance(value, bool) is not isinstance(before, bool):
        if type(value) is not type(before):
            raise Misconfigured(
                f"--set {place}: {text!r} is not of the kind of the value there, {_short(before)}"
            )
    return value


def _short(value: Any, most: int = 80) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= most else f"{text[:most]} …"


def _record(letter: Letter, payload: str) -> Any:
    try:
        record = decode(payload)
    except msgspec.DecodeError:
        record = None
    if not isinstance(record, dict):
        why = (
            "retention has removed the record"
            if payload.startswith("sha256:") or not payload
            else "it is not JSON"
        )
        raise Misconfigured(f"{letter.id}: there is no record to override: {why}")
    return record


def _check_decision(environment: Environment, note: str) -> None:
    if not note.strip():
        raise Misconfigured("say why: --reason is kept with the letter")
    current_state(SqlLedger(environment.state()), environment)
