"""Reads flow files: YAML to the model, with errors that name file, line or field, and the valid values."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.reconcile import ReconcileSpec
from airflow_provider_brightpearl.flow.spec import (
    FlowSpec,
    GateSpec,
    LoadSpec,
    LookupSpec,
    ObjectSpec,
    TotalsSpec,
    WindowSpec,
)
from airflow_provider_brightpearl.flow.two_way import AuthoritySpec, ReverseSpec
from airflow_provider_brightpearl.flow.write_back import WriteBackSpec


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads plain YAML, and refuses duplicate keys, of which YAML would drop the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {key.value}", key.start_mark
                )
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def load_flow(path: Path) -> FlowSpec:
    """The flow of one YAML file.

    Raises:
        Misconfigured: unreadable file, YAML or value; names file, line or field, and the valid values.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path.name}: is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    return parse_flow(text, path.name)


def load_flows(folder: Path) -> tuple[list[FlowSpec], list[str]]:
    """The flows of a folder's YAML files, and the problems of the files that are not flow files."""
    flows: list[FlowSpec] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            flows.append(load_flow(path))
        except Misconfigured as error:
            problems.append(str(error))
    return flows, problems


# a run compares its flow with all others of the folder, several times; a text that changed is read anew
@lru_cache(maxsize=256)
def parse_flow(text: str, name: str) -> FlowSpec:
    """The flow of one YAML text; ``name`` is the file's name for error messages.

    The same text gives the same flow, which is not to be changed.
    """
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise Misconfigured(f"{name}{where}: not YAML: {error.problem}") from error
    # such as 2026-02-30, which YAML takes for a date
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Misconfigured(f"{name}: not YAML: {error}") from error
    if not isinstance(data, dict):
        raise Misconfigured(f"{name}: a flow file holds keys such as flow, source and objects")
    try:
        return FlowSpec.model_validate(data)
    except ValidationError as error:
        raise Misconfigured("\n".join(_explain(name, data, problem) for problem in error.errors())) from error


def _explain(name: str, data: dict[str, Any], problem: Any) -> str:
    loc = problem["loc"]
    where = ".".join(str(part) for part in loc if part != "[key]")
    if loc[-1:] == ("[key]",):
        shape = (
            "Object.field, such as Account.Phone"
            if "\\." in problem["ctx"]["pattern"]
            else "letters, digits and _"
        )
        return f"{name}: {where}: {loc[-2]!r} is not a valid name here; write {shape}"
    if problem["type"] in ("model_type", "dict_type"):
        return f"{name}: {where}: has keys of its own and their values, not {problem['input']!r}"
    if problem["type"] == "extra_forbidden":
        return f"{name}: {where}: unknown key; known here: {', '.join(_known_keys(problem['loc']))}"
    return ": ".join(filter(None, (name, where, problem["msg"].removeprefix("Value error, "))))


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = FlowSpec
    named: dict[str, type[BaseModel]] = {
        "window": WindowSpec,
        "totals": TotalsSpec,
        "gate": GateSpec,
        "load": LoadSpec,
        "objects": ObjectSpec,
        "lookups": LookupSpec,
        "reconcile": ReconcileSpec,
        "write_back": WriteBackSpec,
        "authority": AuthoritySpec,
        "reverse": ReverseSpec,
    }
    if len(location) > 1:
        model = named.get(str(location[0]), FlowSpec)
    return sorted(model.model_fields)
