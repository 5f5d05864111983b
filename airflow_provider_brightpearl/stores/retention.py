"""Removes what the state database no longer needs: payloads and history, never what decides how a flow goes on.

Watermarks, the crosswalk, letters and events that wait, conflicts that are open, writes in doubt or due, and the newest
run of each flow stay for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from airflow_provider_brightpearl.core.inbox import InboxState
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.pipeline.write_back import Kind
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.dead_letters import WAITING, LetterState, payload_digest
from airflow_provider_brightpearl.stores.engine import reading, writing

# tables without a rule, each with the reason why its rows stay
KEPT = {
    "bp_lease": "a row a flow: a token that began anew would let a run write that was taken over from",
    tables.version.name: "one row",
    tables.identity.name: "one row",
    tables.instance.name: "one row for each connection, which decides whose state a flow goes on with",
    tables.binding.name: "decides what is created and what is changed; a row goes with its record",
    tables.watermark.name: "one row for each flow, which decides what is read next",
    tables.beginning.name: "one row for each flow, which decides what is looked for before it is created",
    tables.match_answer.name: "people have decided it, and are not to be asked again",
    tables.event_cursor.name: "one row for each topic, which decides from where events are asked for",
    tables.token.name: "one row for each login, replaced by the next one",
    tables.notice.name: "one row for each thing that people were told of",
    tables.quota.name: "one row for each quota",
    tables.quota_call.name: "calls of its window alone: those before it go with the next one",
    tables.quota_waiter.name: "who waits for a moment: goes with the next one after its time",
    tables.quota_hour.name: "hours of the forecast alone: those before it go with the next one",
    tables.seen_columns.name: "one row for each flow, whose counts are halved as they grow",
    tables.seen_fields.name: "the fields of each object as they were last seen, replaced by the next look",
    tables.certificate.name: "others verify the chain years later",
}


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Aware instants before which each kind of state is removed.

    ``payloads``: the records in closed letters, the values of closed conflicts, the bodies of received events.
    ``events``: what happened to records, what was received and is processed.
    ``history``: closed letters and conflicts, runs, reconciliations, settled intents.
    """

    payloads: datetime
    events: datetime
    history: datetime


@dataclass(frozen=True, slots=True)
class _Rule:
    """Rows of a table that go, or with ``changed`` those that lose something."""

    name: str
    table: sa.Table
    where: tuple[Any, ...]
    changed: dict[str, Any] | None = None


def clean_state(engine: Engine, cutoffs: Cutoffs, *, dry_run: bool = False) -> dict[str, int]:
    """Removes what is older than the cutoffs, one transaction a kind.

    Args:
        engine: the state database.
        cutoffs: how old is too old.
        dry_run: only count.

    Returns:
        How many rows of each kind were removed, or would be.

    Raises:
        Unavailable: the database does not answer.
    """
    found: dict[str, int] = {}
    for rule in _rules(engine.dialect.name, cutoffs):
        with (reading if dry_run else writing)(engine) as connection:
            found[rule.name] = found.get(rule.name, 0) + _apply(connection, rule, dry_run=dry_run)
    return found


def unruled_tables() -> set[str]:
    """Tables that would grow for ever: without a rule here, and without a reason in ``KEPT``."""
    never = datetime.min.replace(tzinfo=UTC)
    ruled = {rule.table.name for rule in _rules("sqlite", Cutoffs(never, never, never))}
    return set(tables.metadata.tables) - ruled - KEPT.keys()


def _apply(connection: Connection, rule: _Rule, *, dry_run: bool) -> int:
    if dry_run:
        count = sa.select(sa.func.count()).select_from(rule.table).where(*rule.where)
        return int(connection.execute(count).scalar() or 0)
    statement: Any = rule.table.delete() if rule.changed is None else rule.table.update().values(rule.changed)
    return int(connection.execute(statement.where(*rule.where)).rowcount)


