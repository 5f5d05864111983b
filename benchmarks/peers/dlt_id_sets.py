"""dlt with its RESTClient and a transformer of our own that asks for 200 orders by one id set."""

from itertools import islice

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt_pipeline import SEARCH, pages, sync
from peer import ARGUMENTS, HEADERS, run

CLIENT = RESTClient(ARGUMENTS.url, headers=HEADERS)


@dlt.resource(selected=False)
def id_sets():
    found = CLIENT.paginate(
        "order-service/order-search", params=SEARCH, paginator=pages(), data_selector="response.results"
    )
    ids = (str(row[0]) for page in found for row in page)
    while some := list(islice(ids, 200)):
        yield ",".join(some)


@dlt.transformer(data_from=id_sets, max_table_nesting=0)
def orders(id_set):
    answer = CLIENT.get(f"order-service/order/{id_set}", params={"includeOptional": "customFields"})
    yield answer.json()["response"]


def main():
    return sync(orders)


if __name__ == "__main__":
    run(main)
