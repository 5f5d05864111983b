"""What is checked after every pass, on the sandbox's own records."""

from __future__ import annotations

from decimal import Decimal

from demo.compare import changed, compare, written
from demo.expected.records import of_type
from demo.flows import target_of
from demo.report import Check, FlowResult
from demo.systems import NAMES, Money, State

SHOWN = 10
# the custom field that orders_to_infor writes back
M3_NUMBER = "PCF_M3ORDER"
# written by picks and counts too, whose own records are looked at
MOVED_BY_OTHERS = {"ItemWarehouse"}


def equal(system: str, now: State) -> Check:
    """Whether a target holds what it has to, and nothing else."""
    result = compare(now.wanted[system], now.found[system])
    records = ", ".join(
        f"{count:,} {name.removeprefix('Brightpearl_').removesuffix('__c')}"
        for name, count in result.records.items()
    )
    statement = (
        f"{NAMES[system]} equals the mapping of Brightpearl: {records}; {result.values:,} values compared"
    )
    return Check(statement, tuple(map(str, result.differences)))


def came_back(now: State) -> Check:
    """Whether Brightpearl holds what began in Salesforce and M3, and both say so."""
    result = compare(now.wanted["brightpearl"], now.found["brightpearl"])
    records = ", ".join(f"{count:,} {name}" for name, count in result.records.items())
    ids = {key: str(order["id"]) for key, order in now.found["brightpearl"].records["SalesOrder"].items()}
    untold = [
        f"Salesforce has no Brightpearl order {ids.get(key)} at its order {key.removeprefix('SF-')}"
        for key in now.wanted["brightpearl"].records["SalesOrder"]
        if now.placed.get(key.removeprefix("SF-")) != ids.get(key)
    ]
    statement = f"Brightpearl equals the mapping of what began elsewhere: {records}; {result.values:,} values compared"
    return Check(statement, (*map(str, result.differences), *untold))


def edits_met(now: State, customer: str, name: str, number: str) -> Check:
    """Whether a customer that was edited on both sides has the same name and number on both."""
    here = next(each for each in now.source["contact"] if str(each["contactId"]) == customer)
    there = now.found["salesforce"].records
    held = {
        "Brightpearl's name": here["lastName"],
        "Salesforce's name": there["Contact"][customer]["LastName"],
        "Brightpearl's number": here["communication"]["telephones"].get("PRI"),
        "Salesforce's number": there["Account"][customer]["Phone"],
    }
    wanted = {what: number if what.endswith("number") else name for what in held}
    against = [
        f"{what} is {held[what]!r}, and has to be {wanted[what]!r}"
        for what in held
        if held[what] != wanted[what]
    ]
    return Check(
        f"customer {customer}, edited in Brightpearl and in Salesforce, is the same in both", tuple(against)
    )


def balanced(now: State) -> Check:
    """Whether every journal that M3 posted is zero in sum, in its currency and in that of the books."""
    sums: dict[tuple[str, str], Decimal] = {}
    for line in now.found["infor"].records["Voucher"].values():
        for name in ("CUAM", "ACAM"):
            sums[line["KEY1"], name] = sums.get((line["KEY1"], name), Decimal(0)) + Decimal(line[name])
    against = [f"{key}: {name} adds up to {total}" for (key, name), total in sums.items() if total]
    return Check(f"{len(sums) // 2:,} journals in M3, each zero in sum", tuple(against))


def written_back(now: State) -> Check:
    """Whether every Brightpearl order that is in M3 carries its M3 number."""
    numbers = {key: order["ORNO"] for key, order in now.found["infor"].records["Order"].items()}
    against = [
        f"order {order['id']} says M3 order {said}, and it is {numbers.get(str(order['id']))}"
        for order in of_type(now.source, "SO")
        if (said := order["customFields"].get(M3_NUMBER)) != numbers.get(str(order["id"]))
    ]
    return Check(f"{len(numbers):,} Brightpearl orders carry their M3 number, and no others", tuple(against))


def counted(now: State, flows: tuple[FlowResult, ...]) -> Check:
    """Whether the runs left out as many records as have a reason to be, and say so."""
    against, total = [], {"rejected": 0, "parked": 0}
    for flow in flows:
        wanted = now.wanted[target_of(flow.flow)]
        for name, ids in (("rejected", wanted.rejected), ("parked", wanted.parked)):
            due, said = len(ids.get(flow.flow, ())), flow.counts[name]
            total[name] += due
            if due != said:
                against.append(f"{flow.flow}: {said} {name}, and {due} have a reason to be")
    statement = f"{total['rejected']} rejected and {total['parked']} parked, as many as have a reason"
    return Check(statement, tuple(against))


def agrees(money: list[Money]) -> Check:
    """Whether both sides have the same money, but for what was rejected or parked."""
    against = [
        f"{each.flow}: {each.source} {each.currency} in Brightpearl, {each.target} in the target and "
        f"{each.held_back} rejected or parked"
        for each in money
        if not each.agrees
    ]
    open_ones = sum(1 for each in money if each.held_back)
    note = f", {open_ones} of them after what is rejected or parked" if open_ones else ""
    return Check(f"{len(money)} totals of money agree on both sides to the last digit{note}", tuple(against))


def only_these_written(system: str, before: State, now: State) -> Check:
    """Whether no record was written of which nothing else is expected than before."""
    done = written(before.found[system], now.found[system])
    allowed = changed(before.wanted[system], now.wanted[system])
    if system == "infor":
        # what is delivered of a line changes its order, though both may stay as part delivered as they were
        allowed["Order"] |= {key.partition("|")[0] for key in allowed["OrderLine"]}
    looked_at = allowed.keys() - MOVED_BY_OTHERS
    against = [
        f"{name} {key} was written, and nothing of it has changed"
        for name in sorted(looked_at)
        for key in sorted(done[name] - allowed[name])
    ]
    total = sum(len(done[name]) for name in looked_at)
    left = sum(len(now.found[system].records[name]) for name in looked_at) - total
    return Check(f"{total:,} {NAMES[system]} records written, {left:,} left as they were", tuple(against))


def nothing_written(flows: tuple[FlowResult, ...], writes: list[str]) -> Check:
    """Whether the runs, with nothing changed, sent the targets nothing but questions."""
    against = list(writes)
    for flow in flows:
        done = flow.counts["created"] + flow.counts["updated"]
        if done or flow.counts["unchanged"] != flow.counts["extracted"]:
            against.append(f"{flow.flow}: {done} of {flow.counts['extracted']} created or updated")
    read = sum(flow.counts["extracted"] for flow in flows)
    return Check(f"all {read:,} records read again, no call made to write", tuple(against))


def known(unknown: list[str]) -> Check:
    """Whether only addresses were requested that the systems have."""
    return Check("no address was requested that Brightpearl, Salesforce or M3 does not have", tuple(unknown))
