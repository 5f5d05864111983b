"""Mappings that stay open from run to run, in the process of the tests.

To compile a mapping takes as long as all else that a run of a few records does. The process of its own, in which
mappings run otherwise, is tested in ``tests/mapping/test_bounded.py``, and used by the tests of faults and of Airflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.runtime.wiring import Wiring


@contextmanager
def kept_mappers(*folders: Path) -> Iterator[None]:
    """Compiles each mapping once; it may use these folders, in which those of the runs have to be."""
    kept: list[tuple[Any, Mapper]] = []

    def open_mapper(
        self: Wiring, lookups: Mapping[str, LookupTable], _: object
    ) -> AbstractContextManager[Mapper]:
        asked = (self.flow, self.schema, lookups)
        mapper = next((each for was, each in kept if was == asked), None)
        if mapper is None:
            mapper = Mapper(self.flow, self.schema, lookups, self.crosswalk, folders)
            kept.append((asked, mapper))
        mapper.resolver = self.crosswalk
        return nullcontext(mapper)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Wiring, "open_mapper", open_mapper)
        yield
    for _, each in kept:
        each.connection.close()
