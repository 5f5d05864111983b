"""The faults of workers, of the state database and of the staging folder."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

from airflow_provider_brightpearl.testing.databases import POSTGRES
from airflow_provider_brightpearl.testing.fault import Fault
from airflow_provider_brightpearl.testing.flows import ALL, LEDGER, M3, PLACED, SALES
from airflow_provider_brightpearl.testing.staging import StagingDamaged, StagingFull, cut, edit
from airflow_provider_brightpearl.testing.state import (
    DatabaseDown,
    DatabaseExchanged,
    DatabaseFull,
    DatabaseLocked,
    DatabaseRestored,
    DatabaseSlow,
)
from airflow_provider_brightpearl.testing.workers import Killed, Twice, Zombie

_WORKERS = tuple(
    Fault(
        f"killed-{round(100 * part):02}",
        "Workers",
        f"a worker killed after {part:.0%} of its requests and commits",
        Killed(part),
        (ALL[number // 2],) if number in (0, 3, 5, 6) else (),
        tries=2,
    )
    for number, part in enumerate(number / 20 for number in range(1, 20, 2))
) + (
    Fault("twice", "Workers", "the same task in two workers at once", Twice(), (SALES,), tries=1),
    Fault(
        "zombie-begun",
        "Workers",
        "a worker that hangs early, and goes on an hour after another",
        Zombie(0.3),
        (),
        tries=1,
    ),
    Fault(
        "zombie-late",
        "Workers",
        "a worker that hangs late, and goes on an hour after another",
        Zombie(0.7),
        (M3,),
        tries=1,
    ),
)

_STATE = (
    Fault("state-read-only", "State", "the state database takes no writes", DatabaseLocked(), (M3,)),
    Fault("state-full", "State", "the disk of the state database is full", DatabaseFull(0), (LEDGER,)),
    Fault(
        "state-full-later",
        "State",
        "the disk of the state database fills during the run",
        DatabaseFull(4),
        (SALES,),
    ),
    Fault(
        "state-restored",
        "State",
        "the state database is put back to before the run",
        DatabaseRestored(),
        (M3,),
        tries=1,
    ),
    Fault("state-slow", "State", "each statement takes 50 ms longer", DatabaseSlow(0.05), (LEDGER,)),
    Fault(
        "state-exchanged",
        "State",
        "another, empty database has the state database's name after extract",
        DatabaseExchanged(),
        (PLACED,),
    ),
)

_STAGING = (
    Fault("staging-cut", "Staging", "a staged file is cut between two stages", StagingDamaged(cut), (SALES,)),
    Fault(
        "staging-edited",
        "Staging",
        "a byte of a staged file changes between two stages",
        StagingDamaged(edit),
        (M3,),
    ),
    Fault(
        "staging-removed",
        "Staging",
        "a staged file is removed between two stages",
        StagingDamaged(Path.unlink),
        (LEDGER,),
    ),
    Fault("staging-full", "Staging", "the disk of the staging folder is full", StagingFull(8), (SALES,)),
    Fault(
        "staging-full-later",
        "Staging",
        "the disk of the staging folder fills during the run",
        StagingFull(40),
        (M3,),
    ),
    Fault("staging-read-only", "Staging", "the staging folder takes no writes", StagingFull(0), (LEDGER,)),
)


# what the short profile tries on PostgreSQL too, and with which flow
_QUICK = {"killed-45": PLACED, "twice": M3, "state-restored": SALES, "state-full-later": LEDGER}


def _on_postgres(fault: Fault) -> Fault:
    injection = copy(fault.injection)
    injection.database = POSTGRES
    quick = (_QUICK[fault.name],) if fault.name in _QUICK else ()
    return replace(
        fault, name=f"{fault.name}-postgres", title=f"{fault.title}, on PostgreSQL", injection=injection, quick=quick
    )  # fmt: skip


MACHINE: tuple[Fault, ...] = (
    *_WORKERS,
    *map(_on_postgres, _WORKERS),
    Fault("state-down", "State", "the state database does not answer", DatabaseDown(), (SALES,)),
    *_STATE,
    *map(_on_postgres, _STATE),
    *_STAGING,
)
