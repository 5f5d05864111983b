"""The part of a flow file that says what is written back to a record once it is in the target."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

ALWAYS = frozenset({"target_id", "source_id", "key"})


def _template(text: str) -> str:
    for _, name, form, conversion in Formatter().parse(text):
        if name is not None and (not name.isidentifier() or form or conversion):
            raise ValueError(
                f"{{{name}}} is not a name; write one such as {{target_id}}, and {{{{ for a brace"
            )
    return text


Template = Annotated[str, AfterValidator(_template), Field(min_length=1, examples=["M3 order {target_id}"])]


class WriteBackSpec(BaseModel):
    """What is written back to the source record: fields to set, a note to add, or both.

    Texts may hold ``{target_id}``, ``{source_id}``, ``{key}``, and what the target returns
    for the row, under its own names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fields: dict[str, Template] = Field(default={}, description="Field of the source to text")
    note: Template | None = Field(None, description="Text of a note, added once per target row")

    @model_validator(mode="after")
    def _not_empty(self) -> WriteBackSpec:
        if not self.fields and not self.note:
            raise ValueError("names neither fields nor a note")
        return self

    def names(self) -> set[str]:
        """The names in its texts."""
        texts = [*self.fields.values(), self.note or ""]
        return {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}


def render(template: str, values: Mapping[str, str]) -> str:
    """A text with its names replaced; what the target did not return is empty."""
    return template.format_map(_Returned(values))


class _Returned(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""
