"""The table of faults: what can go wrong with a flow, one entry each."""

from __future__ import annotations

from datetime import timedelta

from airflow_provider_brightpearl.testing.answers import ANSWERS
from airflow_provider_brightpearl.testing.data import DATA
from airflow_provider_brightpearl.testing.fault import Fault, Settings
from airflow_provider_brightpearl.testing.flows import LEDGER, M3, PLACED, SALES
from airflow_provider_brightpearl.testing.machine import MACHINE
from airflow_provider_brightpearl.testing.reading import ClockAhead

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

FAULTS: tuple[Fault, ...] = (*ANSWERS, *_SYSTEMS, *MACHINE, *DATA, *_CLOCKS)
