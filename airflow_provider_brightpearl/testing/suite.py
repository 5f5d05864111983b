"""The tests that ``--sync-faults`` adds: each fault against each flow file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

from airflow_provider_brightpearl.testing.fault import Fault
from airflow_provider_brightpearl.testing.table import FAULTS
from airflow_provider_brightpearl.testing.trial import run_trial
from airflow_provider_brightpearl.testing.world import World


def cases(flow_file: Path, profile: str) -> list[Fault]:
    """The faults to try with a flow."""
    content = yaml.safe_load(flow_file.read_text(encoding="utf-8"))
    flow, stream, target = (str(content[key]) for key in ("flow", "source", "target"))
    able = [each for each in FAULTS if each.applies(flow, stream.partition(".")[0], target, stream)]
    return [each for each in able if profile == "long" or flow in each.quick]


def prove(world: World, fault: Fault, folder: Path, record_property: Callable[[str, object], None]) -> None:
    """Tries a fault, records what was found for the table, and fails where a property does not hold.

    One that is known not to hold is shown as open and fails nothing.
    """
    findings = run_trial(world, fault, folder)
    cells = {
        name: {"holds": found.holds, "why": fault.open.get(name) or found.why}
        for name, found in findings.items()
    }
    for name in fault.open:
        if findings[name].holds is False:
            cells[name]["holds"] = "open"
    record_property("sync_fault", {"fault": fault.name, "flow": world.name, "cells": cells})
    broken = {name: cell["why"] for name, cell in cells.items() if cell["holds"] is False}
    assert not broken, f"{fault.title}, with {world.name}: {broken}"  # noqa: S101 - this is a test


def test_fault(
    sync_world: World, sync_fault: Fault, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """A fault against a flow."""
    prove(sync_world, sync_fault, tmp_path, record_property)
