"""What other packages add by entry points: systems, and streams of Brightpearl."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, TypeVar

from airflow_provider_brightpearl.errors import Misconfigured

T = TypeVar("T")


def with_plugins(
    own: Mapping[str, T],
    group: str,
    kind: type[T],
    *,
    what: str,
    prefix: str,
    name_of: Callable[[str, Any], str],
) -> dict[str, T]:
    """Those of this package and those of a group of entry points, by name.

    Args:
        own: those of this package.
        group: of the entry points.
        kind: what each has to be.
        what: the same in words, such as ``a System``.
        prefix: of a name in messages, such as ``system `` with a blank.
        name_of: the name of a plugin, by the name of its entry point and its object.

    Raises:
        Misconfigured: an entry point is of another kind, or takes a name that is taken.
    """
    known = dict(own)
    for entry in entry_points(group=group):
        found, place = entry.load(), f"entry point {entry.name} ({entry.value})"
        if not isinstance(found, kind):
            raise Misconfigured(f"{place} is not {what}")
        name = name_of(entry.name, found)
        if name in known:
            raise Misconfigured(f"{place}: {prefix}{name} already exists")
        known[name] = found
    return known
