"""Timeouts for idle and slow clients, for which uvicorn would wait without limit."""

import asyncio
import socket
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: Bytes of an answer that the system holds for a client.  Linux takes twice as many, with its own records.
SEND_BUFFER_BYTES = 64_000
#: Seconds between two looks at what a client has read, at most.
_LOOK_S = 1.0
#: Slowest upload and slowest reading of an answer that are accepted: half the rate of telephone sound (8 kHz, 8 bits).
MIN_BYTES_PER_S = 4_000
#: An upload may fall behind this rate for so many seconds, also at its start.
FIRST_S = 10.0
#: Rate of an upload that is not late: sound of 16 kHz and 16 bits as it is recorded.
STEADY_BYTES_PER_S = 32_000
#: Longest upload, seconds: 50 MB at 1.3 Mbit/s.  Larger ones may take longer, at this rate.
MAX_UPLOAD_S, _FULL_BYTES_PER_S = 300.0, 50e6 / 300.0


class PatientProtocol(H11Protocol):
    """HTTP/1.1 that closes a connection whose client sends no head of a request, or does not read its answer.

    A head must have arrived within ``timeout_s``, from the opening of the connection or from the first byte after a
    response, so that a client that sends a head byte by byte is closed too.  The application limits the time of what
    follows the head.  An answer must be read as `ReadTimeout` says; otherwise the connection is ended, and with it the
    memory of the answer, and the place of a stream.
    """

    timeout_s = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # `pause_writing` is called for whatever the client does not take
        if (line := transport.get_extra_info("socket")) is not None:
            # otherwise the system holds megabytes of an answer, and a client that reads slowly seems not to read
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._update_timer()

    def pause_writing(self) -> None:
        """Start to watch whether the client reads."""
        super().pause_writing()
        self._stop_watching()
        self._watch(ReadTimeout(self.timeout_s, n_bytes=self.transport.get_write_buffer_size()))

    def resume_writing(self) -> None:
        """Stop watching: the client has read what there was."""
        self._stop_watching()
        super().resume_writing()

    def _watch(self, timeout: "ReadTimeout") -> None:
        if self.transport.get_protocol() is not self:
            return  # a WebSocket, which has separate timeouts
        timeout.left(self.transport.get_write_buffer_size())
        if timeout.wait_s == 0.0:
            return self.transport.abort()  # a mere close would wait until the client has read the rest
        self._reading = self.loop.call_later(min(timeout.wait_s, _LOOK_S), self._watch, timeout)

    def _stop_watching(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

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
        self._stop_watching()
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


def patient_protocol(timeout_s: float) -> type[PatientProtocol]:
    """Return the protocol class with this timeout, as uvicorn takes it."""
    return type("PatientProtocol", (PatientProtocol,), {"timeout_s": timeout_s})


class ReadTimeout:
    """Timeout of an answer: a client that reads a byte now and then must not hold its memory.

    What is read faster than `MIN_BYTES_PER_S` is credit for pauses, of at most ``idle_s``.

    Parameters
    ----------
    idle_s
        Longest time in which nothing is read, seconds.
    n_bytes
        Bytes that are to be read.
    """

    def __init__(self, idle_s: float, *, n_bytes: int) -> None:
        self.idle_s, self._n_bytes = idle_s, n_bytes
        self._ended_at = time.monotonic() + idle_s

    def left(self, n_bytes: int) -> None:
        """Note how many bytes are still to be read; more than before: there is a further part of the answer."""
        n_read, self._n_bytes = max(0, self._n_bytes - n_bytes), n_bytes
        self._ended_at = min(self._ended_at + n_read / MIN_BYTES_PER_S, time.monotonic() + self.idle_s)

    @property
    def wait_s(self) -> float:
        """Seconds to wait for the client, at least 0."""
        return max(0.0, self._ended_at - time.monotonic())


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
