"""The tables of the state database, with types that read back the same from SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator[datetime]):
    """An aware instant, always UTC when read; SQLite keeps text of one width, so that it sorts by time."""

    impl = sa.String
    cache_ok = True

    def load_dialect_impl(self, dialect: Any) -> Any:
        on_postgres = dialect.name == "postgresql"
        return dialect.type_descriptor(sa.DateTime(timezone=True) if on_postgres else sa.String(32))

    def process_bind_param(self, value: datetime | None, dialect: Any) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the state database keeps instants with a time zone, got {value.isoformat()}")
        instant = value.astimezone(UTC)
        return instant if dialect.name == "postgresql" else instant.isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return _from_text(value) if isinstance(value, str) else value.astimezone(UTC)


@lru_cache(maxsize=4096)
def _from_text(text: str) -> datetime:
    """Many rows hold one instant."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _text(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False, **options)


def _count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


metadata = sa.MetaData()

# as Alembic makes it
version = sa.Table("bp_version", metadata, sa.Column("version_num", sa.String(32), primary_key=True))

# what identifies the instance (account, org, company) that a connection leads to, determined at its first use
instance = sa.Table(
    "bp_instance",
    metadata,
    _text("address", primary_key=True),
    _text("instance"),
    sa.Column("seen_at", Instant, nullable=False),
)

# one row: what this database is called, and how often runs have written to it, which an older copy has not
identity = sa.Table(
    "bp_identity",
    metadata,
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
    _text("identity"),
    _count("writes"),
)

binding = sa.Table(
    "bp_binding",
    metadata,
    _text("pair", primary_key=True, server_default=""),
    _text("flow", primary_key=True),
    _text("object", primary_key=True),
    _text("key", primary_key=True),
    _text("source_id"),
    _text("target_id"),
    _text("fingerprint"),
    _text("created_run"),
    _text("written_run"),
    # the newest reading of the record: the source's version of it, as text that sorts by age, and when it was read
    _text("source_version", server_default=""),
    sa.Column("read_at", Instant),
    # counts the writes of this row, so that a writer notices another one
    sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
    # of two-way flows alone: last agreed value by field (JSON), the system of the last change, the target's version
    sa.Column("base", sa.Text),
    sa.Column("origin", sa.Text),
    sa.Column("target_version", sa.Text),
    sa.Index("bp_binding_record", "pair", "flow", "source_id"),
    sa.Index("bp_binding_target", "pair", "object", "target_id"),
)

# what happened to a record; the key makes a repeat of a stage write nothing twice, and finds the events of a record
record_event = sa.Table(
    "bp_record_event",
    metadata,
    _text("pair", primary_key=True),
    _text("flow", primary_key=True),
    _text("source_id", primary_key=True),
    _text("run", primary_key=True),
    _text("stage", primary_key=True),
    _text("outcome", primary_key=True),
    _text("object", primary_key=True),
    _text("target_id"),
    _text("note"),
    sa.Column("at", Instant, nullable=False),
    # which reading of the record this follows from
    sa.Column("read_at", Instant),
    _text("source_version", server_default=""),
    # fingerprints of what the record's rows were last written with, and are now
    _text("before", server_default=""),
    _text("after", server_default=""),
    sa.Index("bp_record_event_at", "at"),
)

# fields that both systems changed; ``run`` in the key makes a repeat of a stage write nothing twice
conflict = sa.Table(
    "bp_conflict",
    metadata,
    *(_text(name, primary_key=True) for name in ("pair", "flow", "object", "key", "field", "run")),
    *(_text(name) for name in ("target_id", "winner", "found_by", "source_by", "target_by")),
    sa.Column("source_value", sa.Text),
    sa.Column("target_value", sa.Text),
    sa.Column("source_at", Instant),
    sa.Column("target_at", Instant),
    sa.Column("at", Instant, nullable=False),
    sa.Column("closed_at", Instant),
)
# an open one stays one, whichever flow finds it again
sa.Index(
    "bp_conflict_open",
    *(conflict.c[name] for name in ("pair", "flow", "object", "key", "field")),
    unique=True,
    sqlite_where=conflict.c.closed_at.is_(None),
    postgresql_where=conflict.c.closed_at.is_(None),
)

