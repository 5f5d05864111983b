"""Replays dead letters: their records are read and run anew, parents first, one of each group before the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from graphlib import CycleError, TopologicalSorter

from more_itertools import chunked

from airflow_provider_brightpearl.core.desk import GroupReplay, Letter, ReplayReport
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.window import Request, RunKind
from airflow_provider_brightpearl.errors import (
    CredentialsRefused,
    Misconfigured,
    RetryLater,
    SchemaMismatch,
    SyncError,
)
from airflow_provider_brightpearl.flow.load import load_flows
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.run import run_flow
from airflow_provider_brightpearl.runtime.wiring import Wiring
from airflow_provider_brightpearl.stores.dead_letters import UNRESOLVED, WAITING, LetterState
from airflow_provider_brightpearl.stores.desk import LetterFilter, SqlDesk

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
) -> ReplayReport:
    """Runs the records of letters anew, as the source has them now, with what people have put in their place.

    Flows come in the order of ``after:``, so that parents are written before what waits for them. Of each group one
    record goes first; where it does not go through, the group is left as it is. A letter is refused whose record was
    synced since: nothing is ever set back. What stops a flow, such as a system that does not answer, does not stop
    the others.

    Args:
        environment: where the flows run.
        letters: those meant.
        name: names the runs, with a number each.
        open_wiring: the wiring of a flow.
        report: called with a line for each step.

    Raises:
        Unavailable: the state database does not answer.
    """
    by_flow: dict[str, list[Letter]] = {}
    for each in letters:
        by_flow.setdefault(each.flow, []).append(each)
    names = (f"{name}.{number}" for number in range(1, len(letters) * 2 + 1))
    done: list[GroupReplay] = []
    for flow in _in_order(environment, by_flow):
        done += _FlowReplay(environment, by_flow[flow], names, open_wiring, report).run()
    return ReplayReport(tuple(done))


def _in_order(environment: Environment, flows: Iterable[str]) -> list[str]:
    """The flows, each after those that it comes ``after``."""
    wanted = set(flows)
    after: dict[str, Iterable[str]] = {spec.flow: spec.after for spec in load_flows(environment.mappings)[0]}
    try:
        order = list(TopologicalSorter({**{flow: () for flow in sorted(wanted)}, **after}).static_order())
    except CycleError as error:
        raise Misconfigured(f"after: flows come after each other: {', '.join(error.args[1])}") from error
    return [flow for flow in order if flow in wanted]


@dataclass(slots=True)
class _FlowReplay:
    """The replay of the letters of one flow."""

    environment: Environment
    letters: Sequence[Letter]
    names: Iterator[str]
    open_wiring: Callable[[str], Wiring]
    report: Callable[[str], object]
    wiring: Wiring = field(init=False)
    stopped: str = ""

    def run(self) -> Iterator[GroupReplay]:
        flow = self.letters[0].flow
        try:
            self.wiring = self.open_wiring(flow)
            pair = self.wiring.pair
        except SyncError as error:
            self.stopped = str(error)
            pair = ""
        for group in _groups(self.letters):
            yield self._group(group, pair)

    def _group(self, group: Sequence[Letter], pair: str) -> GroupReplay:
        first = group[0]
        if not self.stopped and first.pair != pair:
            return self._outcome(
                group, 0, f"it is between other instances, {first.pair}: pass their connections"
            )
        if self.stopped:
            return self._outcome(group, 0, f"not tried: {self.stopped}")
        now = self._current(group)
        gone = len(group) - len(now)
        ready, reasons = self._ready(now)
        closed, problem = self._canary_first(ready)
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

    def _canary_first(self, ready: Sequence[Letter]) -> tuple[int, str]:
        """How many went through, and why others did not: the first one alone, then all if that went through."""
        if not ready:
            return 0, ""
        closed, problem = self._run(ready[:1])
        if not closed:
            why = problem or self._reason(ready[0])
            rest = f"; the other {len(ready) - 1:,} were left as they are" if len(ready) > 1 else ""
            return 0, f"{ready[0].source_id} was tried first and did not go through: {why}{rest}"
        for some in chunked(ready[1:], _RECORDS):
            went, problem = self._run(some)
            closed += went
            if problem:
                return closed, problem
        return closed, ""

    def _run(self, letters: Sequence[Letter]) -> tuple[int, str]:
        """How many letters a run of their records has closed, and what kept it from its end."""
        flow, ids, problem = self.wiring.flow.flow, tuple(each.source_id for each in letters), ""
        again = partial(SqlDesk(self.environment.state()).reopen, letters, self.environment.now())
        try:
            # a run that has to wait or cannot read leaves discarded letters as they are, with who and why
            run_flow(self.wiring, Request(RunKind.MANUAL, ids=ids), next(self.names), again)
        except _OF_SYSTEMS as error:
            problem = self.stopped = str(error).partition("\n")[0]
        except SyncError as error:
            problem = str(error).partition("\n")[0]
        left = LetterFilter(flow, letters[0].pair, UNRESOLVED, ids)
        return len(ids) - len(list(SqlDesk(self.environment.state()).letters(left))), problem

    def _reason(self, letter: Letter) -> str:
        wanted = LetterFilter(letter.flow, letter.pair, UNRESOLVED, (letter.source_id,))
        return next((each.reason for each in SqlDesk(self.environment.state()).letters(wanted)), "")


def _groups(letters: Iterable[Letter]) -> list[list[Letter]]:
    """The letters by group, parked ones last: their parents may be in the groups before."""
    groups: dict[str, list[Letter]] = {}
    for each in letters:
        groups.setdefault(each.group, []).append(each)
    return sorted(groups.values(), key=lambda group: (bool(group[0].waits_for), group[0].group))
