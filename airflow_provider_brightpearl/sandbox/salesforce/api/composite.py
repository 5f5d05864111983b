"""Composite and batch: several requests in one (reference, section 3.6)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from ...settings import int_setting
from ..call import Answer, Call, Resource, resource
from ..errors import ApiError, malformed_json
from .composite_references import resolve

MAX_RECORDS = 25
_HALTED = "The transaction was rolled back since another operation in the same transaction failed."
_KEYS = {"method", "url", "referenceId", "body", "httpHeaders"}


@dataclass(frozen=True, slots=True)
class Part:
    """One validated subrequest."""

    reference: str
    method: str
    url: str
    body: object
    headers: dict[str, str]


class Failed(Exception):
    """Rolls back the transaction of a failed subrequest."""


def read_parts(items: object, most: int) -> list[Part]:
    """The subrequests of a composite request or graph. Raises: ApiError."""
    if not isinstance(items, list) or not items:
        raise malformed_json("compositeRequest must be a list of subrequests")
    if len(items) > most:
        raise ApiError("LIMIT_EXCEEDED", f"Limit of {most} reached. Cannot accept more subrequests")
    parts = [_part(item) for item in items]
    names = [part.reference for part in parts]
    if len(set(names)) != len(names):
        raise ApiError("DUPLICATE_VALUE", "referenceId is used more than once", ["referenceId"])
    return parts


def _part(item: object) -> Part:
    if not isinstance(item, dict) or set(item) - _KEYS or not {"method", "url", "referenceId"} <= set(item):
        raise malformed_json(
            "a subrequest needs method, url and referenceId, and may have body and httpHeaders"
        )
    headers = item.get("httpHeaders") or {}
    if not isinstance(headers, dict):
        raise malformed_json("httpHeaders must be an object")
    lower = {str(name).lower(): str(value) for name, value in headers.items()}
    return Part(
        str(item["referenceId"]), str(item["method"]).upper(), str(item["url"]), item.get("body"), lower
    )


def run_part(call: Call, part: Part, answers: dict[str, object]) -> Answer:
    """Serve a subrequest, with references to earlier ones resolved."""
    try:
        url, body = str(resolve(part.url, answers)), resolve(part.body, answers)
    except ApiError as error:
        return Answer(error.as_request_error(), error.status)
    return run_url(call, part.method, url, body, part.headers)


def run_url(call: Call, method: str, url: str, body: object, headers: dict[str, str]) -> Answer:
    """Serve a request to a relative URL."""
    split = urlsplit(url)
    segments = [unquote(one) for one in split.path.split("/")]
    prefix = [one.lower() for one in segments[1:3]]
    if prefix != ["services", "data"] or len(segments) < 5 or call.dispatch is None:
        return Answer([{"errorCode": "NOT_FOUND", "message": f"invalid url: {url}"}], 404)
    rest = segments[4:-1] if segments[-1] == "" else segments[4:]
    inner = call.sub(
        method=method,
        version=segments[3][1:],
        segments=tuple(rest),
        query=dict(parse_qsl(split.query, keep_blank_values=True)),
        headers={**call.headers, **headers},
        parsed={} if body is None else body,
    )
    return call.dispatch(inner)


def shown(part: Part, answer: Answer) -> dict[str, object]:
    """One element of compositeResponse."""
    headers = {"Location" if name == "location" else name: value for name, value in answer.headers.items()}
    return {
        "body": answer.body,
        "httpHeaders": headers,
        "httpStatusCode": answer.status,
        "referenceId": part.reference,
    }


def halted_response(part: Part, message: str = _HALTED) -> dict[str, object]:
    """The response of a subrequest that was not processed because another one failed."""
    return shown(part, Answer([{"errorCode": "PROCESSING_HALTED", "message": message}], 400))


def post_composite(call: Call) -> Answer:
    """POST composite."""
    body = call.json()
    if set(body) - {"allOrNone", "collateSubrequests", "compositeRequest"}:
        raise malformed_json(f"Unrecognized field {sorted(set(body))}")
    parts = read_parts(body.get("compositeRequest"), MAX_RECORDS)
    _check_mix(call, parts)
    if body.get("allOrNone") is not True:
        return Answer({"compositeResponse": _run_all(call, parts, stop=False)})
    return Answer({"compositeResponse": run_all_or_none(call, parts)[0]})


def _check_mix(call: Call, parts: list[Part]) -> None:
    most = int_setting(call.org.settings, "composite_collection_limit")
    heavy = [part for part in parts if _is_heavy(part.url)]
    if len(heavy) > most:
        raise ApiError(
            "LIMIT_EXCEEDED", f"only {most} query or collection subrequests are allowed in a request"
        )


def _is_heavy(url: str) -> bool:
    lower = url.lower()
    return "/composite/sobjects" in lower or "/query" in lower


def _run_all(call: Call, parts: list[Part], *, stop: bool) -> list[dict[str, object]]:
    answers: dict[str, object] = {}
    found = []
    for part in parts:
        answer = run_part(call, part, answers)
        found.append(shown(part, answer))
        if answer.status < 300:
            answers[part.reference] = answer.body
        elif stop:
            break
    return found


def run_all_or_none(call: Call, parts: list[Part]) -> tuple[list[dict[str, object]], bool]:
    """Run the subrequests as one transaction; returns their responses, and True if all succeeded."""
    found: list[dict[str, object]] = []
    try:
        with call.org.store.log.transaction():
            found = _run_all(call, parts, stop=True)
            if len(found) < len(parts) or _is_failure(found[-1]):
                raise Failed
    except Failed:
        last = len(found) - 1
        return [found[i] if i == last else halted_response(part) for i, part in enumerate(parts)], False
    return found, True


def _is_failure(shown_part: dict[str, object]) -> bool:
    status = shown_part["httpStatusCode"]
    return isinstance(status, int) and status >= 300


def post_batch(call: Call) -> Answer:
    """POST composite/batch: independent subrequests, each counted as an API call."""
    body = call.json()
    items = body.get("batchRequests")
    if not isinstance(items, list) or not items or len(items) > MAX_RECORDS:
        raise malformed_json(f"batchRequests must be a list of 1 to {MAX_RECORDS} requests")
    halt, broken = body.get("haltOnError") is True, False
    results: list[dict[str, object]] = []
    for item in items:
        if broken and halt:
            error = {"errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing halted"}
            results.append({"statusCode": 412, "result": [error]})
            continue
        answer = _batch_part(call, item)
        broken = broken or answer.status >= 400
        results.append({"statusCode": answer.status, "result": answer.body})
    return Answer({"hasErrors": broken, "results": results})


def _batch_part(call: Call, item: object) -> Answer:
    if not isinstance(item, dict) or not {"method", "url"} <= set(item):
        raise malformed_json("a batch request needs method and url")
    call.org.settings["daily_api_used"] = int_setting(call.org.settings, "daily_api_used") + 1
    url = str(item["url"])
    url = f"/services/data/{url.lstrip('/')}" if not url.startswith("/services") else url
    return run_url(call, str(item["method"]).upper(), url, item.get("richInput"), {})


TABLE: list[Resource] = [
    resource("POST", "composite", post_composite),
    resource("POST", "composite/batch", post_batch),
]
