"""Great Expectations itself, loaded when it is needed: that takes seconds."""

from __future__ import annotations

import logging
import os
import warnings
from functools import cache
from typing import Any

# fields of every expectation that Great Expectations fills in itself
_OWN = {
    "id",
    "meta",
    "result_format",
    "description",
    "catch_exceptions",
    "rendered_content",
    "windows",
    "batch_id",
}


@cache
def library() -> Any:
    """The library, quiet."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # it logs its own workings, from its import on
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        # its imports warn about Python modules that this package does not use
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations
        import great_expectations.expectations

    # this part of it sets its own level
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.CRITICAL)
    return great_expectations


@cache
def classes() -> dict[str, Any]:
    """Its expectations by name, without ``expect_``."""
    expectations = library().expectations
    kinds = [getattr(expectations, name) for name in dir(expectations) if name.startswith("Expect")]
    named = ((getattr(kind, "expectation_type", ""), kind) for kind in kinds)
    return {name.removeprefix("expect_"): kind for name, kind in named if name.startswith("expect_")}


def is_by_row(kind: Any) -> bool:
    """Whether an expectation is about each row."""
    bases = library().expectations.expectation
    by_row = (
        bases.ColumnMapExpectation,
        bases.ColumnPairMapExpectation,
        bases.MulticolumnMapExpectation,
    )
    return issubclass(kind, by_row)


def arguments(kind: Any) -> list[str]:
    """What an expectation takes."""
    return sorted(set(kind.__fields__) - _OWN)


@cache
def exactly(kind: Any) -> Any:
    """The same expectation with bounds of any type; Great Expectations makes a float of every number."""
    bounds = dict.fromkeys(("min_value", "max_value"))
    annotations = dict.fromkeys(bounds, Any)
    return type(kind)(
        f"{kind.__name__}Exactly",
        (kind,),
        {"__module__": __name__, "__annotations__": annotations, "__doc__": kind.__doc__, **bounds},
    )
