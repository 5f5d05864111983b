"""The table of faults: what can go wrong with a flow, one entry each."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from airflow_provider_brightpearl.testing.answers import ANSWERS
from airflow_provider_brightpearl.testing.fault import Fault, Settings
from airflow_provider_brightpearl.testing.flows import ALL, LEDGER, M3, PLACED, SALES
from airflow_provider_brightpearl.testing.records import ClockAhead, Malformed, SameInstant, Texts
from airflow_provider_brightpearl.testing.state import (
    DatabaseDown,
    DatabaseFull,
    DatabaseLocked,
    DatabaseRestored,
    StagingDamaged,
    cut,
    edit,
)
from airflow_provider_brightpearl.testing.workers import Killed, Twice, Zombie

_LOCKED = {"code": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access to this record"}

_SYSTEMS = (
    Fault(
        "rows-locked",
        "Systems",
        "some rows of a call are locked, once",
        Settings(
            salesforce={"row_faults": [{**_LOCKED, "times": 3}]},
            infor={"transaction_faults": [{"code": "XO_1130", "times": 3}]},
        ),
        (M3,),
    ),
    Fault(
        "job-ends-early",
        "Systems",
        "M3 ends a call before its last transactions",
        Settings(infor={"transaction_faults": [{"kind": "terminate", "skip": 2, "times": 2}]}),
        (M3,),
    ),
    Fault(
        "gateway-times-out",
        "Systems",
        "M3's gateway times out, M3 goes on",
        Settings(infor={"transaction_faults": [{"kind": "timeout_here", "skip": 1, "times": 2}]}),
        (LEDGER,),
    ),
)

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
    Fault("state-down", "State", "the state database does not answer", DatabaseDown(), (SALES,)),
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
)

_ODD = (
    "Cafe\u0301 \u202eאבג\u202c",
    "Café 日本 \U0001f600",
    "nul \x00 tab \t",
    "'; DROP TABLE bp_run; --",
    "=1+1",
    "null",
)

_DATA = (
    Fault("malformed-one", "Data", "one record holds a date that is none", Malformed(0.001), (SALES,)),
    Fault("malformed-half", "Data", "half of the records hold a date that is none", Malformed(0.5), (SALES,)),
    Fault("malformed-all", "Data", "all records hold a date that is none", Malformed(1.0), (M3,)),
    Fault(
        "odd-texts",
        "Data",
        "NFD, right to left, emoji, NUL, SQL, a formula",
        Texts("reference", _ODD),
        (SALES,),
        # an order that M3 has is not changed any more, so that a text put right later cannot follow
        (SALES,),
    ),
    Fault("one-instant", "Data", "all records changed at one instant", SameInstant(), (SALES,)),
)

_CLOCKS = (
    Fault(
        "clock-10",
        "Clocks",
        "a worker's clock is 10 minutes ahead, and work is committed meanwhile",
        ClockAhead(timedelta(minutes=10)),
        (SALES,),
        tries=1,
    ),
    Fault(
        "clock-60",
        "Clocks",
        "a worker's clock is an hour ahead, and work is committed meanwhile",
        ClockAhead(timedelta(minutes=60)),
        (PLACED,),
        tries=1,
    ),
)

FAULTS: tuple[Fault, ...] = (*ANSWERS, *_SYSTEMS, *_WORKERS, *_STATE, *_DATA, *_CLOCKS)
