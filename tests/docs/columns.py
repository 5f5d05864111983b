"""docs/columns.md from the schemas: ``python -m tests.docs.columns`` writes it."""

from __future__ import annotations

from airflow_provider_brightpearl.core.schema import expression_columns
from airflow_provider_brightpearl.systems.registry import systems
from tests.docs.markdown import ROOT

PAGE = ROOT / "docs" / "columns.md"
HEAD = """\
# Columns of the streams

What [expressions](mapping.md#expressions) can use, by stream; `brightpearl mapping columns STREAM` lists the same.
`orderRows[].productId` is a column of each entry of a map or list: with `rows: orderRows`, it is `row.productId`.
"""


def columns_page() -> str:
    """The page as it should be."""
    parts = [HEAD]
    named = {
        f"{each.name}.{stream}": schema
        for each in systems().values()
        for stream, schema in each.streams.items()
    }
    for name, schema in sorted(named.items()):
        rows = [f"| `{path}` | {kind} |" for path, kind in expression_columns(schema.columns)]
        head = [f"## {name}", "", f"The id of a record is `{schema.id_column}`.", ""]
        parts.append("\n".join([*head, "| Column | Type |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(columns_page(), encoding="utf-8")