dead_letter = sa.Table(
    "bp_dead_letter",
    metadata,
    _text("pair", primary_key=True, server_default=""),
    _text("flow", primary_key=True),
    _text("source_id", primary_key=True),
    _text("state"),
    _text("stage"),
    _text("reason"),
    _text("object"),
    _text("row"),
    _text("field"),
    _text("value"),
    sa.Column("waits_flow", sa.Text),
    sa.Column("waits_object", sa.Text),
    sa.Column("waits_key", sa.Text),
    sa.Column("amount", sa.Text),  # SQLite has no exact decimals; text keeps every digit on both
    _text("currency"),
    _text("payload"),
    _text("mapping_version"),
    _text("run"),
    _count("attempts"),
    sa.Column("first_seen", Instant, nullable=False),
    sa.Column("last_seen", Instant, nullable=False),
    sa.Column("state_since", Instant),
    sa.Column("next_try_at", Instant),
    sa.Column("closed_at", Instant),
    sa.Column("closed_run", sa.Text),
    # "review" where a person has to say which row of the target the record is
    _text("kind", server_default=""),
    # who has set it aside, and why
    _text("author", server_default=""),
    _text("note", server_default=""),
    # the record and mapping with which a settled run has kept it, as a digest: later gates do not count it again
    _text("judged", server_default=""),
    sa.Index("bp_dead_letter_due", "pair", "flow", "state", "next_try_at"),
)

run = sa.Table(
    "bp_run",
    metadata,
    _text("flow", primary_key=True),
    _text("run", primary_key=True),
    _text("kind"),
    _text("state"),
    sa.Column("window_start", Instant),
    sa.Column("window_end", Instant),
    _text("mapping_version"),
    *(_count(name) for name in ("extracted", "created", "updated", "unchanged", "rejected", "parked")),
    _text("calls"),
    _text("money"),
    _text("reasons"),
    _text("note"),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    _text("pair", server_default=""),
    sa.Index("bp_run_started", "flow", "started_at"),
)

watermark = sa.Table(
    "bp_watermark",
    metadata,
    _text("pair", primary_key=True, server_default=""),
    _text("flow", primary_key=True),
    sa.Column("instant", Instant, nullable=False),
    _text("run"),
    # by our clock, which that of the source may be behind
    sa.Column("swept_to", Instant),
)

# when the state of a flow began: what the flow wrote before that may not be known here; an empty flow: when all of
# it was restored from a backup
beginning = sa.Table(
    "bp_beginning",
    metadata,
    _text("pair", primary_key=True),
    _text("flow", primary_key=True),
    sa.Column("at", Instant, nullable=False),
)

# which row of the target a record is, as a person has answered; an empty id: none that is there, it is a new one
match_answer = sa.Table(
    "bp_match_answer",
    metadata,
    _text("pair", primary_key=True),
    _text("flow", primary_key=True),
    _text("object", primary_key=True),
    _text("key", primary_key=True),
    _text("source_id"),
    _text("target_id"),
    _text("author"),
    sa.Column("at", Instant, nullable=False),
)

# values that a person has put in the place of a record's own; ended ones are history
override = sa.Table(
    "bp_override",
    metadata,
    _text("pair", primary_key=True),
    _text("flow", primary_key=True),
    _text("source_id", primary_key=True),
    sa.Column("at", Instant, primary_key=True),
    # a JSON merge patch, and the record that it was made for
    _text("patch"),
    _text("payload"),
    _text("author"),
    _text("note"),
    sa.Column("ended_at", Instant),
    _text("ended", server_default=""),
)

# what was announced of a flow, by which run, so that what lasts is not announced by each
notice = sa.Table(
    "bp_notice",
    metadata,
    _text("pair", primary_key=True),
    _text("flow", primary_key=True),
    _text("topic", primary_key=True),
    _text("run"),
    sa.Column("at", Instant, nullable=False),
)

# the fields of a target's object as a flow last met them (JSON by name), and when they were last found to be so
seen_fields = sa.Table(
    "bp_seen_fields",
    metadata,
    _text("pair", primary_key=True),
    _text("flow", primary_key=True),
    _text("object", primary_key=True),
    _text("fields"),
    sa.Column("at", Instant, nullable=False),
)

