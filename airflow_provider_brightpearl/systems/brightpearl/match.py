"""Finds the contact or product that a new record is already in Brightpearl, by the rules of the flow, in their order.

What Brightpearl's searches find is compared once more, exactly. Several that fit, and one that is linked to another
record, are questions for a person: nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from shlex import quote as quote_word
from typing import Any
from urllib.parse import quote, urlencode

import phonenumbers

from airflow_provider_brightpearl.core.ports.matching import LinkedRows
from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.errors import Misconfigured
from airflow_provider_brightpearl.flow.match import rule_text
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.systems.brightpearl.client import BrightpearlClient
from airflow_provider_brightpearl.systems.brightpearl.messages import Answer, read, rows_of
from airflow_provider_brightpearl.systems.brightpearl.reading import refused_search
from airflow_provider_brightpearl.systems.brightpearl.rows import Whole

SHOWN = 10
Rule = tuple[str, ...]
_SAME_NUMBER = (phonenumbers.MatchType.EXACT_MATCH, phonenumbers.MatchType.NSN_MATCH)


class Compare(Enum):
    """How two values are the same: but for case and blanks, to the letter, or as telephone numbers."""

    TEXT = "text"
    CODE = "code"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Column:
    """The column of a search that holds a field.

    A telephone number is stored as somebody wrote it, so it is compared and not searched for. A ``weak`` field alone
    identifies nobody.
    """

    name: str
    compare: Compare = Compare.TEXT
    weak: bool = False

    @property
    def searched(self) -> bool:
        return self.compare is not Compare.PHONE


@dataclass(frozen=True, slots=True)
class Matchable:
    """A kind of records that Brightpearl can be searched for; ``columns`` are by field of the flow."""

    what: str
    search: str
    id: str
    columns: Mapping[str, Column]
    usual: Rule
    shown: tuple[str, ...]

    def rules(self, flow: FlowSpec) -> list[Rule]:
        """The rules of a flow, or the usual one."""
        return [tuple(rule) for rule in flow.objects[flow.root].match] or [self.usual]


CONTACTS = Matchable(
    "contact",
    "contact-service/contact-search",
    "contactId",
    {
        "primaryEmail": Column("primaryEmail"),
        "secondaryEmail": Column("secondaryEmail"),
        "tertiaryEmail": Column("tertiaryEmail"),
        "firstName": Column("firstName", weak=True),
        "lastName": Column("lastName", weak=True),
        "companyName": Column("companyName"),
        "telephone": Column("pri", Compare.PHONE),
        "secondaryTelephone": Column("sec", Compare.PHONE),
        "mobileTelephone": Column("mob", Compare.PHONE),
    },
    ("primaryEmail",),
    ("firstName", "lastName", "primaryEmail", "companyName"),
)
PRODUCTS = Matchable(
    "product",
    "product-service/product-search",
    "productId",
    {
        "sku": Column("SKU", Compare.CODE),
        "barcode": Column("barcode", Compare.CODE),
        "ean": Column("EAN", Compare.CODE),
        "upc": Column("UPC", Compare.CODE),
        "isbn": Column("ISBN", Compare.CODE),
        "mpn": Column("MPN", Compare.CODE),
    },
    ("sku",),
    ("SKU", "productName"),
)
MATCHABLE = {"Contact": CONTACTS, "Product": PRODUCTS}


def check_match(flow: FlowSpec) -> None:
    """Raises ``Misconfigured`` where ``match`` names what Brightpearl cannot be searched for."""
    for name, spec in flow.objects.items():
        for rule in spec.match:
            kind = MATCHABLE[flow.target_object(name)]
            _check_rule(f"{flow.flow}.yaml: objects.{name}.match", rule, kind, {*spec.fields, spec.key_field})


def _check_rule(place: str, rule: Sequence[str], kind: Matchable, mapped: set[str]) -> None:
    for name in rule:
        if name not in kind.columns:
            hint = did_you_mean(name, kind.columns)
            raise Misconfigured(
                f"{place}: Brightpearl's search does not return {name} of a {kind.what}{hint}; it returns "
                f"{', '.join(kind.columns)}"
            )
        if name not in mapped:
            raise Misconfigured(f"{place}: {name} is not among the fields of this object")
    columns = [kind.columns[name] for name in rule]
    if not any(column.searched for column in columns):
        able = ", ".join(name for name, column in kind.columns.items() if column.searched)
        raise Misconfigured(
            f"{place}: {rule_text(list(rule))}: telephone numbers are compared, not searched for; add one of {able}"
        )
    if len(rule) == 1 and columns[0].weak:
        raise Misconfigured(f"{place}: {rule[0]} alone identifies nobody; add another field: [{rule[0]}, …]")


class Matcher:
    """Looks for records of one kind, ten searches to a call.

    Args:
        client: calls.
        flow: has the rules.
        kind: what is looked for.
        linked: what is known of the rows that Brightpearl has.
    """

    def __init__(
        self, client: BrightpearlClient, flow: FlowSpec, kind: Matchable, linked: LinkedRows
    ) -> None:
        self.client = client
        self.flow = flow
        self.kind = kind
        self.linked = linked

    def find(self, records: Sequence[Whole]) -> dict[str, str]:
        """Sets ``id`` of those that are found, or asks a person; returns the rule that found each, by source id."""
        known = self.new_ones(records) | self.linked.unfound
        left = [each for each in records if each.open and each.key not in known]
        found: dict[str, str] = {}
        for rule in self.kind.rules(self.flow):
            asked = [(each, values) for each in left if (values := self.values(rule, each))]
            asked = [pair for pair in asked if self._is_first(rule, *pair)]
            fitting = list(self.fitting(rule, asked))
            ids = {str(row[self.kind.id]) for _, rows in fitting for row in rows}
            owners = self.linked.owners(self.flow.root, ids) if ids else {}
            for each, rows in fitting:
                if self._took(rule, each, rows, owners):
                    found[each.source_id] = rule_text(rule)
            left = [each for each in left if each.open and not each.id]
        self.linked.unfound.update(each.key for each in left)
        return found

    def new_ones(self, records: Sequence[Whole]) -> set[str]:
        """The keys of those of which a person has said that Brightpearl does not have them."""
        return self.linked.new_ones(self.flow.root, [each.key for each in records])

    def min_searches(self, records: Sequence[Whole]) -> int:
        """The fewest searches for these records: one each for those that a rule applies to, and none for a repeat."""
        rules = self.kind.rules(self.flow)
        applied = (next(filter(None, (self.values(rule, each) for rule in rules)), ()) for each in records)
        return len({values for values in applied if values})

    def values(self, rule: Rule, each: Whole) -> tuple[str, ...]:
        """What a record has for a rule, empty where a value is missing."""
        mine = each.head.values if each.head else {}
        values = [_given(mine.get(name), self.kind.columns[name].compare) for name in rule]
        return tuple(values) if all(values) else ()

    def _is_first(self, rule: Rule, each: Whole, values: tuple[str, ...]) -> bool:
        normal = [
            _normal(value, self.kind.columns[name].compare) for name, value in zip(rule, values, strict=True)
        ]
        other = self.linked.first("\0".join((self.kind.what, *rule, *normal)), each.source_id)
        if other != each.source_id:
            each.ask(f"record {other} has the same {rule_text(rule)}: {self._two_records(each)}", rule[0])
        return each.open

    def fitting(
        self, rule: Rule, asked: Sequence[tuple[Whole, tuple[str, ...]]]
    ) -> Iterator[tuple[Whole, list[dict[str, Any]]]]:
        """The rows that Brightpearl has for each record, compared exactly: its searches find parts of a text too."""
        columns = [self.kind.columns[name] for name in rule]
        returned = list(dict.fromkeys((self.kind.id, *self.kind.shown, *(column.name for column in columns))))
        filters = [
            {column.name: value for column, value in zip(columns, values, strict=True) if column.searched}
            for _, values in asked
        ]
        paths = [
            f"{self.kind.search}?{urlencode(each, quote_via=quote, safe='')}&columns={','.join(returned)}"
            for each in filters
        ]
        for (each, values), answer, wanted in zip(asked, read(self.client, paths), filters, strict=True):
            if refused_search(each, answer, rule[0]):
                continue
            rows = list(rows_of(answer)) if _complete(answer) else self._all(returned, wanted)
            yield each, [row for row in rows if _fits(row, columns, values)]

    def _all(self, columns: Sequence[str], filters: Mapping[str, str]) -> list[dict[str, Any]]:
        found = self.client.search(self.kind.search, columns=columns, filters=filters, sort=self.kind.id)
        return list(found)

    def _took(
        self, rule: Rule, each: Whole, rows: Sequence[Mapping[str, Any]], owners: Mapping[str, str]
    ) -> bool:
        """Whether a record is the only row that fits, and no other record is that one."""
        what, by = self.kind.what, rule_text(rule)
        taken = {name: owner for name, owner in owners.items() if owner != each.source_id}
        listed = self._listed(rows, taken)
        if len(rows) > 1:
            each.ask(
                f"Brightpearl has {len(rows)} {what}s of this {by}; answer which one it is: "
                f"{self._command(each, f'--to {what.upper()}')}, or --new for none of them",
                rule[0],
                listed,
            )
            return False
        if not rows:
            return False
        target_id = str(rows[0][self.kind.id])
        owner = taken.get(target_id) or self.linked.first(f"{what} {target_id}", each.source_id)
        if owner != each.source_id:
            each.ask(
                f"{what} {target_id} of Brightpearl has this {by} and is that of record {owner}: "
                f"{self._two_records(each)}",
                rule[0],
                listed,
            )
            return False
        each.id = target_id
        return True

    def _two_records(self, each: Whole) -> str:
        source = self.flow.source_system
        return (
            f"two records cannot be one {self.kind.what}; merge them in {source}, or answer that this is another one: "
            f"{self._command(each, '--new')}"
        )

    def _command(self, each: Whole, answer: str) -> str:
        return f"`brightpearl match {self.flow.flow} --record {quote_word(each.source_id)} {answer}`"

    def _listed(self, rows: Iterable[Mapping[str, Any]], taken: Mapping[str, str]) -> str:
        """The candidates by id with what people know them by, at most ten."""
        named = []
        for row in sorted(rows, key=lambda row: int(row[self.kind.id])):
            target_id = str(row[self.kind.id])
            known = ", ".join(str(row[name]) for name in self.kind.shown if row.get(name))
            owner = f" (record {taken[target_id]})" if target_id in taken else ""
            named.append(f"{target_id} {known}{owner}".strip())
        more = len(named) - SHOWN
        return "; ".join([*named[:SHOWN], *([f"and {more} more"] if more > 0 else [])])


def _fits(row: Mapping[str, Any], columns: Sequence[Column], values: Sequence[str]) -> bool:
    tests = zip(columns, values, strict=True)
    return all(_same(row[column.name], value, column.compare) for column, value in tests)


def _given(value: Any, compare: Compare) -> str:
    """A value as it is searched for."""
    text = " ".join(str("" if value is None else value).split())
    if compare is Compare.PHONE and not any(map(str.isdigit, text)):
        return ""
    return text.casefold() if compare is Compare.TEXT else text


def _normal(value: str, compare: Compare) -> str:
    return "".join(filter(str.isdigit, value)) if compare is Compare.PHONE else value


def _same(theirs: Any, ours: str, compare: Compare) -> bool:
    if compare is not Compare.PHONE:
        return _given(theirs, compare) == ours
    return bool(theirs) and phonenumbers.is_number_match(str(theirs), ours) in _SAME_NUMBER


def _complete(answer: Answer) -> bool:
    return not (answer.value or {"metaData": {}})["metaData"].get("morePagesAvailable")
