"""Which keys encrypt the OAuth tokens that are kept."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from airflow_provider_brightpearl.environment import token_store
from airflow_provider_brightpearl.errors import Misconfigured

CODE = "from airflow_provider_brightpearl import environment; print(environment.token_store() is not None)"


@pytest.mark.parametrize("has_key", [False, True])
def test_airflows_keys_serve_unless_there_are_own_ones(run, has_key):
    key = Fernet.generate_key().decode() if has_key else ""
    done = run("python", "-c", CODE, AIRFLOW__CORE__FERNET_KEY=key)
    assert str(has_key) == done.stdout.strip().splitlines()[-1], done.stderr


def test_own_keys_come_first(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__TOKEN_KEYS", ", ".join(keys))
    assert token_store()


def test_a_key_that_is_none_is_named_without_being_shown(monkeypatch):
    monkeypatch.setenv("AIRFLOW__BRIGHTPEARL__TOKEN_KEYS", "not-a-key")
    with pytest.raises(Misconfigured, match=r"\[brightpearl\] token_keys: ") as raised:
        token_store()
    assert "not-a-key" not in str(raised.value)
