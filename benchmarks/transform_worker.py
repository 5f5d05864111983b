"""A worker of the figure ``transform``: parses or maps the parts it is given."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.flow.lookups import load_lookups
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.systems import registry
from benchmarks.workbench import MAPPINGS, give

FLOW = load_flow(MAPPINGS / "orders_to_salesforce.yaml")
SCHEMA = registry.stream_schema(FLOW.source)


class _AllBound:
    """A crosswalk that knows every key, in no time: what the state database takes is not the mapping's."""

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        return {key: f"a01{key}" for key in keys}

    def keys_of(self, flow: str, object_name: str, target_ids: Iterable[str]) -> dict[str, list[str]]:
        return {each: [each] for each in target_ids}


def _price_books(soql: str) -> list[dict[str, Any]]:
    return [{"Id": "01s000000000001AAA", "Name": "Standard Price Book"}]


LOOKUPS = load_lookups(FLOW, MAPPINGS, _price_books)


def parse(parts: Iterable[Path]) -> None:
    for part in parts:
        with part.open("rb") as lines:
            for line in lines:
                orjson.loads(line)


def map_(parts: Iterable[Path]) -> None:
    for part in parts:
        with TemporaryDirectory() as folder:
            work = Path(folder)
            with Mapper(FLOW, SCHEMA, LOOKUPS, _AllBound(), (part.parent, work)) as mapper:
                result = mapper.map_part(part, work)
            if result.rejections or set(result.rows) != {"Order", "OrderItem"}:
                raise RuntimeError(f"{part.name} was not mapped whole: {result}")


WORK = {"parse": parse, "map": map_}

if __name__ == "__main__":
    give("ready")
    for line in sys.stdin:
        request = json.loads(line)
        cpu = time.process_time()
        WORK[request["work"]]([Path(part) for part in request["parts"]])
        give({"cpu": time.process_time() - cpu})
