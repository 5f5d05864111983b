"""GL batches that an earlier try has begun: those that are carried on, and those that are left behind in GLS840.

M3 neither lists nor deletes the lines of a batch. A batch of which only the head was sent is empty, and one whose
lines are sent again takes the missing ones, as M3 refuses a line number that it has. That is proved for each batch
before it counts: its first line, sent twice, has to be refused once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from airflow_provider_brightpearl.core.ports.stores import Intent
from airflow_provider_brightpearl.systems.infor.client import Answer, State
from airflow_provider_brightpearl.systems.infor.documents import Document, Progress
from airflow_provider_brightpearl.systems.infor.rows import Row
from airflow_provider_brightpearl.systems.intent_log import IntentLog

# how far a batch had come when its answer was lost; SPOILED has lines that nobody can tell apart
HEAD, LINES, SPOILED = "head", "lines", "spoiled"


@dataclass(slots=True)
class BegunBatches:
    """The batches of earlier tries of the journals that are written now.

    Args:
        intent_log: what is known of them.
        steps: how far each that is carried on had come, by the journal's key.
        abandoned: keys of batches that stay in GLS840, as a journal takes a new one.
    """

    intent_log: IntentLog
    steps: dict[str, str] = field(default_factory=dict)
    abandoned: list[str] = field(default_factory=list)

    def take(self, journal: Document, intent: Intent) -> bool:
        """Whether a journal carries on the batch that it has begun; if not, that one is left behind."""
        empty = intent.step == HEAD
        if intent.reference and (empty or (intent.step == LINES and intent.digest == journal.digest)):
            journal.reference = intent.reference
            self.steps[journal.key] = intent.step
            return True
        if intent.reference:
            self.abandoned.append(intent.reference)
        return False

    def headed(self, journals: Iterable[Document]) -> list[Document]:
        """Those whose head M3 has confirmed before: only lines are missing."""
        return [each for each in journals if self.steps.get(each.key) == LINES]

    def first_line(self, journal: Document, answer: Answer) -> None:
        """Takes M3's answer to the first line of a batch that is carried on, before all of them are sent."""
        row, was_empty = journal.parts[0][0], self.steps[journal.key] == HEAD
        if answer.exists and was_empty:
            self.steps[journal.key] = SPOILED
            journal.refuse(
                row.refused(f"batch {journal.reference} has lines that this flow has not sent", "KEY1")
            )
            journal.refuse_for_now()
        elif answer.state is State.REFUSED and not answer.exists:
            journal.refuse(row.answered(answer))
        elif not answer.done and not answer.exists:
            journal.progress = Progress.LOST

    def line(self, journal: Document, row: Row, answer: Answer) -> None:
        """Takes M3's answer to any line: a first line that it takes once more spoils the batch."""
        if answer.done and journal.key in self.steps and row is journal.parts[0][0]:
            self.steps[journal.key] = SPOILED
            journal.refuse(row.refused(f"M3 took line 1 of batch {journal.reference} twice"))
            journal.refuse_for_now()

    def leave(self) -> None:
        """Records what is left behind, for the list of what a person has to remove."""
        reason = "batch {} is left in GLS840 and not posted: delete it there"
        self.intent_log.leave({key: reason.format(key) for key in self.abandoned})
        self.abandoned.clear()
