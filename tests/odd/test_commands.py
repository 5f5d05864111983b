"""Odd arguments of commands: each is taken as it stands, or the command ends with a sentence; none is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from airflow_provider_brightpearl import environment
from airflow_provider_brightpearl.cli import backfill
from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.errors import SyncError
from tests.flows.site import MAPPINGS
from tests.odd.odd import A_TENTH, TEXTS

FLOW = "orders_to_salesforce"
# what people write, and what comes near it
TYPED = st.one_of(
    TEXTS,
    st.sampled_from(
        [
            "2026-01-31",
            "1001,1002",
            "90d",
            "0d",
            "²d",
            "7w",
            "1000000000d",
            "99999999999d",
            "0001-01-01",
            "-1d",
            "\udcff",
        ]
    ),
    st.integers().map("{}d".format),
    st.datetimes().map(str),
)
COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "run": (["run", FLOW], ["--from", "--to", "--ids"]),
    "plan": (["plan", FLOW], ["--from", "--to", "--ids", "--last"]),
    "reconcile": (["reconcile", FLOW], ["--from", "--to", "--fields"]),
    "clean": (["state", "clean", "--dry-run"], ["--before"]),
    "rename": (["state", "rename", "no_such_flow"], []),
    "preview": (["mapping", "preview", FLOW], ["--id"]),
    "check": (["connections", "check"], []),
}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An Airflow whose connections lead nowhere, so that a command that takes its arguments ends with that."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("brightpearl", "salesforce"):
            patched.setenv(f"AIRFLOW_CONN_{name.upper()}_DEFAULT", f'{{"conn_type": "{name}"}}')
        patched.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patched.setenv("AIRFLOW__BRIGHTPEARL__MAPPINGS", str(MAPPINGS))
        environment._engine.cache_clear()
        yield


@pytest.mark.parametrize("name", COMMANDS)
@A_TENTH
@given(place=st.integers(0, 3), text=TYPED)
def test_arguments(airflow: None, name: str, place: int, text: str) -> None:
    words, options = COMMANDS[name]
    option = [options[place % len(options)]] if options else []
    done = CliRunner().invoke(app, [*words, *option, text])
    ended = done.exception
    assert ended is None or isinstance(ended, SyncError | SystemExit), repr(ended)
    if isinstance(ended, SyncError):
        assert str(ended)
    elif done.exit_code == 0:
        # what changes nothing, and help
        assert name in ("clean",) or "Usage" in done.output
    else:
        assert done.output


@given(texts=st.lists(TYPED, max_size=4), conf=TYPED | st.just("[" * 20_000))
def test_backfill(texts: list[str], conf: str) -> None:
    names = ("--start-date", "--end-date", "--max-active-runs")
    arguments = [f"{name}={text}" for name, text in zip(names, texts, strict=False)]
    try:
        with redirect_stderr(StringIO()):
            args = backfill.parser().parse_args([FLOW, *arguments, f"--conf={conf}"])
        native = backfill.native_arguments(args, (3, 3))
    except (SystemExit, ValueError) as error:
        assert str(error)
        return
    assert set(filter(None, texts[:2])) <= set(native)
    assert not conf or conf in native
