"""The CSV format of the Bulk API (reference, sections 3.7 and 3.8)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from .errors import ApiError

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
LINE_ENDINGS = {"LF": "\n", "CRLF": "\r\n"}


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
        delimiter, read = DELIMITERS[self.delimiter], 0
        try:
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
                read += 1
                if row:
                    yield row
        except csv.Error:  # a cell over the limit, which is of the whole process and stays as it is
            yield from (row for row in islice(_long_rows(text, delimiter), read, None) if row)

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


def _long_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """The rows of a text with cells of any length, empty lines included; slower than the module's reader."""
    mark = re.escape(delimiter)
    cell = re.compile(rf'(?:"((?:[^"]|"")*)"|([^{mark}\r\n]*))({mark}|\r\n|\n|\r|\Z)')
    row: list[str] = []
    for found in cell.finditer(text):
        quoted, plain, end = found.groups()
        if not end and not row and not found[0]:
            return
        row.append(plain if quoted is None else quoted.replace('""', '"'))
        if end != delimiter:
            yield [] if row == [""] and quoted is None else row
            row = []
        if not end:
            return
