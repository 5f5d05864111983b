"""Sales orders as M3 batch orders: head, parts, confirmation, and what became of them.

M3 takes any number of orders with one customer order number, so every step is an intent first. An order that is not
confirmed is only a batch order: after a refusal or a lost answer it is deleted and the order is begun anew; only a
lost confirmation is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from airflow_provider_brightpearl.clients.infor import Answer, InforClient, Record, State, Transaction
from airflow_provider_brightpearl.core.ports import IntentState, RowResult
from airflow_provider_brightpearl.endpoints.infor_objects import DocumentObject
from airflow_provider_brightpearl.endpoints.infor_rows import Row, same
from airflow_provider_brightpearl.endpoints.intent_writing import Desk, Unanswered, digest_of

HEAD, PARTS, CONFIRM = "head", "parts", "confirm"
_TOLERANCE = Decimal("0.01")
_STATUS = {
    "15": "its head has an error",
    "20": "it has no lines",
    "25": "a line has an error",
    "30": "it is under credit stop",
    "55": "its creation was interrupted",
}
# statuses of a batch order that a person can release in OIS275; the others are deleted and sent anew
_WAITING = frozenset({"30", "55"})


@dataclass(slots=True)
class Order:
    """One order on its way: its rows, and what M3 has said so far."""

    head: Row
    parts: Sequence[tuple[Row, str]]
    batch: str = ""
    number: str = ""
    refusal: RowResult | None = None
    lines: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.head.key

    @property
    def digest(self) -> str:
        return digest_of([self.head.change, *(row.change for row, _ in self.parts)])

    @property
    def customer(self) -> str:
        return self.head.fields.get("CUNO", "")

    def results(self) -> Iterator[RowResult]:
        """Results of all its rows; a line's id is the order's number and the line's, ``0010000456|1``."""
        yield self.head.written(self.number, created=True)
        for row, _ in self.parts:
            yield row.written(f"{self.number}|{self.lines[row.key]}" if row.key in self.lines else self.number)


