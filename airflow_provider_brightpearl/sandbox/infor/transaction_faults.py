"""Trouble planted for single transactions: refusals, terminated jobs, time-outs of the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import MESSAGES, SERVER_NOK, GatewayRefusal, Nok, Terminated

TIMEOUT = GatewayRefusal(504, "The target did not respond within the time allowed")


class Trouble:
    """The rules of the switch `transaction_faults`; `skip` and `times` count down in the rules themselves."""

    def __init__(self, settings: dict[str, object]) -> None:
        self._settings = settings

    def before(self, program: str, transaction: str, record: Mapping[str, str]) -> None:
        """Stop a transaction that is not to be carried out."""
        rule = self._due(("nok", "terminate"), program, transaction, record)
        if rule is None:
            return
        if rule["kind"] == "terminate":
            raise Terminated
        raise _nok(rule, 0)

    def after(self, program: str, transaction: str, record: Mapping[str, str]) -> Nok | None:
        """What goes wrong once it is carried out: rows and then a refusal, or the whole call times out."""
        rule = self._due(("partial", "timeout_here"), program, transaction, record)
        if rule is None:
            return None
        if rule["kind"] == "timeout_here":
            raise TIMEOUT
        return _nok(rule, int(rule.get("records", 1)))

    def call(self, kind: str, program: str, transactions: list[tuple[str, Mapping[str, str]]]) -> bool:
        """True when a rule of that kind is about any transaction of a call."""
        return any(self._due((kind,), program, name, record) for name, record in transactions)

    def _due(
        self, kinds: tuple[str, ...], program: str, transaction: str, record: Mapping[str, str]
    ) -> dict[str, Any] | None:
        rules: Any = self._settings["transaction_faults"]
        for rule in rules:
            if rule.get("kind", "nok") in kinds and _takes(rule, program, transaction, record):
                rule.setdefault("kind", "nok")
                if _counted(rule):
                    return dict(rule)
        return None


def _takes(rule: Mapping[str, Any], program: str, transaction: str, record: Mapping[str, str]) -> bool:
    wanted: Mapping[str, str] = rule.get("record") or {}
    return (
        rule.get("program", program) == program
        and rule.get("transaction", transaction) == transaction
        and all(record.get(name) == str(value) for name, value in wanted.items())
    )


def _counted(rule: dict[str, Any]) -> bool:
    """Count a matching call; times 0 is for ever, as in the frame's own fault rules."""
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
