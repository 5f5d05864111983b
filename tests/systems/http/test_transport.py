from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote_plus

import pytest
import requests

from airflow_provider_brightpearl.errors import Misconfigured, TimedOut, Unavailable
from airflow_provider_brightpearl.systems.http.secrets import redacted
from airflow_provider_brightpearl.systems.http.time_limit import AnswerLimit
from airflow_provider_brightpearl.systems.http.transport import (
    Meter,
    excerpt,
    exchange,
    meter_of,
    new_session,
    request_id,
)
from tests.systems.stub import Reply, serving

CANARY = "00D/x+y\"&='canary!z"
SOAP_LOGIN = f"<n1:login><n1:password>{escape(CANARY)}</n1:password></n1:login>"


def call(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
    return exchange(session, method, url, system="brightpearl", operation="test", **options)


def test_calls_are_counted_and_logins_apart() -> None:
    with serving(lambda _: Reply({})) as stub:
        session = new_session()
        call(session, "GET", f"{stub.url}/a")
        call(session, "POST", f"{stub.url}/services/oauth2/token", data={"grant_type": "password"})
        assert (1, 1) == (meter_of(session).calls, meter_of(session).logins)


def test_a_request_id_is_found_under_the_vendors_name_or_the_usual_one() -> None:
    assert ("r-1", "x-2", "") == (
        request_id({"Ruid": "r-1", "X-Request-Id": "x-2"}, "Ruid"),
        request_id({"X-Request-Id": "x-2"}, "Ruid"),
        request_id({}),
    )


def test_https_addresses_reach_a_plain_http_destination() -> None:
    with serving(lambda _: Reply({})) as stub:
        call(
            new_session(endpoint_override=stub.url),
            "GET",
            "https://acme.my.salesforce.com/services/x?q=a%20b",
        )
        assert ("/services/x", "q=a%20b") == (stub.asked[0].path, stub.asked[0].raw_query)


def test_the_log_line_holds_no_query_and_no_header(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "airflow_provider_brightpearl")
    with serving(lambda _: Reply({})) as stub:
        call(new_session(), "GET", f"{stub.url}/p?token=hush", headers={"Authorization": "Bearer hush"})
    assert ("GET /p 200", False) == (" ".join(caplog.messages[0].split()[:3]), "hush" in caplog.text)


def test_a_refused_connection_means_nothing_was_done() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(Unavailable, match="no connection to 127.0.0.1"):
        call(new_session(), "POST", f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(("method", "kind"), [("GET", Unavailable), ("POST", TimedOut)])
def test_a_cut_answer_leaves_a_write_in_doubt(method: str, kind: type[Exception]) -> None:
    with serving(lambda _: Reply({"response": list(range(100))}, cut=20)) as stub, pytest.raises(kind):
        call(new_session(), method, stub.url)


def test_silence_ends_after_the_read_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(TimedOut, match="no answer"):
            call(new_session(read_seconds=0.1), "GET", url)


def test_a_redirect_is_not_followed() -> None:
    with serving(lambda _: Reply(status=302, headers={"Location": "http://elsewhere.test/"})) as stub:
        assert 302 == call(new_session(), "GET", stub.url).status_code


def test_a_bad_address_is_a_matter_of_configuration() -> None:
    with pytest.raises(Misconfigured):
        call(new_session(), "GET", "ftp://x/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Invalid instance token: abc123", "Invalid instance token: ***"),
        ('{"client_secret":"abc"}', '{"client_secret":"***"}'),
        ("refresh_token=a%2Bb&x=1", "refresh_token=***&x=1"),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("Authorization: Basic Zm9vOmJhcg==", "Authorization: Basic ***"),
        ("Authorization token expired", "Authorization token expired"),
    ],
)
def test_secrets_are_starred_out(text: str, expected: str) -> None:
    assert expected == redacted(text)


@pytest.mark.parametrize(
    "write",
    [
        str,
        quote_plus,
        lambda text: re.sub("%..", lambda code: code[0].lower(), quote_plus(text)),
        lambda text: quote_plus(quote_plus(text)),
        escape,
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
        lambda text: json.dumps(text)[1:-1].replace("&", "\\u0026").replace("'", "\\u0027"),
        lambda text: escape(text, quote=False),
        lambda text: escape(text).replace("&#x27;", "&#39;"),
        lambda text: b64encode(text.encode()).decode(),
        lambda text: urlsafe_b64encode(text.encode()).decode(),
    ],
)
@pytest.mark.parametrize(
    "sent",
    [
        {"data": SOAP_LOGIN, "headers": {"Content-Type": "text/xml; charset=UTF-8"}},
        {"headers": {"Authorization": f"Bearer {CANARY}"}},
        {"headers": {"brightpearl-staff-token": CANARY}},
        {"auth": ("client", CANARY)},
        {"data": {"grant_type": "refresh_token", "refresh_token": CANARY}},
    ],
)
def test_a_page_that_repeats_a_credential_without_its_name_does_not_show_it(
    sent: dict[str, Any], write: Callable[[str], str]
) -> None:
    shown = write(CANARY)
    # the second one stands where the excerpt is cut
    page = f"<p>you sent {shown}</p>{'.' * (150 - len(shown))}{shown}"
    with serving(lambda _: Reply(page.encode(), status=400)) as stub:
        found = excerpt(call(new_session(), "POST", stub.url, **sent))
    assert "***" in found
    assert shown[:8] not in found


