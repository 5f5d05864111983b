"""What reading a stream will take, reckoned from what its searches find: for plans before a run and beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from airflow_provider_brightpearl.clients.brightpearl import MAX_IDS
from airflow_provider_brightpearl.core.work import Found, Outlook
from airflow_provider_brightpearl.endpoints.brightpearl_reading import Fetched, calls_for

_MOVEMENTS = "warehouse-service/goods-movement-search"
_PRODUCTS = "product-service/product-search"
# share of products whose stock is not tracked, bundles among them
_UNTRACKED = 0.05


@dataclass(frozen=True, slots=True)
class Follow:
    """Records that are read by id for each row found: path, how many a row, and ids a call.

    ``of`` is the path of the search, any where it is empty; ``step`` as in ``Reading.records``.
    """

    path: str
    per_row: float = 1.0
    batch: int = MAX_IDS
    of: str = ""
    step: str = ""


Foresee = Callable[[Found], Outlook]


def by_id(*follows: Follow, records_of: str = "") -> Foresee:
    """Foresees streams that search, then read by id; its records are the rows of the search ``records_of``."""

    def foresee(found: Found) -> Outlook:
        fetched: Fetched = {}
        for follow in follows:
            place = (follow.path, follow.batch, follow.step)
            fetched[place] = fetched.get(place, 0) + ceil(_rows(found, follow.of) * follow.per_row)
        return Outlook(_rows(found, records_of), calls_for(found.searched, fetched))

    return foresee


def _rows(found: Found, path: str) -> int:
    chosen = [rows for name, rows in found.by_path.items() if path in ("", name)]
    return sum(chosen) + found.named


def of_stock(found: Found) -> Outlook:
    """Foresees availability: of the products that moved, or of all, and what may be bundles."""
    products = found.by_path.get(_PRODUCTS, 0)
    if _MOVEMENTS in found.by_path:
        asked, others = found.by_path[_MOVEMENTS] + found.named, products
        searched = (*found.searched, 0) if asked and _PRODUCTS not in found.by_path else found.searched
    else:
        others = ceil(products * _UNTRACKED)
        asked, searched = products - others + found.named, found.searched
    fetched = {("warehouse-service/product-availability", MAX_IDS, ""): asked,
               ("product-service/product", MAX_IDS, ""): others + found.named}  # fmt: skip
    return Outlook(asked + others, calls_for(searched, fetched))
