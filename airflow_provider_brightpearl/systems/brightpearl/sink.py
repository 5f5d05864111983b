"""Brightpearl as a target: objects that a flow names, in messages of which ten make one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil

from more_itertools import chunked

from airflow_provider_brightpearl.core.changes import RecordChange, RowResult
from airflow_provider_brightpearl.core.estimate import WriteVolume
from airflow_provider_brightpearl.core.ports.matching import LinkedRows, Match, NothingLinked
from airflow_provider_brightpearl.core.ports.stores import Intents
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS, BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.contacts import ContactWriter
from airflow_provider_brightpearl.systems.brightpearl.goods_out import GoodsOutWriter
from airflow_provider_brightpearl.systems.brightpearl.invoices import InvoiceWriter
from airflow_provider_brightpearl.systems.brightpearl.match import MATCHABLE, Matcher
from airflow_provider_brightpearl.systems.brightpearl.messages import min_calls
from airflow_provider_brightpearl.systems.brightpearl.products import ProductWriter
from airflow_provider_brightpearl.systems.brightpearl.rows import Whole, whole_of
from airflow_provider_brightpearl.systems.brightpearl.sales import SaleWriter
from airflow_provider_brightpearl.systems.brightpearl.stock import StockWriter
from airflow_provider_brightpearl.systems.brightpearl.target_check import check_objects
from airflow_provider_brightpearl.systems.brightpearl.writer import Writer
from airflow_provider_brightpearl.systems.intent_log import IntentLog

_WRITERS: Mapping[str, type[Writer]] = {
    "Contact": ContactWriter,
    "SalesOrder": SaleWriter,
    "SalesCredit": SaleWriter,
    "StockCorrection": StockWriter,
    "GoodsOutNote": GoodsOutWriter,
    "OrderInvoice": InvoiceWriter,
    "Product": ProductWriter,
}


class BrightpearlSink:
    """Writes the objects of one flow to an account.

    Args:
        client: calls.
        flow: its objects are named in ``systems.brightpearl.objects``, or name one of them as their ``object``.
        intents: where writes that Brightpearl would repeat are recorded.
        run: of this task, for those intents.

    Raises:
        Misconfigured: an object or field that Brightpearl does not take.
    """

    def __init__(self, client: BrightpearlClient, flow: FlowSpec, intents: Intents, run: str = "") -> None:
        check_objects(flow)
        self.client = client
        self.flow = flow
        # replaced where there is state
        self.linked: LinkedRows = NothingLinked()
        self.intent_log = IntentLog(intents, flow.flow, flow.root, run, client.settle_seconds, client.sleep)

    @property
    def calls(self) -> int:
        return self.client.calls

    @property
    def looks(self) -> int:
        """None: Brightpearl answers with its results."""
        return 0

    def min_calls(self, records: Sequence[RecordChange]) -> int:
        return self._writer().min_calls(records)

    def estimate_write(self, volume: WriteVolume) -> int:
        bound = volume.bound.get(self.flow.root, 0)
        new = volume.rows.get(self.flow.root, 0) - bound
        return min_calls(*volume.rows.values(), new) + ceil(bound / MAX_IDS)

    def write(self, records: Sequence[RecordChange]) -> Iterator[list[RowResult]]:
        """Writes the records; results come as they are answered, refused rows as results with a reason."""
        writer = self._writer()
        for group in chunked(records, MAX_IDS):
            yield from filter(None, writer.write(group))
        writer.pending.check("brightpearl")

    @property
    def looks_for_rows(self) -> bool:
        return self.flow.target_object(self.flow.root) in MATCHABLE

    def match(self, records: Sequence[RecordChange]) -> Iterator[list[Match]]:
        """Which contacts or products of Brightpearl these records are; none of their rows is bound."""
        matcher = Matcher(
            self.client, self.flow, MATCHABLE[self.flow.target_object(self.flow.root)], self.linked
        )
        for group in chunked(records, MAX_IDS):
            wholes = [whole_of(self.flow, record) for record in group]
            rules = matcher.find(wholes)
            yield [_match(self.flow.root, each, rules.get(each.source_id, "")) for each in wholes]

    def _writer(self) -> Writer:
        return _WRITERS[self.flow.target_object(self.flow.root)](
            self.client, self.flow, self.intent_log, self.linked
        )


def _match(root: str, each: Whole, rule: str) -> Match:
    refusal = each.refusal
    if refusal is None:
        return Match(each.source_id, root, each.key, each.id, rule)
    if refusal.review:
        return Match(
            each.source_id,
            root,
            each.key,
            rule=refusal.field,
            question=refusal.reason,
            candidates=refusal.value,
        )
    field = f"{refusal.object}.{refusal.field}: " if refusal.field else ""
    return Match(each.source_id, root, each.key, refused=f"{field}{refusal.reason}")
