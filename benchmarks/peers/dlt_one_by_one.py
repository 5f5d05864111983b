"""dlt's rest_api source as its documentation shows parent and child: a search, then one call per order."""

from dlt.sources.rest_api import rest_api_source
from dlt_pipeline import SEARCH, pages, sync
from peer import ARGUMENTS, HEADERS, run


def as_record(row):
    return {"orderId": row[0]}


CONFIG = {
    "client": {"base_url": ARGUMENTS.url, "headers": HEADERS},
    "resources": [
        {
            "name": "order_ids",
            "selected": False,
            "endpoint": {
                "path": "order-service/order-search",
                "params": SEARCH,
                "data_selector": "response.results",
                "paginator": pages(),
            },
            "processing_steps": [{"map": as_record}],
        },
        {
            "name": "orders",
            "endpoint": {
                "path": "order-service/order/{resources.order_ids.orderId}",
                "params": {"includeOptional": "customFields"},
                "data_selector": "response",
                "paginator": "single_page",
            },
            "max_table_nesting": 0,
        },
    ],
}


def main():
    return sync(rest_api_source(CONFIG))


if __name__ == "__main__":
    run(main)
