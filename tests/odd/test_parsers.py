"""Any bytes to every parser of what others send; ``make fuzz`` looks for those that reach new branches."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.odd.odd import A_QUARTER, BYTES, MASKS
from tests.odd.parsers import PARSERS, try_out


def mutated(seed: bytes, mask: int, odd: bytes) -> bytes:
    """Something that the parser takes, with odd bytes in place of some of it, or cut."""
    chance = random.Random(mask)
    start = chance.randrange(len(seed) + 1)
    end = min(len(seed), start + chance.randrange(4))
    return seed[:start] + (odd + seed[end:] if odd else b"")


@pytest.mark.parametrize("name", PARSERS)
@A_QUARTER
@given(place=st.integers(0, 3), mask=MASKS, odd=BYTES | st.binary(max_size=6), whole=st.binary(max_size=40))
def test_every_parser_fails_with_a_sentence(
    name: str, place: int, mask: int, odd: bytes, whole: bytes
) -> None:
    seeds = PARSERS[name].seeds
    try_out(name, mutated(seeds[place % len(seeds)], mask, odd))
    try_out(name, whole)


@pytest.mark.parametrize("name", PARSERS)
def test_what_a_parser_takes_is_tried_as_it_is(name: str) -> None:
    for seed in PARSERS[name].seeds:
        try_out(name, seed)
