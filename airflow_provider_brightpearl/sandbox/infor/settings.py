"""Switches of the simulated tenant. Every fact that the reference only infers is one of them."""

from __future__ import annotations

from collections.abc import Mapping

TENANT = "ACME_TST"
CLIENT_ID = f"{TENANT}~sandbox-client"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105 - a public constant of a local simulator
ACCESS_KEY = f"{TENANT}#sandbox-service-account"
SECRET_KEY = "sandbox-service-secret"  # noqa: S105


def default_settings() -> dict[str, object]:
    """A fresh copy of all switches, at the values of the default tenant."""
    return {**_token_service(), **_gateway(), **_answers(), **_input(), **_orders(), **_stock(), **_ledger()}


def _token_service() -> dict[str, object]:
    return {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "grants": ["password", "refresh_token"],
        "token_seconds": 7200,
        "refresh_tokens": True,  # the app has "Issue Refresh Tokens" switched on
        "limit_logins": True,
        "logins_per_minute": 20,
        "logins_per_day": 1000,
        "tokens_per_day": 100,
        "login_limit_status": 429,
        "expired_token_status": 401,  # 500: some targets hide an expired token behind it
    }


def _gateway() -> dict[str, object]:
    return {
        "throttle": True,
        "calls_per_minute": 3000,
        "calls_per_day": 250_000,
        "smoothing_after": 0,  # calls per minute after which answers become slow, 0 = never
        "smoothing_milliseconds": 100,
        "retry_after": 0,  # seconds named by a 429, 0 = no header
        "target_timeout_seconds": 60,
        "transaction_milliseconds": 500,  # simulated work per bulk item; no real time passes
        "after_timeout": "finish",  # "stop": the items after the time-out are not carried out
        "max_body_bytes": 10_000_000,
        "max_bulk_transactions": 0,  # 0 = no limit
        "unknown_program_status": 400,
        "unknown_transaction_status": 400,  # of a single call; 200 answers TransactionNotFound
        "strict_parameters": True,
        "attributes_after_transactions": "refuse",  # "ignore", "accept"
        "v1": True,
        "v2": True,
        # {program?, transaction?, record?, skip?, times?, kind, code?, message?, field?}; kind: "nok",
        # "terminate", "timeout_before", "timeout_after", "timeout_here", "partial"
        "transaction_faults": [],
    }


def _answers() -> dict[str, object]:
    return {
        "empty_output": "record",  # of v2 without output: "record" [{}], "list" [], "absent"
        "records_in_errors": False,  # inforion reads `records` of failed items, so some servers send []
        "default_maxrecs": 100,
        "unknown_column": "refuse",  # "ignore"
        "v1_padding": True,
        "v1_single_as_object": False,
        "trailing_minus": False,
        "quantity_style": "plain",  # "fixed": with the decimals of the item
    }


def _input() -> dict[str, object]:
    return {
        "user": "BPSVC",
        "default_cono": "100",
        "default_divi": "AAA",
        "default_facility": "A01",
        "default_warehouse": "100",
        "authorised_companies": ["100", "409"],
        "unauthorised_programs": [],
        "unknown_field": "refuse",  # "ignore"
        "key_case": "upper",  # "keep": lower case in keys is kept
        "cono_field_wins": True,  # a CONO field against a differing cono parameter
        "excess_decimals": "refuse",  # "round" half up, "truncate"
        "blank_in_change": "keep",  # "clear"
        "question_mark_clears": True,
        "duplicate_codes": {},  # {"CRS610MI": "WCU0204"}; XRE0104 where nothing is said
        "missing_code": {},  # {"MMS200MI": "XRE0103"}; the entity's own code where nothing is said
        "lmts_inclusive": True,
        "search_lag_seconds": 0,  # age a record needs to be found by the Search transactions
        "check_states": False,  # ECAR against the table of states
        "exportmi": True,
    }


def _orders() -> dict[str, object]:
    return {
        "head_validation": "call",  # "confirm": mistakes are found by the batch job, status 15
        "line_validation": "call",  # "confirm": status 25
        "missing_item_warehouse_code": "XIT0107",
        "confirm_seconds": 0,  # how long the batch job takes
        "confirm_failed_number": "temporary",  # what ORNO holds then; "blank"
        "confirm_again": "refuse",  # "answer": the order created before
        "repeated_address": "refuse",  # "replace"
        "unique_customer_order": False,  # a tenant extension; M3 has no such check
        "zero_quantity": False,
        "negative_quantity": False,
        "price_decimals": 6,
        "discount_amount_basis": "unit",  # "line"
        "vat_rounding": "order",  # "line"
        "default_vat_code": "1",
        "credit_limit": True,
        "delivery_at_confirm": True,
        "invoice_at_delivery": True,
    }


def _stock() -> dict[str, object]:
    return {
        "stock_checked_at_pick": True,
        "repeated_message": "refuse",  # "accept"
        "over_reporting": "refuse",  # "accept"
    }


def _ledger() -> dict[str, object]:
    return {
        "ledger_validation": "job",  # "nok": CtrlBatch says it; "line": already AddBatchLineFld does
        "ledger_sign": "signed",  # CUAM < 0 is credit; "dbcr": amounts are positive
        "ledger_job_seconds": 0,
        "closed_periods": [],  # "YYYYMM", besides the one closed in the seeded calendar
        "local_difference": "adjust",  # of computed ACAM: on the last line; "refuse"
    }


def number(settings: Mapping[str, object], name: str) -> int:
    """A switch as a whole number."""
    value = settings[name]
    return int(value) if isinstance(value, (int, float, str)) else 0


def words(settings: Mapping[str, object], name: str) -> list[str]:
    """A switch as a list of texts."""
    value = settings[name]
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else []


def by_program(settings: Mapping[str, object], name: str, program: str, otherwise: str) -> str:
    """The entry of a program in a switch that is a map."""
    value = settings[name]
    return str(value.get(program, otherwise)) if isinstance(value, dict) else otherwise
