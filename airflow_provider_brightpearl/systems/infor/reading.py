"""Reads records of an M3 stream by key, in bulks; one that M3 cannot answer for is set aside under its id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from more_itertools import chunked

from airflow_provider_brightpearl.core.ports.source import Read, Unread
from airflow_provider_brightpearl.core.schema import Schema
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.systems.infor.answers import may_be_cut
from airflow_provider_brightpearl.systems.infor.client import Answer, InforClient, Record, Transaction
from airflow_provider_brightpearl.systems.infor.streams.stream import InforStream, Part

CHUNK = 500
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)
Place = tuple[str, str]


class Reading:
    """Reads records of a stream by key, and counts the fewest calls that takes.

    Args:
        client: calls to M3.
        stream: what is read.
    """

    def __init__(self, client: InforClient, stream: InforStream) -> None:
        self.client = client
        self.stream = stream
        self.min_calls = 0
        self.batches = 0

    def records(self, ids: Sequence[str]) -> Iterator[Read]:
        """The records of these ids, or why there is none; text that is not an id is not found."""
        known = {source_id: key for source_id in ids if (key := self.stream.key_of(source_id))}
        for source_id in ids:
            if source_id not in known:
                yield source_id, Unread(f"{source_id!r} is not an id of this stream", gone=True)
        for some in chunked(known, CHUNK):
            yield from self._some({source_id: known[source_id] for source_id in some})

    def _some(self, keys: Mapping[str, dict[str, str]]) -> Iterator[Read]:
        self.batches += 1
        found: dict[str, dict[str, Any]] = {source_id: dict(key) for source_id, key in keys.items()}
        for step in self.stream.steps:
            answers = self._ask(step, found)
            for source_id in list(found):
                record = found[source_id]
                for name, part in step.items():
                    answer = answers.get((source_id, name))
                    # an optional part that was not asked for
                    value: Any = None
                    if answer is not None:
                        value = (
                            _joined(name, part, answer)
                            if name
                            else self._own(source_id, keys[source_id], answer)
                        )
                    if isinstance(value, Unread):
                        del found[source_id]
                        yield source_id, value
                        break
                    record |= {name: value} if name else value
        yield from ((source_id, msgspec.json.encode(record)) for source_id, record in found.items())

    def _own(
        self, source_id: str, key: Mapping[str, str], answer: Answer | Unread
    ) -> dict[str, Any] | Unread:
        if isinstance(answer, Unread):
            return answer
        operation = f"{self.stream.own.program} {self.stream.own.transaction}"
        if answer.missing:
            return Unread(f"M3 has no record {source_id}: {answer.reason}", gone=True)
        if not answer.done or not answer.first:
            return Unread(f"{operation} {source_id}: {answer.reason or 'M3 answers nothing'}")
        other = [name for name in key if answer.first.get(name, key[name]) != key[name]]
        if other:
            # M3 finds keys whatever their case
            return Unread(f"M3 has no record {source_id}, but {answer.first[other[0]]}", gone=True)
        return {"id": source_id, **_values(answer.first, self.stream.own.columns), **key}

    def _ask(
        self, step: Mapping[str, Part], records: Mapping[str, Mapping[str, Any]]
    ) -> dict[Place, Answer | Unread]:
        """The answers to the parts of a step for each record, by its id and the name of the part."""
        asked = {
            (source_id, name): Transaction(part.transaction, self._inputs(part, record))
            for source_id, record in records.items()
            for name, part in step.items()
            if not part.optional or all(self._inputs(part, record).values())
        }
        self.min_calls += self.client.min_calls(len(asked))
        program = next(iter(step.values())).program
        return dict(zip(asked, self._bulk(program, list(asked.items())), strict=True))

    def _inputs(self, part: Part, record: Mapping[str, Any]) -> Record:
        inputs = part.inputs or {name: name for name in self.stream.key}
        return {to: str(_at(record, name) or "") for to, name in inputs.items()}

    def _bulk(self, program: str, asked: Sequence[tuple[Place, Transaction]]) -> list[Answer | Unread]:
        """Answers in order; where one makes a call unreadable, it is asked for in halves until it is alone."""
        try:
            return list(self.client.bulk(program, [transaction for _, transaction in asked]))
        except Unavailable as error:
            if error.status != 200:
                raise
            if len(asked) == 1:
                ((source_id, _), transaction) = asked[0]
                return [Unread(f"{program} {transaction.name} {source_id}: {error.message}")]
        middle = len(asked) // 2
        return [*self._bulk(program, asked[:middle]), *self._bulk(program, asked[middle:])]


def _at(record: Mapping[str, Any], path: str) -> Any:
    """What stands at a path such as ``order.TEPY`` of a record."""
    name, _, below = path.partition(".")
    value = record.get(name)
    return _at(value or {}, below) if below else value


def _joined(name: str, part: Part, answer: Answer | Unread) -> Any:
    """A part of a record: rows, or fields, or None where it lacks an optional one."""
    if isinstance(answer, Unread):
        return answer
    if answer.missing and part.optional:
        return None
    operation = f"{name}: {part.program} {part.transaction}"
    if not answer.done:
        return Unread(f"{operation}: {answer.reason}")
    if not part.many:
        return _values(answer.first, part.columns)
    if may_be_cut(answer.records):
        return Unread(f"{operation} lists {len(answer.records)} rows, where M3 may have cut the list")
    return [_values(row, part.columns) for row in answer.records]


def _values(record: Record, columns: Schema) -> dict[str, str | None]:
    """The fields of an answer: blank ones null, dates and negative numbers in the usual form."""
    return {name: _value(text, str(columns.get(name, ""))) for name, text in record.items()}


def _value(text: str, kind: str) -> str | None:
    if kind == "DATE":
        found = _DATE.fullmatch(text)
        return "-".join(found.groups()) if found else text.strip("0") or None
    if kind.startswith("DECIMAL") and text.endswith("-"):
        return f"-{text[:-1]}"
    return text or None
