"""``brightpearl dead-letters``: the records that did not go through, and what a person does about them."""

from __future__ import annotations

from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import (
    Json,
    ResultCommand,
    instant_text,
    past_instant,
    print_json,
    say,
    show,
)
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.core.desk import Letter, LetterDetail, LetterGroup, OverrideView
    from airflow_provider_brightpearl.runtime.environment import Environment
    from airflow_provider_brightpearl.stores.desk import LetterFilter

dead_letters = typer.Typer(no_args_is_help=True, help="Records that did not go through: why, and what to do.")

Flow = Annotated[str, typer.Option(help="Only those of this flow.")]
State = Annotated[
    list[str] | None, typer.Option("--state", help="Only in this state; may be given several times.")
]
Cause = Annotated[str, typer.Option(help="Only of this group, or with this text in their cause.")]
Since = Annotated[str, typer.Option(help="Only those tried since this instant, or for so long, such as 2d.")]
Pair = Annotated[str, typer.Option(help="Only between these instances, as --json shows them.")]
Author = Annotated[str, typer.Option("--by", help="Who decides; you if left out.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the letter.")]
Ids = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ID]...", help="Letters, such as orders_to_salesforce:100001, or ids of records."
    ),
]
Group = Annotated[str, typer.Option(help="All letters of this group.")]

_SHOWN = 100


def environment() -> Environment:
    """This Airflow as the place where flows run."""
    from airflow_provider_brightpearl.environment import airflow_environment

    return airflow_environment(settings.mappings_folder(Path.cwd()))


def filter_of(flow: str, states: list[str] | None, since: str, pair: str) -> LetterFilter:
    """Which letters the options mean."""
    from airflow_provider_brightpearl.core.suggest import did_you_mean
    from airflow_provider_brightpearl.stores.dead_letters import LetterState
    from airflow_provider_brightpearl.stores.desk import LetterFilter

    known = [state.value for state in LetterState]
    for each in states or ():
        if each not in known:
            raise Misconfigured(
                f"--state: {each!r} is not a state{did_you_mean(each, known)}; there are {', '.join(known)}"
            )
    return LetterFilter(flow, pair, tuple(states or ()), since=past_instant("--since", since))


@dead_letters.command("list", cls=ResultCommand)
def list_letters(
    flow: Flow = "",
    state: State = None,
    cause: Cause = "",
    since: Since = "",
    pair: Pair = "",
    each_letter: Annotated[bool, typer.Option("--all", help="Every letter instead of groups.")] = False,
    as_json: Json = False,
) -> None:
    """Show what waits, by cause, with amounts; without options, all that waits. Asks no system."""
    from airflow_provider_brightpearl.runtime.desk import find_letters, group_letters, summary_line

    letters = find_letters(environment(), filter_of(flow, state, since, pair), cause)
    groups = group_letters(letters)
    if as_json:
        print_json([letter_json(each) for each in letters] if each_letter else groups)
        return
    if not letters:
        say("no dead letters" if flow or state or cause or since or pair else "no dead letters wait")
        return
    (_show_letters(letters) if each_letter else _show_groups(groups))
    say(summary_line(letters, groups))
    if not each_letter:
        say("`brightpearl dead-letters show ID` says what answers one; replay and discard take --group")


def letter_json(letter: Letter) -> dict[str, Any]:
    """A letter with its id and group."""
    import msgspec

    return {"id": letter.id, "group": letter.group, **msgspec.structs.asdict(letter)}


def _show_groups(groups: list[LetterGroup]) -> None:
    from airflow_provider_brightpearl.runtime.run_summary import amount_text

    table = Table("Group", "Letters", "Amount", "Flow, stage", "Cause", "Seen (UTC)", "Example")
    table.columns[1].justify = table.columns[2].justify = "right"
    for each in groups:
        # texts of other systems are no markup
        values = ", ".join(f"{value} ({count:,})" for value, count in each.values.items())
        place = ".".join(filter(None, (each.object, each.field)))
        table.add_row(
            each.id,
            "\n".join((f"{each.count:,}", *(f"{count:,} {state}" for state, count in each.states.items()))),
            "\n".join(
                f"{amount_text(amount)} {currency}" for currency, amount in sorted(each.amounts.items())
            ),
            "\n".join(filter(None, (each.flow, each.stage, place))),
            Text("\n".join(filter(None, (each.cause, values)))),
            f"{instant_text(each.first_seen)}\n{instant_text(each.last_seen)}",
            Text(each.example.partition(":")[2]),
        )
    show(table)


def _show_letters(letters: list[Letter]) -> None:
    from airflow_provider_brightpearl.runtime.run_summary import amount_text

    table = Table("Letter", "State", "Amount", "Stage, field", "Reason", "Last tried (UTC)", "Group")
    table.columns[2].justify = "right"
    for each in letters[:_SHOWN]:
        place = ".".join(filter(None, (each.object, each.field)))
        table.add_row(
            Text(each.id),
            each.state,
            "" if each.amount is None else f"{amount_text(each.amount)} {each.currency}",
            "\n".join(filter(None, (each.stage, place))),
            Text(each.reason),
            instant_text(each.last_seen),
            each.group,
        )
    show(table)
    if len(letters) > _SHOWN:
        say(f"the first {_SHOWN} are shown; --json and `brightpearl dead-letters export` have all")


