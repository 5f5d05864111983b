"""Objects that M3 finds by a key of ours: added, and changed where they exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from airflow_provider_brightpearl.core.changes import RowResult
from airflow_provider_brightpearl.systems.infor.client import Answer, InforClient, Record, Transaction
from airflow_provider_brightpearl.systems.infor.objects import KeyedObject
from airflow_provider_brightpearl.systems.infor.rows import SEPARATOR, Row, same


@dataclass(frozen=True, slots=True)
class _Step:
    """A row with the transaction that is to write it."""

    row: Row
    transaction: str


def keys_of(entry: KeyedObject, target_id: str) -> dict[str, str]:
    """The key fields of a row that is bound, from its target id; none from one of a release that had another form."""
    values = target_id.split(SEPARATOR, maxsplit=max(0, len(entry.keys) - 1))
    return dict(zip(entry.keys, values, strict=True)) if len(values) == len(entry.keys) else {}


def target_id_of(entry: KeyedObject, row: Row) -> str:
    """The id of a row, made of its key fields; its key in the crosswalk where the object has none."""
    return SEPARATOR.join(row.fields.get(name, "") for name in entry.keys) or row.key


class KeyedWriter:
    """Writes rows of one object; repeating any of its calls is harmless, so lost ones are sent again.

    Args:
        client: calls.
        entry: the object.
        adds_again: whether a bound row that M3 no longer has is added once more; otherwise it is refused as lost.
    """

    def __init__(self, client: InforClient, entry: KeyedObject, *, adds_again: bool = True) -> None:
        self.client = client
        self.entry = entry
        self.adds_again = adds_again

    def write(self, rows: Sequence[Row]) -> Iterator[list[RowResult]]:
        """Results per call; a row that unexpectedly exists or is missing takes further calls."""
        steps = [_Step(row, self._first(row)) for row in map(self._keyed, rows)]
        again: list[_Step] = []
        existing: list[tuple[_Step, Answer]] = []
        yield [step.row.written(self._target(step.row)) for step in steps if not step.transaction]
        for answered in self._sent([step for step in steps if step.transaction]):
            existing += [pair for pair in answered if self._exists(*pair)]
            missing = [pair for pair in answered if self._is_missing(*pair)]
            if self.adds_again:
                again += [_Step(step.row, self.entry.add) for step, _ in missing]
            else:
                yield [step.row.lost(answer) for step, answer in missing]
            settled = (p for p in answered if not self._exists(*p) and not self._is_missing(*p))
            yield [self._result(*pair) for pair in settled]
        for step, answer, current in self._looked_up(existing):
            if self._same(step.row, current):
                yield [step.row.written(self._target(step.row))]
            elif current and self.entry.change:
                again.append(_Step(step.row, self.entry.change))
            else:
                yield [self._conflict(step.row, current) if current else step.row.answered(answer)]
        for answered in self._sent(again):
            yield [self._result(*pair) for pair in answered]

    def find(self, rows: Sequence[Row]) -> Iterator[list[RowResult]]:
        """Results of the rows that exist, per call; each is to be written again."""
        asked = [self._get(row) for row in rows]
        for group in self.client.pack(asked):
            answers = self.client.bulk(self.entry.program, [asked[place] for place in group])
            for answer in answers:
                if not answer.done and not answer.missing:
                    raise answer.error(f"{self.entry.program} {self.entry.get}")
            found = (rows[place] for place, answer in zip(group, answers, strict=True) if answer.done)
            yield [msgspec.structs.replace(row.written(self._target(row)), unfinished=True) for row in found]

    def _keyed(self, row: Row) -> Row:
        """A row that is bound keeps the key it has in M3, which cannot be changed there."""
        if row.change.target_id is None:
            return row
        return replace(row, fields={**row.fields, **keys_of(self.entry, row.change.target_id)})

    def _target(self, row: Row) -> str:
        return target_id_of(self.entry, row)

    def _first(self, row: Row) -> str:
        return self.entry.change if row.change.target_id is not None else self.entry.add

    def _sent(self, steps: Sequence[_Step]) -> Iterator[list[tuple[_Step, Answer]]]:
        program = self.entry.program
        sent = [Transaction(step.transaction, step.row.taken_by(program, step.transaction)) for step in steps]
        for group in self.client.pack(sent):
            answers = self.client.bulk(program, [sent[place] for place in group], repeatable=True)
            yield [(steps[place], answer) for place, answer in zip(group, answers, strict=True)]

    def _exists(self, step: _Step, answer: Answer) -> bool:
        return answer.exists and step.transaction == self.entry.add != self.entry.change

    def _is_missing(self, step: _Step, answer: Answer) -> bool:
        about_key = not answer.field or answer.field in self.entry.keys
        is_change = step.transaction == self.entry.change != self.entry.add
        return answer.missing and about_key and is_change

    def _looked_up(self, existing: Sequence[tuple[_Step, Answer]]) -> Iterator[tuple[_Step, Answer, Record]]:
        program = self.entry.program
        asked = [self._get(step.row) for step, _ in existing]
        for (step, refusal), answer in zip(existing, self.client.bulk(program, asked), strict=True):
            yield step, refusal, answer.first if answer.done else {}

    def _get(self, row: Row) -> Transaction:
        return Transaction(self.entry.get, {name: row.fields.get(name, "") for name in self.entry.keys})

    def _same(self, row: Row, current: Record) -> bool:
        return bool(current) and all(
            same(value, current[name]) for name, value in row.fields.items() if name in current
        )

    def _conflict(self, row: Row, current: Record) -> RowResult:
        field = next(
            name for name, value in row.fields.items() if name in current and not same(value, current[name])
        )
        reason = (
            f"{self.entry.program}: already exists with {field} {current[field]!r}, and cannot be changed"
        )
        return row.refused(reason, field)

    def _result(self, step: _Step, answer: Answer) -> RowResult:
        if not answer.done:
            return step.row.answered(answer)
        created = step.row.change.target_id is None and step.transaction == self.entry.add
        return step.row.written(self._target(step.row), created=created)
