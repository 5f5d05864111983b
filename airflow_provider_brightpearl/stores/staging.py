"""The files of one run below a folder that all workers see: local, or anything fsspec reaches."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from upath import UPath

from airflow_provider_brightpearl.core.records import PartRef
from airflow_provider_brightpearl.errors import RunChanged, Unavailable
from airflow_provider_brightpearl.stores.files import as_path, local_file, local_path, whole_file

_BUFFER = 1 << 20
_CLEAR = "clear the run from its task extract on"
# what a disk, a network drive or an object store says
_UNWRITABLE = frozenset(
    {
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE,
        errno.ENOTDIR,
    }
)  # fmt: skip
_RUN_FOLDER = re.compile(r".+~[0-9a-f]{10}")


class FileStaging:
    """The files of one run in the folder ``root/flow/run``; see ``core.ports.stores.Staging``.

    Args:
        root: a local folder or fsspec URL, such as ``s3://bucket/staging``; the same one on every worker.
        run: any run id; the folder is named after it.
    """

    def __init__(self, root: str | Path | UPath, flow: str, run: str) -> None:
        self.folder = as_path(root) / flow / run_folder(run)
        self._written: dict[str, str] = {}

    def write_lines(self, name: str, lines: Iterable[bytes]) -> PartRef:
        """Writes one file of newline-ended records, whole or not at all, in place of an earlier try's."""
        records, digest = 0, _digest()
        with self._new(name) as path, path.open("wb", _BUFFER) as file:
            for records, line in enumerate(lines, 1):  # noqa: B007
                if b"\n" in line:
                    raise ValueError(f"a record staged as {name} contains a line break")
                whole = line + b"\n"
                digest.update(whole)
                file.write(whole)
        self._written[name] = digest.hexdigest()
        return PartRef(name, records, digest.hexdigest())

    def read_lines(self, ref: PartRef) -> Iterator[bytes]:
        """The records of a part, without their line ends, after its digest has been checked."""
        with self.local(ref) as path, path.open("rb", _BUFFER) as file:
            for line in file:
                yield line.removesuffix(b"\n")

    @contextmanager
    def local(self, ref: PartRef) -> Iterator[Path]:
        """A local path of a part: its own, or a copy that is removed after the block.

        Raises:
            RunChanged: the file does not exist, or is not the one that the reference was made from.
        """
        with self._fetched(ref.path) as path:
            if _digest_of(path) != ref.digest:
                raise RunChanged(
                    f"the staged file {self.folder / ref.path} is not the one that was written: "
                    f"another try has replaced it, or somebody has edited it; {_CLEAR}",
                    system="staging",
                )
            yield path

    @contextmanager
    def create(self, name: str) -> Iterator[Path]:
        """A local path to write a file to; it becomes part ``name`` when the block ends well."""
        with self._new(name) as path:
            yield path
            self._written[name] = _digest_of(path)

    def ref(self, name: str, records: int) -> PartRef:
        """The reference of a file just created."""
        if name not in self._written:
            with self._fetched(name) as path:
                self._written[name] = _digest_of(path)
        return PartRef(name, records, self._written[name])

    def write_json(self, name: str, value: Any) -> PartRef:
        """Writes one JSON document, whole or not at all; the reference counts it as one record."""
        with self.create(name) as path:
            path.write_text(json.dumps(value), encoding="utf-8")
        return self.ref(name, 1)

    def read_json(self, ref: PartRef) -> Any:
        """The document that ``write_json`` wrote, after its digest has been checked."""
        with self.local(ref) as path:
            return json.loads(path.read_text(encoding="utf-8"))

    def remove(self) -> None:
        """Deletes the run's folder with all its files; does nothing if it does not exist."""
        _delete(self.folder)

    @contextmanager
    def _new(self, name: str) -> Iterator[Path]:
        """A temporary local file that takes the place of ``name`` in one step when the block ends well.

        Raises:
            Unavailable: it cannot be written.
        """
        try:
            with whole_file(self.folder / name) as path:
                yield path
        except OSError as error:
            # others are those of what is written
            if error.errno not in _UNWRITABLE:
                raise
            raise Unavailable(
                f"the staging folder {self.folder} cannot be written: {error.strerror or error}; check that its disk "
                "is not full, and that this worker may write to it",
                system="staging",
            ) from error

    @contextmanager
    def _fetched(self, name: str) -> Iterator[Path]:
        with ExitStack() as stack:
            try:
                path = stack.enter_context(local_file(self.folder / name))
            except FileNotFoundError:
                raise _missing(self.folder / name) from None
            yield path


def run_folder(run: str) -> str:
    """A folder name for a run id: readable, unique, and valid on every file system."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", run)[:100].strip(".") or "run"
    return f"{readable}~{hashlib.blake2b(run.encode(), digest_size=5).hexdigest()}"


def sweep(root: str | Path | UPath, older_than: datetime, *, dry_run: bool = False) -> int:
    """Deletes the run folders whose newest file is older than an aware instant; returns how many.

    Folders that staging did not create are ignored. With ``dry_run`` they are only counted.
    """
    if older_than.tzinfo is None:
        raise ValueError(f"retention needs an instant with a time zone, got {older_than.isoformat()}")
    runs = (pair for flow in _folders(as_path(root)) for pair in _runs(flow))
    old = [run for run, newest in runs if _RUN_FOLDER.fullmatch(run.name) and newest < older_than]
    for folder in [] if dry_run else old:
        _delete(folder)
    return len(old)


def _missing(path: UPath) -> RunChanged:
    return RunChanged(
        f"the staged file {path} does not exist: retention has removed it, or this worker sees another folder "
        f"than the one that wrote it; give all workers one staging path, then {_CLEAR}",
        system="staging",
    )


def _folders(path: UPath) -> list[UPath]:
    return [entry for entry in path.iterdir() if entry.is_dir()] if path.exists() else []


def _runs(flow: UPath) -> Iterator[tuple[UPath, datetime]]:
    """The folders in that of a flow, each with the instant of its newest file; remote ones in one listing."""
    if local_path(flow) is not None:
        yield from ((run, _newest_of(Path(run.path))) for run in _folders(flow))
        return
    newest: dict[str, datetime] = {}
    for path, entry in flow.fs.find(flow.path, detail=True).items():
        run = path.strip("/").removeprefix(flow.path.strip("/")).strip("/").partition("/")[0]
        changed = _modified(flow.fs, path, entry)
        newest[run] = max(newest.get(run, changed), changed)
    yield from ((flow / run, changed) for run, changed in newest.items())


def _newest_of(folder: Path) -> datetime:
    newest = folder.stat().st_mtime
    for path in folder.rglob("*"):
        # a run that is going on renames its files when they are whole
        with suppress(FileNotFoundError):
            newest = max(newest, path.stat().st_mtime)
    return datetime.fromtimestamp(newest, UTC)


def _modified(system: Any, path: str, entry: dict[str, Any]) -> datetime:
    # S3 lists it, others take a call per file; text or instant, aware or naive
    said = entry.get("LastModified") or system.modified(path)
    instant: datetime = datetime.fromisoformat(said) if isinstance(said, str) else said
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _delete(folder: UPath) -> None:
    home = local_path(folder)
    if home is not None:
        shutil.rmtree(home, ignore_errors=True)
    elif folder.exists():
        folder.fs.rm(folder.path, recursive=True)


def _digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def _digest_of(path: Path) -> str:
    digest = _digest()
    with path.open("rb") as file:
        while block := file.read(_BUFFER):
            digest.update(block)
    return digest.hexdigest()
