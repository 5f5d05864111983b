"""Peak memory of reading and mapping many Salesforce accounts for Brightpearl, over that of 20,000.

Each stage up to the gate runs in a process of its own, as for orders; what is written to Brightpearl goes in groups of
200 whatever the size of a run.
"""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_brightpearl.sandbox.server import Sandbox
from benchmarks import workbench
from benchmarks.memory import StagedRun
from benchmarks.planting import plant_accounts
from benchmarks.report import Row, at_most, said

GOAL = 1.2
FLOW = "accounts_to_brightpearl"
# small, so that what is measured is the way and not the mapping
TEXT = """
flow: accounts_to_brightpearl
source: salesforce.accounts
target: brightpearl
objects:
  Contact:
    where: Contacts[1].Email IS NOT NULL
    key: {account: Id}
    fields:
      companyName: Name
      firstName: text(Contacts[1].FirstName)
      lastName: text(Contacts[1].LastName)
      primaryEmail: lower(text(Contacts[1].Email))
  Address:
    where: Contacts[1].Email IS NOT NULL
    key: {address: "Id || '-DEF'"}
    parent: {contactId: Contact}
    fields:
      type: "'DEF'"
      addressLine1: BillingStreet
      addressLine3: BillingCity
      postalCode: BillingPostalCode
      countryIsoCode: CASE WHEN country(BillingCountryCode) = 'GB' THEN 'GBR' END
expect:
  Contact:
    - column_values_to_not_be_null: {column: primaryEmail}
"""


def rows(*, quick: bool) -> Iterator[Row]:
    yield from compared(*((400, 1_200) if quick else (20_000, 60_000)))


def compared(few: int, many: int) -> Iterator[Row]:
    """The peaks of runs over so many accounts, and their ratio."""
    small, large = _peaks(few), _peaks(many)
    yield said("memory of a stage after its imports", small.pop("import"), "MB")
    large.pop("import")
    for stage in small:
        yield said(f"peak of {stage}, {few:,} accounts", small[stage], "MB")
        yield said(f"peak of {stage}, {many:,} accounts", large[stage], "MB")
    growth = max(large.values()) / max(small.values())
    yield at_most(GOAL, f"peak over {many:,} over {few:,} accounts", growth, "times")


def _peaks(accounts: int) -> dict[str, float]:
    with workbench.folder() as work, Sandbox(customers=1, products=1, orders=0) as sandbox:
        plant_accounts(sandbox, accounts)
        mappings = work / "mappings"
        mappings.mkdir()
        (mappings / f"{FLOW}.yaml").write_text(TEXT)
        env = workbench.environment(work, sandbox.url) | {"AIRFLOW__BRIGHTPEARL__MAPPINGS": str(mappings)}
        run = StagedRun(env, FLOW)
        _, _, mapped, _ = run.judged()
    found = sum(part["objects"]["Contact"]["records"] for part in mapped)
    if found != accounts:
        raise RuntimeError(f"{found} of {accounts} accounts were mapped")
    return run.found
