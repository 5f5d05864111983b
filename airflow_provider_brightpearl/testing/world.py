"""A sandbox in which a flow has something to do, made once for all trials of that flow."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.cli.starter import starter_folders

from .checker import Twin
from .databases import SQLITE, Databases
from .evidence import Evidence, read_flow
from .place import Place
from .sandbox_control import SandboxControl
from .trading import FOUNDATION, trades
from .worker import Job, steps_of

SYSTEMS = ("brightpearl", "salesforce", "infor")
# a small merchant: enough for several parts of every shape, little enough for many trials
SIZE = {"customers": 6, "products": 8, "orders": 14, "days": 20, "seed": 11}
SETTINGS: dict[str, dict[str, object]] = {
    "infor": {"limit_logins": False, "stock_checked_at_pick": False},
    "salesforce": {"bulk_polls": 0},
}
# after which a run sees what happened, past the delay of its window
MINUTES = 5


def shipped_mappings() -> Path:
    """The folder of the flow files of this package, for what a user's folder lacks."""
    return starter_folders()["mappings"]


@dataclass
class World:
    """The sandbox, and the state database, that every trial of a flow begins with.

    Args:
        sandbox: the systems, as they were kept.
        flow_file: the flow under test.
        folder: holds the state database that trials copy.
    """

    sandbox: SandboxControl
    flow_file: Path
    folder: Path
    name: str = field(init=False)
    stream: str = field(init=False)
    target: str = field(init=False)
    databases: Databases = field(init=False)

    def __post_init__(self) -> None:
        content = read_flow(self.flow_file)
        self.databases = Databases(self.folder / "state.db")
        self.name, self.stream, self.target = (str(content[key]) for key in ("flow", "source", "target"))

    @property
    def source(self) -> str:
        """The system that the flow reads."""
        return self.stream.partition(".")[0]

    def prepare(self) -> None:
        """Runs what the flow needs, and the flow itself where there will be something new for it to do."""
        url = f"sqlite:///{self.databases.original}"
        place = Place(self.sandbox, self.flow_file.parent, self.folder, url)
        before = (*FOUNDATION.get(self.source, ()), *_needed(self.flow_file))
        for number, flow in enumerate(dict.fromkeys(before)):
            self._place_of(flow, place).run(flow, f"before{number}")
        if trades(self.stream):
            place.run(self.name, "first")
        self._pass_time(MINUTES)
        place.database.dispose()
        with closing(sqlite3.connect(self.databases.original)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.sandbox.control("POST", "/keep")

    def begin(self, folder: Path, *, traded: bool = True, database: str = SQLITE) -> Place:
        """A place of its own for a trial, after the trades; systems, time and state are as they were kept.

        On the server, its state database is dropped with ``databases``.
        """
        for system in SYSTEMS:
            self.sandbox.control("DELETE", f"/settings/{system}")
        self.sandbox.control("POST", "/back")
        folder.mkdir(parents=True, exist_ok=True)
        url = self.databases.copy(folder, database)
        if traded:
            self.trade()
        self.sandbox.control("DELETE", "/log")
        return Place(self.sandbox, self.flow_file.parent, folder, url)

    def trade(self) -> None:
        """What happens in the source, so long ago that a run sees it."""
        if trade := trades(self.stream):
            trade(self.sandbox)
            self._pass_time(MINUTES)

    def evidence(self, place: Place, logs: str = "") -> Evidence:
        """What there is now, as the checker sees it."""
        return Evidence(self.sandbox, place.database_url, self.flow_file, place.staging, logs)

    @cached_property
    def twin(self) -> Twin:
        """The outcome of a run without a fault."""
        place = self.begin(self.folder / "twin")
        for number in range(2):
            place.run(self.name, f"twin{number}")
            self._pass_time(MINUTES)
        place.database.dispose()
        return Twin.of(self.evidence(place))

    @cached_property
    def steps(self) -> int:
        """How many requests and commits a run has, each counted before and after."""
        return steps_of(Job.at(self.begin(self.folder / "steps"), self.name, "steps"))

    def _place_of(self, flow: str, place: Place) -> Place:
        """Where a flow runs that this one needs: from the user's folder, or from this package's where it has none."""
        if (place.mappings / f"{flow}.yaml").exists():
            return place
        return Place(self.sandbox, shipped_mappings(), self.folder, place.database_url, tokens=place.tokens)

    def _pass_time(self, minutes: int) -> None:
        self.sandbox.advance(60 * minutes)


@contextmanager
def running_world(flow_file: Path, folder: Path) -> Iterator[World]:
    """A world of its own for a flow, while the block runs.

    Raises:
        ImportError: the ``[sandbox]`` extra is not installed.
        SyncError: the flow, or one that it needs, does not run even without a fault.
    """
    from airflow_provider_brightpearl.sandbox.server import Sandbox

    options: dict[str, Any] = {**SIZE, "settings": SETTINGS, "check_addresses": False}
    with Sandbox(**options) as sandbox:
        world = World(SandboxControl(sandbox.url), flow_file, folder)
        try:
            world.prepare()
            yield world
        finally:
            world.databases.drop()


def _needed(flow_file: Path) -> list[str]:
    """The flows that this one names in ``after``, and theirs, in the order in which they run."""
    found: list[str] = []
    for name in read_flow(flow_file).get("after") or ():
        for folder in (flow_file.parent, shipped_mappings()):
            if (folder / f"{name}.yaml").exists():
                found += [*_needed(folder / f"{name}.yaml"), name]
                break
    return list(dict.fromkeys(found))
