"""Which records a flow's state may not know of although its target has them: those that are older than the state."""

from __future__ import annotations

from datetime import datetime, timedelta

# how far the source's clock may be ahead of ours
_CLOCKS = timedelta(minutes=5)


def may_be_written(
    began: datetime | None, created_at: datetime | None, known_at: datetime | None = None
) -> bool:
    """Whether a record of which nothing newer is known may have been written before the flow's state began.

    Args:
        began: when the state of the flow began, or was restored; None where it has not yet.
        created_at: when the source created the record, by its own clock; None where that is not known.
        known_at: when the state last recorded something of it; None where it never has.
    """
    if began is None:
        return True
    if known_at is not None and known_at >= began:
        return False
    return created_at is None or created_at < began + _CLOCKS
