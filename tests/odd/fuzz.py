"""Tries parsers with bytes that atheris makes, guided by the branches that they reach.

``python -m tests.odd.fuzz 1000000 infor_v2``, or without a name all of them, each in a process of its own. Bytes that
break one are kept in ``build/fuzz``, and the run ends with code 1.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

OUT = Path("build/fuzz")
CHILD = "TESTS_ODD_FUZZ"
MOST_BYTES = 400


def child(name: str, runs: str, corpus: str) -> None:
    """Fuzzes one parser; does not return."""
    import atheris

    # what this package holds is watched, not what it stands on
    with atheris.instrument_imports(include=["airflow_provider_brightpearl"]):
        from tests.odd.parsers import PARSERS, try_out
    longest = max(MOST_BYTES, *(len(each) * 2 for each in PARSERS[name].seeds))
    options = [
        f"-runs={runs}",
        f"-max_len={longest}",
        f"-artifact_prefix={OUT}/{name}-",
        "-timeout=30",
        "-print_final_stats=1",
    ]
    atheris.Setup([name, *options, corpus], lambda content: try_out(name, content))
    atheris.Fuzz()


def fuzz(name: str, runs: str, seeds: tuple[bytes, ...]) -> bool:
    """Whether a parser holds; prints a line of a table."""
    with TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds):
            Path(corpus, str(number)).write_bytes(seed)
        began = time.monotonic()
        command = [sys.executable, "-m", "tests.odd.fuzz", runs, name]
        done = subprocess.run(
            command, env={**os.environ, CHILD: corpus}, capture_output=True, text=True, check=False
        )
    tried = int((re.findall(r"stat::number_of_executed_units:\s*(\d+)", done.stderr) or [0])[-1])
    branches = (re.findall(r"cov: (\d+)", done.stderr) or [0])[-1]
    print(f"| {name} | {tried:,} | {branches} | {time.monotonic() - began:.0f} s |", flush=True)
    if done.returncode:
        print(done.stderr[-4_000:], file=sys.stderr)
    return done.returncode == 0


def main(runs: str, *names: str) -> int:
    if corpus := os.environ.get(CHILD):
        child(names[0], runs, corpus)
    from tests.odd.parsers import PARSERS

    OUT.mkdir(parents=True, exist_ok=True)
    print("| Parser | Inputs | Branches | Time |\n|---|---|---|---|")
    return not all([fuzz(name, runs, PARSERS[name].seeds) for name in names or PARSERS])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
