"""Pages that need nothing else to be read, made of the templates beside this file."""

from __future__ import annotations

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
    templates = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    return templates.get_template(template).render(title=title, **values)
