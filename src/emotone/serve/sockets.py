"""Live sound over a WebSocket: a hello, then sound in and events out.

The client begins with ``{"rate": 16000, "channels": 1, "format": "s16le", "adapt": false}``, sends the sound as binary
messages, and ends with ``{"end": true}``; or it is Twilio and sends media messages (`emotone.serve.live_messages`).
Each event comes back as a JSON object (`Event.to_dict`).  A problem comes back as a JSON object too, and then the
socket is closed.
"""

import asyncio
import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from emotone.audio import Waveform
from emotone.errors import AudioError, BundleError, EmotoneError
from emotone.recognition.channel_stream import ChannelStream
from emotone.recognition.profile import SourceProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.stream import Event, Stream
from emotone.serve import problems
from emotone.serve.live_messages import MAX_CHUNK_BYTES, BadDataError, LiveMessages, open_messages
from emotone.serve.own_source import OwnSource
from emotone.serve.problems import ProblemError
from emotone.serve.security import check_key, check_origin
from emotone.serve.work_queue import WorkQueue

# Close codes of RFC 6455 and its registry: https://www.iana.org/assignments/websocket/websocket.xhtml
_DONE, _BAD_DATA, _POLICY, _TOO_BIG, _FAILED, _TRY_LATER = 1000, 1003, 1008, 1009, 1011, 1013
_CLOSE_CODES = {
    **{"not_audio": _BAD_DATA, "unanswerable": _BAD_DATA, "too_large": _TOO_BIG},
    **{"internal": _FAILED, "bad_model": _FAILED, "busy": _TRY_LATER, "too_many_streams": _TRY_LATER},
}


async def serve_stream(websocket: WebSocket, *, recognizer: Recognizer, queue: WorkQueue, source: OwnSource) -> None:
    """Serve a WebSocket from its hello to its end."""
    await websocket.accept()
    # a client may disconnect at any time
    with contextlib.suppress(WebSocketDisconnect):
        try:
            await _converse(_Socket(websocket, queue.settings.idle_stream_s), recognizer, queue, source)
            await websocket.close(_DONE)
        except BadDataError as error:
            await _refuse(websocket, ProblemError("bad_request", str(error)), _BAD_DATA)
        except WebSocketDisconnect:
            raise
        except Exception as error:
            problem = problems.problem_of(error, failed="a stream")
            await _refuse(websocket, problem, _CLOSE_CODES.get(problem.code, _POLICY))


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


async def _converse(socket: _Socket, recognizer: Recognizer, queue: WorkQueue, source: OwnSource) -> None:
    settings = queue.settings
    check_origin(settings, socket.websocket.headers)
    with queue.receptions.open(socket.websocket.scope) as reception:  # who sends no hello takes the room of uploads
        messages = await open_messages(lambda: reception.wait(socket.receive(), is_timed=False))
    check_key(settings, socket.websocket.headers, also=messages.key)
    if queue.closing:
        raise ProblemError("busy", "the service is shutting down; connect to another service")
    decoder = messages.decoder
    n_streams = decoder.channels if messages.has_channels else 1  # each speaker's channel is predicted
    with queue.open_stream(n_streams), contextlib.closing(decoder):
        try:
            stream = await queue.in_thread(functools.partial(_stream, recognizer, messages, source.profile))
        except EmotoneError as error:
            raise ProblemError("bad_request", str(error)) from error
        await _send_events(socket, stream, messages, queue)


def _stream(recognizer: Recognizer, messages: LiveMessages, source: SourceProfile | None) -> Stream | ChannelStream:
    """Start a stream within the source that the service knows."""
    rate, channels = messages.decoder.rate, messages.decoder.channels
    if messages.has_channels:
        return recognizer.channel_stream(rate=rate, channels=channels, source=source, adapt=messages.adapt)
    profile = recognizer.new_profile(source=source) if messages.adapt else source
    return Stream(recognizer, rate=rate, channels=channels, profile=profile, adapt=messages.adapt)


async def _send_events(
    socket: _Socket, stream: Stream | ChannelStream, messages: LiveMessages, queue: WorkQueue
) -> None:
    async def push(blocks: Iterator[Waveform]) -> None:
        # a block at a time: a chunk may be minutes of sound, and other streams share the threads
        while (events := await queue.in_thread(functools.partial(_next_events, stream, blocks))) is not None:
            for event in events:
                await socket.send(event.to_dict())

    while (sound := _sound(messages, await socket.receive())) is not None:
        await push(messages.decoder.push(sound))
    problem: ProblemError | None = None
    try:
        await push(messages.decoder.finish())
    except ProblemError as error:  # reported after the events of what could be decoded
        problem = error
    for event in await queue.in_thread(stream.finish):
        await socket.send(event.to_dict())
    if problem is not None:
        raise problem


def _sound(messages: LiveMessages, message: str | bytes) -> bytes | None:
    if len(message) > MAX_CHUNK_BYTES:
        detail = f"a chunk has {len(message)} bytes, expected at most {MAX_CHUNK_BYTES}; send smaller chunks"
        raise ProblemError("too_large", detail)
    return messages.sound_of(message)


def _next_events(stream: Stream | ChannelStream, blocks: Iterator[Waveform]) -> list[Event] | None:
    """Push the next block; None: there is no more."""
    try:
        block = next(blocks, None)
    except AudioError as error:
        raise ProblemError("not_audio", str(error)) from error
    try:
        return None if block is None else stream.push(block)
    except BundleError:
        raise
    except EmotoneError as error:
        raise ProblemError("unanswerable", str(error)) from error


async def _refuse(websocket: WebSocket, problem: ProblemError, code: int) -> None:
    with contextlib.suppress(RuntimeError, TimeoutError):  # closed already, or the client does not read
        async with asyncio.timeout(1):
            await websocket.send_json(problem.to_dict())
            await websocket.close(code, reason=problem.code)
