"""Parameters as templates leave them: text, where the DAG does not render native objects."""

from __future__ import annotations

import ast
from typing import Any

from airflow_provider_brightpearl.compat import AirflowSkipException
from airflow_provider_brightpearl.errors import Misconfigured

NOTHING = ("", "None", "none", "null")


def template_ids(value: Any) -> list[str] | None:
    """Ids that are named, or None where the parameter was left out or rendered as nothing.

    Raises:
        AirflowSkipException: the list is empty, so that there is nothing to do; it does not mean all records.
        Misconfigured: the text is no list.
    """
    if value is None or (isinstance(value, str) and value.strip() in NOTHING):
        return None
    ids = [str(each) for each in template_list(value, "ids")]
    if not ids:
        raise AirflowSkipException("ids is an empty list: no records were named")
    return ids


def template_list(value: Any, name: str) -> list[Any]:
    """A list; of text, its parts between commas or spaces, or the list that was turned into text.

    Raises:
        Misconfigured: the text is no list.
    """
    if not isinstance(value, str):
        return [value] if isinstance(value, int) else list(value or ())
    text = value.strip()
    if not text.startswith(("[", "(")):
        return text.replace(",", " ").split()
    try:
        return list(ast.literal_eval(text))
    except (SyntaxError, TypeError, ValueError):
        raise Misconfigured(
            f"{name}: {value!r} is not a list; write {name} with commas, such as 1,2,3"
        ) from None


def template_count(value: int | str, name: str) -> int:
    """A number of at least 0.

    Raises:
        Misconfigured: it is none.
    """
    text = str(value).strip()
    if not text.isdigit():
        raise Misconfigured(f"{name}: {value!r} is not a whole number of at least 0")
    return int(text)
