"""A mapping in a process of its own: whatever an expression does, the task goes on and names the culprit."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_provider_brightpearl.errors import Misconfigured, Unavailable
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping import bounded, messages, process
from airflow_provider_brightpearl.mapping.bounded import BoundedMapper
from airflow_provider_brightpearl.mapping.process import Bounds
from tests.fakes import EverythingBound
from tests.mapping.bench import SCHEMA, Mapped, flow, map_with

TIGHT = Bounds(seconds=2, memory_mb=400)
# count decides how much; DuckDB looks at neither its memory limit nor an interrupt meanwhile
MEMORY = "length(repeat(name, count))"
TIME = "levenshtein(repeat('ab', count), repeat('ba', count))"
SMALL = {"id": 1, "name": "abc", "count": 3, "amount": "2.50", "currency": "EUR"}
LARGE = {**SMALL, "id": 2, "count": 1_000_000_000}
SLOW = {**SMALL, "id": 2, "count": 300_000}
TOTALS: dict[str, Any] = {"totals": {"amount": "amount", "currency": "currency"}}


@pytest.fixture
def none_waiting() -> Iterator[None]:
    """No process is left of other tests, nor of this one."""
    process._end_all()
    process._waiting.clear()
    yield
    process._end_all()
    process._waiting.clear()


def run(spec: FlowSpec, records: Iterable[Any], folder: Path, bounds: Bounds = TIGHT) -> Mapped:
    with BoundedMapper(spec, SCHEMA, {}, EverythingBound(), [folder], bounds) as mapper:
        return map_with(mapper, folder, records)


def children() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "mapping.worker" in " ".join(each.cmdline())]


def test_maps_as_in_the_same_process(tmp_path: Path) -> None:
    spec = flow({"Name": "name", "Amount": "amount", "Ref": "ref('a.B', party.id)"})
    mapped = run(spec, [{"id": 1, "name": "ü", "party": {"id": 7}}, {"id": 2, "amount": "x"}], tmp_path)
    assert [(row["Name"], row["Ref"]) for row in mapped.rows["Thing"]] == [("ü", "B:7")]
    assert mapped.reasons["2"][:2] == ("Amount", "x")


@pytest.mark.parametrize(
    ("text", "record", "reason"),
    [(MEMORY, LARGE, "Size: Out of Memory Error"), (TIME, SLOW, "fields.Size: takes longer than 1 s")],
)
def test_a_record_that_takes_too_much_is_a_letter_alone(
    text: str, record: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    others = [{**SMALL, "id": number} for number in range(10, 13)]
    spec = flow({"Name": "name", "Size": text}, **TOTALS)
    mapped = run(spec, [*others[:2], record, *others[2:]], tmp_path, Bounds(seconds=1, memory_mb=400))
    (rejection,) = mapped.rejections.values()
    assert (rejection.source_id, rejection.object, rejection.field) == ("2", "Thing", "Size")
    assert reason in rejection.reason
    assert mapped.column("_id") == [str(each["id"]) for each in others]
    assert mapped.result.records == 4
    assert {line for line, _ in mapped.result.rejections} == {2}


def test_every_record_that_takes_too_much_is_a_letter(tmp_path: Path) -> None:
    records = [{**(LARGE if number % 20 == 7 else SMALL), "id": number} for number in range(1, 61)]
    mapped = run(flow({"Size": MEMORY}), records, tmp_path)
    assert sorted(mapped.rejections) == ["27", "47", "7"]
    assert len(mapped.rows["Thing"]) == 57


def test_more_than_a_few_records_stop_the_flow_with_the_expression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "_MOST_REFUSED", 1)
    records = [{**SLOW, "id": number} for number in range(1, 4)]
    with pytest.raises(Misconfigured) as caught:
        run(flow({"Name": "name", "Size": TIME}), records, tmp_path, Bounds(seconds=1))
    message = str(caught.value)
    assert message.startswith("bench.yaml: objects.Thing.fields.Size: takes longer than 1 s")
    assert "more than 1 records" in message
    assert TIME in message
    assert "mapping_seconds" in message


def test_the_condition_of_an_object_and_a_total_are_bounded_too(tmp_path: Path) -> None:
    spec = flow({"Name": "name"}, root={"where": f"{MEMORY} > 0"})
    assert list(run(spec, [SMALL, LARGE], tmp_path).rejections) == ["2"]
    spec = flow({"Name": "name"}, totals={"amount": MEMORY, "currency": "currency"})
    mapped = run(spec, [SMALL, LARGE], tmp_path)
    assert mapped.rejections["2"].field == "totals"
    assert mapped.result.money == {"EUR": 9}


Deadly = Callable[[Callable[[list[bytes]], bool]], None]


@pytest.fixture
def deadly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deadly:
    """Ends the process before it maps records for which a condition holds, as a defect of DuckDB would."""
    original = process.MappingProcess._send

    def ends(condition: Callable[[list[bytes]], bool]) -> None:
        def send(self: process.MappingProcess, content: bytes) -> None:
            job = pickle.loads(content) if content[:1] == b"\x80" else None  # noqa: S301
            if isinstance(job, messages.MapPart) and condition(job.raw.read_bytes().splitlines()):
                self._process.send_signal(signal.SIGSEGV)
                self._process.wait()
            original(self, content)

        monkeypatch.setattr(process.MappingProcess, "_send", send)

    return ends


def test_a_part_that_takes_too_much_while_none_of_its_records_does_is_an_error(
    tmp_path: Path, deadly: Deadly
) -> None:
    deadly(lambda records: len(records) > 3)
    with pytest.raises(Misconfigured, match="a part of 5 records ends .* lower part_size"):
        run(flow({"Name": "name"}), [{**SMALL, "id": number} for number in range(5)], tmp_path)


def test_a_record_that_ends_the_process_is_a_letter(tmp_path: Path, deadly: Deadly) -> None:
    deadly(lambda records: any(b"deadly" in each for each in records))
    mapped = run(flow({"Name": "name"}), [SMALL, {"id": 2, "name": "deadly"}, {**SMALL, "id": 3}], tmp_path)
    (rejection,) = mapped.rejections.values()
    assert rejection.source_id == "2"
    assert rejection.reason == "the record: ends the process that maps (signal SIGSEGV)"
    assert mapped.column("_id") == ["1", "3"]


@pytest.mark.usefixtures("none_waiting")
def test_a_process_is_used_for_the_next_mapping_too(tmp_path: Path) -> None:
    run(flow({"Name": "name"}), [SMALL], tmp_path)
    (first,) = children()
    run(flow({"Other": "name"}), [SMALL], tmp_path)
    assert children() == [first]
    with pytest.raises(Misconfigured, match="unknown column"):
        run(flow({"Name": "nothing"}), [SMALL], tmp_path)
    assert children() == [first]


@pytest.mark.usefixtures("none_waiting")
def test_a_crosswalk_that_fails_is_its_own_error_and_leaves_no_process(tmp_path: Path) -> None:
    class Down(EverythingBound):
        def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
            raise Unavailable("the state database does not answer")

    spec = flow({"Ref": "ref('a.B', party.id)"})
    with pytest.raises(Unavailable), BoundedMapper(spec, SCHEMA, {}, Down(), [tmp_path], TIGHT) as mapper:
        map_with(mapper, tmp_path, [{"id": 1, "party": {"id": 7}}])
    assert children() == []


@pytest.mark.usefixtures("none_waiting")
def test_no_secret_of_the_task_is_in_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BRIGHTPEARL_DEFAULT", "s3cr3t")
    run(flow({"Name": "name"}), [SMALL], tmp_path)
    (child,) = children()
    assert not {name for name in child.environ() if name.startswith(("AIRFLOW", "BRIGHTPEARL", "AWS"))}
    opened = {each.path for each in child.open_files()}
    assert not [path for path in opened if path.endswith(".db")]


ORPHAN = """
import sys
from pathlib import Path
from tests.mapping.test_bounded import *
folder = Path(sys.argv[1])
mapper = BoundedMapper(flow({"Name": TIME}), SCHEMA, {}, EverythingBound(), [folder], Bounds())
map_with(mapper, folder, [SMALL])
print(mapper._process._process.pid, flush=True)
map_with(mapper, folder, [SLOW])
"""


def test_it_ends_with_the_task_also_while_it_computes(tmp_path: Path) -> None:
    task = subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(tmp_path)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    with task:
        assert task.stdout
        child = psutil.Process(int(task.stdout.readline()))
        # it has started and mapped already: what takes a second now is the expression
        begun = child.cpu_times().user
        while child.cpu_times().user < begun + 1:
            assert task.poll() is None
            time.sleep(0.05)
        task.kill()
    # the expression would take minutes
    child.wait(timeout=30)


@pytest.mark.usefixtures("none_waiting")
def test_odd_entries_of_the_import_path_stop_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, tmp_path, os.fsencode(tmp_path), None, 7])
    assert run(flow({"Name": "name"}), [SMALL], tmp_path).column("Name") == ["abc"]
    assert process._import_path()[-2:] == [str(tmp_path)] * 2


@pytest.mark.usefixtures("none_waiting")
def test_without_a_program_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(Misconfigured, match=r"sys\.executable is empty.*virtual environment"):
        run(flow({"Name": "name"}), [SMALL], tmp_path)


# what an expression may not reach, each with what must not be in the rows
ATTACKS = [
    "(SELECT content FROM read_text('/etc/passwd') LIMIT 1)",
    "read_text('/etc/passwd')",
    "getenv('HOME')",
    "getvariable('x')",
    "current_setting('memory_limit')",
    "(FROM read_csv('/etc/passwd'))",
    "(SELECT * FROM duckdb_settings())",
    "(SELECT * FROM glob('/**'))",
    "query('SELECT 1')",
    "query_table('raw')",
    "pragma_version()",
    "(COPY rec TO '/tmp/x')",
    "name); COPY rec TO '/tmp/x'; --",
    "name; INSTALL httpfs",
    "name; ATTACH '/tmp/x.db'",
    "name; SET memory_limit = '1TB'",
    "name; LOAD httpfs",
    "sleep(100)",
    "parse_path('/etc/passwd')",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_an_expression_reaches_nothing_but_its_record(text: str, tmp_path: Path) -> None:
    try:
        mapped = run(flow({"Name": text}), [SMALL], tmp_path, Bounds())
    except Misconfigured as error:
        assert "objects.Thing.fields.Name" in str(error)
    else:
        shown = str(mapped.rows)
        assert not [word for word in ("root:", "/home", "GiB") if word in shown], shown
