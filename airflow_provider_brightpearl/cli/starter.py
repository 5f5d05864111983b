"""The DAGs and flow files a new installation starts from, and copying them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_TARGETS = {"dags": Path("dags"), "mappings": Path("include/mappings")}


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of each starter file: written, kept because one was there, or already the same."""

    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    same: tuple[Path, ...]


def starter_folders() -> dict[str, Path]:
    """Where the starter DAGs and mappings lie: in the installed package, or in a checkout."""
    packed = _PACKAGE / "_starter"
    if packed.is_dir():
        return {name: packed / name for name in _TARGETS}
    return {name: _PACKAGE.parent / target for name, target in _TARGETS.items()}


def copy_starter(destination: Path, *, force: bool = False) -> Copied:
    """Copies DAGs to ``dags`` and flow files to ``include/mappings`` below the destination.

    A file that is there and differs is left alone unless ``force`` is set.
    """
    written, kept, same = [], [], []
    for name, folder in starter_folders().items():
        for file in sorted(
            path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
        ):
            target = destination / _TARGETS[name] / file.relative_to(folder)
            if target.exists() and target.read_bytes() == file.read_bytes():
                same.append(target)
            elif target.exists() and not force:
                kept.append(target)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
                written.append(target)
    return Copied(tuple(written), tuple(kept), tuple(same))
