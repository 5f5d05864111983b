"""What a person calls the records of a stream or of a target's object: customer, order, product."""

from __future__ import annotations

import re
from collections.abc import Iterable

# words of streams and objects, in the singular and without underscores, by what they are called here
_CALLED: dict[str, tuple[str, ...]] = {
    "account": ("customer",),
    "contact": ("customer",),
    "item": ("product",),
    "itemreference": ("product",),
    "product2": ("product",),
    "salesorder": ("order",),
    "salescredit": ("credit",),
    "reductionorder": ("credit",),
    "return": ("credit",),
    "goodsoutnote": ("shipment",),
    "delivery": ("shipment",),
    "tracking": ("shipment",),
    "availability": ("stock",),
    "stockcorrection": ("stock",),
    "stockcount": ("stock",),
    "journal": ("payment",),
    # an invoice goes onto the order that it is of
    "orderinvoice": ("invoice", "order"),
}


def kinds_of(*names: str) -> frozenset[str]:
    """The kinds of records that streams and objects of these names hold; a word that is not known is its own kind."""
    words = [_word(name) for name in names]
    return frozenset(kind for word in words for kind in _CALLED.get(word, (word,)))


def is_part(target_object: str) -> bool:
    """Whether rows of an object are part of another record, by whose id theirs begins, as in ``100231|invoice``."""
    return _word(target_object) == "orderinvoice"


def kinds_of_name(flow: str) -> frozenset[str]:
    """The kinds that the name of a flow says, such as ``order`` of ``orders_to_infor``, where its file is gone."""
    before = flow.partition("_to_")[0]
    return kinds_of(before, before.rpartition("_")[2])


def kind_of(said: str, known: Iterable[str]) -> str:
    """The kind that a person means, in the singular or plural; empty where none of the known ones is meant."""
    candidates = (said.lower(), _word(said), *kinds_of(said))
    return next((each for each in candidates if each in set(known)), "")


def _word(name: str) -> str:
    """A name in the singular, without underscores and without what custom objects carry around it."""
    plain = re.sub(r"^brightpearl_|__c$", "", name.lower()).replace("_", "")
    if plain.endswith("ies"):
        return f"{plain[:-3]}y"
    return plain.removesuffix("s") if not plain.endswith("ss") else plain
