"""An edit in Salesforce is in Brightpearl, by an event alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from airflow_provider_brightpearl.runtime.events import EventRunner
from airflow_provider_brightpearl.sandbox.server import Sandbox
from tests.flows.conftest import QUIET
from tests.flows.site import MAPPINGS, Site
from tests.runtime.org_events import Place

THERE, BACK = "customers_to_salesforce", "salesforce_customers_to_brightpearl"


def test_an_edit_of_an_account_is_written_by_its_event(tmp_path: Path) -> None:
    mappings = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, mappings)
    flow = mappings / f"{BACK}.yaml"
    flow.write_text(flow.read_text() + "\nevents: true\n")
    with Sandbox(customers=2, products=1, orders=1, seed=11, settings=QUIET, pubsub_port=0) as sandbox:
        site = Site(sandbox, tmp_path, mappings)
        site.run(THERE)
        place = Place(sandbox, site.database)
        place.begin()
        key, account = min(site.there("Account").items())
        site.salesforce().sf.Account.update(account["Id"], {"Phone": "01225 000111"})

        place.listen(place.due)
        runner = EventRunner(site.environment, [BACK], "events")
        runner.process()

        assert {BACK: 1} == runner.report.records
        changed = site.here("contact", "contactId")[key]["communication"]["telephones"]
        assert "01225 000111" in str(changed), changed
