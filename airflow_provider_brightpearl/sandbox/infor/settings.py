"""Settings of the simulated tenant; everything that the reference only infers is one of them."""

from __future__ import annotations

from collections.abc import Mapping

from ..deliveries import delivery_settings

TENANT = "ACME_TST"
CLIENT_ID = f"{TENANT}~sandbox-client"
CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105 - a public constant of a local simulator
ACCESS_KEY = f"{TENANT}#sandbox-service-account"
SECRET_KEY = "sandbox-service-secret"  # noqa: S105


def default_settings() -> dict[str, object]:
    """A new copy of the default settings."""
    return {
        **_token_service(),
        **_gateway(),
        **_answers(),
        **_input(),
        **_orders(),
        **_stock(),
        **_ledger(),
        **_ion(),
    }


def _token_service() -> dict[str, object]:
    return {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "grants": ["password", "refresh_token"],
        "token_seconds": 7200,
        "refresh_tokens": True,  # "Issue Refresh Tokens" of the app
        "limit_logins": True,
        "logins_per_minute": 20,
        "logins_per_day": 1000,
        "tokens_per_day": 100,
        "login_limit_status": 429,
        "expired_token_status": 401,  # 500: some targets report an expired token this way
    }


def _gateway() -> dict[str, object]:
    return {
        "throttle": True,
        "calls_per_minute": 3000,
        "calls_per_day": 250_000,
        "smoothing_after": 0,  # calls per minute after which responses are delayed, 0 = never
        "smoothing_milliseconds": 100,
        "retry_after": 0,  # Retry-After of a 429 in seconds, 0 = no header
        "target_timeout_seconds": 60,
        "transaction_milliseconds": 500,  # simulated duration per bulk transaction; no real time passes
        "after_timeout": "finish",  # "stop": transactions after the timeout are not run
        "max_body_bytes": 10_000_000,
        "max_bulk_transactions": 0,  # 0 = no limit
        "unknown_program_status": 400,
        "unknown_transaction_status": 400,  # of a single transaction; 200 responds with TransactionNotFound
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
        "empty_output": "record",  # records of a v2 transaction without output: "record" [{}], "list" [], "absent"
        "records_in_errors": False,  # inforion reads `records` of failed transactions, so some servers send []
        "default_maxrecs": 100,
        # a list ends after so many records, whatever maxrecs says, without a sign of it; 0 = never
        "list_ceiling": 1_000,
        "list_ceilings": {},  # by transaction, such as {"GLS200MI LstVouchersByDt": 100}
        "decimal_sign": ".",  # "," as the decimal format of the user (MNS150) has it, in and out
        "unknown_column": "refuse",  # "ignore"
        "v1_padding": True,
        "v1_single_as_object": False,
        "trailing_minus": False,
        "quantity_style": "plain",  # "fixed": with all decimals of the item
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
        # by transaction or its field: {"CRS610MI Add": {"removed": true}, "CRS610MI Add.CUNM": {"length": 20}};
        # other properties of a field: "required", "numeric", "removed"; one that is not there is new
        "field_changes": {},
        "unknown_field": "refuse",  # "ignore"
        "key_case": "upper",  # "keep": keys keep their lower case
        "cono_field_wins": True,  # a CONO field overrides a different cono parameter
        "excess_decimals": "refuse",  # "round" half up, "truncate"
        "blank_in_change": "keep",  # "clear"
        "question_mark_clears": True,
        "duplicate_codes": {},  # {"CRS610MI": "WCU0204"}; others use XRE0104
        "missing_code": {},  # {"MMS200MI": "XRE0103"}; others use the code of the entity
        "lmts_inclusive": True,
        "search_lag_seconds": 0,  # age from which the Search transactions find a record
        "check_states": False,  # validate ECAR against the states
        "exportmi": True,
    }


def _orders() -> dict[str, object]:
    return {
        "head_validation": "call",  # "confirm": the batch job reports errors, status 15
        "line_validation": "call",  # "confirm": status 25
        "missing_item_warehouse_code": "XIT0107",
        "confirm_seconds": 0,  # duration of the batch job
        "confirm_failed_number": "temporary",  # ORNO after a failure; "blank"
        "confirm_again": "refuse",  # "answer": returns the order created before
        "repeated_address": "refuse",  # "replace"
        "unique_customer_order": False,  # a tenant extension; standard M3 has no such check
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
        "ledger_validation": "job",  # "nok": CtrlBatch reports errors; "line": AddBatchLineFld reports them
        "ledger_sign": "signed",  # CUAM < 0 is credit; "dbcr": amounts are positive
        "ledger_job_seconds": 0,
        "closed_periods": [],  # "YYYYMM", in addition to the one closed by the seed
        "local_difference": "adjust",  # rounding of computed ACAM: on the last line; "refuse"
    }


def _ion() -> dict[str, object]:
    return {
        "ims_client_id": CLIENT_ID,  # of the connection point that takes our messages; another one: 403
        "ims_documents": [],  # allowed there, such as "Process.SalesOrder"; none: all
        "ion_max_bytes": 5_242_880,
        "ion_processed": ["Process.SalesOrder", "Sync.SalesOrder"],  # documents that M3 makes orders of
        "ion_ignore_repeated_ids": True,  # a message with an id that came before is stored, not processed
        "ion_published": [],  # documents that go into the outbox without a receiver, such as "Sync.SalesOrder"
        # {url, documents?}: receivers of what M3 publishes; POST {url}/v3/multipartMessage
        "connection_points": [],
        **delivery_settings("ion"),
    }


def by_program(settings: Mapping[str, object], name: str, program: str, default: str) -> str:
    """The entry for a program in a setting that is a map."""
    value = settings[name]
    return str(value.get(program, default)) if isinstance(value, dict) else default
