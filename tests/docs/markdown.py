"""What the tests of the documentation read from its Markdown."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).parents[2]
URLS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
# README.md is shown on PyPI too, where only whole addresses lead here
BLOB = f"{URLS['Repository']}/blob/main/"
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text and the file it stands in."""

    file: Path
    language: str
    text: str


@cache
def pages() -> tuple[Path, ...]:
    """All pages of the documentation."""
    return (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))


@cache
def page(name: str) -> str:
    """The text of one page, by its path from the root."""
    return (ROOT / name).read_text(encoding="utf-8")


def section(name: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    lines = page(name).splitlines()
    start = next(number for number, line in enumerate(lines) if line.lstrip("#").strip() == heading)
    level = len(lines[start]) - len(lines[start].lstrip("#"))
    fenced, body = False, []
    for line in lines[start + 1 :]:
        fenced ^= line.startswith("```")
        if not fenced and re.match(rf"#{{1,{level}}} ", line):
            break
        body.append(line)
    return "\n".join(body)


def table(text: str, first: str) -> list[list[str]]:
    """The rows of the table whose first column has this title, cell by cell, code marks left out."""
    rows: list[list[str]] = []
    for line in text.splitlines():
        cells = [_plain(cell) for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if cells and cells[0] == first:
            rows = [cells]
        elif rows and not cells:
            return rows[2:]
        elif rows:
            rows.append(cells)
    assert rows, f"no table whose first column is {first}"
    return rows[2:]


def names(text: str, first: str) -> list[str]:
    """The first column of a table."""
    return [row[0] for row in table(text, first)]


def _plain(cell: str) -> str:
    return cell.strip().replace("`", "").replace("\\|", "|")


def blocks(*languages: str) -> Iterator[Block]:
    """The fenced blocks of these languages on all pages."""
    for file in pages():
        for language, text in _FENCE.findall(file.read_text(encoding="utf-8")):
            if language in languages:
                yield Block(file, language, text)


def links(file: Path) -> Iterator[str]:
    """Where the links of a page lead, those outside of code only."""
    yield from _LINK.findall(re.sub(r"`[^`\n]*`", "", _FENCE.sub("", file.read_text(encoding="utf-8"))))


def local(file: Path, link: str) -> tuple[Path, str] | None:
    """The file of this repository that a link leads to, and the anchor in it; None for links to elsewhere."""
    path, _, anchor = unquote(link).partition("#")
    if path.startswith(BLOB):
        return ROOT / path.removeprefix(BLOB), anchor
    if "://" in path or path.startswith("mailto:"):
        return None
    return ((file.parent / path).resolve() if path else file), anchor


def neighbours(file: Path) -> Iterator[Path]:
    """The pages that a page links to or lists as its parts."""
    for link in links(file):
        if found := local(file, link):
            yield found[0]
    for block in _TOCTREE.findall(file.read_text(encoding="utf-8")):
        for line in block.splitlines():
            if line and not line.startswith(":"):
                yield from file.parent.glob(f"{line}.md")


@cache
def anchors(file: Path) -> frozenset[str]:
    """The names by which GitHub links to the headings of a page."""
    text = _FENCE.sub("", file.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    )
