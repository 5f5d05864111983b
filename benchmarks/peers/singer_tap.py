"""The parts of a singer-sdk tap that both forms share: the search stream and a run that writes messages to a file."""

import os
import sys

from peer import ARGUMENTS, HEADERS
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import BaseOffsetPaginator

ANY = th.CustomType({"type": ["object", "array", "string", "number", "boolean", "null"]})


class SearchPaginator(BaseOffsetPaginator):
    def has_more(self, response):
        return response.json()["response"]["metaData"]["morePagesAvailable"]


class BrightpearlStream(RESTStream):
    url_base = ARGUMENTS.url
    records_jsonpath = "$.response[*]"

    @property
    def http_headers(self):
        return HEADERS


class SearchStream(BrightpearlStream):
    path = "/order-service/order-search"
    selected_by_default = True

    def get_new_paginator(self):
        return SearchPaginator(start_value=1, page_size=500)

    def get_url_params(self, context, next_page_token):
        return {
            "orderTypeId": "1",
            "columns": "orderId",
            "sort": "orderId.ASC",
            "pageSize": 500,
            "firstResult": next_page_token or 1,
        }


class OrdersStream(BrightpearlStream):
    name = "orders"
    primary_keys = ("id",)
    # one state message per parent record would be as many messages as orders
    state_partitioning_keys = ()
    schema = th.PropertiesList(th.Property("id", th.IntegerType), additional_properties=ANY).to_dict()

    def get_new_paginator(self):
        return None

    def get_url_params(self, context, next_page_token):
        return {"includeOptional": "customFields"}


def sync(*streams):
    """Runs a tap with these streams, its messages going to a file as to a target; gives the number of orders."""

    class BrightpearlTap(Tap):
        name = "tap-brightpearl-bench"
        config_jsonschema = th.PropertiesList().to_dict()

        def discover_streams(self):
            return [stream(self) for stream in streams]

    os.makedirs(ARGUMENTS.folder, exist_ok=True)
    path = os.path.join(ARGUMENTS.folder, "messages.jsonl")
    with open(path, "w") as messages:
        # the SDK writes to the file descriptor of standard output
        shell = os.dup(1)
        os.dup2(messages.fileno(), 1)
        try:
            BrightpearlTap(config={}).sync_all()
            sys.stdout.flush()
        finally:
            os.dup2(shell, 1)
    with open(path, "rb") as messages:
        return sum(line.startswith(b'{"type":"RECORD","stream":"orders"') for line in messages)
