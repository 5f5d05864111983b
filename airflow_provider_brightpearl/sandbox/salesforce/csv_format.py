"""The CSV format of the Bulk API (reference, sections 3.7 and 3.8)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from .errors import ApiError

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}

csv.field_size_limit(1_000_000)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The delimiter and line ending of a job, by their names in the API."""

    delimiter: str = "COMMA"
    line_ending: str = "LF"

    @classmethod
    def of(cls, body: Mapping[str, object]) -> Dialect:
        """The dialect that the body of a new job asks for. Raises: ApiError INVALID_JOB."""
        delimiter, line_ending = str(body.get("columnDelimiter", "COMMA")), str(body.get("lineEnding", "LF"))
        if delimiter not in DELIMITERS or line_ending not in LINE_ENDINGS:
            raise ApiError("INVALID_JOB", "columnDelimiter or lineEnding is not supported")
        return cls(delimiter, line_ending)

    def rows(self, text: str) -> Iterator[list[str]]:
        """The rows of a text, header first, without empty lines."""
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[self.delimiter])
        return (row for row in reader if row)

    def has_line_ending(self, text: str) -> bool:
        """True if the header line has the declared line ending."""
        end = text.find("\n")
        return end < 0 or (text[end - 1 : end] == "\r") == (self.line_ending == "CRLF")

    def write(self, rows: Iterable[Iterable[object]]) -> bytes:
        """Rows as CSV with every cell quoted."""
        out = io.StringIO()
        writer = csv.writer(
            out,
            delimiter=DELIMITERS[self.delimiter],
            quoting=csv.QUOTE_ALL,
            lineterminator=LINE_ENDINGS[self.line_ending],
        )
        writer.writerows(rows)
        return out.getvalue().encode()
