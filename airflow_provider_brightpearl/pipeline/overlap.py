"""What another run of the flow has read later, or writes at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from airflow_provider_brightpearl.core.ports.stores import Binding, DeadLetters
from airflow_provider_brightpearl.core.readings import is_newer
from airflow_provider_brightpearl.pipeline.batch import UNREAD, Batch, Place
from airflow_provider_brightpearl.pipeline.send_again import send_again


def superseded(batch: Batch, skip: set[str]) -> set[str]:
    """Records that another run has read later, and written whole; those that it has only begun are contested."""
    every = [each for bindings in batch.bound.values() for each in bindings.values()]
    newer = {each.source_id for each in every if is_newer(each, batch.readings.get(each.source_id, UNREAD))}
    newer -= skip
    by_record: dict[str, list[Binding]] = {name: [] for name in newer}
    for each in every if newer else ():
        if each.source_id in newer:
            by_record[each.source_id].append(each)
    begun = {name: row for name, bound in by_record.items() if (row := _unwritten(batch, name, bound))}
    for name, row in begun.items():
        batch.contest(name, row)
    return newer - begun.keys()


def _unwritten(batch: Batch, source_id: str, bound: Iterable[Binding]) -> Place | None:
    """A row that the other run may still have to write: this run would change it, and the other one has not."""
    reading, rows = batch.readings.get(source_id, UNREAD), batch.rows[source_id]
    written = {(each.object, each.key) for each in bound if each.fingerprint and is_newer(each, reading)}
    owned = ((row, batch.own(row)) for row in rows)
    differing = ((row.object, row.key) for row, own in owned if not own or own.fingerprint != row.fingerprint)
    gone = ((each.object, each.key) for each in batch.gone(rows, bound))
    return next((place for place in (*differing, *gone) if place not in written), None)


def contest(batch: Batch, letters: DeadLetters, rows: Sequence[Binding], kept: Sequence[Binding]) -> None:
    """Has the records read and written again of which another run has written a row at the same time.

    Args:
        batch: the part.
        letters: for records that are not in the part, to which the other run has given a row.
        rows: what this run bound or unbound, each with the record that it was sent for.
        kept: those of another run, as they stand now.
    """
    owners = {(each.object, each.key): each.source_id for each in rows} if kept else {}
    for each in kept:
        place = each.object, each.key
        batch.bound[each.object][each.key] = each
        for source_id in {owners[place], each.source_id} & batch.rows.keys():
            batch.contest(source_id, place)
        if each.source_id not in batch.rows:
            reason = (
                f"another run has bound {each.object} {each.key!r} to this record while it was written for record "
                f"{owners[place]}; it is sent again"
            )
            send_again(letters, batch.run, each, reason)
