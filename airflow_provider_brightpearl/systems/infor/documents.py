"""The common part of orders and journals: a head with parts, written in steps, that takes effect when it is closed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial

from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import RowResult
from airflow_provider_brightpearl.systems.infor.client import Answer, InforClient, State, Transaction
from airflow_provider_brightpearl.systems.infor.rows import Row
from airflow_provider_brightpearl.systems.intent_log import IntentLog, PendingRows, digest_of


class Progress(StrEnum):
    """The progress of a document in this run."""

    NEW = "new"
    BEGUN = "begun"
    COMPLETE = "complete"
    CLOSED = "closed"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(slots=True)
class Document:
    """One document being written: its rows, and M3's answers so far.

    ``reference`` is M3's name for it while it is open, ``number`` its final number, ``created_at`` when the source
    created its record.
    """

    head: Row
    parts: Sequence[tuple[Row, str]]
    created_at: datetime | None = None
    progress: Progress = Progress.NEW
    reference: str = ""
    number: str = ""
    refusal: RowResult | None = None
    part_numbers: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.head.key

    @property
    def digest(self) -> str:
        return digest_of([self.head.change, *(row.change for row, _ in self.parts)])

    def refuse(self, result: RowResult) -> None:
        """Takes the first refusal of any of its rows."""
        self.progress = Progress.REFUSED
        self.refusal = self.refusal or result

    def add_state(self, text: str) -> None:
        """Adds the document's state to the refusal."""
        if self.refusal:
            self.refusal = replace(self.refusal, reason=f"{self.refusal.reason}; {text}")

    def results(self, returned_fields: Mapping[str, str] | None = None) -> Iterator[RowResult]:
        """Results of all its rows; a part's id is the document's number and its own, ``0010000456|1``.

        ``returned_fields`` is what M3 returns for the document, beside its number.
        """
        head = self.head.written(self.number, created=True)
        yield replace(head, returned_fields=tuple((returned_fields or {}).items()))
        for row, _ in self.parts:
            own = self.part_numbers.get(row.key)
            yield row.written(f"{self.number}|{own}" if own else self.number)

    def refuse_for_now(self) -> None:
        """Turns the refusal into one that later runs mend by themselves."""
        if self.refusal:
            self.refusal = replace(self.refusal, passing=True)


def at(documents: Sequence[Document], progress: Progress) -> list[Document]:
    """The documents that have come this far."""
    return [document for document in documents if document.progress is progress]


def digests(documents: Sequence[Document]) -> Mapping[str, str]:
    """Digest by key."""
    return {document.key: document.digest for document in documents}


def refusals(documents: Sequence[Document]) -> list[RowResult]:
    """The refusals of the documents that are refused."""
    return [document.refusal for document in documents if document.refusal]


@dataclass(slots=True)
class DocumentSteps:
    """Sends one transaction per document or part, in bulks, and moves the documents on.

    Args:
        client: calls.
        intent_log: the intents of these documents.
        program: of all transactions.
    """

    client: InforClient
    intent_log: IntentLog
    program: str
    unanswered: PendingRows = field(default_factory=PendingRows)

    def each(
        self,
        documents: Sequence[Document],
        make: Callable[[Document], Transaction],
        done: Callable[[Document, Answer], None],
        step: str = "",
        there: Callable[[Document, Answer], None] | None = None,
    ) -> None:
        """One transaction a document; if ``step`` is given, it is recorded before each call.

        ``there`` receives the documents that M3 says exist already; without it they are refused.
        """
        sent = [make(document) for document in documents]
        for group in self.client.pack(sent):
            chosen = [documents[place] for place in group]
            if step:
                self.intent_log.begin(digests(chosen), step, {each.key: each.reference for each in chosen})
            answers = self.client.bulk(self.program, [sent[place] for place in group], repeatable=False)
            for document, answer in zip(chosen, answers, strict=True):
                if there is not None and answer.exists:
                    there(document, answer)
                else:
                    self._take(document, document.head, answer, done)

    def parts(
        self,
        documents: Sequence[Document],
        make: Callable[[Document, Row, str], Transaction],
        done: Callable[[Document, Row, Answer], None],
        begun: Collection[str] = (),
    ) -> None:
        """All parts of these documents; those of a document that was refused meanwhile are left out.

        Of the documents with these keys, parts that M3 says exist already are done.
        """
        steps = [(document, row, name) for document in documents for row, name in document.parts]
        sent = [make(*step) for step in steps]
        for group in self.client.pack(sent):
            alive = [place for place in group if steps[place][0].progress is Progress.BEGUN]
            answers = self.client.bulk(self.program, [sent[place] for place in alive], repeatable=False)
            for place, answer in zip(alive, answers, strict=True):
                document, row, _ = steps[place]
                taken = partial(_part_done, done, row)
                if answer.exists and document.key in begun:
                    taken(document, answer)
                else:
                    self._take(document, row, answer, taken)

    def _take(
        self, document: Document, row: Row, answer: Answer, done: Callable[[Document, Answer], None]
    ) -> None:
        if answer.done:
            done(document, answer)
        elif answer.state is State.REFUSED:
            document.refuse(row.answered(answer))
        else:
            document.progress = Progress.LOST
            lost = answer.state is State.UNKNOWN
            (self.unanswered.lost if lost else self.unanswered.unreached).append(document.key)


def _part_done(
    done: Callable[[Document, Row, Answer], None], row: Row, document: Document, answer: Answer
) -> None:
    done(document, row, answer)
