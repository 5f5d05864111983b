"""Why a request to the receiver is not answered with success."""

from __future__ import annotations


class Refusal(Exception):
    """An answer without detail: who sends without a secret learns nothing.

    Args:
        status: of HTTP.
        reason: for our log; no secret, no body.
        retry_after: seconds after which it is worth another try, where that is so.
    """

    def __init__(self, status: int, reason: str, retry_after: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after = retry_after


def own_trouble(reason: str, retry_after: int = 10) -> Refusal:
    """The sender has done nothing wrong, and is to send it again: Brightpearl does so after 503, whatever else."""
    return Refusal(503, reason, retry_after)
