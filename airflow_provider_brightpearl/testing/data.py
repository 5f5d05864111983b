"""The faults of data: of records, of reading them, of what is in the target, and of the jobs that write it."""

from __future__ import annotations

from datetime import timedelta
from unicodedata import normalize

from airflow_provider_brightpearl.testing.bulk import ByBulk
from airflow_provider_brightpearl.testing.checker import Limits
from airflow_provider_brightpearl.testing.deadly import Deadly
from airflow_provider_brightpearl.testing.fault import Answers, Fault, Settings
from airflow_provider_brightpearl.testing.flows import M3, PLACED, SALES
from airflow_provider_brightpearl.testing.links import ParentMerged, ParentMissing
from airflow_provider_brightpearl.testing.reading import CommittedLate, Moving, SameInstant, Vanishing
from airflow_provider_brightpearl.testing.records import (
    ORDERS,
    PLACED_ORDERS,
    Copies,
    Patch,
    Texts,
    Unmapped,
    placed_on,
)
from airflow_provider_brightpearl.testing.schema import Drift

_NOT_FOUND = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]

_ODD = (
    "Cafe\u0301 \u202eאבג\u202c",
    "Café 日本 \U0001f600",
    "nul \x00 tab \t",
    "'; DROP TABLE bp_run; --",
    "=1+1",
    "null",
)

# dates that are none, and values that no lookup has
_NO_DATE = {ORDERS: {"placedOn": "the day before yesterday"}}
_NOT_LISTED: dict[str, Patch] = {
    ORDERS: {"orderStatus": {"name": "On the moon"}, "warehouseId": 99},
    PLACED_ORDERS: {"Type": "On the moon"},
}
_CLOCK_CHANGES = placed_on(
    "2025-10-25T23:30:00.000Z",
    "2025-10-26T01:30:00.000+01:00",
    "2025-10-26T01:30:00.000Z",
    "2026-03-29T00:59:59.000Z",
    "2026-03-29T02:00:00.000+01:00",
)
_CALENDAR = placed_on(
    "2024-02-28T23:59:59.000Z",
    "2024-02-29T23:59:59.000Z",
    "2025-06-30T23:30:00.000Z",
    "2025-12-31T23:59:59.999Z",
    "2026-01-01T00:00:00.000Z",
)
_LARGE_IDS = [{"id": 2**53 + number, "reference": f"000{number}"} for number in (1, 2)]
_ONE_NAME = [{"reference": normalize(form, "Zo\u00eb Caf\u00e9")} for form in ("NFC", "NFD")]
_CURRENCIES = [{"currency": {"orderCurrencyCode": code}} for code in ("JPY", "GBP", "KWD")]

_DATA = (
    Fault(
        "malformed-one",
        "Data",
        "0.1% of the records, one at least, hold a date that is none",
        Unmapped(0.001, _NO_DATE),
        (SALES,),
    ),
    Fault(
        "malformed-half",
        "Data",
        "half of the records hold a date that is none",
        Unmapped(0.5, _NO_DATE),
        (SALES,),
    ),
    Fault("malformed-all", "Data", "all records hold a date that is none", Unmapped(1.0, _NO_DATE), (M3,)),
    Fault(
        "lookup-missing",
        "Data",
        "a record holds a value that its lookup lacks",
        Unmapped(0.001, _NOT_LISTED),
        (PLACED,),
    ),
    Fault(
        "odd-texts",
        "Data",
        "NFD, right to left, emoji, NUL, SQL, a formula",
        Texts("reference", _ODD),
        (SALES,),
        # an order that M3 has is not changed any more, so that a text put right later cannot follow
        (SALES,),
    ),
    Fault(
        "one-name", "Data", "one name in its composed and its decomposed form", Copies(_ONE_NAME), (SALES,)
    ),
    Fault(
        "clock-changes",
        "Data",
        "orders in the hours when the clocks change",
        Copies(_CLOCK_CHANGES),
        (SALES,),
    ),
    Fault("calendar", "Data", "orders of a leap day and at the turn of years", Copies(_CALENDAR), (M3,)),
    Fault(
        "large-ids",
        "Data",
        "ids above 2^53 and 2^63, numbers with leading zeros",
        Copies(_LARGE_IDS, first_row=2**63 + 1),
        (SALES,),
    ),
    Fault("decimals", "Data", "amounts of no, two and three decimals", Copies(_CURRENCIES), (M3,)),
    Fault("deadly", "Data", "a record that kills the process that maps", Deadly(), (SALES,)),
)

_READING = (
    Fault(
        "one-instant", "Reading", "more records than a page changed at one instant", SameInstant(), (SALES,)
    ),
    Fault("moving", "Reading", "rows move up while they are paged", Moving(), (M3,)),
    Fault("vanishing", "Reading", "a record is deleted between search and read", Vanishing(), (SALES,)),
    Fault(
        "committed-late",
        "Reading",
        "records are committed after a run, with a time from before it",
        CommittedLate(timedelta(minutes=10)),
        (PLACED,),
        tries=1,
    ),
    Fault("parent-missing", "Reading", "the parent of a record is not linked yet", ParentMissing(), (M3,)),
)

_TARGET = (
    Fault(
        "parent-merged",
        "Target",
        "an account is merged into another one that is linked",
        ParentMerged(),
        (SALES,),
    ),
    Fault("field-gone", "Target", "a field is gone", Drift({"removed": True}), (SALES,), tries=1),
    Fault("field-retyped", "Target", "a field has another type", Drift({"type": "date"}), (SALES,), tries=1),
    Fault(
        "field-required",
        "Target",
        "a field is required that the flow does not write",
        Drift({"type": "string", "required": True}, "Zone__c"),
        (SALES,),
        tries=1,
    ),
    Fault(
        "value-gone",
        "Target",
        "a list lacks a value that the flow writes",
        Drift({"without_values": ["Activated"]}, "Status"),
        (SALES,),
        (SALES,),
        tries=1,
    ),
)

_JOBS = (
    Fault(
        "job-aborted",
        "Bulk jobs",
        "a job is aborted after some of its rows",
        ByBulk(Settings(salesforce={"bulk_chunk_rows": 2, "bulk_abort_after_rows": 4})),
        (SALES,),
        tries=1,
    ),
    Fault(
        "job-failed",
        "Bulk jobs",
        "a job fails, and leaves rows unprocessed",
        ByBulk(Settings(salesforce={"bulk_chunk_rows": 2, "bulk_fail_after_rows": 4})),
        (SALES,),
        tries=1,
    ),
    Fault(
        "job-stuck",
        "Bulk jobs",
        "a job stays in the queue",
        ByBulk(Settings(salesforce={"bulk_seconds": 10**6})),
        (SALES,),
        tries=1,
        # as long as a job has
        limits=Limits(sleep=timedelta(hours=8)),
    ),
    Fault(
        "job-gone",
        "Bulk jobs",
        "a job is gone before its results are read",
        ByBulk(Answers("target", "results", {"status": 404, "body": _NOT_FOUND, "times": 3})),
        (SALES,),
        tries=1,
    ),
)

DATA = (*_DATA, *_READING, *_TARGET, *_JOBS)