def _rules(dialect: str, cutoffs: Cutoffs) -> Iterator[_Rule]:
    letter = tables.dead_letter.c
    # a letter that a person has set aside in SQL has no time of its own
    closed_at = sa.func.coalesce(letter.closed_at, letter.last_seen)
    discarded = letter.state == LetterState.DISCARDED.value
    closed = letter.state.not_in(WAITING)
    old_payload = (closed, closed_at < cutoffs.payloads, letter.payload != "")
    yield _Rule("payloads", tables.dead_letter, (*old_payload, sa.not_(discarded)), {"payload": ""})
    # the digest keeps it set aside for as long as the record does not change
    digest = payload_digest(dialect, letter.payload)
    whole = letter.payload.not_like("sha256:%")
    yield _Rule("payloads", tables.dead_letter, (*old_payload, discarded, whole), {"payload": digest})
    gone = (closed, sa.not_(discarded), closed_at < cutoffs.history)
    yield _Rule("dead_letters", tables.dead_letter, gone)
    for name, table in (("runs", tables.run), ("reconciliations", tables.reconciliation)):
        yield _Rule(name, table, (table.c.started_at < cutoffs.history, _has_newer(table)))
    yield _Rule("events", tables.record_event, (tables.record_event.c.at < cutoffs.events,))
    yield _Rule("intents", tables.intent, _needless(cutoffs))
    # of runs that were cleared or deleted while they waited for a system
    yield _Rule("queued", tables.breaker_queue, (tables.breaker_queue.c.since < cutoffs.events,))
    # of connections that were changed or removed: those in use are looked at
    yield _Rule("outages", tables.breaker, (tables.breaker.c.next_look < cutoffs.events,))
    yield from _of_overrides(cutoffs)
    yield from _of_conflicts(cutoffs)
    yield from _of_inbox(cutoffs)


def _of_overrides(cutoffs: Cutoffs) -> Iterator[_Rule]:
    """Those that have ended; one that counts stays."""
    override = tables.override.c
    old = (override.ended_at < cutoffs.payloads, override.payload != "")
    yield _Rule("payloads", tables.override, old, {"payload": "", "patch": ""})
    yield _Rule("dead_letters", tables.override, (override.ended_at < cutoffs.history,))


def _of_conflicts(cutoffs: Cutoffs) -> Iterator[_Rule]:
    conflict, bound = tables.conflict.c, tables.binding.c
    values = ("source_value", "target_value")
    held = sa.or_(*(conflict[name].is_not(None) for name in values))
    yield _Rule(
        "payloads", tables.conflict, (conflict.closed_at < cutoffs.payloads, held), dict.fromkeys(values)
    )
    # nobody can decide over a row that is not linked any more
    linked = sa.exists().where(*(bound[name] == conflict[name] for name in ("pair", "flow", "object", "key")))
    stale = sa.and_(conflict.closed_at.is_(None), sa.not_(linked), conflict.at < cutoffs.history)
    yield _Rule("conflicts", tables.conflict, (sa.or_(conflict.closed_at < cutoffs.history, stale),))


def _of_inbox(cutoffs: Cutoffs) -> Iterator[_Rule]:
    """Records that are processed, and events that no record waits for."""
    record, event = tables.inbox.c, tables.inbox_event.c
    closed = record.state.in_([InboxState.DONE.value, InboxState.IGNORED.value])
    waiting = (
        sa.select(record[name]).where(sa.not_(closed), record[name].is_not(None))
        for name in ("event", "again_event")
    )
    unneeded = [event.id.not_in(each) for each in waiting]
    old_body = (event.received_at < cutoffs.payloads, event.body != "", *unneeded)
    yield _Rule("payloads", tables.inbox_event, old_body, {"body": ""})
    yield _Rule("inbox", tables.inbox, (closed, record.changed_at < cutoffs.events))
    yield _Rule("inbox", tables.event_day, (tables.event_day.c.day < cutoffs.history.date().isoformat(),))
    yield _Rule("inbox_events", tables.inbox_event, (event.received_at < cutoffs.events, *unneeded))


def _has_newer(table: sa.Table) -> Any:
    """Whether a flow has a newer row in the table, between the same instances."""
    newer = table.alias()
    same = (newer.c.flow == table.c.flow, newer.c.pair == table.c.pair)
    return sa.exists().where(*same, newer.c.started_at > table.c.started_at)


def _needless(cutoffs: Cutoffs) -> tuple[Any, ...]:
    """Writes that happened and are in the crosswalk too, and fields written back, which may be set again.

    A note has no other trace, and a refused journal hands its number to the next try.
    """
    intent, bound = tables.intent.c, tables.binding.c
    place = (bound[name] == intent[name] for name in ("pair", "flow", "object", "key", "target_id"))
    repeatable = intent.object.like(f"%.{Kind.FIELDS}")
    return (
        intent.state == IntentState.DONE.value,
        intent.changed_at < cutoffs.history,
        sa.or_(sa.exists().where(*place), repeatable),
    )
