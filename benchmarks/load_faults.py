"""Faults of clients, intended or not, and the expected responses; shared by `load.py` and the tests.

A fault is committed against a running service.  The result is a text such as ``"413 too_large"``: the status or the
WebSocket's close code, and the problem's code.
"""

import asyncio
import contextlib
import json
import logging
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import load_client
import load_sounds
from load_client import Answered, Service
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

#: Logger of the clients: broken connections are expected.
_QUIET = logging.Logger("load", logging.CRITICAL + 1)
HELLO = '{"rate": 16000}'


@dataclass(frozen=True)
class Scale:
    """Sizes of the faults; the limits of the service must be lower.

    Attributes
    ----------
    upload_bytes
        Size of uploads that are too large.
    hours
        Duration of recordings that are too long.
    wide_s
        Seconds of a recording with 8 channels at 384 kHz.
    sockets
        Number of connections that are opened and send nothing.
    drips
        Number of uploads that arrive byte by byte; more than the service accepts at once.
    form_bytes
        Size of a form that is hard to parse.
    patience_s
        After this time the service closes a silent connection.
    """

    upload_bytes: int = 200_000_000
    hours: float = 5.0
    wide_s: float = 60.0
    sockets: int = 100
    drips: int = 24
    form_bytes: int = 40_000_000
    patience_s: float = 30.0


@dataclass(frozen=True)
class Fault:
    """A fault, and its possible results.

    Attributes
    ----------
    commit
        Commits the fault, and returns the result.
    expected
        The accepted results.
    """

    commit: Callable[[Service, Scale], str]
    expected: tuple[str, ...]


def words(answer: Answered) -> str:
    """Return status and code."""
    return f"{answer.status} {answer.code}".strip()


def settled(service: Service, *, seconds: float = 10.0) -> bool:
    """Wait until no request waits and no stream is open; return False after so many seconds."""
    end = time.monotonic() + seconds
    while not {"emotone_queue_length 0", "emotone_streams_open 0"} <= set(service.text("/metrics").splitlines()):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# ---- uploads ----


def upload(data: Callable[[Scale], bytes]) -> Callable[[Service, Scale], str]:
    """Send a file with the suffix of WAV."""
    return lambda service, scale: words(service.predict(data(scale), name="clip.wav"))


