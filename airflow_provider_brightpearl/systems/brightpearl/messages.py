"""Messages to Brightpearl, ten in a call that counts as one request, and what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from math import ceil
from typing import Any

from more_itertools import chunked

from airflow_provider_brightpearl.errors import Stop, SyncError, TimedOut, Unavailable
from airflow_provider_brightpearl.systems.brightpearl.answers import NOTHING_FOUND, SYSTEM, kind_of, throttled
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient, MessageAnswer
from airflow_provider_brightpearl.systems.intent_log import IntentLog, PendingRows

GROUP = 10


class State(Enum):
    """What became of a message; an unknown one may have been carried out."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNREACHED = "not processed"


@dataclass(frozen=True, slots=True)
class Message:
    """One call inside a multi-message; ``path`` as in ``contact-service/contact``, with a query if it has one."""

    method: str
    path: str
    body: Any = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one message: the ``response`` of its body, or why there is none."""

    state: State
    value: Any = None
    reason: str = ""
    code: str = ""

    @property
    def done(self) -> bool:
        return self.state is State.DONE

    @property
    def made(self) -> str:
        """The id of what was created, also where it comes as a list of one; empty where there is none."""
        value = self.value[0] if isinstance(self.value, list) and len(self.value) == 1 else self.value
        return str(value) if self.done and isinstance(value, (int, str)) else ""


def min_calls(*messages: int) -> int:
    """The fewest calls for so many messages of each of several steps that wait for each other."""
    return sum(ceil(count / GROUP) for count in messages)


def send(
    client: BrightpearlClient,
    messages: Sequence[Message],
    *,
    repeatable: bool = False,
    before: Callable[[], None] | None = None,
) -> list[Answer]:
    """At most ten messages in one call; answers in their order, all of them unknown where none came.

    ``before`` is called right before each try.

    Raises:
        SyncError: nothing was done.
    """
    sent = [_sent(str(place), message) for place, message in enumerate(messages)]
    try:
        answered = client.multi_message(sent, repeatable=repeatable, before=before)
    except TimedOut as error:
        return [Answer(State.UNKNOWN, reason=str(error))] * len(messages)
    found = {each.label: each for each in answered}
    return [_answer(message, found.get(str(place))) for place, message in enumerate(messages)]


def _sent(label: str, message: Message) -> dict[str, Any]:
    body = {} if message.body is None else {"body": message.body}
    return {"label": label, "uri": f"/{message.path}", "httpMethod": message.method, **body}


def _answer(message: Message, answer: MessageAnswer | None) -> Answer:
    if answer is None:
        # neither among the processed nor among the unprocessed ones: it may have been carried out
        return Answer(State.UNKNOWN, reason="the answer says nothing of this message")
    body = answer.body if isinstance(answer.body, dict) else {}
    if 200 <= answer.status < 300:
        return Answer(State.DONE, body.get("response"))
    code, text = _reason(body)
    reason = f"{code} {text}".strip() or f"status {answer.status}"
    if not answer.status or throttled(answer.status, text):
        return Answer(State.UNREACHED, reason=reason if answer.status else "not processed")
    kind = kind_of(answer.status, code, read=message.method == "GET")
    if issubclass(kind, Stop) and answer.status in (401, 403):
        raise kind(reason, system=SYSTEM, operation=f"{message.method} {message.path}", status=answer.status)
    state = State.UNKNOWN if issubclass(kind, (TimedOut, Unavailable)) else State.REFUSED
    return Answer(state, reason=reason, code=code)


def _reason(body: Mapping[str, Any]) -> tuple[str, str]:
    """Code of the first error and the messages of all, or the sentence of a proxy."""
    errors = [each for each in body.get("errors") or () if isinstance(each, dict)]
    if errors:
        return str(errors[0].get("code", "")), "; ".join(str(each.get("message", "")) for each in errors)
    return "", body["response"] if isinstance(body.get("response"), str) else ""


def read(client: BrightpearlClient, paths: Sequence[str]) -> list[Answer]:
    """The answer to each of these GETs, ten in a call: done, without a value where nothing was found, or refused.

    Raises:
        Unavailable: one of them has no answer.
    """
    found = []
    for group in chunked(paths, GROUP):
        answers = send(client, [Message("GET", path) for path in group], repeatable=True)
        for path, answer in zip(group, answers, strict=True):
            if answer.state in (State.UNKNOWN, State.UNREACHED):
                raise Unavailable(answer.reason, system=SYSTEM, operation=f"GET {path.partition('?')[0]}")
            found.append(Answer(State.DONE) if answer.code == NOTHING_FOUND else answer)
    return found


def rows_of(answer: Answer) -> Iterator[dict[str, Any]]:
    """The rows of a search that ``read`` made, by column name."""
    found = answer.value or {"metaData": {"columns": ()}, "results": ()}
    names = [column["name"] for column in found["metaData"]["columns"]]
    for row in found["results"]:
        yield dict(zip(names, row, strict=True))


def send_all(
    client: BrightpearlClient,
    messages: Sequence[Message],
    *,
    repeatable: bool,
    before: Callable[[], None] | None = None,
) -> Iterator[tuple[int, Answer]]:
    """Any number of messages in full calls; the place of each with its answer."""
    for group in chunked(range(len(messages)), GROUP):
        answers = send(client, [messages[place] for place in group], repeatable=repeatable, before=before)
        yield from zip(group, answers, strict=True)


@dataclass(frozen=True, slots=True)
class Once:
    """A message that Brightpearl would repeat, by the key and digest of its intent."""

    key: str
    digest: str
    message: Message


def note_missing(pending: PendingRows, key: str, answer: Answer) -> bool:
    """Whether a message has no answer, noted among the pending ones then."""
    missing = {State.UNKNOWN: pending.lost, State.UNREACHED: pending.unreached}.get(answer.state)
    if missing is not None and key not in missing:
        missing.append(key)
    return missing is not None


def send_once(
    client: BrightpearlClient,
    intent_log: IntentLog,
    pending: PendingRows,
    writes: Sequence[Once],
    *,
    repeatable: bool = False,
) -> Iterator[list[tuple[Once, Answer]]]:
    """Sends each as an intent; those without an answer, or that were not processed, are among ``pending``.

    A message that is answered with an id is confirmed, a refused one failed; one that is done without an id stays
    in doubt, and the caller looks it up.
    """
    for group in chunked(writes, GROUP):
        intent_log.begin({each.key: each.digest for each in group})
        try:
            answers = send(
                client,
                [each.message for each in group],
                repeatable=repeatable,
                before=partial(intent_log.renew, [each.key for each in group]),
            )
        except SyncError as error:
            intent_log.fail({each.key: f"not sent: {error.message}" for each in group})
            raise
        pairs = list(zip(group, answers, strict=True))
        undone = (State.REFUSED, State.UNREACHED)
        intent_log.fail({each.key: answer.reason for each, answer in pairs if answer.state in undone})
        intent_log.confirm({each.key: answer.made for each, answer in pairs if answer.made})
        for each, answer in pairs:
            note_missing(pending, each.key, answer)
        yield pairs
