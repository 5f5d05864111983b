"""Typed reads of settings, which the control API can set to any JSON value."""

from __future__ import annotations

from collections.abc import Mapping


def int_setting(settings: Mapping[str, object], name: str) -> int:
    """A setting as an integer; 0 if it is not a number."""
    value = settings[name]
    return int(value) if isinstance(value, (int, float, str)) else 0


def float_setting(settings: Mapping[str, object], name: str) -> float:
    """A setting as a float; 0 if it is not a number."""
    value = settings[name]
    return float(value) if isinstance(value, (int, float, str)) else 0.0


def list_setting(settings: Mapping[str, object], name: str) -> list[str]:
    """A setting as a list of texts; empty if it is not a list."""
    value = settings[name]
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []
