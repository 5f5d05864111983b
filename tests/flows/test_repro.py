"""Letters that leave for a file: exports, and tests that reproduce them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from airflow_provider_brightpearl.cli import dead_letters_files as file_commands
from airflow_provider_brightpearl.cli.app import app
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.runtime.desk import find_letter
from airflow_provider_brightpearl.runtime.repro import problems_of, rows_digest, write_repro
from airflow_provider_brightpearl.stores.engine import writing
from airflow_provider_brightpearl.stores.tables import dead_letter
from tests.flows.org import Org
from tests.flows.test_desk import FLOW, override, refused


@pytest.fixture
def site(org: Org, tmp_path: Path) -> Org:
    """An org whose flow files can be changed."""
    folder = tmp_path / "flow_files"
    (folder / "lookups").mkdir(parents=True)
    for file in (*org.mappings.glob("*.yaml"), *org.mappings.glob("lookups/*.csv")):
        (folder / file.relative_to(org.mappings)).write_bytes(file.read_bytes())
    org.mappings = folder
    return org


def run_test(file: Path) -> tuple[int, str]:
    """Exit code and output of plain pytest over one file."""
    plain = ("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(file.parent))
    command = [sys.executable, "-m", "pytest", *plain, str(file)]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        command,
        cwd=file.parent,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_repro_fails_until_the_lookup_is_mended(site: Org, tmp_path: Path) -> None:
    placed = refused(site)
    file = write_repro(
        site.environment, find_letter(site.environment, placed), tmp_path / "tests" / "test_it.py"
    )
    text = file.read_text()
    for personal in ("High Street", "Bath", "Lange Str", "Bremen", "BA1 1AA", str(tmp_path)):
        assert personal not in text
    for kept in (placed, "5.00", "Fax"):
        assert kept in text
    code, output = run_test(file)
    assert (1, True) == (code, "mapping unchanged since then; transform SalesOrder.channelId: " in output)
    with (site.mappings / "lookups" / "brightpearl_channels.csv").open("a") as table:
        table.write("Fax,1\n")
    code, output = run_test(file)
    assert (0, True) == (code, "1 passed" in output)
    with pytest.raises(Misconfigured, match="do not reject .*: replay it"):
        write_repro(site.environment, find_letter(site.environment, placed), tmp_path / "test_other.py")


def test_what_a_repro_is_of(site: Org, tmp_path: Path) -> None:
    placed = refused(site)
    letter, file = find_letter(site.environment, placed), tmp_path / "test_it.py"
    file.write_text("mine")
    with pytest.raises(Misconfigured, match="exists; pass another --output"):
        write_repro(site.environment, letter, file)
    override(site, placed, "Type=Telex")
    assert "Telex" in write_repro(site.environment, letter, tmp_path / "test_overridden.py").read_text()
    with writing(site.database) as connection:
        connection.execute(dead_letter.update().values(stage="extract"))
    with pytest.raises(Misconfigured, match="could not be read, so there is nothing to map"):
        write_repro(site.environment, find_letter(site.environment, placed), tmp_path / "test_more.py")


def test_rows_that_a_target_has_refused_are_to_be_other_ones(site: Org, tmp_path: Path) -> None:
    placed = refused(site)
    # as if Brightpearl had refused what the mapping now makes of it
    with (site.mappings / "lookups" / "brightpearl_channels.csv").open("a") as table:
        table.write("Fax,1\n")
    with writing(site.database) as connection:
        connection.execute(dead_letter.update().values(stage="load", reason="CMNC-404 no such channel 1"))
    file = write_repro(site.environment, find_letter(site.environment, placed), tmp_path / "test_it.py")
    assert "the flow still writes the very rows" in run_test(file)[1]
    flow = site.mappings / f"{FLOW}.yaml"
    record = '{"Id": "801000000000001AAA"}'
    assert problems_of(site.mappings, FLOW, record, refused=rows_digest(site.mappings, FLOW, record))
    flow.write_text(flow.read_text().replace("ref: left(coalesce(", "ref: left('M' || coalesce("))
    code, output = run_test(file)
    assert (0, True) == (code, "1 passed" in output)


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_an_export_holds_as_much_as_is_asked_for(
    site: Org, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(file_commands, "environment", lambda: site.environment)
    placed, file = refused(site, Type="=Fax"), tmp_path / f"letters{ending}"

    def exported(*options: str) -> dict[str, str]:
        shown = (
            CliRunner()
            .invoke(app, ["dead-letters", "export", str(file), *options], catch_exceptions=False)
            .stdout
        )
        assert "1 letter written" in shown
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines)) if ending == ".csv" else [json.loads(line) for line in lines]
        return dict(rows[0])

    bare = exported()
    assert (f"{FLOW}:{placed}", "5.0000", False) == (bare["id"], bare["amount"], "payload" in bare)
    assert "Fax" not in str(bare)
    assert "High Street" not in exported("--payload", "anonymised")["payload"]
    whole = exported("--payload", "whole", "--flow", FLOW)
    assert ("High Street" in whole["payload"], "'=Fax" if ending == ".csv" else "=Fax") == (
        True,
        whole["value"],
    )
    with pytest.raises(Misconfigured, match="--payload: 'all' is none of none, anonymised, whole"):
        exported("--payload", "all")
    with pytest.raises(Misconfigured, match="name the file .csv or .jsonl"):
        CliRunner().invoke(app, ["dead-letters", "export", "letters.xls"], catch_exceptions=False)
