"""Calls that block, from a trigger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async


async def in_thread(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function gives that blocks, such as a call over HTTP, without holding up other triggers.

    By asgiref, over whose threads Airflow's own calls find their way back to the triggerer's loop.
    """
    # a thread of its own: the shared one serves all triggers of the process
    return await sync_to_async(function, thread_sensitive=False)(*arguments)
