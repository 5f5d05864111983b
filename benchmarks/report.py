"""What was measured: rows with figure, unit and goal, the machine they were measured on, and how both are shown."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_VERSIONS = (
    "airflow-provider-brightpearl", "apache-airflow", "duckdb", "great-expectations", "msgspec", "orjson",
    "requests", "SQLAlchemy", "sqlglot",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; ``holds`` is None where there is no goal."""

    name: str
    figure: float
    unit: str
    goal: str = ""
    holds: bool | None = None


def said(name: str, figure: float, unit: str) -> Row:
    """A figure without a goal."""
    return Row(name, figure, unit)


def at_most(limit: float, name: str, figure: float, unit: str) -> Row:
    return Row(name, figure, unit, f"<= {limit:g}", figure <= limit)


def at_least(limit: float, name: str, figure: float, unit: str) -> Row:
    return Row(name, figure, unit, f">= {limit:g}", figure >= limit)


@dataclass
class Report:
    """All rows so far and the circumstances they were measured in."""

    facts: dict[str, Any]
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def begin(cls, *, quick: bool) -> Report:
        facts = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "quick": quick,
            "machine": _machine(),
            "load_at_start": round(os.getloadavg()[0], 2),
            "python": platform.python_version(),
            "versions": {name: found for name in _VERSIONS if (found := _version(name))},
        }
        return cls(facts)

    @property
    def holds(self) -> bool:
        return all(row.holds is not False for row in self.rows)

    def add(self, row: Row) -> None:
        print(f"  {row.name}: {_shown(row.figure)} {row.unit} {row.goal}", flush=True)
        self.rows.append(row)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        plain = {**self.facts, "holds": self.holds, "rows": [asdict(row) for row in self.rows]}
        path.write_text(json.dumps(plain, indent=2) + "\n")

    def show(self) -> None:
        from rich.console import Console
        from rich.table import Table

        table = Table("figure", "measured", "unit", "goal", "holds")
        for row in self.rows:
            holds = {True: "[green]yes[/]", False: "[bold red]no[/]", None: ""}[row.holds]
            table.add_row(row.name, _shown(row.figure), row.unit, row.goal, holds)
        console = Console(width=max(Console().width, 120))
        console.print(
            f"\n{self.facts['machine']}, Python {self.facts['python']}, load {self.facts['load_at_start']}"
        )
        console.print(", ".join(f"{name} {found}" for name, found in self.facts["versions"].items()))
        console.print(table)
        if self.facts["quick"]:
            console.print("These runs were made smaller (--quick); do not quote the figures.")


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 1000 or figure == int(figure) else f"{figure:.3g}"


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"
    )


def _processor() -> str:
    found = Path("/proc/cpuinfo")
    lines = found.read_text().splitlines() if found.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
