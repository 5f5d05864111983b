"""The outcome of one expectation over the rows of one part, from either evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_brightpearl.gates.rules import Rule

_MOST_VALUES = 200


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row that fails: its position in the part from 0, and the values of the expectation's columns."""

    position: int
    source_id: str
    row: str
    values: tuple[Any, ...]

    @property
    def value(self) -> Any:
        return self.values[0] if len(self.values) == 1 else self.values


@dataclass(frozen=True, slots=True)
class Outcome:
    """One expectation over ``rows`` rows.

    ``looked_at`` are those that it evaluates, mostly those with a value. ``failed`` is for expectations about
    rows, ``observed`` for all others. With ``mostly`` rows may fail and the expectation pass.
    """

    rule: Rule
    passed: bool
    rows: int
    looked_at: int = 0
    failed: Sequence[FailedRow] = ()
    observed: Any = None

    def as_json(self) -> dict[str, Any]:
        """The result in Great Expectations' format, without repetitions and mere counts."""
        return {
            "success": self.passed,
            "expectation_config": {"type": f"expect_{self.rule.name}", "kwargs": dict(self.rule.options)},
            "result": self._counts() if self.rule.by_row else {"observed_value": self.observed},
        }

    def _counts(self) -> dict[str, Any]:
        share = 100 * len(self.failed) / self.looked_at if self.looked_at else None
        return {
            "element_count": self.rows,
            "missing_count": self.rows - self.looked_at,
            "unexpected_count": len(self.failed),
            "unexpected_percent": share,
            "unexpected_list": [row.value for row in self.failed[:_MOST_VALUES]],
            "unexpected_index_list": [row.position for row in self.failed[:_MOST_VALUES]],
        }
