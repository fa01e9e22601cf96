"""Timeouts for idle and slow clients, for which uvicorn would wait without limit."""

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Slowest upload that is accepted: half the rate of telephone sound (8 kHz, 8 bits).
MIN_BYTES_PER_S = 4_000
#: An upload may fall behind this rate for so many seconds, also at its start.
FIRST_S = 10.0
#: Rate of an upload that is not late: sound of 16 kHz and 16 bits as it is recorded.
STEADY_BYTES_PER_S = 32_000
#: Longest upload, seconds: 50 MB at 1.3 Mbit/s.  Larger ones may take longer, at this rate.
MAX_UPLOAD_S, _FULL_BYTES_PER_S = 300.0, 50e6 / 300.0


class HeadTimeout(H11Protocol):
    """HTTP/1.1 that closes a connection if the head of a request has not arrived within ``timeout_s``.

    The time counts from the opening of the connection, or from the first byte after a response, so that a client that
    sends a head byte by byte is closed too.  The application limits the time of what follows the head.
    """

    timeout_s = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer."""
        super().connection_made(transport)
        self._update_timer()

    def data_received(self, data: bytes) -> None:
        """Start the timer, or stop it if the head is complete."""
        super().data_received(data)
        self._update_timer()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP; if it is in the body of a request, the client is gone for the application."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                return self.transport.close()
        super().send_400_response(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_timer()
        super().connection_lost(exc)

    def _update_timer(self) -> None:
        # a request is running, or a WebSocket has taken over the connection
        if self.transport.get_protocol() is not self or (self.cycle is not None and not self.cycle.response_complete):
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.timeout_s, self._close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()


def head_timeout(timeout_s: float) -> type[HeadTimeout]:
    """Return the protocol class with this timeout, as uvicorn takes it."""
    return type("HeadTimeout", (HeadTimeout,), {"timeout_s": timeout_s})


class UploadTimeout:
    """Timeout of an upload: a client that sends a byte now and then must not hold the service.

    From its start on, an upload must not fall behind `MIN_BYTES_PER_S` for longer than `FIRST_S`.  What comes faster
    is credit for pauses, of at most ``idle_s``.  After `MAX_UPLOAD_S`, the upload must be complete.

    Parameters
    ----------
    idle_s
        Longest time without a byte, seconds.
    max_bytes
        Largest upload; over 50 MB, it may take longer.

    Attributes
    ----------
    n_bytes
        Bytes that have arrived.
    """

    def __init__(self, idle_s: float, *, max_bytes: int = 0) -> None:
        self.idle_s, self.max_s = idle_s, max(MAX_UPLOAD_S, max_bytes / _FULL_BYTES_PER_S)
        self.n_bytes = 0
        self._start = self._on_time_until = time.monotonic()
        self._closed_at = self._start + min(idle_s, FIRST_S)

    def received(self, n_bytes: int) -> None:
        """Note that so many more bytes have arrived."""
        now = time.monotonic()
        self.n_bytes += n_bytes
        self._closed_at = min(self._closed_at + n_bytes / MIN_BYTES_PER_S, now + self.idle_s)
        self._on_time_until = min(self._on_time_until + n_bytes / STEADY_BYTES_PER_S, now)

    @property
    def wait_s(self) -> float:
        """Seconds to wait for more, at least 0."""
        return max(0.0, min(self._closed_at, self._start + self.max_s) - time.monotonic())

    @property
    def late_s(self) -> float:
        """Seconds by which it is behind `STEADY_BYTES_PER_S`: 0 for a fast upload, its age for one without a byte."""
        return time.monotonic() - self._on_time_until
