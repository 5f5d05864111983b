"""All resources of the REST API; where two paths match, the more literal one is first."""

from __future__ import annotations

from ..call import Resource
from . import (
    bulk_ingest,
    bulk_query,
    collections,
    composite,
    composite_graph,
    composite_tree,
    describe,
    metadata_deploy,
    query,
    records,
    search,
)

TABLE: list[Resource] = [
    *describe.TABLE,
    *query.TABLE,
    *collections.TABLE,
    *composite.TABLE,
    *composite_graph.TABLE,
    *composite_tree.TABLE,
    *bulk_ingest.TABLE,
    *bulk_query.TABLE,
    *metadata_deploy.TABLE,
    *search.TABLE,
    *records.TABLE,
]
