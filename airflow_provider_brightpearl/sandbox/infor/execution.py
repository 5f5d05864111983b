"""Runs transactions: validation, company, the program itself, injected faults, and the rows returned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from ..settings import int_setting, list_setting
from .errors import Nok, Terminated, generic_nok, nok, unknown_transaction
from .field_changes import signature_of
from .programs.registry import TABLE
from .session import Session
from .signatures import Signature, is_number
from .tenant import Tenant
from .transaction_faults import TransactionFaults
from .values import DATE_FORMATS, Row, parse_record, render


@dataclass(frozen=True, slots=True)
class Options:
    """The parameters that every transaction accepts (reference 2.3)."""

    cono: str = ""
    divi: str = ""
    maxrecs: int = 0
    dateformat: str = "YMD8"
    exclude_empty: bool = False
    right_trim: bool = True
    columns: tuple[str, ...] = ()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class TransactionCall:
    """One transaction of a request."""

    program: str
    transaction: str
    record: Mapping[str, str]
    options: Options


@dataclass(frozen=True, slots=True)
class TransactionResult:
    """The outcome of a transaction; `records` is None if it returns none."""

    call: TransactionCall
    columns: Mapping[str, int]
    records: list[dict[str, str]] | None = None
    error: Nok | None = None
    processed: bool = True


class M3:
    """M3 behind the gateway."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._faults = TransactionFaults(tenant.settings)

    def knows(self, program: str, transaction: str | None = None) -> bool:
        """True if the program, and the transaction if given, is simulated."""
        if program not in TABLE or transaction is None:
            return program in TABLE
        settings = self._tenant.settings
        return transaction in TABLE[program] and signature_of(program, transaction, settings) is not None

    def run(self, call: TransactionCall) -> TransactionResult:
        """Run a transaction; a NOK is part of the result."""
        try:
            result = self._run(call)
        except Nok as error:
            result = TransactionResult(call, {}, None, error)
        outcome = result.error.code or result.error.kind if result.error else "ok"
        self._tenant.calls[call.program, call.transaction, outcome] += 1
        return result

    def run_all(self, items: Sequence[TransactionCall]) -> list[TransactionResult]:
        """Run the transactions of a bulk request in order; each one commits on its own (reference 2.4)."""
        results: list[TransactionResult] = []
        for position, call in enumerate(items):
            try:
                results.append(self.run(call))
            except Terminated:
                rest = items[position:]
                return results + [TransactionResult(one, {}, processed=False) for one in rest]
        return results

    def _run(self, call: TransactionCall) -> TransactionResult:
        signature = self._signature(call)
        self._faults.check_before(call.program, call.transaction, call.record)
        values = parse_record(signature, call.record, _dateformat(call.options), self._tenant.settings)
        session = self._session(call, values.text("CONO"))
        rows = TABLE[call.program][call.transaction](session, values)
        columns = self._columns(signature, call.options.columns)
        error = self._faults.check_after(call.program, call.transaction, call.record)
        return TransactionResult(call, columns, self._rows(rows, signature, columns, call, error), error)

    def _signature(self, call: TransactionCall) -> Signature:
        known = call.transaction in TABLE.get(call.program, ())
        signature = signature_of(call.program, call.transaction, self._tenant.settings) if known else None
        if signature is None:
            raise unknown_transaction(call.program, call.transaction)
        if call.program in list_setting(self._tenant.settings, "unauthorised_programs"):
            raise nok("XAU0008", call.options.cono, "CONO")
        return signature

    def _session(self, call: TransactionCall, cono_field: str) -> Session:
        settings = self._tenant.settings
        parameter = call.options.cono or str(settings["default_cono"])
        wins = cono_field and (settings["cono_field_wins"] or not call.options.cono)
        cono = cono_field if wins else parameter
        if cono not in list_setting(settings, "authorised_companies") or not self._tenant["companies"].get(
            cono
        ):
            raise nok("XAU0008", cono, "CONO")
        divi = call.options.divi or str(settings["default_divi"])
        if not self._tenant["divisions"].get(cono, divi):
            raise nok("XAU0008", f"{cono}/{divi}", "DIVI")
        return Session(self._tenant, call.program, cono, divi)

    def _columns(self, signature: Signature, wanted: Iterable[str]) -> Mapping[str, int]:
        names = [name for name in wanted if name]
        if not names:
            return signature.outputs
        unknown = [name for name in names if name not in signature.outputs]
        if unknown and self._tenant.settings["unknown_column"] == "refuse":
            raise generic_nok(f"Output field {unknown[0]} is not known", unknown[0])
        return {name: signature.outputs[name] for name in names if name in signature.outputs}

    def _rows(
        self,
        rows: Iterable[Row] | None,
        signature: Signature,
        columns: Mapping[str, int],
        call: TransactionCall,
        error: Nok | None,
    ) -> list[dict[str, str]] | None:
        if rows is None or not signature.outputs:
            return None
        options = call.options
        limits = (error.records if error else options.maxrecs, self._ceiling(call))
        limit = min((each for each in limits if each), default=0)
        capped = islice(rows, limit) if limit else rows
        return [_record(row, columns, call.options, self._tenant.settings) for row in capped]

    def _ceiling(self, call: TransactionCall) -> int:
        """The number of records after which a list ends in silence; 0 for none."""
        if not call.transaction.startswith(("Lst", "Search", "Select")):
            return 0
        own = self._tenant.settings["list_ceilings"]
        name = f"{call.program} {call.transaction}"
        if isinstance(own, dict) and name in own:
            return int(own[name])
        return int_setting(self._tenant.settings, "list_ceiling")


def _record(
    row: Row, columns: Mapping[str, int], options: Options, settings: Mapping[str, object]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, length in columns.items():
        text = render(name, length, row.get(name), options.dateformat, settings)
        if not is_number(name):
            text = text[:length]  # lengths differ: an item name has 60 characters, 30 on an order line
        if options.exclude_empty and not text:
            continue
        found[name] = text.rstrip() if options.right_trim else text.ljust(length)
    return found


def _dateformat(options: Options) -> str:
    if options.dateformat not in DATE_FORMATS:
        raise generic_nok(f"Date format {options.dateformat} is not known")
    return options.dateformat
