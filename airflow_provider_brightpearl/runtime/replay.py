"""Replays dead letters: their records are read and run anew, parents first, one of each group before the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from more_itertools import chunked, partition

from airflow_provider_brightpearl.core.desk import GroupReplay, Letter, ReplayReport
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.reports import RunSummary, run_of
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    RetryLater,
    SchemaMismatch,
    SyncError,
)
from airflow_provider_brightpearl.flow.load import load_flows
from airflow_provider_brightpearl.flow.order import in_order
from airflow_provider_brightpearl.pipeline.settle import FAILED
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.dead_letters import UNRESOLVED, WAITING, LetterState
from airflow_provider_brightpearl.stores.desk import LetterFilter, SqlDesk
from airflow_provider_brightpearl.stores.ledger import SqlLedger

# whatever the records are
_OF_SYSTEMS = (RetryLater, CredentialsRefused, SchemaMismatch)
# records of one run: its letters are found again in one question
_RECORDS = 5_000


def replay(
    environment: Environment,
    letters: Sequence[Letter],
    name: str,
    open_wiring: Callable[[str], Wiring],
    report: Callable[[str], object],
    *,
    waits: bool = False,
) -> ReplayReport:
    """Runs the records of letters anew, as the source has them now, with what people have put in their place.

    Flows come in the order of ``after:``, so that parents are written before what waits for them. Of each group one
    record goes first; where it does not go through, the group is left as it is. A letter is refused whose record was
    synced since: nothing is ever set back. What stops a flow, such as a system that does not answer, does not stop
    the others.

    A replay that goes on under the name of an earlier one tries no record again that this one has tried, and counts
    the letters that it has closed, if they are among ``letters``.

    Args:
        environment: where the flows run.
        letters: those meant.
        name: names the replay; its runs are named after it, with the group.
        open_wiring: the wiring of a flow.
        report: called with a line for each step.
        waits: whether it is to go on later where a flow is busy or a system does not answer, instead of leaving the
            letters of that flow.

    Raises:
        RetryLater: ``waits`` is on, and a flow has to wait; all that need not wait is done.
        Unavailable: the state database does not answer.
    """
    by_flow: dict[str, list[Letter]] = {}
    for each in letters:
        by_flow.setdefault(each.flow, []).append(each)
    done: list[GroupReplay] = []
    stops: list[SyncError] = []
    for flow in _in_order(environment, by_flow):
        part = _FlowReplay(environment, by_flow[flow], name, open_wiring, report)
        done += part.run()
        stops += [part.stop] if part.stop else []
    if waits and (waiting := next((each for each in stops if isinstance(each, RetryLater)), None)):
        raise waiting
    return ReplayReport(tuple(done))


def _in_order(environment: Environment, flows: Iterable[str]) -> list[str]:
    """The flows, each after those that it comes ``after``."""
    order = {flow: place for place, flow in enumerate(in_order(load_flows(environment.mappings)[0]))}
    # a flow whose file is gone or wrong says so when its turn comes
    return sorted(flows, key=lambda flow: (order.get(flow, len(order)), flow))


@dataclass(slots=True)
class _FlowReplay:
    """The replay of the letters of one flow; ``stop`` is what ended it before its time."""

    environment: Environment
    letters: Sequence[Letter]
    name: str
    open_wiring: Callable[[str], Wiring]
    report: Callable[[str], object]
    wiring: Wiring = field(init=False)
    stop: SyncError | None = None

    def run(self) -> Iterator[GroupReplay]:
        flow = self.letters[0].flow
        try:
            self.wiring = self.open_wiring(flow)
            pair = self.wiring.pair
        except SyncError as error:
            self.stop = error
            pair = ""
        for group in _groups(self.letters):
            yield self._group(group, pair)

    def _group(self, group: Sequence[Letter], pair: str) -> GroupReplay:
        first = group[0]
        now = self._current(group)
        gone = len(group) - len(now)
        if self.stop:
            return self._outcome(group, gone, f"not tried: {_first_line(self.stop)}")
        if first.pair != pair:
            return self._outcome(
                group, gone, f"it is between other instances, {first.pair}: pass their connections"
            )
        untried, again = partition(lambda each: each.run.startswith(f"{self.name}."), now)
        ready, reasons = self._ready(list(untried))
        if tried := list(again):
            reasons.append(f"{counted(len(tried), 'record')} did not go through: {tried[0].reason}")
        closed, problem = self._canary_first(group, ready)
        reasons += [problem] if problem else []
        return self._outcome(group, gone + closed, "; ".join(reasons))

    def _outcome(self, group: Sequence[Letter], closed: int, note: str) -> GroupReplay:
        first = group[0]
        done = GroupReplay(
            first.flow, first.group, first.cause, len(group), closed, len(group) - closed, note
        )
        went = f"{closed:,} of {counted(len(group), 'letter')} closed"
        self.report(f"{first.flow} {first.group}: {went}{f'; {note}' if note else ''}")
        return done

    def _current(self, group: Sequence[Letter]) -> list[Letter]:
        """The letters as they are now: runs beside this one may have closed some, people discarded others."""
        desk = SqlDesk(self.environment.state())
        found: list[Letter] = []
        for some in chunked(group, _RECORDS):
            ids = tuple(each.source_id for each in some)
            found += desk.letters(LetterFilter(some[0].flow, some[0].pair, UNRESOLVED, ids))
        # a discarded letter is replayed only where it was chosen as one
        meant = {each.source_id for each in group if each.state == LetterState.DISCARDED.value}
        found = [each for each in found if each.state in WAITING or each.source_id in meant]
        return sorted(found, key=lambda each: each.source_id)

    def _ready(self, letters: Sequence[Letter]) -> tuple[list[Letter], list[str]]:
        """Those that can be replayed, and why the others cannot."""
        reasons: list[str] = []
        outdated = self._synced_since(letters)
        if outdated:
            named = ", ".join(outdated[:5]) + (" …" if len(outdated) > 5 else "")
            reasons.append(
                f"refused, as the record was synced since the letter was kept: {named}; discard them, or run the ids"
            )
        parentless = self._parentless(letters)
        if parentless:
            reasons.append(
                f"{counted(len(parentless), 'record')} still waiting: the parent is not in the target"
            )
        aside = {*outdated, *parentless}
        return [each for each in letters if each.source_id not in aside], reasons

    def _synced_since(self, letters: Sequence[Letter]) -> list[str]:
        """The records whose rows were read later than their letters were kept."""
        # of one to be tried again, either reading may be the newer one
        seen = {each.source_id: each.last_seen for each in letters if each.state != LetterState.RETRY.value}
        bound = self.wiring.crosswalk.of_records(self.wiring.flow.flow, sorted(seen))
        return sorted(
            {each.source_id for each in bound if each.read_at and each.read_at > seen[each.source_id]}
        )

    def _parentless(self, letters: Sequence[Letter]) -> list[str]:
        """The parked records whose parent is not bound."""
        parked = [
            (each.source_id, each.waits_for)
            for each in letters
            if each.waits_for and each.state == LetterState.PARKED.value
        ]
        bound: set[tuple[str, str, str]] = set()
        for flow, name in {(waits[0], waits[1]) for _, waits in parked}:
            keys = {waits[2] for _, waits in parked if waits[:2] == (flow, name)}
            found = {
                *self.wiring.crosswalk.resolve(flow, name, keys),
                *self.wiring.crosswalk.keys_of(flow, name, keys),
            }
            bound |= {(flow, name, key) for key in found}
        return [source_id for source_id, waits in parked if waits not in bound]

    def _canary_first(self, group: Sequence[Letter], ready: Sequence[Letter]) -> tuple[int, str]:
        """How many went through, and why others did not: the first one alone, then all if that went through."""
        if not ready:
            return 0, ""
        canary, closed = f"{self.name}.{group[0].group}", 0
        if self._ended(canary) is None:
            closed, problem = self._run(canary, ready[:1])
            if not closed:
                return 0, self._left(canary, problem, ready[0].source_id, len(ready) - 1)
            ready = ready[1:]
        elif not any(run_of(each.closed_run) == canary for each in group):
            return 0, self._left(canary, "", "one record", len(ready))
        for some in chunked(ready, _RECORDS):
            went, problem = self._run(f"{canary}.{self.environment.now():%Y%m%dT%H%M%S.%f}", some)
            closed += went
            if problem:
                return closed, problem
        return closed, ""

    def _left(self, canary: str, problem: str, first: str, others: int) -> str:
        ended = self._ended(canary)
        why = problem or (ended.reasons[0][0] if ended and ended.reasons else "")
        rest = f"; the other {others:,} were left as they are" if others else ""
        return f"{first} was tried first and did not go through: {why}{rest}"

    def _ended(self, run: str) -> RunSummary | None:
        """The row of a run that came to its end, whatever that was."""
        found = SqlLedger(self.environment.state()).find(self.wiring.flow.flow, run)
        return None if found is None or found.state == FAILED else found

    def _run(self, name: str, letters: Sequence[Letter]) -> tuple[int, str]:
        """How many letters a run of their records has closed, and what kept it from its end."""
        flow, ids, problem = self.wiring.flow.flow, tuple(each.source_id for each in letters), ""
        # those stay as they are, with who and why, unless their records go through
        discarded = [each.source_id for each in letters if each.state == LetterState.DISCARDED.value]
        try:
            run_flow(self.wiring, Request(RunKind.MANUAL, ids=ids), name, discarded)
        except SyncError as error:
            problem = _first_line(error)
            if isinstance(error, _OF_SYSTEMS):
                self.stop = error
        left = LetterFilter(flow, letters[0].pair, UNRESOLVED, ids)
        return len(ids) - len(list(SqlDesk(self.environment.state()).letters(left))), problem


def _first_line(error: SyncError) -> str:
    return str(error).partition("\n")[0]


def _groups(letters: Iterable[Letter]) -> list[list[Letter]]:
    """The letters by group, parked ones last: their parents may be in the groups before."""
    groups: dict[str, list[Letter]] = {}
    for each in letters:
        groups.setdefault(each.group, []).append(each)
    return sorted(groups.values(), key=lambda group: (bool(group[0].waits_for), group[0].group))
