"""Sales orders as M3 batch orders: head, parts, confirmation, and the order that M3 creates from them.

M3 accepts any number of orders with one customer order number, so each step is an intent first. An order that
is not confirmed is only a batch order: after a refusal or a lost answer it is deleted, and the order is started
anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal

from more_itertools import chunked

from airflow_provider_brightpearl.core.changes import RowResult
from airflow_provider_brightpearl.core.numbers import decimal_of
from airflow_provider_brightpearl.core.ports.stores import IntentState
from airflow_provider_brightpearl.systems.infor.answers import may_be_cut
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
from airflow_provider_brightpearl.systems.infor.order_lines import number_lines
from airflow_provider_brightpearl.systems.infor.rows import Row, same
from airflow_provider_brightpearl.systems.intent_log import IntentLog

HEAD, PARTS, CONFIRM = "head", "parts", "confirm"
_TOLERANCE = Decimal("0.01")
_CREATED = "90"
_STATUS = {
    "15": "its head has an error",
    "20": "it was not processed",
    "25": "a line has an error",
    "30": "it is under credit stop",
    "55": "its creation was interrupted",
}
# a person releases these in OIS275; batch orders in any other state are deleted and sent anew
_WAITING = frozenset({"30", "55"})
# M3 creates the order in a job of its own, which may lag a moment
_POLLS = (0.0, 1.0, 3.0)


class OrderWriter:
    """Writes orders, a bulk of them at a time: heads, parts, confirmations, read-back.

    So a worker that dies, or an answer that is lost, leaves no more orders unconfirmed than a call holds.
    """

    def __init__(self, client: InforClient, entry: DocumentObject, intent_log: IntentLog) -> None:
        self.client = client
        self.entry = entry
        self.intent_log = intent_log
        self.steps = DocumentSteps(client, intent_log, entry.program)

    def min_calls(self, documents: Sequence[Document]) -> int:
        """The fewest calls for new orders: heads, parts, confirmations, read-back, each in full bulks.

        Of those that are older than the flow's state, their customers' orders are listed as well.
        """
        parts = (sum(len(each.parts) for each in some) for some in self._bulks(documents))
        calls = self.min_calls_of(len(documents), 0) + sum(map(self.client.min_calls, parts))
        old = (each for each in documents if self.intent_log.may_be_written(each.created_at))
        return calls + self.client.min_calls(len({each.head.fields.get("CUNO", "") for each in old}))

    def min_calls_of(self, documents: int, parts: int, days: int = 1) -> int:
        """The fewest calls for so many new orders and parts of them, of any days."""
        return 3 * self.client.min_calls(documents) + self.client.min_calls(parts)

    def write(self, orders: Sequence[Document]) -> Iterator[list[RowResult]]:
        """Results of all rows of an order at once, when M3 has returned the order it created."""
        self.intent_log.load(digests(orders))
        doubts = OrderDoubts(self.client, self.entry, self.intent_log)
        doubts.settle(orders)
        doubts.find_unknown(doubts.older(at(orders, Progress.NEW)))
        for some in self._bulks(orders):
            self._add_heads(at(some, Progress.NEW))
            self._add_parts(at(some, Progress.BEGUN))
            self._confirm(at(some, Progress.COMPLETE))
            yield from self._read_back(at(some, Progress.CLOSED))
            yield refusals(some)
        self.steps.unanswered.check("infor")

    def _bulks(self, orders: Sequence[Document]) -> Iterator[list[Document]]:
        return chunked(orders, self.client.bulk_size)

    def find(self, orders: Sequence[Document]) -> Iterator[list[RowResult]]:
        """Results of the orders that M3 has and of which nothing is known here; writes none.

        One that differs, or is not confirmed, is a refusal.
        """
        self.intent_log.load(digests(orders))
        unknown = [each for each in orders if self.intent_log.known[each.key].state is IntentState.REFUSED]
        OrderDoubts(self.client, self.entry, self.intent_log).find_unknown(unknown)
        yield from self._read_back(at(unknown, Progress.CLOSED))
        for order in unknown:
            if order.key in self.steps.unanswered.lost:
                order.refuse(
                    order.head.refused(f"M3 made order {order.number} of it and does not have it now")
                )
        yield refusals(unknown)

    def _add_heads(self, orders: Sequence[Document]) -> None:
        for order in orders:
            # until M3 returns its own number, an order is found by its customer
            order.reference = order.head.fields.get("CUNO", "")
        self.steps.each(orders, self._head, _begun, HEAD)
        self.intent_log.fail({order.key: order.refusal.reason for order in orders if order.refusal})

    def _head(self, order: Document) -> Transaction:
        return Transaction(self.entry.add, order.head.taken_by(self.entry.program, self.entry.add))

    def _add_parts(self, orders: Sequence[Document]) -> None:
        self.intent_log.begin(digests(orders), PARTS, {order.key: order.reference for order in orders})
        self.steps.parts(orders, self._part, _numbered)
        for order in at(orders, Progress.BEGUN):
            order.progress = Progress.COMPLETE
        refused = at(orders, Progress.REFUSED)
        for order in refused:
            # another run of the flow found the batch order unfinished, deleted it and sends the order itself
            if order.refusal and order.refusal.field == "ORNO":
                order.refuse_for_now()
        drop(self.client, self.intent_log, refused)

    def _part(self, order: Document, row: Row, transaction: str) -> Transaction:
        fields = row.taken_by(self.entry.program, transaction)
        return Transaction(transaction, {**fields, "ORNO": order.reference})

    def _confirm(self, orders: Sequence[Document]) -> None:
        self.steps.each(orders, _confirm_of, _confirmed, CONFIRM)
        OrderDoubts(self.client, self.entry, self.intent_log).look_up(
            [order for order in orders if order.progress in (Progress.COMPLETE, Progress.REFUSED)]
        )

    def _read_back(self, orders: Sequence[Document]) -> Iterator[list[RowResult]]:
        sent = [Transaction("GetHead", {"ORNO": order.number}) for order in orders]
        for group in self.client.pack(sent):
            chosen = [orders[place] for place in group]
            answers = self.client.bulk(self.entry.program, [sent[place] for place in group])
            pairs = list(zip(chosen, answers, strict=True))
            ours = [(order, answer.first) for order, answer in pairs if _is_ours(order, answer)]
            self.steps.unanswered.lost += [
                order.key for order, answer in pairs if not _is_ours(order, answer)
            ]
            undone = (
                each for each, _ in ours if self.intent_log.known[each.key].state is not IntentState.DONE
            )
            self.intent_log.confirm({order.key: order.number for order in undone})
            number_lines(
                self.client, self.entry.program, self.entry.parts["OrderLine"], [order for order, _ in ours]
            )
            taken = ((order, there) for order, there in ours if order.refusal is None)
            yield [result for order, there in taken for result in self._judged(order, there)]

    def _judged(self, order: Document, there: Record) -> Iterator[RowResult]:
        for name in sorted(self.entry.compared & order.head.fields.keys() & there.keys()):
            ours, theirs = decimal_of(order.head.fields[name]), decimal_of(there[name] or "0")
            if ours is None or theirs is None:
                yield order.head.refused(_no_number(order, name, there[name]), name)
                return
            if abs(ours - theirs) > _TOLERANCE:
                yield order.head.refused(_difference(order, name, ours, theirs), name)
                return
        yield from order.results({name: there.get(name, "") for name in self.entry.returned})


class OrderDoubts:
    """Looks up orders whose answers were lost or held no order number."""

    def __init__(self, client: InforClient, entry: DocumentObject, intent_log: IntentLog) -> None:
        self.client = client
        self.entry = entry
        self.intent_log = intent_log

    def settle(self, orders: Sequence[Document]) -> None:
        """Moves the orders of earlier tries to their current state; the others stay new."""
        known = self.intent_log.known
        for order in orders:
            if known[order.key].state is IntentState.DONE:
                self._take_known(order)
        doubtful = [order for order in orders if known[order.key].state is IntentState.IN_DOUBT]
        if not doubtful:
            return
        self.intent_log.wait_until_quiet()
        for order in doubtful:
            order.reference = known[order.key].reference
        # where the state was restored, they may have been sent once more since
        self.find_unknown(self.older(doubtful))
        doubtful = at(doubtful, Progress.NEW)
        steps = {step: [o for o in doubtful if known[o.key].step == step] for step in (HEAD, PARTS, CONFIRM)}
        self._find_heads(steps[HEAD])
        delete(self.client, steps[PARTS])
        self._find_confirmed(steps[CONFIRM])

    def _take_known(self, order: Document) -> None:
        intent = self.intent_log.known[order.key]
        if intent.digest == order.digest:
            order.number, order.progress = intent.target_id, Progress.CLOSED
        else:
            problem = (
                f"order {intent.target_id} is in M3 already with other content; change or cancel it there"
            )
            order.refuse(order.head.refused(problem))

    def older(self, orders: Sequence[Document]) -> list[Document]:
        """The orders of which nothing is known since the state of the flow began, unless they are younger."""
        return [each for each in orders if self.intent_log.may_be_written(each.created_at, each.key)]

    def find_unknown(self, orders: Sequence[Document]) -> None:
        """Takes over orders that M3 has although that is not known: the state that knew of them was lost.

        One that is not confirmed is refused, since nobody can say whose it is.
        """
        found, cut = self._by_order_number({order.head.fields.get("CUNO", "") for order in orders})
        for order in orders:
            self._refuse_unseen(order, order.head.fields.get("CUNO", ""), found, cut)
            for record in found.get(order.head.fields.get("CUOR", ""), ()):
                if number := record.get("ORNR", ""):
                    order.number, order.progress = number, Progress.CLOSED
                    break
                if record["ORNO"] == order.reference:
                    continue
                order.refuse(
                    order.head.refused(
                        f"M3 has batch order {record['ORNO']} of this order number, unconfirmed, and the state "
                        "database knows nothing of it: release it in OIS275 or delete it there, then sync this "
                        "record again",
                        "CUOR",
                    )
                )

    def _refuse_unseen(
        self, order: Document, customer: str, found: Mapping[str, object], cut: Collection[str]
    ) -> None:
        """Refuses for now what is not found in a list that may have been cut: sent again, it could be doubled."""
        number = order.head.fields.get("CUOR", "")
        if customer in cut and number not in found:
            order.refuse(
                order.head.refused(
                    f"M3's list of batch orders of customer {customer} ends at a ceiling, so whether it has order "
                    f"{number} cannot be seen: look for it in OIS275, and delete old batch orders there",
                    "CUOR",
                )
            )
            order.refuse_for_now()

    def _by_order_number(self, customers: Collection[str]) -> tuple[dict[str, list[Record]], set[str]]:
        """Batch orders by the customer's order number, which is the source's, and customers who may have more."""
        found: dict[str, list[Record]] = {}
        cut: set[str] = set()
        ordered = sorted(customers)
        asked = [Transaction("LstBatchHead", {"CUNO": customer}) for customer in ordered]
        for customer, answer in zip(ordered, self.client.bulk(self.entry.program, asked), strict=True):
            cut |= {customer} if may_be_cut(answer.records) else set()
            if not answer.done and not answer.missing:
                raise answer.error(f"{self.entry.program} LstBatchHead")
            for record in answer.records:
                found.setdefault(record.get("CUOR", ""), []).append(record)
        return found, cut

    def _find_heads(self, orders: Sequence[Document]) -> None:
        """Looks for batch orders whose number was never returned, and deletes what it finds."""
        found, cut = self._by_order_number({order.reference for order in orders})
        for order in orders:
            self._refuse_unseen(order, order.reference, found, cut)
            for record in found.get(order.head.fields.get("CUOR", ""), ()):
                order.reference, order.number = record["ORNO"], record.get("ORNR", "")
                if order.number:
                    order.progress = Progress.CLOSED
                    break
                delete(self.client, [order])

    def _find_confirmed(self, orders: Sequence[Document]) -> None:
        statuses = self._statuses(orders)
        for order in orders:
            status, order.number = statuses[order.key]
            if order.number:
                order.progress = Progress.CLOSED
            elif status in _WAITING:
                self._refuse(order, status)
            elif status and order.digest == self.intent_log.known[order.key].digest:
                order.progress = Progress.COMPLETE
            else:
                delete(self.client, [order])

    def look_up(self, orders: Sequence[Document]) -> None:
        """Looks up batch orders whose confirmation was refused or returned no order number."""
        waiting = list(orders)
        statuses: dict[str, tuple[str, str]] = {}
        for pause in _POLLS:
            if waiting:
                self.client.sleep(pause)
                statuses.update(self._statuses(waiting))
            waiting = [
                order for order in waiting if order.refusal is None and statuses[order.key] == ("20", "")
            ]
        for order in orders:
            status, order.number = statuses[order.key]
            if order.number:
                order.progress, order.refusal = Progress.CLOSED, None
            else:
                self._refuse(order, status)
        drop(
            self.client,
            self.intent_log,
            [o for o in orders if o.refusal and statuses[o.key][0] not in _WAITING],
        )

    def _statuses(self, orders: Sequence[Document]) -> dict[str, tuple[str, str]]:
        asked = [Transaction("GetTmpOrderStat", {"ORNO": order.reference}) for order in orders]
        answers = self.client.bulk("OIS275MI", asked)
        return {
            order.key: (answer.first.get("STAT", ""), answer.first.get("ORNR", ""))
            for order, answer in zip(orders, answers, strict=True)
        }

    def _refuse(self, order: Document, status: str) -> None:
        [errors] = self.client.bulk(
            self.entry.program, [Transaction("LstErrMsgOrder", {"ORNO": order.reference})]
        )
        texts = [" ".join(filter(None, map(each.get, ("MSID", "TX60", "MDTA")))) for each in errors.records]
        reason = _STATUS.get(status, f"it has status {status or 'unknown'}")
        listed = f": {'; '.join(texts[:3])}" if texts else ""
        order.refuse(order.head.refused(f"M3 created no order, as {reason}{listed}"))
        if not status:
            order.refuse_for_now()
        if status in _WAITING:
            order.add_state(
                f"batch order {order.reference} waits in OIS275; release it there, "
                "the next try takes its number"
            )


def _no_number(order: Document, name: str, found: str) -> str:
    return (
        f"order {order.number} is in M3, which returns its {name} as {found!r}, while the flow gives "
        f"{order.head.fields[name]!r}: not both are numbers such as 1234.56; set a decimal point for the user of the "
        "API (MNS150), then sync the order by its id"
    )


def _difference(order: Document, name: str, ours: Decimal, theirs: Decimal) -> str:
    currency = order.head.fields.get("CUCD", "")
    return (
        f"totals differ by {theirs - ours:+} {currency}: {name} is {theirs} in M3 order {order.number} and "
        f"{ours} at the source; correct the order in M3, then sync this record again by its id"
    )


def drop(client: InforClient, intent_log: IntentLog, orders: Sequence[Document]) -> None:
    """Deletes batch orders that cannot be confirmed, and adds their state to their refusals."""
    left = {order.key for order in delete(client, orders)}
    for order in orders:
        if order.key in left:
            order.add_state(f"batch order {order.reference} is left unconfirmed; the next try deletes it")
        else:
            order.add_state(
                f"batch order {order.reference} was deleted unconfirmed, so nothing of the order is in M3 "
                "and a replay sends all of it"
            )
    intent_log.fail(
        {order.key: order.refusal.reason for order in orders if order.refusal and order.key not in left}
    )


def delete(client: InforClient, orders: Sequence[Document]) -> list[Document]:
    """Deletes batch orders; returns those that could not be deleted, refused with the reason."""
    sent = [Transaction("DelBatchHead", {"ORNO": order.reference}) for order in orders]
    left = []
    for order, answer in zip(orders, client.bulk("OIS100MI", sent, repeatable=True), strict=True):
        if not answer.done and not answer.missing:
            order.refuse(order.head.refused(f"batch order {order.reference} stays: {answer.reason}"))
            left.append(order)
    return left


def _begun(order: Document, answer: Answer) -> None:
    order.reference, order.progress = answer.first.get("ORNO", ""), Progress.BEGUN


def _numbered(order: Document, row: Row, answer: Answer) -> None:
    if "PONR" in answer.first:
        order.part_numbers[row.key] = answer.first["PONR"]


def _confirm_of(order: Document) -> Transaction:
    return Transaction("Confirm", {"ORNO": order.reference})


def _confirmed(order: Document, answer: Answer) -> None:
    number = answer.first.get("ORNO", "")
    if number and answer.first.get("STAT", _CREATED) == _CREATED:
        order.number, order.progress = number, Progress.CLOSED


def _is_ours(order: Document, answer: Answer) -> bool:
    return answer.done and same(answer.first.get("CUOR", ""), order.head.fields.get("CUOR", ""))
