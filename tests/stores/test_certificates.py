"""Certificates are chained, written once, and taken over from their folder where the state was lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.core.certificate import SideList, Statement, Unsettled
from airflow_provider_brightpearl.core.certificate_check import check_certificate, check_chain
from airflow_provider_brightpearl.core.ports.stores import Intent
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.certificates import Certificates, Issued
from airflow_provider_brightpearl.stores.dead_letters import SqlDeadLetters
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.stores.intents import SqlIntents
from airflow_provider_brightpearl.stores.signing import SigningKey, public_key_of, verifies

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
PAIR, FLOW = "a:1>b:2", "orders"


def statement(number: int, previous: str) -> Statement:
    empty = SideList("source").totals("a", "a:1")
    return Statement(
        flow=FLOW, pair=PAIR, number=number, previous=previous, state="closed", reasons=(), period_start=None,
        period_end=NOON, compared_at=NOON, read_until=NOON, run=f"r{number}", last_run="", mapping_version="v",
        amounts=False, tolerance="0", fields=(), source=empty, target=empty, discarded=empty,
            matched=0, differing=0, missing=0,
        extra=0, repeated=0, differences={}, findings={}, constants=(), note="", signed_by="", public_key="",
    )  # fmt: skip


class Books:
    def __init__(self, engine: Engine, folder: Path) -> None:
        self.store = Certificates(engine, folder / "certificates", PAIR)
        self.lines = folder / "lines"
        self.lines.write_bytes(b"")

    def issue(self) -> Issued:
        return self.store.issue(FLOW, statement, self.lines, None)

    def check(self) -> list[tuple[str, str]]:
        checked = []
        for issued in self.store.latest(FLOW):
            with Path(issued.path).open("rb") as lines:
                checked.append(check_certificate(issued.path, lines, verifies))
        return list(check_chain(checked))


@pytest.fixture
def books(engine: Engine, tmp_path: Path) -> Books:
    return Books(engine, tmp_path)


def test_each_certificate_names_the_one_before(books: Books) -> None:
    issued = [books.issue() for _ in range(3)]
    assert [1, 2, 3] == [each.number for each in issued]
    assert ([3, 2], []) == ([each.number for each in books.store.latest(FLOW, 2)], books.check())


def test_certificates_of_a_state_that_was_lost_are_taken_over(books: Books, engine: Engine) -> None:
    first, second = books.issue(), books.issue()
    with writing(engine) as connection:
        connection.execute(tables.certificate.delete())
    third = books.issue()
    assert 3 == third.number
    assert [third, second, first] == books.store.latest(FLOW)
    assert [] == books.check()


def test_a_file_in_the_way_that_is_none_of_the_chain_is_left_alone(books: Books) -> None:
    path = Path(books.issue().path)
    stray = path.with_name("000002.jsonl")
    stray.write_text("mine")
    with pytest.raises(Misconfigured, match=r"000002.jsonl is in the way .* no statement .*; move it away"):
        books.issue()
    stray.write_bytes(path.read_bytes())
    with pytest.raises(Misconfigured, match=r"does not follow the ones"):
        books.issue()
    assert [1] == [each.number for each in books.store.latest(FLOW)]


def test_a_certificate_whose_file_cannot_be_written_is_not_recorded(books: Books) -> None:
    books.issue()
    books.lines.unlink()
    with pytest.raises(FileNotFoundError):
        books.issue()
    books.lines.write_bytes(b"")
    assert (2, []) == (books.issue().number, books.check())


def test_two_at_once_get_two_numbers_and_neither_file_is_lost(books: Books) -> None:
    inner: list[Issued] = []

    def writes(number: int, previous: str) -> Statement:
        # another worker is through in between; no transaction is open that it would wait for
        if not inner:
            inner.append(books.issue())
        return statement(number, previous)

    outer = books.store.issue(FLOW, writes, books.lines, None)
    assert ([1, 2], []) == ([inner[0].number, outer.number], books.check())


def test_an_unsigned_file_does_not_get_into_a_signed_chain(books: Books, engine: Engine) -> None:
    unsigned = books.issue()
    with writing(engine) as connection:
        connection.execute(tables.certificate.delete())
    with pytest.raises(Misconfigured, match=r"000001.jsonl is in the way .* not signed"):
        books.store.issue(FLOW, statement, books.lines, SigningKey.of("11" * 32, "key"))
    assert [] == books.store.latest(FLOW)
    assert Path(unsigned.path).exists()


def test_letters_of_listed_records_and_writes_keep_books_open(books: Books, engine: Engine) -> None:
    letters = SqlDeadLetters(engine, lambda: NOON, PAIR)
    letters.keep(FLOW, "r", "v", [(Rejection(each, Stage.LOAD, "no"), b"{}") for each in ("1", "2", "3")])
    letters.resolve(FLOW, "r2", ["3"])
    intents = SqlIntents(engine, lambda: NOON, PAIR)
    intents.begin([Intent(FLOW, "Order", "1", "d", "r")])
    intents.plan(intents.begin([Intent(FLOW, "Order.note", "1", "d", "r")]))
    intents.confirm(
        intents.begin([Intent(FLOW, "Order", "2", "d", "r"), Intent("other", "Order", "2", "d", "r")])
    )
    assert Unsettled(1, 1, 1, 4) == books.store.unsettled(FLOW, lambda ids: {"1", "3"} & {*ids}, 4)


@pytest.mark.parametrize("form", ["pem", "escaped", "hex", "base64"])
def test_keys_are_read_in_every_usual_form(form: str) -> None:
    import base64

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    raw = bytes(range(32))
    made = Ed25519PrivateKey.from_private_bytes(raw)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    text = {
        "pem": pem, "escaped": pem.replace("\n", "\\n"), "hex": raw.hex(), "base64": base64.b64encode(raw).decode()
    }[form]  # fmt: skip
    key = SigningKey.of(text, "key")
    assert verifies(key.public_key, key.sign(b"x"), b"x")
    assert not verifies(key.public_key, key.sign(b"x").upper(), b"x")
    public = made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert key.public_key == public_key_of(public, "file") == public_key_of(key.public_key, "file")
    assert raw.hex() not in repr(key)


@pytest.mark.parametrize(
    "text", ["secret-that-is-no-key", "00", "-----BEGIN PRIVATE KEY-----\nAAAA\n", "Zoë"]
)
def test_what_is_no_key_is_named_and_not_shown(text: str) -> None:
    with pytest.raises(Misconfigured, match="certificate_key is not an Ed25519 private key") as caught:
        SigningKey.of(text, "[brightpearl] certificate_key")
    assert text not in str(caught.value)
    with pytest.raises(Misconfigured, match="k.pem"):
        public_key_of(text, "k.pem")
