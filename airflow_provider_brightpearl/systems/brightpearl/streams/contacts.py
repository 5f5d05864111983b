"""Contacts with their addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from airflow_provider_brightpearl.core.ports.source import Unread
from airflow_provider_brightpearl.systems.brightpearl.complete import Collected
from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession, decoded_as, with_members


class _Contact(msgspec.Struct):
    postAddressIds: msgspec.Raw = msgspec.Raw(b"{}")


def join_addresses(session: ReadSession, records: Sequence[bytes]) -> Iterator[bytes | Unread]:
    """Contacts with ``addresses`` by kind: DEF, BIL, DEL; other ids stay for the mapping to refuse.

    A contact with an unreadable address is left out: it would be written without the address.
    """
    named = [bytes((decoded_as(_Contact, record) or _Contact()).postAddressIds) for record in records]
    known = [decoded_as(dict[str, int | None], raw) for raw in named]
    wanted = {address for kinds in known for address in (kinds or {}).values() if address}
    addresses = session.fetch("contact-service/postal-address", wanted, "addressId")
    for record, raw, kinds in zip(records, named, known, strict=True):
        lost = _lost(kinds or {}, addresses)
        joined = raw if kinds is None else _by_kind(kinds, addresses.records)
        yield Unread(lost, record) if lost else with_members(record, addresses=joined)


def _lost(kinds: Mapping[str, int | None], addresses: Collected) -> str:
    lost = (pair for pair in kinds.items() if pair[1] in addresses.unread)
    return next(
        (f"postAddressIds.{kind}: {addresses.unread[number].reason}" for kind, number in lost if number), ""
    )


def _by_kind(kinds: Mapping[str, int | None], addresses: Mapping[int, bytes]) -> bytes:
    parts = [
        msgspec.json.encode(kind) + b":" + addresses[number]
        for kind, number in kinds.items()
        if number and number in addresses
    ]
    return b"{" + b",".join(parts) + b"}"
