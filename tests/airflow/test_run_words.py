"""What the log of a run's last task says."""

from __future__ import annotations

from airflow_provider_brightpearl.operators import run_words

RUN = {
    "flow": "orders_to_infor",
    "extracted": 5, "created": 2, "updated": 0, "unchanged": 1, "rejected": 1, "parked": 1,
    "window": {"start": None, "end": "2026-04-01T00:00:00+00:00"},
    "calls": {"brightpearl": 4, "infor": 6},
    "fewest_calls": {"brightpearl": 4, "infor": 6},
    "planned_calls": {"brightpearl": 5},
    "money": {
        "extracted": {"GBP": "1234.5000", "KWD": "2.1250"},
        "loaded": {"GBP": "1234.0000", "KWD": "2.1250"},
        "rejected": {"GBP": "0.5000"},
    },
    "reasons": [["OrderLine: waits for the item", 1]],
    "write_back": {"told": 2, "waiting": 0, "given_up": 0},
}  # fmt: skip


def test_a_run_is_told_with_records_calls_money_reasons_and_write_backs():
    assert [
        "orders_to_infor: 5 records: 2 created, 0 updated, 1 unchanged, 1 rejected, 1 parked, "
        "changes from the beginning to 2026-04-01T00:00:00+00:00",
        "brightpearl: 4 calls, 4 the fewest possible, 5 planned",
        "infor: 6 calls, 6 the fewest possible",
        "GBP: 1,234.50 extracted, 1,234.00 loaded, 0.50 rejected or parked",
        "KWD: 2.125 extracted, 2.125 loaded",
        "1 x OrderLine: waits for the item",
        "written back: 2 told, 0 waiting, 0 given up",
    ] == run_words.summary(RUN).splitlines()


def test_a_run_by_ids_without_money_is_two_lines():
    short = RUN | {"window": None, "money": {}, "reasons": [], "write_back": {}, "calls": {"brightpearl": 1}}
    assert [
        "orders_to_infor: 5 records: 2 created, 0 updated, 1 unchanged, 1 rejected, 1 parked",
        "brightpearl: 1 calls, 4 the fewest possible, 5 planned",
    ] == run_words.summary(short).splitlines()
