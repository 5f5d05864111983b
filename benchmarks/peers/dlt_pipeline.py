"""The parts of a dlt pipeline that both forms share: paging through a search, and a run that writes JSON lines."""

import dlt
from dlt.sources.helpers.rest_client.paginators import OffsetPaginator
from peer import ARGUMENTS

SEARCH = {"orderTypeId": "1", "columns": "orderId", "sort": "orderId.ASC"}


def pages():
    return OffsetPaginator(
        limit=500,
        offset=1,
        offset_param="firstResult",
        limit_param="pageSize",
        total_path="response.metaData.resultsAvailable",
    )


def sync(data):
    """Extracts a source or resource; gives the number of orders.

    The first of dlt's three steps only: what is extracted lies on disk as JSON lines then, as with the others.
    """
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=ARGUMENTS.folder,
        destination=dlt.destinations.filesystem(bucket_url=f"{ARGUMENTS.folder}/out"),
        dataset_name="orders",
    )
    steps = [step["resource_metrics"] for steps in pipeline.extract(data).metrics.values() for step in steps]
    return sum(step["orders"].items_count for step in steps if "orders" in step)
