"""Country and state codes, for orgs that have the picklists on (reference, section 4.4)."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import Refused
from .objects.geography import COUNTRIES, STATES
from .schema import Entity
from .store import Row

_PREFIXES = {
    "Account": ("Billing", "Shipping"),
    "Order": ("Billing", "Shipping"),
    "Contact": ("Mailing", "Other"),
}
_NAMES = frozenset(COUNTRIES.values())


def check_addresses(entity: Entity, whole: Row, changes: Row, settings: Mapping[str, object]) -> None:
    """Refuse states that do not fit their country, and fill in the country's name from its code.

    `whole` is the record as it will be, `changes` what is being written and may be added to.
    """
    for prefix in _PREFIXES.get(entity.name, ()):
        code = f"{prefix}CountryCode"
        if code in changes:
            changes[f"{prefix}Country"] = COUNTRIES.get(str(changes[code]))
            if changes[f"{prefix}Country"] is None:
                del changes[f"{prefix}Country"]
        if changes.get(f"{prefix}StateCode"):
            _check_state(prefix, whole)
        if settings["country_text_checked"] and changes.get(f"{prefix}Country", "") not in (
            "",
            None,
            *_NAMES,
        ):
            raise _problem("country", f"{prefix}Country")


def _check_state(prefix: str, whole: Row) -> None:
    known = STATES.get(str(whole.get(f"{prefix}CountryCode")))
    if known is None or whole[f"{prefix}StateCode"] not in known:
        raise _problem("state", f"{prefix}StateCode")


def _problem(what: str, field: str) -> Refused:
    return Refused(
        "FIELD_INTEGRITY_EXCEPTION",
        f"There's a problem with this {what}, even though it may appear correct. "
        f"Choose a {what} from the list of valid ones.: {field}",
        [field],
    )
