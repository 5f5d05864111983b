"""`@{ref.id}` in composite requests: values of earlier answers put into later ones (section 3.6)."""

from __future__ import annotations

import re

from ..errors import Refused

_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")


def resolve(value: object, answers: dict[str, object]) -> object:
    """The value with every reference in it replaced. Raises: Refused for one that leads nowhere."""
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value)
        if whole:
            return _lookup(whole, answers)
        return _REFERENCE.sub(lambda found: str(_lookup(found, answers)), value)
    if isinstance(value, dict):
        return {name: resolve(inner, answers) for name, inner in value.items()}
    if isinstance(value, list):
        return [resolve(inner, answers) for inner in value]
    return value


def names_in(value: object) -> set[str]:
    """The reference ids that a value needs."""
    if isinstance(value, str):
        return {found[1] for found in _REFERENCE.finditer(value)}
    if isinstance(value, dict):
        return set().union(*(names_in(inner) for inner in value.values()), set())
    if isinstance(value, list):
        return set().union(*(names_in(inner) for inner in value), set())
    return set()


def _lookup(found: re.Match[str], answers: dict[str, object]) -> object:
    if found[1] not in answers:
        raise Refused("PROCESSING_HALTED", f"Invalid reference specified. No value for {found[1]} found")
    value = answers[found[1]]
    for name, place in _STEP.findall(found[2]):
        value = _step(value, name, place, found[0])
    return value


def _step(value: object, name: str, place: str, text: str) -> object:
    if place and isinstance(value, list) and int(place) < len(value):
        return value[int(place)]
    if name and isinstance(value, dict):
        # an answer calls it id, a queried record Id; the platform takes either spelling
        for key, inner in value.items():
            if key.lower() == name.lower():
                return inner
    raise Refused("PROCESSING_HALTED", f"Invalid reference specified. No value for {text} found")