# by column of the source that a flow reads (JSON), how many of how many records had a value
seen_columns = sa.Table(
    "bp_seen_columns",
    metadata,
    _text("pair", primary_key=True),
    _text("flow", primary_key=True),
    _text("columns"),
)

token = sa.Table(
    "bp_token",
    metadata,
    _text("name", primary_key=True),
    _text("value"),
    sa.Column("changed_at", Instant, nullable=False),
    # who refreshes it, and until when nobody else does; empty where nobody refreshes
    _text("claimed_by", server_default=""),
    sa.Column("claimed_until", Instant),
)

# which run of a flow may write, and with an own row each the works of that run, such as the load of one part. Tokens
# only grow: who holds an older one has been taken over from
lease = sa.Table(
    "bp_lease",
    metadata,
    _text("pair", primary_key=True),
    _text("flow", primary_key=True),
    # empty: the flow itself
    _text("work", primary_key=True),
    sa.Column("token", sa.Integer, nullable=False),
    # the attempt of a run that has it, or had it last
    _text("holder"),
    sa.Column("taken_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
)

intent = sa.Table(
    "bp_intent",
    metadata,
    _text("pair", primary_key=True, server_default=""),
    _text("flow", primary_key=True),
    _text("object", primary_key=True),
    _text("key", primary_key=True),
    _text("state"),
    _text("step"),
    _text("reference"),
    _text("target_id"),
    _text("digest"),
    _text("run"),
    _text("reason"),
    _count("attempt"),
    _text("claim"),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Index("bp_intent_state", "state", "changed_at"),
    # by id first: SQLite, which keeps no statistics, would else take this index for what is due
    sa.Index("bp_intent_target", "target_id", "pair", "flow", "object"),
)
# as they stand in queries too: SQLite takes a partial index only where a query has its very condition
claimed = intent.c.claim != sa.literal_column("''")
unsettled = intent.c.state.in_([sa.literal_column("'due'"), sa.literal_column("'in doubt'")])
sa.Index(
    "bp_intent_unsettled",
    *(intent.c[name] for name in ("pair", "flow", "object", "key")),
    sqlite_where=unsettled,
    postgresql_where=unsettled,
)
sa.Index("bp_intent_claim", intent.c.claim, sqlite_where=claimed, postgresql_where=claimed)

# quotas that all processes share; a row is locked while calls of its pool are granted. Figures of the day are the
# system's own
quota = sa.Table(
    "bp_quota",
    metadata,
    _text("pool", primary_key=True),
    sa.Column("used", sa.Integer),
    sa.Column("most", sa.Integer),
    sa.Column("reported_at", Instant),
)

# calls that count: granted, while the row has a holder, then as they were made; without a share, those of others
quota_call = sa.Table(
    "bp_quota_call",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    *(_text(name) for name in ("pool", "holder", "share")),
    _count("calls"),
    sa.Column("until", Instant, nullable=False),
    sa.Index("bp_quota_call_pool", "pool"),
)

quota_waiter = sa.Table(
    "bp_quota_waiter",
    metadata,
    *(_text(name, primary_key=True) for name in ("pool", "holder")),
    _text("share"),
    _count("calls"),
    sa.Column("since", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),
)

# calls by hour, of pools with a limit a day
quota_hour = sa.Table(
    "bp_quota_hour",
    metadata,
    _text("pool", primary_key=True),
    sa.Column("hour", Instant, primary_key=True),
    _count("calls"),
)

reconciliation = sa.Table(
    "bp_reconciliation",
    metadata,
    _text("flow", primary_key=True),
    _text("run", primary_key=True),
    _text("state"),
    sa.Column("period_start", Instant),
    sa.Column("period_end", Instant, nullable=False),
    *(_count(name) for name in ("in_source", "in_target", "matched", "missing", "differing", "deleted")),
    _count("repaired"),
    _count("removed"),
    _text("counts"),
    _text("money"),
    _text("ids"),
    _text("calls"),
    _text("note"),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    _text("pair", server_default=""),
    sa.Index("bp_reconciliation_started", "flow", "started_at"),
)

# certificates of compared periods, chained by the digests of their statements; the files hold what they state
certificate = sa.Table(
    "bp_certificate",
    metadata,
    _text("pair", primary_key=True),
    _text("flow", primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    *(_text(name) for name in ("digest", "previous", "state", "run", "path", "signed_by")),
    sa.Column("period_start", Instant),
    sa.Column("period_end", Instant, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

# systems that do not answer, or did not: not yet ``opened`` is a suspicion, with ``closed_at`` it is over.
# The last three are when people heard of it, so that they hear of each event once
breaker = sa.Table(
    "bp_breaker",
    metadata,
    _text("address", primary_key=True),
    _text("system"),
    _text("connection"),
    _text("reason", server_default=""),
    _count("opened"),
    sa.Column("since", Instant, nullable=False),
    sa.Column("next_look", Instant, nullable=False),
    sa.Column("looking_until", Instant),
    sa.Column("closed_at", Instant),
    *(sa.Column(name, Instant) for name in ("announced_at", "reminded_at", "ended_at")),
)

# work that waits for a system to answer; ``go_at`` is its turn, once it does
breaker_queue = sa.Table(
    "bp_breaker_queue",
    metadata,
    _text("address", primary_key=True),
    _text("place", primary_key=True),
    _text("flow"),
    _text("run"),
    _text("after", server_default=""),
    sa.Column("since", Instant, nullable=False),
    sa.Column("go_at", Instant),
    sa.Index("bp_breaker_queue_place", "place"),
)


# events as they were received; ``key`` is the vendor's id of one, where it has any: a repeat of it is absorbed
inbox_event = sa.Table(
    "bp_inbox_event",
    metadata,
    _text("id", primary_key=True),
    *(_text(name) for name in ("source", "connection", "name")),
    sa.Column("key", sa.Text),
    sa.Column("occurred_at", Instant),
    sa.Column("received_at", Instant, nullable=False),
    _text("body"),
    # NULLs are distinct
    sa.Index("bp_inbox_event_key", "source", "connection", "key", unique=True),
)

# records that events named. ``event`` and ``received_at`` are of the first event since the record was last processed,
# ``again_event`` and ``again_at`` of the first one since it was taken
inbox = sa.Table(
    "bp_inbox",
    metadata,
    *(_text(name, primary_key=True) for name in ("source", "connection", "stream", "flow", "record_id")),
    _text("state"),
    _text("event"),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("again_event", sa.Text),
    sa.Column("again_at", Instant),
    _count("attempts"),
    sa.Column("next_try", Instant, nullable=False),
    _text("reason", server_default=""),
    # the run that took it last, the take itself, and until when nobody else takes it
    _text("run", server_default=""),
    _text("take", server_default=""),
    sa.Column("taken_until", Instant),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Index("bp_inbox_due", "state", "source", "connection", "stream", "flow", "received_at"),
)


# how far the events of a topic are stored, where they are asked for and not sent
event_cursor = sa.Table(
    "bp_event_cursor",
    metadata,
    *(_text(name, primary_key=True) for name in ("source", "connection", "topic")),
    _text("position"),
    sa.Column("moved_at", Instant, nullable=False),
)


# what events did for a flow on a day of UTC; ``latency`` counts records by how long they waited (JSON)
event_day = sa.Table(
    "bp_event_day",
    metadata,
    *(_text(name, primary_key=True) for name in ("day", "flow")),
    *(_count(name) for name in ("processed", "changed", "missed")),
    _text("latency", server_default=""),
)


def upsert(connection: sa.engine.Connection, table: sa.Table) -> Any:
    """An INSERT that takes ON CONFLICT, in the dialect of this connection."""
    on_postgres = connection.dialect.name == "postgresql"
    return postgresql.insert(table) if on_postgres else sqlite.insert(table)


def replace(connection: sa.engine.Connection, table: sa.Table, row: Mapping[str, Any]) -> None:
    """Writes a row, replacing the one with its key."""
    key = [column.name for column in table.primary_key]
    statement = upsert(connection, table).values(**row)
    changed = {name: statement.excluded[name] for name in row if name not in key}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changed))
