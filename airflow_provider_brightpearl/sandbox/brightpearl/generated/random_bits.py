"""Deterministic pseudo-random numbers from (seed, kind, index), with no state."""

from __future__ import annotations

from typing import Any

import numpy as np

MASK = (1 << 64) - 1
_STEP, _A, _B = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def scramble(value: int) -> int:
    """64 scrambled bits of a number (splitmix64)."""
    value = (value + _STEP) & MASK
    value = ((value ^ (value >> 30)) * _A) & MASK
    value = ((value ^ (value >> 27)) * _B) & MASK
    return value ^ (value >> 31)


def draw(seed: int, kind: int, index: int) -> int:
    """The bits of one record."""
    return scramble(scramble(seed * 64 + kind) ^ index)


def draw_many(seed: int, kind: int, count: int) -> Any:
    """The bits of the records 0 to count - 1 as an array, equal to those of `draw`."""
    value = np.arange(count, dtype=np.uint64) ^ np.uint64(scramble(seed * 64 + kind))
    value = value + np.uint64(_STEP)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(_A)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(_B)
    return value ^ (value >> np.uint64(31))


ORDER, CONTACT, PRODUCT, STOCK, ACTIVITY = 1, 2, 3, 4, 5
