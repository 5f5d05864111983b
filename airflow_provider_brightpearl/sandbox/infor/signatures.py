"""The fields of every transaction: name, length, type, required (reference, appendix A)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# alphanumeric in the signatures, but a quantity, price or amount in every sample of the reference
_NUMBERS_AS_TEXT = re.compile(r"ORQT|SAPR|DIA\d|CRAM|CRFA|ACQT|PONR|POSX")
_NUMBERS_OUT = re.compile(
    r"(STQ|ALQ|REQ|ORQ|PLQ|TRQ|DLQ|IVQ|AVA|QTY|AV0|DIP|AMT|RAF)\w|(?![EM]NAM)\w{2}AM|STQI|CHNO|LMTS"
)
_DATES = re.compile(r"\w{2}DT|\w{2}DZ|CUTD|STDI|DEDA|FLMD|TLMD|WSDT")


@dataclass(frozen=True, slots=True)
class Field:
    """One input field."""

    name: str
    length: int
    numeric: bool
    required: bool

    @property
    def is_date(self) -> bool:
        """True if the value is a date, in the date format of the request."""
        return not self.numeric and self.length >= 8 and _DATES.fullmatch(self.name) is not None


@dataclass(frozen=True, slots=True)
class Signature:
    """One transaction of an MI program."""

    program: str
    name: str
    inputs: Mapping[str, Field]
    outputs: Mapping[str, int]
    required: tuple[str, ...]


Programs = dict[str, dict[str, Signature]]


@cache
def signatures() -> Programs:
    """All programs with their transactions, each including those of GENERAL."""
    text = files(__package__).joinpath("signatures.txt").read_text("utf-8")
    found: Programs = {}
    program = ""
    for line in filter(None, text.splitlines()):
        if line.startswith("["):
            program = line[1:].split()[0]
            continue
        signature = _signature(program, line)
        found.setdefault(program, {})[signature.name] = signature
    return {name: {**found["GENERAL"], **transactions} for name, transactions in found.items()}


@cache
def releases() -> dict[str, str]:
    """The release of each program, from its description."""
    text = files(__package__).joinpath("signatures.txt").read_text("utf-8")
    return dict(re.findall(r"^\[(\w+) (\S+)\]$", text, re.MULTILINE))


@cache
def is_number(name: str) -> bool:
    """True if an output field with this name holds a number."""
    numeric = any(
        name in one.inputs and one.inputs[name].numeric
        for transactions in signatures().values()
        for one in transactions.values()
    )
    return numeric or _NUMBERS_OUT.fullmatch(name) is not None


@cache
def is_date(name: str, length: int) -> bool:
    """True if an output field with this name and length holds a date."""
    return length >= 8 and _DATES.fullmatch(name) is not None


def _signature(program: str, line: str) -> Signature:
    name, rest = line.split(" in: ", 1)
    given, answered = rest.split(" | out: ")
    inputs = [_field(word) for word in given.split() if word != "-"]
    outputs = dict(word.split(":") for word in answered.split() if word != "-")
    return Signature(
        program,
        name,
        {field.name: field for field in inputs},
        {field: int(length) for field, length in outputs.items()},
        tuple(field.name for field in inputs if field.required),
    )


def _field(word: str) -> Field:
    name, size = word.split(":")
    digits = size.rstrip("n!")
    numeric = "n" in size or _NUMBERS_AS_TEXT.fullmatch(name) is not None
    return Field(name, int(digits), numeric, size.endswith("!"))
