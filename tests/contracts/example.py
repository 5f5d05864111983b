"""What the contract is tested on: named examples, and what some of them cannot do."""

from __future__ import annotations

from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Example:
    """One stream or target, by a name such as ``brightpearl.contacts`` that begins with its system."""

    name: str

    @property
    def system(self) -> str:
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Cannot:
    """A test of these examples, or of all of a system, has to fail with exactly this error."""

    names: tuple[str, ...]
    error: type[Exception]
    message: str

    def holds_for(self, example: Example) -> bool:
        return example.name in self.names or example.system in self.names


def cannot(*names: str, error: type[Exception], message: str) -> pytest.MarkDecorator:
    """Marks a test with what these examples cannot do."""
    return pytest.mark.cannot(Cannot(names, error, message))
