"""Words of the command line."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """A number with its noun: ``1 problem``, ``2 problems``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
