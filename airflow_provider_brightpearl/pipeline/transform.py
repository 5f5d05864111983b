"""Maps one raw part to the rows of each target object."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow_provider_brightpearl.core.ports import Staging
from airflow_provider_brightpearl.core.records import PartRef
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.mapped import MapResult
from airflow_provider_brightpearl.mapping.spec import FlowSpec
from airflow_provider_brightpearl.pipeline import rejected

OpenMapper = Callable[[Sequence[Path]], Mapper]


def transform(
    flow: FlowSpec, part: Mapping[str, Any], open_mapper: OpenMapper, staging: Staging
) -> dict[str, Any]:
    """The mapped part: a reference per object, rejections, counts and money, as plain values.

    Args:
        flow: the flow.
        part: reference of a raw part.
        open_mapper: gives a mapper that may use only the folders it is given.
        staging: the run's files.
    """
    ref = PartRef.from_dict(part)
    name = Path(ref.path).stem
    with staging.local(ref) as raw, TemporaryDirectory() as work:
        with open_mapper((raw.parent, Path(work))) as mapper:
            result = mapper.map_part(raw, Path(work))
        objects = {
            each: _keep(staging, f"mapped/{name}/{each}.parquet", Path(work) / f"{each}.parquet", count)
            for each, count in result.rows.items()
        }
    return {
        "name": name,
        "raw": dict(part),
        "records": result.records,
        "objects": objects,
        "left_out": result.left_out,
        "rejections": _keep_rejections(staging, name, part, result),
        **rejected.tally(rejection for _, rejection in result.rejections),
        "warnings": dict(result.warnings),
        "money": {
            "extracted": rejected.money_as_text(result.money),
            "rejected": rejected.money_as_text(rejected.money_of(each for _, each in result.rejections)),
            "left_out": rejected.money_as_text(result.left_out_money),
        },
    }


def _keep(staging: Staging, name: str, made: Path, rows: int) -> dict[str, Any]:
    with staging.create(name) as target:
        shutil.move(made, target)
    return staging.ref(name, rows).as_dict()


def _keep_rejections(
    staging: Staging, name: str, part: Mapping[str, Any], result: MapResult
) -> dict[str, Any]:
    lines = rejected.raw_lines(staging, part, (pos for pos, _ in result.rejections))
    return rejected.write(
        staging, f"rejected/transform-{name}.jsonl", ((each, lines[pos]) for pos, each in result.rejections)
    )
