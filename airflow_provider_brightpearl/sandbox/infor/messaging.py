"""The ION Messaging Service: documents (BODs) into ION, and those that M3 publishes to connection points.

Reference, sections 3.1 and 3.2. What arrives is stored, and not processed by M3; what M3 publishes are the documents
that the connection points of the settings ask for, with keys only, since their nouns differ from tenant to tenant.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from ..deliveries import Deliveries, Delivery
from ..outgoing import Outgoing
from ..settings import int_setting, list_setting
from .errors import GatewayError, UnknownAddress
from .settings import TENANT
from .tenant import Tenant
from .values import Row

PREFIX = "IONSERVICES/api/ion/messaging/service/"
RECEIVED, SENT = "ion_received", "ion_sent"
_REQUIRED = ("documentName", "messageId", "fromLogicalId", "toLogicalId", "encoding", "characterSet")
_OPTIONAL = ("documentId", "variationId", "accountingEntity", "locationId", "tenantId")
_NAMESPACE = "http://schema.infor.com/InforOAGIS/2"
# table: document that M3 publishes of its records, and the field with its id
PUBLISHED = {
    "customers": ("Sync.CustomerPartyMaster", "CUNO"),
    "items": ("Sync.ItemMaster", "ITNO"),
    "orders": ("Sync.SalesOrder", "ORNO"),
    "deliveries": ("Sync.Shipment", "DLIX"),
    "invoices": ("Sync.Invoice", "IVNO"),
}


@dataclass(slots=True)
class Publication(Delivery):
    """A document on its way to a connection point; its event is the name of the document."""

    url: str
    parameters: dict[str, str]
    document: str

    def request(self) -> Outgoing:
        """The document as a multipart message."""
        kind, body = _multipart_body(self)
        headers = {"Content-Type": kind, "X-TenantId": TENANT}
        return Outgoing("POST", f"{self.url.rstrip('/')}/v3/multipartMessage", body, headers)


class Messaging:
    """The messaging service of the tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._deliveries = Deliveries[Publication](tenant.settings, "ion", _retries, self._record)
        for name in PUBLISHED:
            tenant[name].watch(lambda row, deleted, name=name: self._publish(name, row, deleted))  # type: ignore[misc]

    def clear(self) -> None:
        """Forget everything that was not delivered."""
        self._deliveries.clear()

    def serve(self, method: str, path: str, kind: str, body: bytes) -> tuple[int, dict[str, object]]:
        """Status and body of a request below the service. Raises: GatewayError."""
        if (method, path) == ("GET", "ping"):
            return 200, {"status": "OK", "code": 200, "message": "Infor ION Messaging Service"}
        if method != "POST" or path not in ("v2/message", "v2/multipartMessage", "v3/multipartMessage"):
            raise UnknownAddress()
        settings = self._tenant.settings
        if len(body) > int_setting(settings, "ion_max_bytes"):
            raise GatewayError(413, _problem(413, "The message is too large"))
        parameters, document = _simple(kind, body) if path == "v2/message" else _multipart(kind, body)
        self._check(parameters)
        row = {**parameters, "messageId": f"{parameters['messageId'][:128]}:-ION-:{uuid.uuid4().hex}"}
        self._store(RECEIVED, {**row, "document": document})
        return 201, {"status": "OK", "code": 201, "message": "Message has been stored"}

    def _check(self, parameters: Mapping[str, str]) -> None:
        for name in _REQUIRED:
            if not parameters.get(name):
                raise GatewayError(400, _problem(400, f"Parameter {name} is required"))
        if unknown := set(parameters) - {*_REQUIRED, *_OPTIONAL}:
            raise GatewayError(400, _problem(400, f"Parameter {sorted(unknown)[0]} is not known"))
        settings, name = self._tenant.settings, parameters["documentName"]
        if settings["ims_client_id"] != settings["client_id"]:
            raise GatewayError(403, _problem(403, "No connection point has the client id of this token"))
        allowed = list_setting(settings, "ims_documents")
        if name.count(".") != 1 or (allowed and name not in allowed):
            raise GatewayError(400, _problem(400, f"Document {name} is not allowed on the connection point"))

    def _store(self, collection: str, row: Row) -> None:
        self._tenant.ion[collection].append({"at": self._tenant.clock.now().isoformat(), **row})

    def _publish(self, table: str, row: Row, deleted: bool) -> None:
        points = self._tenant.settings["connection_points"]
        if not isinstance(points, list) or not points:
            return
        name, field = PUBLISHED[table]
        id, variation = str(row[field]), str(row.get("LMTS", ""))
        entity = "_".join(str(part) for part in (row["CONO"], row.get("DIVI")) if part)
        document = _bod(name, entity, id, variation, "Delete" if deleted else "Replace")
        parameters = {
            "documentName": name,
            "messageId": f"lid://infor.m3.m3:{table}:{id}:{variation}",
            "fromLogicalId": "lid://infor.m3.m3",
            "toLogicalId": "lid://default",
            "documentId": id,
            "variationId": variation,
            "accountingEntity": entity,
            "encoding": "NONE",
            "characterSet": "UTF-8",
        }
        for point in points:
            if name in point.get("documents", [name]):
                self._deliveries.put(Publication(str(point["url"]), parameters, document, event=name))

    def _record(self, one: Publication, row: Row) -> None:
        with self._tenant.lock:
            self._store(SENT, {**one.parameters, **row})
            if row.get("last") and row["fault"] != "lose" and not 200 <= row["status"] < 300:
                reason = {
                    "documentName": "Confirm.BOD",
                    "messageId": f"confirm:{one.parameters['messageId']}",
                }
                self._store(RECEIVED, {**reason, "documentId": one.parameters["messageId"]})


