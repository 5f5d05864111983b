"""Refusals in Salesforce's own words; codes and texts from the reference page, section 3.9."""

from __future__ import annotations

from collections.abc import Iterable


class Refused(Exception):
    """A request or a row that the org does not accept."""

    def __init__(
        self,
        code: str,
        message: str,
        fields: Iterable[str] = (),
        *,
        status: int = 400,
        details: dict[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = list(fields)
        self.status = status
        self.details = details or {}

    def as_request_error(self) -> list[dict[str, object]]:
        """The body of a refused request: a JSON array with `errorCode`."""
        error: dict[str, object] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            error["fields"] = self.fields
        return [{**error, **self.details}]

    def as_row_error(self) -> dict[str, object]:
        """The error of one row in a collection: `statusCode` instead of `errorCode`."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}

    def as_bulk_error(self) -> str:
        """The `sf__Error` cell of a bulk result; the text form is inferred in the reference."""
        return f"{self.code}:{self.message}:{','.join(self.fields)} --"


def resource_missing() -> Refused:
    """The answer for a path or record that is not there."""
    return Refused("NOT_FOUND", "The requested resource does not exist", status=404)


def external_field_missing() -> Refused:
    """The answer for a key field that is no external id or is hidden."""
    return Refused("NOT_FOUND", "Provided external ID field does not exist or is not accessible", status=404)


def no_such_column(column: str, entity: str) -> Refused:
    """The answer for a field that the object does not have."""
    return Refused("INVALID_FIELD", f"No such column '{column}' on sobject of type {entity}", [column])


def no_such_type(name: str) -> Refused:
    """The answer for an object in a body or query that the org does not have."""
    return Refused("INVALID_TYPE", f"sObject type '{name}' is not supported.")


def bad_json(message: str) -> Refused:
    """The answer for a body that does not have the expected shape."""
    return Refused("JSON_PARSER_ERROR", message)
