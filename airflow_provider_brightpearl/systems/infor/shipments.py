"""Shipments: the M3 deliveries that goods-out notes belong to, and their picks.

A pick carries a message number of ours (PMSN) by which M3 finds it, so a pick in doubt is looked up before
it is sent again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from airflow_provider_brightpearl.core.changes import RowResult
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.systems.infor.client import Answer, InforClient, Record, Transaction
from airflow_provider_brightpearl.systems.infor.documents import (
    Document,
    DocumentSteps,
    Progress,
    at,
    digests,
    refusals,
)
from airflow_provider_brightpearl.systems.infor.objects import DocumentObject
from airflow_provider_brightpearl.systems.infor.rows import Row, same
from airflow_provider_brightpearl.systems.intent_log import IntentLog

_CUSTOMER_ORDER = "3"
_SHIPPED = "90"


@dataclass(slots=True)
class Deliveries:
    """The delivery lines of customer orders, each order requested once."""

    client: InforClient
    lines: dict[str, list[Record]] = field(default_factory=dict)
    heads: dict[str, Record] = field(default_factory=dict)

    def read(self, orders: Sequence[str]) -> None:
        """Reads the deliveries of these orders."""
        missing = sorted({order for order in orders if order and order not in self.lines})
        asked = [Transaction("LstDelLnByOrd", {"RORC": _CUSTOMER_ORDER, "RIDN": order}) for order in missing]
        for order, answer in zip(missing, self.client.bulk("MWS411MI", asked), strict=True):
            self.lines[order] = list(answer.records)
        numbers = sorted(
            {line["DLIX"] for order in missing for line in self.lines[order]} - self.heads.keys()
        )
        asked = [Transaction("GetHead", {"DLIX": number}) for number in numbers]
        for number, answer in zip(numbers, self.client.bulk("MWS410MI", asked), strict=True):
            self.heads[number] = answer.first

    def place(self, row: Row) -> Row | RowResult:
        """The row with the delivery, line and picking list it belongs to, or why there is none."""
        order, item = row.fields.get("RIDN", ""), row.fields.get("ITNO", "")
        lines = [line for line in self.lines.get(order, ()) if _fits(row, line)]
        if not lines:
            what = (
                f"line {row.fields['RIDL']}"
                if "RIDL" in row.fields
                else f"item {item}"
                if item
                else "anything"
            )
            return row.refused(
                f"M3 has no delivery of {what} for order {order or 'without number'} yet", "RIDN"
            )
        line = next((each for each in lines if self._is_open(each)), lines[-1])
        head = self.heads.get(line["DLIX"], {})
        found = {
            "DLIX": line["DLIX"], "RIDL": line.get("RIDL", ""), "RIDX": line.get("RIDX", ""),
            "PLSX": head.get("PLSX") or "1", "CUNO": head.get("CONA", ""),
        }  # fmt: skip
        return replace(row, fields={**found, **row.fields})

    def _is_open(self, line: Record) -> bool:
        return self.heads.get(line["DLIX"], {}).get("PGRS", "") < _SHIPPED


def _fits(row: Row, line: Record) -> bool:
    return all(
        same(row.fields[name], line.get(name, "")) for name in ("RIDL", "ITNO", "DLIX") if name in row.fields
    )


class PickWriter:
    """Writes picks in bulks, each once."""

    def __init__(
        self, client: InforClient, entry: DocumentObject, intent_log: IntentLog, deliveries: Deliveries
    ) -> None:
        self.client = client
        self.entry = entry
        self.intent_log = intent_log
        self.deliveries = deliveries
        self.steps = DocumentSteps(client, intent_log, entry.program)

    def write(self, rows: Sequence[Row]) -> Iterator[list[RowResult]]:
        """Results per call."""
        self.deliveries.read([row.fields.get("RIDN", "") for row in rows])
        placed = [self.deliveries.place(row) for row in rows]
        yield [each for each in placed if isinstance(each, RowResult)]
        picks = [Document(row, ()) for row in placed if isinstance(row, Row)]
        self.intent_log.load(digests(picks))
        self._settle(picks)
        there: list[Document] = []
        self.steps.each(
            at(picks, Progress.NEW), self._pick, _picked, "pick", lambda pick, _: there.append(pick)
        )
        self._look_for(there)
        for pick in at(there, Progress.NEW):
            pick.refuse(pick.head.refused("M3 has a message with this number but does not return it", "PMSN"))
        self.intent_log.fail({pick.key: pick.refusal.reason for pick in picks if pick.refusal})
        done = at(picks, Progress.CLOSED)
        undone = (pick for pick in done if self.intent_log.known[pick.key].state is not IntentState.DONE)
        self.intent_log.confirm({pick.key: pick.number for pick in undone})
        yield [result for pick in done for result in pick.results()]
        yield refusals(picks)
        self.steps.unanswered.check("infor")

    def find(self, rows: Sequence[Row]) -> Iterator[list[RowResult]]:
        """Results of the picks that M3 has; writes none."""
        picks = [Document(row, ()) for row in rows]
        self._look_for(picks)
        yield [result for pick in at(picks, Progress.CLOSED) for result in pick.results()]

    def _settle(self, picks: Sequence[Document]) -> None:
        known = self.intent_log.known
        for pick in picks:
            if known[pick.key].state is IntentState.DONE or pick.head.change.target_id:
                pick.number = known[pick.key].target_id or pick.head.change.target_id or ""
                pick.progress = Progress.CLOSED
        doubtful = [pick for pick in picks if known[pick.key].state is IntentState.IN_DOUBT]
        if doubtful:
            self.intent_log.wait_until_quiet()
            self._look_for(doubtful)

    def _look_for(self, picks: Sequence[Document]) -> None:
        asked = [
            Transaction("GetMvxMsg", {"E0PB": pick.head.fields.get("E0PA", ""), "PMSN": pick.key})
            for pick in picks
        ]
        for pick, answer in zip(picks, self.client.bulk(self.entry.program, asked), strict=True):
            if answer.first.get("MSGN"):
                _picked(pick, answer)
            elif not answer.done and not answer.missing:
                raise answer.error(f"{self.entry.program} GetMvxMsg")

    def _pick(self, pick: Document) -> Transaction:
        return Transaction(self.entry.add, pick.head.taken_by(self.entry.program, self.entry.add))


def _picked(pick: Document, answer: Answer) -> None:
    pick.number, pick.progress = answer.first.get("MSGN", "") or pick.key, Progress.CLOSED
