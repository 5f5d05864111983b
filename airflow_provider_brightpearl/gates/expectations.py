"""The gate of a flow: its expectations, evaluated over mapped parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airflow_provider_brightpearl.core.ports.gate import GateResult
from airflow_provider_brightpearl.core.records import Rejection, Stage
from airflow_provider_brightpearl.gates.messages import failure, sentence, shown
from airflow_provider_brightpearl.gates.outcome import FailedRow, Outcome
from airflow_provider_brightpearl.gates.page import EXAMPLES, Finding, Results, write_page
from airflow_provider_brightpearl.gates.rules import Expecting, Rule, rules_of

SQL_ROWS = 2_000


class ExpectationGate:
    """The gate of a flow; see ``core.ports.gate.Gate``.

    Parts are evaluated one by one, so memory stays flat, and expectations over many rows (unique, mean, row
    count) see one part at a time. DuckDB evaluates small parts, Great Expectations large ones and whatever has
    no SQL form; the verdict is the same.

    Args:
        flow: the flow, or anything with its name, objects, root object and expectations.
        page: where to write the page of what was found, None for none; its JSON goes beside it.
        run: the run's id, for the page.
        sql_rows: most rows of an object in a part that are evaluated in DuckDB; 0 for none.
    """

    def __init__(
        self, flow: Expecting, page: Path | None = None, run: str = "", sql_rows: int = SQL_ROWS
    ) -> None:
        self._flow = flow
        self._page = page
        self._run = run
        self._sql_rows = sql_rows

    def evaluate(self, parts: Sequence[Mapping[str, Path]]) -> Iterator[GateResult]:
        """Evaluates mapped parts (object name to Parquet file each); the page is written after the last one.

        Returns:
            For each part rejections of rows, failures of the whole as sentences, and how many rows were evaluated.

        Raises:
            Misconfigured: an expectation, argument, column or bound that cannot be used.
        """
        import duckdb

        from airflow_provider_brightpearl.gates.evaluation import Evaluator

        rules = {name: wanted for name, wanted in rules_of(self._flow).items() if wanted}
        found = _Found(len(parts))
        if not rules:
            # opening a database takes longer than the rest of a small run
            yield from (GateResult((), (), 0) for _ in parts)
            self._write(found)
            return
        for rule in (rule for wanted in rules.values() for rule in wanted):
            found.by_rule[rule.object, rule.number] = Finding(rule.object, sentence(rule), rule.blocks)
        with duckdb.connect() as connection:
            evaluator = Evaluator(connection, self._sql_rows)
            for number, part in enumerate(parts, 1):
                rejections: list[Rejection] = []
                failures, evaluated = len(found.batch_failures), found.evaluated
                for name in (name for name in rules if name in part):
                    of_object = found.take_in(name, number, evaluator.evaluate(rules[name], part[name]))
                    rejections += _with_money(connection, of_object, self._flow.root, name, part)
                yield GateResult(
                    tuple(rejections), tuple(found.batch_failures[failures:]), found.evaluated - evaluated
                )
        self._write(found)

    def _write(self, found: _Found) -> None:
        if self._page is not None:
            results = Results(found.evaluated, found.findings, found.validations)
            write_page(self._page, self._flow.flow, self._run, results)


@dataclass(slots=True)
class _Found:
    parts: int
    evaluated: int = 0
    batch_failures: list[str] = field(default_factory=list)
    by_rule: dict[tuple[str, int], Finding] = field(default_factory=dict)
    validations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        return list(self.by_rule.values())

    def take_in(self, name: str, part: int, outcomes: Sequence[Outcome]) -> list[Rejection]:
        """Adds the findings of one part, and returns its rejections."""
        if not outcomes:
            return []
        self.evaluated += outcomes[0].rows
        result = {
            "success": all(outcome.passed for outcome in outcomes),
            "results": [outcome.as_json() for outcome in outcomes],
        }
        self.validations.append({"object": name, "part": part, "result": result})
        return [rejection for outcome in outcomes for rejection in self._one(outcome, part)]

    def _one(self, outcome: Outcome, part: int) -> Iterable[Rejection]:
        rule = outcome.rule
        finding = self.by_rule[rule.object, rule.number]
        finding.evaluated += outcome.rows
        finding.passed &= outcome.passed
        if not rule.by_row:
            self._note_whole_part(outcome, finding, part)
            return ()
        rejections = [_rejection(rule, row) for row in outcome.failed]
        finding.failed += len(rejections)
        room = EXAMPLES - len(finding.examples)
        finding.examples += [(item.source_id, item.row, item.value) for item in rejections[:room]]
        return rejections if rule.blocks and not outcome.passed else ()

    def _note_whole_part(self, outcome: Outcome, finding: Finding, part: int) -> None:
        if outcome.passed:
            return
        where = f" in part {part} of {self.parts}" if self.parts > 1 else ""
        said = failure(outcome.rule, shown(outcome.observed))
        finding.notes.append(said + where)
        if outcome.rule.blocks:
            self.batch_failures.append(f"{outcome.rule.object}: {said}{where}")


def _rejection(rule: Rule, row: FailedRow) -> Rejection:
    value = shown(row.value)
    return Rejection(
        source_id=str(row.source_id),
        stage=Stage.GATE,
        reason=failure(rule, value),
        object=rule.object,
        row=str(row.row or ""),
        field=", ".join(rule.columns),
        value=value,
    )


def _with_money(
    connection: Any, rejections: Sequence[Rejection], root: str, name: str, part: Mapping[str, Path]
) -> list[Rejection]:
    from airflow_provider_brightpearl.gates.rows import money_of

    if not rejections:
        return []
    paths = [part[owner] for owner in (root, name) if owner in part]
    known = money_of(connection, paths, sorted({item.source_id for item in rejections}))
    totals = [known.get(item.source_id, (None, "")) for item in rejections]
    return [
        replace(item, amount=amount, currency=currency)
        for item, (amount, currency) in zip(rejections, totals, strict=True)
    ]
