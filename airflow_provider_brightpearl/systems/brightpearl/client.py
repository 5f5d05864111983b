"""A Brightpearl account over HTTP: searches, records by id as raw bytes, simple calls.

Facts are from the public API documentation and recorded traffic: the quota's headers and 503, search
envelope, id sets, error codes. Nothing here knows streams or mappings.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import requests
from requests.auth import AuthBase

from airflow_provider_brightpearl.core.retry import Backoff
from airflow_provider_brightpearl.systems.brightpearl import idset
from airflow_provider_brightpearl.systems.brightpearl.answers import (
    SYSTEM,
    UNREADABLE,
    broken,
    check,
    entries,
    value,
)
from airflow_provider_brightpearl.systems.brightpearl.narrow import OddIds, SetAside, narrowed
from airflow_provider_brightpearl.systems.brightpearl.search import Page, Walk
from airflow_provider_brightpearl.systems.http.breaker import NO_BREAKER, Breaker
from airflow_provider_brightpearl.systems.http.header_values import count_in, seconds_in
from airflow_provider_brightpearl.systems.http.quota import Budget, LocalBudget, wait_for_turn
from airflow_provider_brightpearl.systems.http.transport import (
    READS,
    Clock,
    exchange,
    meter_of,
    new_session,
    understood,
    with_retries,
)

T = TypeVar("T")
Params = Mapping[str, str | int]
Body = str | bytes | Mapping[str, Any] | Sequence[Any]

MAX_IDS = 200
MAX_PAGE = 500
MAX_URI = 1_900
# calls that an account takes, all apps together
CALLS_PER_MINUTE = 200
_FIRST_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
# money keeps its digits, never through float
_encode = msgspec.json.Encoder(decimal_format="number").encode


@dataclass(frozen=True, slots=True)
class MessageAnswer:
    """The answer to one message of a multi-message; ``status`` is 0 for one that was not processed."""

    label: str
    status: int
    body: Any = None


class BrightpearlClient:
    """Calls to one account.

    Args:
        base_url: scheme, host and port, with a path prefix if there is one; ``api_domain`` of the token
            answer. account: account code. auth: ``PrivateAppAuth`` or ``oauth_auth``. session: from
            ``transport.new_session``. budget: calls left per minute; by the answers' headers alone by default. sleep,
            now, chance: seconds to sleep, a monotonic clock in seconds, and a number in [0, 1).
            settle_seconds: how long after its call a write without an answer may still arrive.
            breaker: takes note of calls that are given up.
    """

    def __init__(
        self,
        base_url: str,
        account: str,
        auth: AuthBase,
        session: requests.Session | None = None,
        *,
        budget: Budget | None = None,
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
        now: Clock = time.monotonic,
        chance: Callable[[], float] = random.random,
        settle_seconds: float = 60.0,
        breaker: Breaker = NO_BREAKER,
    ) -> None:
        self.account = account
        self.root = f"{base_url.rstrip('/')}/public-api/{quote(account, safe='')}"
        self.session = session or new_session()
        self.meter = meter_of(self.session)
        self._auth = auth
        self._budget = budget or LocalBudget()
        self._backoff = backoff or Backoff()
        self.sleep = sleep
        self._now = now
        self._chance = chance
        self.settle_seconds = settle_seconds
        self._breaker = breaker
        self._custom_fields: dict[str, list[dict[str, Any]]] = {}

    @property
    def calls(self) -> int:
        """API calls made so far, repeated ones too."""
        return self.meter.calls

    # reading

    def search(
        self,
        path: str,
        *,
        columns: Sequence[str],
        filters: Mapping[str, str] | None = None,
        sort: str = "orderId",
        page_size: int = MAX_PAGE,
        announced: Callable[[int], None] | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Rows of a search by column name, ascending by ``sort``, a column whose values never change.

        Paging is by offset without a snapshot, so rows that leave the result while it is read shift the
        pages. Pages overlap by a row, or watch the count where the overlap would cost a page; a shift is
        answered by stepping back.

        Args:
            path: such as ``order-service/order-search``.
            columns: names of the columns wanted.
            filters: ``{"updatedOn": period(start, end)}``.
            sort: a column that is ascending, immutable and filterable, the id as a rule.
            page_size: rows a call, at most 500.
            announced: called with the number of rows that the first page announces.

        Raises:
            Unavailable: the pages hold fewer rows than they announce, even when they are read again.
        """
        wanted = list(dict.fromkeys([*columns, sort]))
        fixed: dict[str, str | int] = {
            **(filters or {}), "columns": ",".join(wanted), "sort": f"{sort}.ASC", "pageSize": page_size,
        }  # fmt: skip

        def page(first: int) -> Page:
            return self._call("GET", path, Page.read, params={**fixed, "firstResult": first})

        yield from Walk(path, sort, page_size, page).rows(announced)

    def count(self, path: str, *, filters: Mapping[str, str] | None = None) -> int:
        """How many rows a search has, in one call; ``filters`` as in ``search``."""
        params: Params = {**(filters or {}), "pageSize": 1, "firstResult": 1}
        return self._call("GET", path, Page.read, params=params).available

    def get_records(
        self,
        path: str,
        ids: Iterable[int],
        *,
        batch: int = MAX_IDS,
        params: Params | None = None,
        member: str = "",
        set_aside: SetAside | None = None,
    ) -> Iterator[bytes]:
        """The records of these ids, each as raw bytes without line breaks; in no particular order.

        Args:
            path: such as ``order-service/order``; the ids follow it, or replace ``{ids}`` in it.
            ids: in any order, repeated or not.
            batch: ids per call; 200 nearly everywhere.
            params: query, such as ``{"includeOptional": "customFields"}``.
            member: name of the list inside ``response`` where it is not the response itself (journals).
            set_aside: called with an id that the account answers with an error while it answers others, and that
                error; without it the error is raised.
        """
        for _, record in self._by_id(path, ids, batch, params, member, set_aside):
            yield record

    def get_map(
        self,
        path: str,
        ids: Iterable[int],
        *,
        batch: int = MAX_IDS,
        params: Params | None = None,
        set_aside: SetAside | None = None,
    ) -> Iterator[tuple[str, bytes]]:
        """Key and raw value of map-shaped answers, such as availability by product or goods notes by id.

        ``set_aside`` as in ``get_records``.
        """
        yield from self._by_id(path, ids, batch, params, "", set_aside)

    def list_ids(self, resource: str) -> Iterator[int]:
        """Every existing id of a resource such as ``order-service/order``, in one call."""
        for ids in self.list_ranges(resource):
            yield from ids

    def list_ranges(self, resource: str) -> Iterator[range]:
        """The same as ranges, which are few where the ids are many."""
        yield from self._call("OPTIONS", resource, _listed_ids)

    def get(self, path: str, params: Params | None = None) -> Any:
        """The ``response`` of a GET, numbers with a point as Decimal; None where nothing was found."""
        return self._call("GET", path, value, params=params)

    def get_list(self, path: str) -> list[dict[str, Any]]:
        """The objects that a GET lists; none where nothing was found."""
        return self._call("GET", path, _objects)

    def configuration(self) -> Any:
        """The account's settings in ``configuration``, as every account has them, in one cheap read."""
        return self.get("integration-service/account-configuration")

    def custom_fields(self, path: str) -> list[dict[str, Any]]:
        """The custom fields that a metadata path lists; this client asks once."""
        if path not in self._custom_fields:
            self._custom_fields[path] = self.get_list(path)
        return self._custom_fields[path]

    def options(self, path: str) -> Any:
        """The ``response`` of OPTIONS, which lists existing ids by URI."""
        return self._call("OPTIONS", path, value)

    # writing

    def post(self, path: str, body: Body, *, repeatable: bool = False) -> Any:
        """The ``response`` of a POST: an id or a list of ids.

        ``repeatable`` says that sending it twice is harmless, as for a sales order with externalRef and
        instance id.

        Raises:
            TimedOut: whether the write happened is not known.
            RecordRefused: it did not happen and will not.
        """
        return self._call("POST", path, value, body=body, repeatable=repeatable)

    def put(self, path: str, body: Body, *, repeatable: bool = False) -> Any:
        """What a PUT answered, None as a rule; see ``post``."""
        return self._call("PUT", path, value, body=body, repeatable=repeatable)

    def patch(self, path: str, operations: Body, *, repeatable: bool = False) -> Any:
        """The whole object after a list of JSON Patch operations; see ``post``."""
        return self._call("PATCH", path, value, body=operations, repeatable=repeatable)

    def delete(self, path: str, *, repeatable: bool = False) -> Any:
        """What a DELETE answered, None as a rule; see ``post``."""
        return self._call("DELETE", path, value, repeatable=repeatable)

    def multi_message(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        parallel: bool = False,
        on_fail: str = "CONTINUE",
        repeatable: bool = False,
        before: Callable[[], None] | None = None,
    ) -> list[MessageAnswer]:
        """Answers to at most ten messages ``{label, uri, httpMethod, body}`` that count as one request.

        Args:
            messages: with labels of their own; ``uri`` as in ``/product-service/brand``.
            parallel: whether they may be processed in any order.
            on_fail: ``CONTINUE`` or ``STOP``, which leaves the messages after a failure unprocessed.
            repeatable: whether sending all of them twice is harmless.
            before: called right before each try, after any wait for the quota; what it raises ends the try.
        """
        if len(messages) > 10:
            raise ValueError(f"a multi-message holds at most 10 messages, got {len(messages)}")
        mode = "PARALLEL" if parallel else "SEQUENTIAL"
        body = {"processingMode": mode, "onFail": on_fail, "messages": messages}
        return self._call("POST", "multi-message", _messages, body=body, repeatable=repeatable, before=before)

    # one call

    def _by_id(
        self,
        path: str,
        ids: Iterable[int],
        batch: int,
        params: Params | None,
        member: str,
        set_aside: SetAside | None,
    ) -> Iterator[tuple[str, bytes]]:
        room = MAX_URI - len(self._url(path, params)) - 1
        odd = OddIds(set_aside)

        def ask(group: Sequence[int], backoff: Backoff) -> list[tuple[str, bytes]]:
            target = _with_ids(path, idset.compress(group))
            read = partial(entries, member=member)
            return self._call("GET", target, read, params=params, backoff=backoff)

        for group in idset.batches(ids, batch, room):
            yield from narrowed(ask, group, odd, self._backoff, path)

    def _call(
        self,
        method: str,
        path: str,
        read: Callable[[requests.Response], T],
        *,
        params: Params | None = None,
        body: Body | None = None,
        repeatable: bool = False,
        backoff: Backoff | None = None,
        before: Callable[[], None] | None = None,
    ) -> T:
        return with_retries(
            lambda: understood(read, self._once(method, path, params, body, before), broken),
            repeatable=repeatable or method in READS,
            backoff=backoff or self._backoff,
            sleep=self.sleep,
            chance=self._chance,
            breaker=self._breaker,
        )

    def _once(
        self,
        method: str,
        path: str,
        params: Params | None,
        body: Body | None,
        before: Callable[[], None] | None = None,
    ) -> requests.Response:
        self._wait_for_budget()
        if before:
            before()
        operation = _short(f"{method} {path}")
        try:
            response = exchange(
                self.session, method, self._url(path, params), system=SYSTEM, operation=operation,
                auth=self._auth, data=_as_json(body), headers={"Content-Type": "application/json"},
            )  # fmt: skip
        finally:
            self._budget.answered(self._now())
        self._learn(response.headers)
        check(response, operation, read=method in READS)
        return response

    def _wait_for_budget(self) -> None:
        wait_for_turn(self._budget, SYSTEM, self._backoff.longest_throttle, self.sleep, self._now)

    def _learn(self, headers: Mapping[str, str]) -> None:
        remaining = count_in(headers.get("brightpearl-requests-remaining"))
        period = seconds_in(headers.get("brightpearl-next-throttle-period"), unit=0.001)
        if remaining is not None and period is not None:
            self._budget.learn(remaining, period, self._now())

    def _url(self, path: str, params: Params | None) -> str:
        # Brightpearl breaks on an encoded slash in a period and wants an encoded plus
        query = urlencode(dict(params), quote_via=quote, safe="/,:.-*") if params else ""
        return f"{self.root}/{path.strip('/')}" + (f"?{query}" if query else "")