class OrderWriter:
    """Writes batch orders in bulks: heads, parts, confirmations, read-back."""

    def __init__(self, client: InforClient, entry: DocumentObject, desk: Desk) -> None:
        self.client = client
        self.entry = entry
        self.desk = desk
        self.unanswered = Unanswered()

    def fewest_calls(self, orders: int, parts: int) -> int:
        """The fewest calls for new orders: heads, parts, confirmations and the read-back, each in full bulks."""
        return 3 * self.client.fewest_calls(orders) + self.client.fewest_calls(parts)

    def write(self, orders: Sequence[Order]) -> Iterator[list[RowResult]]:
        """Results per order, all rows of an order at once, when M3 has shown the order that it made."""
        self.desk.look({order.key: order.digest for order in orders})
        self._settle_doubts(orders)
        yield from self._refused(orders)
        self._add_heads([order for order in orders if _open(order) and not order.batch])
        self._add_parts([order for order in orders if _open(order) and self._step(order) == HEAD])
        self._confirm([order for order in orders if _open(order)])
        yield from self._read_back([order for order in orders if order.number])
        yield from self._refused(orders)
        self.unanswered.check("infor")

    def _refused(self, orders: Sequence[Order]) -> Iterator[list[RowResult]]:
        told = [order.refusal for order in orders if order.refusal and order.number != _TOLD]
        for order in orders:
            order.number = _TOLD if order.refusal else order.number
        if told:
            yield told

    def _step(self, order: Order) -> str:
        return self.desk.known[order.key].step

    # what an earlier try left

    def _settle_doubts(self, orders: Sequence[Order]) -> None:
        known = self.desk.known
        for order in orders:
            if known[order.key].state is IntentState.DONE:
                self._take_known(order)
        doubtful = [order for order in orders if known[order.key].state is IntentState.IN_DOUBT]
        if doubtful:
            self.desk.wait_until_quiet()
            self._find_heads([order for order in doubtful if self._step(order) == HEAD])
            self._discard([order for order in doubtful if self._step(order) == PARTS])
            self._find_confirmed([order for order in doubtful if self._step(order) == CONFIRM])

    def _take_known(self, order: Order) -> None:
        intent = self.desk.known[order.key]
        if intent.digest == order.digest:
            order.number = intent.target_id
        else:
            order.refusal = order.head.refused(
                f"order {intent.target_id} is in M3 already, with other content; change or cancel it there"
            )

    def _find_heads(self, orders: Sequence[Order]) -> None:
        """Looks for batch orders whose number was never told, by customer and customer order number."""
        customers = sorted({self.desk.known[order.key].reference for order in orders})
        asked = [Transaction("LstBatchHead", {"CUNO": customer}) for customer in customers]
        found: dict[str, list[Record]] = {}
        for answer in self.client.bulk(self.entry.program, asked):
            if not answer.done and not answer.missing:
                raise answer.error(f"{self.entry.program} LstBatchHead")
            for record in answer.records:
                found.setdefault(record.get("CUOR", ""), []).append(record)
        left = [(order, record) for order in orders for record in found.get(order.head.fields.get("CUOR", ""), ())]
        for order, record in left:
            order.number = record.get("ORNR", "") or order.number
        self._delete([(order, record["ORNO"]) for order, record in left if not order.number])
        self._confirm_intents([order for order in orders if order.number])

    def _find_confirmed(self, orders: Sequence[Order]) -> None:
        for order in orders:
            order.batch = self.desk.known[order.key].reference
        self._look_up_status(orders, resend=True)

    def _discard(self, orders: Sequence[Order]) -> None:
        self._delete([(order, self.desk.known[order.key].reference) for order in orders])

    # the steps

    def _add_heads(self, orders: Sequence[Order]) -> None:
        sent = [Transaction(self.entry.add, self._head_fields(order)) for order in orders]
        for group in self.client.pack(sent):
            chosen = [orders[place] for place in group]
            self.desk.begin(_digests(chosen), HEAD, {order.key: order.customer for order in chosen})
            answers = self.client.bulk(self.entry.program, [sent[place] for place in group], repeatable=False)
            for order, answer in zip(chosen, answers, strict=True):
                order.batch = answer.first.get("ORNO", "")
                self._note(order, order.head, answer)
            self._fail_refused(chosen)

    def _head_fields(self, order: Order) -> dict[str, str]:
        fields = order.head.taken_by(self.entry.program, self.entry.add)
        return {name: value for name, value in fields.items() if name not in self.entry.compared}

    def _add_parts(self, orders: Sequence[Order]) -> None:
        self.desk.begin(_digests(orders), PARTS, {order.key: order.batch for order in orders})
        steps = [(order, row, name) for order in orders for row, name in order.parts]
        sent = [
            Transaction(name, {**row.taken_by(self.entry.program, name), "ORNO": order.batch})
            for order, row, name in steps
        ]
        for group in self.client.pack(sent):
            answers = self.client.bulk(self.entry.program, [sent[place] for place in group], repeatable=False)
            for place, answer in zip(group, answers, strict=True):
                order, row, _ = steps[place]
                if "PONR" in answer.first:
                    order.lines[row.key] = answer.first["PONR"]
                self._note(order, row, answer)
        self._drop([order for order in orders if order.refusal])

    def _drop(self, orders: Sequence[Order]) -> None:
        """Deletes batch orders that cannot be confirmed, and says so in the rejection."""
        deleted = self._delete([(order, order.batch) for order in orders])
        for order in orders:
            state = (
                f"batch order {order.batch} was deleted, so nothing of this order is in M3; it is sent anew "
                "when it is replayed or its mapping changes"
                if order.key in deleted
                else f"batch order {order.batch} is left in OIS275, not confirmed; the next try deletes it"
            )
            order.refusal = _with(order.refusal, state)
        self.desk.fail({order.key: order.refusal.error for order in orders if order.refusal and order.key in deleted})

    def _confirm(self, orders: Sequence[Order]) -> None:
        sent = [Transaction("Confirm", {"ORNO": order.batch}) for order in orders]
        unclear: list[Order] = []
        for group in self.client.pack(sent):
            chosen = [orders[place] for place in group]
            self.desk.begin(_digests(chosen), CONFIRM, {order.key: order.batch for order in chosen})
            answers = self.client.bulk(self.entry.program, [sent[place] for place in group], repeatable=False)
            for order, answer in zip(chosen, answers, strict=True):
                created = answer.done and answer.first.get("STAT", "90") == "90"
                order.number = answer.first.get("ORNO", "") if created else ""
                if answer.state in (State.UNKNOWN, State.NOT_PROCESSED):
                    self._note(order, order.head, answer)
                elif not order.number:
                    unclear.append(order)
        self._look_up_status(unclear, resend=False)

    def _read_back(self, orders: Sequence[Order]) -> Iterator[list[RowResult]]:
        """Reads the orders that M3 says it made, and compares number and totals."""
        sent = [Transaction("GetHead", {"ORNO": order.number}) for order in orders]
        for group in self.client.pack(sent):
            chosen = [orders[place] for place in group]
            answers = self.client.bulk(self.entry.program, [sent[place] for place in group])
            results: list[RowResult] = []
            proven: list[Order] = []
            for order, answer in zip(chosen, answers, strict=True):
                if not answer.done or not same(answer.first.get("CUOR", ""), order.head.fields.get("CUOR", "")):
                    self.unanswered.lost.append(order.key)
                    continue
                proven.append(order)
                wrong = self._difference(order, answer.first)
                results.extend([wrong] if wrong else order.results())
            self._confirm_intents(proven)
            yield results

    def _difference(self, order: Order, there: Record) -> RowResult | None:
        for name in sorted(self.entry.compared & order.head.fields.keys() & there.keys()):
            ours, theirs = order.head.fields[name], there[name]
            if abs(Decimal(ours) - Decimal(theirs)) > _TOLERANCE:
                reason = f"order {order.number} is in M3 with {name} {theirs}, and should have {ours}; correct it there"
                return order.head.refused(reason, name)
        return None

    # single calls

    def _look_up_status(self, orders: Sequence[Order], *, resend: bool) -> None:
        """What became of batch orders whose confirmation gave no order number."""
        asked = [Transaction("GetTmpOrderStat", {"ORNO": order.batch}) for order in orders]
        bad: list[Order] = []
        for order, answer in zip(orders, self.client.bulk("OIS275MI", asked), strict=True):
            order.number = answer.first.get("ORNR", "")
            status = answer.first.get("STAT", "")
            if order.number:
                continue
            if answer.missing or (resend and order.digest != self.desk.known[order.key].digest):
                bad.append(order)
            elif status in _WAITING or not resend:
                order.refusal = order.head.refused(self._status_reason(order, status, answer))
                bad += [order] if status not in _WAITING else []
        self._drop_or_begin_anew(bad)

    def _drop_or_begin_anew(self, orders: Sequence[Order]) -> None:
        self._drop([order for order in orders if order.refusal])
        anew = [order for order in orders if not order.refusal]
        self._delete([(order, order.batch) for order in anew])
        for order in anew:
            order.batch = ""

    def _status_reason(self, order: Order, status: str, answer: Answer) -> str:
        told = self.client.bulk(self.entry.program, [Transaction("LstErrMsgOrder", {"ORNO": order.batch})])
        messages = [
            " ".join(record[name] for name in ("MSID", "TX60", "MDTA") if record.get(name))
            for each in told
            for record in each.records
        ]
        what = _STATUS.get(status, f"status {status or 'unknown'}")
        listed = f": {'; '.join(messages[:3])}" if messages else ""
        rest = (
            f"; batch order {order.batch} waits in OIS275 to be released, the next try looks again"
            if status in _WAITING
            else ""
        )
        return f"M3 did not create the order, as {what}{listed}{rest}"

    def _delete(self, pairs: Sequence[tuple[Order, str]]) -> set[str]:
        """Deletes batch orders; gives the keys of those that are gone now."""
        sent = [Transaction("DelBatchHead", {"ORNO": number}) for _, number in pairs]
        gone: set[str] = set()
        for (order, number), answer in zip(
            pairs, self.client.bulk(self.entry.program, sent, repeatable=True), strict=True
        ):
            if answer.done or answer.missing:
                gone.add(order.key)
            elif order.refusal is None:
                order.refusal = order.head.refused(f"batch order {number} cannot be deleted: {answer.reason}")
        return gone

    def _note(self, order: Order, row: Row, answer: Answer) -> None:
        if answer.state is State.REFUSED and order.refusal is None:
            order.refusal = row.answered(answer)
        elif answer.state is State.UNKNOWN:
            self.unanswered.lost.append(order.key)
        elif answer.state is State.NOT_PROCESSED:
            self.unanswered.unreached.append(order.key)

    def _fail_refused(self, orders: Sequence[Order]) -> None:
        self.desk.fail({order.key: order.refusal.error for order in orders if order.refusal})

    def _confirm_intents(self, orders: Sequence[Order]) -> None:
        undone = (order for order in orders if self.desk.known[order.key].state is not IntentState.DONE)
        self.desk.confirm({order.key: order.number for order in undone})


def _digests(orders: Sequence[Order]) -> Mapping[str, str]:
    return {order.key: order.digest for order in orders}
