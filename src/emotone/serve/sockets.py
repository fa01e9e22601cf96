"""Live sound over a WebSocket: a hello, then PCM in and events out.

The client begins with ``{"rate": 16000, "channels": 1, "adapt": false}``, sends 16-bit little-endian PCM as binary
messages, and ends with ``{"end": true}``.  Each event comes back as a JSON object (`Event.to_dict`).  A problem comes
back as a JSON object too, and then the socket is closed.
"""

import asyncio
import contextlib
import functools
import json
import logging
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from emotone.errors import EmotoneError
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.stream import Event, Stream
from emotone.serve import problems
from emotone.serve.problems import ProblemError
from emotone.serve.security import check_key, check_origin
from emotone.serve.work_queue import WorkQueue

#: Largest message.
MAX_CHUNK_BYTES = 1 << 20
_MAX_TEXT = 4096
_HELLO = {"rate": int, "channels": int, "adapt": bool, "key": str}
_SHAPE = 'send {"rate": 16000, "channels": 1, "adapt": false}, then binary 16-bit PCM, and {"end": true} last'
# Close codes of RFC 6455 and its registry: https://www.iana.org/assignments/websocket/websocket.xhtml
_DONE, _BAD_DATA, _POLICY, _TOO_BIG, _FAILED, _TRY_LATER = 1000, 1003, 1008, 1009, 1011, 1013
_CLOSE_CODES = {
    **{"not_audio": _BAD_DATA, "unanswerable": _BAD_DATA, "too_large": _TOO_BIG, "internal": _FAILED},
    **{"busy": _TRY_LATER, "too_many_streams": _TRY_LATER},
}
_log = logging.getLogger(__name__)


async def serve_stream(websocket: WebSocket, *, recognizer: Recognizer, queue: WorkQueue) -> None:
    """Serve a WebSocket from its hello to its end."""
    await websocket.accept()
    # a client may disconnect at any time
    with contextlib.suppress(WebSocketDisconnect):
        try:
            await _converse(_Socket(websocket, queue.settings.idle_stream_s), recognizer, queue)
            await websocket.close(_DONE)
        except ProblemError as problem:
            await _refuse(websocket, problem, _CLOSE_CODES.get(problem.code, _POLICY))
        except _BadDataError as error:
            await _refuse(websocket, ProblemError("bad_request", str(error)), _BAD_DATA)
        except (WebSocketDisconnect, asyncio.CancelledError):
            raise
        except Exception:
            _log.exception("a stream failed")
            await _refuse(websocket, problems.internal(), _FAILED)


class _BadDataError(Exception):
    """A message that is not allowed within a stream."""


class _Socket:
    """A WebSocket with timeouts for both directions."""

    def __init__(self, websocket: WebSocket, timeout_s: float) -> None:
        self.websocket, self._timeout_s = websocket, timeout_s

    async def receive(self) -> str | bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                message = await self.websocket.receive()
        except TimeoutError:
            detail = f"no message for {self._timeout_s:g} s; connect again, and send sound as it is recorded"
            raise ProblemError("idle", detail) from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        data: str | bytes | None = message.get("bytes")
        return data if data is not None else str(message.get("text") or "")

    async def send(self, event: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self.websocket.send_json(event)
        except TimeoutError:
            raise ProblemError("idle", f"no event was read for {self._timeout_s:g} s; read the events") from None


async def _converse(socket: _Socket, recognizer: Recognizer, queue: WorkQueue) -> None:
    settings = queue.settings
    check_origin(settings, socket.websocket.headers)
    hello = _hello(await socket.receive())
    check_key(settings, socket.websocket.headers, also=hello.get("key"))
    if queue.closing:
        raise ProblemError("busy", "the service is shutting down; connect to another service")
    if queue.streams >= settings.max_streams:
        raise ProblemError("too_many_streams", f"{queue.streams} streams are open already; try again later")
    queue.streams += 1
    try:
        options = {name: value for name, value in hello.items() if name != "key"}
        try:
            stream = await queue.in_thread(lambda: Stream(recognizer, **options))
        except EmotoneError as error:
            raise ProblemError("bad_request", str(error)) from error
        await _send_events(socket, stream, queue, bytes_per_s=2 * hello["rate"] * hello.get("channels", 1))
    finally:
        queue.streams -= 1


async def _send_events(socket: _Socket, stream: Stream, queue: WorkQueue, *, bytes_per_s: int) -> None:
    while True:
        message = await socket.receive()
        if isinstance(message, str) and _json(message) != {"end": True}:
            raise _BadDataError(f"a text message within the stream is not the end message; {_SHAPE}")
        if len(message) > MAX_CHUNK_BYTES:
            detail = f"a chunk has {len(message)} bytes, expected at most {MAX_CHUNK_BYTES}; send smaller chunks"
            raise ProblemError("too_large", detail)
        # a second at a time: a chunk may be minutes of sound, and other streams share the threads
        pieces: list[bytes | None] = [None]
        if isinstance(message, bytes):
            pieces = [message[at : at + bytes_per_s] for at in range(0, len(message), bytes_per_s)]
        for piece in pieces:
            for event in await queue.in_thread(functools.partial(_events, stream, piece)):
                await socket.send(event.to_dict())
        if isinstance(message, str):
            return


def _events(stream: Stream, chunk: bytes | None) -> list[Event]:
    """Push a chunk; None finishes the stream."""
    try:
        return stream.finish() if chunk is None else stream.push(chunk)
    except EmotoneError as error:
        raise ProblemError("unanswerable", str(error)) from error


def _json(text: str) -> Any:
    """Return the value of a short JSON text; None if it is long or not JSON."""
    try:
        return json.loads(text) if len(text) <= _MAX_TEXT else None
    except (ValueError, RecursionError):
        return None


def _hello(message: str | bytes) -> dict[str, Any]:
    hello = _json(message) if isinstance(message, str) else None
    if not isinstance(hello, dict) or "rate" not in hello:
        raise ProblemError("bad_request", f"the first message is not a hello with a rate; {_SHAPE}")
    for name, value in hello.items():
        kind = _HELLO.get(name)
        if kind is None:
            expectation = f"expected {', '.join(_HELLO)}"
            raise ProblemError("bad_request", f"the hello has an unknown key {name[:40]!r}; {expectation}")
        if type(value) is not kind:  # isinstance takes true for an int
            raise ProblemError("bad_request", f"{name} is a {type(value).__name__}, expected {kind.__name__}; {_SHAPE}")
    return hello


async def _refuse(websocket: WebSocket, problem: ProblemError, code: int) -> None:
    with contextlib.suppress(RuntimeError, TimeoutError):  # closed already, or the client does not read
        async with asyncio.timeout(1):
            await websocket.send_json(problem.to_dict())
            await websocket.close(code, reason=problem.code)
