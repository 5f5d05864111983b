"""The port that evaluates mapped parts before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from airflow_provider_brightpearl.core.records import Rejection


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate found in one part: rejections of single records, failures of the whole, rows evaluated."""

    rejections: tuple[Rejection, ...]
    batch_failures: tuple[str, ...]
    evaluated: int


class Gate(Protocol):
    """The expectations of a flow."""

    def evaluate(self, parts: Sequence[Mapping[str, Path]]) -> Iterator[GateResult]:
        """Evaluates the expectations over mapped parts, one by one; changes nothing.

        Args:
            parts: object name to local Parquet file, for each part.

        Returns:
            One result for each part, in their order.

        Raises:
            Misconfigured: an expectation, argument, column or bound that cannot be used.
        """
        ...
