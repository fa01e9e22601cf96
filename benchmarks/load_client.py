"""A service in a separate process, and cheap clients: used by `load.py` and the tests of faults."""

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
    """An HTTP response: status, headers (names in lower case) and JSON content, {} if it is not JSON."""

    status: int
    headers: dict[str, str]
    content: dict[str, Any]

    @property
    def code(self) -> str:
        """The problem's code, or an empty string."""
        return str(self.content.get("code", ""))


def form(data: bytes, *, name: str = "clip.wav") -> bytes:
    """Return the body of multipart/form-data with one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
    return head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def head(*, n_bytes: int | None, path: str = "/v1/predict") -> bytes:
    """Return the head of an upload of so many bytes; None: a chunked upload of unknown length."""
    length = "Transfer-Encoding: chunked" if n_bytes is None else f"Content-Length: {n_bytes}"
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}\r\n{length}\r\n\r\n".encode()


def parsed(raw: bytes) -> tuple[int, dict[str, str]]:
    """Parse status and headers of a response's head."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


class Service:
    """The service as a process on a free port of this machine, ended when the block is left.

    Parameters
    ----------
    command
        Its command line; ``{port}`` in it is replaced by the port.
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
                assert self.process.stderr is not None  # since Popen got PIPE
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
        """Check whether the service accepts requests."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return self.get("/readyz").status == 200
        return False

    def connect(self, *, timeout_s: float = 60.0) -> socket.socket:
        """Open a connection, and send nothing."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def get(self, path: str) -> Answered:
        """Send GET on a new connection."""
        with self.connect() as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            return answer_of(line)

    def text(self, path: str) -> str:
        """Return the text at a path."""
        with self.connect() as line:
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            return read_all(line).partition(_HEAD_END)[2].decode()

    def predict(self, data: bytes, *, name: str = "clip.wav", path: str = "/v1/predict") -> Answered:
        """Send a recording on a new connection."""
        body = form(data, name=name)
        with self.connect() as line:
            line.sendall(head(n_bytes=len(body), path=path) + body)
            return answer_of(line)

    def rss_mib(self) -> float:
        """Return the memory of the process in RAM, MiB."""
        return self._status("VmRSS:")

    def peak_mib(self) -> float:
        """Return the peak memory since `forget_peak`, MiB."""
        return self._status("VmHWM:")

    def forget_peak(self) -> None:
        """Reset the peak (Linux)."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def n_files(self) -> int:
        """Return the number of open files and sockets of the process."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def _status(self, name: str) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 2**10
        return float("nan")


def command(*, workers: int, model: str = "default", page: bool = False) -> list[str]:
    """Return the command that starts the service, with or without the web page."""
    arguments = ["serve", "--port", "{port}", "--workers", str(workers), "--model", model]
    arguments += [] if page else ["--no-page"]
    return [sys.executable, "-c", "from emotone.cli.main import main; main()", *arguments]


def read_all(line: socket.socket) -> bytes:
    """Read until the service closes the connection, also by a reset: after a refusal it reads no more."""
    pieces: list[bytes] = []
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while piece := line.recv(65_536):
            pieces.append(piece)
    return b"".join(pieces)


def answer_of(line: socket.socket) -> Answered:
    """Read a response.

    Raises
    ------
    ConnectionError
        The connection was closed without a response.
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
    content = json.loads(body) if "json" in headers.get("content-type", "") else {}
    return Answered(status, headers, content)


@dataclass
class LoadResult:
    """The results of all clients.

    Attributes
    ----------
    seconds
        From the first request to the last response.
    statuses
        Status -> number of responses; 0: broken connections.
    latencies_s
        Of the responses with status 200, from the first byte sent to the last received.
    answers
        Different bodies with status 200; a single one is expected.
    """

    seconds: float = 0.0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies_s: list[float] = field(default_factory=list)
    answers: set[bytes] = field(default_factory=set)

    @property
    def per_s(self) -> float:
        """Responses with status 200 per second."""
        return self.statuses.get(200, 0) / self.seconds

    def count(self, status: int) -> None:
        """Count an answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1


async def ask(port: int, data: bytes, *, clients: int, seconds: float, most: int | None = None) -> LoadResult:
    """Run clients that send a request when they get the response to the last, or after Retry-After if refused.

    Parameters
    ----------
    port
        Of the service, on this machine.
    data
        The recording that all of them send.
    clients
        Number of clients; each keeps its connection.
    seconds
        After this time no new request is sent; the clients wait for all responses.
    most
        Stop after so many responses with status 200.

    Returns
    -------
    LoadResult
        Over the time from the first request to the last answer.
    """
    body, result = form(data), LoadResult()
    request = head(n_bytes=len(body)) + body
    start = time.perf_counter()

    def more() -> bool:
        return time.perf_counter() - start < seconds and (most is None or result.statuses.get(200, 0) < most)

    await asyncio.gather(*(client(port, request, result=result, more=more) for _ in range(clients)))
    result.seconds = time.perf_counter() - start
    return result


async def client(port: int, request: bytes, *, result: LoadResult, more: Callable[[], bool]) -> None:
    """Send requests on a connection while ``more()``; see `ask`."""
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    while more():
        start = time.perf_counter()
        try:
            line = line or await asyncio.open_connection("127.0.0.1", port)
            line[1].write(request)
            status, headers = parsed((await line[0].readuntil(_HEAD_END))[:-4])
            body = await line[0].readexactly(int(headers["content-length"]))
        except (OSError, asyncio.IncompleteReadError):
            result.count(0)
            line = None
            await asyncio.sleep(0.1)
            continue
        result.count(status)
        if status == 200:
            result.latencies_s.append(time.perf_counter() - start)
            result.answers.add(body)
        if headers.get("connection") == "close":
            line[1].close()
            line = None
        if "retry-after" in headers and more():
            await asyncio.sleep(float(headers["retry-after"]))
    if line is not None:
        line[1].close()


@contextlib.contextmanager
def opened(service: Service, n: int, *, send: bytes = b"") -> Iterator[list[socket.socket]]:
    """Hold n connections open, on each of which ``send`` was sent."""
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(service.connect()) for _ in range(n)]
        for line in lines:
            line.sendall(send)
        yield lines
