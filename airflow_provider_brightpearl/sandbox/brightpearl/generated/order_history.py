"""The arrays behind generated orders: times, status and buyer of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..collection import ids_with_gaps
from . import random_bits

FIRST_ORDER = 100_001
DRAFT, WEB, PHONE, INVOICED, CANCELLED, READY, BACK, HOLD = 1, 2, 3, 4, 5, 17, 18, 19
NEW_CREDIT, CREDITED = 23, 24
_DAY = 86400


@dataclass(frozen=True, slots=True)
class OrderHistory:
    """Columns over all generated orders and credits, ordered by id."""

    ids: Any
    created: Any
    updated: Any  # 0 when never modified
    status: Any
    credit: Any  # True for sales credits
    buyer: Any  # index of the customer
    shipped: Any  # 0 when not shipped

    @classmethod
    def build(
        cls, seed: int, orders: int, customers: int, first: int, last: int, changes: list[int]
    ) -> OrderHistory:
        """`orders` sales orders and a credit after every fifty; some fall just before and after a clock change."""
        count = orders + orders // 50
        bits = random_bits.draw_many(seed, random_bits.ORDER, count)
        indices = np.arange(count, dtype=np.int64)
        created = _created(bits, indices, first, last, changes)
        credit = indices % 51 == 50
        status = _status(bits, created, last, credit)
        updated = _updated(bits, created, last, status)
        shipped = np.where((status == INVOICED) & ~credit, np.maximum(created + 1, updated - 300), 0)
        ids = ids_with_gaps(FIRST_ORDER, count, 96)
        buyer = _buyer(bits, indices, count, customers)
        return cls(ids, created, updated, status, credit, buyer, shipped)


def _part(bits: Any, shift: int, modulus: int) -> Any:
    return ((bits >> np.uint64(shift)) % np.uint64(modulus)).astype(np.int64)


def _created(bits: Any, indices: Any, first: int, last: int, changes: list[int]) -> Any:
    count = len(indices)
    if not count:
        return indices
    step = max(1, (last - first) // count)
    created = first + indices * (last - first) // count + _part(bits, 3, step)
    for change in changes:  # an order just before and just after each clock change
        at = int(np.searchsorted(created, change))
        if 2 <= at < count:
            created[at - 1] = max(created[at - 2], change - 1500)
            created[at] = min(created[at], change + 1500)
    return created


def _status(bits: Any, created: Any, last: int, credit: Any) -> Any:
    roll, recent = _part(bits, 9, 100), created > last - 3 * _DAY
    settled = np.select(
        [roll < 3, roll < 5, roll < 10, roll < 14, roll < 16], [CANCELLED, DRAFT, WEB, PHONE, BACK], INVOICED
    )
    fresh = np.select(
        [roll < 3, roll < 6, roll < 50, roll < 65, roll < 70, roll < 90],
        [CANCELLED, DRAFT, WEB, PHONE, HOLD, READY],
        INVOICED,
    )
    status = np.where(recent, fresh, settled)
    return np.where(credit, np.where(roll % 3 == 0, NEW_CREDIT, CREDITED), status).astype(np.int8)


def _updated(bits: Any, created: Any, last: int, status: Any) -> Any:
    lag = 300 + _part(bits, 22, 4 * _DAY) * _part(bits, 40, 101) // 100
    updated = np.minimum(created + lag, np.maximum(created + 1, last - 1 - lag % 900))
    untouched = np.isin(status, (WEB, PHONE, DRAFT, NEW_CREDIT)) & (_part(bits, 50, 5) > 0)
    return np.where(untouched, 0, updated)


def _buyer(bits: Any, indices: Any, count: int, customers: int) -> Any:
    # Customers register over time, and buyers are already registered, except that one order in a hundred is by
    # a customer who registered later, and three in a hundred are by the guest contact.
    known = np.maximum(1, (customers * (3 * count + 5 * indices)) // max(1, 8 * count))
    roll = _part(bits, 46, 100)
    chosen = np.where(roll == 0, _part(bits, 12, max(1, customers)), _part(bits, 12, 1 << 30) % known)
    return np.where((roll >= 97), 0, chosen)
