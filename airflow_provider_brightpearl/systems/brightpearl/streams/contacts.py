"""Contacts with their addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession, decoded_as, with_members


class _Contact(msgspec.Struct):
    postAddressIds: msgspec.Raw = msgspec.Raw(b"{}")


class _Address(msgspec.Struct):
    addressId: int


def join_addresses(session: ReadSession, records: Sequence[bytes]) -> Iterator[bytes]:
    """Contacts with ``addresses`` by kind: DEF, BIL, DEL; other ids stay for the mapping to refuse."""
    named = [bytes(msgspec.json.decode(record, type=_Contact).postAddressIds) for record in records]
    known = [decoded_as(dict[str, int | None], raw) for raw in named]
    wanted = {address for kinds in known for address in (kinds or {}).values() if address}
    found = session.records("contact-service/postal-address", wanted)
    addresses = {msgspec.json.decode(raw, type=_Address).addressId: raw for raw in found}
    for record, raw, kinds in zip(records, named, known, strict=True):
        yield with_members(record, addresses=raw if kinds is None else _by_kind(kinds, addresses))


def _by_kind(kinds: Mapping[str, int | None], addresses: Mapping[int, bytes]) -> bytes:
    parts = [
        msgspec.json.encode(kind) + b":" + addresses[number]
        for kind, number in kinds.items()
        if number and number in addresses
    ]
    return b"{" + b",".join(parts) + b"}"
