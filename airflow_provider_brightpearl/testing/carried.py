"""Whether a target shows its source's values: of the expressions that copy one, worked out from the record itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from .evidence import Evidence, Row

# half a unit of the last place, as targets round amounts
_SLACK = Decimal("0.006")


def _reference(length: int) -> Callable[[Row, ZoneInfo], object]:
    return lambda row, _: row["reference"].strip(" ")[:length]


# of the stream, the collection of its records and their id, and what an expression is for a record
_STREAMS: dict[str, tuple[str, str, dict[str, Callable[[Row, ZoneInfo], object]]]] = {
    "brightpearl.sales_orders": (
        "order",
        "id",
        {
            "placedOn::DATE": lambda row, zone: (
                datetime.fromisoformat(row["placedOn"]).astimezone(zone).date()
            ),
            "currency.orderCurrencyCode": lambda row, _: row["currency"]["orderCurrencyCode"],
            "totalValue.net": lambda row, _: Decimal(row["totalValue"]["net"]),
            "left(text(reference), 80)": _reference(80),
            "left(text(reference), 30)": _reference(30),
        },
    )
}
_COLLECTIONS = {("infor", "Order"): "orders"}


def not_carried(evidence: Evidence) -> list[str]:
    """Fields of linked records that do not show the source's value, and rows whose account is none."""
    return [*_differing(evidence), *_dangling(evidence)]


def _differing(evidence: Evidence) -> Iterator[str]:
    stream = str(evidence.flow["source"])
    if stream not in _STREAMS:
        return
    collection, name, known = _STREAMS[stream]
    sources = {str(row[name]): row for row in evidence.rows(stream.partition(".")[0], collection)}
    linked = {row["source_id"] for row in evidence.bindings} - evidence.letters.keys()
    zone = ZoneInfo(str(evidence.flow.get("timezone", "UTC")))
    for key, spec in evidence.flow["objects"].items():
        kind = str(spec.get("object", key))
        rows = _COLLECTIONS.get((evidence.target, kind), kind)
        ids = [field for field, expression in spec["key"].items() if expression == name]
        fields = {field: known[each] for field, each in spec.get("fields", {}).items() if each in known}
        if not ids or "rows" in spec or "parent" in spec or evidence.target not in ("salesforce", "infor"):
            continue
        for row in evidence.rows(evidence.target, rows):
            source_id = str(row.get(ids[0]) or "")
            if source_id in linked and source_id in sources:
                # a field that is compared and not sent is none of the row's
                for field, value_of in ((each, of) for each, of in fields.items() if each in row):
                    expected = value_of(sources[source_id], zone)
                    if not _is_shown(row.get(field), expected):
                        yield f"{kind} {source_id}: {field} is {row.get(field)!r}, the source has {expected}"


def _is_shown(value: Any, expected: object) -> bool:
    if isinstance(expected, date):
        return str(value)[:10].replace("-", "") == f"{expected:%Y%m%d}"
    if isinstance(expected, Decimal):
        return abs(Decimal(str(value or 0)) - expected) <= _SLACK
    # what cannot be written, such as NUL, is left out or rejected
    return not str(expected).isprintable() or str(value or "") == expected


def _dangling(evidence: Evidence) -> Iterator[str]:
    if evidence.target != "salesforce":
        return
    accounts = {row["Id"] for row in evidence.rows("salesforce", "Account")}
    for kind in sorted({str(each.get("object", name)) for name, each in evidence.flow["objects"].items()}):
        for row in evidence.rows("salesforce", kind):
            if row.get("AccountId") and row["AccountId"] not in accounts:
                yield f"{kind} {row['Id']} belongs to account {row['AccountId']}, which does not exist"
