"""Switches of the simulated org. Every fact that the reference only infers is one of them."""

from __future__ import annotations

from collections.abc import Mapping

CONSUMER_KEY = "sandbox-consumer-key"
CONSUMER_SECRET = "sandbox-consumer-secret"  # noqa: S105 - a public constant of a local simulator
USERNAME = "integration@acme.example"
PASSWORD = "sandbox-password"  # noqa: S105
SECURITY_TOKEN = "sandboxtoken"  # noqa: S105

CURRENCIES = ("GBP", "EUR", "USD", "JPY", "KWD", "CAD", "AUD", "CHF", "SEK", "NOK", "DKK", "PLN", "NZD")


def default_settings() -> dict[str, object]:
    """A fresh copy of all switches, at the values of the default org."""
    return {
        # who may log in, and for how long
        "consumer_key": CONSUMER_KEY,
        "consumer_secret": CONSUMER_SECRET,
        "username": USERNAME,
        "password": PASSWORD,
        "security_token": SECURITY_TOKEN,
        "login_flows": ["client_credentials", "password", "jwt-bearer", "refresh_token", "soap"],
        "session_seconds": 7200,
        "session_calls": 0,  # calls a session lives for, 0 = no end
        # limits
        "daily_api_limit": 100_000,
        "daily_api_used": 0,
        "bulk_calls_count": True,
        "strict_parameters": True,
        # what is deployed
        "bare": False,  # without any custom field or object, from the next reset on
        "deploy_polls": 1,  # looks at a deployment before it is done
        # edition
        "multi_currency": True,
        "currencies": list(CURRENCIES),
        "corporate_currency": "GBP",
        "country_picklists": True,
        "country_text_checked": False,
        "optional_pricebook": False,
        "negative_quantity": False,
        "reduction_orders": False,
        "zero_quantity": False,
        "edit_activated_orders": True,
        "invisible_fields": [],  # "Order.Net__c": deployed, but no field permission
        "duplicate_rules": {},  # {"Account": "alert" | "block", "Contact": ...}
        "duplicate_result_key": "duplicateResut",
        # how values are taken
        "money_scale": 2,
        "unit_price_scale": 2,
        "quantity_scale": 2,
        "excess_decimals": "round",  # "round" half up, "refuse", "keep"
        "numbers_in_text": False,
        "type_error_scope": "row",  # "request": one bad value refuses a whole collection
        "create_only_same_value": "refuse",  # "ignore": an unchanged create-only field is no error
        "standard_price_same_call": False,
        "activation_only_status": True,
        "activated_order_code": "INVALID_STATUS",
        "order_delete_code": "DELETE_FAILED",
        "create_status_code": "INVALID_STATUS",
        # shapes with two known variants
        "upsert_update_status": 200,
        "upsert_needs_attributes": True,
        "collection_limit_code": "LIMIT_EXCEEDED",
        "composite_collection_limit": 5,
        # queries
        "page_size": 2000,
        "page_max": 2000,  # below 200 to act as a server that returns fewer than asked
        "cursor_seconds": 172_800,
        "max_offset": 2000,
        "replication_lag_seconds": 0,
        # bulk jobs
        "bulk_polls": 1,  # looks before a job may be done, however much time has passed
        "bulk_seconds": 0,  # that a closed job waits in the queue
        "bulk_shuffle": True,
        "bulk_fail_after_rows": 0,  # a job fails after this many rows, the rest stays unprocessed
        "bulk_retention_seconds": 604_800,
        "bulk_max_bytes": 150_000_000,
        "bulk_page_size": 50_000,
        "bulk_strict_line_ending": True,
        # trouble on demand
        "row_faults": [],  # {object?, operation?, code, message?, rate?, times?}
        "stamp_lag_seconds": 0,  # rows are committed with an older SystemModstamp
    }


# the switches that change what a describe shows
SCHEMA_SWITCHES = (
    "multi_currency",
    "currencies",
    "corporate_currency",
    "country_picklists",
    "invisible_fields",
    "money_scale",
    "unit_price_scale",
    "quantity_scale",
)


def number(settings: Mapping[str, object], name: str) -> int:
    """A switch as a whole number."""
    value = settings[name]
    return int(value) if isinstance(value, (int, float, str)) else 0


def words(settings: Mapping[str, object], name: str) -> list[str]:
    """A switch as a list of texts."""
    value = settings[name]
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []
