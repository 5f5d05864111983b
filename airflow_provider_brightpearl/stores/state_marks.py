"""The newest state that this installation has seen, kept beside the staging files: a restored backup is older."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from upath import UPath

from airflow_provider_brightpearl.core.reports import StateMark
from airflow_provider_brightpearl.stores.files import as_path, whole_file

log = logging.getLogger(__name__)


class StateMarks:
    """One small file for each state database, in the folder of staging.

    Args:
        root: the folder that all workers share.
    """

    def __init__(self, root: str | Path | UPath) -> None:
        self._root = as_path(root)

    def newest(self, identity: str) -> StateMark:
        """The newest mark that was kept of a state database; without writes where none can be read."""
        file = self._file(identity)
        try:
            return StateMark(identity, int(json.loads(file.read_text())["writes"]))
        except FileNotFoundError:
            return StateMark(identity)
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning(
                "%s cannot be read, so an older copy of the state database is not noticed: %s", file, error
            )
            return StateMark(identity)

    def keep(self, mark: StateMark) -> None:
        """Keeps a mark; of two workers the later one decides, as a mark that is too low stops nothing."""
        with whole_file(self._file(mark.identity)) as path:
            path.write_text(json.dumps({"writes": mark.writes}))

    def _file(self, identity: str) -> UPath:
        return self._root / f"state-{identity}.json"
