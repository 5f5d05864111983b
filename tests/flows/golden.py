"""Golden data: records of a flow's source, and the rows that its mapping makes of each.

A case is ``tests/golden/<flow>/<case>.json`` with ``record`` and either ``rows`` or ``rejected``, and ``bound``
where the target's ids of other rows matter. After a wanted change of a mapping, ``python -m tests.flows.golden``
writes them anew; then read the difference, line by line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.flow.lookups import LookupTable, load_lookups
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.mapped import MapResult, read_mapped
from airflow_provider_brightpearl.systems.registry import stream_schema
from tests.fakes import EverythingBound

GOLDEN = Path(__file__).parents[1] / "golden"
MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"
CASES = sorted(path.relative_to(GOLDEN) for path in GOLDEN.glob("*/*.json"))


def case(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / path).read_text(encoding="utf-8"))
    return found


class _Bound(EverythingBound):
    """A crosswalk that knows these ids, as ``Item:1010``, and makes those of all other keys of other flows.

    Of the other direction it knows these keys alone, as ``key of Item:TEE-RED-M``.
    """

    def __init__(self, flow: str, ids: Mapping[str, str]) -> None:
        super().__init__()
        self.flow = flow
        self.ids = ids

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        made = super().resolve(flow, object_name, keys)
        return {
            key: self.ids.get(target_id, target_id)
            for key, target_id in made.items()
            if flow != self.flow or target_id in self.ids
        }

    def keys_of(self, flow: str, object_name: str, target_ids: Iterable[str]) -> dict[str, list[str]]:
        made = super().keys_of(flow, object_name, target_ids)
        return {each: [self.ids[key]] for each, (key,) in made.items() if key in self.ids}


def made_again(path: Path) -> dict[str, Any]:
    """A case as the mapping makes it today."""
    given = case(path)
    kept = {name: given[name] for name in ("record", "bound") if name in given}
    return kept | made_of(path.parent.name, given["record"], given.get("bound", {}))


def made_of(flow_name: str, record: dict[str, Any], bound: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a flow's mapping makes of one record; what only the org knows shows the key that was looked up."""
    flow = load_flow(MAPPINGS / f"{flow_name}.yaml")
    with TemporaryDirectory() as work:
        folder = Path(work)
        result = map_records(flow, [record], bound or {}, folder)
        if result.rejections:
            (rejection,) = (each for _, each in result.rejections)
            return {
                "rejected": {
                    name: getattr(rejection, name) for name in ("object", "row", "field", "value", "reason")
                }
            }
        return {"rows": {name: _rows(folder / f"{name}.parquet") for name in flow.objects}}


def map_records(
    flow: FlowSpec, records: Iterable[dict[str, Any]], bound: Mapping[str, str], folder: Path
) -> MapResult:
    """Maps records into ``<object>.parquet`` files in a folder."""
    lookups = load_lookups(flow, MAPPINGS)
    lookups |= {name: LookupTable({}, "keep") for name, spec in flow.lookups.items() if spec.query}
    raw = folder / "raw.jsonl"
    raw.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    with Mapper(flow, stream_schema(flow.source), lookups, _Bound(flow.flow, bound), [folder]) as mapper:
        return mapper.map_part(raw, folder)


def _rows(path: Path) -> list[dict[str, Any]]:
    # decimals as text, so that their digits are compared
    return [
        {
            "key": row.key,
            **({"parent": row.parent} if row.parent else {}),
            **json.loads(row.payload, parse_float=str),
        }
        for row in read_mapped(path)
    ]


def main() -> None:
    """Writes what each flow makes of its records today."""
    for path in CASES:
        made = json.dumps(made_again(path), indent=2, ensure_ascii=False)
        (GOLDEN / path).write_text(made + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
