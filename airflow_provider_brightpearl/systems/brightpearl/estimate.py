"""Estimates of what reading a stream takes, from how many rows its searches have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from airflow_provider_brightpearl.core.estimate import ReadEstimate, SearchCounts
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS
from airflow_provider_brightpearl.systems.brightpearl.session import Fetched, min_calls_of

_MOVEMENTS = "warehouse-service/goods-movement-search"
_PRODUCTS = "product-service/product-search"
# share of products whose stock is not tracked, bundles among them
_UNTRACKED = 0.05


@dataclass(frozen=True, slots=True)
class Follow:
    """Records that are read by id for each row counts: path, how many a row, and ids a call.

    ``of`` is the path of the search, any where it is empty; ``step`` as in ``ReadSession.records``.
    """

    path: str
    per_row: float = 1.0
    batch: int = MAX_IDS
    of: str = ""
    step: str = ""


EstimateRead = Callable[[SearchCounts], ReadEstimate]


def by_id(*follows: Follow, records_of: str = "") -> EstimateRead:
    """The estimate of streams that search, then read by id; records are the rows of the search ``records_of``."""

    def estimate(counts: SearchCounts) -> ReadEstimate:
        fetched: Fetched = {}
        for follow in follows:
            place = (follow.path, follow.batch, follow.step)
            fetched[place] = fetched.get(place, 0) + ceil(_rows(counts, follow.of) * follow.per_row)
        return ReadEstimate(_rows(counts, records_of), min_calls_of(counts.searched, fetched))

    return estimate


def _rows(counts: SearchCounts, path: str) -> int:
    chosen = [rows for name, rows in counts.by_path.items() if path in ("", name)]
    return sum(chosen) + counts.named


def of_stock(counts: SearchCounts) -> ReadEstimate:
    """The estimate of availability: of the products that moved, or of all, and what may be bundles."""
    products = counts.by_path.get(_PRODUCTS, 0)
    if _MOVEMENTS in counts.by_path:
        asked, others = counts.by_path[_MOVEMENTS] + counts.named, products
        searched = (*counts.searched, 0) if asked and _PRODUCTS not in counts.by_path else counts.searched
    else:
        others = ceil(products * _UNTRACKED)
        asked, searched = products - others + counts.named, counts.searched
    fetched = {("warehouse-service/product-availability", MAX_IDS, ""): asked,
               ("product-service/product", MAX_IDS, ""): others + counts.named}  # fmt: skip
    return ReadEstimate(asked + others, min_calls_of(searched, fetched))
