"""What both forms of an airbyte-cdk low-code source share: the manifest, and a run that writes messages to a file."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from airbyte_cdk.models import AirbyteMessageSerializer, Type
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer as Catalog
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.test.state_builder import StateBuilder
from orjson import dumps
from peer import ARGUMENTS, HEADERS

# the extractor below is code of our own
os.environ["AIRBYTE_ENABLE_UNSAFE_CODE"] = "true"
ANY = {"type": "object", "additionalProperties": True}


@dataclass
class SearchRows(RecordExtractor):
    """Rows of a search are lists; the low-code engine takes objects only."""

    parameters: dict

    def extract_records(self, response):
        for row in response.json()["response"]["results"]:
            yield {"orderId": row[0]}


def requester(path, parameters):
    return {
        "type": "HttpRequester",
        "url_base": ARGUMENTS.url,
        "path": path,
        "http_method": "GET",
        "request_headers": HEADERS,
        "request_parameters": parameters,
    }


def schema(*names):
    return {"type": "InlineSchemaLoader", "schema": {**ANY, "properties": {name: {} for name in names}}}


ORDER_IDS = {
    "type": "DeclarativeStream",
    "name": "order_ids",
    "primary_key": "orderId",
    "schema_loader": schema("orderId"),
    "retriever": {
        "type": "SimpleRetriever",
        "requester": requester(
            "/order-service/order-search", {"orderTypeId": "1", "columns": "orderId", "sort": "orderId.ASC"}
        ),
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "CustomRecordExtractor", "class_name": f"{__name__}.SearchRows"},
        },
        "paginator": {
            "type": "DefaultPaginator",
            "page_size_option": {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "pageSize"},
            "page_token_option": {
                "type": "RequestOption", "inject_into": "request_parameter", "field_name": "firstResult",
            },
            "pagination_strategy": {
                "type": "CursorPagination",
                "page_size": 500,
                "cursor_value": "{{ response.response.metaData.lastResult + 1 }}",
                "stop_condition": "{{ not response.response.metaData.morePagesAvailable }}",
            },
        },
    },
}  # fmt: skip

SUBSTREAM = {
    "type": "SubstreamPartitionRouter",
    "parent_stream_configs": [
        {
            "type": "ParentStreamConfig",
            "stream": ORDER_IDS,
            "parent_key": "orderId",
            "partition_field": "orderId",
        }
    ],
}


def sync(router, order_id):
    """Runs a source whose orders come by this partition router; gives the number of orders."""
    orders = {
        "type": "DeclarativeStream",
        "name": "orders",
        "primary_key": "id",
        "schema_loader": schema("id"),
        "retriever": {
            "type": "SimpleRetriever",
            "requester": requester(f"/order-service/order/{order_id}", {"includeOptional": "customFields"}),
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": ["response"]},
            },
            "partition_router": router,
        },
    }
    manifest = {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["orders"]},
        "streams": [orders],
    }
    catalog = Catalog.load(
        {
            "streams": [
                {
                    "stream": {
                        "name": "orders",
                        "json_schema": ANY,
                        "supported_sync_modes": ["full_refresh"],
                    },
                    "sync_mode": "full_refresh",
                    "destination_sync_mode": "append",
                }
            ]
        }
    )
    config = {"__injected_declarative_manifest": manifest}
    source = ConcurrentDeclarativeSource(
        catalog=catalog, config=config, state=StateBuilder().build(), source_config=manifest
    )
    Path(ARGUMENTS.folder).mkdir(parents=True, exist_ok=True)
    logger = logging.getLogger("airbyte")
    count = 0
    with (Path(ARGUMENTS.folder) / "messages.jsonl").open("wb") as file:
        for message in source.read(logger, config, catalog, StateBuilder().build()):
            file.write(dumps(AirbyteMessageSerializer.dump(message)) + b"\n")
            count += message.type is Type.RECORD
    return count
