"""The part of a flow file that says how its two systems are compared, and what is done about differences."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _days(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not (isinstance(value, str) and value.endswith("d") and value[:-1].isdigit() and int(value[:-1])):
        raise ValueError(f"{value!r} is not a number of days; write it as 7d")
    return timedelta(days=int(value[:-1]))


def _exact(value: object) -> object:
    # a number of YAML has gone through floating point, and its shortest text is what was written
    return str(value) if isinstance(value, (int, float)) else value


Days = Annotated[timedelta, BeforeValidator(_days, json_schema_input_type=str), Field(examples=["7d"])]
Exact = Annotated[Decimal, BeforeValidator(_exact, json_schema_input_type=str | float), Field(ge=0)]


class ReconcileSpec(BaseModel):
    """How records of the source are compared with rows of the first object, and what becomes of differences."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    period: Days = Field(
        timedelta(days=30), description="How long ago the records that are compared may have been created"
    )
    amount: str | None = Field(
        None, description="Field of the first object that has to hold the amount of totals:"
    )
    currency: str | None = Field(
        None, description="Field that holds its currency; CurrencyIsoCode where the flow writes that"
    )
    tolerance: Exact = Field(
        Decimal(0), description="How far amounts may lie apart, for targets that keep fewer decimals"
    )
    max_repair: int = Field(
        100, ge=0, le=10_000, description="Above so many differences nothing is repaired, and the task fails"
    )
    deleted: Literal["ignore", "report", "remove"] = Field(
        "report", description="What becomes of rows whose source record was deleted"
    )
    removed_as: dict[str, Any] = Field(
        default={}, description="Fields to set, with deleted: remove, instead of deleting the row"
    )

    @model_validator(mode="after")
    def _fits(self) -> ReconcileSpec:
        if self.removed_as and self.deleted != "remove":
            raise ValueError("removed_as goes with deleted: remove")
        if not self.amount and (self.currency or self.tolerance):
            raise ValueError("currency and tolerance go with amount")
        return self
