"""Has a record sent again that is not in this part, or not of this flow: a letter makes its next run read it."""

from __future__ import annotations

import msgspec

from airflow_provider_brightpearl.core.ports.stores import Binding, DeadLetters
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.core.reports import run_of


def send_again(letters: DeadLetters, attempt: str, row: Binding, reason: str) -> None:
    """Opens a letter for the record of a row, unless it has one, whose reason a person has to see.

    Args:
        letters: where the flow of the record learns of it.
        attempt: of the run that has found the row.
        row: the row as it was bound.
        reason: why it is sent again.
    """
    if letters.waiting(row.flow, [row.source_id]):
        return
    run = run_of(attempt)
    # a discarded letter stays so while its payload is the same, and this is another occasion
    payload = msgspec.json.encode(
        {"run": run, "object": row.object, "key": row.key, "target_id": row.target_id}
    )
    rejection = Rejection(row.source_id, Stage.LOAD, reason, row.object, row.key, passing=True)
    letters.keep(row.flow, run, "", [(rejection, payload)])
