"""What passes between a task and the process that maps for it: jobs go in, answers and questions come out.

Jobs are pickled, as the task is trusted. What comes out is JSON: whoever breaks out of DuckDB owns the process that
maps, and must not get into the task with what that sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping.mapped import MapResult


@dataclass(frozen=True, slots=True)
class Open:
    """Opens a mapping, in place of the one before; answered by ``Opened``. The arguments are those of ``Mapper``."""

    flow: FlowSpec
    schema: StreamSchema
    lookups: Mapping[str, LookupTable]
    folders: Sequence[Path]
    memory_limit: str


@dataclass(frozen=True, slots=True)
class MapPart:
    """Maps a part with the open mapping; answered by ``Mapped``.

    ``refused`` are the records, by line, that are rejected unread, with field and reason.
    """

    raw: Path
    folder: Path
    refused: Mapping[int, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TryAlone:
    """Tries each expression of a mapping alone, over the records of a file; answered by ``Trying`` and ``Opened``."""

    mapping: Open
    raw: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class Close:
    """Closes the open mapping; answered by ``Opened``."""


Job = Open | MapPart | TryAlone | Close


class Opened(msgspec.Struct, tag=True):
    """Done, with nothing to say."""


class Mapped(msgspec.Struct, tag=True):
    """A part is mapped."""

    result: MapResult


class Trying(msgspec.Struct, tag=True):
    """The expression at this place is tried now."""

    place: str
    text: str


class Unusable(msgspec.Struct, tag=True):
    """The mapping cannot be used; ``message`` is that of ``Misconfigured``."""

    message: str


class Broken(msgspec.Struct, tag=True):
    """Something else was raised, with its traceback."""

    message: str
    traceback: str


class Question(msgspec.Struct, tag=True):
    """Asks the crosswalk: ``keys`` of an object of a flow, or ids of its rows if ``backwards``.

    It is answered by a mapping of each key to what was found, as JSON.
    """

    flow: str
    object: str
    keys: list[str]
    backwards: bool = False


Answer = Opened | Mapped | Trying | Unusable | Broken
sent = msgspec.json.Decoder(Answer | Question)
found = msgspec.json.Decoder(dict[str, list[str]])
