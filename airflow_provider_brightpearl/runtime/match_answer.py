"""Records what a person says a record is: a row that the target has already, or none of them."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_brightpearl.core.ports.stores import PERSON, MatchAnswer
from airflow_provider_brightpearl.core.reports import attempt_of
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.mapping.mapped import MappedRow, read_mapped
from airflow_provider_brightpearl.runtime.lease import writing_alone
from airflow_provider_brightpearl.runtime.state_guard import current_state
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.systems import registry


@dataclass(frozen=True, slots=True)
class Answered:
    """What was recorded: the record, its object, and the row of the target, empty where it is a new one."""

    flow: str
    source_id: str
    object: str
    key: str
    target_id: str
    author: str


def answer_match(wiring: Wiring, source_id: str, target_id: str, author: str) -> Answered:
    """Records which row of the target a record is, so that the next run goes on with it.

    Args:
        wiring: the flow.
        source_id: the record, which is read and mapped now.
        target_id: the row's id in the target; empty: none that is there, it is a new one.
        author: the person who says so. An earlier answer is taken back where the target no longer has its row.

    Raises:
        Misconfigured: there is no such record or row, or one of them is linked already; nothing is recorded.
        FlowBusy: a run of the flow is writing.
        SyncError: a system or the state database does not answer.
    """
    flow = wiring.flow
    _check_object(wiring)
    wiring.ledger.check()
    current_state(wiring.ledger, wiring.environment)
    wiring.adopt_state_now()
    row = _mapped_now(wiring, source_id)
    gone = _gone_row(wiring, row)
    if target_id:
        _check_row(wiring, row, target_id)
    answer = MatchAnswer(flow.flow, row.object, row.key, row.source_id, target_id, author)
    holder = attempt_of(f"{PERSON}__{author}", wiring.environment.now())
    with writing_alone(wiring, holder, "answer", ends=True):
        if gone:
            _take_back(wiring, row, gone)
        kept = wiring.match_answers.keep(answer)
    if not kept:
        raise Misconfigured(
            f"record {source_id} of {flow.flow} was linked meanwhile; there is nothing to answer"
        )
    return Answered(flow.flow, row.source_id, row.object, row.key, target_id, author)


def _check_object(wiring: Wiring) -> None:
    flow = wiring.flow
    able = registry.find_system(flow.target).match_objects
    if flow.target_object(flow.root) not in able:
        known = f"; such are {' and '.join(able)}" if able else ", by the external id of key: set that there"
        raise Misconfigured(
            f"{flow.flow}: {flow.target} finds each {flow.root} by its key, so there is nothing to answer{known}"
        )


def _mapped_now(wiring: Wiring, source_id: str) -> MappedRow:
    """The first row of a record as the flow would write it now."""
    flow = wiring.flow
    found = dict(wiring.source().read_ids([source_id])).get(source_id)
    if not isinstance(found, bytes):
        reason = f": {found.reason}" if found else ""
        raise Misconfigured(f"{flow.source} has no record {source_id}{reason}")
    with wiring.mapped_now([found]) as (result, mapped):
        for _, rejection in result.rejections:
            raise Misconfigured(
                f"record {source_id} cannot be mapped: {rejection.reason}; correct that first"
            )
        for row in read_mapped(mapped / f"{flow.root}.parquet", flow.root):
            return row
    raise Misconfigured(f"{flow.flow} leaves record {source_id} out (where: of {flow.root})")


def _gone_row(wiring: Wiring, row: MappedRow) -> str:
    """The row that the record is linked to and that the target no longer has; empty where it is linked to none."""
    flow, linked = wiring.flow, wiring.linked_rows()
    found = linked.rows_of(row.object, [row.source_id]).get(row.source_id, "")
    if not found:
        return ""
    place = f"record {row.source_id} of {flow.flow} is {row.object} {found} of {flow.target}"
    if found in wiring.target().existing_ids(row.object, [found]):
        raise Misconfigured(f"{place}: nothing to answer")
    bound = wiring.crosswalk.of_records(flow.flow, [row.source_id])
    unwritten = any(each.answered and each.object == row.object for each in bound)
    if linked.linking and not unwritten:
        # both flows know it by this id, as does the source
        raise Misconfigured(
            f"{place}, which was deleted there: nothing to answer, as {linked.linking.flow.flow} shares it; "
            "restore it, or delete the record too"
        )
    return found


def _take_back(wiring: Wiring, row: MappedRow, gone: str) -> None:
    """Unbinds the record, and the link to a row that is gone, so that another answer can take their place."""
    flow, linked = wiring.flow, wiring.linked_rows()
    kept = []
    if linking := linked.linking:
        kept += linking.crosswalk.unbind(linking.crosswalk.of_records(linking.flow.flow, [gone]))
    kept += wiring.crosswalk.unbind(wiring.crosswalk.of_records(flow.flow, [row.source_id]))
    if kept:
        raise Misconfigured(
            f"record {row.source_id} of {flow.flow} is being written by a run; answer again once it has ended"
        )


def _check_row(wiring: Wiring, row: MappedRow, target_id: str) -> None:
    flow, place = wiring.flow, f"{row.object} {target_id}"
    if target_id not in wiring.target().existing_ids(row.object, [target_id]):
        raise Misconfigured(f"{flow.target} has no {place}")
    owner = wiring.linked_rows().owners(row.object, [target_id]).get(target_id)
    if owner:
        raise Misconfigured(
            f"{place} of {flow.target} is that of record {owner}: two records cannot be one row; merge them in "
            f"{flow.source_system}, or answer --new"
        )
