"""What writes the records of one kind to Brightpearl; each kind has a module of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.ports.matching import LinkedRows
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.rows import Whole
from airflow_provider_brightpearl.systems.intent_log import IntentLog, PendingRows


class Writer(ABC):
    """Writes records of one kind; ``pending`` are those whose answer is missing.

    ``linked`` is what is known of the rows that Brightpearl has already.
    """

    def __init__(
        self, client: BrightpearlClient, flow: FlowSpec, intent_log: IntentLog, linked: LinkedRows
    ) -> None:
        self.linked = linked
        self.client = client
        self.flow = flow
        self.intent_log = intent_log
        self.pending = PendingRows()

    def release_taken(self, records: Sequence[Whole]) -> None:
        """Forgets ids of earlier writes that are another record's by now: which one it is has to be looked for anew."""
        ids = {each.id for each in records if each.created}
        owners = self.linked.owners(self.flow.root, ids) if ids else {}
        for each in records:
            if each.created and owners.get(each.id, each.source_id) != each.source_id:
                each.id, each.created = "", False

    def taken(self, ids: Collection[str]) -> set[str]:
        """Those of these rows that records have already, bound or not, other than the ones that are looked for."""
        if not ids:
            return set()
        made = self.intent_log.intents.made(self.flow.flow, self.flow.root, ids)
        return made | self.linked.owners(self.flow.root, ids).keys()

    @abstractmethod
    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Results of all rows of these records, of which there are at most as many as one call reads."""

    @abstractmethod
    def min_calls(self, records: Sequence[RecordChange]) -> int:
        """The fewest calls that write these records."""
