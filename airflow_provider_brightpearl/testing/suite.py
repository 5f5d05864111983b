"""The tests that ``--sync-faults`` adds: each fault against each flow file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from airflow_provider_brightpearl.systems.registry import find_system
from airflow_provider_brightpearl.testing.fault import Fault
from airflow_provider_brightpearl.testing.plugin import OUTCOME
from airflow_provider_brightpearl.testing.table import FAULTS
from airflow_provider_brightpearl.testing.trial import run_trial
from airflow_provider_brightpearl.testing.world import SYSTEMS, World


def cases(flow_file: Path, profile: str) -> list[Fault]:
    """The faults to try with a flow; of a stream and target that the short profile does not know, one of each group.

    Raises:
        ValueError: the file is not that of a flow, or one of its systems is not in the sandbox.
    """
    try:
        content = yaml.safe_load(flow_file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{flow_file} is not a flow file: {error}") from None
    if not isinstance(content, dict) or not content.keys() >= {"flow", "source", "target", "objects"}:
        raise ValueError(f"{flow_file} is not a flow file: it needs flow, source, target and objects")
    stream, target = str(content["source"]), str(content["target"])
    streams = [f"{name}.{each}" for name in SYSTEMS for each in find_system(name).streams]
    if stream not in streams or target not in SYSTEMS:
        raise ValueError(
            f"{flow_file}: no fault can be tried from {stream} into {target}; "
            f"sources: {', '.join(streams)}; targets: {', '.join(SYSTEMS)}"
        )
    able = [each for each in FAULTS if each.applies(stream, target)]
    if profile == "long":
        return able
    chosen = [each for each in able if (stream, target) in each.quick]
    return chosen or list({each.group: each for each in reversed(able)}.values())[::-1]


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
    record_property(OUTCOME, {"fault": fault.name, "flow": world.name, "cells": cells})
    broken = {name: cell["why"] for name, cell in cells.items() if cell["holds"] is False}
    assert not broken, f"{fault.title}, with {world.name}: {broken}"  # noqa: S101 - this is a test


@pytest.mark.brightpearl_faults
def test_fault(
    brightpearl_fault_world: World,
    brightpearl_fault: Fault,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """A fault against a flow."""
    prove(brightpearl_fault_world, brightpearl_fault, tmp_path, record_property)
