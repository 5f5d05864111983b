"""Pages that need nothing else to be read, made of the templates beside this file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

_TEMPLATES = Path(__file__).parent / "templates"


def page(title: str, template: str, **values: Any) -> str:
    """A whole page of HTML; values are escaped.

    Args:
        title: of the page.
        template: name of its file in ``templates``.
        values: what the template shows.
    """
    return _templates().get_template(template).render(title=title, **values)


@cache
def _templates() -> Environment:
    """The templates, each compiled once: that takes longer than a small run's gate."""
    return Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
