"""The ION Messaging Service: documents (BODs) into ION, and those that M3 publishes to connection points.

Reference, sections 3.1 and 3.2. What M3 publishes are the documents that `ion_published` and the connection points
of the settings ask for: one for each record that a call has changed.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from ..deliveries import Deliveries, Delivery
from ..outgoing import Outgoing
from ..settings import int_setting, list_setting
from .documents import PUBLISHED, confirmation, document, entity_of
from .errors import GatewayError, UnknownAddress
from .execution import M3
from .inbox import SALES_ORDERS, Inbox, Unprocessable
from .message_formats import problem, read_message, read_parts, write_parts
from .settings import TENANT
from .tenant import Tenant
from .values import Row

PREFIX = "IONSERVICES/api/ion/messaging/service/"
RECEIVED, OUTBOX, SENT = "ion_received", "ion_outbox", "ion_sent"
CONFIRM = "Confirm.BOD"
_REQUIRED = ("documentName", "messageId", "fromLogicalId", "toLogicalId", "encoding", "characterSet")
_OPTIONAL = ("documentId", "variationId", "accountingEntity", "locationId", "tenantId")


@dataclass(slots=True)
class Publication(Delivery):
    """A document on its way to a connection point; its event is the name of the document."""

    url: str
    parameters: dict[str, str]
    document: str

    def request(self) -> Outgoing:
        """The document as a multipart message."""
        kind, body = write_parts(self.parameters, self.document)
        headers = {"Content-Type": kind, "X-TenantId": TENANT}
        return Outgoing("POST", f"{self.url.rstrip('/')}/v3/multipartMessage", body, headers)


class Messaging:
    """The messaging service of the tenant."""

    def __init__(self, tenant: Tenant, m3: M3) -> None:
        self._tenant, self._inbox = tenant, Inbox(m3)
        self._deliveries = Deliveries[Publication](tenant.settings, "ion", _retries, self._record)
        # records changed since the last `publish`: (table, id): the record, and whether it was deleted
        self._changed: dict[tuple[str, str], tuple[Row, bool]] = {}
        for name in PUBLISHED:
            tenant[name].watch(lambda row, deleted, name=name: self._note(name, row, deleted))  # type: ignore[misc]

    def clear(self) -> None:
        """Forget everything that was not delivered."""
        self._deliveries.clear()
        self._changed.clear()

    def serve(self, method: str, path: str, kind: str, body: bytes) -> tuple[int, dict[str, object]]:
        """Status and body of a request below the service. Raises: GatewayError."""
        if (method, path) == ("GET", "ping"):
            return 200, {"status": "OK", "code": 200, "message": "Infor ION Messaging Service"}
        if method != "POST" or path not in ("v2/message", "v2/multipartMessage", "v3/multipartMessage"):
            raise UnknownAddress()
        settings = self._tenant.settings
        if len(body) > int_setting(settings, "ion_max_bytes"):
            raise GatewayError(413, problem(413, "The message is too large"))
        parameters, text = read_message(kind, body) if path == "v2/message" else read_parts(kind, body)
        self._check(parameters)
        row = {**parameters, "messageId": f"{parameters['messageId'][:128]}:-ION-:{uuid.uuid4().hex}"}
        repeated = self._is_repeated(parameters)
        self._store(RECEIVED, {**row, "document": text})
        if not repeated:
            self._process(parameters, text)
        return 201, {"status": "OK", "code": 201, "message": "Message has been stored"}

    def _check(self, parameters: Mapping[str, str]) -> None:
        for name in _REQUIRED:
            if not parameters.get(name):
                raise GatewayError(400, problem(400, f"Parameter {name} is required"))
        if unknown := set(parameters) - {*_REQUIRED, *_OPTIONAL}:
            raise GatewayError(400, problem(400, f"Parameter {sorted(unknown)[0]} is not known"))
        settings, name = self._tenant.settings, parameters["documentName"]
        if settings["ims_client_id"] != settings["client_id"]:
            raise GatewayError(403, problem(403, "No connection point has the client id of this token"))
        allowed = list_setting(settings, "ims_documents")
        if name.count(".") != 1 or (allowed and name not in allowed):
            raise GatewayError(400, problem(400, f"Document {name} is not allowed on the connection point"))

    def _is_repeated(self, parameters: Mapping[str, str]) -> bool:
        """True if a message had this id of its sender before, which M3 then does not process again."""
        if not self._tenant.settings["ion_ignore_repeated_ids"]:
            return False
        sender = f"{parameters['messageId'][:128]}:-ION-:"
        return any(row["messageId"].startswith(sender) for row in self._tenant.ion[RECEIVED])

    def _process(self, parameters: dict[str, str], text: str) -> None:
        """Let M3 process a document; the outcome is a document in the outbox, never part of the response."""
        name = parameters["documentName"]
        if name not in SALES_ORDERS or name not in list_setting(self._tenant.settings, "ion_processed"):
            return
        try:
            self._inbox.process(text)
        except Unprocessable as error:
            stamp = str(self._tenant.timestamp_ms())
            confirm = confirmation(parameters, str(error), stamp)
            self._send(
                CONFIRM, parameters["messageId"], stamp, parameters.get("accountingEntity", ""), confirm
            )

    def _store(self, collection: str, row: Row) -> None:
        self._tenant.ion[collection].append({"at": self._tenant.clock.now().isoformat(), **row})

    def _note(self, table: str, row: Row, deleted: bool) -> None:
        if self._is_published(PUBLISHED[table][0]):
            self._changed[table, "|".join(self._tenant[table].key_of(row))] = (row, deleted)

    def _is_published(self, name: str) -> bool:
        return name in list_setting(self._tenant.settings, "ion_published") or bool(self._points(name))

    def _points(self, name: str) -> list[str]:
        """The URLs of the connection points that a document goes to."""
        points = self._tenant.settings["connection_points"]
        all_points = points if isinstance(points, list) else []
        return [str(point["url"]) for point in all_points if name in point.get("documents", [name])]

    def publish(self) -> None:
        """Put a document into the outbox of each record that has changed; the caller holds the tenant's lock."""
        changed, self._changed = self._changed, {}
        for (table, _), (row, deleted) in changed.items():
            name, field = PUBLISHED[table]
            text = document(self._tenant, table, row, deleted)
            self._send(name, str(row[field]), str(row.get("LMTS", "")), entity_of(row), text)

    def _send(self, name: str, id: str, variation: str, entity: str, text: str) -> None:
        parameters = {
            "documentName": name,
            "messageId": f"lid://infor.m3.m3:{name}:{id}:{variation}",
            "fromLogicalId": "lid://infor.m3.m3",
            "toLogicalId": "lid://default",
            "documentId": id,
            "variationId": variation,
            "accountingEntity": entity,
            "encoding": "NONE",
            "characterSet": "UTF-8",
        }
        self._store(OUTBOX, {**parameters, "document": text})
        for url in self._points(name):
            self._deliveries.put(Publication(url, parameters, text, event=name))

    def _record(self, one: Publication, row: Row) -> None:
        with self._tenant.lock:
            self._store(SENT, {**one.parameters, **row})
            failed = row.get("last") and row["fault"] != "lose" and not 200 <= row["status"] < 300
            if failed and one.event != CONFIRM:
                reason = {"documentName": CONFIRM, "messageId": f"confirm:{one.parameters['messageId']}"}
                self._store(RECEIVED, {**reason, "documentId": one.parameters["messageId"]})


def _retries(one: Publication, status: int) -> bool:
    """Without an answer, and after 401, 500, 503 or 504, a document is repeated."""
    return status in (0, 401, 500, 503, 504)
