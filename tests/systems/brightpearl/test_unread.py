"""What an account finds and does not give, or gives oddly: nothing is dropped, and the rest arrives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from airflow_provider_brightpearl.core.ports.source import Unread
from airflow_provider_brightpearl.core.reports import RunSummary
from airflow_provider_brightpearl.core.window import Selection
from airflow_provider_brightpearl.errors import Misconfigured, SchemaMismatch, Unavailable
from airflow_provider_brightpearl.runtime import reconcile
from airflow_provider_brightpearl.sandbox.server import Sandbox
from airflow_provider_brightpearl.stores.tables import dead_letter
from airflow_provider_brightpearl.systems.brightpearl import idset
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.inventory import BrightpearlInventory
from airflow_provider_brightpearl.systems.brightpearl.source import BrightpearlSource
from tests.flows.site import Site
from tests.systems.altered import NOTHING, Account, Alter, account
from tests.systems.stub import Asked, Reply

ALL = Selection(None, full_resync=True)
CONTACTS, CONTACT_SEARCH = "contact-service/contact/", "contact-service/contact-search"
ADDRESSES, ORDERS = "contact-service/postal-address/", "order-service/order/"
BAD = Reply({"errors": [{"code": "CMNC-010", "message": "cannot be read"}]}, 400)
QUIET: dict[str, dict[str, object]] = {"brightpearl": {"throttle": False, "contact_updated_now": False}}
DOWN = Reply({"errors": [{"code": "", "message": "internal error"}]}, 500)


@pytest.fixture(scope="module")
def small_sandbox() -> Iterator[Sandbox]:
    with Sandbox(customers=30, products=45, orders=12, seed=7, settings=QUIET) as made:
        yield made


@pytest.fixture
def odd(small_sandbox: Sandbox) -> Iterator[Account]:
    small_sandbox.reset()
    with account(small_sandbox) as made:
        yield made


class OddSite(Site):
    """A site whose Brightpearl account answers oddly."""

    account: Account

    def brightpearl(self) -> BrightpearlClient:
        return self.account.client()


@pytest.fixture
def site(odd: Account, tmp_path: Path) -> OddSite:
    made = OddSite(odd.sandbox, tmp_path)
    made.account = odd
    return made


def when(path: str, reply: Callable[[Asked, Reply], Reply], times: int = 10_000) -> Alter:
    left = [times]

    def alter(asked: Asked, good: Reply) -> Reply:
        if path in asked.path and left[0] > 0:
            left[0] -= 1
            return reply(asked, good)
        return good

    return alter


def without(record: int, column: str) -> Callable[[Asked, Reply], Reply]:
    """The answer without one of its records."""

    def cut(asked: Asked, good: Reply) -> Reply:
        body = json.loads(good.content())
        body["response"] = [each for each in body.get("response", ()) if each[column] != record]
        return Reply(body)

    return cut


def for_sets_with(record: int, reply: Reply) -> Callable[[Asked, Reply], Reply]:
    """The reply for every id set that holds one id."""

    def answer(asked: Asked, good: Reply) -> Reply:
        return reply if record in idset.parse(asked.path.rsplit("/", 1)[-1]) else good

    return answer


def replaced(old: bytes, new: bytes) -> Callable[[Asked, Reply], Reply]:
    return lambda _, good: Reply(good.content().replace(old, new), good.status)


def customers(sandbox: Sandbox) -> list[int]:
    found = sandbox.snapshot("brightpearl", "contact")
    of = [
        each for each in found if not any(each["relationshipToAccount"][x] for x in ("isSupplier", "isStaff"))
    ]
    return sorted(each["contactId"] for each in of)


def read(odd: Account, stream: str = "contacts", selection: Selection = ALL) -> dict[str, bytes | Unread]:
    found = list(BrightpearlSource(odd.client(), stream).read(selection))
    assert len(found) == len(dict(found))
    return dict(found)


def lost(found: dict[str, bytes | Unread]) -> dict[str, str]:
    return {name: each.reason for name, each in found.items() if isinstance(each, Unread)}


def letters(site: Site) -> dict[str, tuple[str, str, str]]:
    with site.database.connect() as connection:
        rows = connection.execute(sa.select(dead_letter)).all()
    return {row.source_id: (row.state, row.stage, row.reason) for row in rows}


def settled(summary: RunSummary) -> tuple[int, int, int]:
    return summary.counts.extracted, summary.counts.created, summary.counts.rejected


def test_a_first_load_that_reads_nothing_is_no_good_run(site: OddSite) -> None:
    for reply in (NOTHING, Reply({"response": []})):
        site.account.alter = when(CONTACTS, lambda asked, good, reply=reply: reply)  # type: ignore[misc]
        with pytest.raises(Unavailable, match="contacts were found and none of them could be read"):
            site.run("customers_to_salesforce")
    assert site.ledger.watermark("customers_to_salesforce") is None


def test_one_answer_without_records_costs_none(odd: Account) -> None:
    odd.alter = when(CONTACTS, lambda asked, good: NOTHING, times=1)
    assert {} == lost(read(odd))


def test_a_record_that_is_not_given_waits_as_missing_and_follows(site: OddSite) -> None:
    every = customers(site.sandbox)
    gone = every[3]
    site.account.alter = when(CONTACTS, without(gone, "contactId"))
    first = site.run("customers_to_salesforce")
    assert (len(every), len(every) - 1, 1) == settled(first)
    state, stage, reason = letters(site)[str(gone)]
    assert ("missing", "extract") == (state, stage)
    assert f"contact-service/contact has no record {gone}" in reason
    site.account.alter = lambda asked, good: good
    site.pass_time(5)
    assert (1, 1, 0) == settled(site.run("customers_to_salesforce"))
    assert "resolved" == letters(site)[str(gone)][0]


@pytest.mark.parametrize("reply", [BAD, DOWN], ids=["400", "500"])
def test_an_id_that_cannot_be_answered_is_set_aside(odd: Account, reply: Reply) -> None:
    every = customers(odd.sandbox)
    odd.alter = when(CONTACTS, for_sets_with(every[5], reply))
    found = read(odd)
    assert {str(each) for each in every} == set(found)
    assert [str(every[5])] == list(lost(found))
    assert f"the account cannot answer for {every[5]}" in lost(found)[str(every[5])]


def test_an_account_that_answers_nothing_is_not_asked_for_every_id(odd: Account) -> None:
    for reply, error in ((DOWN, Unavailable), (BAD, SchemaMismatch)):
        odd.alter = when(CONTACTS, lambda asked, good, reply=reply: reply)  # type: ignore[misc]
        odd.asked.clear()
        with pytest.raises(error):
            read(odd)
        assert len(odd.asked) < 30


ODD_TEXTS = {
    "bytes that are not UTF-8": (b"Odd\xff", "is not UTF-8, after"),
    "a control character": (b"Odd\x01", "is not the expected JSON"),
    "half a character": (b"Odd\\ud800", "is not the expected JSON"),
}


@pytest.mark.parametrize("kind", list(ODD_TEXTS))
def test_an_odd_text_stops_its_own_record_only(site: OddSite, kind: str) -> None:
    text, reason = ODD_TEXTS[kind]
    every = customers(site.sandbox)
    site.patch(f"/brightpearl/contact/{every[7]}", {"firstName": "Oddly"})
    site.account.alter = when(CONTACTS, replaced(b"Oddly", text))
    assert (len(every), len(every) - 1, 1) == settled(site.run("customers_to_salesforce"))
    assert [str(every[7])] == list(letters(site))
    assert reason in letters(site)[str(every[7])][2]


@pytest.mark.parametrize("moment", [None, "0000-00-00T00:00:00.000Z", "2026-03-01T10:00:00", 0])
def test_a_search_row_with_an_odd_date_is_read(site: OddSite, moment: Any) -> None:
    def odd_dates(asked: Asked, good: Reply) -> Reply:
        body = json.loads(good.content())
        places = [
            place
            for place, each in enumerate(body["response"]["metaData"]["columns"])
            if "On" in each["name"]
        ]
        for row in body["response"]["results"][:1]:
            for place in places:
                row[place] = moment
        return Reply(body)

    site.account.alter = when(CONTACT_SEARCH, odd_dates)
    every = customers(site.sandbox)
    assert (len(every), len(every), 0) == settled(site.run("customers_to_salesforce"))


@pytest.mark.parametrize("number", [None, "", 1.5])
def test_a_search_row_without_an_id_is_named(odd: Account, number: Any) -> None:
    def odd_id(asked: Asked, good: Reply) -> Reply:
        body = json.loads(good.content())
        body["response"]["results"][0][0] = number
        return Reply(body)

    odd.alter = when(CONTACT_SEARCH, odd_id)
    with pytest.raises(SchemaMismatch, match="contactId"):
        read(odd)


def test_a_search_that_does_not_add_up_is_not_believed(odd: Account) -> None:
    def fewer(asked: Asked, good: Reply) -> Reply:
        body = json.loads(good.content())
        del body["response"]["results"][4:6]
        return Reply(body)

    every = {str(each) for each in customers(odd.sandbox)}
    odd.alter = when(CONTACT_SEARCH, fewer, times=1)
    assert every == set(read(odd))
    odd.alter = when(CONTACT_SEARCH, fewer)
    with pytest.raises(
        Unavailable, match=f"announces {len(every)} rows, and its pages hold {len(every) - 2}"
    ):
        read(odd)


@pytest.mark.parametrize(
    ("stream", "joined"),
    [("contacts", ADDRESSES), ("products", "product-service/product-price/"), ("payments", ORDERS)],
)
def test_what_belongs_to_a_record_and_is_not_found_is_not_none(
    odd: Account, stream: str, joined: str
) -> None:
    good = read(odd, stream)
    odd.alter = when(joined, lambda asked, good: NOTHING)
    found = read(odd, stream)
    assert set(good) == set(found)
    assert {name: raw for name, raw in found.items() if isinstance(raw, bytes)}.items() <= good.items()
    assert lost(found) and all("has no record" in reason for reason in lost(found).values())
    odd.alter = when(joined, lambda asked, good: NOTHING, times=1)
    assert good == read(odd, stream)


def test_stock_of_a_bundle_whose_components_are_not_found_is_not_none(odd: Account) -> None:
    good = read(odd, "availability")
    bundles = {name for name, raw in good.items() if isinstance(raw, bytes) and json.loads(raw)["bundle"]}
    assert bundles
    odd.alter = when("product-availability", lambda asked, good: NOTHING)
    found = read(odd, "availability")
    assert set(good) == set(found) == set(lost(found))


def test_text_that_is_no_id_is_refused_by_name(site: OddSite) -> None:
    with pytest.raises(Misconfigured, match=r"ids: 'SO100001' is not an id of brightpearl.sales_orders"):
        site.run("orders_to_salesforce", ids=("100001", "SO100001"))
    BrightpearlSource(site.brightpearl(), "shipments").check_ids(["7001", "DS31001"])
    with pytest.raises(Misconfigured, match="or DS31001 for a drop-ship note"):
        BrightpearlSource(site.brightpearl(), "shipments").check_ids(["XX1"])


def test_a_named_record_that_does_not_exist_is_reported(site: OddSite) -> None:
    summary = site.run("customers_to_salesforce", ids=(str(customers(site.sandbox)[0]), "98765432"))
    assert (2, 1, 1) == settled(summary)
    assert "98765432" in summary.reasons[0][0]


@pytest.mark.parametrize("reply", [NOTHING, Reply({"response": {"getUris": []}})], ids=["404", "empty"])
def test_a_list_of_all_ids_that_lists_none_deletes_nothing(odd: Account, reply: Reply) -> None:
    every = {str(each) for each in customers(odd.sandbox)}
    odd.alter = lambda asked, good: reply if asked.method == "OPTIONS" else good
    assert {"98765432"} == BrightpearlInventory(odd.client(), "contacts").deleted_ids([*every, "98765432"])


def test_a_record_that_is_deleted_for_good_is_gone_after_a_week_and_may_come_back(site: OddSite) -> None:
    gone = customers(site.sandbox)[3]
    site.account.alter = when(CONTACTS, without(gone, "contactId"))
    site.run("customers_to_salesforce")
    summaries = []
    for _ in range(9):
        site.pass_time(24 * 60)
        summaries.append(site.run("customers_to_salesforce"))
    closing = [each for each in summaries if each.warnings]
    assert ("gone", 1) == (letters(site)[str(gone)][0], len(closing))
    assert (
        f"1 record of brightpearl.contacts not found in repeated looks, dead letters closed as gone: {gone}",
    ) == closing[0].warnings
    assert (0, 0, 0) == settled(summaries[-1])

    site.account.alter = lambda asked, good: good
    site.patch(f"/brightpearl/contact/{gone}", {"firstName": "Back"})
    site.pass_time(5)
    assert (1, 1, 0) == settled(site.run("customers_to_salesforce"))
    assert "resolved" == letters(site)[str(gone)][0]


def test_a_record_of_another_stream_is_refused_and_not_looked_for(site: OddSite) -> None:
    number = customers(site.sandbox)[0]
    site.patch(f"/brightpearl/contact/{number}", {"relationshipToAccount": {"isSupplier": True}})
    site.run("customers_to_salesforce", ids=(str(number),))
    state, stage, reason = letters(site)[str(number)]
    assert ("open", "extract") == (state, stage)
    assert f"{number} is not of this stream: its relationshipToAccount.isSupplier is true" in reason
    site.pass_time(60)
    site.run("customers_to_salesforce")
    site.pass_time(60)
    assert (0, 0, 0) == settled(site.run("customers_to_salesforce"))


def test_a_reconciliation_counts_and_lists_what_it_cannot_read(site: OddSite) -> None:
    flow = "customers_to_salesforce"
    site.run(flow)
    first, *others = customers(site.sandbox)
    site.account.alter = when(CONTACTS, without(first, "contactId"))
    found = reconcile.compare(site.wiring(flow), "nightly", full_resync=True, fields=["Name"])
    assert found
    counts = found.counts
    assert (len(others), 1, 0) == (counts["matched"], counts["unreadable"], counts["unmatched"])
    assert (str(first),) == found.ids["unreadable"]
