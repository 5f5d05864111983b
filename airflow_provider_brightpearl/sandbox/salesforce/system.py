"""The simulated Salesforce org as a system of the sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute, Route

from ..clock import Clock
from ..system import ConnectionDetails, Record, SeedOptions, json_value
from .computed_fields import read_field
from .gateway import Gateway
from .ids import full_id
from .jobs import Jobs
from .org import Org
from .schema import Entity
from .seeding import ADMIN, seed_org
from .sessions import Sessions
from .store import Row
from .streaming import Streaming

if TYPE_CHECKING:
    from .pubsub.server import PubSubServer
    from .pubsub.topics import Topics

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
# listed beside the objects
_JOBS = "bulk_jobs"


class Salesforce:
    """One org below /services."""

    name = "salesforce"

    def __init__(self, clock: Clock) -> None:
        self.org = Org(clock)
        self.settings = self.org.settings
        self._sessions = Sessions(self.org)
        self._jobs = Jobs(self.org)
        self._gateway = Gateway(self.org, self._sessions, self._jobs)
        self._streaming = Streaming(self.org, self._sessions)
        self._pubsub: PubSubServer | None = None
        self._topics: Topics | None = None
        seed_org(self.org, 0)

    def routes(self) -> list[BaseRoute]:
        """A single route for all services, because paths are case-insensitive, and the identity of a user."""
        return [
            Route("/services/{rest:path}", self._gateway.answer, methods=METHODS),
            Route("/cometd/{version}{rest:path}", self._streaming.answer, methods=["GET", "POST"]),
            Route("/id/{organization}/{user}", self._gateway.identity, methods=["GET"]),
        ]

    def seed(self, options: SeedOptions) -> None:
        """Seed the initial records, whatever the size; a sync adds the rest."""
        with self.org.lock:
            self._jobs.clear()
            self._sessions.clear()
            self._streaming.clear()
            if self._topics is not None:
                self._topics.clear()
            seed_org(self.org, options.seed)

    def keep(self) -> bytes:
        """See `System.keep`."""
        with self.org.lock:
            return self.org.kept()

    def go_back(self, kept: bytes) -> None:
        """See `System.go_back`."""
        with self.org.lock:
            self._jobs.clear()
            self._streaming.clear()
            self.org.go_back(kept)

    def collections(self) -> list[str]:
        """The names of all objects, and that of the ingest jobs."""
        return [*self.org.objects, _JOBS]

    def count(self, collection: str) -> int:
        """The number of live records of an object, or of jobs."""
        return len(self._jobs.ingest) if collection == _JOBS else len(self.org.store[collection].rows)

    def snapshot(self, collection: str) -> Iterator[Record]:
        """Every live record with all fields; decimal numbers are text, never floats; of jobs their state."""
        if collection == _JOBS:
            for job in list(self._jobs.ingest.values()):
                yield {"id": job.id, "object": job.load.entity.name, "state": job.state}
            return
        entity = self.org.schema.entities[collection]
        for row in list(self.org.store[collection].rows.values()):
            yield self._plain(entity, row)

    def headers(self) -> dict[str, str]:
        """The limit header of every REST response (reference, section 3)."""
        return {"Sforce-Limit-Info": self._sessions.usage()}

    def start_pubsub(self, host: str, port: int, tls: bool) -> None:
        """Serve the Pub/Sub API on a port of its own.

        Raises:
            RuntimeError: its libraries are not installed.
            OSError: the port is not available.
        """
        try:
            from .pubsub.server import PubSubServer
            from .pubsub.topics import Topics
        except ImportError as error:
            raise RuntimeError(
                f"the Pub/Sub API needs grpcio, protobuf and fastavro ({error}): "
                "pip install 'airflow-provider-brightpearl[sandbox]'"
            ) from error
        self._topics = Topics(self.org, self._sessions)
        self._pubsub = PubSubServer(self._topics, host, port, tls)

    def pubsub(self) -> Record:
        """Address and certificate of the Pub/Sub API, both empty where it is not served."""
        served = self._pubsub
        return {
            "address": served.address if served else "",
            "certificate": served.certificate if served else "",
        }

    def announce(
        self,
        object: str = "",
        kind: str = "",
        ids: Sequence[str] = (),
        times: int = 1,
        event: str = "",
        values: Record | None = None,
        repeat: int = 0,
    ) -> Record:
        """Add events that no write caused.

        Args:
            object: with `kind` and `ids`, the object of change events without a body.
            kind: such as GAP_UPDATE or GAP_OVERFLOW.
            ids: the records that the events name.
            times: number of events.
            event: with `values`, a platform event to publish.
            values: its fields.
            repeat: number of newest events to deliver once more.

        Raises:
            ValueError: there is no such object, kind, event or field.
        """
        with self.org.lock:
            log = self.org.change_log
            log.repeat(repeat)
            if object:
                log.announce(object, kind, list(ids), times)
            for _ in range(times if event else 0):
                log.publish(event, values or {}, self.org.user)
            return {"newest": log.newest}

    def stop(self) -> None:
        """See `System.stop`."""
        if self._pubsub is not None:
            self._pubsub.stop()

    def connection(self, url: str) -> ConnectionDetails:
        """See `System.connection`."""
        known = self.settings
        return ConnectionDetails(
            "Salesforce",
            f"{url}/services/data",
            {
                "token URL": f"{url}/services/oauth2/token",
                "consumer key": str(known["consumer_key"]),
                "consumer secret": str(known["consumer_secret"]),
                "username": str(known["username"]),
                "password": str(known["password"]),
                "security token": str(known["security_token"]),
            },
            "salesforce_default",
            {
                "conn_type": "salesforce",
                "extra": {
                    "consumer_key": known["consumer_key"],
                    "consumer_secret": known["consumer_secret"],
                    "domain": "acme.my",
                    "endpoint_override": url,
                },
            },
        )

    def patch(self, collection: str, id: str | None, patch: Record | None, quiet: bool = False) -> object:
        """See `System.patch`; the change counts as made by an administrator."""
        with self.org.lock:
            table, entity = self.org.store[collection], self.org.schema.entities[collection]
            row = self._target(collection, id)
            changes: Row = dict(patch or {})
            if not quiet:
                now, admin = self.org.now(), self.org.user_row(ADMIN)
                changes.update(LastModifiedDate=now, SystemModstamp=now)
                changes["LastModifiedById"] = admin["Id"] if admin else self.org.user
            table.update(row, {name: _stored(entity, name, value) for name, value in changes.items()})
            if patch is None:
                table.delete(row, self.org.now())
            return self._plain(entity, row)

    def _target(self, collection: str, id: str | None) -> Row:
        table = self.org.store[collection]
        if id is not None:
            return table.rows[full_id(id) or id]
        now = self.org.now()
        row: Row = {"Id": table.next_id(), "CreatedDate": now, "LastModifiedDate": now, "SystemModstamp": now}
        row["CreatedById"] = row["LastModifiedById"] = self.org.user
        table.insert(row)
        return row

    def _plain(self, entity: Entity, row: Row) -> Record:
        named = {name: read_field(self.org.store, field, row) for name, field in entity.fields.items()}
        extra = {name: value for name, value in row.items() if name not in named}
        return {name: json_value(value) for name, value in {**named, **extra}.items()}


def _stored(entity: Entity, name: str, value: Any) -> Any:
    """A value of a patch, with numbers converted to Decimal where the field has a scale."""
    field = entity.field(name)
    if field is None or field.type not in ("currency", "double") or isinstance(value, bool):
        return value
    try:
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-field.scale))
    except ArithmeticError:
        return value
