"""Checks before a run reads anything."""

from __future__ import annotations

import logging

from airflow_provider_brightpearl.core.reports import RunInfo
from airflow_provider_brightpearl.errors import Misconfigured, Unavailable
from airflow_provider_brightpearl.flow.disjoint import disjoint_problems
from airflow_provider_brightpearl.flow.load import load_flows
from airflow_provider_brightpearl.flow.writers import writer_problems
from airflow_provider_brightpearl.runtime.wiring import Wiring

log = logging.getLogger(__name__)


def check_writers(wiring: Wiring) -> None:
    """Compares what a flow writes with what the other flows of its folder write.

    Raises:
        Misconfigured: another flow writes the same fields, and none of them is declared the owner; or one of the
            other direction decides the same places.
    """
    folder = wiring.environment.mappings
    flows, unreadable = load_flows(folder)
    for problem in unreadable:
        log.warning("not compared with this flow: %s", problem)
    together = [*(flow for flow in flows if flow.flow != wiring.flow.flow), wiring.flow]
    problems = [*writer_problems(together), *disjoint_problems(together, folder)]
    if own := [problem.text for problem in problems if wiring.flow.flow in problem.flows]:
        raise Misconfigured("\n".join(own))


def check_instance(wiring: Wiring, run: RunInfo) -> None:
    """Compares where the target's connection leads to with where it led when the run was planned.

    Raises:
        Unavailable: it is another account, org or company; the run begins anew with the state of that one.
    """
    found, planned = wiring.target_instance(), run.pair.partition(">")[2]
    if found != planned:
        raise Unavailable(
            f"the connection to {wiring.flow.target} leads to {found}, the run was planned for {planned}: "
            f"clear the run from extract on, and it syncs {found} from the beginning",
            system=wiring.flow.target,
        )
