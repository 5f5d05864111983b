"""A singer-sdk tap as its documentation shows parent and child streams: a search, then one call per order."""

from peer import run
from singer_sdk import typing as th
from singer_tap import OrdersStream, SearchStream, sync


class OrderIds(SearchStream):
    name = "order_ids"
    primary_keys = ("orderId",)
    schema = th.PropertiesList(th.Property("orderId", th.IntegerType)).to_dict()

    def parse_response(self, response):
        for row in response.json()["response"]["results"]:
            yield {"orderId": row[0]}

    def get_child_context(self, record, context):
        return {"orderId": record["orderId"]}


class Orders(OrdersStream):
    path = "/order-service/order/{orderId}"
    parent_stream_type = OrderIds


def main():
    return sync(OrderIds, Orders)


if __name__ == "__main__":
    run(main)
