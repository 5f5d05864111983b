"""docs/faults.md is in the form that the matrix gives it, and has a row for every fault of the table."""

from __future__ import annotations

import re

from airflow_provider_brightpearl.testing.checker import PROPERTIES
from airflow_provider_brightpearl.testing.matrix import Matrix
from airflow_provider_brightpearl.testing.table import FAULTS
from tests.docs import markdown

PAGE = "docs/faults.md"


def rows() -> dict[str, list[str]]:
    """Cells by fault."""
    found = re.findall(r"^\| `([\w-]+)` \| [^|]+ \|(.*)\|$", markdown.page(PAGE), re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in found}


def test_every_fault_has_a_row() -> None:
    assert sorted(fault.name for fault in FAULTS) == sorted(rows()), "run make faults"
    assert len(FAULTS) == len({fault.name for fault in FAULTS})


def test_cells_are_those_of_the_matrix() -> None:
    for name, cells in rows().items():
        assert len(PROPERTIES) + 1 == len(cells), name
        assert set(cells[:-1]) <= {"✓", "open", "–"}, name
        # a row that the run did not try claims nothing
        assert int(cells[-1]) > 0 or {"–"} == set(cells[:-1]), name


def test_what_is_open_has_its_reason() -> None:
    reasons = markdown.page(PAGE).partition("## What is open")[2]
    for name, cells in rows().items():
        assert ("open" not in cells) or f"`{name}`" in reasons


def found(holds: object, flow: str = "a") -> dict[str, object]:
    cells = {name: {"holds": True, "why": ""} for name in PROPERTIES}
    return {"fault": FAULTS[0].name, "flow": flow, "cells": {**cells, "P2": {"holds": holds, "why": "two"}}}


def test_a_cell_is_only_as_good_as_its_worst_trial() -> None:
    name = FAULTS[0].name
    assert "✗" == Matrix.of([found(True), found(False, "b"), found("open", "c")], "short").cell(name, "P2")
    assert "open" == Matrix.of([found(True), found("open", "b")], "short").cell(name, "P2")
    assert "✓" == Matrix.of([found(True), found(None, "b")], "short").cell(name, "P2")
    assert "–" == Matrix.of([found(None)], "short").cell(name, "P2")
    assert "–" == Matrix.of([], "short").cell(name, "P2")
