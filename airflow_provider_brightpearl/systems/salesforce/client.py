"""A Salesforce org over HTTP: queries, upserts by external id, graphs and bulk jobs, with rows as JSON text.

simple-salesforce does the logins and holds the session; the calls are made here, because its own ones
drop headers on a re-login, build wrong addresses for keys with a slash, parse numbers to float and lose
bulk jobs on an error.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from http.client import NOT_MODIFIED
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import requests
from more_itertools import chunked

from airflow_provider_brightpearl.core.raw import unusable
from airflow_provider_brightpearl.core.retry import Backoff, delay
from airflow_provider_brightpearl.errors import Unavailable
from airflow_provider_brightpearl.systems.http.breaker import NO_BREAKER, Breaker
from airflow_provider_brightpearl.systems.http.transport import (
    READS,
    exchange,
    meter_of,
    understood,
    with_retries,
)
from airflow_provider_brightpearl.systems.salesforce import bulk_query, pages
from airflow_provider_brightpearl.systems.salesforce.answers import (
    SYSTEM,
    UNREADABLE,
    ExpiredSession,
    RowAnswer,
    broken,
    check,
    refused_login,
    row_answers,
)
from airflow_provider_brightpearl.systems.salesforce.bulk import BulkJobs
from airflow_provider_brightpearl.systems.salesforce.collections import (
    BULK_THRESHOLD,
    COLLECTION_ROWS,
    GRAPH_NODES,
    GRAPHS,
    keys_of,
    min_delete_calls,
    min_graph_calls,
    min_upsert_calls,
    pack,
    with_type,
)
from airflow_provider_brightpearl.systems.salesforce.csv import has_null_text
from airflow_provider_brightpearl.systems.salesforce.graph import Graph, GraphAnswer, graph_answers, payload
from airflow_provider_brightpearl.systems.salesforce.login import login_errors

if TYPE_CHECKING:
    from simple_salesforce import Salesforce

    from airflow_provider_brightpearl.systems.http.daily_quota import DailyQuota

__all__ = [
    "BULK_THRESHOLD", "GRAPHS", "GRAPH_NODES", "Graph", "GraphAnswer", "RowAnswer", "SalesforceClient",
    "min_delete_calls", "min_graph_calls", "min_upsert_calls", "pack",
]  # fmt: skip

T = TypeVar("T")
_JSON = "application/json; charset=UTF-8"
_API_USAGE = re.compile(r"api-usage=(?P<used>\d{1,12})/(?P<most>\d{1,12})")
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_decode_record = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


class SalesforceClient:
    """Calls to one org through a logged-in ``simple_salesforce.Salesforce``.

    Args:
        sf: its session should come from ``transport.new_session``; it logs in again when the session expires.
        backoff: for calls that fail as a whole.
        row_backoff: for rows that were locked; ``tries`` counts the first one.
        sleep, chance: seconds to sleep, and a number in [0, 1).
        on_login: gets the id of each session that takes the place of an expired one.
        breaker: takes note of calls that are given up.
        daily: the org's calls of a day; the client stops before the last of them where it is given.
    """

    def __init__(
        self,
        sf: Salesforce,
        *,
        backoff: Backoff | None = None,
        row_backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        on_login: Callable[[str], None] = lambda session_id: None,
        breaker: Breaker = NO_BREAKER,
        daily: DailyQuota | None = None,
    ) -> None:
        self.sf = sf
        self._on_login = on_login
        self.daily = daily
        self.meter = meter_of(sf.session)
        self._backoff = backoff or Backoff()
        self._row_backoff = row_backoff or Backoff(tries=5, first=0.5, factor=3.0, longest=30.0)
        self._looks = 0
        self._sleep = sleep
        self._chance = chance
        self._breaker = breaker
        self._jobs: BulkJobs | None = None
        self._described: dict[str, dict[str, Any]] = {}

    @property
    def calls(self) -> int:
        """API calls made so far, repeated ones too, logins not."""
        return self.meter.calls

    @property
    def looks(self) -> int:
        """Those of the calls that only asked whether a bulk job had ended."""
        return self._looks

    @property
    def data_path(self) -> str:
        """Path of the REST API in the version of this client, such as ``/services/data/v59.0/``."""
        return f"/services/data/v{self.sf.sf_version}/"

    @property
    def job_page(self) -> str:
        """Address of the page of the last bulk job in Setup, empty before the first one."""
        job = self._jobs.last_job if self._jobs else ""
        page = f"lightning/setup/AsyncApiJobStatus/page?address=%2F{job}"
        return f"https://{self.sf.sf_instance}/{page}" if job else ""

    def record_page(self, record_id: str) -> str:
        """Address of the page of a record."""
        return f"https://{self.sf.sf_instance}/{record_id}"

    # reading

    def query(self, soql: str, *, deleted: bool = False) -> Iterator[dict[str, Any]]:
        """Records of a SOQL query, page by page, without ``attributes``; numbers with a point as Decimal.

        Args:
            soql: the query.
            deleted: whether rows in the recycle bin count too.
        """
        for record in self.query_records(soql, deleted=deleted):
            try:
                yield _plain(_decode_record(record))
            except UNREADABLE as error:
                reason = unusable(record) or str(error)
                raise Unavailable(
                    f"a record cannot be read: {reason}", system=SYSTEM, operation="GET query"
                ) from None

    def query_records(self, soql: str, *, deleted: bool = False) -> Iterator[bytes]:
        """The same records as raw JSON; a longer query travels in the body of a composite call."""
        return pages.records(self._call, self.data_path, soql, deleted=deleted)

    def query_rest(self, url: str, given: int, total: int) -> Iterator[bytes]:
        """Raw records from the page at a ``nextRecordsUrl`` on; ``given`` of ``total`` came before it."""
        return pages.rest(self._call, url, given, total)

    def count(self, soql: str, *, deleted: bool = False) -> int:
        """The answer to a ``SELECT COUNT()``."""
        return pages.count(self._call, self.data_path, soql, deleted=deleted)

    def bulk_query(
        self, soql: str, *, deleted: bool = False, page: int = bulk_query.PAGE
    ) -> Iterator[dict[str, str]]:
        """Rows of a query through a Bulk API 2.0 job, as text by column, ``page`` a call; in no given order."""
        return bulk_query.bulk_query(self._call, self._look, self._sleep, soql, deleted=deleted, page=page)

    def describe(self, object_name: str) -> dict[str, Any]:
        """Fields and properties of an object; ``SchemaMismatch`` where the org does not have it."""
        found = self._call("GET", f"sobjects/{object_name}/describe", _description)
        self._described[object_name] = found
        return found

    def describe_if_changed(self, object_name: str, since: datetime) -> dict[str, Any] | None:
        """The same, or None where neither the object nor what this user may see has changed since an aware instant."""
        headers = {"If-Modified-Since": format_datetime(since.astimezone(UTC), usegmt=True)}
        path = f"sobjects/{object_name}/describe"
        found = self._call("GET", path, _description_or_none, headers=headers)
        if found is not None:
            self._described[object_name] = found
        return found

    def described(self, object_name: str) -> dict[str, Any]:
        """The same as this client was last told; asks where it was not told yet."""
        return self._described.get(object_name) or self.describe(object_name)

    def objects(self) -> list[dict[str, Any]]:
        """All objects that the user may see, with their names and what may be done with them."""
        return self._call("GET", "sobjects", _objects)

    def organization_id(self) -> str:
        """The id of the org, of 15 characters; an access token begins with it as a rule, others take a query."""
        owner, separator, _ = str(self.sf.session_id).partition("!")
        if separator and owner.startswith("00D"):
            return owner[:15]
        (organization,) = self.query("SELECT Id FROM Organization")
        return str(organization["Id"])[:15]

    def limits(self) -> dict[str, Any]:
        """``{"DailyApiRequests": {"Max": …, "Remaining": …}, …}`` of the org."""
        return self._call("GET", "limits", _limits)

    # writing rows

    def upsert(self, object_name: str, key_field: str, rows: Sequence[str]) -> list[RowAnswer]:
        """Answers to an upsert by external id, in the order of ``rows``, 200 rows a call.

        Rows that were locked are sent again by themselves, a few times; then they are refused.

        Args:
            object_name: such as ``Order``.
            key_field: the external id field, which every row holds.
            rows: JSON texts of objects; digits go out as they are.

        Returns:
            One answer a row; a refused row is an answer, not an error.

        Raises:
            ValueError: a key is missing or duplicate.
        """
        keys = keys_of(key_field, rows)
        path = f"composite/sobjects/{object_name}/{key_field}"

        def send(places: Sequence[int]) -> Iterator[tuple[int, RowAnswer]]:
            for chunk in chunked(places, COLLECTION_ROWS):
                body = _collection([with_type(object_name, rows[place]) for place in chunk])
                answers = self._call("PATCH", path, row_answers([keys[place] for place in chunk]), body=body)
                yield from zip(chunk, answers, strict=True)

        return [answer.after(self._row_backoff.tries) for answer in self._settled(len(rows), send)]

    def delete(self, ids: Sequence[str]) -> list[RowAnswer]:
        """Answers to the deletion of these record ids, in their order, 200 a call; ``key`` is the id."""

        def send(places: Sequence[int]) -> Iterator[tuple[int, RowAnswer]]:
            for chunk in chunked(places, COLLECTION_ROWS):
                names = [ids[place] for place in chunk]
                path = f"composite/sobjects?ids={','.join(names)}&allOrNone=false"
                yield from zip(chunk, self._call("DELETE", path, row_answers(names)), strict=True)

        return self._settled(len(ids), send)

    def bulk_upsert(self, object_name: str, key_field: str, rows: Sequence[str]) -> Iterator[RowAnswer]:
        """Answers to an upsert through Bulk API 2.0, in no given order: match by ``key``; see ``upsert``.

        Rows that were locked go in another job, or in collections where they are few, after a longer pause each time.
        Rows with the text ``#N/A``, which means null in a job, go in collections, too.

        Raises:
            SchemaMismatch: the job failed for a field or object that the org does not have.
            Unavailable: the job failed for another reason, was aborted, or left rows out again and again.
            TimedOut: the job is still running; sending the rows again is harmless.
        """
        if literal := [row for row in rows if has_null_text(row)]:
            yield from self.upsert(object_name, key_field, literal)
        self._jobs = jobs = BulkJobs(self._call, self._look, self._sleep)
        waiting = [row for row in rows if not has_null_text(row)] if literal else rows
        for attempt in range(1, self._row_backoff.tries + 1):
            last = attempt == self._row_backoff.tries
            place = {key: number for number, key in enumerate(keys_of(key_field, waiting))}
            again: list[str] = []
            for answer in jobs.upsert(object_name, key_field, waiting):
                if answer.key not in place:
                    raise Unavailable(
                        f"the bulk job answered row {answer.key!r}, which was not sent",
                        system=SYSTEM,
                        operation="bulk",
                    )
                if answer.unreached or (answer.retryable and not last):
                    again.append(waiting[place[answer.key]])
                else:
                    yield answer.after(attempt)
            if not again:
                return
            if last:
                raise _unreached(len(again))
            self._sleep(delay(self._row_backoff, attempt, self._chance()))
            if len(again) < BULK_THRESHOLD:
                yield from self.upsert(object_name, key_field, again)
                return
            waiting = again

    def bulk_jobs(self) -> BulkJobs:
        """Ingest jobs step by step, for callers that do something else while they run."""
        return BulkJobs(self._call, self._look, self._sleep)

    def graph(self, graphs: Sequence[Graph]) -> list[GraphAnswer]:
        """Answers to graphs, each of which happens whole or not at all, in their order; one call.

        Graphs that were locked are sent again by themselves, a few times. Those that were not reached, since others
        before them failed, are sent again for as long as each call reaches some.

        Raises:
            Unavailable: graphs were not reached again and again, though no other failed before them.
            ValueError: more than 75 graphs or 500 nodes; see ``pack``.
        """
        if len(graphs) > GRAPHS or sum(len(graph.nodes) for graph in graphs) > GRAPH_NODES:
            raise ValueError(f"one call holds at most {GRAPHS} graphs and {GRAPH_NODES} nodes")

        def send(places: Sequence[int]) -> Iterator[tuple[int, GraphAnswer]]:
            chosen = [graphs[place] for place in places]
            body = payload(chosen, self.data_path)
            answers = self._call("POST", "composite/graph", graph_answers(chosen), body=body)
            yield from zip(places, answers, strict=True)

        return self._settled(len(graphs), send)

    # one call

    def request(
        self,
        method: str,
        path: str,
        body: str | bytes | None = None,
        *,
        content_type: str = _JSON,
        repeatable: bool = False,
    ) -> Any:
        """The parsed answer of any REST call, None where it has no body.

        Args:
            method: HTTP method.
            path: below ``/services/data/vXX.0/``, with its query, or a path from the root.
            body: JSON text, or what ``content_type`` says.
            content_type: of the body.
            repeatable: whether sending a write twice is harmless.
        """
        return self._call(method, path, _json, body=body, content_type=content_type, repeatable=repeatable)

    def _call(
        self,
        method: str,
        path: str,
        read: Callable[[requests.Response], T],
        *,
        body: str | bytes | None = None,
        content_type: str = _JSON,
        repeatable: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        data = body.encode() if isinstance(body, str) else body
        sent = {"Content-Type": content_type, **(headers or {})}
        return with_retries(
            lambda: understood(read, self._once(method, path, data, sent), broken),
            repeatable=repeatable or method in READS,
            backoff=self._backoff,
            sleep=self._sleep,
            chance=self._chance,
            breaker=self._breaker,
        )

    def _look(self, method: str, path: str, read: Callable[[requests.Response], T], **options: Any) -> T:
        before = self.calls
        try:
            return self._call(method, path, read, **options)
        finally:
            self._looks += self.calls - before

    def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> requests.Response:
        try:
            return self._send(method, path, body, headers)
        except ExpiredSession:
            self._log_in_again()
            return self._send(method, path, body, headers)

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> requests.Response:
        operation = f"{method} {path.split('?')[0]}"
        if self.daily is not None:
            self.daily.check(SYSTEM)
        # the host may be another one after a re-login
        base = f"https://{self.sf.sf_instance}"
        response = exchange(
            self.sf.session, method, base + (path if path.startswith("/") else self.data_path + path),
            system=SYSTEM, operation=operation, data=body,
            headers={"Authorization": f"Bearer {self.sf.session_id}", **headers},
        )  # fmt: skip
        if self.daily is not None and (
            use := _API_USAGE.search(response.headers.get("Sforce-Limit-Info", ""))
        ):
            self.daily.learn(int(use["used"]), int(use["most"]))
        if not (response.status_code == NOT_MODIFIED and "If-Modified-Since" in headers):
            check(response, operation, read=method in READS)
        return response

    def _log_in_again(self) -> None:
        try:
            with login_errors(self.sf.session, "the session has expired and the login was refused"):
                # the method has no public name; it keeps session id, instance and headers in step
                self.sf._refresh_session()
                self._on_login(self.sf.session_id)
        except RuntimeError as error:
            raise refused_login("the session has expired and cannot be renewed") from error

    def _settled(self, count: int, send: Callable[[Sequence[int]], Iterator[tuple[int, Any]]]) -> list[Any]:
        """The last answer to each of ``count`` things; those that may pass later are sent again.

        What a call has not reached is not a try of it, unless the call reached nothing.
        """
        answers: dict[int, Any] = {}
        tries = [0] * count
        open_places: Sequence[int] = range(count)
        while open_places:
            answers.update(send(open_places))
            reached = [place for place in open_places if not answers[place].unreached]
            for place in reached or open_places:
                tries[place] += 1
            open_places = [
                place
                for place in open_places
                if answers[place].retryable and tries[place] < self._row_backoff.tries
            ]
            tried = max((tries[place] for place in open_places), default=0)
            if tried:
                self._sleep(delay(self._row_backoff, tried, self._chance()))
        if left := sum(answer.unreached for answer in answers.values()):
            raise _unreached(left)
        return [answers[place] for place in range(count)]


def _unreached(count: int) -> Unavailable:
    return Unavailable(
        f"the org has left out {count} rows or graphs of what it was sent, again and again, and refused none of them; "
        "clear the task to send them once more",
        system=SYSTEM,
        operation="write",
    )


def _json(response: requests.Response) -> Any:
    if not response.content and response.status_code in (201, 204):
        return None
    try:
        return _decode(response.content)
    except UNREADABLE as error:
        raise broken(response, error) from None


class _Choice(msgspec.Struct):
    """A value of a picklist, and for which values of its controlling field it is valid, a bit each."""

    value: str
    label: str | None = None
    active: bool = True
    validFor: bytes | None = None


class _Field(msgspec.Struct):
    """What we read of a field's description; the rest may be anything."""

    name: str
    type: str = ""
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    controllerName: str | None = None
    picklistValues: list[_Choice] | None = []


class _Description(msgspec.Struct):
    fields: list[_Field]


class _Object(msgspec.Struct):
    name: str


def _description(response: requests.Response) -> dict[str, Any]:
    msgspec.json.decode(response.content, type=_Description)
    return dict(_json(response))


def _description_or_none(response: requests.Response) -> dict[str, Any] | None:
    return None if response.status_code == NOT_MODIFIED else _description(response)


def _objects(response: requests.Response) -> list[dict[str, Any]]:
    found = _json(response)["sobjects"]
    msgspec.convert(found, list[_Object])
    return list(found)


def _limits(response: requests.Response) -> dict[str, Any]:
    return msgspec.convert(_json(response), dict[str, dict[str, Any]])


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _plain(value) if isinstance(value, dict) else value
        for name, value in record.items()
        if name != "attributes"
    }


def _collection(records: Sequence[str]) -> str:
    return f'{{"allOrNone":false,"records":[{",".join(records)}]}}'
