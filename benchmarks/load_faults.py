"""What clients do wrong, on purpose or not, and what they must get for it; shared by `load.py` and the tests.

A fault is committed against a running service.  What the client got is told in words such as ``"413 too_large"``: the
status or the WebSocket's close code, and the problem's code.
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

#: Of the clients: that a connection breaks is what they are here for.
_QUIET = logging.Logger("load", logging.CRITICAL + 1)
HELLO = '{"rate": 16000}'


@dataclass(frozen=True)
class Scale:
    """How much of it; the service's own limits must be below.

    Attributes
    ----------
    upload_bytes
        Of uploads that are too large.
    hours
        Of recordings that are too long.
    wide_s
        Seconds of a recording with 8 channels at 384 kHz.
    sockets
        That are opened, and say nothing.
    drips
        Uploads that come a byte at a time; more than the service has room for.
    form_bytes
        Of a form that is hard to take apart.
    patience_s
        After which the service gives up one that says nothing.
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
    """One fault, and what may come of it.

    Attributes
    ----------
    commit
        Does it, and tells what the client got.
    expected
        What it may be.
    """

    commit: Callable[[Service, Scale], str]
    expected: tuple[str, ...]


def words(answer: Answered) -> str:
    """Status and code."""
    return f"{answer.status} {answer.code}".strip()


def settled(service: Service, *, seconds: float = 10.0) -> bool:
    """Whether, within so many seconds, no request waits and no stream is open any more."""
    end = time.monotonic() + seconds
    while not {"emotone_queue_length 0", "emotone_streams_open 0"} <= set(service.text("/metrics").splitlines()):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


# ---- uploads ----


def upload(data: Callable[[Scale], bytes]) -> Callable[[Service, Scale], str]:
    """Send a file whose name says WAV."""
    return lambda service, scale: words(service.predict(data(scale), name="clip.wav"))


def gone_mid_upload(service: Service, scale: Scale) -> str:
    """Send half of an upload, and close the connection; 20 times, more than the service has room for."""
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
    """Send more than the service takes, and say so."""
    return _large(service, load_client.head(n_bytes=scale.upload_bytes), _pieces(scale.upload_bytes))


def large_in_chunks(service: Service, scale: Scale) -> str:
    """Send more than the service takes, and don't say how much it will be."""
    chunks = (f"{len(one):x}\r\n".encode() + one + b"\r\n" for one in _pieces(scale.upload_bytes))
    return _large(service, load_client.head(n_bytes=None), chunks)


