"""The dead-letter desk: what waits and why, what answers it, and what a person decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from airflow_provider_brightpearl.core.desk import Letter, LetterGroup
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.core.records import add_money
from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.load import load_flows
from airflow_provider_brightpearl.runtime.environment import Environment
from airflow_provider_brightpearl.runtime.run_summary import amount_text
from airflow_provider_brightpearl.stores.dead_letters import UNRESOLVED, WAITING, LetterState
from airflow_provider_brightpearl.stores.desk import LetterFilter, SqlDesk

_VALUES = 5
_ALL = tuple(state.value for state in LetterState)


def find_letters(environment: Environment, wanted: LetterFilter, cause: str = "") -> list[Letter]:
    """The letters meant, by flow, the latest first.

    Args:
        environment: where the flows run.
        wanted: which ones.
        cause: only those of this group (its id), or whose cause holds this text.

    Raises:
        Misconfigured: there is no such flow.
        Unavailable: the state database does not answer.
    """
    desk = SqlDesk(environment.state())
    found = [each for each in desk.letters(wanted) if _has_cause(each, cause)]
    if wanted.flow and not found:
        _check_flow(environment, desk, wanted.flow)
    return found


def _has_cause(letter: Letter, cause: str) -> bool:
    return not cause or cause == letter.group or cause.casefold() in letter.cause.casefold()


def _check_flow(environment: Environment, desk: SqlDesk, flow: str) -> None:
    known = {each.flow for each in load_flows(environment.mappings)[0]} | desk.flows()
    if flow not in known:
        raise Misconfigured(f"there is no flow {flow!r}{did_you_mean(flow, known)}")


def group_letters(letters: Iterable[Letter]) -> list[LetterGroup]:
    """The letters by cause, the most of them first."""
    groups: dict[str, _Group] = {}
    for each in letters:
        groups.setdefault(each.group, _Group(each)).add(each)
    found = [group.view() for group in groups.values()]
    return sorted(found, key=lambda each: (-each.count, each.flow, each.id))


@dataclass(slots=True)
class _Group:
    """The letters of one cause, added up."""

    latest: Letter
    count: int = 0
    first_seen: datetime | None = None
    states: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    amounts: dict[str, Decimal] = field(default_factory=dict)

    def add(self, letter: Letter) -> None:
        self.count += 1
        self.states[letter.state] += 1
        value = letter.waits_for[2] if letter.waits_for else letter.value
        if value:
            self.values[value] += 1
        if letter.amount is not None:
            self.amounts = add_money([self.amounts, {letter.currency: letter.amount}])
        self.first_seen = min(self.first_seen or letter.first_seen, letter.first_seen)
        if letter.last_seen > self.latest.last_seen:
            self.latest = letter

    def view(self) -> LetterGroup:
        latest = self.latest
        return LetterGroup(
            latest.group, latest.pair, latest.flow, latest.stage, latest.object, latest.field, latest.cause,
            self.count, dict(self.states), self.amounts, dict(self.values.most_common(_VALUES)),
            self.first_seen or latest.first_seen, latest.last_seen, latest.id,
        )  # fmt: skip


def find_letter(environment: Environment, given: str, pair: str = "") -> Letter:
    """The letter of an id such as ``orders_to_salesforce:100001``, or of a record's id where one flow has it.

    Raises:
        Misconfigured: there is none, or there are several; the message names them.
        Unavailable: the state database does not answer.
    """
    return _one(environment, given, pair, _ALL)


def _one(environment: Environment, given: str, pair: str, states: tuple[str, ...]) -> Letter:
    desk = SqlDesk(environment.state())
    flow, colon, source_id = given.partition(":")
    found: list[Letter] = []
    if colon:
        found = list(desk.letters(LetterFilter(flow, pair, states, (source_id,))))
    if not found:
        found = list(desk.letters(LetterFilter("", pair, states, (given,))))
    if not found:
        raise Misconfigured(
            f"there is no dead letter {given!r}; `brightpearl dead-letters list --all` lists those that wait, and "
            "`brightpearl trace` shows what became of a record"
        )
    if len({each.flow for each in found}) > 1:
        raise Misconfigured(
            f"several flows have a dead letter of {given!r}: name one, such as {', '.join(each.id for each in found)}"
        )
    if len(found) > 1:
        pairs = ", ".join(each.pair for each in found)
        raise Misconfigured(
            f"{given!r} has a dead letter between several instances: pass --pair with one of {pairs}"
        )
    return found[0]


def chosen_letters(
    environment: Environment,
    ids: Sequence[str] = (),
    group: str = "",
    flow: str = "",
    pair: str = "",
    states: tuple[str, ...] = WAITING,
    closed_since: datetime | None = None,
) -> list[Letter]:
    """The letters that a person means by ids, a group or a flow, in the states that the work is for.

    With ``closed_since`` (aware), also those that were resolved at or after that instant.

    Raises:
        Misconfigured: an id or group names nothing; or a letter that is closed.
        Unavailable: the state database does not answer.
    """
    if ids:
        found = [_one(environment, each, pair, _ALL) for each in dict.fromkeys(ids)]
        for each in found:
            lately = closed_since and each.closed_at and each.closed_at >= closed_since
            if each.state not in states and not lately:
                by = f" ({each.closed_run})" if each.closed_run else ""
                raise Misconfigured(f"{each.id} is {each.state}{by}: there is nothing to do")
        return found
    letters = find_letters(environment, LetterFilter(flow, pair, states, closed_since=closed_since), group)
    letters = [each for each in letters if not group or each.group == group]
    if group and not letters:
        raise Misconfigured(
            f"there is no group {group!r} of letters that wait; `brightpearl dead-letters list` shows the groups"
        )
    return letters


def summary_line(letters: Sequence[Letter], groups: Sequence[LetterGroup]) -> str:
    """How many letters there are, in how many groups, and what they are worth."""
    totals = add_money(each.amounts for each in groups)
    worth = ", ".join(
        f"{amount_text(amount)} {currency}".strip() for currency, amount in sorted(totals.items())
    )
    counts = f"{counted(len(letters), 'letter')} in {counted(len(groups), 'group')}"
    return f"{counts}, {worth}" if worth else counts


def letters_to_replay(
    environment: Environment,
    ids: Sequence[str] = (),
    group: str = "",
    flow: str = "",
    pair: str = "",
    begun: datetime | None = None,
) -> list[Letter]:
    """The letters that wait, all or as chosen; with ``ids`` also discarded ones. Raises as ``chosen_letters`` does.

    Of a replay that goes on since ``begun`` (aware), also those that have been resolved meanwhile, and none that a
    person has discarded meanwhile.
    """
    states = UNRESOLVED if ids else WAITING
    found = chosen_letters(environment, ids, group, flow, pair, states, begun)
    return [each for each in found if not (begun and _is_discarded_since(each, begun))]


def _is_discarded_since(letter: Letter, begun: datetime) -> bool:
    discarded = letter.state == LetterState.DISCARDED.value
    return discarded and letter.closed_at is not None and letter.closed_at >= begun
