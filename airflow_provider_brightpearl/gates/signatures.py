"""What the expectations of the table take: arguments with their types.

They accept no more than Great Expectations does, and nothing that it would read as something else: ``"5"`` for a
length, ``1`` for a switch, a ``row_condition``. What they do not accept is no error; Great Expectations decides.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

_BOUND = re.compile(r"[+-]?\d+(\.\d+)?|\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?")


def _number_or_instant(text: str) -> str:
    if not _BOUND.fullmatch(text):
        raise ValueError("neither a number nor an instant")
    if text[4:5] == "-":
        datetime.fromisoformat(text)
    return text


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(str(error)) from error
    return text


# beyond this a whole number is another one as floating point
Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
Number = Whole | FiniteFloat
Bound = Number | datetime | date | Annotated[str, AfterValidator(_number_or_instant)]
Name = Annotated[str, Field(min_length=1)]


class Signature(BaseModel):
    """What every expectation takes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    notes: str | list[str] | None = None
    severity: Literal["critical", "warning", "info"] = "critical"


class ByRow(Signature):
    """An expectation about each row."""

    mostly: Annotated[float, Field(ge=0, le=1)] = 1


class Values(ByRow):
    """An expectation about the values of one column."""

    column: Name


class Between(Values):
    """Values between bounds, of which one is needed."""

    min_value: Bound | None = None
    max_value: Bound | None = None
    strict_min: bool = False
    strict_max: bool = False

    @model_validator(mode="after")
    def _bounded(self) -> Between:
        if self.min_value is None and self.max_value is None:
            raise ValueError("a bound is needed")
        return self


class Lengths(Between):
    """Texts of a length between bounds."""

    min_value: Whole | None = None
    max_value: Whole | None = None


class Length(Values):
    """Texts of one length."""

    value: Number


class InSet(Values):
    """Values of a set, or none of them."""

    value_set: list[str | bool | int | FiniteFloat | datetime | date | None]


class Regex(Values):
    """Texts in which a regex of Python is found, or is not."""

    regex: Annotated[str, AfterValidator(_regex)]


class Pair(ByRow):
    """Two columns, row by row."""

    column_A: Name
    column_B: Name
    ignore_row_if: Literal["both_values_are_missing", "either_value_is_missing", "neither"] = (
        "both_values_are_missing"
    )


class Greater(Pair):
    """Two columns, of which the first is the greater one."""

    or_equal: bool | None = None


class Compound(ByRow):
    """Several columns together."""

    column_list: Annotated[list[Name], Field(min_length=2)]
    ignore_row_if: Literal["all_values_are_missing", "any_value_is_missing", "never"] = (
        "all_values_are_missing"
    )

    @model_validator(mode="after")
    def _once(self) -> Compound:
        if len(set(self.column_list)) < len(self.column_list):
            raise ValueError("a column is named twice")
        return self


class Extreme(Signature):
    """The smallest or largest value of a column."""

    column: Name
    min_value: Bound | None = None
    max_value: Bound | None = None
    strict_min: bool = False
    strict_max: bool = False


class Statistic(Extreme):
    """A number that is made of all values of a column."""

    min_value: Number | None = None
    max_value: Number | None = None


class RowCount(Signature):
    """The number of rows."""

    min_value: Whole | None = None
    max_value: Whole | None = None
    strict_min: bool = False
    strict_max: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> RowCount:
        if self.min_value is not None and self.max_value is not None and self.min_value > self.max_value:
            raise ValueError("the bounds are the wrong way round")
        return self


def fits(signature: type[Signature], options: dict[str, Any]) -> bool:
    """Whether the signature takes these arguments."""
    try:
        signature.model_validate(options)
    except ValueError:
        return False
    return True
