"""Maps in a process of its own, so that no expression can hold or end the task: memory and time are bounded.

A record on which the process takes too much is found and rejected alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import msgspec

from airflow_provider_brightpearl.core.ports.stores import Resolver
from airflow_provider_brightpearl.core.schema import StreamSchema
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.lookups import LookupTable
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping import messages, process
from airflow_provider_brightpearl.mapping.mapped import MapResult
from airflow_provider_brightpearl.mapping.process import USUAL, Bounds, Ended

log = logging.getLogger(__name__)

_PIECES = 16
_OPEN_SECONDS = 10
# records of a part that may each be too much; beyond, it is the expression and not the record
_MOST_REFUSED = 10


class BoundedMapper:
    """As ``Mapper``, which says more of the arguments, in a process of its own.

    Args:
        bounds: what it may take.

    Raises:
        Misconfigured: an expression cannot be used, or takes more than its bounds whatever the record.
    """

    def __init__(
        self,
        flow: FlowSpec,
        schema: StreamSchema,
        lookups: Mapping[str, LookupTable],
        resolver: Resolver,
        folders: Sequence[Path],
        bounds: Bounds = USUAL,
        memory_limit: str = "1GB",
    ) -> None:
        self._flow = flow
        self._schema = schema
        self._resolver = resolver
        self._bounds = bounds
        self._mapping = messages.Open(flow, schema, lookups, tuple(folders), memory_limit)
        self._process: process.MappingProcess | None = None
        self._is_open = False
        try:
            self._open()
        except Ended as error:
            with TemporaryDirectory() as folder:
                place, text, reason = self._culprit(b"", Path(folder))
            raise self._too_much(place, text, reason or str(error)) from error
        except Misconfigured:
            self.__exit__()
            raise

    def __enter__(self) -> BoundedMapper:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._is_open:
                self._ask(messages.Close(), self._bounds.short)
        except Ended:
            log.debug("the process that mapped %s ended by itself", self._flow.flow)
        if self._process is not None:
            process.give_back(self._process)
            self._process = None

    def map_part(
        self, raw: Path, folder: Path, refused: Mapping[int, tuple[str, str]] = MappingProxyType({})
    ) -> MapResult:
        """Maps one file of raw records, as ``Mapper.map_part``.

        Raises:
            Misconfigured: more than a few records take too much.
        """
        try:
            return self._map(messages.MapPart(raw, folder, dict(refused)), self._bounds.seconds)
        except Ended as error:
            log.warning("%s: mapping a part %s; looking for the records that do so", self._flow.flow, error)
            whole = str(error)
        with raw.open("rb") as lines:
            records = list(lines)
        heavy: dict[int, tuple[str, str]] = {}
        self._find(records, 0, len(records), folder, heavy)
        # which records there are is still read of them, and nothing else
        bare = folder / "bare.jsonl"
        bare.write_bytes(
            b"".join(
                self._only_id(record) if line in heavy else record for line, record in enumerate(records)
            )
        )
        try:
            return self._map(messages.MapPart(bare, folder, {**refused, **heavy}), self._bounds.seconds)
        except Ended as error:
            whole = f"a part of {len(records)} records {whole}, and none of them does alone; lower part_size"
            raise self._too_much("", "", whole) from error
        finally:
            bare.unlink()

    def _map(self, job: messages.MapPart, seconds: float) -> MapResult:
        if not self._is_open:
            self._open()
        answer = self._ask(job, seconds)
        if not isinstance(answer, messages.Mapped):
            raise TypeError(f"{type(answer).__name__} is no answer to a part")
        return answer.result

    def _find(
        self, records: Sequence[bytes], lo: int, hi: int, folder: Path, refused: dict[int, tuple[str, str]]
    ) -> None:
        """Adds the records in ``[lo, hi)`` that take too much, piece by piece."""
        piece = folder / "piece.jsonl"
        step = -(-(hi - lo) // _PIECES)
        for start in range(lo, hi, step):
            stop = min(start + step, hi)
            piece.write_bytes(b"".join(records[start:stop]))
            try:
                self._map(messages.MapPart(piece, folder), self._bounds.short)
            except Ended as error:
                if stop - start > 1:
                    self._find(records, start, stop, folder, refused)
                    continue
                place, text, reason = self._culprit(records[start], folder)
                if len(refused) == _MOST_REFUSED:
                    raise self._too_much(
                        place, text, f"{reason or error}, for more than {_MOST_REFUSED} records of a part"
                    ) from error
                refused[start] = place, reason or str(error)
        piece.unlink(missing_ok=True)

    def _culprit(self, record: bytes, folder: Path) -> tuple[str, str, str]:
        """Place and text of the expression that takes too much alone, and what of; empty where none does."""
        piece = folder / "piece.jsonl"
        piece.write_bytes(record)
        tried = [messages.Trying("", "")]
        self._is_open = False
        try:
            self._ask(
                messages.TryAlone(replace(self._mapping, folders=(folder,)), piece, folder),
                self._bounds.short,
                tried.append,
            )
        except Ended as error:
            return tried[-1].place, tried[-1].text, str(error)
        return "", "", ""

    def _only_id(self, record: bytes) -> bytes:
        try:
            members = msgspec.json.decode(record, type=dict[str, msgspec.Raw])
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return b"{}\n"
        name = self._schema.id_column
        return msgspec.json.encode({name: members[name]} if name in members else {}) + b"\n"

    def _open(self) -> None:
        self._ask(self._mapping, max(_OPEN_SECONDS, self._bounds.short))
        self._is_open = True

    def _ask(
        self, job: messages.Job, seconds: float, watch: Callable[[messages.Trying], None] = lambda _: None
    ) -> Any:
        if self._process is None:
            self._process = process.take(self._bounds)
        try:
            answer = self._process.ask(job, self._resolver, seconds, watch)
        except BaseException:
            self._process, self._is_open = None, False
            raise
        if isinstance(answer, messages.Unusable):
            raise Misconfigured(answer.message)
        if not isinstance(answer, messages.Broken):
            return answer
        log.error("%s", answer.traceback)
        raise RuntimeError(f"{self._flow.flow}.yaml: mapping failed: {answer.message}")

    def _too_much(self, place: str, text: str, reason: str) -> Misconfigured:
        where = f"{self._flow.flow}.yaml: {place}".removesuffix(": ")
        shown = f"\n    {text}" if text else ""
        return Misconfigured(
            f"{where}: {reason}; correct the expression, or raise mapping_seconds or mapping_memory_mb of the section "
            f"[brightpearl] of Airflow's configuration{shown}"
        )
