"""Settings of the simulated account; everything that the reference only infers is one of them."""

from __future__ import annotations

from ..deliveries import delivery_settings


def default_settings() -> dict[str, object]:
    """A new copy of the default settings."""
    return {
        "throttle": True,
        "throttle_limit": 200,
        "throttle_seconds": 60,
        "throttle_window": "rolling",  # or "fixed"
        "throttle_status": 503,  # 429 adds Retry-After
        "time_zone": "Europe/London",
        "zero_offset": "Z",  # or "+00:00"
        "period_start_inclusive": True,
        "period_end_inclusive": True,
        "encoded_slash": "accept",  # or "reject": a %2F in a PERIOD
        "max_uri": 2000,
        "page_max": 500,  # rows per page of a search
        "shuffle": True,  # records of an id set are unsorted
        "gson_escapes": True,
        "contact_updated_now": True,  # an unmodified contact shows the time of the request in GET
        "custom_fields_touch": False,  # changing custom fields changes updatedOn
        "sales_order_repeat": "id",  # or "null": the response to a repeated sales order
        "tax_computed": False,  # the tax of rows is that of their tax code, whatever was sent
        "exchange_rate": "order_per_base",  # or "base_per_order"; takes effect with the next seed
        "oauth_rotate": "never",  # or "always"
        "oauth_same_until_expiry": True,
        "oauth_lifetime_seconds": 604_800,
        "webhooks": True,  # deliver them
        **delivery_settings("webhook", delay_seconds=0.2),  # events of the delay go into one id set
        "bundle_deleted_whole": True,  # deleting the row of a bundle deletes those of its components
        "edit_invoiced_orders": False,
        "require_dev_ref": False,
    }
