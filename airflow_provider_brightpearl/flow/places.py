"""The line of a flow file that a message is about."""

from __future__ import annotations

from pathlib import Path

import yaml


def place_of(file: Path, object_name: str, field: str) -> str:
    """``orders.yaml, line 34``: where a flow file maps a field, or else begins the object; only the name without both.

    Args:
        file: the flow file.
        object_name: as under ``objects``.
        field: of the object, in any of its blocks.
    """
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, yaml.YAMLError):
        return file.name
    found = _key(_value(root, "objects"), object_name)
    block = _value(_value(root, "objects"), object_name)
    for _, inner in _pairs(block):
        found = _key(inner, field) or found
    return f"{file.name}, line {found.start_mark.line + 1}" if found else file.name


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _key(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((key for key, _ in _pairs(node) if key.value == name), None)


def _value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((value for key, value in _pairs(node) if key.value == name), None)
