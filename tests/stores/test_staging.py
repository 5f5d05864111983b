from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from upath import UPath

from airflow_provider_brightpearl.core.records import PartRef
from airflow_provider_brightpearl.errors import RunChanged, Unavailable
from airflow_provider_brightpearl.stores.staging import FileStaging, run_folder, sweep

RUN = "scheduled__2024-01-01T00:00:00+00:00"


@pytest.fixture(params=["local", "file url", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path / "staging")
    elif request.param == "file url":
        yield f"file://{tmp_path}/staging"
    else:
        yield "memory://staging"
        folder = UPath("memory://staging")
        if folder.exists():
            folder.fs.rm(folder.path, recursive=True)


@pytest.fixture
def staging(root: str) -> FileStaging:
    return FileStaging(root, "orders", RUN)


def test_lines_come_back_on_another_worker(root: str, staging: FileStaging) -> None:
    ref = staging.write_lines("raw/part-0001.jsonl", iter([b'{"id":1}', b'{"id":2}']))
    there = FileStaging(root, "orders", RUN)

    assert ref == PartRef("raw/part-0001.jsonl", 2, ref.digest)
    assert list(there.read_lines(ref)) == [b'{"id":1}', b'{"id":2}']
    assert there.ref(ref.path, 2) == ref
    with there.local(ref) as path:
        assert path.read_bytes() == b'{"id":1}\n{"id":2}\n'


def test_no_lines_are_an_empty_part(staging: FileStaging) -> None:
    ref = staging.write_lines("empty", [])

    assert (ref.records, list(staging.read_lines(ref))) == (0, [])


def test_another_try_replaces_the_file(staging: FileStaging) -> None:
    first = staging.write_lines("raw", [b"1"])
    second = staging.write_lines("raw", [b"2"])

    assert list(staging.read_lines(second)) == [b"2"]
    with pytest.raises(RunChanged, match=r"raw is not the one that was written"):
        list(staging.read_lines(first))


def test_a_write_that_fails_leaves_the_earlier_file_and_no_litter(staging: FileStaging) -> None:
    def cut() -> Iterator[bytes]:
        yield b"new"
        raise ConnectionError("cut")

    ref = staging.write_lines("raw", [b"old"])
    with pytest.raises(ConnectionError):
        staging.write_lines("raw", cut())

    assert list(staging.read_lines(ref)) == [b"old"]
    assert [path.name for path in staging.folder.iterdir()] == ["raw"]


def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("no folder")
    staging = FileStaging(tmp_path / "root", "flow", "run")
    with pytest.raises(
        Unavailable,
        match=r"root/flow/run~\w+ cannot be written: Not a directory; check that its disk is not full",
    ):
        staging.write_lines("raw", [b"a"])


def test_a_line_break_within_a_record_is_refused(staging: FileStaging) -> None:
    with pytest.raises(ValueError, match="line break"):
        staging.write_lines("raw", [b"{\n}"])


def test_a_created_file_becomes_a_part_when_its_block_ends_well(root: str, staging: FileStaging) -> None:
    with staging.create("mapped/Order.parquet") as path:
        path.write_bytes(b"PAR1")
    with pytest.raises(KeyError), staging.create("mapped/Bad.parquet") as path:
        path.write_bytes(b"half")
        raise KeyError("x")

    ref = staging.ref("mapped/Order.parquet", 7)
    assert (ref.path, ref.records) == ("mapped/Order.parquet", 7)
    with FileStaging(root, "orders", RUN).local(ref) as path:
        assert path.read_bytes() == b"PAR1"
    with pytest.raises(RunChanged, match=r"Bad\.parquet does not exist"):
        staging.ref("mapped/Bad.parquet", 1)


def test_a_wrong_digest_and_a_missing_file_name_the_file(staging: FileStaging) -> None:
    ref = staging.write_lines("raw", [b"1"])
    with pytest.raises(RunChanged, match="raw is not the one"), staging.local(replace(ref, digest="0")):
        pass
    elsewhere = replace(ref, path="gone")
    with pytest.raises(RunChanged, match="gone does not exist.*one staging path"), staging.local(elsewhere):
        pass


def test_json_comes_back(staging: FileStaging) -> None:
    ref = staging.write_json("verdict.json", {"rejected": 1, "name": "é"})

    assert staging.read_json(ref) == {"rejected": 1, "name": "é"}


def test_a_run_is_removed_and_others_stay(root: str, staging: FileStaging) -> None:
    other = FileStaging(root, "orders", "other")
    ref = other.write_lines("raw", [b"1"])
    staging.write_lines("raw", [b"1"])
    staging.remove()
    staging.remove()

    assert not staging.folder.exists()
    assert list(other.read_lines(ref)) == [b"1"]


def test_run_folders_are_safe_readable_and_apart() -> None:
    assert run_folder(RUN).startswith("scheduled__2024-01-01T00_00_00_00_00~")
    assert run_folder("a:b") != run_folder("a+b")
    assert "/" not in run_folder("../../etc")
    assert not run_folder("..").startswith(".")
    assert len(run_folder("x" * 500)) < 120


def test_sweep_deletes_old_runs_only(root: str, staging: FileStaging) -> None:
    staging.write_lines("raw/1", [b"1"])
    foreign = staging.folder.parent / "not-a-run"
    if foreign.protocol != "memory":
        foreign.mkdir()
    (foreign / "file").write_text("x")
    now = datetime.now(UTC)

    assert sweep(root, now - timedelta(hours=1)) == 0
    assert staging.folder.exists()
    assert sweep(root, now + timedelta(hours=1)) == 1
    assert (staging.folder.exists(), (foreign / "file").exists()) == (False, True)
    assert sweep(root + "/none", now) == 0


def test_sweep_looks_at_the_newest_file(tmp_path: Path) -> None:
    staging = FileStaging(str(tmp_path), "orders", RUN)
    staging.write_lines("old", [b"1"])
    staging.write_lines("new", [b"1"])
    ago = datetime.now(UTC) - timedelta(days=9)
    for path in (staging.folder / "old", staging.folder):
        os.utime(path.path, (ago.timestamp(), ago.timestamp()))

    assert sweep(str(tmp_path), datetime.now(UTC) - timedelta(days=1)) == 0


def test_a_file_that_vanishes_during_the_sweep_is_no_trouble(tmp_path: Path) -> None:
    staging = FileStaging(str(tmp_path), "orders", RUN)
    staging.write_lines("new", [b"1"])
    Path(staging.folder.path, ".renamed.part").symlink_to("nowhere")

    assert sweep(str(tmp_path), datetime.now(UTC) - timedelta(days=1)) == 0


def test_a_dry_run_only_counts(root: str, staging: FileStaging) -> None:
    staging.write_lines("raw/1", [b"1"])
    assert sweep(root, datetime.now(UTC) + timedelta(hours=1), dry_run=True) == 1
    assert staging.folder.exists()
