"""All resources of the REST API in one table; the more literal path of two comes first."""

from __future__ import annotations

from ..call import Resource
from . import collections, composite, deploys, describe, graph, ingest, queries, query_jobs, records, tree

TABLE: list[Resource] = [
    *describe.TABLE,
    *queries.TABLE,
    *collections.TABLE,
    *composite.TABLE,
    *graph.TABLE,
    *tree.TABLE,
    *ingest.TABLE,
    *query_jobs.TABLE,
    *deploys.TABLE,
    *records.TABLE,
]
