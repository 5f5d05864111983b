"""What the documentation names is there, and what is there is named in the documentation."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from airflow_provider_brightpearl import errors, settings
from airflow_provider_brightpearl.cli import backfill
from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.core.records import Outcome, Stage
from airflow_provider_brightpearl.core.reports import ReconcileState
from airflow_provider_brightpearl.get_provider_info import get_provider_info
from airflow_provider_brightpearl.sandbox.app import SandboxState, installed_systems
from airflow_provider_brightpearl.sandbox.cli import app as sandbox_app
from airflow_provider_brightpearl.sandbox.clock import Clock
from airflow_provider_brightpearl.sandbox.control import PREFIX, control_routes
from airflow_provider_brightpearl.sandbox.faults import Fault
from airflow_provider_brightpearl.sandbox.system import SeedOptions
from airflow_provider_brightpearl.stores import tables
from airflow_provider_brightpearl.stores.dead_letters import LetterState
from tests.docs import markdown

# pages


@pytest.mark.parametrize("file", markdown.pages(), ids=lambda file: str(file.relative_to(markdown.ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    lost = []
    for link in markdown.links(file):
        target, anchor = markdown.local(file, link) or (file, "")
        if not target.exists() or (anchor and anchor not in markdown.anchors(target)):
            lost.append(link)
    assert [] == lost


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [markdown.ROOT / "README.md"]
    while waiting:
        file = waiting.pop()
        reached.add(file)
        waiting += [
            page for page in markdown.neighbours(file) if page.suffix == ".md" and page not in reached
        ]
    assert set(markdown.pages()) <= reached


def test_the_readme_is_short_and_its_links_work_on_pypi() -> None:
    readme = markdown.ROOT / "README.md"
    assert readme.stat().st_size <= 5_000
    assert [] == [link for link in markdown.links(readme) if "://" not in link]
    for address in markdown.URLS.values():
        assert address.startswith(markdown.URLS["Repository"])


# configuration


def test_options() -> None:
    documented = markdown.table(markdown.section("docs/operations.md", "Configuration"), "Option")
    assert {name: option["default"] for name, option in settings.OPTIONS.items()} == {
        row[0]: row[1] for row in documented
    }


def test_every_option_has_an_effect() -> None:
    files = (markdown.ROOT / "airflow_provider_brightpearl").rglob("*.py")
    code = "".join(file.read_text(encoding="utf-8") for file in files)
    assert set(settings.OPTIONS) <= set(re.findall(r'(?:number|switch|text)\("(\w+)"\)', code))


def test_options_named_anywhere_exist() -> None:
    text = "\n".join(markdown.page(str(file.relative_to(markdown.ROOT))) for file in markdown.pages())
    assert set(re.findall(r"AIRFLOW__BRIGHTPEARL__(\w+)", text)) <= {
        name.upper() for name in settings.OPTIONS
    }
    assert set(re.findall(r"\[brightpearl\] (\w+)", text)) <= set(settings.OPTIONS)


# command line


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    for name, child in children.items():
        yield from _commands(child, f"{path} {name}")
    if not children:
        yield path, command


def _options() -> dict[str, set[str]]:
    """Options by command, those of commands that pass their arguments on included."""
    known: dict[str, set[str]] = {}
    for path, command in _commands(typer.main.get_command(app), "brightpearl"):
        known[path] = {
            name for parameter in command.params for name in parameter.opts if name.startswith("-")
        }
    known["brightpearl"] = {"--version"}
    known["brightpearl backfill"] = {
        name for given, options in backfill.ARGUMENTS for name in given
        if name.startswith("-") and "==SUPPRESS==" != options.get("help")
    }  # fmt: skip
    served = typer.main.get_command(sandbox_app)
    known["brightpearl sandbox"] = {name for parameter in served.params for name in parameter.opts}
    return known


def test_commands() -> None:
    documented = {
        row[0]: set(re.findall(r"(?<![\w-])-{1,2}[\w-]+", row[1]))
        for row in markdown.table(markdown.section("docs/operations.md", "Command line"), "Command")
    }
    assert _options() == documented


def test_commands_in_examples_exist() -> None:
    known = _options()
    for block in markdown.blocks("bash", "sh", "console"):
        for line in block.text.replace("\\\n", " ").splitlines():
            said = line.strip().removeprefix("$ ")
            if not said.startswith("brightpearl "):
                continue
            words = shlex.split(said, comments=True)
            command = next((path for path in known if f"{' '.join(words)} ".startswith(f"{path} ")), None)
            assert command, f"{block.file.name}: {line}"
            options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
            assert options <= known[command], f"{block.file.name}: {line}"


def test_make_targets_in_text_exist() -> None:
    known = set(re.findall(r"^([a-z-]+):.*##", markdown.page("Makefile"), re.MULTILINE)) | {
        "test-3.3",
        "test-2.11",
    }
    for file in markdown.pages():
        used = re.findall(r"(?:`|^)make ([a-z][\w.-]*)", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(used) <= known, file.name


# errors and state


def test_errors() -> None:
    known = [
        name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)
    ]
    assert sorted(known) == sorted(
        markdown.names(markdown.section("docs/troubleshooting.md", "Classes of errors"), "Error")
    )


def test_tables() -> None:
    documented = markdown.names(markdown.section("docs/operations.md", "State database"), "Table")
    assert sorted(tables.metadata.tables) == sorted(documented)


def test_states() -> None:
    letters = markdown.section("docs/operations.md", "Dead letters")
    assert [state.value for state in LetterState] == markdown.names(letters, "State")
    outcomes = markdown.names(markdown.section("docs/delivery.md", "Counts add up"), "Outcome")
    assert [outcome.value for outcome in Outcome] == outcomes
    stages = markdown.names(markdown.section("docs/architecture.md", "Stages"), "Stage")
    assert {stage.value for stage in Stage} <= set(stages)
    comparisons = markdown.names(markdown.section("docs/reconciliation.md", "How to read it"), "State")
    assert {state.value for state in ReconcileState} == set(comparisons)


def test_connection_fields() -> None:
    for connection in get_provider_info()["connection-types"]:
        heading = connection["hook-name"]
        rows = markdown.table(markdown.section("docs/connections.md", heading), "Field")
        documented = {
            key for row in rows for key in re.findall(r"extra ([\w, ]+)", row[0]) for key in key.split(", ")
        }
        assert set(connection["conn-fields"]) == documented, heading


# sandbox


def _state() -> SandboxState:
    clock = Clock()
    return SandboxState(SeedOptions(customers=1, products=1, orders=1), clock, installed_systems(clock))


@pytest.mark.parametrize("system", ["brightpearl", "salesforce", "shop", "carrier"])
def test_sandbox_settings(system: str) -> None:
    rows = markdown.table(markdown.section("docs/sandbox.md", f"Settings of {system}"), "Setting")
    known = {name: json.dumps(value) for name, value in _state().initial_settings[system].items()}
    assert known == {row[0]: row[1] for row in rows}


def test_sandbox_settings_of_infor() -> None:
    rows = markdown.table(markdown.section("docs/sandbox.md", "Settings of infor"), "Setting")
    known = {name: json.dumps(value) for name, value in _state().initial_settings["infor"].items()}
    assert {row[0]: row[1] for row in rows}.items() <= known.items()


def test_sandbox_control() -> None:
    known = {
        (method, route.path.removeprefix(PREFIX))  # type: ignore[attr-defined]
        for route in control_routes(_state())
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
    }
    rows = markdown.table(markdown.section("docs/sandbox.md", "Control API"), "Path")
    assert known == {(method, row[0]) for row in rows for method in row[1].split(", ")}


def test_sandbox_faults() -> None:
    documented = markdown.names(markdown.section("docs/sandbox.md", "Faults"), "Key")
    assert sorted(set(Fault.__dataclass_fields__) - {"hits"}) == sorted(documented)
