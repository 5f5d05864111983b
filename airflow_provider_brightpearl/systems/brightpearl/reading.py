"""Reads records of a flow as Brightpearl has them now; one that it cannot answer for stops no other."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_brightpearl.errors import SyncError
from airflow_provider_brightpearl.systems.brightpearl.answers import UNREADABLE
from airflow_provider_brightpearl.systems.brightpearl.client import MAX_IDS, BrightpearlClient, Params
from airflow_provider_brightpearl.systems.brightpearl.messages import Answer, State
from airflow_provider_brightpearl.systems.brightpearl.rows import Whole

_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode


class Odd:
    """The ids that the account answers with an error, while it answers others."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def __call__(self, number: int, error: SyncError) -> None:
        self.reasons[str(number)] = error.message

    def refuse(self, each: Whole, number: object) -> None:
        """Refuses a record for now whose id is one of them."""
        if (reason := self.reasons.get(str(number))) is not None:
            each.refuse(f"Brightpearl does not answer for {number}: {reason}", passing=True)


def read_there(
    client: BrightpearlClient,
    path: str,
    id_name: str,
    records: Sequence[Whole],
    *,
    params: Params | None = None,
    batch: int = MAX_IDS,
) -> None:
    """Sets ``there`` of records to what Brightpearl has, None where it has none.

    Args:
        client: calls.
        path: of the resource.
        id_name: where a record holds its id, unless they come as a map by id.
        records: with their ids.
        params: query of the calls.
        batch: ids a call.
    """
    odd, found, unreadable = Odd(), {}, ""
    ids = [int(each.id) for each in records]
    for key, raw in client.get_map(path, ids, params=params, batch=batch, set_aside=odd):
        try:
            record = _decode(raw)
            found[key or str(record[id_name])] = record
        except (*UNREADABLE, KeyError) as error:
            unreadable = f"{type(error).__name__}: {error}"
    for each in records:
        each.there = found.get(each.id)
        odd.refuse(each, each.id)
        if each.there is None and unreadable:
            each.refuse(f"an answer of Brightpearl cannot be read, {unreadable}", passing=True)


def refused_search(each: Whole, answer: Answer, name: str) -> bool:
    """Whether a record is refused since Brightpearl cannot search for its key."""
    if answer.state is State.REFUSED:
        each.refuse(f"Brightpearl cannot search for it: {answer.reason}", name=name)
    return answer.state is State.REFUSED
