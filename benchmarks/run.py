"""Measures time, memory and API calls, says which goals hold, and writes all figures to build/bench/report.json.

python benchmarks/run.py                     everything but what takes 200,000 orders, a quarter of an hour on two cores
python benchmarks/run.py transform imports   some figures
python benchmarks/run.py --quick             smaller runs: to see that the benchmarks work, not to quote
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIGURES = {
    "transform": "processor time to map 100,000 orders, beside what orjson takes to parse them",
    "load": "processor time of the load stage a row, 20,000 orders",
    "small": "processor time of a run of 200 orders, with all imports and the process that maps",
    "memory": "peak memory of a run over 60,000 orders, beside one over 20,000",
    "memory_200k": "the same over 200,000 orders; only when named",
    "memory_into": "peak memory of reading and mapping 60,000 Salesforce accounts, beside 20,000",
    "memory_into_200k": "the same over 200,000 accounts; only when named",
    "rejected": "peak memory of runs of which all 20,000 orders are rejected, over that of a good one",
    "rejected_200k": "the same over 200,000 orders; only when named",
    "reconcile": "peak memory of a reconciliation of 40,000 customers, over that of 10,000",
    "bookkeeping": "what answers, crosswalk, events, ledger, leases and quota take of a run, 2,000 and 20,000 orders",
    "extraction": "records a second and API calls, beside dlt, singer-sdk and airbyte-cdk",
    "quota": "time of a run of 500 calls, beside what the quota of 200 a minute dictates",
    "shared_quota": "ten processes on one quota of 200 a minute: the fullest minute, and how much of it is used",
    "outage": "time until three flows that waited for a system are drained, beside what the quota dictates",
    "events_receiver": "time to the answer of the receiver at 300 events a second, and how many it takes",
    "nothing_new": "API calls of a run that finds nothing new",
    "calls": "API calls of each flow's first load over the fewest; into Brightpearl also of a round without edits",
    "lost_answers": "10,000 orders from Salesforce into Brightpearl while answers are lost: none twice, none missing",
    "imports": "cost of importing the DAG files",
}
WHEN_NAMED = ("memory_200k", "memory_into_200k", "rejected_200k")


def main(arguments: list[str] | None = None) -> int:
    """Measures the figures asked for; 1 where a goal does not hold, else 0."""
    wanted = _parser().parse_args(arguments)
    # the folder of this script is no package's parent, the repository is
    sys.path[0] = str(ROOT)
    from benchmarks.report import Report

    report = Report.begin(quick=wanted.quick)
    for name in wanted.figures or [name for name in FIGURES if name not in WHEN_NAMED]:
        print(f"{name}: {FIGURES[name]}", flush=True)
        for row in import_module(f"benchmarks.{name}").rows(quick=wanted.quick):
            report.add(row)
    report.write(wanted.report)
    report.show()
    return 0 if report.holds else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "figures", nargs="*", choices=[*FIGURES, []], metavar="figure", help=", ".join(FIGURES)
    )
    parser.add_argument(
        "--quick", action="store_true", help="smaller runs, whose figures are not to be quoted"
    )
    parser.add_argument("--report", type=Path, default=ROOT / "build/bench/report.json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
