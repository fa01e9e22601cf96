"""Connections on which nothing comes, or next to nothing: uvicorn would wait for ever."""

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: An upload that is slower is given up: half of what the sound of a telephone takes (8 kHz, 8 bits).
LEAST_BYTES_PER_S = 4_000
#: No upload may take longer, s: 50 MB at 1.3 Mbit/s.
MOST_UPLOAD_S = 300.0


class HeadTimeout(H11Protocol):
    """HTTP/1.1 that closes a connection if the head of a request has not come within `patience_s`.

    It counts from the opening of the connection, or from the first byte after an answer, however many bytes come: a
    head that is sent a byte at a time holds a connection no longer.  What comes after the head is the application's to
    wait for.
    """

    patience_s = 30.0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        # a request that has begun, or a WebSocket, to which the connection was handed on
        if self.transport.get_protocol() is not self or (self.cycle is not None and not self.cycle.response_complete):
            self._forget()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.patience_s, self._give_up)

    def _forget(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()


def patient(patience_s: float) -> type[HeadTimeout]:
    """Give the protocol that waits so many seconds for a request's head."""
    return type("HeadTimeout", (HeadTimeout,), {"patience_s": patience_s})


class UploadTimeout:
    """How long a client that sends is waited for: one that sends a byte now and then would hold its room for ever.

    Parameters
    ----------
    idle_s
        Seconds in which something must come.  After the first of them, it must have been `LEAST_BYTES_PER_S` all along,
        and after `MOST_UPLOAD_S`, everything.
    """

    def __init__(self, idle_s: float) -> None:
        self.idle_s = idle_s
        self._start = time.monotonic()

    def wait_s(self, n_bytes: int) -> float:
        """Seconds that the next bytes may take to come, after so many; at least 0."""
        allowed_s = min(self.idle_s + n_bytes / LEAST_BYTES_PER_S, MOST_UPLOAD_S)
        return max(0.0, min(self.idle_s, self._start + allowed_s - time.monotonic()))
