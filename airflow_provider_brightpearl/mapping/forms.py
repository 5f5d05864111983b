"""Values that people type in the target, in the form in which a flow's mapping would write them.

Two flows of one entity compare both sides in that form: ``020 7946 0000`` is the number that ``phone`` writes as
``+442079460000``, and is no change of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cached_property
from typing import Any

import sqlglot
from sqlglot import exp

from airflow_provider_brightpearl.core.merge import Value
from airflow_provider_brightpearl.flow.spec import FlowSpec
from airflow_provider_brightpearl.mapping import addresses

Row = Mapping[str, Any]
_BY_COUNTRY: Mapping[str, Callable[[str | None, str | None], str | None]] = {
    "phone": addresses.phone,
    "region": addresses.region,
    "postcode": addresses.postcode,
}


@dataclass(frozen=True, slots=True)
class _Form:
    """How a field is written: the outermost function of its expression, and what else decides.

    ``country`` is the field of the same row that holds the country; ``places`` are those of a rounded number.
    """

    function: str
    country: str = ""
    places: int = 0


class Forms:
    """The forms of one flow's fields, by the outermost function of their expressions, such as ``phone``.

    Args:
        flow: whose target's rows are compared.
    """

    def __init__(self, flow: FlowSpec) -> None:
        self.flow = flow

    def of(self, object_name: str, row: Row, names: Iterable[str]) -> dict[str, Value]:
        """The values of a target's row in that form; a field that the row lacks is None.

        Args:
            object_name: as in the flow file.
            row: values by field, as the target holds them.
            names: the fields wanted.
        """
        return {name: self._value(object_name, row, name) for name in names}

    def beside(self, object_name: str, names: Iterable[str]) -> list[str]:
        """The fields wanted, and those of the same row that decide their form."""
        wanted = list(names)
        forms = (self._forms.get((object_name, name)) for name in wanted)
        return list(dict.fromkeys([*wanted, *(form.country for form in forms if form and form.country)]))

    def _value(self, object_name: str, row: Row, name: str) -> Value:
        value: Value = held(row, name)
        form = self._forms.get((object_name, name))
        if form is None or value is None:
            return value
        if form.function == "round":
            return _rounded(value, form.places)
        text = str(value)
        if form.function in _BY_COUNTRY:
            country = held(row, form.country) if form.country else None
            return _BY_COUNTRY[form.function](text, _country(str(country)) if country else None)
        return _TEXT[form.function](text)

    @cached_property
    def _forms(self) -> dict[tuple[str, str], _Form]:
        found: dict[tuple[str, str], _Form] = {}
        for object_name, spec in self.flow.objects.items():
            parsed = {name: sqlglot.parse_one(text, read="duckdb") for name, text in spec.fields.items()}
            by_text = {node.sql("duckdb"): name for name, node in parsed.items()}
            for name, node in parsed.items():
                if form := _form_of(node, by_text):
                    found[object_name, name] = form
        return found


def held(row: Row, name: str) -> Any:
    """A field of a row; an org without state and country picklists has the text field of a code alone."""
    return row.get(name) if row.get(name) is not None else row.get(name.removesuffix("Code"))


def _form_of(node: exp.Expression, fields: Mapping[str, str]) -> _Form | None:
    if isinstance(node, (exp.Lower, exp.Upper)):
        return _Form(node.key)
    if isinstance(node, exp.Round):
        return _Form("round", places=int(str(node.args.get("decimals") or 0)))
    if not isinstance(node, exp.Anonymous):
        return None
    name = str(node.this).lower()
    if name in _BY_COUNTRY:
        return _Form(name, fields.get(node.expressions[1].sql("duckdb"), ""))
    return _Form(name) if name in _TEXT else None


def _rounded(value: Any, places: int) -> Value:
    try:
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    except InvalidOperation:
        return str(value)


def _country(text: str) -> str:
    """Its code of two letters; what is no country stays as it is."""
    return addresses.country(text) or text.strip()


def _street(text: str) -> str:
    """A street of more than two lines has the others in the second: an address has no more of them."""
    first, *others = [" ".join(line.split()) for line in text.splitlines() if line.strip()] or [""]
    return "\n".join(filter(None, (first, ", ".join(others))))


_TEXT: Mapping[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "country": _country,
    "street": _street,
}
