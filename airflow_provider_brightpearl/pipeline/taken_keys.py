"""Rows whose key is bound to another record: refused, or written after that record has given the key up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_brightpearl.core.ports.stores import Binding, Crosswalk
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.mapped import MappedRow


@dataclass(frozen=True, slots=True)
class TakenKey:
    """A row of ``source_id`` whose key is bound to ``owner``; ``given_up``: the owner is in this part without it."""

    source_id: str
    object: str
    key: str
    owner: str
    given_up: bool

    def reason(self, target: str) -> str:
        """Why the record is refused, and what to do."""
        bound = f"key {self.key!r} of {self.object} is bound to record {self.owner}"
        if self.given_up:
            return f"{bound}, which gives it up: it can be written once {target} has removed that row"
        return (
            f"{bound}: two records cannot be one row of {target}; change the key of one, or sync {self.owner} by id "
            "if it no longer has this key"
        )


def taken_keys(
    flow: FlowSpec,
    rows: Mapping[str, Sequence[MappedRow]],
    bound: Mapping[str, Mapping[str, Binding]],
    crosswalk: Crosswalk,
) -> Iterator[TakenKey]:
    """The rows of a part whose key is bound to another record.

    Args:
        flow: the flow.
        rows: of the part, by record.
        bound: what is bound of these records, by object and key.
        crosswalk: what is bound of all others.
    """
    for name in flow.objects:
        new: dict[str, str] = {}
        for source_id, its in rows.items():
            for row in its:
                known = bound.get(name, {}).get(row.key) if row.object == name else None
                if row.object == name and (known.source_id if known else row.key) != source_id:
                    new[row.key] = source_id
        for key, owner in crosswalk.source_ids(flow.flow, name, new).items():
            if owner != new[key]:
                kept = ((row.object, row.key) for row in rows.get(owner, ()))
                yield TakenKey(new[key], name, key, owner, owner in rows and (name, key) not in kept)
