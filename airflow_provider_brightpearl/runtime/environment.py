"""What flows need of their environment, such as Airflow or a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.core.letters import LetterPolicy
from airflow_provider_brightpearl.mapping.process import Bounds
from airflow_provider_brightpearl.systems.system import System

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from upath import UPath

    from airflow_provider_brightpearl.stores.signing import SigningKey


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what runs leave behind is kept.

    Args:
        staging: staging files.
        payloads: the records in closed dead letters, and the values of closed conflicts.
        events: what happened to each record.
        history: closed dead letters and conflicts, runs, reconciliations and settled intents.
    """

    staging: timedelta = timedelta(days=14)
    payloads: timedelta = timedelta(days=30)
    events: timedelta = timedelta(days=90)
    history: timedelta = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Environment:
    """State database, staging and connections.

    Args:
        mappings: folder of the flow files.
        state: opens the state database, with its tables in place; called often, so it keeps what it opened.
        staging: folder of the staging files, local or remote; the same one for every worker.
        connect: the client of a system, by connection id, or by the system's usual one where that is None.
        address: what a connection holds of its destination, without secrets and without a call.
        keep: how long what runs leave behind is kept.
        letters: when dead letters are tried again, and when a missing record counts as gone.
        gate_sql_rows: up to so many rows of an object the gate is evaluated in DuckDB.
        mapping_bounds: what a mapping may take of time and memory.
        write_back_limit: messages that a run writes back at most.
        lease: how long, by the clock of the state database, a run that is silent counts as one that still writes; zero
            lets runs of a flow write beside each other.
        lease_wait: how long a run waits here for its turn, before it says that the flow is busy.
        sits_out: whether who runs a stage waits, and begins it anew, where a part of a system fails: such a run has
            not failed.
        now: the clock, aware.
        certificates: folder of the certificates, the same one for every worker; below the staging files if left out.
        signing_key: the key that signs them, None for none.
    """

    mappings: Path
    state: Callable[[], Engine]
    staging: Callable[[], str | Path | UPath]
    connect: Callable[[System, str | None], Any]
    address: Callable[[System, str | None], str]
    keep: Retention = Retention()
    letters: LetterPolicy = LetterPolicy()
    gate_sql_rows: int = 2_000
    mapping_bounds: Bounds = Bounds()
    write_back_limit: int = 2_000
    lease: timedelta = timedelta(minutes=5)
    lease_wait: timedelta = timedelta(0)
    sits_out: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    certificates: Callable[[], str | Path | UPath] | None = None
    signing_key: Callable[[], SigningKey | None] = lambda: None
