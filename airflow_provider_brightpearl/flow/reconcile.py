"""The part of a flow file that says how its two systems are compared, and what is done about differences."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from airflow_provider_brightpearl.core.suggest import did_you_mean
from airflow_provider_brightpearl.flow.durations import Duration


def _exact(value: object) -> object:
    # YAML reads numbers as floating point; their shortest text is what was written
    return str(value) if isinstance(value, (int, float)) else value


def _not_empty(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("a period of 0 compares nothing; write one such as 30d")
    return value


Deleted = Literal["ignore", "report", "detach", "propagate", "remove"]


def _removed(value: object) -> object:
    known = get_args(Deleted)
    if value not in known:
        raise ValueError(f"{value!r} must be one of {', '.join(known)}{did_you_mean(str(value), known)}")
    # two words for one thing
    return "remove" if value == "propagate" else value


Exact = Annotated[Decimal, BeforeValidator(_exact, json_schema_input_type=str | float), Field(ge=0)]


class ReconcileSpec(BaseModel):
    """How records of the source are compared with rows of the first object, and what becomes of differences."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    period: Annotated[Duration, AfterValidator(_not_empty)] = Field(
        timedelta(days=30), description="Records created within this period are compared"
    )
    amount: str | None = Field(
        None, description="Field of the first object that has to hold the amount of totals:"
    )
    currency: str | None = Field(
        None, description="Field that holds its currency; CurrencyIsoCode where the flow writes that"
    )
    fields: list[str] | Literal["all"] = Field(
        [], description="Fields of the first object that have to hold what the flow would write, or all"
    )
    tolerance: Exact = Field(
        Decimal(0), description="How far amounts may lie apart, for targets that keep fewer decimals"
    )
    max_repair: int = Field(
        100, ge=0, le=10_000, description="Above so many differences nothing is repaired, and the task fails"
    )
    deleted: Annotated[
        Literal["ignore", "report", "detach", "remove"],
        BeforeValidator(_removed, json_schema_input_type=Deleted),
    ] = Field("report", description="What becomes of rows whose source record was deleted")
    soft_delete: dict[str, Any] = Field(
        default={}, description="Fields to set, with deleted: remove, instead of deleting the row"
    )

    @property
    def named(self) -> list[str]:
        """The fields that are named one by one."""
        return [] if self.fields == "all" else self.fields

    @model_validator(mode="after")
    def _fits(self) -> ReconcileSpec:
        if self.soft_delete and self.deleted != "remove":
            raise ValueError("soft_delete goes with deleted: remove")
        if not self.amount and (self.currency or self.tolerance):
            raise ValueError("currency and tolerance go with amount")
        return self
