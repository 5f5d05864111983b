"""The page that Airflow shows beside a flow's DAG, written from its flow file."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_brightpearl.flow.spec import FlowSpec, ObjectSpec

_CLOSED = {"stop": "nothing is loaded", "quarantine": "the others are loaded, with an alert,"}


def describe(flow: FlowSpec) -> str:
    """Markdown: what the flow does, between which systems, and one table of fields per target object."""
    head = [
        f"### {flow.flow}",
        flow.description.strip(),
        "| | |\n|---|---|\n" + "\n".join(f"| {name} | {text} |" for name, text in _facts(flow)),
    ]
    tables = [_fields(flow.target_object(name), spec) for name, spec in flow.objects.items()]
    return "\n\n".join(part for part in [*head, *tables] if part)


def _facts(flow: FlowSpec) -> list[tuple[str, str]]:
    facts = [
        ("Source", f"`{flow.source}`"),
        ("Target", f"`{flow.target}`"),
        ("Schedule", f"`{flow.schedule}` ({flow.timezone})"),
        (
            "Window",
            f"reaches back {_minutes(flow, 'lookback')} min, stays {_minutes(flow, 'delay')} min behind now",
        ),
        (
            "Gate",
            f"{_CLOSED[flow.gate.closed]} when more than {flow.gate.max_rejected:.0%} of the records are rejected",
        ),
    ]
    if flow.write_back:
        fields = [name for spec in flow.write_back.values() for name in spec.fields]
        notes = ["a note"] if any(spec.note for spec in flow.write_back.values()) else []
        texts = ", ".join([*(f"`{name}`" for name in fields), *notes])
        facts.append(("Writes back", f"to records of the source, once the run is settled: {texts}"))
    if flow.after:
        facts.append(("After", ", ".join(f"`{parent}`" for parent in flow.after)))
    return facts


def _minutes(flow: FlowSpec, name: str) -> str:
    return f"{getattr(flow.window, name).total_seconds() / 60:g}"


def _fields(target: str, spec: ObjectSpec) -> str:
    rows = [(f"**{spec.key_field}** (key)", spec.key_expression), *spec.fields.items()]
    lines = [f"| {field} | {_code(expression)} |" for field, expression in rows]
    return "\n".join([f"#### {target}", "", "| Field | From |", "|---|---|", *lines])


def _code(expression: str) -> str:
    text = " ".join(expression.split()).replace("|", "\\|")
    return f"`{text}`"


def describe_reconciliation(flows: Iterable[FlowSpec]) -> str:
    """Markdown: which flows are compared, over how long, by which amounts, and what becomes of differences."""
    rows = [
        f"| {flow.flow} | {spec.period.days} days | {_amounts(flow)} | {spec.max_repair} | {spec.deleted} |"
        for flow in flows
        if (spec := flow.reconcile)
    ]
    head = [
        "| Flow | Created in the last | Amounts | Repairs up to | Deleted at the source |",
        "|---|---|---|--:|---|",
    ]
    text = (
        "Each `compare` task logs its result and keeps it in the table `bp_reconciliation` of the state database. "
        "It fails if more differs than is repaired."
    )
    return "\n".join(["### Reconciliation", "", text, "", *head, *rows])


def _amounts(flow: FlowSpec) -> str:
    spec, totals = flow.reconcile, flow.totals
    if spec is None or not spec.amount or totals is None:
        return "not compared"
    return f"{_code(totals.amount)} with `{spec.amount}`"
