"""Runs transactions: validation, company, the program itself, planted trouble, and the rows of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from .errors import Nok, Terminated, nok, refused, unknown_transaction
from .programs.registry import TABLE
from .session import Session
from .settings import words
from .signatures import Signature, is_number, signatures
from .tenant import World
from .transaction_faults import Trouble
from .values import DATE_FORMATS, Row, read, shown


@dataclass(frozen=True, slots=True)
class Options:
    """The parameters every transaction has (reference 2.3)."""

    cono: str = ""
    divi: str = ""
    maxrecs: int = 0
    dateformat: str = "YMD8"
    exclude_empty: bool = False
    right_trim: bool = True
    columns: tuple[str, ...] = ()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One transaction of a call."""

    program: str
    transaction: str
    record: Mapping[str, str]
    options: Options


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a transaction; `records` None when it answers nothing."""

    item: Item
    columns: Mapping[str, int]
    records: list[dict[str, str]] | None = None
    refusal: Nok | None = None
    processed: bool = True


class Machine:
    """M3 behind the gateway."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._trouble = Trouble(world.settings)

    def knows(self, program: str, transaction: str | None = None) -> bool:
        """True for what this simulation carries out."""
        return program in TABLE and (transaction is None or transaction in TABLE[program])

    def run(self, item: Item) -> Result:
        """Carry out one transaction; a refusal is part of the result."""
        try:
            result = self._run(item)
        except Nok as refusal:
            result = Result(item, {}, None, refusal)
        outcome = result.refusal.code or result.refusal.kind if result.refusal else "ok"
        self._world.calls[item.program, item.transaction, outcome] += 1
        return result

    def run_all(self, items: Sequence[Item]) -> list[Result]:
        """Carry out a bulk in order; each transaction commits by itself (reference 2.4)."""
        results: list[Result] = []
        for position, item in enumerate(items):
            try:
                results.append(self.run(item))
            except Terminated:
                rest = items[position:]
                return results + [Result(one, {}, processed=False) for one in rest]
        return results

    def _run(self, item: Item) -> Result:
        signature = self._signature(item)
        self._trouble.before(item.program, item.transaction, item.record)
        values = read(signature, item.record, _dateformat(item.options), self._world.settings)
        session = self._session(item, values.text("CONO"))
        rows = TABLE[item.program][item.transaction](session, values)
        columns = self._columns(signature, item.options.columns)
        refusal = self._trouble.after(item.program, item.transaction, item.record)
        return Result(item, columns, self._rows(rows, signature, columns, item.options, refusal), refusal)

    def _signature(self, item: Item) -> Signature:
        if not self.knows(item.program, item.transaction):
            raise unknown_transaction(item.program, item.transaction)
        if item.program in words(self._world.settings, "unauthorised_programs"):
            raise nok("XAU0008", item.options.cono, "CONO")
        return signatures()[item.program][item.transaction]

    def _session(self, item: Item, cono_field: str) -> Session:
        settings = self._world.settings
        parameter = item.options.cono or str(settings["default_cono"])
        wins = cono_field and (settings["cono_field_wins"] or not item.options.cono)
        cono = cono_field if wins else parameter
        if cono not in words(settings, "authorised_companies") or not self._world["companies"].get(cono):
            raise nok("XAU0008", cono, "CONO")
        divi = item.options.divi or str(settings["default_divi"])
        if not self._world["divisions"].get(cono, divi):
            raise nok("XAU0008", f"{cono}/{divi}", "DIVI")
        return Session(self._world, item.program, cono, divi)

    def _columns(self, signature: Signature, wanted: Iterable[str]) -> Mapping[str, int]:
        names = [name for name in wanted if name]
        if not names:
            return signature.outputs
        unknown = [name for name in names if name not in signature.outputs]
        if unknown and self._world.settings["unknown_column"] == "refuse":
            raise refused(f"Output field {unknown[0]} is not known", unknown[0])
        return {name: signature.outputs[name] for name in names if name in signature.outputs}

    def _rows(
        self,
        rows: Iterable[Row] | None,
        signature: Signature,
        columns: Mapping[str, int],
        options: Options,
        refusal: Nok | None,
    ) -> list[dict[str, str]] | None:
        if rows is None or not signature.outputs:
            return None
        limit = refusal.records if refusal else options.maxrecs
        capped = islice(rows, limit) if limit else rows
        minus = bool(self._world.settings["trailing_minus"])
        return [_record(row, columns, options, minus) for row in capped]


def _record(row: Row, columns: Mapping[str, int], options: Options, minus: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, length in columns.items():
        text = shown(name, length, row.get(name), options.dateformat, minus)
        if not is_number(name):
            text = text[:length]  # an item's name has 60 characters, and 30 of them on an order line
        if options.exclude_empty and not text:
            continue
        found[name] = text.rstrip() if options.right_trim else text.ljust(length)
    return found


def _dateformat(options: Options) -> str:
    if options.dateformat not in DATE_FORMATS:
        raise refused(f"Date format {options.dateformat} is not known")
    return options.dateformat
