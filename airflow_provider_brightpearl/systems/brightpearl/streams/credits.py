"""Sales credits with the order they take back: its totals, and which of its rows each of theirs answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from airflow_provider_brightpearl.core.ports.source import Unread
from airflow_provider_brightpearl.systems.brightpearl.session import ReadSession, with_members


class _Quantity(msgspec.Struct):
    magnitude: msgspec.Raw = msgspec.Raw(b"null")


class _Row(msgspec.Struct, rename="camel"):
    product_id: int = 0
    cloned_from_id: int = 0
    quantity: _Quantity = msgspec.field(default_factory=_Quantity)


class _Order(msgspec.Struct, rename="camel"):
    id: int
    parent_order_id: int = 0
    order_rows: dict[str, _Row] = {}
    total_value: msgspec.Raw = msgspec.Raw(b"null")
    currency: msgspec.Raw = msgspec.Raw(b"null")


def join_originals(session: ReadSession, records: Sequence[bytes]) -> Iterator[bytes | Unread]:
    """Credits with ``original`` (totals and currency of their order) and ``originalRows``.

    The latter is, by the id of the credit's row, ``id`` and ``quantity`` of the order's row it takes back.
    """
    credits = [_read(record) for record in records]
    wanted = {credit.parent_order_id for credit in credits if credit.parent_order_id}
    found = session.fetch("order-service/order", wanted, "id", step="originals")
    originals = {number: _read(record) for number, record in found.records.items()}
    for record, credit in zip(records, credits, strict=True):
        number = credit.parent_order_id
        if number in found.unread:
            yield Unread(f"parentOrderId {number}: {found.unread[number].reason}", record)
        elif number in originals:
            yield with_members(record, **_joined(credit, originals[number]))
        else:
            yield record


def _read(record: bytes) -> _Order:
    try:
        return msgspec.json.decode(record, type=_Order)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # of another shape than documented: goes on alone, and the mapping names what is wrong with it
        return _Order(0)


def _joined(credit: _Order, original: _Order) -> dict[str, bytes]:
    head = b'{"id":%d,"totalValue":%b,"currency":%b}' % (original.id, original.total_value, original.currency)
    rows = {
        row: {"id": taken_back, "quantity": original.order_rows[taken_back].quantity.magnitude}
        for row, taken_back in _pairs(credit.order_rows, original.order_rows)
    }
    return {"original": head, "originalRows": msgspec.json.encode(rows)}


def _pairs(credited: Mapping[str, _Row], rows: Mapping[str, _Row]) -> Iterator[tuple[str, str]]:
    """Each row with the order's row it was cloned from, else the first one of its product not taken yet."""
    free = sorted(rows, key=int)
    for row_id, row in sorted(credited.items(), key=lambda pair: int(pair[0])):
        alike = (each for each in free if rows[each].product_id == row.product_id)
        cloned = str(row.cloned_from_id)
        match = cloned if cloned in free else next(alike, "")
        if match:
            free.remove(match)
            yield row_id, match
