"""Settings of the simulated org; everything that the reference only infers is one of them."""

from __future__ import annotations

CONSUMER_KEY = "sandbox-consumer-key"
CONSUMER_SECRET = "sandbox-consumer-secret"  # noqa: S105 - a public constant of a local simulator
USERNAME = "integration@acme.example"
PASSWORD = "sandbox-password"  # noqa: S105
SECURITY_TOKEN = "sandboxtoken"  # noqa: S105

CURRENCIES = ("GBP", "EUR", "USD", "JPY", "KWD", "CAD", "AUD", "CHF", "SEK", "NOK", "DKK", "PLN", "NZD")


def default_settings() -> dict[str, object]:
    """A new copy of the default settings."""
    return {
        # login and sessions
        "consumer_key": CONSUMER_KEY,
        "consumer_secret": CONSUMER_SECRET,
        "username": USERNAME,
        "password": PASSWORD,
        "security_token": SECURITY_TOKEN,
        "login_flows": ["client_credentials", "password", "jwt-bearer", "refresh_token", "soap"],
        "session_seconds": 7200,
        "session_calls": 0,  # calls after which a session expires, 0 = never
        # limits
        "daily_api_limit": 100_000,
        "daily_api_used": 0,
        "bulk_calls_count": True,
        "strict_parameters": True,
        # metadata
        "bare": False,  # no custom fields or objects, from the next reset on
        "deploy_polls": 1,  # polls before a deployment is done
        # edition
        "multi_currency": True,
        "currencies": list(CURRENCIES),
        "corporate_currency": "GBP",
        "change_events": [],  # objects with change events, such as ["Account", "Order"]
        "event_channels": {},  # of one's own: {"Sync__chn": ["Account", "Order"]}
        # {"Order_Shipped__e": {field: type}}; types: checkbox, date, datetime, number, text, textarea
        "platform_events": {},
        "event_retention_seconds": 259_200,
        "pubsub_keepalive_seconds": 270.0,  # real seconds without events until an empty response
        "pubsub_idle_seconds": 60.0,  # real seconds without a request for events until the stream ends
        # {rpc?, code?, status?, message?, after_events?, skip?, times?}: streams and calls that break
        "pubsub_faults": [],
        "streaming_seconds": 110,  # real seconds that a connect is held without events
        "person_accounts": False,
        "country_picklists": True,
        "country_text_checked": False,
        # with picklists, a state's text must be the full name of a state of a country that has a list
        "state_text_checked": True,
        "optional_pricebook": False,
        "negative_quantity": False,
        "reduction_orders": False,
        "zero_quantity": False,
        "edit_activated_orders": True,
        # what an administrator has changed: {"Order.Status": {"removed": true}}, {"Account.Name": {"length": 20}};
        # other keys are "type", "scale", "precision", "required", "unique", "external_id", "createable",
        # "updateable", "values", "without_values", "restricted"; with "type", a field that is not there is new
        "field_changes": {},
        "invisible_fields": [],  # such as "Order.Net__c": deployed, without field permission
        "duplicate_rules": {},  # {"Account": "alert" | "block", "Contact": ...}
        "duplicate_result_key": "duplicateResut",
        # conversion of values
        "money_scale": 2,
        "unit_price_scale": 2,
        "quantity_scale": 2,
        "excess_decimals": "round",  # "round" half up, "refuse", "keep"
        "numbers_in_text": False,
        "type_error_scope": "row",  # "request": one bad value rejects the whole collection
        "create_only_same_value": "refuse",  # "ignore": an unchanged create-only field is not an error
        "standard_price_same_call": False,
        "activation_only_status": True,
        "activated_order_code": "INVALID_STATUS",
        "order_delete_code": "DELETE_FAILED",
        "create_status_code": "INVALID_STATUS",
        # responses with two known variants
        "upsert_update_status": 200,
        "upsert_needs_attributes": True,
        "collection_limit_code": "LIMIT_EXCEEDED",
        "composite_collection_limit": 5,
        # queries
        "page_size": 2000,
        "page_max": 2000,  # below 200 to simulate a server that returns fewer rows than requested
        "child_page_size": 200,  # rows of a child query with each record, the rest by nextRecordsUrl
        "cursor_seconds": 172_800,
        "max_offset": 2000,
        "replication_lag_seconds": 0,
        # bulk jobs
        "bulk_polls": 1,  # polls before a job may be complete
        "bulk_seconds": 0,  # a closed job waits in the queue
        "bulk_shuffle": True,
        "bulk_fail_after_rows": 0,  # a job fails after this many rows, the rest is unprocessed
        "bulk_abort_after_rows": 0,  # somebody aborts a job after this many rows
        "bulk_chunk_rows": 200,  # rows of one transaction of a job
        "bulk_retention_seconds": 604_800,
        "bulk_max_bytes": 150_000_000,
        "bulk_page_size": 50_000,
        "bulk_strict_line_ending": True,
        # injected faults
        "row_faults": [],  # {object?, operation?, code, message?, where?, rate?, times?}
        "stamp_lag_seconds": 0,  # rows are committed with an older SystemModstamp
    }


# the settings that change what describe shows
SCHEMA_SWITCHES = (
    "multi_currency",
    "currencies",
    "corporate_currency",
    "country_picklists",
    "person_accounts",
    "invisible_fields",
    "field_changes",
    "money_scale",
    "unit_price_scale",
    "quantity_scale",
)
