"""A service in a process of its own, and clients that cost little: what `load.py` and the tests of faults share."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BOUNDARY = "emotone-load"
_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Answered:
    """An answer of HTTP: status, headers (names in lower case) and what its JSON says, {} where it is none."""

    status: int
    headers: dict[str, str]
    told: dict[str, Any]

    @property
    def code(self) -> str:
        """The problem's code, or an empty string."""
        return str(self.told.get("code", ""))


def form(data: bytes, *, name: str = "clip.wav") -> bytes:
    """Give the body of multipart/form-data with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    return head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def head(*, n_bytes: int | None, path: str = "/v1/predict") -> bytes:
    """Give the head of an upload of so many bytes; None is a chunked one, whose length is not told."""
    length = "Transfer-Encoding: chunked" if n_bytes is None else f"Content-Length: {n_bytes}"
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}\r\n{length}\r\n\r\n".encode()


def parsed(raw: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer's head."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


class Service:
    """The service as a process on a free port of this machine, ended when the block is left.

    Parameters
    ----------
    command
        What starts it; ``{port}`` in it stands for the port.
    settle_s
        Seconds within which it must be ready.
    """

    def __init__(self, command: Sequence[str], *, settle_s: float = 60.0) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._command = [part.replace("{port}", str(self.port)) for part in command]
        self._settle_s = settle_s

    def __enter__(self) -> "Service":
        # one thread a pool: a model is run by one thread, and so are numpy's and FFmpeg's parts of the work
        env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self.process = subprocess.Popen(self._command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        end = time.monotonic() + self._settle_s
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                assert self.process.stderr is not None  # it was asked for
                raise SystemExit(f"the service did not start:\n{self.process.stderr.read().decode()[-2000:]}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def ready(self) -> bool:
        """Whether requests may be sent."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return self.get("/readyz").status == 200
        return False

    def connect(self, *, timeout_s: float = 60.0) -> socket.socket:
        """Open a connection, and send nothing."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def get(self, path: str) -> Answered:
        """GET on a connection of its own."""
        with self.connect() as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            return answer_of(line)

    def text(self, path: str) -> str:
        """Text at a path."""
        with self.connect() as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            return read_all(line).partition(_HEAD_END)[2].decode()

    def predict(self, data: bytes, *, name: str = "clip.wav") -> Answered:
        """Send a recording on a connection of its own."""
        body = form(data, name=name)
        with self.connect() as line:
            line.sendall(head(n_bytes=len(body)) + body)
            return answer_of(line)

    def rss_mib(self) -> float:
        """Memory of the process in RAM, MiB."""
        return self._status("VmRSS:")

    def peak_mib(self) -> float:
        """The most of it since `forget_peak`, MiB."""
        return self._status("VmHWM:")

    def forget_peak(self) -> None:
        """Begin to measure the peak anew (Linux)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def n_files(self) -> int:
        """Files and sockets that the process holds open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def _status(self, name: str) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 2**10
        return float("nan")


def command(*, workers: int, model: str = "default", page: bool = False) -> list[str]:
    """Give what a user types to serve, with the web page or without it."""
    given = ["serve", "--port", "{port}", "--workers", str(workers), "--model", model]
    given += [] if page else ["--no-page"]
    return [sys.executable, "-c", "from emotone.cli.main import main; main()", *given]


def read_all(line: socket.socket) -> bytes:
    """Everything until the service closes the connection, also by a reset: after a refusal it reads no more."""
    pieces: list[bytes] = []
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while piece := line.recv(65_536):
            pieces.append(piece)
    return b"".join(pieces)


def answer_of(line: socket.socket) -> Answered:
    """Read one answer.

    Raises
    ------
    ConnectionError
        The connection was closed without one.
    """
    raw = b""
    while _HEAD_END not in raw:
        piece = line.recv(65_536)
        if not piece:
            raise ConnectionError(f"the connection was closed after {len(raw)} bytes of an answer")
        raw += piece
    start, _, body = raw.partition(_HEAD_END)
    status, headers = parsed(start)
    wanted = int(headers.get("content-length", "0"))
    while len(body) < wanted and (piece := line.recv(65_536)):
        body += piece
    told = json.loads(body) if "json" in headers.get("content-type", "") else {}
    return Answered(status, headers, told)


@dataclass
class Told:
    """What clients saw.

    Attributes
    ----------
    seconds
        How long they asked.
    statuses
        Status -> number of answers; 0 stands for connections that broke.
    latencies_s
        Of the answers of status 200, from the first byte sent to the last received.
    answers
        Different bodies of status 200: one, where all is well.
    """

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)
    answers: set[bytes] = field(default_factory=set)

    @property
    def per_s(self) -> float:
        """Answers of status 200 in a second."""
        return self.statuses.get(200, 0) / self.seconds

    def count(self, status: int) -> None:
        """Count an answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1


async def ask(port: int, data: bytes, *, clients: int, seconds: float, most: int | None = None) -> Told:
    """Let so many clients ask, each again as soon as it was answered, and after Retry-After where it was refused.

    Parameters
    ----------
    port
        Of the service, on this machine.
    data
        The recording that all of them send.
    clients
        How many there are; each keeps its connection.
    seconds
        After which no new request is sent; all that were sent are answered.
    most
        So many answers of status 200 are enough.

    Returns
    -------
    Told
        Over the time from the first request to the last answer.
    """
    body, told = form(data), Told()
    request = head(n_bytes=len(body)) + body
    start = time.perf_counter()

    def more() -> bool:
        return time.perf_counter() - start < seconds and (most is None or told.statuses.get(200, 0) < most)

    await asyncio.gather(*(client(port, request, told=told, more=more) for _ in range(clients)))
    told.seconds = time.perf_counter() - start
    return told


async def client(port: int, request: bytes, *, told: Told, more: Callable[[], bool]) -> None:
    """Ask on one connection while there is to be more; see `ask`."""
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while more():
        start = time.perf_counter()
        try:
            line = line or await asyncio.open_connection("127.0.0.1", port)
            line[1].write(request)
            status, headers = parsed((await line[0].readuntil(_HEAD_END))[:-4])
            body = await line[0].readexactly(int(headers["content-length"]))
        except (OSError, asyncio.IncompleteReadError):
            told.count(0)
            line = None
            await asyncio.sleep(0.1)
            continue
        told.count(status)
        if status == 200:
            told.latencies_s.append(time.perf_counter() - start)
            told.answers.add(body)
        if headers.get("connection") == "close":
            line[1].close()
            line = None
        if "retry-after" in headers and more():
            await asyncio.sleep(float(headers["retry-after"]))
    if line is not None:
        line[1].close()


@contextlib.contextmanager
def opened(service: Service, n: int, *, send: bytes = b"") -> Iterator[list[socket.socket]]:
    """Hold so many connections open, on each of which so much was sent."""
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(service.connect()) for _ in range(n)]
        for line in lines:
            line.sendall(send)
        yield lines
