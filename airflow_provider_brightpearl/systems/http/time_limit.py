"""Every answer ends: connections whose answers may take only so long, however slowly they drip.

The read time-out of ``requests`` begins anew with every packet: a server that sends a byte a second never exceeds it.
"""

from __future__ import annotations

import io
import socket
import time
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

ANSWER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class AnswerLimit:
    """How long an answer may take.

    Its status and headers have to be complete after ``seconds``, and so has its body, unless that goes on to arrive
    with ``bytes_per_second`` at least: a large download takes longer, and its size need not be known.
    """

    seconds: float = ANSWER_SECONDS
    bytes_per_second: float = 10_240.0


# the limit of the answer that this thread asks for now
LIMIT: ContextVar[AnswerLimit] = ContextVar("limit of an answer")


class _LimitedSocket(io.RawIOBase):
    """The bytes of one answer, whose waits are counted; what the reader does in between is not."""

    def __init__(self, sock: socket.socket, limit: AnswerLimit) -> None:
        self._sock = sock
        # holds the socket open while the answer is read, also where its connection is closed before
        self._held = sock.makefile("rb", buffering=0)
        self._limit = limit
        self._timeout = sock.gettimeout()
        self._left = limit.seconds
        self._bytes = 0
        self.in_body = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._left <= 0:
                self._begin_anew()
            began = time.monotonic()
            try:
                count = self._receive(buffer)
            except TimeoutError:
                if self._timeout is not None and self._timeout <= self._left:
                    raise
                # no packet in what was left of the time: whether the answer may go on is for the packets before
                self._left = 0.0
                continue
            self._left -= time.monotonic() - began
            self._bytes += count
            return count

    def _receive(self, buffer: Any) -> int:
        if self._timeout is not None and self._timeout <= self._left:
            return self._sock.recv_into(buffer)
        self._sock.settimeout(self._left)
        try:
            return self._sock.recv_into(buffer)
        finally:
            self._sock.settimeout(self._timeout)

    def _begin_anew(self) -> None:
        """Lets a body that arrives fast enough go on for as long again.

        Raises:
            TimeoutError: it does not.
        """
        if not self.in_body or self._bytes < self._limit.seconds * self._limit.bytes_per_second:
            raise TimeoutError(f"the answer was not complete after {self._limit.seconds:g} s")
        self._left, self._bytes = self._limit.seconds, 0

    def close(self) -> None:
        self._held.close()
        super().close()


class _LimitedAnswer(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self._limited = _LimitedSocket(sock, LIMIT.get(AnswerLimit()))
        self.fp = io.BufferedReader(self._limited)

    def begin(self) -> None:
        super().begin()
        self._limited.in_body = True


class _Connection(HTTPConnection):
    response_class = _LimitedAnswer


class _SecureConnection(HTTPSConnection):
    response_class = _LimitedAnswer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


# what urllib3's pool managers open, by scheme
POOLS = {"http": _Pool, "https": _SecurePool}
