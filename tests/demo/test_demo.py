"""The demonstration as users start it, on a small sandbox."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from airflow_provider_brightpearl.compat import airflow_version
from demo.flows import FLOWS
from demo.processes import output_of, running

ROOT = Path(__file__).parents[2]
SMALL = ("--customers", "120", "--products", "30", "--orders", "120")


def _children_of(build: Path) -> list[str]:
    return [line for line in _processes() if str(build) in line]


def _processes() -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        home = [each for each in environment.split(b"\0") if each.startswith(b"AIRFLOW_HOME=")]
        found += [f"{folder.name} {each.decode(errors='replace')}" for each in home]
    return found


@pytest.mark.system
@pytest.mark.timeout(900)
@pytest.mark.skipif(airflow_version() < (3, 0), reason="the demonstration shows Airflow 3")
def test_the_demonstration_holds(tmp_path: Path) -> None:
    build = tmp_path / "build"
    done = output_of([sys.executable, "-m", "demo", "--build", str(build), *SMALL], cwd=ROOT)
    assert 0 == done.returncode, done.stdout[-4000:] + done.stderr[-4000:]
    report = json.loads((build / "report.json").read_text())
    assert report["holds"]
    names = ["first load", "after changes", "other direction", "shipped in M3", "all again"]
    assert names == [each["name"] for each in report["passes"]]
    # the way of the order that was placed in Salesforce
    assert " steps of order " in done.stdout.rpartition("✓")[2]
    again = report["passes"][-1]["flows"]
    assert set(FLOWS) == {flow["flow"] for flow in again}
    assert all(flow["counts"]["unchanged"] == flow["counts"]["extracted"] > 0 for flow in again)
    first = report["passes"][0]
    assert all(side["agrees"] for each in report["passes"] for side in each["money"])
    assert any(side["held_back"] != "0" for side in first["money"])
    counts = {flow["flow"]: flow["counts"] for flow in first["flows"]}
    assert counts["payments_to_infor_gl"]["rejected"] > 0 < counts["orders_to_infor"]["parked"]
    assert [] == _children_of(build)


@pytest.mark.system
@pytest.mark.timeout(280)
@pytest.mark.skipif(airflow_version() < (3, 0), reason="the demonstration shows Airflow 3")
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    build = tmp_path / "build"
    with _begun(build) as process:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate()
    assert 130 == process.returncode, said
    assert "Interrupted" in said
    assert [] == _children_of(build)


@pytest.mark.system
@pytest.mark.timeout(280)
@pytest.mark.skipif(airflow_version() < (3, 0), reason="the demonstration shows Airflow 3")
def test_killed_it_leaves_nothing_behind_either(tmp_path: Path) -> None:
    build = tmp_path / "build"
    with _begun(build) as process:
        assert [] != _children_of(build)
        process.kill()
        process.communicate()
    while _children_of(build):
        time.sleep(0.2)


@contextmanager
def _begun(build: Path) -> Iterator[subprocess.Popen[str]]:
    """A demonstration whose Airflow has started to start, killed at the end of the block if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "demo", "--build", str(build), *SMALL],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        # what a shell starts in the background ignores interrupts, and so would its children
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        try:
            while not (build / "airflow" / "components" / "scheduler.log").exists():
                assert process.poll() is None
                time.sleep(0.2)
            yield process
        finally:
            process.kill()


def test_a_process_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    # the inner one leads a session of its own, as Airflow's tasks do, and has lost its parent
    deaf = "trap '' TERM; (setsid sleep 600 & echo $! > child); sleep 600; sleep 600"
    with running(["bash", "-c", deaf], cwd=tmp_path, stdout=subprocess.DEVNULL):
        while not (child := tmp_path / "child").exists() or not child.read_text().strip():
            time.sleep(0.02)
    assert not Path(f"/proc/{child.read_text().strip()}").exists()
