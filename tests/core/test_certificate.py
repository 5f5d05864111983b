"""A certificate holds as it was written, and not with a byte changed, a line left out, or one of the chain missing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_brightpearl.core.certificate import SideList, canonical
from airflow_provider_brightpearl.core.certificate_check import (
    Broken,
    Checked,
    check_certificate,
    check_chain,
    fingerprint,
)
from airflow_provider_brightpearl.core.compare import Entry
from airflow_provider_brightpearl.stores.signing import SigningKey, verifies
from tests.core.certificates import ENTRIES, KEY, OTHER, lines_of, sealed


def check(lines: Sequence[bytes], *trusted: str) -> Checked:
    return check_certificate("c", lines, verifies, trusted)


def problem(lines: Sequence[bytes], *trusted: str) -> str:
    with pytest.raises(Broken) as caught:
        check(lines, *trusted)
    return str(caught.value)


@pytest.mark.parametrize("key", [None, KEY])
def test_a_certificate_holds_as_it_was_written(key: SigningKey | None) -> None:
    said = check(lines_of(key=key)).statement
    assert ("closed", {"CAD": "58.3000", "EUR": "-668.85", "KWD": "0"}) == (said.state, said.source.sums)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_flipped_bit_is_found(data: st.DataObject) -> None:
    whole = b"".join(lines_of(key=data.draw(st.sampled_from([None, KEY]))))
    place, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    changed = bytearray(whole)
    changed[place] ^= 1 << bit
    problem(bytes(changed).splitlines(keepends=True))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_line_left_out_doubled_or_cut_is_found(data: st.DataObject) -> None:
    lines = lines_of()
    place = data.draw(st.integers(0, len(lines) - 1))
    way = data.draw(st.sampled_from(["drop", "double", "cut", "end"]))
    changed = {
        "drop": lines[:place] + lines[place + 1 :],
        "double": lines[: place + 1] + lines[place:],
        "cut": [*lines[:place], lines[place][:-2], *lines[place + 1 :]],
        "end": lines[:place],
    }
    problem(changed[way])


_AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4)
_SIDES = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
    st.tuples(_AMOUNTS, st.sampled_from(["EUR", "KWD", ""])),
    max_size=12,
)


@settings(max_examples=100, deadline=None)
@given(_SIDES)
def test_what_is_listed_adds_up_whatever_it_is(held: dict[str, tuple[Decimal, str]]) -> None:
    entries = [Entry(name, *each) for name, each in sorted(held.items())]
    said = check(lines_of(entries, entries)).statement
    for currency, total in said.target.sums.items():
        assert Decimal(total) == sum((amount for amount, own in held.values() if own == currency), Decimal(0))


def test_a_forger_who_seals_anew_is_found_by_the_entries() -> None:
    lines = lines_of()
    wrong_sum = lines[0].replace(b'"CAD":"58.3000"', b'"CAD":"58.3001"', 1)
    assert "sums of source" in problem([wrong_sum, *lines[1:-1], sealed(wrong_sum)])
    assert "lists" in problem([*lines[:2], *lines[3:]])
    other = replace_id(ENTRIES[0], "100000")
    assert "other" in problem([lines[0], SideList("source").add(other), *lines[2:]])


def test_closed_is_not_claimed_where_the_entries_say_otherwise() -> None:
    assert "says closed" in problem(lines_of(ENTRIES, ENTRIES[1:]))
    assert "says closed" in problem(lines_of(ENTRIES[1:], ENTRIES))
    dearer = [replace_amount(ENTRIES[0], "59"), *ENTRIES[1:]]
    assert "other amounts" in problem(lines_of(ENTRIES, dearer))
    assert "says closed" in problem(lines_of(ENTRIES, dearer, matched=2, differing=1))
    assert "says closed" in problem(lines_of(reasons=("2 dead letters wait",)))
    assert "gives no reason" in problem(lines_of(state="open"))
    said = check(lines_of(ENTRIES[1:], ENTRIES, constants=("100001",))).statement
    assert 1 == said.extra


def replace_id(entry: Entry, name: str) -> Entry:
    return Entry(name, entry.amount, entry.currency)


def replace_amount(entry: Entry, amount: str) -> Entry:
    return Entry(entry.id, Decimal(amount), entry.currency)


def test_a_signature_is_that_of_a_trusted_key() -> None:
    lines = lines_of(key=KEY)
    assert check(lines, OTHER.public_key, KEY.public_key).statement.signed_by == fingerprint(KEY.public_key)
    assert "another key" in problem(lines, OTHER.public_key)
    assert "not signed" in problem(lines_of(), KEY.public_key)
    assert "signature is not that" in problem([*lines[:-1], sealed(lines[0], OTHER)])
    assert "signature is missing" in problem([*lines[:-1], sealed(lines[0])])


def test_a_file_that_is_none_ends_with_a_sentence() -> None:
    for lines in ([], [b""], [b"{}\n"], [b"[" * 100_000], [b"\xff\n"], [b'{"kind":"x"}\n', b"1\n"]):
        assert "no statement" in problem(lines)
    lines = lines_of()
    assert "no seal" in problem([*lines[:-1], b"\n"])
    huge = canonical(["100001", "source", "1E+999999999", "CAD"]) + b"\n"
    assert "is not an amount" in problem([lines[0], huge, *lines[2:]])


def test_a_copy_that_changed_line_ends_is_named_as_one() -> None:
    lines = lines_of()
    assert "line ends were changed (CRLF)" in problem([line.replace(b"\n", b"\r\n") for line in lines])
    assert "line ends were changed (CRLF)" in problem([*lines[:-1], lines[-1].replace(b"\n", b"\r\n")])
    assert "byte order mark" in problem([b"\xef\xbb\xbf" + lines[0], *lines[1:]])


def chain(size: int) -> list[Checked]:
    made: list[Checked] = []
    for number in range(1, size + 1):
        previous = made[-1].digest if made else ""
        checked = check_certificate(f"{number}.jsonl", lines_of(number=number, previous=previous), verifies)
        made.append(checked)
    return made


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_a_chain_holds_in_any_order_and_a_gap_in_it_is_found(data: st.DataObject) -> None:
    made = chain(5)
    assert [] == list(check_chain(data.draw(st.permutations(made))))
    gone = data.draw(st.integers(1, 3))
    [(name, said)] = check_chain([each for each in made if each is not made[gone]])
    assert (f"{gone + 2}.jsonl", True) == (name, f"certificate {gone + 1} is missing" in said)
    # the ones before may be kept elsewhere
    assert [] == list(check_chain(made[gone:]))


def test_a_certificate_that_was_replaced_in_the_chain_is_found() -> None:
    first, second, third = chain(3)
    other = check_certificate("2.jsonl", lines_of(number=2, previous=first.digest, run="forged"), verifies)
    assert [("3.jsonl", "the certificate before it is another one than 2.jsonl")] == list(
        check_chain([first, other, third])
    )
    twice = check_certificate("2b.jsonl", lines_of(number=2, previous=first.digest, run="twin"), verifies)
    assert "there are two certificates 2" in dict(check_chain([first, second, twice]))["2b.jsonl"]
    foreign = check_certificate("1.jsonl", lines_of(previous=first.digest), verifies)
    assert "only the first" in dict(check_chain([foreign]))["1.jsonl"]


def test_discarded_records_are_listed_with_the_entry_of_their_side() -> None:
    def lines(*discarded: Entry) -> list[bytes]:
        reasons = ("1 in the source and not in the target",)
        return lines_of(target=ENTRIES[1:], discarded=discarded, state="open", reasons=reasons)

    written = lines(ENTRIES[0], Entry("200000"))
    said = check(written).statement
    assert (1, 2, {"CAD": "58.3000"}) == (said.missing, said.discarded.count, said.discarded.sums)
    for wrong in (Entry("100001", Decimal(7), "CAD"), Entry("100001"), Entry("200000", Decimal(7), "EUR")):
        assert f"the discarded entry of {wrong.id} is another one" in problem(lines(wrong))
    left_out = [each for each in written if b'"discarded"]' not in each and b'"discarded",' not in each[:30]]
    assert "counts 2 entries as discarded, the file lists 0" in problem(left_out)