@dead_letters.command("show", cls=ResultCommand)
def show_letter(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="A letter, or the id of its record.")],
    pair: Pair = "",
    as_json: Json = False,
) -> None:
    """Show a letter: its record, reason and history, what it waits for, and the commands that answer it."""
    from airflow_provider_brightpearl.runtime.desk import find_letter
    from airflow_provider_brightpearl.runtime.desk_detail import show_letter as detail_of

    where = environment()
    found = detail_of(where, find_letter(where, letter_id, pair))
    if as_json:
        print_json(found)
        return
    _show_detail(found)


def _show_detail(found: LetterDetail) -> None:
    import msgspec

    from airflow_provider_brightpearl.runtime.run_summary import amount_text

    letter = found.letter
    amount = "" if letter.amount is None else f", {amount_text(letter.amount)} {letter.currency}"
    say(f"{letter.id}  {letter.pair}")
    say(
        f"{letter.state} since {instant_text(letter.first_seen)}, {counted(letter.attempts, 'attempt')}{amount}"
    )
    say(f"{letter.stage} {'.'.join(filter(None, (letter.object, letter.field)))}: {letter.reason}")
    if letter.author:
        say(f"set aside by {letter.author}: {letter.note}")
    same = (
        "the same as now" if letter.mapping_version == found.version else f"now {found.version or 'unknown'}"
    )
    say(f"run {letter.run}, mapping version {letter.mapping_version} ({same})")
    payload = found.payload if isinstance(found.payload, str) else None
    say(
        payload
        if payload is not None
        else msgspec.json.format(msgspec.json.encode(found.payload), indent=2).decode()
    )
    for each in found.overrides:
        show_override(each)
    if found.steps:
        table = Table("Time (UTC)", "Run", "Step", "Details")
        for step in found.steps:
            table.add_row(instant_text(step.at), Text(step.run), step.what, Text(step.text))
        show(table)
    say(f"by itself: {found.next}")
    for command, does in found.commands.items():
        say(f"  {command}    # {does}")


def show_override(made: OverrideView) -> None:
    """What an override does, who made it and why, and whether it counts."""
    import msgspec

    ended = f"; ended {instant_text(made.ended_at)}: {made.ended}" if made.ended_at else ""
    say(f"overridden {instant_text(made.at)} by {made.author}: {made.note}{ended}")
    for each in made.changes:
        before, after = (msgspec.json.encode(value).decode() for value in (each.before, each.after))
        say(f"  {each.place}: {before} -> {after}")


@dead_letters.command(cls=ResultCommand)
def discard(
    ids: Ids = None,
    group: Group = "",
    reason: Reason = "",
    author: Author = "",
    pair: Pair = "",
    as_json: Json = False,
) -> None:
    """Set letters aside, with a reason; they stay so until their record changes and fails again."""
    from airflow_provider_brightpearl.runtime.desk import chosen_letters
    from airflow_provider_brightpearl.runtime.desk_decisions import discard_letters

    if bool(ids) == bool(group):
        raise Misconfigured("name the letters, or pass --group")
    where = environment()
    letters = chosen_letters(where, ids or (), group, pair=pair)
    done = discard_letters(where, letters, author or getuser(), reason)
    if as_json:
        print_json({"discarded": [each.id for each in done]})
        return
    say(f"{counted(len(done), 'letter')} set aside; the history of each record says who and why")


@dead_letters.command(cls=ResultCommand)
def override(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="A letter, or the id of its record.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", help="PLACE=VALUE, such as parties.delivery.telephone='+44 1225 000000'."),
    ] = None,
    patch: Annotated[str, typer.Option(help="A JSON merge patch of the record instead.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="End the override that counts.")] = False,
    reason: Reason = "",
    author: Author = "",
    pair: Pair = "",
    as_json: Json = False,
) -> None:
    """Put values in the place of a record's own, for every run, until the record changes in its source."""
    from airflow_provider_brightpearl.runtime.desk import find_letter
    from airflow_provider_brightpearl.runtime.desk_decisions import (
        override_letter,
        patch_from,
        patch_of_json,
        withdraw_override,
    )

    if [bool(assignments), bool(patch), withdraw].count(True) != 1:
        raise Misconfigured("pass one of --set PLACE=VALUE, --patch JSON and --withdraw")
    where, by = environment(), author or getuser()
    letter = find_letter(where, letter_id, pair)
    if withdraw:
        ended = withdraw_override(where, letter, by, reason)
        _answer({"withdrawn": ended}, as_json, "the override has ended" if ended else "no override counts")
        return
    change = patch_of_json(patch) if patch else patch_from(where, letter, assignments or ())
    made = override_letter(where, letter, change, by, reason)
    if as_json:
        print_json(made)
        return
    show_override(made)
    say(f"the next run of {letter.flow} uses it; now: brightpearl dead-letters replay {letter.id}")


def _answer(value: Any, as_json: bool, text: str) -> None:
    if as_json:
        print_json(value)
    else:
        say(text)
