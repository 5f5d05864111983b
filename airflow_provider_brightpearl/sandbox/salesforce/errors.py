"""Errors in the vendor's format; codes and texts from the reference, section 3.9, where it has them."""

from __future__ import annotations

from collections.abc import Iterable


class ApiError(Exception):
    """The org rejects a request or a row."""

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
        """The body of an error response: a JSON array with `errorCode`."""
        error: dict[str, object] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            error["fields"] = self.fields
        return [{**error, **self.details}]

    def as_row_error(self) -> dict[str, object]:
        """The error of a row in a collection, which has `statusCode` instead of `errorCode`."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}

    def as_bulk_error(self) -> str:
        """The `sf__Error` cell of a bulk result, in a format that the reference infers."""
        return f"{self.code}:{self.message}:{','.join(self.fields)} --"


class UnknownAddress(ApiError):
    """The org has no such path, or not with this method; the answer is the vendor's own."""


def address_not_found() -> ApiError:
    """The error for a path that does not exist; the same as for a record that does not exist."""
    return UnknownAddress("NOT_FOUND", "The requested resource does not exist", status=404)


def resource_not_found() -> ApiError:
    """The error for a path or record that does not exist."""
    return ApiError("NOT_FOUND", "The requested resource does not exist", status=404)


def external_id_field_not_found() -> ApiError:
    """The error for a key field that is hidden or not an external id."""
    return ApiError("NOT_FOUND", "Provided external ID field does not exist or is not accessible", status=404)


def no_such_column(column: str, entity: str) -> ApiError:
    """The error for a field that the object does not have."""
    return ApiError("INVALID_FIELD", f"No such column '{column}' on sobject of type {entity}", [column])


def no_such_type(name: str) -> ApiError:
    """The error for an unknown object in a body or query."""
    return ApiError("INVALID_TYPE", f"sObject type '{name}' is not supported.")


def malformed_json(message: str) -> ApiError:
    """The error for a body without the expected structure."""
    return ApiError("JSON_PARSER_ERROR", message)
