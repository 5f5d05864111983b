"""References such as `@{ref.id}` in composite requests, to values of earlier responses (section 3.6)."""

from __future__ import annotations

import re

from ..errors import ApiError

_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")


def resolve(value: object, answers: dict[str, object]) -> object:
    """A value with all references resolved. Raises: ApiError for an invalid reference."""
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
    """The reference ids that a value refers to."""
    if isinstance(value, str):
        return {found[1] for found in _REFERENCE.finditer(value)}
    if isinstance(value, dict):
        return set().union(*(names_in(inner) for inner in value.values()), set())
    if isinstance(value, list):
        return set().union(*(names_in(inner) for inner in value), set())
    return set()


def _lookup(found: re.Match[str], answers: dict[str, object]) -> object:
    if found[1] not in answers:
        raise ApiError("PROCESSING_HALTED", f"Invalid reference specified. No value for {found[1]} found")
    value = answers[found[1]]
    for name, place in _STEP.findall(found[2]):
        value = _step(value, name, place, found[0])
    return value


def _step(value: object, name: str, place: str, text: str) -> object:
    if place and isinstance(value, list) and int(place) < len(value):
        return value[int(place)]
    if name and isinstance(value, dict):
        # responses have `id`, queried records `Id`; the platform accepts either
        for key, inner in value.items():
            if key.lower() == name.lower():
                return inner
    raise ApiError("PROCESSING_HALTED", f"Invalid reference specified. No value for {text} found")
