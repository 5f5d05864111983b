"""``brightpearl connections``: test the connections that flows use."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from airflow_provider_brightpearl import settings
from airflow_provider_brightpearl.cli.output import Json, ResultCommand, print_json, say
from airflow_provider_brightpearl.errors import Misconfigured, SyncError

if TYPE_CHECKING:
    from airflow_provider_brightpearl.systems.system import System

connections = typer.Typer(help="Test the connections that flows use.", no_args_is_help=True)


class Tested(msgspec.Struct):
    """One connection: ``state`` is ok, failed, missing or unused (missing, and no flow file needs it).

    ``outage`` says so where its system is known to be down, and tasks wait for it.
    """

    system: str
    conn_id: str
    state: str
    message: str
    outage: str = ""


@connections.callback()
def group() -> None:
    """Test the connections that flows use."""


@connections.command(cls=ResultCommand)
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Systems or connection ids; all systems' usual connections if left out."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Log in with each connection and make one harmless call."""
    from airflow_provider_brightpearl.systems.registry import systems

    found = [_tested(name, required=True) for name in names or ()]
    if not names:
        needed = _needed()
        found = [_tested(name, required=name in needed) for name in systems()]
    down = _outages()
    for each in found:
        each.outage = down.get(each.conn_id, "")
    if as_json:
        print_json(found)
    else:
        for each in found:
            say(f"{each.state:<7}  {each.conn_id}: {each.message}")
            if each.state in ("failed", "missing"):
                say(f"         To do: {_remedy(each)}")
            if each.outage:
                say(f"         {each.outage}")
    sys.exit(1 if any(each.state in ("failed", "missing") for each in found) else 0)


def _outages() -> dict[str, str]:
    """What is known of systems that are down, by connection; nothing where the state database does not say."""
    from airflow_provider_brightpearl.environment import breakers

    try:
        return {each.connection: str(each) for each in breakers().open_ones()}
    except SyncError:
        return {}


def _needed() -> set[str]:
    """The systems that flow files name; all where there are none yet."""
    from airflow_provider_brightpearl.flow.load import load_flow
    from airflow_provider_brightpearl.systems.registry import systems

    needed: set[str] = set()
    for file in settings.mappings_folder(Path.cwd()).glob("*.yaml"):
        try:
            flow = load_flow(file)
        except Misconfigured:
            # `brightpearl mapping check` shows what is wrong with it
            return set(systems())
        needed |= {flow.source_system, flow.target}
    return needed or set(systems())


def _tested(name: str, *, required: bool) -> Tested:
    from airflow_provider_brightpearl import compat
    from airflow_provider_brightpearl.systems.registry import systems

    system = systems().get(name)
    conn_id = system.conn_id if system else name
    try:
        connection = compat.BaseHook.get_connection(conn_id)
    except compat.AirflowNotFoundException:
        state = "missing" if required else "unused"
        also = "" if required else ", and no flow file needs it"
        return Tested(name, conn_id, state, f"this Airflow has no such connection{also}")
    system = system or _system_of(conn_id, connection)
    try:
        passed, message = _hook(system)(conn_id).test_connection()
    except SyncError as error:
        passed, message = False, str(error)
    return Tested(system.name, conn_id, "ok" if passed else "failed", message)


def _hook(system: System) -> Any:
    module, _, name = system.hook.rpartition(".")
    return getattr(import_module(module), name)


def _system_of(conn_id: str, connection: Any) -> System:
    from airflow_provider_brightpearl.systems.registry import systems

    kinds = {_hook(system).conn_type: system for system in systems().values()}
    if connection.conn_type not in kinds:
        raise Misconfigured(
            f"connection {conn_id} is of type {connection.conn_type!r}; flows use {', '.join(sorted(kinds))}"
        )
    return kinds[connection.conn_type]


def _remedy(tested: Tested) -> str:
    if tested.state == "missing":
        return f"add it: airflow connections add {tested.conn_id} …; its fields are in docs/connections.md"
    return f"correct the connection; docs/connections.md lists what the test of {tested.system} can say"
