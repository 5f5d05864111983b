"""Interprets a failed login of simple-salesforce: an outage that passes, or credentials that only a person can fix.

The library raises one error for both and keeps no status, so the answer itself is inspected.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from airflow_provider_brightpearl.errors import RateLimited, SyncError, Unavailable
from airflow_provider_brightpearl.systems.http.header_values import retry_after
from airflow_provider_brightpearl.systems.http.transport import excerpt
from airflow_provider_brightpearl.systems.salesforce.answers import SYSTEM, refused_login

# codes about the org, not about the credentials (SOAP: exception codes; OAuth: RFC 6749, 4.1.2.1)
_OUTAGES = (
    "SERVER_UNAVAILABLE",
    "UNKNOWN_EXCEPTION",
    "API_TEMPORARILY_UNAVAILABLE",
    "temporarily_unavailable",
)
_LIMITS = ("LOGIN_RATE_EXCEEDED", "login rate exceeded", "REQUEST_LIMIT_EXCEEDED")
_LOGIN_PAUSE = 60.0


@contextmanager
def login_errors(session: requests.Session, what: str) -> Iterator[None]:
    """Turns errors of a login over a session into ours.

    Args:
        session: over which the login goes.
        what: begins the message of a refusal, such as ``Salesforce refused the login``.

    Raises:
        Unavailable: the address does not answer, or not as a login does.
        RateLimited: there were too many logins.
        CredentialsRefused: the login was refused.
    """
    from simple_salesforce.exceptions import SalesforceAuthenticationFailed

    answers: list[requests.Response] = []

    def keep(response: requests.Response, **_: Any) -> None:
        answers.append(response)

    session.hooks["response"].append(keep)
    try:
        yield
    except SalesforceAuthenticationFailed as error:
        raise _login_error(error, answers[-1] if answers else None, what) from error
    except requests.RequestException as error:
        raise Unavailable(
            f"the login endpoint cannot be reached, or does not log in: {error.__class__.__name__}",
            system=SYSTEM, operation="login",
        ) from error  # fmt: skip
    finally:
        session.hooks["response"].remove(keep)


def _login_error(error: Exception, answer: requests.Response | None, what: str) -> SyncError:
    text = str(error)
    evidence: dict[str, Any] = {"system": SYSTEM, "operation": "login"}
    status = answer.status_code if answer is not None else None
    if answer is not None and (status in (420, 429) or any(each in text for each in _LIMITS)):
        announced = retry_after(answer.headers)
        seconds = _LOGIN_PAUSE if announced is None else announced
        return RateLimited(f"too many logins: {text}", wait_seconds=seconds, status=status, **evidence)
    # SOAP answers refusals with 500, so the code decides before the status
    if any(each in text for each in _OUTAGES) or (answer is not None and _is_outage(answer)):
        found = excerpt(answer) if answer is not None else text
        return Unavailable(f"the login endpoint is not available ({found})", status=status, **evidence)
    return refused_login(f"{what}: {text}")


def _is_outage(answer: requests.Response) -> bool:
    return answer.status_code >= 500 and b"exceptionCode" not in answer.content
