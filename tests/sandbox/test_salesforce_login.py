"""Login, sessions, limits and discovery of the simulated org (reference, sections 1.1, 3.1, 3.2)."""

from __future__ import annotations

import base64
import json

import requests

from tests.sandbox.salesforce_org import KEY, SECRET, Api, api, sandbox

__all__ = ["api", "sandbox"]

JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def test_client_credentials_by_form(api: Api) -> None:
    form = {"grant_type": "client_credentials", "client_id": KEY, "client_secret": SECRET}
    answer = api.token(form).json()
    assert (api.sandbox.url, "Bearer") == (answer["instance_url"], answer["token_type"])
    assert answer["id"].startswith(f"{api.sandbox.url}/id/00D")
    who = api.http.get(answer["id"], timeout=10).json()
    assert (answer["id"], "integration@acme.example") == (who["id"], who["username"])
    assert "/services/Soap/m/{version}/00D" in who["urls"]["metadata"]
    assert 403 == requests.get(answer["id"], timeout=10).status_code


def test_wrong_secret_is_refused(api: Api) -> None:
    answer = api.token({"grant_type": "client_credentials"}, auth=(KEY, "nonsense"))
    assert (400, "invalid_client") == (answer.status_code, answer.json()["error"])


def test_password_then_refresh(api: Api) -> None:
    form = {"client_id": KEY, "client_secret": SECRET}
    user = {"username": "integration@acme.example", "password": "sandbox-passwordsandboxtoken"}
    first = api.token({**form, **user, "grant_type": "password"}).json()
    again = api.token({**form, "grant_type": "refresh_token", "refresh_token": first["refresh_token"]})
    assert 200 == again.status_code
    assert first["access_token"] != again.json()["access_token"]


def test_jwt_checks_issuer_and_subject(api: Api) -> None:
    def assertion(**claims: object) -> str:
        packed = base64.urlsafe_b64encode(json.dumps({"exp": 1, **claims}).encode()).decode().rstrip("=")
        return f"e30.{packed}.c2ln"

    good = assertion(iss=KEY, sub="integration@acme.example")
    assert 200 == api.token({"grant_type": JWT, "assertion": good}).status_code
    for bad in (assertion(iss="x", sub="integration@acme.example"), assertion(iss=KEY, sub="x"), "zzz"):
        assert 400 == api.token({"grant_type": JWT, "assertion": bad}).status_code


def test_unknown_grant_type(api: Api) -> None:
    assert "unsupported_grant_type" == api.token({"grant_type": "device"}).json()["error"]


def envelope(operation: str) -> str:
    return (
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns:u="urn:partner.soap.sforce.com"><soapenv:Body>{operation}</soapenv:Body></soapenv:Envelope>'
    )


def test_soap_is_more_than_a_login(api: Api) -> None:
    token = str(api.http.headers["Authorization"]).removeprefix("Bearer ")
    header = f"<soapenv:Header><u:SessionHeader><u:sessionId>{token}</u:sessionId></u:SessionHeader></soapenv:Header>"

    def call(operation: str) -> requests.Response:
        body = envelope(f"<u:{operation}/>").replace("<soapenv:Body>", f"{header}<soapenv:Body>")
        return requests.post(f"{api.sandbox.url}/services/Soap/u/59.0", data=body, timeout=10)

    assert "<userName>integration@acme.example</userName>" in call("getUserInfo").text
    assert "No operation available for request {urn:partner.soap.sforce.com}query" in call("query").text
    refused = requests.post(
        f"{api.sandbox.url}/services/Soap/u/59.0", data=envelope("<u:getUserInfo/>"), timeout=10
    )
    assert (500, True) == (refused.status_code, "INVALID_SESSION_ID" in refused.text)


def test_soap_login_is_gone_from_api_65(api: Api) -> None:
    body = envelope(
        "<u:login><u:username>integration@acme.example</u:username>"
        "<u:password>sandbox-password</u:password></u:login>"
    )
    old = requests.post(f"{api.sandbox.url}/services/Soap/u/59.0", data=body, timeout=10)
    new = requests.post(f"{api.sandbox.url}/services/Soap/u/65.0", data=body, timeout=10)
    assert (200, 500) == (old.status_code, new.status_code)
    assert "<sessionId>" in old.text
    assert "sf:exceptionCode" in new.text


