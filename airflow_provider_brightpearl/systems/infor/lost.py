"""Rows that M3 may have lost: a code "does not exist" raises the suspicion, a Get settles it.

M3 answers with codes of that family for an item without a warehouse record too, on the field of the item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from msgspec.structs import replace

from airflow_provider_brightpearl.core.changes import Lost, RowResult
from airflow_provider_brightpearl.systems.infor.client import InforClient, Transaction


@dataclass(frozen=True, slots=True, order=True)
class _Get:
    program: str
    transaction: str
    key: str


_CUSTOMER = _Get("CRS610MI", "GetBasicData", "CUNO")
_ITEM = _Get("MMS200MI", "GetItmBasic", "ITNO")
_ORDER = _Get("OIS100MI", "GetHead", "ORNO")
# by the field that names the row
_GETS: Mapping[str, _Get] = {
    "CUNO": _CUSTOMER, "PYNO": _CUSTOMER, "INRC": _CUSTOMER, "ITNO": _ITEM, "RIDN": _ORDER,
}  # fmt: skip
# the field that names a row itself, by its object
_OWN: Mapping[str, str] = {"Customer": "CUNO", "Item": "ITNO"}


class LostRows:
    """Looks up what refusals call lost, each row once.

    Args:
        client: calls.
        kinds: M3's object of each object of the flow.
    """

    def __init__(self, client: InforClient, kinds: Mapping[str, str]) -> None:
        self._client = client
        self._kinds = kinds
        # by what is looked up and id; None where M3 did not say
        self._gone: dict[tuple[_Get, str], bool | None] = {}

    def confirmed(self, refusals: Sequence[RowResult]) -> list[RowResult]:
        """The refusals; of the rows that they call lost, those that M3 does not have.

        Where M3 does not say whether it has a row, the refusal is one that may pass.
        """
        asked = {place for each in refusals for place in map(self._place, each.lost) if place}
        self._look_up(sorted(asked - self._gone.keys()))
        return [self._confirmed(each) for each in refusals]

    def _look_up(self, places: Sequence[tuple[_Get, str]]) -> None:
        for get, some in groupby(places, key=lambda place: place[0]):
            ids = [target_id for _, target_id in some]
            sent = [Transaction(get.transaction, {get.key: each}) for each in ids]
            for target_id, answer in zip(ids, self._client.bulk(get.program, sent), strict=True):
                known = answer.done or answer.missing
                self._gone[get, target_id] = answer.missing if known else None

    def _confirmed(self, refusal: RowResult) -> RowResult:
        found = [
            (lost, self._gone[place] if (place := self._place(lost)) else False) for lost in refusal.lost
        ]
        unsure = any(gone is None for _, gone in found)
        return replace(
            refusal, lost=tuple(lost for lost, gone in found if gone), passing=refusal.passing or unsure
        )

    def _place(self, lost: Lost) -> tuple[_Get, str] | None:
        get = _GETS.get(lost.field or _OWN.get(self._kinds[lost.object], ""))
        return (get, lost.target_id) if get else None
