"""Settings of the simulated shop."""

from __future__ import annotations

from ..deliveries import delivery_settings

ACCESS_TOKEN = "shpat_sandbox"  # noqa: S105 - a public constant of a local simulator
CLIENT_SECRET = "sandbox-shop-secret"  # noqa: S105
DOMAIN = "acme.myshop.example"

# eight repeats within four hours, then the subscription is deleted; how they are spread is inferred
RETRY_SECONDS = [60, 120, 300, 600, 1200, 2400, 3600, 6000]


def default_settings() -> dict[str, object]:
    """A new copy of the default settings."""
    return {
        "access_token": ACCESS_TOKEN,
        "client_secret": CLIENT_SECRET,
        "currency": "GBP",
        "throttle_bucket": 40,  # calls at once; 0: unlimited
        "throttle_per_second": 2.0,
        **delivery_settings(
            "webhook", retry_seconds=RETRY_SECONDS, attempts=9, timeout_seconds=5.0, delay_seconds=0.05
        ),
    }
