"""Whole files at any path that fsspec reaches: written under a temporary name first, read through a local copy."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from uuid import uuid4

from upath import UPath

_BUFFER = 1 << 20


def as_path(root: str | Path | UPath) -> UPath:
    """A root as a path with its file system; a path that has one, such as Airflow's, is returned as it is."""
    return root if isinstance(root, UPath) else UPath(root)


@contextmanager
def whole_file(target: UPath, placing: AbstractContextManager[object] | None = None) -> Iterator[Path]:
    """A local path to write a file to; it takes the place of ``target`` in one step when the block ends well.

    If the block fails, ``target`` is unchanged. The disk needs room for the file.

    Args:
        target: the path.
        placing: entered for that last step alone, after the file was uploaded; ``target`` is unchanged if it raises.
    """
    last = placing or nullcontext()
    home = local_path(target)
    if home is not None:
        home.parent.mkdir(parents=True, exist_ok=True)
    temporary = (home.parent if home else Path(tempfile.gettempdir())) / f".{uuid4().hex}.part"
    try:
        yield temporary
        if home is not None:
            with last:
                temporary.replace(home)
        else:
            _upload(temporary, target, last)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def local_file(source: UPath) -> Iterator[Path]:
    """A local path of a file: its own, or a copy that is removed after the block.

    Raises:
        FileNotFoundError: there is no such file.
    """
    home = local_path(source)
    if home is not None:
        if not home.is_file():
            raise FileNotFoundError(str(source))
        yield home
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / source.name
        with source.open("rb") as remote, copy.open("wb") as local:
            shutil.copyfileobj(remote, local, _BUFFER)
        yield copy


def local_path(path: UPath) -> Path | None:
    """The path on this machine's own disk, None where it lies elsewhere."""
    return Path(path.path) if path.protocol in ("", "file", "local") else None


def _upload(source: Path, target: UPath, last: AbstractContextManager[object]) -> None:
    # a broken stream would leave a partial file under its name, so that name is a temporary one
    system, path = target.fs, target.path
    folder, _, name = path.rpartition("/")
    temporary = f"{folder}/.{name}.{uuid4().hex}.part"
    try:
        system.put_file(str(source), temporary)
        with last:
            system.mv(temporary, path)
    finally:
        if system.exists(temporary):
            system.rm_file(temporary)
