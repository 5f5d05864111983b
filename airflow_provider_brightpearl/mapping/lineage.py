"""The source columns of each field of a flow."""

from __future__ import annotations

from airflow_provider_brightpearl.core.schema import ListOf, MapOf, StreamSchema, find
from airflow_provider_brightpearl.flow.spec import FlowSpec, ObjectSpec
from airflow_provider_brightpearl.mapping.expressions import Scope, compile_expression

Columns = dict[str, tuple[str, ...]]


def column_lineage(flow: FlowSpec, schema: StreamSchema) -> dict[str, Columns]:
    """Source columns by field, by object of the flow; a constant field has none.

    Columns of rows inside a record are named with the path of the rows, such as ``orderRows.productId``.

    Raises:
        ExpressionError: an expression cannot be used; the flow does not run either.
    """
    return {name: _columns(flow, schema, spec) for name, spec in flow.objects.items()}


def _columns(flow: FlowSpec, schema: StreamSchema, spec: ObjectSpec) -> Columns:
    path = tuple(spec.rows.split(".")) if spec.rows else ()
    rows = find(schema.columns, path) if path else None
    entry = rows.entry if isinstance(rows, (MapOf, ListOf)) else None
    found: Columns = {}
    for field, text in {spec.key_field: spec.key_expression, **spec.fields}.items():
        scope = Scope(schema.columns, path, entry, frozenset(flow.lookups))
        compile_expression(text, scope)
        found[field] = tuple(sorted(".".join(each) for each in scope.paths))
    if path and not found[spec.key_field]:
        # rows in a map are known by the key of their entry, which is no column
        found[spec.key_field] = (spec.rows or "",)
    return found
