"""Infor M3 over the ION API gateway: MI transactions, one by one or in bulk.

Facts are from the swagger files of M3's REST service and from its public clients: shapes, counters,
``maxrecs=0`` for all records, one program a bulk. A bulk has no rollback: each transaction succeeds or fails alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import ceil
from typing import TypeVar
from urllib.parse import quote, urlencode

import requests
from requests.auth import AuthBase

from airflow_provider_brightpearl.core.retry import Backoff, delay
from airflow_provider_brightpearl.errors import Misconfigured, SyncError, TimedOut
from airflow_provider_brightpearl.systems.http.breaker import NO_BREAKER, Breaker
from airflow_provider_brightpearl.systems.http.quota import Budget, LocalBudget, wait_for_turn
from airflow_provider_brightpearl.systems.http.transport import (
    Clock,
    exchange,
    meter_of,
    new_session,
    understood,
    with_retries,
)
from airflow_provider_brightpearl.systems.infor.answers import (
    SYSTEM,
    Answer,
    Record,
    State,
    answer_v1,
    answers,
    broken,
    check,
)
from airflow_provider_brightpearl.systems.infor.calls import (
    BULK_SIZE,
    Transaction,
    body,
    is_read,
    mi_text,
    packed,
)
from airflow_provider_brightpearl.systems.infor.fields import inputs, misfit

__all__ = ["BULK_SIZE", "Answer", "InforClient", "Record", "State", "Transaction", "is_read", "mi_text"]

T = TypeVar("T")
READ_SECONDS = 310.0
VERSIONS = ("v2", "v1")
_JSON = "application/json; charset=UTF-8"
_LONGEST_SPIKE = 60.0
_BULK_QUERY = {"dateformat": "YMD8", "excludeempty": "false", "righttrim": "true", "maxrecs": "0"}


class InforClient:
    """Calls to the M3 of one tenant and company.

    Args:
        gateway: base of the gateway, ``iu`` of the ``.ionapi`` file.
        tenant: ``ti`` of the file.
        auth: ``BearerAuth`` over ``ServiceAccountTokens``.
        session: from ``transport.new_session``; its read timeout should be ``READ_SECONDS``.
        company, division: CONO and DIVI of every call; empty for what the app's user has.
        version: ``v2``, or ``v1`` where the tenant has no other (one transaction a call).
        suite: path segment of M3 at the gateway.
        bulk_size: transactions a bulk call.
        budget: calls left a minute and a day; no limit but the gateway's answers by default.
        settle_seconds: how long after a lost answer a write may still arrive.
        backoff, row_backoff: for calls, and for records that were locked.
        sleep, now, chance: seconds to sleep, a monotonic clock in seconds, and a number in [0, 1).
        breaker: takes note of calls that are given up.
    """

    def __init__(
        self,
        gateway: str,
        tenant: str,
        auth: AuthBase,
        session: requests.Session | None = None,
        *,
        company: str = "",
        division: str = "",
        version: str = "v2",
        suite: str = "M3",
        bulk_size: int = BULK_SIZE,
        settle_seconds: float = 60.0,
        budget: Budget | None = None,
        backoff: Backoff | None = None,
        row_backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Clock = time.monotonic,
        chance: Callable[[], float] = random.random,
        breaker: Breaker = NO_BREAKER,
    ) -> None:
        if version not in VERSIONS:
            raise Misconfigured(f"api_version {version!r} is neither v2 nor v1", system=SYSTEM)
        self.tenant = tenant
        self.root = f"{gateway.rstrip('/')}/{quote(tenant, safe='')}/{suite}/m3api-rest"
        self.session = session or new_session(read_seconds=READ_SECONDS)
        self.meter = meter_of(self.session)
        self.instance = "/".join(part for part in (tenant, company, division) if part)
        self.company = company
        self.division = division
        self.version = version
        self.bulk_size = bulk_size if version == "v2" else 1
        self.settle_seconds = settle_seconds
        self.sleep = sleep
        self._now = now
        self.budget = budget or LocalBudget()
        self.auth = auth
        self._backoff = backoff or Backoff()
        self._row_backoff = row_backoff or Backoff(first=0.5, longest=10.0)
        self._chance = chance
        self._breaker = breaker
        self._spikes = 0

    @property
    def calls(self) -> int:
        """API calls made so far, repeated ones too, logins not."""
        return self.meter.calls

    def min_calls(self, transactions: int) -> int:
        """The fewest calls that carry this many transactions of one program."""
        return ceil(transactions / self.bulk_size)

    # one transaction

    def read(
        self, program: str, transaction: str, record: Record, *, columns: Sequence[str] = ()
    ) -> tuple[Record, ...]:
        """All records that a Get, Lst or Sel transaction gives; values are text without padding.

        Raises:
            RecordRefused: M3 refused it, with its message, code and field.
        """
        operation = f"{program} {transaction}"
        answer = self._settled(lambda: self._single(program, Transaction(transaction, record), columns))
        if not answer.done:
            raise answer.error(operation)
        return answer.records

    def write(self, program: str, transaction: str, record: Record, *, repeatable: bool = False) -> Record:
        """The record that a transaction of any program gives, empty where it gives none.

        Raises:
            RecordRefused: M3 refused it.
            TimedOut: whether it happened is not known; only ``repeatable`` ones are sent again.
        """
        [answer] = self.bulk(program, [Transaction(transaction, record)], repeatable=repeatable)
        answer.records_or_raise(f"{program} {transaction}")
        return answer.first

    # many transactions

    def pack(self, transactions: Sequence[Transaction]) -> Iterator[Sequence[int]]:
        """Places of the transactions that go into one call each, in order."""
        yield from packed(transactions, self.bulk_size)

    def bulk(
        self,
        program: str,
        transactions: Sequence[Transaction],
        *,
        repeatable: bool | None = None,
        columns: Sequence[str] = (),
    ) -> list[Answer]:
        """Answers to transactions of one program, in their order, ``bulk_size`` a call.

        A record that does not fit its fields is refused before anything is sent; locked ones are sent again.

        Args:
            program: such as ``CRS610MI``.
            transactions: of any names; the later ones do not see what M3 answers to the earlier ones.
            repeatable: whether sending them twice is harmless; by their verbs if None.
            columns: fields wanted of the answers, all if empty.

        Raises:
            TimedOut: whether the transactions of a call happened is not known.
        """
        whole = [self._completed(program, transaction) for transaction in transactions]
        safe = all(is_read(each.name) for each in whole) if repeatable is None else repeatable
        found: list[Answer | None] = [_misfit(program, each) for each in whole]
        fitting = [place for place, answer in enumerate(found) if answer is None]
        open_places: Sequence[int] = fitting
        for attempt in range(1, self._row_backoff.tries + 1):
            for group in self.pack([whole[place] for place in open_places]):
                places = [open_places[number] for number in group]
                answers = self._some(program, [whole[place] for place in places], safe, columns)
                for place, answer in zip(places, answers, strict=True):
                    found[place] = answer
            open_places = [place for place in fitting if _may_pass(found[place], safe)]
            if not open_places or attempt == self._row_backoff.tries:
                break
            self.sleep(delay(self._row_backoff, attempt, self._chance()))
        return [answer for answer in found if answer is not None]

    def _completed(self, program: str, transaction: Transaction) -> Transaction:
        """The transaction with CONO and DIVI where its program wants them as fields (GLS840MI)."""
        needed = inputs(program, transaction.name).get("CONO")
        if not self.company or not (needed and needed.required) and program != "GLS840MI":
            return transaction
        known = inputs(program, transaction.name)
        own = {"CONO": self.company, "DIVI": self.division}
        extra = {name: value for name, value in own.items() if name in known and value}
        return Transaction(transaction.name, {**extra, **transaction.record})

    def _some(
        self, program: str, transactions: Sequence[Transaction], safe: bool, columns: Sequence[str]
    ) -> list[Answer]:
        if self.version == "v1":
            return [self._single(program, each, columns, repeatable=safe) for each in transactions]
        try:
            return self._bulk(program, transactions, safe, columns)
        except TimedOut as error:
            if not safe or error.status != 504 or len(transactions) == 1:
                raise
        # the gateway timed out on the whole; half of it may fit into its time
        middle = len(transactions) // 2
        return [
            *self._some(program, transactions[:middle], safe, columns),
            *self._some(program, transactions[middle:], safe, columns),
        ]

    # one call

    def _bulk(
        self, program: str, transactions: Sequence[Transaction], safe: bool, columns: Sequence[str]
    ) -> list[Answer]:
        operation = f"{program} {transactions[0].name} x {len(transactions)}"
        reads = all(is_read(each.name) for each in transactions)
        query = {**_BULK_QUERY, **self._context()}
        if columns:
            query["returncols"] = ",".join(columns)
        content = body(program, self.company, transactions)
        return self._call(
            lambda: self._once("POST", f"/v2/execute?{urlencode(query)}", operation, reads, content),
            lambda response: answers(response, operation, len(transactions), read=reads),
            partial(broken, operation=operation, read=reads),
            repeatable=safe,
        )

    def _single(
        self,
        program: str,
        transaction: Transaction,
        columns: Sequence[str],
        *,
        repeatable: bool | None = None,
    ) -> Answer:
        operation = f"{program} {transaction.name}"
        reads = is_read(transaction.name)
        path = self._path_v1(program, transaction, columns)
        if self.version == "v2":
            query = {**transaction.record, "maxrecs": "0", "dateformat": "YMD8", **self._context()}
            listed = {"returncols": ",".join(columns)} if columns else {}
            path = f"/v2/execute/{program}/{transaction.name}?{urlencode({**query, **listed})}"

        def read(response: requests.Response) -> Answer:
            if self.version == "v1":
                return answer_v1(response, operation, read=reads)
            return answers(response, operation, 1, read=reads)[0]

        safe = reads if repeatable is None else repeatable
        return self._call(
            lambda: self._once("GET", path, operation, reads),
            read,
            partial(broken, operation=operation, read=reads),
            repeatable=safe,
        )

    def _path_v1(self, program: str, transaction: Transaction, columns: Sequence[str]) -> str:
        # the spelling of excludempty is the server's
        options = {"metadata": "false", "maxrecs": "0", "excludempty": "false", **self._context()}
        if columns:
            options["returncols"] = ",".join(columns)
        matrix = "".join(f";{name}={quote(value, safe=',')}" for name, value in options.items())
        return f"/execute/{program}/{transaction.name}{matrix}?{urlencode(dict(transaction.record))}"

    def _context(self) -> dict[str, str]:
        own = {"cono": self.company, "divi": self.division}
        return {name: value for name, value in own.items() if value}

    def _call(
        self,
        send: Callable[[], requests.Response],
        read: Callable[[requests.Response], T],
        unreadable: Callable[[requests.Response, Exception], SyncError],
        *,
        repeatable: bool,
    ) -> T:
        return with_retries(
            lambda: understood(read, send(), unreadable),
            repeatable=repeatable,
            backoff=self._backoff,
            sleep=self.sleep,
            chance=self._chance,
            breaker=self._breaker,
        )

    def _once(
        self, method: str, path: str, operation: str, reads: bool, body: bytes | None = None
    ) -> requests.Response:
        wait_for_turn(self.budget, SYSTEM, self._backoff.longest_throttle, self.sleep, self._now)
        try:
            response = exchange(
                self.session, method, self.root + path, system=SYSTEM, operation=operation, read=reads,
                auth=self.auth, data=body, headers={"Accept": _JSON, "Content-Type": _JSON},
            )  # fmt: skip
        finally:
            self.budget.answered(self._now())
        # the gateway's 429 names no wait: double it from one second on
        self._spikes = self._spikes + 1 if response.status_code == 429 else 0
        wait = min(_LONGEST_SPIKE, 2.0 ** (self._spikes - 1))
        check(response, operation, read=reads, wait_seconds=wait)
        return response

    def _settled(self, send: Callable[[], Answer]) -> Answer:
        for attempt in range(1, self._row_backoff.tries):
            answer = send()
            if not answer.passing:
                return answer
            self.sleep(delay(self._row_backoff, attempt, self._chance()))
        return send()


def _may_pass(answer: Answer | None, safe: bool) -> bool:
    return answer is not None and (answer.passing or (safe and answer.state is State.UNKNOWN))


def _misfit(program: str, transaction: Transaction) -> Answer | None:
    found = misfit(program, transaction.name, transaction.record)
    if found is None:
        return None
    return Answer(State.REFUSED, code="", message=found.reason, field=found.field)
