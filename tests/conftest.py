"""What every test can ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from airflow_provider_brightpearl.stores.engine import open_engine, writing
from airflow_provider_brightpearl.stores.schema import metadata
from tests.postgres import postgres_url

__all__ = ["database_url", "engine", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a state database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The state database, empty for every test."""
    engine = open_engine(database_url)
    yield engine
    with writing(engine) as connection:
        metadata.drop_all(connection)
    engine.dispose()
