"""Opens the ports of an example as the product does, and marks tests with the examples that they run on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import pytest

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.ports.source import Source, SourceInventory
from airflow_provider_brightpearl.core.ports.target import Sink
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import parse_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from tests.contracts.example import cannot
from tests.contracts.streams import STREAMS, StreamExample
from tests.contracts.targets import TARGETS, TargetExample
from tests.flows.site import Site

Test = TypeVar("Test", bound=Callable[..., None])


def _each_stream(test: Test) -> Test:
    marked: Test = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)(test)
    return marked


def _each_target(test: Test) -> Test:
    marked: Test = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)(test)
    return marked


def source_wiring(site: Site, stream: StreamExample) -> Wiring:
    text = f"""
flow: contract
source: {stream.name}
target: salesforce
objects: {{Account: {{key: {{Brightpearl_Id__c: id}}, fields: {{}}}}}}
"""
    return Wiring(parse_flow(text, "contract.yaml"), site.environment)


def open_source(site: Site, stream: StreamExample) -> Source:
    return source_wiring(site, stream).source()


def ids(source: Source, selection: Selection) -> list[str]:
    return sorted(source_id for source_id, _ in source.read(selection))


def sources(test: Test) -> Test:
    """A test of every stream."""
    return _each_stream(test)


def api_calls(site: Site, system: str) -> int:
    """Calls that a system has had, logins left out."""
    paths = [entry["path"] for entry in site.sandbox.control("GET", f"/log?system={system}")]
    return sum("oauth2" not in path and "/token" not in path for path in paths)


def take_requests(site: Site, system: str) -> Counter[str]:
    """What a system was asked since the log was last cleared, without the ids; clears it."""
    paths = [entry["path"] for entry in site.sandbox.control("GET", f"/log?system={system}")]
    site.sandbox.control("DELETE", "/log")
    return Counter(re.sub(r"\d[\d,-]*", "#", path) for path in paths)


def inventories(test: Test) -> Test:
    """A test of what is listed of every stream; those that are not listed say so."""
    for stream in ("brightpearl.availability", "infor.stock"):
        figures = f"reconcile: {stream} consists of figures and cannot be listed by id"
        test = cannot(stream, error=Misconfigured, message=figures)(test)
    return _each_stream(test)


def open_inventory(site: Site, stream: StreamExample) -> SourceInventory:
    return source_wiring(site, stream).inventory()


def target_wiring(site: Site, target: TargetExample) -> Wiring:
    return Wiring(target.flow, site.environment)


def open_sink(site: Site, target: TargetExample) -> Sink:
    return target.open_sink(target_wiring(site, target))


def write(sink: Sink, records: Sequence[RecordChange]) -> list[RowResult]:
    return [result for results in sink.write(records) for result in results]


Place = tuple[str, str, str]


def sent(records: Sequence[RecordChange]) -> list[Place]:
    """The rows of records, by record, object and key."""
    return [(record.source_id, each.object, each.key) for record in records for each in record.changes]


def place(result: RowResult) -> Place:
    return result.source_id, result.object, result.key


def finished(results: Sequence[RowResult]) -> list[RowResult]:
    """Results that are the last word on a row."""
    return [each for each in results if not each.unfinished]


def sinks(test: Test) -> Test:
    """A test of every target."""
    return _each_target(test)


def targets(test: Test) -> Test:
    """A test of what is read of every target."""
    return _each_target(test)


def written_roots(site: Site, target: TargetExample) -> list[RowResult]:
    """Results of the first object's rows, once all are written."""
    results = finished(write(open_sink(site, target), target.records(site).good))
    return [each for each in results if each.object == target.flow.root]
