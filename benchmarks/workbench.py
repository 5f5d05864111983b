"""Where the benchmarks work: a sandbox of a given size, and processes that measure themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from demo import sandbox

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "bench"
MAPPINGS = ROOT / "include" / "mappings"
FLOWS = ("customers_to_salesforce", "products_to_salesforce", "orders_to_salesforce")


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one measurement, removed afterwards."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as path:
        yield Path(path)


@contextmanager
def simulated(
    work: Path, *, throttle: bool = False, speed: float = 1, **size: int
) -> Iterator[sandbox.Sandbox]:
    """A sandbox in a process of its own, its history ended an hour ago."""
    with sandbox.running(size, work / "sandbox.log") as running:
        running.control("POST", "/settings/brightpearl", {"throttle": throttle})
        running.control("POST", "/clock", {"speed": speed})
        running.control("DELETE", "/log")
        yield running


def environment(work: Path, url: str = "") -> dict[str, str]:
    """What a fresh Airflow with connections to a sandbox finds in its environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    # what is measured runs compiled, as installed packages do
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return inherited | {
        "AIRFLOW_HOME": str(work / "airflow"),
        "AIRFLOW__BRIGHTPEARL__MAPPINGS": str(MAPPINGS),
        # work is measured, not the wait for a quota; what measures that sets its own
        "AIRFLOW__BRIGHTPEARL__BRIGHTPEARL_CALLS_PER_MINUTE": "0",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
        **(sandbox.Sandbox(url).connections() if url else {}),
    }


def measured(
    module: str, request: Mapping[str, Any], env: Mapping[str, str], python: str = sys.executable
) -> Any:
    """The answer of ``python -m module``, given its request on standard input.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    done = subprocess.run(
        [python, "-m", module], input=json.dumps(request), env=dict(env), cwd=ROOT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{module} ended with code {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


@dataclass(slots=True)
class Worker:
    """A process that stays, warm, and answers one line of JSON with another."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, module: str, env: Mapping[str, str]) -> Worker:
        command = [sys.executable, "-m", module]
        pipe = subprocess.PIPE
        worker = cls(subprocess.Popen(command, stdin=pipe, stdout=pipe, env=dict(env), cwd=ROOT, text=True))
        worker.answer()
        return worker

    def ask(self, request: Mapping[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"a worker ended with code {self.process.wait()}")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def give(answer: Any) -> None:
    """Gives an answer to who asked this process."""
    print(json.dumps(answer), flush=True)


def peak_megabytes() -> float:
    """The most memory this process ever held, in MB of 10^6 bytes."""
    status = Path("/proc/self/status")
    if not status.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    # of this program alone: ru_maxrss begins with what the parent held when it started us
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6
