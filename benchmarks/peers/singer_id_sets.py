"""A singer-sdk tap whose parent stream gives id sets of 200 instead of ids, so that a child call gets 200 orders."""

from peer import run
from singer_sdk import typing as th
from singer_tap import OrdersStream, SearchStream, sync


class IdSets(SearchStream):
    name = "id_sets"
    primary_keys = ("id_set",)
    schema = th.PropertiesList(th.Property("id_set", th.StringType)).to_dict()

    def parse_response(self, response):
        ids = [str(row[0]) for row in response.json()["response"]["results"]]
        for start in range(0, len(ids), 200):
            yield {"id_set": ",".join(ids[start : start + 200])}

    def get_child_context(self, record, context):
        return {"id_set": record["id_set"]}


class Orders(OrdersStream):
    path = "/order-service/order/{id_set}"
    parent_stream_type = IdSets


def main():
    return sync(IdSets, Orders)


if __name__ == "__main__":
    run(main)
