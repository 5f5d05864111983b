"""Documents into ION and out of M3 (reference, sections 3.1 and 3.2)."""

from __future__ import annotations

import base64
import json
import zlib
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from xml.etree import ElementTree

import pytest
import requests

from tests.sandbox.infor_tenant import M3, m3, sandbox
from tests.sandbox.receiver import Receiver, receiver, until

__all__ = ["m3", "receiver", "sandbox"]

SERVICE = "IONSERVICES/api/ion/messaging/service"
BOD = "<ProcessSalesOrder/>"
HEAD = {
    "documentName": "Process.SalesOrder",
    "messageId": "bp-so-500123-1",
    "fromLogicalId": "lid://infor.ims.brightpearl",
    "toLogicalId": "lid://default",
}


def call(m3: M3, path: str, **more: Any) -> requests.Response:
    return m3.http.post(f"{m3.file['iu']}/{m3.file['ti']}/{SERVICE}/{path}", timeout=10, **more)


def message(value: str = BOD, encoding: str = "NONE", **changes: str) -> dict[str, Any]:
    return {**HEAD, **changes, "document": {"encoding": encoding, "characterSet": "UTF-8", "value": value}}


def received(m3: M3) -> list[dict[str, Any]]:
    return list(m3.sandbox.snapshot("infor", "ion_received"))


@pytest.mark.parametrize(
    ("encoding", "value"),
    [
        ("NONE", BOD),
        ("BASE64", base64.b64encode(BOD.encode()).decode()),
        ("DEFLATE", base64.b64encode(zlib.compress(BOD.encode())).decode()),
    ],
)
def test_a_message_is_stored(m3: M3, encoding: str, value: str) -> None:
    answer = call(m3, "v2/message", json=message(value, encoding))
    assert (201, "OK") == (answer.status_code, answer.json()["status"])
    (stored,) = received(m3)
    assert (BOD, "Process.SalesOrder") == (stored["document"], stored["documentName"])
    assert stored["messageId"].startswith("bp-so-500123-1:-ION-:")


def test_as_xml_and_in_parts(m3: M3) -> None:
    head = "".join(f"<{name}>{value}</{name}>" for name, value in HEAD.items())
    document = "<encoding>NONE</encoding><characterSet>UTF-8</characterSet><value>x</value>"
    text = f"<messageRequest>{head}<document>{document}</document></messageRequest>"
    assert 201 == call(m3, "v2/message", data=text, headers={"Content-Type": "application/xml"}).status_code
    parameters = json.dumps({**HEAD, "encoding": "NONE", "characterSet": "UTF-8"})
    for version in ("v2", "v3"):
        parts = {
            "ParameterRequest": (None, parameters, "application/json"),
            "MessagePayload": ("bod.xml", BOD, "application/octet-stream"),
        }
        assert 201 == call(m3, f"{version}/multipartMessage", files=parts).status_code
    assert ["x", BOD, BOD] == [one["document"] for one in received(m3)]


def test_what_is_refused(m3: M3) -> None:
    assert 400 == call(m3, "v2/message", json=message(messageId="")).status_code
    assert 400 == call(m3, "v2/message", json=message(documentName="SalesOrder")).status_code
    assert 400 == call(m3, "v2/message", json=message("no base64", "BASE64")).status_code
    assert 400 == call(m3, "v2/multipartMessage", json=message()).status_code
    m3.settings(ims_client_id="another", ion_max_bytes=5000)
    assert 403 == call(m3, "v2/message", json=message()).status_code
    assert 413 == call(m3, "v2/message", json=message("x" * 6000)).status_code
    assert [] == received(m3)


