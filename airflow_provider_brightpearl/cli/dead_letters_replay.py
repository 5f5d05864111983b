"""``brightpearl dead-letters replay``: letters whose records run anew."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_brightpearl.cli.dead_letters import Group, Ids, Pair, environment
from airflow_provider_brightpearl.cli.output import Json, print_json, say
from airflow_provider_brightpearl.cli.run import PATIENCE
from airflow_provider_brightpearl.core.progress import counted
from airflow_provider_brightpearl.errors import Misconfigured

if TYPE_CHECKING:
    from airflow_provider_brightpearl.runtime.wiring import Wiring


def replay(
    ids: Ids = None,
    group: Group = "",
    flow: Annotated[str, typer.Option(help="All letters of this flow that wait.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="All letters that wait.")] = False,
    pair: Pair = "",
    source_conn_id: Annotated[str | None, typer.Option(help="Connection of the source.")] = None,
    target_conn_id: Annotated[str | None, typer.Option(help="Connection of the target.")] = None,
    as_json: Json = False,
) -> None:
    """Run the records of letters now: parents first, one record of each group before the others.

    Ends with code 1 if letters are left. While another run of their flow writes, it waits for its turn.
    """
    from airflow_provider_brightpearl.runtime.desk import letters_to_replay
    from airflow_provider_brightpearl.runtime.replay import replay as replay_letters
    from airflow_provider_brightpearl.runtime.wiring import Wiring

    if [bool(ids), bool(group), bool(flow) and not group, everything].count(True) != 1:
        raise Misconfigured("name the letters, or pass one of --group, --flow and --all")
    where = replace(environment(), lease_wait=PATIENCE)

    def opened(name: str) -> Wiring:
        return Wiring.of(name, where, source_conn_id, target_conn_id)

    letters = letters_to_replay(where, ids or (), group, flow, pair)
    name = f"replay__{datetime.now(UTC).isoformat(timespec='seconds')}"
    done = replay_letters(where, letters, name, opened, say)
    if as_json:
        print_json({"closed": done.closed, "left": done.left, "groups": done.groups})
    else:
        say(f"{counted(done.closed, 'letter')} closed, {done.left:,} left")
    sys.exit(1 if done.left else 0)
