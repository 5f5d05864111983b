"""Country and state codes and names, for orgs with state and country picklists (reference, section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping

from ..countries import COUNTRIES
from .errors import ApiError
from .schema import Entity
from .states import STATES
from .store import Row

_PREFIXES = {
    "Account": ("Billing", "Shipping"),
    "Order": ("Billing", "Shipping"),
    "Contact": ("Mailing", "Other"),
}
_NAMES = {name: code for code, name in COUNTRIES.items()}


def check_addresses(entity: Entity, record: Row, changes: Row, settings: Mapping[str, object]) -> None:
    """Validate states and countries, and complete codes and names from each other.

    Args:
        entity: the object of the record.
        record: the record as it will be after the write.
        changes: the values being written; names and codes are added to it.
        settings: the settings of the org.

    Raises:
        ApiError: FIELD_INTEGRITY_EXCEPTION.
    """
    for prefix in _PREFIXES.get(entity.name, ()):
        code = f"{prefix}CountryCode"
        if code in changes:
            changes[f"{prefix}Country"] = COUNTRIES.get(str(changes[code]))
            if changes[f"{prefix}Country"] is None:
                del changes[f"{prefix}Country"]
        if changes.get(f"{prefix}StateCode"):
            known = STATES.get(_country(prefix, record), {})
            if changes[f"{prefix}StateCode"] not in known:
                raise _invalid_value("state", f"{prefix}StateCode")
            changes[f"{prefix}State"] = known[changes[f"{prefix}StateCode"]]
        elif code in changes and settings["state_text_checked"] and not _fits(prefix, record):
            text = f"The existing country doesn't recognize the state value: {record[f'{prefix}StateCode']}"
            raise ApiError("FIELD_INTEGRITY_EXCEPTION", text, [f"{prefix}StateCode"])
        elif f"{prefix}State" in changes and _checks_state_names(settings):
            changes[f"{prefix}StateCode"] = _state_code(prefix, record, changes[f"{prefix}State"])
        if settings["country_text_checked"] and changes.get(f"{prefix}Country") not in ("", None, *_NAMES):
            raise _invalid_value("country", f"{prefix}Country")


def _checks_state_names(settings: Mapping[str, object]) -> bool:
    return bool(settings["country_picklists"] and settings["state_text_checked"])


def _fits(prefix: str, record: Row) -> bool:
    """Whether the country of a record has its state, which may be one of the country it had before."""
    return record.get(f"{prefix}StateCode") in (None, "", *STATES.get(_country(prefix, record), {}))


def _country(prefix: str, record: Row) -> str:
    return str(record.get(f"{prefix}CountryCode") or _NAMES.get(str(record.get(f"{prefix}Country")), ""))


def _state_code(prefix: str, record: Row, name: object) -> str | None:
    """The code of a state whose full name was written; a code, or a state of a country without a list, is none."""
    if not name:
        return None
    country = _country(prefix, record)
    if not country:
        text = f"A country must be specified before specifying a state value for field: {prefix}State"
        raise ApiError("FIELD_INTEGRITY_EXCEPTION", text, [f"{prefix}State"])
    for code, known in STATES.get(country, {}).items():
        if known.casefold() == str(name).strip().casefold():
            return code
    raise _invalid_value("state", f"{prefix}State")


def _invalid_value(what: str, field: str) -> ApiError:
    return ApiError(
        "FIELD_INTEGRITY_EXCEPTION",
        f"There's a problem with this {what}, even though it may appear correct. "
        f"Choose a {what} from the list of valid ones.: {field}",
        [field],
    )
