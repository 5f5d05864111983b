"""Two flows of one entity, one in each direction: which fields are one, and whose value counts.

The flow that was there first holds the links and ``authority``; the one of the other direction names it in ``reverse``.
Both compare in one form, that of the first flow's target. Without fields they share nothing but the links.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from airflow_provider_brightpearl.core.merge import Rule
from airflow_provider_brightpearl.core.suggest import did_you_mean

if TYPE_CHECKING:
    from airflow_provider_brightpearl.flow.spec import FlowSpec

# an object and one of its fields, as in Account.Phone
Place = Annotated[str, Field(pattern=r"^[A-Za-z]\w*\.[A-Za-z]\w*$", examples=["Account.Phone"])]
# an object, or one of its fields
Part = Annotated[str, Field(pattern=r"^[A-Za-z]\w*(\.[A-Za-z]\w*)?$", examples=["ProductPrice"])]
Side = Annotated[str, Field(pattern=r"^[a-z0-9_]+$", examples=["brightpearl", "newest", "manual"])]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AuthoritySpec(_Model):
    """Whose value counts where both sides changed a field: a system by name, the newest, or a person (manual)."""

    default: Side = Field(description="For fields that are not named")
    fields: dict[Place, Side] = Field(default={}, description="Object and field to whose value counts")

    def side(self, place: str) -> str:
        return self.fields.get(place, self.default)


class RowLink(_Model):
    """Each row of an object with ``rows:`` is linked with the entry of the record that it comes from."""

    object: str = Field(description="Object of this flow with rows:")
    id: str = Field(description="Where an entry of these rows holds the id of that flow's row")


class ReverseSpec(_Model):
    """The flow of the other direction, and how the records of this one correspond to its rows."""

    of: str = Field(description="Name of the flow of the other direction")
    objects: dict[str, str | RowLink] = Field(
        min_length=1,
        description="Objects of that flow: where records of this stream hold the row's id, with its fields beside it; "
        "or the object of this flow whose rows are those rows",
        examples=[{"Account": "Id", "Contact": "Contacts[1].Id"}],
    )
    fields: dict[Place, Place] = Field(
        default={},
        description="Object and field of this flow: object and field of that flow that are one with it; none if "
        "nothing is edited on both sides",
        examples=[{"Contact.email": "Contact.Email"}],
    )
    one_way: list[Part] = Field(
        default=[],
        description="Objects and fields of this flow that nobody brings back: written whenever they change",
        examples=[["ProductPrice", "Product.status"]],
    )

    def goes_one_way(self, name: str, field: str) -> bool:
        """Whether a field of an object is written by this flow alone."""
        return name in self.one_way or f"{name}.{field}" in self.one_way

    @property
    def paths(self) -> dict[str, str]:
        """Objects of that flow with one row a record, and where records hold its id, as ``dotted`` gives it."""
        return {name: dotted(each) for name, each in self.objects.items() if isinstance(each, str)}

    @property
    def rows(self) -> dict[str, RowLink]:
        """Objects of that flow with several rows a record."""
        return {name: each for name, each in self.objects.items() if isinstance(each, RowLink)}


def dotted(path: str) -> str:
    """A path with the places of lists as steps from 0, ``Contacts.0.Id`` for ``Contacts[1].Id`` of expressions."""
    return re.sub(r"\[(\d+)\]", lambda found: f".{int(found[1]) - 1}", path)


def rule_of(flow: FlowSpec, place: str, *, forward: bool) -> Rule:
    """Whose value counts for a field of a flow with ``authority``.

    Args:
        flow: the flow that holds the links.
        place: object and field of that flow.
        forward: whether that flow runs, or the one of the other direction, for which source and target are exchanged.
    """
    side = flow.authority.side(place) if flow.authority else flow.source_system
    if side in (Rule.NEWEST, Rule.MANUAL):
        return Rule(side)
    return Rule.SOURCE if (side == flow.source_system) is forward else Rule.TARGET


def target_deletions(flows: Sequence[FlowSpec]) -> dict[str, str]:
    """What becomes of a record whose row the target has deleted, by flow, of flows with a flow of the other direction.

    That is what the other flow says of records that its source has deleted: ``report`` where it says nothing. Flows
    that are not named send such records again.
    """
    known = {flow.flow: flow for flow in flows}
    found: dict[str, str] = {}
    for flow in flows:
        there = known.get(flow.reverse.of) if flow.reverse else None
        if there and there.authority:
            found |= {there.flow: _deleted(flow), flow.flow: _deleted(there)}
    return found


def _deleted(flow: FlowSpec) -> str:
    return flow.reconcile.deleted if flow.reconcile else "report"


def two_way_problems(
    flows: Sequence[FlowSpec], faulty: Collection[str] = ()
) -> Iterator[tuple[frozenset[str], str]]:
    """What is wrong between flows of both directions: the flows concerned, and a sentence that names both places.

    Args:
        flows: all flows of a folder.
        faulty: flows whose files cannot be read; what names them is not judged.
    """
    known = {flow.flow: flow for flow in flows}
    taken: dict[tuple[str, str], str] = {}
    paired = target_deletions(flows)
    for flow in flows:
        if flow.authority:
            yield from _authority_problems(flow)
        if _deleted(flow) == "detach" and flow.flow not in paired:
            text = "reconcile.deleted: detach needs a flow of the other direction; without one, write report"
            yield frozenset({flow.flow}), f"{flow.flow}.yaml: {text}"
        if flow.reverse is None or flow.reverse.of in faulty:
            continue
        place = f"{flow.flow}.yaml: reverse"
        there = known.get(flow.reverse.of)
        if there is None:
            hint = did_you_mean(flow.reverse.of, known)
            yield frozenset({flow.flow}), f"{place}.of: there is no flow {flow.reverse.of}{hint}"
            continue
        both = frozenset({flow.flow, there.flow})
        if flow.authority:
            kept = "it is there already, so remove it here" if there.authority else "move it there"
            text = (
                f"authority: counts in {there.flow}.yaml, which reverse.of names, for both directions; {kept}"
            )
            yield both, f"{flow.flow}.yaml: {text}"
        yield from ((both, f"{place}{text}") for text in _pair_problems(flow, there))
        for theirs in sorted(set(flow.reverse.fields.values())):
            other = taken.setdefault((there.flow, theirs), flow.flow)
            if other != flow.flow:
                text = f"{place}.fields: {theirs} of {there.flow}.yaml is one with a field of {other}.yaml already"
                yield frozenset({flow.flow, other}), text


def _authority_problems(flow: FlowSpec) -> Iterator[tuple[frozenset[str], str]]:
    sides = (flow.source_system, flow.target, Rule.NEWEST.value, Rule.MANUAL.value)
    named: Mapping[str, str] = flow.authority.fields if flow.authority else {}
    default = flow.authority.default if flow.authority else ""
    for place, side in [("default", default), *((f"fields.{name}", side) for name, side in named.items())]:
        if side not in sides:
            text = f"{flow.flow}.yaml: authority.{place}: {side!r} is none of {', '.join(sides)}"
            yield frozenset({flow.flow}), text
    for name in named:
        if not _has(flow, name):
            yield (
                frozenset({flow.flow}),
                f"{flow.flow}.yaml: authority.fields: {name} is not a field of this flow",
            )


def _pair_problems(flow: FlowSpec, there: FlowSpec) -> Iterator[str]:
    reverse = flow.reverse
    if reverse is None:
        return
    if (there.source_system, there.target) != (flow.target, flow.source_system):
        yield f".of: {there.flow} goes from {there.source_system} to {there.target}, which is not the other direction"
        return
    if reverse.fields and there.authority is None:
        yield f": {there.flow}.yaml has no authority:, which says whose value counts where both sides changed a field"
    if unknown := [name for name in reverse.objects if name not in there.objects]:
        yield f".objects: {unknown[0]} is not an object of {there.flow}.yaml{did_you_mean(unknown[0], there.objects)}"
    if there.root not in reverse.paths:
        wrong = "has one row a record: name its path" if there.root in reverse.objects else "is missing"
        yield f".objects: {there.root}, the first object of {there.flow}.yaml, {wrong}"
    for name, link in reverse.rows.items():
        if link.object not in flow.objects:
            hint = did_you_mean(link.object, flow.objects)
            yield f".objects.{name}: {link.object} is not an object of this flow{hint}"
        elif not flow.objects[link.object].rows:
            yield f".objects.{name}: {link.object} has one row a record and no rows: of its own"
    for mine, theirs in reverse.fields.items():
        if not _has(flow, mine):
            yield f".fields: {mine} is not a field of this flow"
        if not _has(there, theirs):
            yield f".fields.{mine}: {theirs} is not a field of {there.flow}.yaml"
        elif (name := theirs.partition(".")[0]) not in reverse.paths:
            wrong = (
                "is linked row by row, and takes no fields"
                if name in reverse.rows
                else "is not among objects:"
            )
            yield f".fields.{mine}: {name} {wrong}"
    yield from _one_way_problems(flow, reverse)
    for name, spec in flow.objects.items() if reverse.fields else ():
        for field in sorted({*spec.fields} - spec.sent_on_create):
            if f"{name}.{field}" not in reverse.fields and not reverse.goes_one_way(name, field):
                yield (
                    f".fields: {name}.{field} is written by this flow, and nothing says which field of "
                    f"{there.flow}.yaml is one with it; name it, or declare it create_only or one_way"
                )


def _one_way_problems(flow: FlowSpec, reverse: ReverseSpec) -> Iterator[str]:
    for each in reverse.one_way:
        name, _, field = each.partition(".")
        if name not in flow.objects or (field and field not in flow.objects[name].fields):
            yield f".one_way: {each} is not an object or field of this flow"
        elif both := [mine for mine in reverse.fields if mine == each or mine.partition(".")[0] == each]:
            yield f".one_way: {both[0]} is among fields: as well; name it in one of them"


def _has(flow: FlowSpec, place: str) -> bool:
    name, _, field = place.partition(".")
    return name in flow.objects and field in flow.objects[name].fields
