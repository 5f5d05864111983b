"""The Pub/Sub API, by a gRPC client of the tests' own (reference, sections 5.1 and 5.2)."""

from __future__ import annotations

import io
import json
import queue
import sys
from collections.abc import Iterator
from typing import Any

import fastavro
import grpc
import pytest

from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.systems.salesforce.pubsub import pubsub_api_pb2 as messages
from tests.sandbox.salesforce_org import Api

TOPIC = "/data/AccountChangeEvent"
EVENT = "/event/Order_Shipped__e"
CODES = "sfdc.platform.eventbus.grpc."


class Client:
    """Calls of the service by their paths, with the metadata of a login."""

    def __init__(self, api: Api, channel: grpc.Channel) -> None:
        self.channel = channel
        token = str(api.http.headers["Authorization"]).removeprefix("Bearer ")
        info = api("GET", "/services/oauth2/userinfo").json()
        self.user = info["user_id"]
        self.metadata = [
            ("accesstoken", token),
            ("instanceurl", api.sandbox.url),
            ("tenantid", info["organization_id"]),
        ]
        self.schemas: dict[str, Any] = {}

    def call(self, name: str, request: Any, answer: str) -> Any:
        make = self.channel.unary_unary(
            f"/eventbus.v1.PubSub/{name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=getattr(messages, answer).FromString,
        )
        return make(request, metadata=self.metadata, timeout=30)

    def topic(self, name: str = TOPIC) -> Any:
        return self.call("GetTopic", messages.TopicRequest(topic_name=name), "TopicInfo")

    def schema(self, id: str) -> Any:
        if id not in self.schemas:
            info = self.call("GetSchema", messages.SchemaRequest(schema_id=id), "SchemaInfo")
            self.schemas[id] = json.loads(info.schema_json)
        return self.schemas[id]

    def decoded(self, event: Any) -> dict[str, Any]:
        """The values of an event; fields of the header as names."""
        schema = self.schema(event.event.schema_id)
        found: Any = fastavro.schemaless_reader(
            io.BytesIO(event.event.payload), fastavro.parse_schema(schema), None
        )
        for name in ("changedFields", "nulledFields"):
            if header := found.get("ChangeEventHeader"):
                header[name] = [field for text in header[name] for field in field_names(schema, text)]
        assert isinstance(found, dict)
        return found

    def publish(self, *values: dict[str, Any]) -> Any:
        topic = self.topic(EVENT)
        assert topic.can_publish
        events = []
        for number, one in enumerate(values):
            out = io.BytesIO()
            schema = fastavro.parse_schema(self.schema(topic.schema_id))
            fastavro.schemaless_writer(out, schema, {"CreatedDate": 0, "CreatedById": self.user, **one})
            events.append(
                messages.ProducerEvent(id=str(number), schema_id=topic.schema_id, payload=out.getvalue())
            )
        return self.call(
            "Publish", messages.PublishRequest(topic_name=EVENT, events=events), "PublishResponse"
        )


def field_names(schema: Any, text: str) -> list[str]:
    """The fields of one element of a header's list, as the vendor's guide decodes it."""
    place, dash, bits = text.rpartition("-")
    fields, parent = schema["fields"], ""
    if dash:
        compound = fields[int(place)]
        parent = compound["name"] + "."
        record = compound["type"][-1]
        if isinstance(record, str):  # defined by an earlier field
            record = next(
                kind
                for one in fields
                for kind in one["type"]
                if isinstance(kind, dict) and kind["name"] == record
            )
        fields = record["fields"]
    number = int(bits, 16)
    return [parent + one["name"] for position, one in enumerate(fields) if number >> position & 1]


class Stream:
    """A subscription: requests are sent one by one."""

    def __init__(self, client: Client, topic: str = TOPIC, number: int = 100, **first: Any) -> None:
        self.client, self.topic = client, topic
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.request(number, **first)
        subscribe = client.channel.stream_stream(
            "/eventbus.v1.PubSub/Subscribe",
            request_serializer=messages.FetchRequest.SerializeToString,
            response_deserializer=messages.FetchResponse.FromString,
        )
        self.responses = subscribe(iter(self.requests.get, None), metadata=client.metadata, timeout=60)

    def request(self, number: int, **more: Any) -> None:
        self.requests.put(
            messages.FetchRequest(**{"topic_name": self.topic, "num_requested": number, **more})
        )

    def next(self) -> Any:
        return next(self.responses)

    def events(self, count: int) -> list[Any]:
        found: list[Any] = []
        while len(found) < count:
            found += self.next().events
        return found

    def values(self, count: int) -> list[dict[str, Any]]:
        return [self.client.decoded(event) for event in self.events(count)]

    def close(self) -> None:
        self.requests.put(None)
        self.responses.cancel()


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(customers=1, products=1, orders=1, pubsub_port=0) as sandbox:
        yield sandbox


