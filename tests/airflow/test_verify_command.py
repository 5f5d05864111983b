"""``brightpearl verify``, and the key that signs certificates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.core.certificate_check import check_certificate
from airflow_provider_brightpearl.environment import airflow_environment
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.stores.signing import verifies
from tests.core.certificates import KEY, OTHER, lines_of


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """Three signed certificates of a chain, and the public key."""
    folder, previous = tmp_path / "orders", ""
    folder.mkdir()
    for number in (1, 2, 3):
        lines = lines_of(key=KEY, number=number, previous=previous)
        previous = check_certificate("", lines, verifies).digest
        (folder / f"00000{number}.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "key").write_text(KEY.public_key)
    (tmp_path / "other").write_text(OTHER.public_key)
    return folder


def test_a_chain_that_holds(books: Path) -> None:
    done = invoke(books, "--public-key", books.parent / "key")
    assert (0, 3) == (done.exit_code, done.stdout.count(": holds: orders"))
    assert "all up to 2026-02-01T12:00:00+00:00: closed, signed by sha256:" in done.stdout
    assert 0 == invoke(*sorted(books.iterdir())).exit_code


def test_what_does_not_hold_is_named(books: Path) -> None:
    (books / "000002.jsonl").unlink()
    changed = (books / "000001.jsonl").read_bytes().replace(b"58.3000", b"58.3001")
    (books / "000001.jsonl").write_bytes(changed)
    done = invoke(books, "--json")
    first, third = json.loads(done.stdout)
    assert (1, False, True) == (done.exit_code, first["holds"], third["holds"])
    assert ["the statement or the digest in the seal was changed"] == first["problems"]
    (books / "000001.jsonl").unlink()
    done = invoke(books, "--public-key", books.parent / "other")
    assert "does not hold: it is signed by another key, sha256:" in done.stdout


def test_a_certificate_that_is_missing_in_the_middle_is_named(books: Path) -> None:
    (books / "000002.jsonl").unlink()
    done = invoke(books)
    assert 1 == done.exit_code
    assert "000003.jsonl: does not hold: certificate 2 is missing between" in done.stdout


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="there is no certificate in"):
        invoke(tmp_path)
    with pytest.raises(Misconfigured, match="nowhere.jsonl cannot be read: No such file"):
        invoke(tmp_path / "nowhere.jsonl")


def test_key_and_folder_are_those_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = airflow_environment(tmp_path)
    assert (None, None) == (environment.certificates, environment.signing_key())
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__CERTIFICATES_PATH", str(tmp_path / "books"))
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__CERTIFICATE_KEY", "07" * 32)
    environment = airflow_environment(tmp_path)
    key = environment.signing_key()
    assert environment.certificates
    assert key
    assert (str(tmp_path / "books"), KEY.public_key) == (environment.certificates(), key.public_key)
