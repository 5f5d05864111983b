"""Country and state codes, for orgs with state and country picklists (reference, section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping

from ..countries import COUNTRIES
from .errors import ApiError
from .schema import Entity
from .store import Row

# states of the countries whose states are configured in the org
_STATES = {
    "US": "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM "
    "NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY",
    "CA": "AB BC MB NB NL NS NT NU ON PE QC SK YT",
    "AU": "ACT NSW NT QLD SA TAS VIC WA",
}
STATES: dict[str, frozenset[str]] = {code: frozenset(names.split()) for code, names in _STATES.items()}
_PREFIXES = {
    "Account": ("Billing", "Shipping"),
    "Order": ("Billing", "Shipping"),
    "Contact": ("Mailing", "Other"),
}
_NAMES = frozenset(COUNTRIES.values())


def check_addresses(entity: Entity, record: Row, changes: Row, settings: Mapping[str, object]) -> None:
    """Validate states against their country, and set country names from country codes.

    Args:
        entity: the object of the record.
        record: the record as it will be after the write.
        changes: the values being written; country names are added to it.
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
            _check_state(prefix, record)
        if settings["country_text_checked"] and changes.get(f"{prefix}Country", "") not in (
            "",
            None,
            *_NAMES,
        ):
            raise _invalid_value("country", f"{prefix}Country")


def _check_state(prefix: str, record: Row) -> None:
    known = STATES.get(str(record.get(f"{prefix}CountryCode")))
    if known is None or record[f"{prefix}StateCode"] not in known:
        raise _invalid_value("state", f"{prefix}StateCode")


def _invalid_value(what: str, field: str) -> ApiError:
    return ApiError(
        "FIELD_INTEGRITY_EXCEPTION",
        f"There's a problem with this {what}, even though it may appear correct. "
        f"Choose a {what} from the list of valid ones.: {field}",
        [field],
    )
