"""Faults of the staging folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.testing.fault import Injection
from airflow_provider_brightpearl.testing.worker import FAILED, Job, may_mount, start

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import RunSummary
    from airflow_provider_brightpearl.testing.trial import Trial

_SECONDS = 60.0


@dataclass
class StagingDamaged(Injection):
    """Files of a run that change between two of its stages.

    Args:
        damage: changes one file.
        pattern: the files, as of ``Path.rglob``.
    """

    damage: Callable[[Path], object]
    pattern: str = "*.parquet"
    done: bool = field(default=False, init=False)

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        self.done = False

        def opened(folder: Path) -> None:
            found = sorted(path for path in folder.rglob(self.pattern) if run in str(path))
            if found and not self.done:
                self.done = True
                self.damage(found[0])

        return replace(trial.place, opened=opened).run(trial.flow, run)


@dataclass
class StagingFull(Injection):
    """A staging folder with room for so many kilobytes; without any, it cannot be written to."""

    kilobytes: int

    def applies(self, source: str, target: str, stream: str) -> bool:
        return may_mount()

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        job = Job.at(trial.place, trial.flow, run, disk=self.kilobytes)
        process = start(job)
        process.join(_SECONDS)
        said = job.error_file.read_text(encoding="utf-8") if job.error_file.exists() else "nothing"
        kind = Unavailable if process.exitcode == FAILED else RuntimeError
        raise kind(f"the worker ended with {process.exitcode}: {said}")


def cut(path: Path) -> None:
    """Leaves the first half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def edit(path: Path) -> None:
    """Changes a byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
