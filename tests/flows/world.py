"""A sandbox and the state of its flows, made once for the tests of a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.site import Site

S = TypeVar("S", bound=Site)


class World(Generic[S]):
    """What many tests begin with.

    Args:
        sandbox: runs already, with the settings that every test begins with.
        site: as it is before it is prepared; nothing else uses its folder.
        prepare: runs the flows whose outcome the tests begin with.
    """

    def __init__(self, sandbox: Sandbox, site: S, prepare: Callable[[S], object] = lambda _: None) -> None:
        self.sandbox, self.site = sandbox, site
        prepare(site)
        # all of the state is in its file then
        site.database.dispose()
        sandbox.control("POST", "/keep")

    def begin(self, folder: Path) -> S:
        """A site in a folder of its own; systems, state, time and settings are as they were when kept."""
        for system in ("brightpearl", "salesforce", "infor"):
            self.sandbox.control("DELETE", f"/settings/{system}")
        self.sandbox.control("POST", "/back")
        made = self.site
        shutil.copytree(made.folder, folder, dirs_exist_ok=True)
        own = made.mappings.is_relative_to(made.folder)
        mappings = folder / made.mappings.relative_to(made.folder) if own else made.mappings
        begun = type(made)(self.sandbox, folder, mappings)
        begun.runs, begun.latest = made.runs, made.latest
        return begun
