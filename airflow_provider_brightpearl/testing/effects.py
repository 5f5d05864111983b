"""What a flow's target holds of each source record, without what no two runs have in common: ids, numbers, times."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from .evidence import Evidence, Row, as_text

# fields that the systems assign, by name
_ASSIGNED = {
    "salesforce": re.compile(
        r"Id$|^(Created|LastModified|Activated|LastViewed|LastReferenced).*|^SystemModstamp$|Number$|_Synced_At__c$"
    ),
    "infor": re.compile(r"^(LM..|RG..|CH..|ORNO|ORNR|TMPO|DLIX|RIDN|VONO|JRNO|JSNO|KEY1|PONR|DUE|PLSX)$"),
    "brightpearl": re.compile(r"^(id|version|.*On|.*Id|orderRowSequence)$"),
}
# what carries an assigned number inside, and how it looks without
_NUMBERED = re.compile(r"^(BP\d+)-\d+(?= |$)")
Key = Callable[[Row, Mapping[str, str]], str]


def _column(name: str) -> Key:
    return lambda row, _: str(row.get(name) or "")


def _of_order(*names: str) -> Key:
    """The key of a part: its order's, and what tells it from others of the order."""

    def key(row: Row, orders: Mapping[str, str]) -> str:
        order = orders.get(str(row.get("ORNO")), "")
        return "|".join([order, *(str(row.get(name, "")) for name in names)]) if order else ""

    return key


def _voucher(row: Row, _: Mapping[str, str]) -> str:
    journal = _NUMBERED.sub(r"\1", str(row.get("VTXT", "")).partition(" ")[0])
    return f"{journal}|{row.get('DBCR')}|{row.get('AIT1')}" if journal.startswith("BP") else ""


def _from_salesforce(row: Row, _: Mapping[str, str]) -> str:
    reference = str(row.get("externalRef") or "")
    return reference if reference.startswith("SF-") else ""


# collections by target and object: name, and the business key of a row; empty where the row is not the flows'
TABLES: dict[tuple[str, str], tuple[tuple[str, Key], ...]] = {
    ("infor", "Order"): (
        ("orders", _column("CUOR")),
        ("order_lines", _of_order("CUPO")),
        ("order_addresses", _of_order("ADRT")),
        ("order_charges", _of_order("CRID", "CRAM")),
    ),
    ("infor", "Journal"): (("vouchers", _voucher),),
    ("infor", "Customer"): (("customers", _column("CUNO")),),
    ("infor", "Item"): (("items", _column("ITNO")),),
    ("brightpearl", "SalesOrder"): (("order", _from_salesforce),),
}


@dataclass
class Effects:
    """The rows of a flow in its target.

    Args:
        rows: content by collection and business key, comparable between runs.
        twice: business keys that more than one row has.
        totals: how many rows each collection has, the flow's and others.
        known: whether the objects of the flow are known to the checker.
    """

    rows: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    twice: list[str] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)
    known: bool = True

    @classmethod
    def of(cls, evidence: Evidence) -> Effects:
        """Reads them from a target."""
        found = cls()
        for collection, key in _tables(evidence):
            rows = _rows(evidence, collection)
            orders = _orders(evidence) if evidence.target == "infor" else {}
            names = _names(evidence) if evidence.target == "salesforce" else {}
            found.totals[collection] = len(rows)
            keyed = [(each, row) for row in rows if (each := key(row, orders))]
            counted = Counter(each for each, _ in keyed)
            found.twice += [f"{collection} {each}" for each, count in counted.items() if count > 1]
            for each, row in keyed:
                found.rows[collection][each] = _content(row, evidence.target, names)
        found.known = bool(found.totals)
        return found

    def differing(self, others: Effects) -> list[str]:
        """Collections and keys whose rows are not those of others: missing, additional or of other content."""
        differing = []
        for name in sorted(self.rows.keys() | others.rows.keys()):
            mine, theirs = self.rows.get(name, {}), others.rows.get(name, {})
            differing += [
                f"{name} {key}"
                for key in sorted(mine.keys() | theirs.keys())
                if mine.get(key) != theirs.get(key)
            ]
        return differing


def _tables(evidence: Evidence) -> list[tuple[str, Key]]:
    objects: Mapping[str, Row] = evidence.flow["objects"]
    if evidence.target != "salesforce":
        kinds = {str(each.get("object", name)) for name, each in objects.items()}
        return [table for kind in sorted(kinds) for table in TABLES.get((evidence.target, kind), ())]
    fields: dict[str, list[str]] = {}
    for name, each in objects.items():
        fields.setdefault(str(each.get("object", name)), sorted(each["key"]))
    return [(name, _external_id(names)) for name, names in sorted(fields.items())]


def _external_id(names: Iterable[str]) -> Key:
    def key(row: Row, _: Mapping[str, str]) -> str:
        values = [str(row.get(name) or "") for name in names]
        return "|".join(values) if all(values) else ""

    return key


def _rows(evidence: Evidence, collection: str) -> list[Row]:
    rows = evidence.rows(evidence.target, collection)
    return [row for row in rows if row.get("CONO", "100") == "100" and not row.get("IsDeleted")]


def _orders(evidence: Evidence) -> dict[str, str]:
    """M3's numbers of orders with the customers' numbers of them, which are the source's ids."""
    return {row["ORNO"]: str(row.get("CUOR") or "") for row in _rows(evidence, "orders")}


def _names(evidence: Evidence) -> dict[str, str]:
    """Ids of Salesforce rows with what names them in every run."""
    names: dict[str, str] = {}
    for name, _ in _tables(evidence):
        for other in {name, "Account", "Contact", "Product2", "Pricebook2", "PricebookEntry"}:
            for row in evidence.rows("salesforce", other):
                names[row["Id"]] = as_text([row.get("Brightpearl_Id__c"), row.get("Name")])
    return names


def _content(row: Row, system: str, names: Mapping[str, str]) -> str:
    assigned = _ASSIGNED[system]
    kept = {name: value for name, value in row.items() if not assigned.search(name) or name.endswith("__c")}
    kept |= {name: names[str(value)] for name, value in row.items() if name != "Id" and str(value) in names}
    return as_text(_plain(kept, assigned))


def _plain(value: object, assigned: re.Pattern[str]) -> object:
    """Without assigned numbers, at any depth; rows by their assigned numbers become a list."""
    if isinstance(value, dict):
        if value and all(str(key).isdigit() for key in value):
            return sorted((_plain(each, assigned) for each in value.values()), key=as_text)
        return {
            key: _plain(each, assigned)
            for key, each in value.items()
            if not assigned.search(str(key)) or str(key).endswith(("__c", "productId", "contactId"))
        }
    if isinstance(value, list):
        return [_plain(each, assigned) for each in value]
    return _NUMBERED.sub(r"\1", value) if isinstance(value, str) else value
