"""Pages that need nothing else to be read: what they look like, and how they are made of a template."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment

STYLE = """\
:root { color-scheme: light dark; --line: #8884;
  --good: light-dark(#15803d, #4ade80); --bad: light-dark(#b91c1c, #f87171);
  --mild: light-dark(#a16207, #facc15); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1.5rem; }
header { border-left: .4rem solid var(--good); padding: .2rem 1rem; }
header.bad { border-color: var(--bad); }
header.none { border-color: var(--line); }
h1 { font-size: 1.3rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { margin: .2rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.word { font-weight: 600; color: var(--good); }
.failed .word { color: var(--bad); }
.warned .word { color: var(--mild); }
.not-judged .word { color: inherit; }
code { font: 13px ui-monospace, monospace; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 1rem; }
"""
_FRAME = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
{{ style | safe }}</style>
</head>
<body>
{{ body | safe }}</body>
</html>
"""


def page(title: str, body: str, **values: Any) -> str:
    """A whole page of HTML; ``body`` is a Jinja template of what stands in it, its values are escaped."""
    templates = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    inner = templates.from_string(body).render(values)
    # what stands in the body was escaped when it was rendered, and the style is ours
    return templates.from_string(_FRAME).render(title=title, style=STYLE, body=inner)
