"""Where records hold the rows of the other flow: the paths of ``reverse.objects`` against the columns of the stream."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from airflow_provider_brightpearl.core.schema import Column, ListOf, MapOf, Schema, UnknownColumn, find
from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.flow.two_way import dotted

if TYPE_CHECKING:
    from airflow_provider_brightpearl.flow.spec import FlowSpec
    from airflow_provider_brightpearl.flow.two_way import ReverseSpec, RowLink

_MANY = (ListOf, MapOf)
# a place in a list that is written neither as in expressions nor, as before brackets were, as .0 for the first
_PLACE = re.compile(r"\.(?!0\b)\d+\b|\[0+\]")


def path_problems(flow: FlowSpec, columns: Schema) -> Iterator[str]:
    """What is wrong with the paths of ``reverse``, each a sentence with file and field.

    A path leads to one column of the stream, or of the entries of ``rows:``. The fields that are one with those of the
    other flow stand beside it: a field that is nowhere would count as empty on this side.

    Args:
        flow: any flow; one without ``reverse`` has no problem.
        columns: those of its stream.
    """
    reverse = flow.reverse
    for name, each in reverse.objects.items() if reverse else ():
        place = f"{flow.flow}.yaml: reverse.objects.{name}"
        try:
            if not isinstance(each, str):
                _check_entry(flow, each, columns)
                continue
            steps = dotted(each).split(".")
            _single(_walk(columns, each, steps))
            holder = _walk(columns, each, steps[:-1])
        except UnknownColumn as error:
            path = each if isinstance(each, str) else f"id: {each.id}"
            yield f"{place}: {path}: {error}"
            continue
        if reverse and isinstance(holder, Mapping):
            yield from _absent(f"{flow.flow}.yaml", reverse, name, each, holder, columns)


def _check_entry(flow: FlowSpec, link: RowLink, columns: Schema) -> None:
    rows = flow.objects[link.object].rows if link.object in flow.objects else None
    try:
        many = find(columns, tuple(rows.split("."))) if rows else None
    except UnknownColumn:
        return  # said of rows: itself
    if isinstance(many, _MANY):
        try:
            _single(_walk(many.entry, link.id, dotted(link.id).split(".")))
        except UnknownColumn as error:
            raise UnknownColumn(f"entries of {rows}: {error}") from None


def _walk(columns: Column, path: str, steps: list[str]) -> Column:
    """The column at these steps of a path; JSON is not entered, as its keys differ per account."""
    if wrong := _PLACE.search(path):
        list_name, rest = path[: wrong.start()], path[wrong.end() :]
        first = f'"{list_name}[1]{rest}"'
        raise UnknownColumn(
            f"entries are counted from 1, in brackets, as in expressions: {first} is the first"
        )
    column = columns
    for depth, step in enumerate(steps):
        place = ".".join(steps[:depth])
        if isinstance(column, str):
            if column.startswith("JSON"):
                return column
            raise UnknownColumn(f"{place} is a single {column} and has nothing below it")
        if isinstance(column, ListOf) and step.isdigit():
            column = column.entry
        elif isinstance(column, _MANY):
            first = (
                f'write "{place}[1].{step}" for that of the first, or ' if isinstance(column, ListOf) else ""
            )
            raise UnknownColumn(f"{place} holds many entries; {first}link them by object: and id:")
        else:
            column = find(column, (step,))
    return column


def _single(column: Column) -> None:
    if isinstance(column, str):
        return
    known = column.entry if isinstance(column, _MANY) else column
    raise UnknownColumn(f"is no single value; name the field that holds the id. Known: {', '.join(known)}")


def _absent(
    file: str, reverse: ReverseSpec, name: str, path: str, holder: Schema, columns: Schema
) -> Iterator[str]:
    """The fields of an object that do not stand beside its id."""
    elsewhere = {each for column in columns.values() for each in _names(column)}
    for mine, theirs in reverse.fields.items():
        of, _, field = theirs.partition(".")
        # what users have added is in no schema
        added = "custom" in holder and field not in elsewhere | {*columns}
        if of == name and field not in holder and not added:
            hint = did_you_mean(field, holder)
            yield (
                f"{file}: reverse.fields.{mine}: {theirs} does not stand beside reverse.objects.{name}, {path}, "
                f"and would count as empty{hint}"
            )


def _names(column: Column) -> Iterator[str]:
    known = column.entry if isinstance(column, _MANY) else column
    if not isinstance(known, str):
        yield from known