@pytest.fixture
def api(running: Sandbox) -> Iterator[Api]:
    running.reset()
    running.control("DELETE", "/settings/salesforce")
    api = Api(running)
    fields = {"Order_Number__c": "text", "Total__c": "number", "Shipped_At__c": "datetime"}
    api.settings(change_events=["Account", "Contact"], platform_events={"Order_Shipped__e": fields})
    yield api
    api.http.close()


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with grpc.insecure_channel(api.sandbox.pubsub()["address"]) as channel:
        yield Client(api, channel)


@pytest.fixture
def streams(client: Client) -> Iterator[Any]:
    opened: list[Stream] = []

    def open_stream(*args: Any, **more: Any) -> Stream:
        opened.append(Stream(client, *args, **more))
        return opened[-1]

    yield open_stream
    for stream in opened:
        stream.close()


def refusal(call: Any) -> tuple[str, str]:
    """Status and code of the vendor."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    trailers = {key: value for key, value in caught.value.trailing_metadata()}
    assert f"rpcId: {trailers['rpc-id']}" in caught.value.details()
    return caught.value.code().name, trailers["error-code"].removeprefix(CODES)


def test_what_changes_is_announced(api: Api, client: Client, streams: Any) -> None:
    headers = {"Sforce-Call-Options": "client=bp"}
    values = {"Name": "A", "Phone": "1", "BillingCity": "Bath", "NumberOfEmployees": 7, "AnnualRevenue": 12}
    id = api("POST", "sobjects/Account", values, headers=headers).json()["id"]
    api(
        "PATCH",
        f"sobjects/Account/{id}",
        {"Name": "A", "Phone": None, "Fax": None, "BillingCity": "York", "ShippingCity": "Ely"},
    )
    api("DELETE", f"sobjects/Account/{id}")
    created, updated, deleted = streams(replay_preset=messages.EARLIEST).values(3)
    header = created["ChangeEventHeader"]
    assert header | {"commitTimestamp": 0, "commitNumber": 0, "transactionKey": ""} == {
        "entityName": "Account",
        "recordIds": [id],
        "changeType": "CREATE",
        "changeOrigin": "com/salesforce/api/rest/62.0;client=bp",
        "transactionKey": "",
        "sequenceNumber": 1,
        "commitTimestamp": 0,
        "commitNumber": 0,
        "commitUser": client.user,
        "nulledFields": [],
        "diffFields": [],
        "changedFields": [],
    }
    assert ("A", "1", "Bath", 7, 12) == (
        created["Name"],
        created["Phone"],
        created["BillingAddress"]["City"],
        created["NumberOfEmployees"],
        created["AnnualRevenue"],
    )
    assert created["CreatedDate"] == header["commitTimestamp"] // 1000 * 1000
    changed = updated["ChangeEventHeader"]
    # the name was written, and is the same; the fax number was empty before
    assert ["Phone", "LastModifiedDate", "BillingAddress.City", "ShippingAddress.City"] == changed[
        "changedFields"
    ]
    assert ["Phone"] == changed["nulledFields"]
    assert (None, "York", None) == (updated["Name"], updated["BillingAddress"]["City"], updated["Phone"])
    assert "DELETE" == deleted["ChangeEventHeader"]["changeType"]
    assert {None} == {value for name, value in deleted.items() if name != "ChangeEventHeader"}


def test_names_of_persons_are_compound(api: Api, streams: Any) -> None:
    id = api.create("Contact", FirstName="Ann", LastName="Bee", Birthdate="2000-01-02")
    api("PATCH", f"sobjects/Contact/{id}", {"FirstName": "Anne"})
    created, updated = streams("/data/ContactChangeEvent", replay_preset=messages.EARLIEST).values(2)
    assert ("Ann", "Bee", 946_771_200_000) == (
        created["Name"]["FirstName"],
        created["Name"]["LastName"],
        created["Birthdate"],
    )
    assert ["LastModifiedDate", "Name.FirstName"] == updated["ChangeEventHeader"]["changedFields"]


def test_flow_control(api: Api, streams: Any) -> None:
    for name in "ABCDE":
        api.create("Account", Name=name)
    stream = streams(number=2, replay_preset=messages.EARLIEST)
    first = stream.next()
    assert (2, 0) == (len(first.events), first.pending_num_requested)
    stream.request(1)
    assert 1 == len(stream.next().events)
    stream.request(200)
    assert (2, 98) == ((rest := stream.next()) and len(rest.events), rest.pending_num_requested)
    assert rest.latest_replay_id == rest.events[-1].replay_id


def test_replay(api: Api, streams: Any) -> None:
    api.create("Account", Name="A")
    latest = streams()
    api.settings(pubsub_keepalive_seconds=0)
    keepalive = latest.next()
    assert not keepalive.events
    assert keepalive.pending_num_requested == 100
    api.settings(pubsub_keepalive_seconds=270)
    api.create("Account", Name="B")
    (event,) = latest.events(1)
    assert "B" == latest.client.decoded(event)["Name"]
    (again,) = streams(replay_preset=messages.CUSTOM, replay_id=keepalive.latest_replay_id).events(1)
    assert (event.replay_id, event.event.id) == (again.replay_id, again.event.id)

    corrupted = ("INVALID_ARGUMENT", "subscription.fetch.replayid.corrupted")
    assert corrupted == refusal(streams(replay_preset=messages.CUSTOM, replay_id=b"x").next)
    api.sandbox.control("POST", "/clock", {"advance_seconds": 73 * 3600})
    api.login()
    late = Client(api, latest.client.channel)
    expired = Stream(late, replay_preset=messages.CUSTOM, replay_id=event.replay_id)
    assert corrupted == refusal(expired.next)
    api.create("Account", Name="C")
    earliest = Stream(late, replay_preset=messages.EARLIEST)
    assert ["C"] == [one["Name"] for one in earliest.values(1)]
    earliest.close()


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ({"topic": "/data/OrderChangeEvent"}, "topic.not.found"),
        ({"topic": ""}, "topic.validation.empty"),
        ({"number": 0}, "subscription.fetch.requested.events.invalid"),
        ({"replay_preset": messages.CUSTOM}, "subscription.fetch.replayid.validation.failed"),
    ],
)
def test_requests_that_are_refused(streams: Any, first: dict[str, Any], code: str) -> None:
    assert code == refusal(streams(**first).next)[1]


def test_another_topic_in_the_same_stream(streams: Any) -> None:
    stream = streams()
    stream.request(1, topic_name="/data/ContactChangeEvent")
    assert "subscription.fetch.topic.mismatch" == refusal(stream.next)[1]


def test_logins(client: Client, streams: Any) -> None:
    token, instance, tenant = client.metadata
    for metadata, code in (
        ([token, instance], "service.auth.headers.invalid"),
        ([token, instance, ("tenantid", "00D000000000000AAA")], "service.auth.headers.invalid"),
        ([("accesstoken", "x"), instance, tenant], "service.auth.error"),
    ):
        client.metadata = metadata
        assert ("UNAUTHENTICATED", code) == refusal(streams().next)
        assert ("UNAUTHENTICATED", code) == refusal(client.topic)


def test_platform_events(api: Api, client: Client, streams: Any) -> None:
    stream = streams(EVENT, replay_preset=messages.EARLIEST)
    result = client.publish({"Order_Number__c": "7", "Total__c": 1.5, "Shipped_At__c": 1_700_000_000_000})
    (event,) = stream.events(1)
    assert (event.replay_id, "0") == (result.results[0].replay_id, result.results[0].correlation_key)
    values = client.decoded(event)
    assert values.pop("CreatedDate") is not None
    assert values == {
        "CreatedById": client.user,
        "Order_Number__c": "7",
        "Total__c": 1.5,
        "Shipped_At__c": 1_700_000_000_000,
    }
    api.sandbox.control(
        "POST", "/salesforce/events", {"event": "Order_Shipped__e", "values": {"Order_Number__c": "8"}}
    )
    answer = api(
        "POST", "sobjects/Order_Shipped__e", {"Order_Number__c": "9", "Shipped_At__c": "2023-11-14T22:13:20Z"}
    )
    assert (201, "OPERATION_ENQUEUED") == (answer.status_code, answer.json()["errors"][0]["statusCode"])
    wrong = {"Order__c": "9"}
    assert (400, "INVALID_FIELD") == api.refusal("POST", "sobjects/Order_Shipped__e", wrong)
    eighth, ninth = stream.values(2)
    assert ("8", "9", 1_700_000_000_000) == (
        eighth["Order_Number__c"],
        ninth["Order_Number__c"],
        ninth["Shipped_At__c"],
    )
    schema = client.topic(EVENT).schema_id
    bad = messages.PublishRequest(
        topic_name=EVENT, events=[messages.ProducerEvent(id="a", schema_id=schema, payload=b"x")]
    )
    assert "does not fit" in client.call("Publish", bad, "PublishResponse").results[0].error.msg


def test_channels_of_ones_own(api: Api, streams: Any) -> None:
    api.settings(change_events=[], event_channels={"Sync__chn": ["Account", "Order"]})
    stream = streams("/data/Sync__chn", replay_preset=messages.EARLIEST)
    everything = streams("/data/ChangeEvents", replay_preset=messages.EARLIEST)
    api.create("Contact", LastName="not in it")
    api.create("Account", Name="A")
    assert ["Account"] == [one["ChangeEventHeader"]["entityName"] for one in stream.values(1)]
    api.settings(pubsub_keepalive_seconds=0)
    assert not everything.next().events


def test_gaps_overflow_and_repeated_events(api: Api, client: Client, streams: Any) -> None:
    def announce(**what: Any) -> None:
        api.sandbox.control("POST", "/salesforce/events", what)

    announce(object="Account", kind="GAP_UPDATE", ids=["001000000000001AAA"])
    announce(object="Account", kind="GAP_OVERFLOW", ids=["001000000000000AAA"])
    announce(repeat=1)
    gap, overflow, again = streams(replay_preset=messages.EARLIEST).events(3)
    header = client.decoded(gap)["ChangeEventHeader"]
    assert ("GAP_UPDATE", ["001000000000001AAA"]) == (header["changeType"], header["recordIds"])
    assert "GAP_OVERFLOW" == client.decoded(overflow)["ChangeEventHeader"]["changeType"]
    assert (overflow.event, True) == (again.event, overflow.replay_id != again.replay_id)
    for wrong in (
        {"object": "Order", "kind": "CREATE"},
        {"object": "Account", "kind": "GAP"},
        {"event": "X__e"},
    ):
        with pytest.raises(RuntimeError, match="400"):
            announce(**wrong)


def test_ten_thousand_events(api: Api, streams: Any) -> None:
    stream = streams(replay_preset=messages.EARLIEST)
    what = {"object": "Account", "kind": "UPDATE", "ids": ["001000000000001AAA"], "times": 10_000}
    api.sandbox.control("POST", "/salesforce/events", what)
    found: list[bytes] = []
    while len(found) < 10_000:
        response = stream.next()
        found += [event.replay_id for event in response.events]
        stream.request(len(response.events))
    assert found == sorted(set(found))


def test_streams_that_break(api: Api, streams: Any) -> None:
    for name in "ABC":
        api.create("Account", Name=name)
    api.settings(pubsub_faults=[{"rpc": "Subscribe", "after_events": 2, "skip": 1}])
    assert 3 == len(streams(replay_preset=messages.EARLIEST).events(3))
    broken = streams(replay_preset=messages.EARLIEST)
    received = broken.events(2)
    assert ("UNAVAILABLE", "service.unavailable") == refusal(broken.next)
    resumed = streams(replay_preset=messages.CUSTOM, replay_id=received[-1].replay_id)
    assert ["C"] == [one["Name"] for one in resumed.values(1)]
    code = "subscription.fetch.replayid.corrupted"
    api.settings(pubsub_faults=[{"code": code}])
    assert ("INVALID_ARGUMENT", code) == refusal(streams().next)


def test_a_stream_ends_when_nothing_is_requested(api: Api, streams: Any) -> None:
    api.settings(pubsub_idle_seconds=0.01)
    api.create("Account", Name="A")
    stream = streams(number=1, replay_preset=messages.EARLIEST)
    assert 1 == len(stream.next().events)
    with pytest.raises(StopIteration):
        stream.next()


def test_tls() -> None:
    with Sandbox(customers=1, products=1, orders=1, pubsub_port=0, pubsub_tls=True) as sandbox:
        served = sandbox.pubsub()
        trusted = grpc.ssl_channel_credentials(served["certificate"].encode())
        api = Api(sandbox)
        with grpc.secure_channel(served["address"], trusted) as channel:
            assert Client(api, channel).topic("/data/ChangeEvents").can_subscribe
        api.http.close()


def test_without_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if ".sandbox.salesforce.pubsub" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(RuntimeError, match=r"needs grpcio.*\[sandbox\]"):
        Sandbox(customers=1, products=1, orders=1, pubsub_port=0).start()
    with Sandbox(customers=1, products=1, orders=1) as sandbox:
        assert sandbox.pubsub()["address"] == ""
