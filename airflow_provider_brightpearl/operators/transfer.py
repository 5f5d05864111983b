"""Single steps between systems and files, without a flow: records to a file, and the rows of a file to a system.

A path is one in object storage, ``s3://bucket/key`` or ``s3://conn_id@bucket/key``, or on the worker's disk. With
``deferrable``, a task waits for bulk jobs, and for quotas that open in more than a minute, without a worker.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.compat import AirflowFailException
from airflow_provider_brightpearl.environment import object_path
from airflow_provider_brightpearl.errors import Misconfigured, Unavailable
from airflow_provider_brightpearl.operators.pausing import PausingOperator, Plain
from airflow_provider_brightpearl.operators.templates import (
    NOTHING,
    template_count,
    template_ids,
    template_list,
)

if TYPE_CHECKING:
    from upath import UPath

    from airflow_provider_brightpearl.runtime.brightpearl_file import Wanted
    from airflow_provider_brightpearl.runtime.file_upsert import FileUpsert, UpsertState


class BrightpearlToObjectStorageOperator(PausingOperator):
    """Writes records of a Brightpearl account to a file of JSON lines or Parquet.

    Either ``stream`` (records as flows read them, with what belongs to them joined), or ``search`` (rows of a search;
    with ``resource``, the records by the ids that it finds). Records stream through a temporary file on the worker's
    disk, so memory does not grow with their number; the file takes its name when it is whole.

    JSON lines hold each raw record. Parquet holds the typed columns of a stream; of a search or resource, it
    holds what DuckDB finds, numbers with a point as DECIMAL(38,10).

    Args:
        path: the file; one that exists is replaced. (templated)
        stream: name of a stream, such as ``sales_orders``. (templated)
        ids: of a stream: source ids of the records wanted; a list, or text with commas. (templated)
        start: of a stream: first instant of changes, ISO 8601, UTC where it has no offset; from the beginning if left
            out. (templated)
        end: of a stream: instant up to which changes are read, itself left out; now if left out. (templated)
        search: path of a search, such as ``order-service/order-search``. (templated)
        columns: columns of the search; the first one is the id, which never changes. (templated)
        filters: filters of the search, text by name. (templated)
        resource: path of the records by id, such as ``order-service/order``. (templated)
        query: query of ``resource``, such as ``{"includeOptional": "customFields"}``. (templated)
        file_format: ``jsonl`` or ``parquet``; by the suffix of ``path`` if left out. (templated)
        brightpearl_conn_id: connection of the account. (templated)
        object_storage_conn_id: connection of the storage, where ``path`` does not name one. (templated)
        deferrable: whether to wait for quotas without a worker; ``[operators] default_deferrable`` if left out. What
            was read before a pause is read again after it.
        kwargs: arguments of every operator.

    Returns:
        ``path``, ``records``, and ``missing``: up to 100 ids that were found or named, but could not be read.

    Raises:
        AirflowFailException: only a person can help, as with a wrong parameter or refused credentials.
        RetryLater: the account does not answer now; Airflow tries again.
    """

    template_fields: Sequence[str] = (
        "path", "stream", "ids", "start", "end", "search", "columns", "filters", "resource", "query",
        "file_format", "brightpearl_conn_id", "object_storage_conn_id",
    )  # fmt: skip
    template_fields_renderers = {"filters": "json", "query": "json"}
    ui_color = "#dbe9f6"

    def __init__(
        self,
        *,
        path: str | UPath,
        stream: str | None = None,
        ids: Sequence[str | int] | str | None = None,
        start: str | None = None,
        end: str | None = None,
        search: str | None = None,
        columns: Sequence[str] | str = (),
        filters: Mapping[str, str] | None = None,
        resource: str | None = None,
        query: Mapping[str, str] | None = None,
        file_format: str | None = None,
        brightpearl_conn_id: str = "brightpearl_default",
        object_storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.stream = stream
        self.ids = ids
        self.start = start
        self.end = end
        self.search = search
        self.columns = columns
        self.filters = filters
        self.resource = resource
        self.query = query
        self.file_format = file_format
        self.brightpearl_conn_id = brightpearl_conn_id
        self.object_storage_conn_id = object_storage_conn_id

    def work(self, context: Any, state: Plain) -> Plain:
        from airflow_provider_brightpearl.hooks.brightpearl import BrightpearlHook
        from airflow_provider_brightpearl.runtime.brightpearl_file import write_file

        target = object_path(self.path, self.object_storage_conn_id)
        hook = BrightpearlHook(self.brightpearl_conn_id, longest_pause=self.longest_pause)
        with self.pausing(dict):
            written = write_file(hook.get_client(), self._wanted(), target, self.file_format)
        self.log.info("%s holds %s records", target, f"{written['records']:,}")
        return written

    def _wanted(self) -> Wanted:
        from airflow_provider_brightpearl.runtime.brightpearl_file import Wanted

        ids = tuple(template_ids(self.ids) or ())
        start, end = (None if text in (None, *NOTHING) else str(text) for text in (self.start, self.end))
        return Wanted(
            stream=self.stream or "", ids=ids, start=start, end=end,
            search=self.search or "", columns=tuple(template_list(self.columns, "columns")), filters=self.filters or {},
            resource=self.resource or "", query=self.query or {},
        )  # fmt: skip


class SalesforceUpsertOperator(PausingOperator):
    """Upserts the rows of a file into Salesforce by external id.

    The file is read once before anything is sent: a key that is missing or repeated fails the task. Few rows go by
    collections of 200 a call, 1,001 or more by Bulk API 2.0 jobs; rows that were locked are sent up to three times.
    A try that follows sends all rows again, which changes nothing where they have arrived.

    In JSON lines and Parquet, null clears a field. In CSV, an empty cell leaves the field alone and ``#N/A`` clears
    it, as in Bulk API; a parent by its key is ``{"Account": {"Ext__c": "1"}}`` or the column ``Account.Ext__c``.

    Args:
        path: the file, JSON lines, Parquet or CSV with a header. (templated)
        object_name: object of the org, such as ``Account``. (templated)
        external_id_field: external id field, a column of the file. (templated)
        file_format: ``jsonl``, ``parquet`` or ``csv``; by the suffix of ``path`` if left out. (templated)
        bulk: by Bulk API jobs (True) or collections (False); by the number of rows if left out.
        max_refused: refused rows up to which the task succeeds. (templated)
        refused_path: file of refused rows; ``path`` with ``.refused.jsonl`` behind it if left out. (templated)
        salesforce_conn_id: connection of the org. (templated)
        object_storage_conn_id: connection of the storage, where the paths do not name one. (templated)
        deferrable: whether to wait for jobs and quotas without a worker; ``[operators] default_deferrable`` if left
            out. What was sent before is not sent again afterwards.
        kwargs: arguments of every operator.

    Returns:
        ``rows``, ``written``, ``refused``; ``refused_rows``: ``key``, ``code`` and ``message`` of up to 100;
        ``refused_path``, or None where none was refused; ``jobs``: ids of the bulk jobs. It is an XCom of a task that
        fails for its refused rows too.

    Raises:
        AirflowFailException: more than ``max_refused`` rows were refused, or only a person can help.
        RetryLater: the org does not answer now; Airflow tries again.
    """

    template_fields: Sequence[str] = (
        "path", "object_name", "external_id_field", "file_format", "max_refused", "refused_path",
        "salesforce_conn_id", "object_storage_conn_id",
    )  # fmt: skip
    ui_color = "#ece3f4"

    def __init__(
        self,
        *,
        path: str | UPath,
        object_name: str,
        external_id_field: str,
        file_format: str | None = None,
        bulk: bool | None = None,
        max_refused: int | str = 0,
        refused_path: str | UPath | None = None,
        salesforce_conn_id: str = "salesforce_default",
        object_storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.object_name = object_name
        self.external_id_field = external_id_field
        self.file_format = file_format
        self.bulk = bulk
        self.max_refused = max_refused
        self.refused_path = refused_path
        self.salesforce_conn_id = salesforce_conn_id
        self.object_storage_conn_id = object_storage_conn_id
        self._client: Any = None
        self._at: UpsertState | None = None

    def work(self, context: Any, state: Plain) -> Plain:
        from airflow_provider_brightpearl.runtime.file_upsert import UpsertState

        limit = template_count(self.max_refused, "max_refused")
        self._at = at = UpsertState.from_dict(state)
        with self._upsert() as (upsert, refused_to), self.pausing(at.as_dict):
            upsert.send(at)
            self._wait(at)
            while upsert.again(at):
                self._wait(at)
            summary = upsert.finish(at, refused_to)
        return self._judged(context, summary, limit)

    def after_jobs(self, context: Any, event: Plain) -> Plain:
        """Goes on when the bulk jobs have ended."""
        if event["outcome"] == "failed":
            if not event["retry"]:
                raise AirflowFailException(event["message"])
            raise Unavailable(event["message"])
        state = event["state"]
        result: Plain = self.resume(context, {"state": {**state, "awaited": state["attempt"]}})
        return result

    def on_kill(self) -> None:
        """Aborts the bulk jobs that are running; rows that they have written stay written."""
        for job in self._at.running if self._at else ():
            self._client.bulk_jobs().abort(job)
            self.log.info("bulk job %s aborted", job)

    @contextmanager
    def _upsert(self) -> Iterator[tuple[FileUpsert, UPath]]:
        from airflow_provider_brightpearl.hooks.salesforce import SalesforceHook
        from airflow_provider_brightpearl.runtime.file_upsert import FileUpsert
        from airflow_provider_brightpearl.stores.files import local_file
        from airflow_provider_brightpearl.stores.row_files import format_of

        source = object_path(self.path, self.object_storage_conn_id)
        kind = format_of(source.name, self.file_format)
        refused_to = self.refused_path or source.with_name(f"{source.name}.refused.jsonl")
        hook = SalesforceHook(self.salesforce_conn_id, longest_pause=self.longest_pause)
        self._client = hook.get_client()
        try:
            with local_file(source) as file:
                upsert = FileUpsert(
                    self._client, self.object_name, self.external_id_field, file, kind, self.bulk
                )
                yield upsert, object_path(refused_to, self.object_storage_conn_id)
        except FileNotFoundError:
            raise Misconfigured(f"there is no file {source}") from None

    def _wait(self, state: UpsertState) -> None:
        """Waits for the jobs of the latest attempt, unless they are known to have ended."""
        from airflow_provider_brightpearl.systems.salesforce.bulk import PATIENCE, pause_before_look

        if not state.running:
            return
        started = time.time()
        if self.deferrable:
            from airflow_provider_brightpearl.triggers.salesforce import SalesforceBulkJobsTrigger

            self.defer(
                trigger=SalesforceBulkJobsTrigger(
                    self.salesforce_conn_id, state.running, started, state.as_dict()
                ),
                method_name="after_jobs",
                timeout=self.execution_timeout,
            )
        for job in state.running:
            while not self._client.bulk_jobs().ended(job):
                if time.time() - started > PATIENCE:
                    raise Unavailable(
                        f"bulk job {job.rpartition('/')[2]} has not ended after {PATIENCE / 3600:.0f} hours: "
                        "see Bulk Data Load Jobs in Setup, abort it there, and clear this task",
                        system="salesforce",
                    )
                time.sleep(pause_before_look(time.time() - started))
        state.awaited = state.attempt

    def _judged(self, context: Any, summary: Plain, limit: int) -> Plain:
        self.log.info(
            "%s of %s rows written, %s refused",
            *(f"{summary[name]:,}" for name in ("written", "rows", "refused")),
        )
        for row in summary["refused_rows"]:
            self.log.warning(
                "refused: %s %s: %s %s", self.external_id_field, row["key"], row["code"], row["message"]
            )
        if summary["refused"] <= limit:
            return summary
        context["ti"].xcom_push(key="return_value", value=summary)
        raise AirflowFailException(
            f"{summary['refused']:,} rows were refused, more than max_refused={limit}; they are in "
            f"{summary['refused_path']}: correct them there or at their origin, and run again"
        )
