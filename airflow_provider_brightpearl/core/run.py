"""What is fixed once about a run, in extract, and travels with it to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from airflow_provider_brightpearl.core.records import Calls
from airflow_provider_brightpearl.core.window import RunKind, Selection, Window


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run: its id, what it reads, with which mapping, when it began, and the API calls before loading."""

    run: str
    kind: RunKind
    selection: Selection
    mapping_version: str
    started_at: datetime
    calls: Calls

    @property
    def attempt(self) -> str:
        """Names this run among those of the same id: a run that is cleared begins anew and keeps its id."""
        return f"{self.run}@{self.started_at.isoformat()}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "kind": self.kind.value,
            "selection": _selection_as_dict(self.selection),
            "mapping_version": self.mapping_version,
            "started_at": self.started_at.isoformat(),
            "calls": asdict(self.calls),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunFacts:
        return cls(
            run=data["run"],
            kind=RunKind(data["kind"]),
            selection=_selection_from_dict(data["selection"]),
            mapping_version=data["mapping_version"],
            started_at=datetime.fromisoformat(data["started_at"]),
            calls=Calls(**data["calls"]),
        )


def _selection_as_dict(selection: Selection) -> dict[str, Any]:
    """A selection as plain JSON."""
    return {
        "window": selection.window.as_dict() if selection.window else None,
        "ids": list(selection.ids),
        "everything": selection.everything,
        "moves_watermark": selection.moves_watermark,
    }


def _selection_from_dict(data: Mapping[str, Any]) -> Selection:
    """The selection that ``_selection_as_dict`` wrote."""
    return Selection(
        window=Window.from_dict(data["window"]) if data["window"] else None,
        ids=tuple(data["ids"]),
        everything=data["everything"],
        moves_watermark=data["moves_watermark"],
    )
