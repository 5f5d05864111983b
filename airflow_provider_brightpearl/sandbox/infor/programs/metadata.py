"""The catalogue of programs, transactions and fields, MRS001MI (reference 2.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..errors import nok
from ..field_changes import signature_of
from ..session import Session, Transactions
from ..signatures import is_date, is_number, releases
from ..values import Row, Values

KNOWN: dict[str, tuple[str, ...]] = {}  # program: its transactions; filled by the registry of programs
_MULTIPLE = ("Lst", "Sel", "Search", "List")


def programs(session: Session, values: Values) -> Iterable[Row]:
    return [{"MINM": name, "MIDS": name, "VERS": releases().get(name, "")} for name in KNOWN]


def transactions(session: Session, values: Values) -> Iterable[Row]:
    """The transactions of a program; SIMU tells single from multiple results."""
    program = values.text("MINM")
    for name in _known(session, program):
        several = "M" if name.startswith(_MULTIPLE) else "S"
        yield {"MINM": program, "TRNM": name, "TRDS": name, "STAT": "20", "SIMU": several}


def fields(session: Session, values: Values) -> Iterator[Row]:
    """The input or output fields of a transaction, with their positions in the record."""
    program, name, side = values.text("MINM"), values.text("TRNM"), values.text("TRTP")
    signature = signature_of(program, name, session.settings) if name in _known(session, program) else None
    if signature is None:
        raise nok("XRE0103", name, "TRNM")
    start = 16
    if side == "I":
        shapes = [(f.name, f.length, f.numeric, f.required) for f in signature.inputs.values()]
    else:
        shapes = [(field, length, is_number(field), False) for field, length in signature.outputs.items()]
    for field, length, numeric, required in shapes:
        kind = "N" if numeric else "D" if is_date(field, length) else "A"
        row = {"FLNM": field, "LENG": length, "TYPE": kind, "MAND": int(required), "FLDS": field}
        yield {"MINM": program, "TRNM": name, "TRTP": side, "FRPO": start, "TOPO": start + length - 1, **row}
        start += length


def _known(session: Session, program: str) -> list[str]:
    if program not in KNOWN:
        raise nok("XRE0103", program, "MINM")
    return [name for name in KNOWN[program] if signature_of(program, name, session.settings)]


MRS001MI: Transactions = {"LstPrograms": programs, "LstTransactions": transactions, "LstFields": fields}
