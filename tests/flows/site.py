"""One sandbox, one state database, and flows run stage by stage as operators run them, without Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simple_salesforce import Salesforce

from airflow_provider_brightpearl.clients.auth import PrivateAppAuth
from airflow_provider_brightpearl.clients.brightpearl import BrightpearlClient
from airflow_provider_brightpearl.clients.salesforce import SalesforceClient
from airflow_provider_brightpearl.clients.transport import new_session
from airflow_provider_brightpearl.core.records import Calls
from airflow_provider_brightpearl.core.run import RunFacts
from airflow_provider_brightpearl.core.window import Request, RunKind, plan
from airflow_provider_brightpearl.endpoints import registry
from airflow_provider_brightpearl.gates.expectations import ExpectationGate
from airflow_provider_brightpearl.mapping.engine import Mapper
from airflow_provider_brightpearl.mapping.lookups import load_lookups, lookup_digests
from airflow_provider_brightpearl.mapping.spec import load_flow, mapping_version
from airflow_provider_brightpearl.pipeline import extract, gate, load, settle, transform
from airflow_provider_brightpearl.pipeline.write_back import QUIET, Outbox
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.bindings import Bindings
from airflow_provider_brightpearl.stores.dead_letters import DeadLetters
from airflow_provider_brightpearl.stores.engine import open_engine
from airflow_provider_brightpearl.stores.intents import Intents
from airflow_provider_brightpearl.stores.ledger import Ledger
from airflow_provider_brightpearl.stores.staging import FileStaging
from tests.fakes import PassingGate

MAPPINGS = Path(__file__).parents[2] / "include" / "mappings"


@dataclass
class Site:
    """Where flows run; ``mappings`` is the folder of their files."""

    sandbox: Sandbox
    folder: Path
    mappings: Path = MAPPINGS
    judged: bool = False  # whether runs go through Great Expectations, which takes its time
    runs: int = 0
    database: Any = field(init=False)

    def __post_init__(self) -> None:
        self.database = open_engine(f"sqlite:///{self.folder / 'state.db'}")
        self.ledger, self.letters = Ledger(self.database), DeadLetters(self.database)
        self.bindings = Bindings(self.database)

    def run(self, name: str, **asked: Any) -> dict[str, Any]:
        """Runs a flow up to the sandbox's now; gives the summary that the run ends with."""
        self.runs += 1
        flow, run, now = load_flow(self.mappings / f"{name}.yaml"), f"run{self.runs}", self.now()
        version = mapping_version(flow, lookup_digests(flow, self.mappings))
        staging = FileStaging(str(self.folder / "staging"), name, run)
        source = registry.source(flow.source, self._brightpearl())
        request = Request(RunKind.MANUAL, **asked)
        selection = plan(request, flow.window.policy, self.ledger.watermark(name), now)
        parts = extract.extract(flow, selection, source, self.letters, staging, version)
        calls = Calls({flow.source_system: source.calls}, {flow.source_system: source.fewest_calls})
        facts = RunFacts(run, RunKind.MANUAL, selection, version, now, calls)
        client = self._salesforce()
        lookups = load_lookups(flow, self.mappings, client.query)
        schema = registry.stream_schema(flow.source)
        mapped = [
            transform.transform(
                flow, part, lambda folders: Mapper(flow, schema, lookups, self.bindings, folders), staging
            )
            for part in parts
        ]
        stores = settle.Stores(self.ledger, self.letters, staging)
        judge = ExpectationGate(flow) if self.judged else PassingGate()
        verdict = gate.judge(flow, mapped, judge, staging) if mapped else None
        if verdict and verdict["closed"]:
            raise settle.refuse(flow, facts, mapped, verdict, stores, now)
        loads = []
        outbox = Outbox(flow, run, Intents(self.database))
        for part in mapped:
            sink = registry.sink(flow.target, self._salesforce(), flow, Intents(self.database), run)
            loads.append(
                load.load(
                    flow,
                    run,
                    part,
                    verdict or {},
                    sink,
                    self.bindings,
                    self.letters,
                    staging,
                    outbox,
                    sweep=selection.sweep,
                )
            )
        # intents keep the time of this machine, and no test wants to wait
        later = datetime.now(UTC) + QUIET
        told = outbox.tell(lambda: registry.write_back(flow, self._brightpearl()), later)
        return settle.settle(flow, facts, parts, mapped, verdict, loads, stores, now, told)

    def now(self) -> datetime:
        """The sandbox's clock."""
        return datetime.fromisoformat(self.sandbox.control("GET", "/clock")["now"]).astimezone(UTC)

    def pass_time(self, minutes: int) -> None:
        self.sandbox.control("POST", "/clock", {"advance_seconds": 60 * minutes})

    def act(self, **events: int) -> dict[str, list[int]]:
        """A day in Brightpearl, stamped five minutes from now; then five more pass, so that a run sees it."""
        self.pass_time(5)
        touched: dict[str, list[int]] = self.sandbox.control("POST", "/brightpearl/activity", events)
        self.pass_time(5)
        return touched

    def patch(self, path: str, change: Mapping[str, Any]) -> None:
        """Writes into a stored record past every check."""
        self.sandbox.control("PATCH", path, dict(change))

    def there(self, name: str, key: str = "Brightpearl_Id__c") -> dict[str, dict[str, Any]]:
        """The rows of a Salesforce object by their key."""
        return {row[key]: row for row in self.sandbox.snapshot("salesforce", name) if row.get(key)}

    def here(self, name: str, key: str = "id") -> dict[str, dict[str, Any]]:
        """The records of a Brightpearl collection by id."""
        return {str(row[key]): row for row in self.sandbox.snapshot("brightpearl", name)}

    def _brightpearl(self) -> BrightpearlClient:
        auth = PrivateAppAuth("acmetest_sandbox", "sandbox-staff-token")
        return BrightpearlClient(self.sandbox.url, "acmetest", auth, new_session())

    def _salesforce(self) -> SalesforceClient:
        login = {"consumer_key": "sandbox-consumer-key", "consumer_secret": "sandbox-consumer-secret"}
        session = new_session(endpoint_override=self.sandbox.url)
        return SalesforceClient(Salesforce(**login, domain="acme.my", session=session))
