"""The DAGs and flow files a new installation starts from, and copying them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flow
from airflow_provider_brightpearl.flow.lookups import VARIANTS
from airflow_provider_brightpearl.flow.spec import FlowSpec

PREFIX = "brightpearl_"
_PACKAGE = Path(__file__).parents[1]
_PLACES = {"dags": Path("dags"), "mappings": Path("include/mappings")}
_ALWAYS = (
    "dags/brightpearl_maintenance.py",
    "dags/brightpearl_reconcile.py",
    "dags/brightpearl_replay.py",
    "mappings/flow.schema.json",
)


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of the starter files.

    ``flows`` are in the order of their first syncs, and ``creates_after`` says which of them creates what another one
    has to look for first. ``systems`` are theirs; ``differing`` pairs a file that was left alone with the shipped one.
    """

    flows: tuple[str, ...]
    creates_after: dict[str, str]
    systems: tuple[str, ...]
    written: tuple[Path, ...]
    same: tuple[Path, ...]
    differing: tuple[tuple[Path, Path], ...]


def starter_folders() -> dict[str, Path]:
    """Where the starter DAGs and mappings lie: in the installed package, or in a checkout."""
    packed = _PACKAGE / "_starter"
    if packed.is_dir():
        return {name: packed / name for name in _PLACES}
    return {name: _PACKAGE.parent / place for name, place in _PLACES.items()}


def copy_starter(destination: Path, target: str | None = None) -> Copied:
    """Copies DAGs to ``dags`` and flow files to ``include/mappings`` below the destination.

    Files that exist are never written to.

    Args:
        destination: folder that holds ``dags`` and ``include``; created where it does not exist.
        target: only the flows into this system, and those of the opposite direction that they cannot do without;
            without it, the flows out of Brightpearl.

    Raises:
        Misconfigured: no shipped flow has this target, or a file cannot be written.
    """
    folders = starter_folders()
    flows = _flows(folders["mappings"], target)
    written, same, differing = [], [], []
    for name in sorted({*_ALWAYS, *_files(flows, folders["mappings"])}):
        kind, _, rest = name.partition("/")
        shipped, yours = folders[kind] / rest, destination / _PLACES[kind] / rest
        if not os.path.lexists(yours):
            write_new(yours, shipped.read_bytes())
            written.append(yours)
        elif yours.is_file() and yours.read_bytes() == shipped.read_bytes():
            same.append(yours)
        else:
            differing.append((yours, shipped))
    systems = {system for flow in flows for system in (flow.source_system, flow.target)}
    names = tuple(flow.flow for flow in flows)
    first = {name: each for name, each in creates_after(flows).items() if name in names}
    return Copied(names, first, tuple(sorted(systems)), tuple(written), tuple(same), tuple(differing))


def write_new(path: Path, content: bytes) -> None:
    """Writes a file that does not exist yet, and never one that does.

    Raises:
        Misconfigured: it exists, or its folder takes no files.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise Misconfigured(f"{path} already exists and is left as it is") from None
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror}") from error


def _flows(mappings: Path, target: str | None) -> list[FlowSpec]:
    """The shipped flows into a system, or all out of Brightpearl, in the order of their first syncs.

    Parents come before what waits for them. A flow that looks for what its target has already comes before the one of
    the other direction, which would create the same records once more.
    """
    flows = {flow.flow: flow for flow in map(load_flow, sorted(mappings.glob("*.yaml")))}
    known = sorted({flow.target for flow in flows.values()})
    if target is not None and target not in known:
        raise Misconfigured(f"--target must be one of {', '.join(known)}; got {target!r}")
    # what writes into the books of a merchant is asked for by name
    chosen = {
        flow.flow
        for flow in flows.values()
        if flow.target == target or (target is None and flow.target != "brightpearl")
    }
    chosen |= {name for flow in flows.values() if flow.flow in chosen for name in _needed(flow)}
    # they wait for flows of their own direction in turn
    while missing := {parent for name in chosen for parent in flows[name].after} - chosen:
        chosen |= missing
    before = _before([flows[name] for name in chosen])
    return sorted((flows[name] for name in chosen), key=lambda flow: (_depth(flow.flow, before), flow.flow))


def _needed(flow: FlowSpec) -> set[str]:
    from airflow_provider_brightpearl.mapping.references import flows_back

    return flows_back(flow)


def creates_after(flows: Iterable[FlowSpec]) -> dict[str, str]:
    """Flows that create what they do not know, and the flow that looks for it on their side and so has to run first."""
    return {flow.reverse.of: flow.flow for flow in flows if flow.reverse and flow.reverse.fields}


def _before(flows: Iterable[FlowSpec]) -> dict[str, set[str]]:
    """The flows that run before each of these, of these."""
    flows = list(flows)
    first = creates_after(flows)
    before = {flow.flow: {*flow.after} for flow in flows}
    for creating, matching in first.items():
        if creating in before:
            before[creating].add(matching)
            before[matching].discard(creating)
    return {name: parents & {*before} for name, parents in before.items()}


def _depth(name: str, before: dict[str, set[str]]) -> int:
    return 1 + max((_depth(parent, before) for parent in before[name]), default=0)


def _files(flows: list[FlowSpec], mappings: Path) -> Iterator[str]:
    """The files of these flows, their variants and their lookups, as ``dags/…`` and ``mappings/…``."""
    for flow in flows:
        yield f"dags/{PREFIX}{flow.flow}.py"
        yield f"mappings/{flow.flow}.yaml"
    names, ways = {flow.flow for flow in flows}, {(flow.source_system, flow.target) for flow in flows}
    shipped = {path.stem for path in mappings.glob("*.yaml")}
    variants = {path: load_flow(path) for path in sorted((mappings / VARIANTS).glob("*.yaml"))}
    # one that takes the place of no flow goes with those of its direction
    chosen = {
        path: each
        for path, each in variants.items()
        if each.flow in names or (each.flow not in shipped and (each.source_system, each.target) in ways)
    }
    for path in chosen:
        yield f"mappings/{path.relative_to(mappings).as_posix()}"
    # a variant is used in the folder above, and its lookups lie where they lie from there
    for flow in (*flows, *chosen.values()):
        yield from (f"mappings/{each.file}" for each in flow.lookups.values() if each.file)
