"""Transactions of Infor M3 as tasks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_brightpearl.compat import AirflowFailException
from airflow_provider_brightpearl.errors import Misconfigured, RetryLater, TimedOut
from airflow_provider_brightpearl.operators.pausing import PausingOperator, Plain
from airflow_provider_brightpearl.operators.templates import template_count, template_list

if TYPE_CHECKING:
    from airflow_provider_brightpearl.systems.infor.client import Answer, InforClient

# how often a record is sent that M3 has locked
_LOCK_TRIES = 4


class InforTransactionOperator(PausingOperator):
    """Runs one MI transaction of Infor M3, for one record or for many.

    Each record succeeds or fails on its own: M3 has no rollback over several. A write that is not ``repeatable``
    is never sent again: where it is not known whether records were written, or some were, the task fails without
    another try and says how far it came. Set ``retries=0`` for such writes, so that a worker that dies is not
    followed by another try.

    Args:
        program: such as ``MMS200MI``. (templated)
        transaction: such as ``UpdItmBasic``. (templated)
        record: input by field, for one record; numbers as int, Decimal or text, dates as ``date`` or ``yyyymmdd``.
            Company and division are those of the connection. (templated)
        records: inputs of many records, instead of ``record``: a list of mappings, or a template that gives one, with
            ``render_template_as_native_obj`` on the DAG. (templated)
        columns: output fields wanted, all if left out. (templated)
        repeatable: whether sending a record twice is harmless; if left out, what Get, Lst, Sel and the like do is.
        max_refused: refused records up to which the task succeeds. (templated)
        infor_conn_id: connection of the tenant. (templated)
        deferrable: whether to wait for quotas without a worker; ``[operators] default_deferrable`` if left out. What
            was sent before is not sent again afterwards.
        kwargs: arguments of every operator.

    Returns:
        For ``record``: the output records, as text by field. For ``records``: ``done``, the number of them;
        ``records``: a list of output records for each input, in their order; ``refused``: ``place`` (from 0),
        ``state``, ``code``, ``message`` and ``field`` of each that was not done. It is an XCom of a task that fails
        for its refused records too.

    Raises:
        AirflowFailException: more than ``max_refused`` records were refused, or only a person can help.
        RetryLater: M3 does not answer now and nothing was written; Airflow tries again.
    """

    template_fields: Sequence[str] = (
        "program", "transaction", "record", "records", "columns", "max_refused", "infor_conn_id",
    )  # fmt: skip
    template_fields_renderers = {"record": "json", "records": "json"}
    ui_color = "#ece3f4"

    def __init__(
        self,
        *,
        program: str,
        transaction: str,
        record: Mapping[str, Any] | None = None,
        records: Sequence[Mapping[str, Any]] | str | None = None,
        columns: Sequence[str] | str = (),
        repeatable: bool | None = None,
        max_refused: int | str = 0,
        infor_conn_id: str = "infor_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.program = program
        self.transaction = transaction
        self.record = record
        self.records = records
        self.columns = columns
        self.repeatable = repeatable
        self.max_refused = max_refused
        self.infor_conn_id = infor_conn_id

    def work(self, context: Any, state: Plain) -> Any:
        from airflow_provider_brightpearl.hooks.infor import InforHook

        limit = template_count(self.max_refused, "max_refused")
        # a record that M3 has locked is sent again from here, so that the answers to the others are kept
        client = InforHook(self.infor_conn_id, longest_pause=self.longest_pause, row_tries=1).get_client()
        given = self._given()
        answers: list[Plain | None] = state.get("answers") or [None] * len(given)
        with self.pausing(lambda: {"answers": answers}):
            self._send(client, given, answers)
        return self._judged(context, [answer or {} for answer in answers], limit)

    def _given(self) -> list[Mapping[str, Any]]:
        if self.record is not None and self.records is not None:
            raise Misconfigured("give record or records, not both")
        given: Any = [self.record or {}] if self.records is None else self.records
        if isinstance(given, str) or not all(isinstance(each, Mapping) for each in given):
            raise Misconfigured(
                f"{'record' if self.records is None else 'records'} must be values by field, not text; for a template, "
                "set render_template_as_native_obj=True on the DAG"
            )
        return list(given)

    def _send(
        self, client: InforClient, given: Sequence[Mapping[str, Any]], answers: list[Plain | None]
    ) -> None:
        """Adds the answers to all records that have none yet, call by call."""
        from airflow_provider_brightpearl.systems.infor.client import Transaction, mi_text

        texts = [{name: mi_text(value) for name, value in record.items()} for record in given]
        for attempt in range(_LOCK_TRIES):
            places = [place for place, answer in enumerate(answers) if answer is None or answer["locked"]]
            if not places:
                return
            if attempt:
                time.sleep(2.0**attempt / 2)
            transactions = [Transaction(self.transaction, texts[place]) for place in places]
            for group in client.pack(transactions):
                try:
                    found = client.bulk(
                        self.program, [transactions[number] for number in group],
                        repeatable=self.repeatable, columns=template_list(self.columns, "columns"),
                    )  # fmt: skip
                except RetryLater as error:
                    self._stop_if_written(answers, error)
                    raise
                for number, answer in zip(group, found, strict=True):
                    answers[places[number]] = _plain(answer)

    def _stop_if_written(self, answers: Sequence[Plain | None], error: RetryLater) -> None:
        from airflow_provider_brightpearl.systems.infor.client import is_read

        repeatable = is_read(self.transaction) if self.repeatable is None else self.repeatable
        if repeatable or (not isinstance(error, TimedOut) and self.defers(error)):
            return
        done = sum(answer is not None and not answer["locked"] for answer in answers)
        if not done and not isinstance(error, TimedOut):
            return
        unknown = "; the next call may have been processed too" if isinstance(error, TimedOut) else ""
        raise AirflowFailException(
            f"{self.program} {self.transaction}: {done} of {len(answers)} records were processed{unknown}, so there is "
            f"no other try: {error}. Look in M3 what was done; repeatable=True where sending twice is harmless"
        ) from None

    def _judged(self, context: Any, answers: Sequence[Plain], limit: int) -> Any:
        refused = [
            {"place": place, **answer["refused"]} for place, answer in enumerate(answers) if answer["refused"]
        ]
        for each in refused:
            self.log.warning("record %(place)s %(state)s: %(code)s %(message)s %(field)s", each)
        outputs = [answer["records"] for answer in answers]
        result = {"done": len(answers) - len(refused), "records": outputs, "refused": refused}
        if len(refused) <= limit:
            return outputs[0] if self.records is None else result
        context["ti"].xcom_push(key="return_value", value=result)
        first = refused[0]
        raise AirflowFailException(
            f"{self.program} {self.transaction}: {len(refused)} of {len(answers)} records were not done, more than "
            f"max_refused={limit}; the first one, at place {first['place']}: {first['state']}, {first['code']} "
            f"{first['message']}"
        )


def _plain(answer: Answer) -> Plain:
    refused = None
    if not answer.done:
        refused = {
            "state": str(answer.state), "code": answer.code, "message": answer.message, "field": answer.field,
        }  # fmt: skip
    outputs = [dict(each) for each in answer.records]
    return {"records": outputs, "refused": refused, "locked": answer.passing}
