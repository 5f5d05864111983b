"""A record that takes more than the process that maps may have."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import yaml

from airflow_provider_brightpearl.mapping.process import Bounds
from airflow_provider_brightpearl.testing.fault import Injection
from airflow_provider_brightpearl.testing.records import STREAMS

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.reports import RunSummary
    from airflow_provider_brightpearl.testing.trial import Trial

# which of a hundred billion letters takes neither long nor memory, but only of one record
_DEADLY = "left(concat({expression}, CASE WHEN text({name}) = '{id}' THEN repeat('x', 100000000000) ELSE '' END), 30)"
_BOUNDS = Bounds(memory_mb=400)


class Deadly(Injection):
    """An expression that kills the process that maps, for the newest record alone."""

    def applies(self, source: str, target: str, stream: str) -> bool:
        return stream in STREAMS

    def attempt(self, trial: Trial, run: str) -> RunSummary | None:
        collection, name = STREAMS[trial.world.stream]
        newest = trial.place.sandbox.snapshot(trial.world.source, collection)[-1]
        folder = trial.place.folder / "deadly"
        shutil.copytree(trial.place.mappings, folder, dirs_exist_ok=True)
        path = folder / trial.world.flow_file.name
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        fields = next(iter(content["objects"].values()))["fields"]
        field = next(each for each, expression in fields.items() if str(expression).startswith("left("))
        fields[field] = _DEADLY.format(expression=fields[field], name=name, id=newest[name])
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return replace(trial.place, mappings=folder, bounds=_BOUNDS).run(trial.flow, run)
