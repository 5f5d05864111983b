"""Verifies certificates without any system: their digests, sums, comparison, signature and chain."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from itertools import groupby
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.certificate import (
    Seal,
    SideList,
    SideTotals,
    Statement,
    canonical,
)
from airflow_provider_brightpearl.core.compare import Entry

# whether a signature of these bytes is that of a public key: (key, signature, bytes), both as hex
Verifies = Callable[[str, str, bytes], bool]
# no exponent, and no number whose text would fill memory
_AMOUNT = re.compile(r"-?[0-9]{1,100}(\.[0-9]{1,100})?", re.ASCII)


class Broken(ValueError):
    """What does not hold of a certificate, as one sentence."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A certificate that holds by itself: its name, its statement, and the digest that the next one names."""

    name: str
    statement: Statement
    digest: str


def check_certificate(
    name: str, lines: Iterable[bytes], verifies: Verifies, trusted: Sequence[str] = ()
) -> Checked:
    """Verifies one certificate, read once and not held in memory.

    Args:
        name: of the file.
        lines: its lines, with their line ends.
        verifies: checks a signature.
        trusted: public keys (hex), of which one must have signed it; empty where unsigned ones do as well.

    Raises:
        Broken: it does not hold.
    """
    reading = iter(lines)
    first = next(reading, b"")
    statement = _read(first, Statement, "the first line is no statement of a certificate")
    listed = _Listed(statement)
    # the seal is the last line, so each line is judged once the next one is known
    last = next(reading, b"")
    for line in reading:
        listed.add(last)
        last = line
    listed.end()
    seal = _read(last, Seal, "the last line is no seal: the file is cut off, or was added to")
    if seal.digest != sha256(first).hexdigest():
        raise Broken("the statement or the digest in the seal was changed")
    listed.check()
    _check_signature(statement, seal, first, verifies, trusted)
    return Checked(name, statement, seal.digest)


def check_chain(checked: Sequence[Checked]) -> Iterator[tuple[str, str]]:
    """What does not hold between certificates: the name of the later one, and a sentence on what is wrong."""
    ordered = sorted(checked, key=lambda each: (*_chain(each), each.statement.number, each.name))
    for each in ordered:
        if (each.statement.number == 1) != (not each.statement.previous):
            yield each.name, "only the first certificate of a flow has none before it"
    for _, some in groupby(ordered, key=_chain):
        members = list(some)
        for before, after in zip(members, members[1:], strict=False):
            if problem := _link_problem(before, after):
                yield after.name, problem


def _chain(each: Checked) -> tuple[str, str]:
    return each.statement.flow, each.statement.pair


def _link_problem(before: Checked, after: Checked) -> str:
    number, next_number = before.statement.number, after.statement.number
    if next_number == number:
        return (
            "" if after.digest == before.digest else f"there are two certificates {number}: see {before.name}"
        )
    if next_number > number + 1:
        return f"certificate {number + 1} is missing between {before.name} and this one"
    if after.statement.previous != before.digest:
        return f"the certificate before it is another one than {before.name}"
    return ""


