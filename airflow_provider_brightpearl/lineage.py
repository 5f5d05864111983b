"""OpenLineage: which stream a task read, which objects it wrote, and which column each field is made of.

Airflow's OpenLineage provider asks operators for this; without it nothing here is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class FlowLineage:
    """Datasets of a flow as (namespace, name), and the input's columns by object and field.

    A namespace is system and instance, such as ``brightpearl://acmetest`` or ``salesforce://00D000000000001``.
    """

    source: Place
    outputs: dict[Place, dict[str, tuple[str, ...]]]


def flow_lineage(wiring: Any) -> FlowLineage:
    """The lineage of a flow between the instances that its wiring is connected to."""
    from airflow_provider_brightpearl.mapping.lineage import column_lineage
    from airflow_provider_brightpearl.systems import registry

    flow = wiring.flow
    source, target = wiring.pair.replace(":", "://").split(">")
    fields = column_lineage(flow, registry.stream_schema(flow.source))
    return FlowLineage(
        (source, flow.stream),
        {(target, flow.target_object(name)): columns for name, columns in fields.items()},
    )


def datasets(lineage: FlowLineage) -> tuple[list[Any], list[Any]]:
    """Inputs and outputs as OpenLineage has them, outputs with schema and column lineage."""
    from openlineage.client.event_v2 import Dataset
    from openlineage.client.facet_v2 import column_lineage_dataset as by_column
    from openlineage.client.facet_v2 import schema_dataset

    namespace, name = lineage.source
    outputs = []
    for place, fields in lineage.outputs.items():
        known = {
            field: by_column.Fields([by_column.InputField(namespace, name, column) for column in columns])
            for field, columns in fields.items()
            if columns
        }
        facets = {
            "schema": schema_dataset.SchemaDatasetFacet(
                [schema_dataset.SchemaDatasetFacetFields(field) for field in fields]
            ),
            "columnLineage": by_column.ColumnLineageDatasetFacet(known),
        }
        outputs.append(Dataset(*place, facets=facets))
    return [Dataset(namespace, name)], outputs


def operator_lineage(wiring: Any) -> Any:
    """What ``get_openlineage_facets_on_complete`` of an operator returns; None where the task opened no flow."""
    from airflow.providers.openlineage.extractors import OperatorLineage

    if wiring is None:
        return None
    inputs, outputs = datasets(flow_lineage(wiring))
    return OperatorLineage(inputs=inputs, outputs=outputs)
