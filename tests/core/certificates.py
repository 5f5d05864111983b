"""Certificates as the store writes them, of entries as given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

from msgspec.structs import replace

from airflow_provider_brightpearl.core.certificate import Seal, SideList, Statement, canonical
from airflow_provider_brightpearl.core.certificate_check import fingerprint
from airflow_provider_brightpearl.core.compare import Entry
from airflow_provider_brightpearl.stores.signing import SigningKey

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
KEY = SigningKey.of("07" * 32, "key")
OTHER = SigningKey.of("08" * 32, "key")
ENTRIES = [
    Entry("100001", Decimal("58.3000"), "CAD"),
    Entry("100002", Decimal("-668.85"), "EUR"),
    Entry("Zoë 店", Decimal("0"), "KWD"),
]


def lines_of(
    source: Sequence[Entry] = ENTRIES,
    target: Sequence[Entry] = ENTRIES,
    key: SigningKey | None = None,
    number: int = 1,
    previous: str = "",
    discarded: Sequence[Entry] = (),
    **said: object,
) -> list[bytes]:
    """A certificate, written as the store writes it."""
    sides = {side: SideList(side) for side in ("discarded", "source", "target")}
    given = {"discarded": discarded, "source": source, "target": target}
    listed = sorted(
        [(each.id, side, each) for side, entries in given.items() for each in entries],
        key=lambda each: each[:2],
    )
    entries = [sides[side].add(entry) for _, side, entry in listed]
    here, there = {each.id for each in source}, {each.id for each in target}
    public = key.public_key if key else ""
    statement = Statement(
        flow="orders", pair="brightpearl:a>salesforce:b", number=number, previous=previous, state="closed", reasons=(),
        period_start=None, period_end=NOON, compared_at=NOON, read_until=NOON, run="r", last_run="r0",
        mapping_version="v1", amounts=True, tolerance="0.005", fields=(),
        source=sides["source"].totals("brightpearl", "brightpearl:a"),
        target=sides["target"].totals("salesforce", "salesforce:b"),
        discarded=sides["discarded"].totals("brightpearl", "brightpearl:a"),
        matched=len(here & there), differing=0, missing=len(here - there), extra=len(there - here),
        repeated=len(source) - len(here) + len(target) - len(there),
        differences={}, findings={}, constants=(), note="", public_key=public,
        signed_by=fingerprint(public) if public else "",
    )  # fmt: skip
    first = canonical(replace(statement, **said)) + b"\n"
    return [first, *entries, sealed(first, key)]


def sealed(first: bytes, key: SigningKey | None = None) -> bytes:
    return canonical(Seal(sha256(first).hexdigest(), key.sign(first) if key else "")) + b"\n"
