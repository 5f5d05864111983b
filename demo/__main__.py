"""``make demo``: all flows on a fresh Airflow against the sandbox, in five passes, checked."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from demo import airflow_home, checks, other_way, report, sandbox, story
from demo.airflow_api import Airflow
from demo.expected.infor_journals import ACCOUNTS
from demo.flows import BACK, FLOWS, OUT, SHIPPED_OUT
from demo.report import Check, FlowResult, Pass
from demo.running import Round
from demo.systems import NAMES, State, money, state

BUILD = Path(__file__).resolve().parents[1] / "build" / "demo"
SIZE = {"customers": 500, "products": 150, "orders": 600}
# the flows stay two minutes behind, and nobody wants to wait for that here
BEHIND = timedelta(minutes=3)
# what runs is what this program triggers, so that its counts are those of its changes
NO_TIMER = {"AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False"}

# without a terminal there is no width to ask for, and tables have to fit a log
console = Console(width=None if Console().is_terminal else 120)


class Demonstration:
    """The passes over one sandbox and one Airflow: three out of Brightpearl, two that begin in Salesforce and M3."""

    def __init__(self, systems: sandbox.Sandbox, airflow: Airflow, progress: Progress) -> None:
        self.systems, self.airflow, self.progress = systems, airflow, progress
        # the order that went through all three systems, once it has
        self.order = ""

    def trace(self) -> str:
        """The way of that order, as `brightpearl trace` prints it."""
        return airflow_home.said(self.airflow.home, "brightpearl", "trace", "order", self.order)

    def play(self) -> list[Pass]:
        """First load; what changed; the other direction, there and back; and all once more."""
        spoiled = story.spoil(self.systems, self.now(ACCOUNTS).source)
        flows = self._flows("first load", OUT)
        loaded = self._look("first load", ACCOUNTS)
        first = self._judged("first load", flows, loaded, checks.counted(loaded, flows))

        story.a_day(self.systems, loaded.source)
        story.repair(self.systems, spoiled, self.airflow.home.path / "include" / "mappings")
        flows = self._flows("after changes", OUT)
        updated = self._look("after changes", story.ALL_ACCOUNTS)
        done = (checks.only_these_written(system, loaded, updated) for system in NAMES)
        second = self._judged("after changes", flows, updated, checks.counted(updated, flows), *done)
        return [first, second, *self._other_direction(updated)]

    def _other_direction(self, before: State) -> list[Pass]:
        """What people do in Salesforce and M3 goes to Brightpearl, and from there on to the other one."""
        customer = other_way.in_salesforce(self.systems, before)
        other_way.in_m3(self.systems, before)
        flows = (*self._flows("other direction", BACK), *self._flows("other direction", OUT))
        now = self._look("other direction", story.ALL_ACCOUNTS)
        met = checks.edits_met(now, customer, other_way.EDITED_THERE, other_way.NUMBER)
        third = self._judged("other direction", flows, now, checks.came_back(now), met)

        self.systems.invoice_in_m3(invoice=True)
        other_way.ship_in_m3(self.systems, other_way.number_in_m3(now))
        flows = (*self._flows("shipped in M3", BACK), *self._flows("shipped in M3", SHIPPED_OUT))
        now = self._look("shipped in M3", story.ALL_ACCOUNTS)
        fourth = self._judged("shipped in M3", flows, now, checks.came_back(now))
        again = self._again(now)
        self.order = other_way.placed_order(now)
        return [third, fourth, again]

    def _again(self, before: State) -> Pass:
        self.systems.forget_calls()
        flows = tuple(
            result
            for direction in (BACK, OUT)
            for result in self._flows("all again", direction, {"full_resync": True})
        )
        writes = self.systems.writes()
        now = self._look("all again", story.ALL_ACCOUNTS)
        none = (checks.only_these_written(system, before, now) for system in NAMES)
        return self._judged(
            "all again", flows, now, checks.came_back(now), checks.nothing_written(flows, writes), *none
        )

    def _flows(
        self, name: str, after: Mapping[str, tuple[str, ...]], conf: Mapping[str, Any] = MappingProxyType({})
    ) -> tuple[FlowResult, ...]:
        with ExitStack() as lines:
            opened: dict[str, ExitStack] = {}

            def open_line(flow: str) -> Callable[[str], None]:
                opened[flow] = lines.enter_context(ExitStack())
                return opened[flow].enter_context(step(self.progress, f"{name}: {flow}"))

            return Round(self.airflow, after, open_line, lambda flow: opened[flow].close()).go(conf)

    def _look(self, name: str, accounts: Mapping[str, str]) -> State:
        with step(self.progress, f"{name}: both sides are read for comparison"):
            return self.now(accounts)

    def now(self, accounts: Mapping[str, str]) -> State:
        """The three systems as they are."""
        return state(self.systems, accounts)

    def _judged(self, name: str, flows: tuple[FlowResult, ...], now: State, *more: Check) -> Pass:
        both = money(now)
        held = (
            *(checks.equal(system, now) for system in NAMES),
            checks.written_back(now),
            checks.balanced(now),
            checks.agrees(both),
            checks.known(self.systems.unknown()),
        )
        return Pass(name, flows, (*held, *more), tuple(both))


@contextmanager
def step(progress: Progress, title: str) -> Iterator[Callable[[str], None]]:
    """A line of the progress display; yields the function that updates it."""
    task, began, said = progress.add_task(title, total=1, news=""), time.monotonic(), [""]

    def report_news(news: str) -> None:
        said[0] = news
        progress.update(task, news=news)

    yield report_news
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


def play(build: Path, size: Mapping[str, int]) -> tuple[list[Pass], str]:
    """The whole demonstration, from an empty folder on; the way of one order besides."""
    build.mkdir(parents=True, exist_ok=True)
    with display() as progress, ExitStack() as running:
        with step(progress, "sandbox: " + ", ".join(f"{count:,} {name}" for name, count in size.items())):
            systems = running.enter_context(sandbox.running(size, build / "sandbox.log", variety=True))
            systems.run_behind(BEHIND)
            systems.let_stock_go_below_zero()
            systems.invoice_in_m3(invoice=False)
        with step(progress, "a fresh Airflow home"):
            environment = systems.connections() | NO_TIMER
            home = airflow_home.create(build / "airflow", environment)
        with step(progress, "Airflow starts"):
            running.enter_context(airflow_home.started(home, "api-server", "scheduler", "dag-processor"))
            airflow = Airflow(home)
            airflow.wait_for_dags(FLOWS)
            airflow.unpause(FLOWS)
        demonstration = Demonstration(systems, airflow, progress)
        return demonstration.play(), demonstration.trace()


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
        passes, trace = play(build, size)
    except KeyboardInterrupt:
        console.print("Interrupted; the sandbox and Airflow are stopped.")
        return 130
    except RuntimeError as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1
    seconds = time.monotonic() - began
    report.write(build / "report.json", passes, size, seconds)
    console.print(report.counts_table(passes))
    # what was left out at first, and how it ends
    console.print(report.money_table([passes[0], passes[-1]]))
    holds = print_checks(passes)
    console.print(f"\n{trace}", markup=False, highlight=False)
    console.print(f"\n{seconds:.0f} seconds; all of it is in {build / 'report.json'}", highlight=False)
    return 0 if holds else 1


def print_checks(passes: list[Pass]) -> bool:
    """Prints all checks; returns whether all of them hold."""
    for each in passes:
        for check in each.checks:
            _print_check(each.name, check)
    return all(check.holds for each in passes for check in each.checks)


def _print_check(name: str, check: Check) -> None:
    mark, style = ("✓", "green") if check.holds else ("✗", "red")
    console.print(f"{mark} {name}: {check.statement}", style=style, markup=False, highlight=False)
    for line in check.against[: checks.SHOWN]:
        console.print(f"    {line}", style="red", markup=False, highlight=False)
    if len(check.against) > checks.SHOWN:
        console.print(f"    and {len(check.against) - checks.SHOWN} more", style="red")


if __name__ == "__main__":
    sys.exit(main())