def _pieces(n_bytes: int) -> Iterator[bytes]:
    yield load_client.form(b"").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    for _ in range(n_bytes // 65_536):
        yield bytes(65_536)


def _large(service: Service, head: bytes, pieces: Iterator[bytes]) -> str:
    """Send until the service answers, as curl does, or takes no more."""
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
    """Many uploads that come a byte at a time: they are refused for want of room, or given up after a while."""
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
    """Open connections that say no more than this: others are answered meanwhile, and in the end they are closed."""

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
    """Send a form with a great many fields."""
    one = f'--{load_client.BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'.encode()
    return _whole(service, one * (scale.form_bytes // len(one)))


def form_of_a_header(service: Service, scale: Scale) -> str:
    """Send a form whose part has a header without end."""
    return _whole(service, f"--{load_client.BOUNDARY}\r\nContent-Disposition: ".encode() + b"a" * scale.form_bytes)


def form_of_near_ends(service: Service, scale: Scale) -> str:
    """Send a file full of what is almost the form's boundary."""
    near = f"\r\n--{load_client.BOUNDARY[:-1]}".encode()
    return _whole(service, load_client.form(near * (scale.form_bytes // len(near))))


def _whole(service: Service, body: bytes) -> str:
    """Send a body, and see meanwhile how long the service answers nobody else."""
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
    return got if longest[0] < 2 else f"{got}; nobody was answered for {longest[0]:.1f} s"


# ---- streams ----


def dial(service: Service) -> ClientConnection:
    """Open a stream, and say nothing yet."""
    url = f"ws://127.0.0.1:{service.port}/v1/stream"
    return connect(url, proxy=None, compression=None, max_size=None, logger=_QUIET)


def stream(service: Service, sound: bytes, *, chunk: int = 3200) -> list[dict[str, Any]]:
    """Events of 16-bit PCM at 16 kHz, sent in chunks."""
    with dial(service) as line:
        line.send(HELLO)
        for at in range(0, len(sound), chunk):
            line.send(sound[at : at + chunk])
        line.send('{"end": true}')
        return [json.loads(one) for one in line]


def _closed(line: ClientConnection) -> str:
    """Close code, and the problem's code; a reason of several words is the library's."""
    reason = line.close_reason or ""
    return f"{line.close_code} {reason}".strip() if " " not in reason else str(line.close_code)


def spoilt(*messages: str | bytes) -> Callable[[Service, Scale], str]:
    """Send messages that have no place in a stream; gives the close code and its reason."""

    def commit(service: Service, scale: Scale) -> str:
        with dial(service) as line:
            try:
                for one in messages:
                    line.send(one)
                while True:
                    line.recv(timeout=10)
            except ConnectionClosed:
                return _closed(line)

    return commit


def bad_frame(service: Service, scale: Scale) -> str:
    """Send bytes that are no frame of a WebSocket: bits that are reserved, an opcode that is none."""
    with dial(service) as line:
        line.send(HELLO)
        line.socket.sendall(b"\xff\x80" + bytes(4))
        with contextlib.suppress(ConnectionClosed):
            while True:
                line.recv(timeout=10)
        return _closed(line)


def gone_mid_stream(service: Service, scale: Scale) -> str:
    """Close connections within streams, without a word."""
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
    "stream: an odd number of bytes": Fault(spoilt(HELLO, b"\1\2\3", '{"end": true}'), ("1000",)),
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
        upload(lambda scale: load_sounds.ogg_that_claims(scale.hours)), ("422 not_audio", "413 too_long")
    ),
    "a WAV header that claims 1.9 GB": Fault(
        upload(lambda _: load_sounds.wav_that_claims(1_900_000_000)), ("422 not_audio",)
    ),
    "a WAV header that claims 4 GB": Fault(upload(lambda _: load_sounds.wav_that_claims(0xFFFFFFFF)), ("200",)),
    "a form of many fields": Fault(form_of_fields, ("400 bad_request",)),
    "a form with an endless header": Fault(form_of_a_header, ("400 bad_request",)),
    "a file full of near-boundaries": Fault(form_of_near_ends, ("422 not_audio",)),
    "connections that send nothing": Fault(mute(b""), ("closed",)),
    "connections that send half a header": Fault(mute(b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nX-A: "), ("closed",)),
    "uploads of one byte at a time": Fault(drips, ("408 idle", "408 idle, 503 busy")),
}


# ---- the end ----


@dataclass(frozen=True)
class Ended:
    """How a service ended while clients asked.

    Attributes
    ----------
    statuses
        Status -> number of answers; 0 stands for requests that got none.
    after
        How many of the answers came after the signal.
    exit_code, seconds
        Of the process, and from the signal to its end.
    """

    statuses: dict[int, int]
    after: int
    exit_code: int | None
    seconds: float


def ended_under_load(service: Service, data: bytes, *, clients: int, within_s: float = 70.0) -> Ended:
    """Send SIGTERM while clients ask; as a balancer would, they send nothing new once it is not ready."""
    ready, answered = [True], [0]

    def balancer() -> None:
        while ready[0]:
            ready[0] = service.ready()
            time.sleep(0.05)

    async def asking() -> load_client.Told:
        told, body = load_client.Told(), load_client.form(data)
        request = load_client.head(n_bytes=len(body)) + body
        asked = [load_client.client(service.port, request, told=told, more=lambda: ready[0]) for _ in range(clients)]

        async def signalled() -> None:
            while sum(told.statuses.values()) < clients // 2:
                await asyncio.sleep(0.01)
            service.process.send_signal(signal.SIGTERM)
            answered[0] = sum(told.statuses.values())

        await asyncio.gather(signalled(), *asked)
        return told

    watcher = threading.Thread(target=balancer)
    watcher.start()
    start = time.monotonic()
    try:
        told = asyncio.run(asking())
        exit_code = service.process.wait(within_s)
    finally:
        ready[0] = False
        watcher.join()
    after = sum(told.statuses.values()) - answered[0]
    return Ended(told.statuses, after, exit_code, time.monotonic() - start)