def test_userinfo_and_revoke(api: Api) -> None:
    info = api("GET", "/services/oauth2/userinfo").json()
    assert {"user_id", "organization_id", "preferred_username"} <= set(info)
    token = str(api.http.headers["Authorization"]).split()[1]
    url = f"{api.sandbox.url}/services/oauth2/revoke"
    assert 200 == requests.post(url, data={"token": token}, timeout=10).status_code
    assert (401, "INVALID_SESSION_ID") == api.refusal("GET", "limits")


def test_session_ends_by_clock(api: Api) -> None:
    api.sandbox.control("POST", "/clock", {"advance_seconds": 7201})
    assert (401, "INVALID_SESSION_ID") == api.refusal("GET", "limits")
    api.login()
    assert 200 == api("GET", "limits").status_code


def test_session_ends_after_calls(api: Api) -> None:
    api.settings(session_calls=2)
    assert [200, 200, 401] == [api("GET", "limits").status_code for _ in range(3)]


def test_daily_limit(api: Api) -> None:
    api.settings(daily_api_limit=2, daily_api_used=0)
    answer = api("GET", "limits")
    assert "api-usage=1/2" == answer.headers["Sforce-Limit-Info"]
    assert {"Max": 2, "Remaining": 1} == answer.json()["DailyApiRequests"]
    assert 200 == api("GET", "sobjects").status_code
    assert (403, "REQUEST_LIMIT_EXCEEDED") == api.refusal("GET", "limits")
    api.sandbox.control("POST", "/clock", {"advance_seconds": 86_400})
    api.login()
    assert 200 == api("GET", "limits").status_code


def test_versions_need_no_session(api: Api) -> None:
    found = requests.get(f"{api.sandbox.url}/services/data/", timeout=10).json()
    assert {"label", "url", "version"} == set(found[0])


def test_paths_in_any_case_and_with_a_slash(api: Api) -> None:
    for path in ("sobjects/Account/describe", "SObjects/account/Describe/", "LIMITS/"):
        assert 200 == api("GET", path).status_code, path
    assert 200 == api("GET", "/services/data/V31.0/limits").status_code


def test_unknown_things_are_refused_in_the_vendors_shape(api: Api) -> None:
    assert (404, "NOT_FOUND") == api.refusal("GET", "nothing/here")
    assert (404, "NOT_FOUND") == api.refusal("GET", "sobjects/Nothing__c/describe")
    assert (404, "NOT_FOUND") == api.refusal("GET", "/services/nothing")
    assert (405, "METHOD_NOT_ALLOWED") == api.refusal("PUT", "sobjects/Account")
    assert (400, "INVALID_PARAMETER_VALUE") == api.refusal("GET", "limits", params={"a": "b"})
    text = {"data": "{}", "headers": {"Content-Type": "text/plain"}}
    assert (415, "UNSUPPORTED_MEDIA_TYPE") == api.refusal("POST", "sobjects/Account", **text)
    broken = {"data": "{", "headers": {"Content-Type": "application/json"}}
    assert (400, "JSON_PARSER_ERROR") == api.refusal("POST", "sobjects/Account", **broken)
    assert (414, "URI_TOO_LONG") == api.refusal("GET", "query", params={"q": "x" * 16_400})


def test_describe_tells_what_clients_need(api: Api) -> None:
    fields = {field["name"]: field for field in api("GET", "sobjects/Order/describe").json()["fields"]}
    key = fields["Brightpearl_Order_Id__c"]
    assert (True, True, False, 80) == (key["externalId"], key["unique"], key["caseSensitive"], key["length"])
    assert ["Account"] == fields["AccountId"]["referenceTo"]
    assert "Account" == fields["AccountId"]["relationshipName"]
    assert "CurrencyIsoCode" in fields
    api.settings(multi_currency=False, invisible_fields=["Order.Net__c"])
    names = {field["name"] for field in api("GET", "sobjects/Order/describe").json()["fields"]}
    assert not {"CurrencyIsoCode", "Net__c"} & names


def test_record_counts(api: Api) -> None:
    found = api("GET", "limits/recordCount", params={"sObjects": "Account,Order"}).json()
    assert [{"count": 5, "name": "Account"}, {"count": 0, "name": "Order"}] == found["sObjects"]
