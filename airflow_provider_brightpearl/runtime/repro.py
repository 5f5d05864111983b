"""One dead letter as a test: its record, without personal data, mapped by the flow file as it is now."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.causes import normalised
from airflow_provider_brightpearl.core.desk import Letter
from airflow_provider_brightpearl.core.patches import EXACT, decode, merged
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.identity import mapping_version
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.flow.lookups import LookupTable, load_lookups, lookup_digests
from airflow_provider_brightpearl.gates.expectations import ExpectationGate
from airflow_provider_brightpearl.mapping.anonymise import anonymised
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.mapped import read_mapped
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.stores.desk import SqlDesk
from airflow_provider_brightpearl.stores.overrides import SqlOverrides
from airflow_provider_brightpearl.systems import registry

_LITERAL = re.compile(r"'([^'\n]+)'")
_TEMPLATE = Path(__file__).with_name("repro_test.txt")


class _Bound:
    """Stands for the crosswalk: all is bound to some number, but for the parent that the record waited for."""

    def __init__(self, unbound: Sequence[str]) -> None:
        self._unbound = tuple(unbound)

    def resolve(self, flow: str, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        return {key: _number(key) for key in keys if (flow, object_name, key) != self._unbound}

    def keys_of(self, flow: str, object_name: str, target_ids: Iterable[str]) -> dict[str, list[str]]:
        return {each: [number] for each, number in self.resolve(flow, object_name, target_ids).items()}


def _number(key: str) -> str:
    return str(int(sha256(key.encode("utf-8", "replace")).hexdigest()[:8], 16) + 1)


def problems_of(
    mappings: Path, flow: str, record: str, unbound: Sequence[str] = (), refused: str = ""
) -> list[str]:
    """Why a record would not go through with the flow file and lookups as they are now; empty where it would.

    Asks no system: references are taken as bound, and lookups in the target as having every key.

    Args:
        mappings: folder of the flow files.
        flow: name of the flow.
        record: as its source gives it (JSON).
        unbound: flow, object and key of a parent that is not in the target.
        refused: digest of rows that the target has refused; the same rows again are a problem.

    Raises:
        Misconfigured: the flow file is missing or wrong.
    """
    found = [_reason(each) for each in _rejections(mappings, flow, record, unbound)]
    if not found and refused and rows_digest(mappings, flow, record) == refused:
        found.append("the flow still writes the very rows that its target has refused")
    return found


def _reason(rejection: Rejection) -> str:
    place = ".".join(filter(None, (rejection.object, rejection.field)))
    return f"{rejection.stage.value} {place}: {rejection.reason}"


def _rejections(mappings: Path, flow: str, record: str, unbound: Sequence[str] = ()) -> list[Rejection]:
    with TemporaryDirectory() as folder:
        result, paths = _mapped(mappings, flow, record, Path(folder), unbound)
        if result:
            return result
        gate = ExpectationGate(load_flow(mappings / f"{flow}.yaml"))
        return [each for verdict in gate.evaluate([paths]) for each in verdict.rejections]


def rows_digest(mappings: Path, flow: str, record: str) -> str:
    """The digest of the rows that a flow makes of a record."""
    with TemporaryDirectory() as folder:
        _, paths = _mapped(mappings, flow, record, Path(folder))
        rows = [
            (name, row.key, row.payload) for name, path in paths.items() for row in read_mapped(path, name)
        ]
    return sha256(repr(rows).encode()).hexdigest()[:16]


def _mapped(
    mappings: Path, flow: str, record: str, folder: Path, unbound: Sequence[str] = ()
) -> tuple[list[Rejection], dict[str, Path]]:
    spec = load_flow(mappings / f"{flow}.yaml")
    tables = load_lookups(spec, mappings)
    asked = {
        name: LookupTable({}, "keep") for name, lookup in spec.lookups.items() if lookup.query is not None
    }
    raw = folder / "record.jsonl"
    raw.write_bytes(record.replace("\r", " ").replace("\n", " ").encode() + b"\n")
    schema = registry.stream_schema(spec.source)
    with Mapper(spec, schema, {**tables, **asked}, _Bound(unbound), (folder,)) as mapper:
        result = mapper.map_part(raw, folder)
    return [each for _, each in result.rejections], {
        name: folder / f"{name}.parquet" for name in spec.objects
    }


def write_repro(environment: Environment, letter: Letter, file: Path, *, personal_data: bool = False) -> Path:
    """Writes a test of a letter's record that fails until its cause is mended in the flow file or its lookups.

    Args:
        environment: where the flows run.
        letter: the letter.
        file: the test; it must not exist.
        personal_data: leave the record as it is.

    Raises:
        Misconfigured: the record cannot be mapped at all, is mapped now, or does not fail without its personal data.
        Unavailable: the state database does not answer.
    """
    if letter.stage == Stage.EXTRACT.value:
        raise Misconfigured(f"{letter.id} could not be read, so there is nothing to map: {letter.reason}")
    raw = SqlDesk(environment.state()).payload(letter)
    try:
        record = decode(raw)
    except msgspec.DecodeError as error:
        raise Misconfigured(
            f"{letter.id}: there is no record to map any more, or it is not JSON: {error}"
        ) from error
    made = SqlOverrides(environment.state(), letter.pair).active(letter.flow).get(letter.source_id)
    if made:
        record = merged(record, made.patch)
    whole = EXACT.encode(record).decode()
    known = _known(environment.mappings, letter)
    copy = whole if personal_data else EXACT.encode(anonymised(record, known, letter.id)).decode()
    test = _Test(environment.mappings, letter, copy)
    if not test.fails:
        if _Test(environment.mappings, letter, whole).fails:
            raise Misconfigured(
                f"{letter.id} fails by its personal data alone: pass --with-personal-data, and treat the test like it"
            )
        raise Misconfigured(f"the flow file and lookups as they are now do not reject {letter.id}: replay it")
    if file.exists():
        raise Misconfigured(f"{file} exists; pass another --output")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(test.text(file), encoding="utf-8")
    return file


def _known(mappings: Path, letter: Letter) -> set[str]:
    """Texts that mean something to a mapping: keys of its lookups, literals of its expressions."""
    path = mappings / f"{letter.flow}.yaml"
    spec = load_flow(path)
    keys = {key for table in load_lookups(spec, mappings).values() for key in table.values}
    literals = set(_LITERAL.findall(path.read_text(encoding="utf-8")))
    # a key that a lookup lacks is what has to be added there
    missing = {letter.value} if " lookup " in letter.reason else set()
    return keys | literals | missing


class _Test:
    """The test of a letter with a copy of its record."""

    def __init__(self, mappings: Path, letter: Letter, record: str) -> None:
        self._mappings = mappings
        self._letter = letter
        self._record = record
        self._unbound = letter.waits_for or ()
        at_load = letter.stage == Stage.LOAD.value
        self._refused = rows_digest(mappings, letter.flow, record) if at_load else ""

    @property
    def fails(self) -> bool:
        """Whether it fails now, and for the letter's own cause."""
        letter = self._letter
        if self._refused:
            return bool(problems_of(self._mappings, letter.flow, self._record, refused=self._refused))
        return any(map(self._is_mine, _rejections(self._mappings, letter.flow, self._record, self._unbound)))

    def _is_mine(self, found: Rejection) -> bool:
        letter = self._letter
        if letter.waits_for:
            return found.waits_for == letter.waits_for
        cause = normalised(found.reason, (found.value, found.row, found.source_id))
        return (found.object, found.field, cause) == (letter.object, letter.field, letter.cause)

    def text(self, file: Path) -> str:
        """The test as Python."""
        letter = self._letter
        spec = load_flow(self._mappings / f"{letter.flow}.yaml")
        values: dict[str, Any] = {
            "letter": _plain(letter.id),
            "date": f"{letter.last_seen:%Y-%m-%d}",
            "stage": letter.stage,
            "place": _plain(".".join(filter(None, (letter.object, letter.field)))),
            "cause": _plain(letter.cause),
            "name": re.sub(r"\W+", "_", f"{letter.flow}_{letter.source_id}").strip("_").lower(),
            "mappings": repr(os.path.relpath(self._mappings.resolve(), file.resolve().parent)),
            "flow": repr(letter.flow),
            "version": repr(mapping_version(spec, lookup_digests(spec, self._mappings))),
            "unbound": repr(tuple(self._unbound)),
            "refused": repr(self._refused),
            "record": "\n".join(self._lines()),
        }
        return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(values)

    def _lines(self) -> Iterator[str]:
        """The record as Python, one short text a line."""
        shown = msgspec.json.format(self._record, indent=1)
        yield from (f"    {line.strip()!r}" for line in shown.splitlines())


def _plain(text: str) -> str:
    """A text as it can stand in a docstring."""
    return " ".join(text.replace('"', "'").replace("\\", "/").split())
