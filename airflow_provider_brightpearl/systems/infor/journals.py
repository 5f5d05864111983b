"""GL journals through GLS840MI: a balanced journal per source record, validated, then posted.

The journal's key is ours (KEY1) and a batch is posted at most once, so the key identifies a repeat. A batch that an
earlier try has begun is carried on where its content is the same; M3 cannot delete it, so where it is not, the next
key is taken and the batch is listed as left behind. Vouchers carry the key at the beginning of their text, by which
they are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from airflow_provider_brightpearl.core.changes import RowResult
from airflow_provider_brightpearl.core.numbers import decimal_of
from airflow_provider_brightpearl.core.ports.stores import Intent, IntentState
from airflow_provider_brightpearl.systems.infor.answers import may_be_cut
from airflow_provider_brightpearl.systems.infor.begun_batches import HEAD, LINES, SPOILED, BegunBatches
from airflow_provider_brightpearl.systems.infor.client import Answer, InforClient, Record, Transaction
from airflow_provider_brightpearl.systems.infor.documents import (
    Document,
    DocumentSteps,
    Progress,
    at,
    digests,
    refusals,
)
from airflow_provider_brightpearl.systems.infor.fields import inputs
from airflow_provider_brightpearl.systems.infor.objects import DocumentObject
from airflow_provider_brightpearl.systems.infor.rows import Row
from airflow_provider_brightpearl.systems.intent_log import IntentLog

POST, BLOCKED = "post", "blocked"
_AMOUNTS = ("CUAM", "ACAM")
_VOUCHER = ("YEA4", "VSER", "VONO", "VTXT")
# M3 posts in a job of its own, which may lag a moment
_POLLS = (0.0, 1.0, 3.0, 6.0)


def imbalance(lines: Sequence[Row]) -> str:
    """Why these lines are not a balanced journal, or an empty text; exact, per currency, and in both amounts."""
    sums: dict[tuple[str, str], Decimal] = {}
    for line in lines:
        for name in _AMOUNTS:
            if name in line.fields:
                currency = line.fields.get("CUCD", "") if name == "CUAM" else ""
                amount = decimal_of(line.fields[name])
                if amount is None or not _sign_fits(amount, line.fields.get("DBCR", "")):
                    return (
                        f"{name} {line.fields[name]} does not match DBCR {line.fields.get('DBCR', 'empty')}"
                    )
                sums[name, currency] = sums.get((name, currency), Decimal(0)) + amount
    if len(lines) < 2 or not sums:
        return "a journal needs at least two lines with amounts"
    wrong = [
        f"{name} {currency} {total}".replace("  ", " ") for (name, currency), total in sums.items() if total
    ]
    return f"the lines do not add up to zero: {', '.join(wrong)}" if wrong else ""


def _sign_fits(amount: Decimal, side: str) -> bool:
    return {"D": amount >= 0, "C": amount <= 0}.get(side, False)


class JournalWriter:
    """Writes journals in bulks: heads, lines, validation, posting, and the vouchers they became."""

    def __init__(self, client: InforClient, entry: DocumentObject, intent_log: IntentLog) -> None:
        self.client = client
        self.entry = entry
        self.intent_log = intent_log
        self.steps = DocumentSteps(client, intent_log, entry.program)
        self.resumed: set[str] = set()
        self.begun = BegunBatches(intent_log)
        # journals whose voucher was not found in a list that may have been cut
        self.unseen: set[str] = set()

    def min_calls(self, documents: Sequence[Document]) -> int:
        """The fewest calls for new journals: heads, lines, validation, posting, a look at each date."""
        parts = sum(len(document.parts) for document in documents)
        return self.min_calls_of(len(documents), parts, len({_date(document) for document in documents}))

    def min_calls_of(self, documents: int, parts: int, days: int) -> int:
        """The fewest calls for so many new journals, lines of them and accounting dates."""
        steps = 3 * self.client.min_calls(documents) + self.client.min_calls(parts)
        return steps + self.client.min_calls(days)

    def write(self, journals: Sequence[Document]) -> Iterator[list[RowResult]]:
        """Results of all rows of a journal at once, once its voucher exists."""
        for journal in journals:
            if reason := imbalance([row for row, _ in journal.parts]):
                journal.refuse(journal.head.refused(reason))
        sound = at(journals, Progress.NEW)
        self.intent_log.load(digests(sound))
        self._settle(sound)
        self._build(at(sound, Progress.NEW))
        self._validate(at(sound, Progress.BEGUN))
        self._post(at(sound, Progress.COMPLETE))
        yield from self._read_back(at(sound, Progress.CLOSED))
        yield refusals(journals)
        self.steps.unanswered.check("infor")

    def find(self, journals: Sequence[Document]) -> Iterator[list[RowResult]]:
        """Results of the journals that have a voucher, and refusals of those that cannot be seen; writes none."""
        self._look_for(journals)
        for journal in journals:
            if journal.key in self.unseen:
                journal.reference = journal.key
                self._refuse_unseen(journal)
        yield [result for each in at(journals, Progress.CLOSED) for result in each.results()]
        yield refusals(journals)

    # what an earlier try left

    def _settle(self, journals: Sequence[Document]) -> None:
        known = self.intent_log.known
        doubtful = [each for each in journals if known[each.key].state is IntentState.IN_DOUBT]
        if doubtful:
            self.intent_log.wait_until_quiet()
            self._look_for([each for each in doubtful if known[each.key].step == POST])
        for journal in journals:
            intent = known[journal.key]
            if intent.state is IntentState.DONE:
                self._take_known(journal)
            elif journal.progress is not Progress.NEW:
                continue
            elif intent.step == BLOCKED or (intent.state is IntentState.IN_DOUBT and intent.step == POST):
                self._resume(journal, intent)
            elif not self.begun.take(journal, intent):
                journal.reference = _next_key(journal.key, intent.reference)

    def _resume(self, journal: Document, intent: Intent) -> None:
        """A batch sent to be posted that has no voucher: M3 posts it once, however often it is asked to."""
        journal.reference = intent.reference
        if intent.step == POST and intent.digest == journal.digest:
            journal.progress = Progress.BEGUN
            self.resumed.add(journal.key)

    def _take_known(self, journal: Document) -> None:
        intent = self.intent_log.known[journal.key]
        if intent.digest == journal.digest:
            journal.number, journal.progress = intent.target_id, Progress.CLOSED
        else:
            problem = f"voucher {intent.target_id} is posted already with other content; correct it in M3"
            journal.refuse(journal.head.refused(problem))

    def _look_for(self, journals: Sequence[Document]) -> None:
        found, cut = self._vouchers(journals)
        for journal in journals:
            if journal.key in found:
                journal.number, journal.progress = found[journal.key], Progress.CLOSED
            elif _date(journal) in cut:
                self.unseen.add(journal.key)
            else:
                self.unseen.discard(journal.key)

    def _refuse_unseen(self, journal: Document) -> None:
        """Not found in a list that may have been cut: to post again, or to say that nothing was, would be a guess."""
        journal.refuse(
            journal.head.refused(
                f"M3's list of vouchers of {_date(journal)} ends at a ceiling, so whether batch {journal.reference} "
                "is posted cannot be seen: look for its text in GLS200, and do not delete the batch before"
            )
        )
        journal.refuse_for_now()

    # the steps

    def _build(self, journals: Sequence[Document]) -> None:
        headed = self.begun.headed(journals)
        existing: list[Document] = []
        self.steps.each(
            [journal for journal in journals if journal not in headed],
            self._head, self._new, HEAD, lambda journal, _: existing.append(journal),
        )  # fmt: skip
        self._look_for(existing)
        for journal in [*headed, *existing]:
            if journal.key in self.begun.steps and journal.progress is Progress.NEW:
                journal.progress = Progress.BEGUN
        blocked = at(existing, Progress.NEW)
        for journal in blocked:
            if journal.key in self.unseen:
                self._refuse_unseen(journal)
            problem = f"batch {journal.reference} is in GLS840 with unknown content and is not posted"
            journal.refuse(
                journal.head.refused(f"{problem}: delete it there, the next try sends this one", "KEY1")
            )
        self.intent_log.fail({each.key: each.refusal.reason for each in blocked if each.refusal}, BLOCKED)
        begun = [each for each in at(journals, Progress.BEGUN) if each.key not in self.resumed]
        self._add_lines(begun)
        self.begun.leave()
        self._fail([journal for journal in journals if journal not in blocked], "nothing was posted")

    def _add_lines(self, journals: Sequence[Document]) -> None:
        references = {journal.key: journal.reference for journal in journals}
        self.intent_log.begin(digests(journals), LINES, references)
        carried_on = [journal for journal in journals if journal.key in self.begun.steps]
        firsts = [self._line(journal, *journal.parts[0]) for journal in carried_on]
        answers = self.client.bulk(self.entry.program, firsts, repeatable=False)
        for journal, answer in zip(carried_on, answers, strict=True):
            self.begun.first_line(journal, answer)
            if journal.progress is Progress.LOST:
                self.steps.unanswered.lost.append(journal.key)
        self.steps.parts(
            at(journals, Progress.BEGUN), self._line, self.begun.line, {each.key for each in carried_on}
        )
        spoiled = [each for each in carried_on if self.begun.steps[each.key] == SPOILED]
        self.intent_log.fail({each.key: each.refusal.reason for each in spoiled if each.refusal}, SPOILED)

    def _new(self, journal: Document, _: Answer) -> None:
        """M3 made the batch now, so that it is empty, whatever was tried before."""
        journal.progress = Progress.BEGUN
        self.begun.steps.pop(journal.key, None)

    def _head(self, journal: Document) -> Transaction:
        fields = journal.head.taken_by(self.entry.program, self.entry.add)
        return Transaction(self.entry.add, {**fields, "KEY1": journal.reference})

    def _line(self, journal: Document, row: Row, transaction: str) -> Transaction:
        fields = row.taken_by(self.entry.program, transaction)
        longest = inputs(self.entry.program, transaction)["VTXT"].length
        text = f"{journal.reference} {fields.get('VTXT', '')}".strip()[:longest]
        return Transaction(transaction, {**fields, "KEY1": journal.reference, "VTXT": text})

    def _validate(self, journals: Sequence[Document]) -> None:
        self.steps.each(journals, _closing("CtrlBatch"), _complete)
        self._trust_vouchers(journals)
        self._fail(journals, "M3 did not accept it and nothing was posted")

    def _post(self, journals: Sequence[Document]) -> None:
        self.steps.each(journals, _closing("UpdBatch"), _closed, POST)
        self._trust_vouchers(journals)
        self._fail(journals, "it was validated but not posted")

    def _trust_vouchers(self, journals: Sequence[Document]) -> None:
        """A repeated request that is refused may have succeeded before: the voucher decides."""
        for journal in at(journals, Progress.REFUSED):
            if journal.key in self.resumed:
                journal.progress, journal.refusal = Progress.CLOSED, None

    def _fail(self, journals: Sequence[Document], state: str) -> None:
        for journal in journals:
            journal.add_state(
                f"batch {journal.reference} is left in GLS840, {state}; the next try carries it on, or takes a new key "
                "where the record has changed"
            )
        self.intent_log.fail({each.key: each.refusal.reason for each in journals if each.refusal})

    def _read_back(self, journals: Sequence[Document]) -> Iterator[list[RowResult]]:
        open_ones = [journal for journal in journals if not journal.number]
        for pause in _POLLS:
            if open_ones:
                self.client.sleep(pause)
                self._look_for(open_ones)
            open_ones = [journal for journal in open_ones if not journal.number]
        posted = [journal for journal in journals if journal.number]
        undone = (each for each in posted if self.intent_log.known[each.key].state is not IntentState.DONE)
        self.intent_log.confirm({journal.key: journal.number for journal in undone})
        yield [result for journal in posted for result in journal.results()]
        for journal in open_ones:
            if journal.key in self.unseen:
                self._refuse_unseen(journal)
            problem = (
                f"M3 accepted batch {journal.reference} but created no voucher; GLS840 shows the reason, "
                "such as an account or a period: correct it there, the next try takes the voucher or posts "
                "again"
            )
            journal.refuse(journal.head.refused(problem))

    def _vouchers(self, journals: Sequence[Document]) -> tuple[dict[str, str], set[str]]:
        """Voucher by journal key, and the accounting dates of these journals of which there may be more vouchers."""
        dates = sorted({_date(journal) for journal in journals})
        asked = [Transaction("LstVouchersByDt", {"FRDT": date, "TODT": date}) for date in dates]
        keys = {journal.key for journal in journals}
        found: dict[str, str] = {}
        cut: set[str] = set()
        answers = self.client.bulk("GLS200MI", asked, columns=_VOUCHER)
        for date, answer in zip(dates, answers, strict=True):
            cut |= {date} if may_be_cut(answer.records) else set()
            if not answer.done and not answer.missing:
                raise answer.error("GLS200MI LstVouchersByDt")
            for record in answer.records:
                key = _journal_key(record, keys)
                if key:
                    found[key] = f"{record.get('YEA4', '')}|{record.get('VSER', '')}|{record.get('VONO', '')}"
        return found, cut


def _journal_key(voucher: Record, keys: set[str]) -> str:
    first = voucher.get("VTXT", "").partition(" ")[0]
    whole = first if first in keys else first.rpartition("-")[0]
    return whole if whole in keys else ""


def _next_key(key: str, used: str) -> str:
    """The journal's key, with a number from the second try on."""
    if not used:
        return key
    number = used.removeprefix(f"{key}-") if used != key else "1"
    return f"{key}-{int(number) + 1}"


def _date(journal: Document) -> str:
    return next((row.fields["ACDT"] for row, _ in journal.parts if "ACDT" in row.fields), "")


def _closing(transaction: str) -> Callable[[Document], Transaction]:
    return lambda journal: Transaction(transaction, {"KEY1": journal.reference})


def _complete(journal: Document, _: Answer) -> None:
    journal.progress = Progress.COMPLETE


def _closed(journal: Document, _: Answer) -> None:
    journal.progress = Progress.CLOSED
