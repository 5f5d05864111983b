"""Maps one raw part to the rows of each target object."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from airflow_provider_brightpearl.core.ports.stores import Staging
from airflow_provider_brightpearl.core.records import Outcome, PartRef, RawPart
from airflow_provider_brightpearl.core.reports import TransformReport
from airflow_provider_brightpearl.mapping.mapped import PartMapper
from airflow_provider_brightpearl.pipeline.overrides import Patches
from airflow_provider_brightpearl.pipeline.rejections import Judged, money_of, with_raw, write_rejections

OpenMapper = Callable[[Sequence[Path]], PartMapper]


def map_part(
    part: RawPart,
    open_mapper: OpenMapper,
    staging: Staging,
    resolve: Callable[[Sequence[str]], object] = lambda _: None,
    patches: Patches | None = None,
    set_aside: Callable[[Path], Mapping[int, tuple[str, str]]] = lambda _: {},
    judged: Judged = lambda _: frozenset(),
) -> TransformReport:
    """Maps a raw part to one staged file per object, and stages what it rejects.

    Args:
        part: the raw part.
        open_mapper: opens a mapper that may use only the folders it is given.
        staging: the run's files.
        resolve: called with the ids of the records that the flow does not want, whose dead letters are closed.
        judged: tells those records by id, each with its raw record, that failed as they are in a settled run.
        patches: what people have put in the place of values; what was staged stays as it was read.
        set_aside: gives, of a file of raw records, those to be rejected whatever they hold: place and reason by line.
    """
    name = Path(part.path).stem
    with staging.local(part) as raw, TemporaryDirectory() as work:
        with open_mapper((raw.parent, Path(work))) as mapper:
            result = mapper.map_part(
                patches.file(raw, Path(work)) if patches else raw, Path(work), set_aside(raw)
            )
        objects = {
            each: _stage(staging, f"mapped/{name}/{each}.parquet", Path(work) / f"{each}.parquet", count)
            for each, count in result.rows.items()
        }
    if result.filtered_ids:
        resolve(result.filtered_ids)
    rejected = [each for _, each in result.rejections]
    parked = sum(each.outcome is Outcome.PARKED for each in rejected)
    first_due = result.records - part.due
    failed = {
        line: each
        for line, each in result.rejections
        if line < first_due and each.outcome is Outcome.REJECTED
    }
    again = judged(with_raw(staging, part, failed))
    failed_again = sum(each.source_id in again for each in failed.values())
    return TransformReport(
        name=name,
        raw=part,
        records=result.records,
        objects=objects,
        rejections=write_rejections(
            staging,
            f"rejected/transform-{name}.jsonl",
            with_raw(staging, part, dict(result.rejections)),
        ),
        rejected=len(rejected) - parked,
        parked=parked,
        filtered=result.filtered,
        due=part.due - sum(line >= first_due for line, _ in result.filtered_lines) + failed_again,
        due_rejected=failed_again
        + sum(line >= first_due and each.outcome is Outcome.REJECTED for line, each in result.rejections),
        present=dict(result.present),
        warnings=dict(result.warnings),
        extracted_money=result.money,
        rejected_money=money_of(rejected),
        filtered_money=result.filtered_money,
    )


def _stage(staging: Staging, name: str, made: Path, rows: int) -> PartRef:
    with staging.create(name) as target:
        shutil.move(made, target)
    return staging.ref(name, rows)