class _Listed:
    """The entries of both sides, compared as they are read."""

    def __init__(self, statement: Statement) -> None:
        self.said = statement
        self.tolerance = _decimal(statement.tolerance)
        self.sides = {side: SideList(side) for side in ("discarded", "source", "target")}
        self.place = ("", "")
        self.entries: dict[str, list[Entry]] = {side: [] for side in self.sides}
        self.extra: list[str] = []
        self.counts = dict.fromkeys(("both", "missing", "extra", "repeated", "other amounts"), 0)

    def add(self, line: bytes) -> None:
        values = _read(line, list[str], "a line of an entry was changed")
        if len(values) not in (2, 4) or values[1] not in self.sides:
            raise Broken(f"the entry {values} is not one of id, side, amount and currency")
        place = (values[0], values[1])
        if place < self.place:
            raise Broken(f"the entries of {values[0]} are out of order")
        if place[0] != self.place[0]:
            self.end()
        self.place = place
        amount = _decimal(values[2]) if len(values) == 4 else None
        entry = Entry(values[0], amount, values[3] if len(values) == 4 else "")
        if self.sides[values[1]].add(entry) != line:
            raise Broken(f"the amount of {values[0]} is not written as it should be")
        self.entries[values[1]].append(entry)

    def end(self) -> None:
        """Compares the entries of one id."""
        here, there = self.entries["source"], self.entries["target"]
        aside, sides = self.entries["discarded"], here + there
        if aside and aside != (sides[:1] or [Entry(aside[0].id)]):
            raise Broken(f"the discarded entry of {aside[0].id} is another one than that of its side")
        self.counts["repeated"] += max(0, len(here) - 1) + max(0, len(there) - 1)
        if here and there:
            self.counts["both"] += 1
            self.counts["other amounts"] += self.said.amounts and not self._agree(here[0], there[0])
        elif here:
            self.counts["missing"] += 1
        elif there:
            self.counts["extra"] += 1
            self.extra.append(there[0].id)
        self.entries = {side: [] for side in self.sides}

    def _agree(self, here: Entry, there: Entry) -> bool:
        if here.amount is None or there.amount is None:
            return here.amount is there.amount
        return here.currency == there.currency and abs(here.amount - there.amount) <= self.tolerance

    def check(self) -> None:
        said, counts = self.said, self.counts
        for name, side in self.sides.items():
            totals: SideTotals = getattr(said, name)
            _check_side(name, totals, side.totals(totals.system, totals.instance))
        stated = {
            "both": said.matched + said.differing,
            "missing": said.missing,
            "extra": said.extra,
            "repeated": said.repeated,
        }
        for name, count in stated.items():
            if count != counts[name]:
                raise Broken(
                    f"the statement counts {count} ids as {name}, the listed entries give {counts[name]}"
                )
        if counts["other amounts"] > said.differing:
            raise Broken(
                f"{counts['other amounts']} records have other amounts on both sides, and the statement counts "
                f"{said.differing} as differing"
            )
        extra = set(self.extra) - {*said.constants}
        if said.state == "closed" and (
            said.reasons or said.missing or said.differing or said.repeated or extra
        ):
            raise Broken("it says closed, and both sides differ or a reason against it is given")
        if said.state == "open" and not said.reasons:
            raise Broken("it says open, and gives no reason")


def _check_side(name: str, said: SideTotals, found: SideTotals) -> None:
    if said.count != found.count:
        raise Broken(f"the statement counts {said.count} entries as {name}, the file lists {found.count}")
    if said.sums != found.sums:
        raise Broken(f"the sums of {name} are {said.sums}, its entries add up to {found.sums}")
    if said.digest != found.digest:
        raise Broken(f"an entry of {name} was changed: the digest of its entries is another one")


def _check_signature(
    statement: Statement, seal: Seal, signed: bytes, verifies: Verifies, trusted: Sequence[str]
) -> None:
    key = statement.public_key
    if bool(key) != bool(seal.signature) or bool(key) != bool(statement.signed_by):
        raise Broken("the signature is missing, or there is one and no key is named")
    if trusted and not key:
        raise Broken("it is not signed")
    if not key:
        return
    if statement.signed_by != fingerprint(key):
        raise Broken("the fingerprint is not that of the key in it")
    if trusted and key not in trusted:
        raise Broken(f"it is signed by another key, {statement.signed_by}")
    if not verifies(key, seal.signature, signed):
        raise Broken(f"the signature is not that of key {statement.signed_by}")


def fingerprint(public_key: str) -> str:
    """Names a public key (hex, of 32 bytes): the beginning of its SHA-256; empty where it is no hex."""
    try:
        return f"sha256:{sha256(bytes.fromhex(public_key)).hexdigest()[:32]}"
    except ValueError:
        return ""


def _decimal(text: str) -> Decimal:
    if not _AMOUNT.fullmatch(text):
        raise Broken(f"{text[:50]!r} is not an amount")
    return Decimal(text)


def _read(line: bytes, kind: Any, problem: str) -> Any:
    """A line's value; its bytes have to be the canonical ones."""
    plain = line.removeprefix(BOM_UTF8)
    plain = plain.removesuffix(b"\r\n") + b"\n" if plain.endswith(b"\r\n") else plain
    try:
        value = msgspec.json.decode(plain, type=kind)
        as_written = canonical(value) + b"\n" == plain
    except (ValueError, RecursionError):
        raise Broken(problem) from None
    if not as_written:
        raise Broken(problem)
    if line.startswith(BOM_UTF8):
        raise Broken("a byte order mark was put before it: copy it in binary")
    if plain != line:
        raise Broken("its line ends were changed (CRLF): copy it in binary")
    return value