def test_m3_publishes_to_connection_points(m3: M3, receiver: Receiver) -> None:
    m3.settings(connection_points=[{"url": f"{receiver.url}/service", "documents": ["Sync.SalesOrder"]}])
    orno = m3.confirmed()
    until(lambda: bool(receiver.requests))
    method, path, body = receiver.requests[0]
    assert ("POST", "/service/v3/multipartMessage") == (method, path)
    mark = body.split("\r\n", 1)[0][2:]
    parsed = BytesParser(policy=HTTP).parsebytes(
        f"Content-Type: multipart/form-data; boundary={mark}\r\n\r\n{body}".encode()
    )
    parameters, document = (part.get_content() for part in parsed.iter_parts())
    text = parameters if isinstance(parameters, str) else parameters.decode()
    assert ("Sync.SalesOrder", orno) == (json.loads(text)["documentName"], json.loads(text)["documentId"])
    assert f">{orno}</ID>" in (document if isinstance(document, str) else document.decode())


@pytest.mark.parametrize(("statuses", "seen"), [([503, 401], [503, 401, 200]), ([404], [404])])
def test_retries_and_confirmations(m3: M3, receiver: Receiver, statuses: list[int], seen: list[int]) -> None:
    receiver.statuses = list(statuses)
    m3.settings(
        connection_points=[{"url": receiver.url, "documents": ["Sync.CustomerPartyMaster"]}],
        ion_retry_seconds=0.01,
    )
    m3.sandbox.control("PATCH", "/infor/customers/ACME01", {"CUNM": "Acme"})
    until(lambda: len(list(m3.sandbox.snapshot("infor", "ion_sent"))) == len(seen))
    assert seen == [one["status"] for one in m3.sandbox.snapshot("infor", "ion_sent")]
    confirmed = [one["documentName"] for one in received(m3)]
    assert (["Confirm.BOD"] if seen == [404] else []) == confirmed


def sales_order(
    reference: str = "500123", item: str = "ITEM-1", customer: str = "ACME01", action: str = "Add"
) -> str:
    """The example of the reference, section 3.2."""
    return f"""<ProcessSalesOrder xmlns="http://schema.infor.com/InforOAGIS/2" releaseID="9.2" versionID="2.14.0">
 <ApplicationArea>
  <Sender><LogicalID>lid://infor.ims.brightpearl</LogicalID><ConfirmationCode>OnError</ConfirmationCode></Sender>
  <CreationDateTime>2025-07-14T09:30:00Z</CreationDateTime>
 </ApplicationArea>
 <DataArea>
  <Process><TenantID>ACME_TST</TenantID><AccountingEntityID>100_AAA</AccountingEntityID>
   <ActionCriteria><ActionExpression actionCode="{action}"/></ActionCriteria></Process>
  <SalesOrder>
   <SalesOrderHeader>
    <DocumentID><ID>{reference}</ID></DocumentID>
    <AlternateDocumentID agencyRole="Customer"><ID>{reference}</ID></AlternateDocumentID>
    <CustomerParty><PartyIDs><ID>{customer}</ID></PartyIDs></CustomerParty>
    <ShipToParty><PartyIDs><ID>{customer}</ID></PartyIDs>
      <Location><Address><StreetName>1 High Street</StreetName><CityName>London</CityName>
      <CountryCode>GB</CountryCode><PostalCode>EC1A 1BB</PostalCode></Address></Location></ShipToParty>
    <RequestedShipDateTime>2027-07-15T00:00:00Z</RequestedShipDateTime>
   </SalesOrderHeader>
   <SalesOrderLine><LineNumber>1</LineNumber>
    <Item><ItemID><ID>{item}</ID></ItemID></Item>
    <Quantity unitCode="PCS">2</Quantity>
    <UnitPrice><Amount currencyID="GBP">19.99</Amount><PerQuantity unitCode="PCS">1</PerQuantity></UnitPrice>
   </SalesOrderLine>
  </SalesOrder>
 </DataArea>
</ProcessSalesOrder>"""


def outbox(m3: M3) -> list[dict[str, Any]]:
    return list(m3.sandbox.snapshot("infor", "ion_outbox"))