def gone_mid_upload(service: Service, scale: Scale) -> str:
    """Send half of an upload, and close the connection; 20 times, more than the service accepts at once."""
    body = load_client.form(load_sounds.voice(kind="WAV"))
    for _ in range(20):
        with service.connect() as line:
            line.sendall(load_client.head(n_bytes=len(body)) + body[: len(body) // 2])
    return "gone" if settled(service) else "room was not given back"


def gone_before_the_answer(service: Service, scale: Scale) -> str:
    """Send whole uploads, and close the connections at once."""
    body = load_client.form(load_sounds.voice(kind="WAV"))
    for _ in range(20):
        with service.connect() as line:
            line.sendall(load_client.head(n_bytes=len(body)) + body)
    return "gone" if settled(service) else "room was not given back"


def large_with_length(service: Service, scale: Scale) -> str:
    """Send more than the service accepts, with its length."""
    return _large(service, load_client.head(n_bytes=scale.upload_bytes), _pieces(scale.upload_bytes))


def large_in_chunks(service: Service, scale: Scale) -> str:
    """Send more than the service accepts, without its length."""
    chunks = (f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in _pieces(scale.upload_bytes))
    return _large(service, load_client.head(n_bytes=None), chunks)


def _pieces(n_bytes: int) -> Iterator[bytes]:
    yield load_client.form(b"").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    for _ in range(n_bytes // 65_536):
        yield bytes(65_536)


def _large(service: Service, head: bytes, pieces: Iterator[bytes]) -> str:
    """Send until the service responds, as curl does, or closes the connection."""
    with service.connect() as line:
        line.sendall(head)
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                line.sendall(piece)
                sent += len(piece)
                if _readable(line):
                    break
        return words(load_client.answer_of(line))


def _readable(line: socket.socket) -> bool:
    line.setblocking(False)
    try:
        return bool(line.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        line.settimeout(60)


def drips(service: Service, scale: Scale) -> str:
    """Send many uploads byte by byte: the service refuses them as busy, or closes them after a while."""
    got: Counter[str] = Counter()
    request = load_client.head(n_bytes=100_000) + load_client.form(b"").partition(b"\r\n\r\n")[0]
    with load_client.opened(service, scale.drips, send=request) as lines:
        waiting, end = set(lines), time.monotonic() + scale.patience_s + 5
        while waiting and time.monotonic() < end:
            for line in list(waiting):
                if _readable(line):
                    got[words(load_client.answer_of(line))] += 1
                    waiting.discard(line)
                else:
                    with contextlib.suppress(OSError):
                        line.sendall(b"x")
            time.sleep(min(1.0, scale.patience_s / 5))
        if waiting:
            return f"{len(waiting)} of {scale.drips} are held still"
    return ", ".join(sorted(got))


def mute(sent: bytes) -> Callable[[Service, Scale], str]:
    """Open connections that send only this: the service must serve other clients, and close these in the end."""

    def commit(service: Service, scale: Scale) -> str:
        with load_client.opened(service, scale.sockets, send=sent) as lines:
            start = time.monotonic()
            if service.predict(load_sounds.voice(kind="WAV")).status != 200:
                return "others are not answered"
            for line in lines:
                line.settimeout(max(0.01, start + scale.patience_s + 5 - time.monotonic()))
                try:
                    load_client.read_all(line)
                except TimeoutError:
                    return "they are held still"
        return "closed"

    return commit


def form_of_fields(service: Service, scale: Scale) -> str:
    """Send a form with very many fields."""
    field = f'--{load_client.BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'.encode()
    return _whole(service, field * (scale.form_bytes // len(field)))


def form_of_a_header(service: Service, scale: Scale) -> str:
    """Send a form whose part has a header without end."""
    return _whole(service, f"--{load_client.BOUNDARY}\r\nContent-Disposition: ".encode() + b"a" * scale.form_bytes)


def form_of_near_ends(service: Service, scale: Scale) -> str:
    """Send a file full of incomplete boundaries."""
    near = f"\r\n--{load_client.BOUNDARY[:-1]}".encode()
    return _whole(service, load_client.form(near * (scale.form_bytes // len(near))))


def _whole(service: Service, body: bytes) -> str:
    """Send a body, and measure how long the service does not respond to other clients."""
    longest, stop = [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(0.02):
            start = time.perf_counter()
            service.get("/healthz")
            longest[0] = max(longest[0], time.perf_counter() - start)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        got = _large(
            service,
            load_client.head(n_bytes=len(body)),
            iter([body[i : i + 65_536] for i in range(0, len(body), 65_536)]),
        )
    finally:
        stop.set()
        watcher.join()
    return got if longest[0] < 2 else f"{got}; no other client was served for {longest[0]:.1f} s"


# ---- streams ----


def dial(service: Service) -> ClientConnection:
    """Open a stream, and send nothing yet."""
    url = f"ws://127.0.0.1:{service.port}/v1/stream"
    return connect(url, proxy=None, compression=None, max_size=None, logger=_QUIET)


def stream(service: Service, sound: bytes, *, chunk: int = 3200) -> list[dict[str, Any]]:
    """Send 16-bit PCM at 16 kHz in chunks; return the events."""
    with dial(service) as line:
        line.send(HELLO)
        for at in range(0, len(sound), chunk):
            line.send(sound[at : at + chunk])
        line.send('{"end": true}')
        return [json.loads(event) for event in line]


def _closed(line: ClientConnection) -> str:
    """Return close code and the problem's code; a reason of several words comes from the library."""
    reason = line.close_reason or ""
    return f"{line.close_code} {reason}".strip() if " " not in reason else str(line.close_code)


def spoilt(*messages: str | bytes) -> Callable[[Service, Scale], str]:
    """Send messages that are invalid in a stream; return the close code and its reason."""

    def commit(service: Service, scale: Scale) -> str:
        with dial(service) as line:
            try:
                for message in messages:
                    line.send(message)
                while True:
                    line.recv(timeout=10)
            except ConnectionClosed:
                return _closed(line)

    return commit


def bad_frame(service: Service, scale: Scale) -> str:
    """Send bytes that are no WebSocket frame: reserved bits, and an unknown opcode."""
    with dial(service) as line:
        line.send(HELLO)
        line.socket.sendall(b"\xff\x80" + bytes(4))
        with contextlib.suppress(ConnectionClosed):
            while True:
                line.recv(timeout=10)
        return _closed(line)


def gone_mid_stream(service: Service, scale: Scale) -> str:
    """Close connections within streams, without a close frame."""
    sound = load_sounds.pcm(load_sounds.voice(kind="WAV"))
    for _ in range(20):
        with dial(service) as line:
            line.send(HELLO)
            line.send(sound)
            line.socket.close()
    return "gone" if settled(service) else "streams are held still"


FAULTS: dict[str, Fault] = {
    "client disconnects during the upload": Fault(gone_mid_upload, ("gone",)),
    "client disconnects before the answer": Fault(gone_before_the_answer, ("gone",)),
    "client disconnects during a stream": Fault(gone_mid_stream, ("gone",)),
    "stream: text that is not JSON": Fault(spoilt(HELLO, "stop"), ("1003 bad_request",)),
    "stream: an odd number of bytes": Fault(spoilt(HELLO, b"\1\2\3", '{"end": true}'), ("1003 not_audio",)),
    "stream: a message of 64 MB": Fault(spoilt(HELLO, bytes(64_000_000)), ("1009", "1006")),  # a reset may overtake it
    "stream: an invalid WebSocket frame": Fault(bad_frame, ("1002",)),
    "upload too large, with Content-Length": Fault(large_with_length, ("413 too_large",)),
    "upload too large, without Content-Length": Fault(large_in_chunks, ("413 too_large",)),
    "a ZIP archive named .wav": Fault(upload(lambda _: load_sounds.archive()), ("422 not_audio",)),
    "hours of silence in a small FLAC": Fault(
        upload(lambda scale: load_sounds.silence(seconds=scale.hours * 3600, rate=8000)), ("413 too_long",)
    ),
    "silence of 8 channels at 384 kHz": Fault(
        upload(lambda scale: load_sounds.silence(seconds=scale.wide_s, rate=384_000, channels=8)), ("200", "422 silent")
    ),
    "a FLAC header that claims hours": Fault(
        upload(lambda scale: load_sounds.flac_that_claims(scale.hours)), ("422 not_audio",)
    ),
    "an Ogg page that claims hours": Fault(
        upload(lambda scale: load_sounds.ogg_that_claims(scale.hours)), ("200", "422 not_audio", "413 too_long")
    ),
    "a WAV header that claims 1.9 GB": Fault(
        upload(lambda _: load_sounds.wav_that_claims(1_900_000_000)), ("422 not_audio",)
    ),
    "a WAV header that claims 4 GB": Fault(upload(lambda _: load_sounds.wav_that_claims(0xFFFFFFFF)), ("200",)),
    "a form of many fields": Fault(form_of_fields, ("400 bad_request",)),
    "a form with an endless header": Fault(form_of_a_header, ("400 bad_request",)),
    "a file full of near-boundaries": Fault(form_of_near_ends, ("422 not_audio",)),
    "connections that send nothing": Fault(mute(b""), ("closed",)),
    "connections that send half a header": Fault(
        mute(b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "), ("closed",)
    ),
    "uploads of one byte at a time": Fault(drips, ("408 idle", "408 idle, 503 busy")),
}


# ---- the end ----


@dataclass(frozen=True)
class Ended:
    """How a service ended under load.

    Attributes
    ----------
    statuses
        Status -> number of responses; 0: requests without a response.
    after
        Number of responses after the signal.
    exit_code, seconds
        Exit code of the process, and time from the signal to its end.
    """

    statuses: dict[int, int]
    after: int
    exit_code: int | None
    seconds: float


def ended_under_load(service: Service, data: bytes, *, clients: int, within_s: float = 70.0) -> Ended:
    """Send SIGTERM while clients send requests; as with a load balancer, they stop once it is not ready."""
    ready, answered = [True], [0]

    def balancer() -> None:
        while ready[0]:
            ready[0] = service.ready()
            time.sleep(0.05)

    async def asking() -> load_client.LoadResult:
        load, body = load_client.LoadResult(), load_client.form(data)
        request = load_client.head(n_bytes=len(body)) + body
        asked = [load_client.client(service.port, request, result=load, more=lambda: ready[0]) for _ in range(clients)]

        async def signalled() -> None:
            while sum(load.statuses.values()) < clients // 2:
                await asyncio.sleep(0.01)
            service.process.send_signal(signal.SIGTERM)
            answered[0] = sum(load.statuses.values())

        await asyncio.gather(signalled(), *asked)
        return load

    watcher = threading.Thread(target=balancer)
    watcher.start()
    start = time.monotonic()
    try:
        load = asyncio.run(asking())
        exit_code = service.process.wait(within_s)
    finally:
        ready[0] = False
        watcher.join()
    after = sum(load.statuses.values()) - answered[0]
    return Ended(load.statuses, after, exit_code, time.monotonic() - start)
