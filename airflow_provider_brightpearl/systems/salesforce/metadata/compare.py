"""Compares the shipped source (SFDX format), which the flows need, with an org's describe.

A describe shows a field only if it exists and the user may see it, so both are one finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, parse

from airflow_provider_brightpearl.errors import Misconfigured, SyncError

SOURCE = Path(__file__).parent
PERMISSION_SET = "Brightpearl_Sync"
_NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"

# type in the source: types that a describe may show for a field that takes the same values
_TYPES: Mapping[str, tuple[str, ...]] = {
    "Text": ("string", "textarea"),
    "LongTextArea": ("textarea",),
    "Number": ("double", "int", "currency"),
    "Currency": ("currency", "double"),
    "DateTime": ("datetime",),
    "Date": ("date",),
    "Picklist": ("picklist", "string"),
    "Lookup": ("reference",),
    "MasterDetail": ("reference",),
}

Describe = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class WantedField:
    """One custom field of the source."""

    object: str
    name: str
    kind: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    refers_to: str = ""
    external_id: bool = False
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing an org lacks: the object, the field where it is about one, and what is wrong.

    ``missing`` is what a deployment can bring.
    """

    object: str
    field: str
    problem: str
    missing: bool = False

    def __str__(self) -> str:
        return (
            f"{self.object}.{self.field}: {self.problem}" if self.field else f"{self.object}: {self.problem}"
        )


def wanted_fields(source: Path = SOURCE) -> tuple[WantedField, ...]:
    """The custom fields that the shipped source declares, by object and name."""
    files = sorted((source / "force-app/main/default/objects").glob("*/fields/*.field-meta.xml"))
    return tuple(_wanted(file.parent.parent.name, parse(file).getroot()) for file in files)  # noqa: S314


def _wanted(object_name: str, root: Element) -> WantedField:
    def text(name: str) -> str:
        return root.findtext(f"{_NAMESPACE}{name}") or ""

    return WantedField(
        object_name,
        text("fullName"),
        text("type"),
        int(text("length") or 0),
        int(text("precision") or 0),
        int(text("scale") or 0),
        text("referenceTo"),
        text("externalId") == "true",
        text("unique") == "true",
    )


def compare(wanted: Sequence[WantedField], describe: Describe) -> list[Finding]:
    """What an org lacks of the wanted fields; one describe for each object.

    Args:
        wanted: the fields, as ``wanted_fields`` gives them.
        describe: the answer of ``sobjects/<name>/describe``; ``SyncError`` of status 404 where there is none.
    """
    by_object: dict[str, list[WantedField]] = {}
    for each in wanted:
        by_object.setdefault(each.object, []).append(each)
    return [finding for name, fields in by_object.items() for finding in _object(name, fields, describe)]


def _object(name: str, fields: Sequence[WantedField], describe: Describe) -> Iterator[Finding]:
    try:
        described = describe(name)
    except SyncError as error:
        if error.status != 404:
            raise
        yield Finding(name, "", "is not in this org, or this user may not see it", missing=True)
        return
    if not described.get("updateable", True):
        yield Finding(name, "", "this user may not write it")
    there = {field["name"]: field for field in described["fields"]}
    for wanted in fields:
        found = there.get(wanted.name)
        if found is None:
            problem = f"not found, or this user may not see it (permission set {PERMISSION_SET})"
            yield Finding(name, wanted.name, problem, missing=True)
            continue
        yield from (Finding(name, wanted.name, problem) for problem in _problems(wanted, found))


def _problems(wanted: WantedField, there: Mapping[str, Any]) -> Iterator[str]:
    fitting = _TYPES.get(wanted.kind)
    if fitting is None:
        raise Misconfigured(f"{wanted.object}.{wanted.name}: type {wanted.kind} is not known here")
    if there["type"] not in fitting:
        yield f"is of type {there['type']}, where {' or '.join(fitting)} is needed"
        return
    yield from _too_small(wanted, there)
    if wanted.refers_to and wanted.refers_to not in there["referenceTo"]:
        yield f"refers to {', '.join(there['referenceTo'])}, not to {wanted.refers_to}"
    if wanted.external_id and not there["externalId"]:
        yield "is not an external id"
    if wanted.unique and not there["unique"]:
        yield "is not unique"
    if not there["createable"]:
        yield f"this user may not write it (permission set {PERMISSION_SET})"


def _too_small(wanted: WantedField, there: Mapping[str, Any]) -> Iterator[str]:
    if wanted.length > there.get("length", 0):
        yield f"holds {there['length']} characters, {wanted.length} are needed"
    before = there.get("precision", 0) - there.get("scale", 0)
    if there["type"] != "int" and wanted.precision - wanted.scale > before:
        yield f"holds {before} digits before the point, {wanted.precision - wanted.scale} are needed"
    if wanted.scale > there.get("scale", 0):
        yield f"holds {there.get('scale', 0)} decimals, {wanted.scale} are needed"
