"""``make demo``: the three flows on a fresh Airflow against the sandbox, twice and once more, and checked."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from demo import airflow_home, checks, report, sandbox, story
from demo.airflow_api import Airflow
from demo.expected import Expected, expected
from demo.report import Check, FlowResult, Pass

BUILD = Path(__file__).resolve().parents[1] / "build" / "demo"
FLOWS = ("customers_to_salesforce", "products_to_salesforce", "orders_to_salesforce")
SIZE = {"customers": 2000, "products": 500, "orders": 3000}
# of so many customers one has an e-mail address that is none; more than two in a hundred would close the gate
SPOILED_ONE_IN = 500
# the flows stay two minutes behind, and nobody wants to wait for that here
BEHIND = timedelta(minutes=3)
# what runs is what this program triggers, so that its counts are those of its changes
NO_TIMER = {
    "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
}

# where no terminal tells its width, tables are still to be read
console = Console(width=None if Console().is_terminal else 150)


class Demonstration:
    """The passes over one sandbox and one Airflow."""

    def __init__(self, systems: sandbox.Sandbox, airflow: Airflow, progress: Progress) -> None:
        self.systems, self.airflow, self.progress = systems, airflow, progress

    def play(self) -> list[Pass]:
        """First load; what changed; and all once more."""
        source = story.source(self.systems)
        emails = story.spoil(self.systems, source, max(1, len(source["contact"]) // SPOILED_ONE_IN))
        first = tuple(self._flow("first load", flow) for flow in FLOWS)
        wanted, loaded = self._wanted(), story.target(self.systems)
        load = Pass("first load", first, (checks.equal(wanted, loaded), checks.counted(wanted, first)))

        touched = story.a_day(self.systems)
        story.repair(self.systems, emails)
        waited = wanted.parked["orders_to_salesforce"]
        touched = story.Touched(touched.customers | set(emails), touched.products, touched.orders | waited)
        changes, updated = self._changes(touched, loaded)
        return [load, changes, self._again(updated)]

    def _changes(self, touched: story.Touched, before: story.Snapshot) -> tuple[Pass, story.Snapshot]:
        flows = tuple(self._flow("after changes", flow) for flow in FLOWS)
        wanted, after = self._wanted(), story.target(self.systems)
        only_these = checks.only_these_written(before, after, story.may_be_written(touched, wanted))
        found = (checks.equal(wanted, after), checks.counted(wanted, flows), only_these)
        return Pass("after changes", flows, found), after

    def _again(self, before: story.Snapshot) -> Pass:
        self.systems.forget_calls()
        flows = tuple(self._flow("all again", flow, {"everything": True}) for flow in FLOWS)
        wanted, after = self._wanted(), story.target(self.systems)
        none = checks.only_these_written(before, after, story.may_be_written(story.Touched(), wanted))
        return Pass(
            "all again",
            flows,
            (checks.equal(wanted, after), checks.nothing_written(flows, self.systems.writes()), none),
        )

    def _flow(self, name: str, flow: str, conf: Mapping[str, Any] | None = None) -> FlowResult:
        began = time.monotonic()
        with step(self.progress, f"{name}: {flow}") as tell:
            summary = self.airflow.run(flow, conf or {}, tell)
            result = FlowResult.of(summary, time.monotonic() - began)
            tell(", ".join(f"{count:,} {what}" for what, count in result.counts.items() if count))
        return result

    def _wanted(self) -> Expected:
        return expected(story.source(self.systems))


@contextmanager
def step(progress: Progress, title: str) -> Iterator[Callable[[str], None]]:
    """A line of the progress display; gives what to call with news of it."""
    task, began, said = progress.add_task(title, total=1, news=""), time.monotonic(), [""]

    def tell(news: str) -> None:
        said[0] = news
        progress.update(task, news=news)

    yield tell
    progress.update(task, completed=1)
    if not console.is_terminal:
        console.print(f"{time.monotonic() - began:6.1f} s  {title}  {said[0]}".rstrip(), highlight=False)


def display() -> Progress:
    """A line per step with what happens in it; nothing but plain lines where no terminal looks on."""
    columns = (
        SpinnerColumn(finished_text="✓"),
        TimeElapsedColumn(),
        TextColumn("{task.description} [dim]{task.fields[news]}"),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


def play(build: Path, size: Mapping[str, int]) -> list[Pass]:
    """The whole demonstration, from an empty folder on."""
    build.mkdir(parents=True, exist_ok=True)
    with display() as progress, ExitStack() as running:
        with step(progress, "sandbox: " + ", ".join(f"{count:,} {name}" for name, count in size.items())):
            systems = running.enter_context(sandbox.running(size, build / "sandbox.log"))
            systems.run_behind(BEHIND)
        with step(progress, "a fresh Airflow home"):
            environment = sandbox.connections(systems.url) | NO_TIMER
            home = airflow_home.create(build / "airflow", environment)
        with step(progress, "Airflow starts"):
            running.enter_context(airflow_home.started(home, "api-server", "scheduler", "dag-processor"))
            airflow = Airflow(home)
            airflow.wait_for_dags(FLOWS)
        return Demonstration(systems, airflow, progress).play()


def arguments() -> argparse.ArgumentParser:
    """How large the sandbox is, and where the files of the demonstration go."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--build", type=Path, default=BUILD, help="folder that is emptied and then filled")
    for name, count in SIZE.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    return parser


def main() -> int:
    """Plays, reports, and says by its exit code whether all that was checked holds."""
    wanted = vars(arguments().parse_args())
    build, size = wanted["build"].resolve(), {name: wanted[name] for name in SIZE}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        passes = play(build, size)
    except KeyboardInterrupt:
        console.print("Interrupted; the sandbox and Airflow are stopped.")
        return 130
    except RuntimeError as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1
    seconds = time.monotonic() - began
    report.write(build / "report.json", passes, size, seconds)
    console.print(report.table(passes))
    holds = tell(passes)
    console.print(f"\n{seconds:.0f} seconds; all of it is in {build / 'report.json'}", highlight=False)
    return 0 if holds else 1


def tell(passes: list[Pass]) -> bool:
    """Prints what was checked; gives whether all of it holds."""
    for each in passes:
        for check in each.checks:
            _tell(each.name, check)
    return all(check.holds for each in passes for check in each.checks)


def _tell(name: str, check: Check) -> None:
    mark, style = ("✓", "green") if check.holds else ("✗", "red")
    console.print(f"{mark} {name}: {check.statement}", style=style, markup=False, highlight=False)
    for line in check.against[: checks.SHOWN]:
        console.print(f"    {line}", style="red", markup=False, highlight=False)
    if len(check.against) > checks.SHOWN:
        console.print(f"    and {len(check.against) - checks.SHOWN} more", style="red")


if __name__ == "__main__":
    sys.exit(main())
