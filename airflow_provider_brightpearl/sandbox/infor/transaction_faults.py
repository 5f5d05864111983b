"""Faults injected into single transactions: NOKs, terminated jobs, gateway timeouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import MESSAGES, SERVER_NOK, GatewayError, Nok, Terminated

TIMEOUT = GatewayError(504, "The target did not respond within the time allowed")


class TransactionFaults:
    """The rules in the setting `transaction_faults`; the rules count their own hits."""

    def __init__(self, settings: dict[str, object]) -> None:
        self._settings = settings

    def check_before(self, program: str, transaction: str, record: Mapping[str, str]) -> None:
        """Apply rules that prevent a transaction. Raises: Nok or Terminated."""
        rule = self._next_rule(("nok", "terminate"), program, transaction, record)
        if rule is None:
            return
        if rule["kind"] == "terminate":
            raise Terminated
        raise _nok(rule, 0)

    def check_after(self, program: str, transaction: str, record: Mapping[str, str]) -> Nok | None:
        """The NOK to report after a transaction has run, if any. Raises: GatewayError on a timeout rule."""
        rule = self._next_rule(("partial", "timeout_here"), program, transaction, record)
        if rule is None:
            return None
        if rule["kind"] == "timeout_here":
            raise TIMEOUT
        return _nok(rule, int(rule.get("records", 1)))

    def applies_to_call(
        self, kind: str, program: str, transactions: list[tuple[str, Mapping[str, str]]]
    ) -> bool:
        """True if a rule of this kind matches any transaction of a request."""
        return any(self._next_rule((kind,), program, name, record) for name, record in transactions)

    def _next_rule(
        self, kinds: tuple[str, ...], program: str, transaction: str, record: Mapping[str, str]
    ) -> dict[str, Any] | None:
        rules: Any = self._settings["transaction_faults"]
        for rule in rules:
            if rule.get("kind", "nok") in kinds and _matches(rule, program, transaction, record):
                rule.setdefault("kind", "nok")
                if _count_hit(rule):
                    return dict(rule)
        return None


def _matches(rule: Mapping[str, Any], program: str, transaction: str, record: Mapping[str, str]) -> bool:
    wanted: Mapping[str, str] = rule.get("record") or {}
    return (
        rule.get("program", program) == program
        and rule.get("transaction", transaction) == transaction
        and all(record.get(name) == str(value) for name, value in wanted.items())
    )


def _count_hit(rule: dict[str, Any]) -> bool:
    """Count a matching transaction; False while it is skipped or once the rule is used up."""
    if rule.get("skip", 0) > 0:
        rule["skip"] -= 1
        return False
    times = rule.get("times", 1)
    if times and rule.get("hits", 0) >= times:
        return False
    rule["hits"] = rule.get("hits", 0) + 1
    return True


def _nok(rule: Mapping[str, Any], records: int) -> Nok:
    code = str(rule.get("code", "XO_1130"))
    text = str(rule.get("message", MESSAGES.get(code, code)))
    return Nok(code, text, str(rule.get("field", "")), str(rule.get("type", SERVER_NOK)), records)
