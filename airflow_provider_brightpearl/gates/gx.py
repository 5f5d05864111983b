"""Evaluates expectations with Great Expectations, which knows all of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pandas as pd

from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.gates.frames import Frame
from airflow_provider_brightpearl.gates.gx_library import classes, exactly, library
from airflow_provider_brightpearl.gates.outcome import FailedRow, Outcome
from airflow_provider_brightpearl.gates.rules import FittedRule, Rule

_ONE_AT_A_TIME = threading.Lock()


def evaluate(fitted: Sequence[FittedRule], frame: Frame) -> list[Outcome]:
    """The outcome of each expectation over the rows of a frame, in the order of the rules.

    Raises:
        Misconfigured: an expectation that cannot be evaluated over these values.
    """
    outcomes = []
    # a context is also the library's current one, for the whole process
    with _ONE_AT_A_TIME:
        context = library().get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        for by_row, data in ((True, frame.exact), (False, frame.numbers)):
            chosen = {each.rule.number: each for each in fitted if each.rule.by_row is by_row}
            if chosen:
                outcomes += [
                    _outcome(chosen[number].rule, result, frame)
                    for number, result in _validated(context, data(), list(chosen.values()))
                ]
    return sorted(outcomes, key=lambda outcome: outcome.rule.number)


def _validated(context: Any, data: pd.DataFrame, chosen: Sequence[FittedRule]) -> list[tuple[int, Any]]:
    batch = context.data_sources.pandas_default.read_dataframe(data)
    suite = library().ExpectationSuite(
        chosen[0].rule.object, expectations=[_expectation(each) for each in chosen]
    )
    wanted = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
    # where pyarrow is installed, pandas would search by RE2, which takes regexes another way
    with pd.option_context("mode.string_storage", "python"):
        validation = batch.validate(suite, result_format=wanted)
    numbered = [(int(result.expectation_config.meta["number"]), result) for result in validation.results]
    # results come in an order of their own
    return sorted(numbered, key=lambda item: item[0])


def _expectation(fitted: FittedRule) -> Any:
    rule = fitted.rule
    kind = classes()[rule.name]
    if rule.known and "min_value" in rule.known.typed:
        kind = exactly(kind)
    return kind(**fitted.options, meta={"number": rule.number})


def _outcome(rule: Rule, result: Any, frame: Frame) -> Outcome:
    _stop_where_it_raised(rule, result)
    found, passed = result.result, bool(result.success)
    if not rule.by_row:
        return Outcome(rule, passed, len(frame), observed=found.get("observed_value"))
    positions = [int(position) for position in found.get("unexpected_index_list") or ()]
    failed = [
        FailedRow(
            position,
            frame.source_ids[position],
            frame.rows[position],
            tuple(frame.values[column][position] for column in rule.columns),
        )
        for position in positions
    ]
    return Outcome(rule, passed, len(frame), len(frame) - found.get("missing_count", 0), failed)


def _stop_where_it_raised(rule: Rule, result: Any) -> None:
    info = result.exception_info or {}
    # flat where nothing was raised, else one entry for each metric
    raised = [info] if "raised_exception" in info else list(info.values())
    for entry in raised:
        if entry.get("raised_exception"):
            cause = str(entry.get("exception_message") or "it raised an error").strip().partition("\n")[0]
            raise Misconfigured(f"{rule.place}: cannot be evaluated over these values: {cause}")