def _retries(one: Publication, status: int) -> bool:
    """Without an answer, and after 401, 500, 503 or 504, a document is repeated."""
    return status in (0, 401, 500, 503, 504)


def _simple(kind: str, body: bytes) -> tuple[dict[str, str], str]:
    """Parameters and document of a messageRequest in JSON or XML. Raises: GatewayError."""
    try:
        if "xml" in kind:
            root = ElementTree.fromstring(body)  # noqa: S314 - from tests on this machine
            given: dict[str, Any] = {
                each.tag.rpartition("}")[2]: each.text or "" for each in root if not len(each)
            }
            parts = next((each for each in root if each.tag.endswith("document")), ())
            document: Any = {each.tag.rpartition("}")[2]: each.text or "" for each in parts}
        else:
            given = json.loads(body)
            document = given.pop("document")
        parameters = {name: str(value) for name, value in given.items() if value is not None}
        parameters |= {name: str(document[name]) for name in ("encoding", "characterSet")}
        return parameters, _decoded(str(document["value"]).encode(), parameters["encoding"])
    except (ValueError, KeyError, TypeError, AttributeError, ElementTree.ParseError, zlib.error) as error:
        raise GatewayError(400, _problem(400, f"The message cannot be read: {error!r}")) from None


def _multipart(kind: str, body: bytes) -> tuple[dict[str, str], str]:
    """Parameters and document of a multipart message. Raises: GatewayError."""
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    parts: dict[str, bytes] = {}
    for part in message.iter_parts() if message.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        parts[str(name)] = content if isinstance(content, bytes) else b""
    if set(parts) != {"ParameterRequest", "MessagePayload"}:
        raise GatewayError(400, _problem(400, "The parts ParameterRequest and MessagePayload are required"))
    try:
        parameters = {name: str(value) for name, value in json.loads(parts["ParameterRequest"]).items()}
        return parameters, _decoded(parts["MessagePayload"], parameters.get("encoding", ""))
    except (ValueError, TypeError, AttributeError, zlib.error) as error:
        raise GatewayError(400, _problem(400, f"The message cannot be read: {error!r}")) from None


def _decoded(content: bytes, encoding: str) -> str:
    """The text of a document; DEFLATE is base64 of compressed text where the body is text."""
    try:
        if encoding in ("BASE64", "DEFLATE"):
            content = base64.b64decode(content, validate=True)
    except binascii.Error:
        if encoding == "BASE64":
            raise
    if encoding == "DEFLATE":
        content = zlib.decompress(content)
    elif encoding not in ("NONE", "BASE64"):
        raise ValueError(f"encoding {encoding}")
    return content.decode()


def _bod(name: str, entity: str, id: str, variation: str, action: str) -> str:
    """A document with its envelope and the id of its record."""
    verb, _, noun = name.partition(".")
    bodid = f"infor-nid:{TENANT}:{entity}::{id}:{variation}?{noun}&verb={verb}&variationID={variation}"
    return (
        f'<{verb}{noun} xmlns={quoteattr(_NAMESPACE)} releaseID="9.2" versionID="2.14.0">'
        "<ApplicationArea><Sender><LogicalID>lid://infor.m3.m3</LogicalID>"
        "<ConfirmationCode>OnError</ConfirmationCode></Sender>"
        f"<BODID>{escape(bodid)}</BODID></ApplicationArea><DataArea><{verb}><TenantID>{TENANT}</TenantID>"
        f"<AccountingEntityID>{escape(entity)}</AccountingEntityID><ActionCriteria>"
        f"<ActionExpression actionCode={quoteattr(action)}/></ActionCriteria></{verb}>"
        f"<{noun}><{noun}Header><DocumentID><ID variationID={quoteattr(variation)}>{escape(id)}</ID></DocumentID>"
        f"</{noun}Header></{noun}></DataArea></{verb}{noun}>"
    )


def _multipart_body(one: Publication) -> tuple[str, bytes]:
    mark = uuid.uuid4().hex
    parts = (
        ("ParameterRequest", "application/json", json.dumps(one.parameters)),
        ("MessagePayload", "application/octet-stream", one.document),
    )
    text = "".join(
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {kind}\r\n\r\n{content}\r\n'
        for name, kind, content in parts
    )
    return f"multipart/form-data; boundary={mark}", f"{text}--{mark}--\r\n".encode()


def _problem(code: int, message: str) -> dict[str, object]:
    return {"status": "ERROR", "code": code, "message": message}
