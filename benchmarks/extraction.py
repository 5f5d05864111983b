"""Orders a second from the simulated Brightpearl into files, beside three public extraction libraries.

The quota is off. The usual form of each peer, as its documentation shows parent and child, is a search and then one
call per order; since 20,000 such calls say no more than 2,000, it runs over 2,000 orders. Their batched forms ask for
id sets of 200 as we do. All times are from the first request until the last record is on disk as a JSON line; imports
are in none of them. The peers' scripts lie in ``peers/`` and run in an environment of their own, made at first use.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks import workbench
from benchmarks.report import Row, at_least, at_most, said
from demo.sandbox import ACCOUNT

PEERS = {"dlt": "dlt", "singer": "singer-sdk", "airbyte": "airbyte-cdk"}
_SCRIPTS = Path(__file__).parent / "peers"
_ENVIRONMENT = workbench.BUILD / "peers"


@dataclass(slots=True)
class _Contest:
    """Extractions from one sandbox: records a second and calls by contestant."""

    work: Path
    sandbox: Any
    orders: int
    speeds: dict[str, list[float]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)

    def run(self, name: str) -> None:
        folder = self.work / f"{name}-{self.orders}"
        self.sandbox.control("DELETE", "/log")
        found = self._ours(folder) if name == "ours" else self._peer(name, folder)
        if found["records"] != self.orders:
            raise RuntimeError(f"{name} gave {found['records']} of {self.orders} orders")
        self.speeds.setdefault(name, []).append(self.orders / found["seconds"])
        self.calls[name] = self.sandbox.control("GET", "/counts")["brightpearl"]
        shutil.rmtree(folder)

    def speed(self, name: str) -> float:
        return statistics.median(self.speeds[name])

    def _ours(self, folder: Path) -> dict[str, Any]:
        request = {"url": self.sandbox.url, "folder": str(folder)}
        found: dict[str, Any] = workbench.measured(
            "benchmarks.extraction_ours", request, workbench.environment(self.work)
        )
        return found

    def _peer(self, name: str, folder: Path) -> dict[str, Any]:
        url = f"{self.sandbox.url}/public-api/{ACCOUNT}"
        command = [_ENVIRONMENT / "bin" / "python", _SCRIPTS / f"{name}.py", url, folder]
        env = _quiet(workbench.environment(self.work), self.work)
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} ended with code {done.returncode}:\n{done.stderr[-3000:]}")
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found


def rows(*, quick: bool) -> Iterator[Row]:
    many, few, rounds = (2_000, 200, 1) if quick else (10_000, 1_000, 2)
    _make_environment()
    with workbench.folder() as work:
        batched = _contest(work, many, ["ours", *(f"{peer}_id_sets" for peer in PEERS)], rounds)
        usual = _contest(work, few, ["ours", *(f"{peer}_one_by_one" for peer in PEERS)], rounds)
    ours = batched.speed("ours")
    yield said(f"orders a second, ours, {many:,} orders", ours, "records/s")
    yield said(f"orders a second, ours, {few:,} orders", usual.speed("ours"), "records/s")
    for form, contest in (("one by one", usual), ("id sets", batched)):
        for peer, package in PEERS.items():
            name = f"{peer}_{form.replace(' ', '_')}"
            label = f"{package} {_installed(package)}, {form}, {contest.orders:,} orders"
            yield said(f"orders a second, {label}", contest.speed(name), "records/s")
            yield said(f"calls, {label}", contest.calls[name], "calls")
    fastest = max(usual.speed(f"{peer}_one_by_one") for peer in PEERS)
    yield at_least(2, "ours over the fastest usual form", ours / fastest, "times")
    fastest = max(batched.speed(f"{peer}_id_sets") for peer in PEERS)
    yield said("ours over the fastest batched form", ours / fastest, "times")
    yield said(f"calls, ours, {many:,} orders", batched.calls["ours"], "calls")
    fewest = ceil(many / 500) + ceil(many / 200)
    yield at_most(1.05, "calls, ours, over the fewest possible", batched.calls["ours"] / fewest, "times")


def _contest(work: Path, orders: int, names: list[str], rounds: int) -> _Contest:
    with workbench.simulated(work, customers=1_000, products=300, orders=orders) as sandbox:
        contest = _Contest(work, sandbox, orders)
        for _ in range(rounds):
            for name in names:
                contest.run(name)
    return contest


def _quiet(env: Mapping[str, str], work: Path) -> dict[str, str]:
    """The environment of a peer: no import of ours, no telemetry, no home folder to write to."""
    kept = {name: value for name, value in env.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return kept | {"HOME": str(work), "RUNTIME__DLTHUB_TELEMETRY": "false", "NO_PROXY": "127.0.0.1,localhost"}


def _make_environment() -> None:
    """The peers' environment, made anew where the pinned versions have changed."""
    wanted, stamp = (_SCRIPTS / "requirements.txt").read_text(), _ENVIRONMENT / "requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    uv = shutil.which(workbench.ROOT / ".venv-uv/bin/uv") or shutil.which("uv")
    if uv is None:
        raise RuntimeError("uv not found: run this through `make bench`, or install uv")
    _ENVIRONMENT.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", "3.11", _ENVIRONMENT], check=True)
    install = [
        uv,
        "pip",
        "sync",
        "--quiet",
        "--compile-bytecode",
        "--python",
        _ENVIRONMENT / "bin" / "python",
    ]
    subprocess.run([*install, _SCRIPTS / "requirements.txt"], check=True)
    stamp.write_text(wanted)


def _installed(package: str) -> str:
    pins = (_SCRIPTS / "requirements.txt").read_text().splitlines()
    return next(pin.split("==")[1].split()[0] for pin in pins if pin.split("==")[0] == package)