def texts(document: str, *paths: str) -> list[str | None]:
    root = ElementTree.fromstring(document)  # noqa: S314 - made by the sandbox
    names = {"": "http://schema.infor.com/InforOAGIS/2"}
    return [root.findtext(f".//{path}", namespaces=names) for path in paths]


def test_a_sales_order_becomes_an_order(m3: M3) -> None:
    m3.settings(ion_published=["Sync.SalesOrder", "Sync.Shipment"])
    assert 201 == call(m3, "v2/message", json=message(sales_order())).status_code
    (order,) = m3.stored("orders")
    assert ("ACME01", "500123", "GBP", "20270715") == tuple(
        order[n] for n in ("CUNO", "CUOR", "CUCD", "RLDT")
    )
    assert [("ITEM-1", "2", "19.99")] == [
        (line["ITNO"], f"{float(line['ORQT']):g}", f"{float(line['SAPR']):g}")
        for line in m3.stored("order_lines")
    ]
    assert ["1 High Street"] == [row["CUA1"] for row in m3.stored("order_addresses")]
    documents = {one["documentName"]: one for one in outbox(m3)}
    back = documents["Sync.SalesOrder"]
    assert (order["ORNO"], "100_AAA") == (back["documentId"], back["accountingEntity"])
    assert ["500123", "ITEM-1", "London"] == texts(
        back["document"], "AlternateDocumentID/ID", "SalesOrderLine/Item/ItemID/ID", "CityName"
    )
    assert [order["ORNO"]] == texts(documents["Sync.Shipment"]["document"], "DocumentReference/DocumentID/ID")


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (sales_order(item="NO-SUCH-ITEM"), "AddBatchLine: "),
        (sales_order(customer="NOBODY"), "AddBatchHead: "),
        (sales_order(action="Delete"), "The action Delete is not supported"),
        ("<ProcessSalesOrder/>", "no SalesOrder"),
        ("no XML", "not XML"),
    ],
)
def test_what_m3_cannot_process_is_confirmed(m3: M3, document: str, reason: str) -> None:
    assert 201 == call(m3, "v2/message", json=message(document)).status_code
    assert [] == m3.stored("orders")
    assert [] == m3.stored("batch_orders")
    (confirm,) = outbox(m3)
    description, original = texts(confirm["document"], "Description", "OriginalApplicationArea/BODID")
    assert ("Confirm.BOD", "bp-so-500123-1") == (confirm["documentName"], original)
    assert reason in (description or "")


def test_a_repeated_message_is_processed_once(m3: M3) -> None:
    for _ in range(2):
        assert 201 == call(m3, "v2/message", json=message(sales_order())).status_code
    assert (1, 2) == (len(m3.stored("orders")), len(received(m3)))
    m3.settings(ion_ignore_repeated_ids=False)
    call(m3, "v2/message", json=message(sales_order()))
    assert 2 == len(m3.stored("orders"))


def test_the_outbox_has_a_document_for_each_change(m3: M3) -> None:
    m3.sandbox.control("PATCH", "/infor/customers/ACME01", {"CUNM": "not published"})
    assert [] == outbox(m3)
    m3.settings(ion_published=["Sync.CustomerPartyMaster", "Sync.ItemMaster"])
    m3.sandbox.control("PATCH", "/infor/customers/ACME01", {"CUNM": "Smith & Sons"})
    m3.sandbox.control("PATCH", "/infor/items/ITEM-1", {"ITDS": "Lamp"})
    m3.sandbox.control("DELETE", "/infor/items/ITEM-1")
    customer, item, deleted = outbox(m3)
    assert ["ACME01", "Smith & Sons"] == texts(customer["document"], "PartyIDs/ID", "Name")
    assert ["ITEM-1", "Lamp"] == texts(item["document"], "ItemID/ID", "Description")
    assert ["ITEM-1", None] == texts(deleted["document"], "DocumentID/ID", "Description")
    assert 'actionCode="Delete"' in deleted["document"]
    assert int(item["variationId"]) >= int(customer["variationId"])
