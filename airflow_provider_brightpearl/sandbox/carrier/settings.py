"""Settings of the simulated carrier."""

from __future__ import annotations

from ..deliveries import delivery_settings

API_KEY = "sandbox-carrier-key"
SECRET = "sandbox-carrier-secret"  # noqa: S105 - a public constant of a local simulator


def default_settings() -> dict[str, object]:
    """A new copy of the default settings."""
    return {
        "api_key": API_KEY,
        "secret": SECRET,
        "company": "Acme Express",
        "receivers": [],  # {url, events?}: of confirmations
        **delivery_settings("webhook", retry_seconds=[30, 300, 1800, 7200], delay_seconds=0.05),
    }
