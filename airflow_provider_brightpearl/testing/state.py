"""Faults of the state database."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.runtime import run as stages
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.restored import accept_restored
from airflow_provider_brightpearl.testing import databases
from airflow_provider_brightpearl.testing.databases import SQLITE
from airflow_provider_brightpearl.testing.fault import Injection

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import ExtractReport, RunSummary
    from airflow_provider_brightpearl.runtime.wiring import Wiring
    from airflow_provider_brightpearl.testing.trial import Trial

# of a server that nothing listens at
_NOWHERE = "postgresql+psycopg2://nobody@127.0.0.1:9/nothing?connect_timeout=1"
# what PostgreSQL says of a full disk, from the row on that does not fit any more
_FULL = """
CREATE SEQUENCE disk_rows;
CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF nextval('disk_rows') > {rows} THEN
    RAISE EXCEPTION 'could not extend file "base/1": No space left on device' USING ERRCODE = 'disk_full';
  END IF;
  RETURN NEW;
END $$;
"""
_FULL_TABLE = (
    "CREATE TRIGGER disk_full BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION disk_full()"
)
_ROOM = "DROP FUNCTION disk_full CASCADE; DROP SEQUENCE disk_rows"


@dataclass
class DatabaseDown(Injection):
    """A state database whose server does not answer."""

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        return replace(trial.place, database_url=_NOWHERE).run(trial.flow, run)


@dataclass
class DatabaseLocked(Injection):
    """A state database that takes reads and no writes."""

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        url = trial.place.database_url
        if self.database == SQLITE:
            read_only = f"sqlite:///file:{databases.path_of(url)}?mode=ro&uri=true"
        else:
            read_only = f"{url}?options=-c%20default_transaction_read_only%3Don"
        place = replace(trial.place, database_url=read_only)
        try:
            return place.run(trial.flow, run)
        finally:
            place.database.dispose()


@dataclass
class DatabaseFull(Injection):
    """A state database whose disk takes so many more pages of 4 KB, of PostgreSQL ten rows for each."""

    pages: int

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        if self.database != SQLITE:
            return self._on_server(trial, run)

        def limit(connection: Any, _: object) -> None:
            [[used]] = connection.execute("PRAGMA page_count").fetchall()
            connection.execute(f"PRAGMA max_page_count = {used + self.pages}").close()

        return _run_with(trial, run, "connect", limit)

    def _on_server(self, trial: Trial, run: str) -> RunSummary | None:
        engine = trial.place.database
        with engine.begin() as connection:
            connection.exec_driver_sql(_FULL.format(rows=10 * self.pages))
            for table in sa.inspect(connection).get_table_names():
                connection.exec_driver_sql(_FULL_TABLE.format(table=table))
        try:
            return trial.place.run(trial.flow, run)
        finally:
            with engine.begin() as connection:
                connection.exec_driver_sql(_ROOM)


@dataclass
class DatabaseSlow(Injection):
    """A state database that takes so many seconds for each statement."""

    seconds: float

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        return _run_with(trial, run, "before_cursor_execute", lambda *_: time.sleep(self.seconds))


def _run_with(trial: Trial, run: str, event: str, listener: Callable[..., None]) -> RunSummary | None:
    """Runs the flow with a listener to what its connections do."""
    engine = open_engine(trial.place.database_url)
    # connections that are made from now on
    engine.dispose()
    sa.event.listen(engine, event, listener)
    place = replace(trial.place)
    place.__dict__["database"] = engine
    try:
        return place.run(trial.flow, run)
    finally:
        engine.dispose()


@dataclass
class DatabaseRestored(Injection):
    """A state database that is put back to how it was before the run, and accepted by a person."""

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        place = trial.place
        place.database.dispose()
        backup = databases.back_up(place.database_url)
        summary = place.run(trial.flow, run)
        place.database.dispose()
        databases.put_back(place.database_url, backup)
        accept_restored(place.database)
        return summary


@dataclass
class DatabaseExchanged(Injection):
    """Another, empty database under the name of the state database, from the second stage of a run on until its end."""

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        place = trial.place
        extracted = stages.extract(place.wiring(trial.flow), Request(RunKind.MANUAL), run)
        place.database.dispose()
        with databases.set_aside(place.database_url):
            other = replace(place)
            try:
                return self._go_on(other.wiring(trial.flow), extracted)
            finally:
                other.database.dispose()

    def _go_on(self, wiring: Wiring, extracted: ExtractReport) -> RunSummary:
        info, parts = extracted.run, extracted.parts
        mapped = [stages.transform(wiring, info, part) for part in parts]
        judged = stages.gate(wiring, info, mapped)
        loads = [stages.load(wiring, info, part, judged) for part in mapped]
        return stages.settle(wiring, info, parts, mapped, judged, loads)
