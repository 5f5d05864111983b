"""The gate of a flow: its expectations, judged by Great Expectations over mapped parts."""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.core.ports.gate import GateResult
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.gates.page import EXAMPLES, Finding, Results, write_page
from airflow_provider_brightpearl.gates.rules import Expecting, Rule, rules_of
from airflow_provider_brightpearl.gates.wording import failure, sentence, shown

_ONE_AT_A_TIME = threading.Lock()


class ExpectationGate:
    """The gate of a flow; see ``core.ports.gate.Gate``.

    Parts are judged one by one, so memory stays flat, and what looks at many rows at once (unique, mean, row
    count) sees one part at a time.

    Args:
        flow: the flow, or anything with its name, objects, root object and expectations.
        page: where to write the page of what was found, None for none; its JSON goes beside it.
        run: the run's id, for the page.
    """

    def __init__(self, flow: Expecting, page: Path | None = None, run: str = "") -> None:
        self._flow = flow
        self._page = page
        self._run = run

    def evaluate(self, parts: Sequence[Mapping[str, Path]]) -> GateResult:
        """Judges mapped parts (object name to Parquet file each).

        Returns:
            Rejections of rows, failures of whole parts as sentences, and how many rows were looked at.

        Raises:
            Misconfigured: an expectation, argument, column or bound that cannot be used.
        """
        # a context is also the library's current one, for the whole process
        with _ONE_AT_A_TIME:
            found = self._judged(parts)
        if self._page is not None:
            results = Results(found.evaluated, found.findings, found.validations)
            write_page(self._page, self._flow.flow, self._run, results)
        return GateResult(tuple(found.rejections), tuple(found.batch_failures), found.evaluated)

    def _judged(self, parts: Sequence[Mapping[str, Path]]) -> _Found:
        import duckdb

        from airflow_provider_brightpearl.gates.frames import load

        _library()
        rules = {name: wanted for name, wanted in rules_of(self._flow).items() if wanted}
        found = _Found(parts=len(parts), keep_results=self._page is not None)
        for rule in (rule for wanted in rules.values() for rule in wanted):
            found.by_rule[rule.object, rule.number] = Finding(rule.object, sentence(rule), rule.blocks)
        if not rules:
            return found
        context = _context()
        with duckdb.connect() as connection:
            for number, part in enumerate(parts, 1):
                for name in (name for name in rules if name in part):
                    frame = load(connection, part[name], _columns(rules[name]))
                    rejections = _judge_object(context, rules[name], frame, number, found)
                    found.rejections += _with_money(connection, rejections, self._flow.root, name, part)
        return found


@dataclass(slots=True)
class _Found:
    parts: int
    keep_results: bool
    evaluated: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    batch_failures: list[str] = field(default_factory=list)
    by_rule: dict[tuple[str, int], Finding] = field(default_factory=dict)
    validations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        return list(self.by_rule.values())


@cache
def _library() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # it tells of its own workings, and begins while it is imported
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        # its imports warn about Python modules that it uses and we do not
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations
        import great_expectations.expectations

    # this part of it sets its own level
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.CRITICAL)
    return great_expectations


def _context() -> Any:
    context = _library().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return context


def _columns(rules: Sequence[Rule]) -> list[str] | None:
    if any(rule.needs_all_columns for rule in rules):
        return None
    return [column for rule in rules for column in rule.columns]


def _judge_object(
    context: Any, rules: Sequence[Rule], frame: Any, part: int, found: _Found
) -> list[Rejection]:
    suited = [(rule, rule.expectation(frame.kinds)) for rule in rules]
    found.evaluated += len(frame)
    if not len(frame):
        return []
    rejections: list[Rejection] = []
    for by_row in (True, False):
        chosen = [expectation for rule, expectation in suited if rule.by_row is by_row]
        if chosen:
            data = frame.exact() if by_row else frame.numbers()
            for result in _validated(context, data, chosen, rules[0].object, part, found):
                rule = rules[result.expectation_config.meta["number"]]
                rejections += _taken_in(rule, result, frame, part, found)
    return rejections


def _validated(
    context: Any, data: Any, chosen: Sequence[Any], name: str, part: int, found: _Found
) -> list[Any]:
    batch = context.data_sources.pandas_default.read_dataframe(data)
    suite = _library().ExpectationSuite(name, expectations=list(chosen))
    wanted = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
    validation = batch.validate(suite, result_format=wanted)
    if found.keep_results:
        found.validations.append({"object": name, "part": part, "result": validation.to_json_dict()})
    # results come in an order of their own
    return sorted(validation.results, key=lambda result: int(result.expectation_config.meta["number"]))


def _taken_in(rule: Rule, result: Any, frame: Any, part: int, found: _Found) -> list[Rejection]:
    _stop_where_it_raised(rule, result)
    finding = found.by_rule[rule.object, rule.number]
    finding.evaluated += len(frame)
    finding.passed &= bool(result.success)
    if not rule.by_row:
        _note_whole_part(rule, result, part, found)
        return []
    positions = result.result.get("unexpected_index_list") or []
    rejections = [_rejection(rule, frame, int(position)) for position in positions]
    finding.failed += len(rejections)
    room = EXAMPLES - len(finding.examples)
    finding.examples += [(item.source_id, item.row, item.value) for item in rejections[:room]]
    return rejections if rule.blocks and not result.success else []


def _note_whole_part(rule: Rule, result: Any, part: int, found: _Found) -> None:
    if result.success:
        return
    where = f" in part {part} of {found.parts}" if found.parts > 1 else ""
    said = failure(rule, shown(result.result.get("observed_value")))
    found.by_rule[rule.object, rule.number].notes.append(said + where)
    if rule.blocks:
        found.batch_failures.append(f"{rule.object}: {said}{where}")


def _rejection(rule: Rule, frame: Any, position: int) -> Rejection:
    values = [frame.values[column][position] for column in rule.columns]
    value = shown(values[0] if len(values) == 1 else values)
    return Rejection(
        source_id=str(frame.source_ids[position]),
        stage=Stage.GATE,
        reason=failure(rule, value),
        object=rule.object,
        row=str(frame.rows[position] or ""),
        field=", ".join(rule.columns),
        value=value,
    )


def _stop_where_it_raised(rule: Rule, result: Any) -> None:
    info = result.exception_info or {}
    # flat where nothing was raised, else one entry for each metric
    raised = [info] if "raised_exception" in info else list(info.values())
    for entry in raised:
        if entry.get("raised_exception"):
            cause = str(entry.get("exception_message") or "it raised an error").strip().partition("\n")[0]
            raise Misconfigured(f"{rule.place}: cannot be evaluated over these values: {cause}")


def _with_money(
    connection: Any, rejections: Sequence[Rejection], root: str, name: str, part: Mapping[str, Path]
) -> list[Rejection]:
    from airflow_provider_brightpearl.gates.frames import money_of

    if not rejections:
        return []
    paths = [part[owner] for owner in (root, name) if owner in part]
    known = money_of(connection, paths, sorted({item.source_id for item in rejections}))
    totals = [known.get(item.source_id, (None, "")) for item in rejections]
    return [
        replace(item, amount=amount, currency=currency)
        for item, (amount, currency) in zip(rejections, totals, strict=True)
    ]
