"""A backup of a site's state database, that can be put back."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from airflow_provider_brightpearl.stores.engine import open_engine
from tests.flows.site import Site


class Backup:
    """A copy of a site's state database."""

    def __init__(self, site: Site) -> None:
        self.site, self.file = site, site.folder / "backup.db"
        _copy(site.folder / "state.db", self.file)

    def restore(self) -> None:
        self.site.database.dispose()
        _copy(self.file, self.site.folder / "state.db")
        self.site.database = open_engine(f"sqlite:///{self.site.folder / 'state.db'}")


def _copy(source: Path, target: Path) -> None:
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)
