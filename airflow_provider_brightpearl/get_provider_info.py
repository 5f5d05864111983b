"""What this package declares to Airflow; read by every Airflow process, so it imports next to nothing.

One description serves Airflow 2.11 and 3.x: keys that a version does not know are ignored there.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_brightpearl.settings import OPTIONS, SECTION

_PACKAGE = "airflow_provider_brightpearl"
_SECRET = {"type": ["string", "null"], "format": "password"}
_TEXT = {"type": ["string", "null"]}
_LINKS = ("GateReportLink", "RunSummaryLink", "ReconciliationLink", "TargetLink")
_HOOKS = ("brightpearl", "salesforce", "infor")
_OPERATORS = ("flow", "transfer", "infor", "events", "replay")


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata as Airflow's schema for it asks."""
    uris = [
        {
            "schemes": ["brightpearl"],
            "handler": f"{_PACKAGE}.assets.check_uri",
            "factory": f"{_PACKAGE}.assets.create_asset",
        }
    ]
    return {
        "package-name": "airflow-provider-brightpearl",
        "name": "Brightpearl",
        "description": "Syncs Brightpearl to Salesforce and Infor M3.",
        "integrations": [
            {
                "integration-name": "Brightpearl",
                "external-doc-url": "https://api-docs.brightpearl.com/",
                "tags": ["service"],
            }
        ],
        "connection-types": [_brightpearl_connection(), _infor_connection()],
        "hooks": [_modules("hooks", *_HOOKS)],
        "operators": [_modules("operators", *_OPERATORS)],
        "sensors": [_modules("sensors", "brightpearl", "inbox")],
        "triggers": [_modules("triggers", "brightpearl", "inbox", "pause", "salesforce")],
        "transfers": [
            {
                "source-integration-name": "Brightpearl",
                "target-integration-name": "Brightpearl",
                "python-module": f"{_PACKAGE}.operators.transfer",
                "how-to-guide": "/docs/howto/transfer.md",
            }
        ],
        "extra-links": [f"{_PACKAGE}.links.{name}" for name in _LINKS],
        "notifications": [f"{_PACKAGE}.notifications.{name}" for name in ("SyncNotifier", "AlertMail")],
        "asset-uris": uris,
        "dataset-uris": uris,
        "cli": [f"{_PACKAGE}.airflow_cli.get_cli_commands"],
        "config": {
            SECTION: {
                "description": "How flows between Brightpearl and other systems run.",
                "options": OPTIONS,
            }
        },
    }


def _modules(folder: str, *names: str) -> dict[str, Any]:
    return {
        "integration-name": "Brightpearl",
        "python-modules": [f"{_PACKAGE}.{folder}.{name}" for name in names],
    }


def _brightpearl_connection() -> dict[str, Any]:
    return {
        "connection-type": "brightpearl",
        "hook-class-name": f"{_PACKAGE}.hooks.brightpearl.BrightpearlHook",
        "hook-name": "Brightpearl",
        "ui-field-behaviour": {
            "hidden-fields": ["schema", "extra"],
            "relabeling": {
                "host": "API domain",
                "login": "Account code",
                "password": "Staff or account token",
            },
            "placeholders": {"host": "https://euw1.brightpearlconnect.com", "login": "acmetest"},
        },
        "conn-fields": {
            "app_ref": {"label": "App reference", "schema": {"type": "string"}},
            "dev_ref": {"label": "Developer reference", "schema": _TEXT},
            "token_kind": {
                "label": "Token kind",
                "schema": {"type": "string", "enum": ["staff", "account", "oauth"], "default": "staff"},
            },
            "client_secret": {"label": "OAuth client secret", "schema": _SECRET},
            "refresh_token": {"label": "OAuth refresh token", "schema": _SECRET},
            "access_token": {"label": "OAuth access token", "schema": _SECRET},
            "expires_at": {"label": "OAuth access token expires at (ISO 8601)", "schema": _TEXT},
            "token_url": {"label": "OAuth token address", "schema": _TEXT},
            "webhook_secrets": {"label": "Secrets of the webhook address", "schema": _SECRET},
        },
    }


def _infor_connection() -> dict[str, Any]:
    return {
        "connection-type": "infor",
        "hook-class-name": f"{_PACKAGE}.hooks.infor.InforHook",
        "hook-name": "Infor M3",
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema", "login", "password", "extra"],
            "relabeling": {},
        },
        "conn-fields": {
            "ionapi": {"label": "Content of the .ionapi file (JSON)", "schema": _SECRET},
            "cono": {"label": "Company (CONO)", "schema": _TEXT},
            "divi": {"label": "Division (DIVI)", "schema": _TEXT},
            "api_version": {
                "label": "API version",
                "schema": {"type": "string", "enum": ["v2", "v1"], "default": "v2"},
            },
            "suite": {"label": "Suite path (M3)", "schema": _TEXT},
            "batch_size": {"label": "Transactions per bulk call (50)", "schema": _TEXT},
            "timeout": {"label": "Seconds without an answer (310)", "schema": _TEXT},
            "settle_seconds": {"label": "Seconds a lost write may still take (60)", "schema": _TEXT},
        },
    }
