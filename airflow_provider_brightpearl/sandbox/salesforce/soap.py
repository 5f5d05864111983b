"""SOAP below /services/Soap: login, a few calls of the partner API, and metadata deployments.

The operations that clients use to log in and to deploy; any other is refused as the vendor refuses an unknown one.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from html import escape
from xml.etree import ElementTree

from .api import metadata_deploy
from .call import Answer, Call
from .errors import ApiError
from .login import Login, LoginDenied
from .merge import merge
from .org import Org
from .sessions import Sessions

_ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"
_PARTNER, _METADATA = "urn:partner.soap.sforce.com", "http://soap.sforce.com/2006/04/metadata"
Element = ElementTree.Element
MakeCall = Callable[[str, str], Call]  # version and user: a REST call of the same request


class SoapFault(Exception):
    """A request is refused with a fault."""

    def __init__(self, code: str, text: str, prefix: str = "sf") -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text, self.prefix = code, text, prefix


class Soap:
    """Serves envelopes."""

    def __init__(self, org: Org, sessions: Sessions, login: Login) -> None:
        self._org, self._sessions, self._login = org, sessions, login

    def answer(self, service: str, version: str, body: bytes, origin: str, make_call: MakeCall) -> Answer:
        """POST /services/Soap/{service}/{version}; the service is `u`, `c` or `m`, for metadata."""
        namespace = _METADATA if service == "m" else _PARTNER
        try:
            request, session = _parsed(body)
            name = _local(request)
            text = self._run(service, version, name, request, session, origin, make_call)
            return _envelope(f"<{name}Response>{text}</{name}Response>", 200, namespace)
        except SoapFault as fault:
            return _fault(fault, namespace)
        except ApiError as error:
            return _fault(SoapFault(error.code, error.message), namespace)

    def _run(
        self,
        service: str,
        version: str,
        name: str,
        request: Element,
        session: str,
        origin: str,
        make_call: MakeCall,
    ) -> str:
        if service != "m" and name == "login":
            return self._log_in(request, version, origin)
        known: dict[str, Callable[[Element, Call], str]] = (
            {"deploy": _deploy, "checkDeployStatus": _check_deploy_status}
            if service == "m"
            else {
                "getUserInfo": self._user_info,
                "getServerTimestamp": self._timestamp,
                "logout": self._log_out,
                "merge": _merge,
            }
        )
        if name not in known:
            space = _METADATA if service == "m" else _PARTNER
            message = f"No operation available for request {{{space}}}{name}"
            raise SoapFault("Client", message, "soapenv")
        user = self._sessions.user_of(f"Bearer {session}")
        self._sessions.count_call()
        return known[name](request, make_call(version, user))

    def _log_in(self, request: Element, version: str, origin: str) -> str:
        try:
            user = self._login.soap_user(version, _text(request, "username"), _text(request, "password"))
        except LoginDenied as error:
            reason = "Invalid username, password, security token; or user locked out."
            raise SoapFault(
                error.error, reason if error.error == "INVALID_LOGIN" else error.description
            ) from None
        organization = self._org.organization
        url = escape(f"{origin}/services/Soap/u/{version}/{organization[:15]}")
        return (
            f"<result><metadataServerUrl>{url.replace('/u/', '/m/')}</metadataServerUrl>"
            f"<passwordExpired>false</passwordExpired><sandbox>false</sandbox><serverUrl>{url}</serverUrl>"
            f"<sessionId>{self._sessions.open(user)}</sessionId><userId>{user}</userId>"
            f"<userInfo>{self._person(user)}</userInfo></result>"
        )

    def _person(self, user: str) -> str:
        row, organization = self._org.store.row("User", user) or {}, self._org.organization
        home = self._org.store.row("Organization", organization) or {}
        values = {
            "organizationId": organization,
            "organizationMultiCurrency": self._org.settings["multi_currency"],
            "organizationName": home.get("Name"),
            "userDefaultCurrencyIsoCode": self._org.settings["corporate_currency"],
            "userEmail": row.get("Email"),
            "userFullName": row.get("Name"),
            "userId": user,
            "userLanguage": home.get("LanguageLocaleKey"),
            "userLocale": home.get("DefaultLocaleSidKey"),
            "userName": row.get("Username"),
            "userTimeZone": home.get("TimeZoneSidKey"),
            "userType": "Standard",
        }
        return as_xml(values)

    def _user_info(self, request: Element, call: Call) -> str:
        return f"<result>{self._person(call.user)}</result>"

    def _timestamp(self, request: Element, call: Call) -> str:
        return f"<result><timestamp>{self._org.now()}</timestamp></result>"

    def _log_out(self, request: Element, call: Call) -> str:
        return ""


def _merge(request: Element, call: Call) -> str:
    """merge(): one transaction for each request; a refused one is a result without success."""
    results = []
    for each in (each for each in request if _local(each) == "request"):
        record = next((part for part in each if _local(part) == "masterRecord"), each)
        values: dict[str, object] = {_local(part): part.text for part in record if _local(part) != "type"}
        losers = [part.text or "" for part in each if _local(part) == "recordToMergeIds"]
        try:
            entity = call.org.schema.in_body(_text(record, "type"))
            made, moved = merge(call.org, entity, values, losers, call.dml())
            results.append(
                {"id": made, "mergedRecordIds": losers, "success": True, "updatedRelatedIds": moved}
            )
        except ApiError as error:
            results.append({"errors": error.as_row_error(), "success": False})
    return as_xml({"result": results})


def _deploy(request: Element, call: Call) -> str:
    options: dict[str, object] = {}
    given = next((each for each in request if _local(each) == "DeployOptions"), None)
    for each in given if given is not None else ():
        value = (each.text or "").strip()
        options[_local(each)] = value == "true" if value in ("true", "false") else value or None
    try:
        content = base64.b64decode(_text(request, "ZipFile"), validate=False)
    except binascii.Error:
        raise SoapFault("INVALID_TYPE", "ZipFile is not base64") from None
    deploy = metadata_deploy.begin(call, options, content)
    result = {"done": False, "id": deploy.id, "state": "Queued"}
    return f"<result>{as_xml(result)}</result>"


def _check_deploy_status(request: Element, call: Call) -> str:
    detailed = _text(request, "includeDetails") == "true"
    result = metadata_deploy.status_of(call, _text(request, "asyncProcessId"), detailed)
    return f"<result>{as_xml(result)}</result>"


def as_xml(values: Mapping[str, object]) -> str:
    """Values as elements: lists repeat their element, and nulls are left out."""
    return "".join(_as_element(name, value) for name, value in values.items())


def _as_element(name: str, value: object) -> str:
    if isinstance(value, list):
        return "".join(_as_element(name, each) for each in value)
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return f"<{name}>{as_xml(value)}</{name}>"
    text = str(value).lower() if isinstance(value, bool) else escape(str(value))
    return f"<{name}>{text}</{name}>"


def _parsed(body: bytes) -> tuple[Element, str]:
    """The operation in the body of an envelope, and its session id. Raises: SoapFault."""
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - from tests on this machine
    except ElementTree.ParseError as error:
        raise SoapFault("Client", f"The envelope is not XML: {error}", "soapenv") from None
    operation = next(iter(root.find(f"{_ENVELOPE}Body") or ()), None)
    if operation is None:
        raise SoapFault("Client", "The body of the envelope is empty", "soapenv")
    header = root.find(f"{_ENVELOPE}Header")
    return operation, _text(header, "sessionId") if header is not None else ""


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: Element, name: str) -> str:
    """The text of the first element with a name below another, in any namespace."""
    return next((each.text or "" for each in element.iter() if _local(each) == name), "")


def _fault(fault: SoapFault, namespace: str) -> Answer:
    code, text = f"{fault.prefix}:{fault.code}", escape(fault.text)
    message = text if fault.prefix == "soapenv" else f"{fault.code}: {text}"
    detail = (
        f"<detail><sf:UnexpectedErrorFault><sf:exceptionCode>{fault.code}</sf:exceptionCode>"
        f"<sf:exceptionMessage>{text}</sf:exceptionMessage></sf:UnexpectedErrorFault></detail>"
    )
    if fault.code in ("INVALID_LOGIN", "INVALID_OPERATION"):
        detail = detail.replace("UnexpectedErrorFault", "LoginFault")
    return _envelope(
        f"<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{message}</faultstring>"
        f"{'' if fault.prefix == 'soapenv' else detail}</soapenv:Fault>",
        500,
        namespace,
    )


def _envelope(body: str, status: int, namespace: str) -> Answer:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns="{namespace}" xmlns:sf="urn:fault.partner.soap.sforce.com">'
        f"<soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
    return Answer(text.encode(), status, media="text/xml;charset=UTF-8")