def test_a_page_in_utf_16_does_not_show_a_credential() -> None:
    with serving(lambda _: Reply(f"<p>{CANARY}</p>".encode("utf-16-le"), status=400)) as stub:
        answer = call(new_session(), "GET", stub.url, headers={"Authorization": f"Bearer {CANARY}"})
    assert CANARY.encode("utf-16-le") not in answer.content


def test_an_answer_in_its_rows_does_not_show_a_credential() -> None:
    refused = {"results": [{"errorMessage": f"Bearer {CANARY} may not do this"}]}
    with serving(lambda _: Reply(refused)) as stub:
        answer = call(new_session(), "POST", stub.url, headers={"Authorization": f"Bearer {CANARY}"}, json={})
    assert answer.json() == {"results": [{"errorMessage": "Bearer *** may not do this"}]}


def test_the_token_that_a_login_gives_stays() -> None:
    with serving(lambda _: Reply({"access_token": "new", "refresh_token": CANARY})) as stub:
        form = {"grant_type": "refresh_token", "refresh_token": CANARY}
        assert call(new_session(), "POST", stub.url, data=form).json()["refresh_token"] == CANARY


def test_debug_lines_of_urllib3_hold_no_query_of_ours_and_keep_those_of_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "urllib3")
    with serving(lambda _: Reply({})) as stub:
        call(new_session(), "GET", f"{stub.url}/p?email=ann@example.com")
        requests.get(f"{stub.url}/q?theirs=1", timeout=5)
    lines = [text for text in caplog.messages if "GET" in text]
    assert ('"GET /p HTTP/1.1"' in lines[0], "/q?theirs=1" in lines[1]) == (True, True)
    assert "ann@example.com" not in caplog.text


@contextmanager
def sending(*pieces: bytes, pause: float) -> Iterator[str]:
    """The address of a server that answers one call with these pieces, a pause before each but the first."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                for number, piece in enumerate(pieces):
                    if number and over.wait(pause):
                        return
                    connection.sendall(piece)
                over.wait(5)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"
DRIP = [b"x"] * 200


@pytest.mark.parametrize(("method", "error"), [("GET", Unavailable), ("POST", TimedOut)])
def test_an_answer_that_drips_ends(method: str, error: type[Exception]) -> None:
    before = set(threading.enumerate())
    with sending(HEAD, *DRIP, pause=0.05) as url:
        with pytest.raises(error, match="began, and was not complete in time"):
            call(new_session(limit=AnswerLimit(1)), method, f"{url}/a")
        # that of the server
        assert 1 == len(set(threading.enumerate()) - before)


def test_headers_that_drip_end() -> None:
    drip = [HEAD[at : at + 1] for at in range(len(HEAD))]
    with sending(*drip, pause=0.05) as url, pytest.raises(TimedOut, match="no answer from 127.0.0.1"):
        call(new_session(limit=AnswerLimit(0.3)), "POST", f"{url}/a")


def test_a_streamed_answer_that_drips_ends() -> None:
    with sending(HEAD, *DRIP, pause=0.05) as url:
        answer = call(new_session(limit=AnswerLimit(1)), "GET", f"{url}/a", stream=True)
        with pytest.raises(requests.ConnectionError, match="timed out"):
            list(answer.iter_content(16))


def test_an_answer_may_take_longer_while_it_arrives_fast_enough() -> None:
    with sending(HEAD, *[b"x" * 40] * 5, pause=0.1) as url:
        answer = call(new_session(limit=AnswerLimit(0.15, bytes_per_second=100)), "GET", f"{url}/a")
    assert 200 == len(answer.content)


def test_the_servers_clock_is_known_by_its_answers_and_not_by_those_of_a_cache() -> None:
    meter = Meter()
    now = time.monotonic()
    assert meter.server_time(now) is None
    meter.note_date({"Date": "no date"})
    meter.note_date({"Date": "Wed, 01 Apr 2026 12:00:00 GMT", "Age": "60"})
    assert meter.server_time(now) is None
    meter.note_date({"Date": "Wed, 01 Apr 2026 12:00:00 GMT"})
    # a slow answer says less than a quick one
    meter.note_date({"Date": "Wed, 01 Apr 2026 11:59:30 GMT"})
    found = meter.server_time(now)
    assert found
    assert datetime(2026, 4, 1, 11, 59, 31, tzinfo=UTC) < found <= datetime(2026, 4, 1, 12, tzinfo=UTC)


def test_certificates_are_verified_whatever_a_session_is_told() -> None:
    session = new_session()
    session.verify, session.trust_env = False, False
    with pytest.raises(Misconfigured, match="REQUESTS_CA_BUNDLE"):
        call(session, "GET", "https://127.0.0.1:1/")
