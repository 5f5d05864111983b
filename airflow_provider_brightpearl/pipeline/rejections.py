"""Rejections as staged lines: each with its raw record, so that a dead letter can be replayed.

They pass one by one, since a run may reject every record it reads.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO

import msgspec

from airflow_provider_brightpearl.core.ports.stores import Staging
from airflow_provider_brightpearl.core.records import Cause, Money, PartRef, Rejection, add_money

Rejected = tuple[Rejection, bytes]
# gives the ids of those that failed as they are in a settled run
Judged = Callable[[Iterable[Rejected]], Collection[str]]
_IN_MEMORY = 1 << 20
# causes counted side by side; more differ only in the value that they name
_CAUSES = 10_000


class _Line(msgspec.Struct):
    rejection: Rejection
    raw: str


_decode = msgspec.json.Decoder(_Line).decode


def write_rejections(staging: Staging, name: str, rejected: Iterable[Rejected]) -> PartRef:
    """Stages rejections with their raw records."""
    return staging.write_lines(name, map(_line, rejected))


def _line(rejected: Rejected) -> bytes:
    rejection, raw = rejected
    return msgspec.json.encode(_Line(rejection, raw.decode("utf-8", "replace")))


def read_rejections(staging: Staging, ref: PartRef) -> Iterator[Rejected]:
    """The rejections that ``write_rejections`` staged."""
    with staging.local(ref) as path:
        yield from _lines_of(path)


@dataclass(frozen=True, slots=True)
class LocalRejections:
    """The rejections of several files on this machine, to be read as often as wanted."""

    paths: Sequence[Path]

    def __iter__(self) -> Iterator[Rejected]:
        return (each for path in self.paths for each in _lines_of(path))


@contextmanager
def open_rejections(staging: Staging, refs: Iterable[PartRef]) -> Iterator[LocalRejections]:
    """The rejections of several files, all fetched before the first is read: their reader may hold a lock."""
    with ExitStack() as stack:
        yield LocalRejections([stack.enter_context(staging.local(ref)) for ref in refs])


def _lines_of(path: Path) -> Iterator[Rejected]:
    with path.open("rb") as file:
        for line in file:
            found = _decode(line)
            yield found.rejection, found.raw.encode()


class RejectionSpool:
    """Rejections put aside, in a temporary file once they are many, while a stage writes another file."""

    def __init__(self) -> None:
        self._file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)

    def __enter__(self) -> RejectionSpool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, rejected: Rejected) -> None:
        self._file.write(_line(rejected) + b"\n")

    def stage(self, staging: Staging, name: str) -> PartRef:
        """Stages all of them."""
        self._file.seek(0)
        return staging.write_lines(name, (line.removesuffix(b"\n") for line in self._file))


def with_raw(staging: Staging, ref: PartRef, by_line: Mapping[int, Rejection]) -> Iterator[Rejected]:
    """The rejections of these lines of a part with their raw records, in the order of the part."""
    if by_line:
        for place, line in enumerate(staging.read_lines(ref)):
            if place in by_line:
                yield by_line[place], line


def money_of(rejected: Iterable[Rejection]) -> Money:
    """Totals of the rejected records whose amount is known."""
    return add_money({each.currency: each.amount} for each in rejected if each.amount is not None)


@dataclass(slots=True)
class _Met:
    """The records that one cause has met so far, the first of them whole."""

    first: Rejection
    count: int = 0
    ids: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Causes:
    """The reasons of rejections, counted as they pass by, without values, so that equal causes add up.

    ``examples`` ids are kept of each. Where very many differ, rare ones are dropped and would be counted anew.
    """

    examples: int = 5
    _met: dict[str, _Met] = field(default_factory=dict)

    def add(self, rejection: Rejection) -> None:
        cause = cause_of(rejection)
        if cause not in self._met and len(self._met) >= _CAUSES:
            self._met = dict(self._commonest(_CAUSES // 2))
        met = self._met.setdefault(cause, _Met(rejection))
        met.count += 1
        if len(met.ids) < self.examples:
            met.ids[rejection.source_id] = None

    def counting(self, rejected: Iterable[Rejected]) -> Iterator[Rejected]:
        """The same rejections, counted."""
        for each in rejected:
            self.add(each[0])
            yield each

    def top(self, limit: int) -> tuple[Cause, ...]:
        """The most common ones."""
        return tuple(
            Cause(reason, met.count, tuple(met.ids), met.first.object, met.first.field)
            for reason, met in self._commonest(limit)
        )

    def _commonest(self, limit: int) -> list[tuple[str, _Met]]:
        return sorted(self._met.items(), key=lambda item: -item[1].count)[:limit]


def cause_of(rejection: Rejection) -> str:
    """Why a record did not go through, without its value and id, so that equal causes add up."""
    named = f"--record {shlex.quote(rejection.source_id)} "
    reason = rejection.reason.replace(named, "--record ID ")
    if rejection.waits_for:
        reason = f"waits for {rejection.waits_for[0]} {rejection.waits_for[1]}"
    elif rejection.value and f"{rejection.value!r} " not in reason:
        reason = reason.removesuffix(f", got {rejection.value}")
    return f"{rejection.object}.{rejection.field}: {reason}" if rejection.field not in reason else reason