def period(start: datetime | None, end: datetime) -> str:
    """A PERIOD filter between aware instants; open starts are undocumented, so None means from 1970."""
    return f"{_instant(start or _FIRST_INSTANT)}/{_instant(end)}"


def _instant(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; Brightpearl would read it in the account's")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _with_ids(path: str, ids: str) -> str:
    return path.replace("{ids}", ids) if "{ids}" in path else f"{path.rstrip('/')}/{ids}"


def _short(operation: str) -> str:
    return operation if len(operation) <= 120 else operation[:117] + "..."


def _as_json(body: Body | None) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else _encode(body)


def _objects(response: requests.Response) -> list[dict[str, Any]]:
    return msgspec.convert(value(response) or [], list[dict[str, Any]])


def _listed_ids(response: requests.Response) -> list[range]:
    uris = (value(response) or {}).get("getUris", ())
    return [ids for uri in uris for ids in idset.ranges(str(uri).rsplit("/", 1)[-1])]


def _messages(response: requests.Response) -> list[MessageAnswer]:
    answer = value(response)
    done = [_message(entry) for entry in answer.get("processedMessages", ())]
    return done + [_message(entry) for entry in answer.get("unprocessedMessages", ())]


def _message(entry: Any) -> MessageAnswer:
    if not isinstance(entry, dict):
        return MessageAnswer(label=str(entry), status=0)
    content = (entry.get("body") or {}).get("content")
    return MessageAnswer(
        label=str(entry.get("label", "")),
        status=int(entry.get("statusCode", 0)),
        body=_content(content),
    )


def _content(text: Any) -> Any:
    """The answer inside a message, as a value; text that is not JSON, such as a gateway's page, stays text."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text)
    except UNREADABLE:
        return text if isinstance(text, str) else None
