"""``make up``: the sandbox and Airflow with its UI on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from demo import airflow_home, sandbox
from demo.airflow_api import Airflow
from demo.flows import FLOWS
from demo.processes import free_port

BUILD = Path(__file__).resolve().parents[1] / "build" / "up"
SIZE = {"customers": 200, "products": 100, "orders": 1000}
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")

console = Console(highlight=False)


def main() -> int:
    """Starts everything, says where it is, and waits for Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as running:
            _start(running)
            signal.pause()
    except KeyboardInterrupt:
        console.print("Stopped.")
    except RuntimeError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    return 0


def _start(running: ExitStack) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    console.print("Starting the sandbox and Airflow …")
    systems = running.enter_context(sandbox.running(SIZE, BUILD / "sandbox.log", _port("SANDBOX_PORT")))
    systems.let_stock_go_below_zero()
    home = airflow_home.create(BUILD / "airflow", systems.connections(), _port("AIRFLOW_PORT"))
    running.enter_context(airflow_home.started(home, *COMPONENTS))
    Airflow(home).wait_for_dags(FLOWS)
    console.print(f"Airflow   {home.url}   user {airflow_home.USER}, password {airflow_home.PASSWORD}")
    console.print(f"Sandbox   {systems.url}/__sandbox")
    console.print(f"Files     {home.path}")
    console.print("The DAGs are paused; switch them on in the order products, customers, orders, the others.")
    console.print("Ctrl-C ends both.")


def _port(variable: str) -> int:
    return int(os.environ.get(variable) or free_port())


if __name__ == "__main__":
    sys.exit(main())
