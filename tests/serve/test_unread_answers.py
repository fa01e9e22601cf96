"""Clients that don't read their answers: the connection is ended, and with it the answer and its place."""

import socket
import time

import pytest

from emotone.serve.own_source import OwnSource
from emotone.serve.page.answer_routes import answer_routes
from emotone.serve.page.handlers import PageHandlers
from emotone.serve.timeouts import MIN_BYTES_PER_S, ReadTimeout
from support.serving import WAV, Running, until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("detector")]
#: More than the buffers of both systems hold.
LARGE = b"x" * 8_000_000
IDLE_S = 0.5


@pytest.fixture
def running(folder):
    with Running(folder, idle_stream_s=IDLE_S) as made:
        made.let.set()
        yield made


def job_of(running, content=LARGE):
    """Return the path of a job with a large result."""
    jobs = running.server.config.app.state.jobs
    with jobs.reserve(1) as place:
        job = jobs.add(place, name="a.wav", n_bytes=1, work=lambda _: {"json": content})
    until(lambda: job.is_over)
    return f"/v1/jobs/{job.id}/result"


def ask(running, path, *, then=b""):
    """Ask, with a small buffer, and read nothing."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(10)
    line.connect(("127.0.0.1", running.client.base_url.port))
    line.sendall(path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + then)
    return line


def connections(running):
    return len(running.server.server_state.connections)


@pytest.mark.parametrize("last", [b"\r\n", b"Connection: close\r\n\r\n"])
def test_an_answer_that_is_not_read_is_given_up(running, last):
    path = job_of(running)
    with ask(running, f"GET {path}".encode(), then=last):
        until(lambda: connections(running) == 1)
        (held,) = running.server.server_state.connections
        until(lambda: held.transport.get_write_buffer_size() > 7_000_000)
        until(lambda: connections(running) == 0)
        assert held.transport.get_write_buffer_size() == 0
    assert running.client.get("/healthz").status_code == 200


def test_a_stream_that_is_not_read_gives_its_place_back(running):
    app = running.server.config.app
    handlers = PageHandlers(running.recognizer, app.state.settings, OwnSource(running.recognizer, learns=False))
    handlers.timeline = lambda *_, **__: LARGE.decode()
    app.include_router(answer_routes(handlers, app.state.jobs))
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + WAV + b"\r\n--b--\r\n"
    head = f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(form)}\r\n\r\n".encode()
    with ask(running, b"POST /page/answers/timeline?speakers=one", then=head + form):
        until(lambda: running.queue.streams == 1)
        until(lambda: running.queue.streams == 0 and connections(running) == 0)
    assert app.state.jobs.n_kept == 0


def test_an_answer_that_is_read_steadily_is_complete(running):
    path, start, content = job_of(running), time.monotonic(), b""
    with ask(running, f"GET {path}".encode(), then=b"Connection: close\r\n\r\n") as line:
        while piece := line.recv(400_000):
            content += piece
            if len(content) < 2_000_000:  # for longer than nothing may be read
                time.sleep(0.02)
    assert content.endswith(LARGE) and time.monotonic() - start > IDLE_S


def test_reading_has_a_least_rate(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("emotone.serve.timeouts.time.monotonic", lambda: now[0])

    def read(rate, *, n_bytes=1_000_000):
        """Return after how many seconds a client that reads at a rate is given up; None if it is not."""
        now[0] = 0.0
        timeout = ReadTimeout(30.0, n_bytes=n_bytes)
        while n_bytes > 0:
            now[0] += 1.0
            n_bytes -= rate
            timeout.left(n_bytes)
            if timeout.wait_s == 0.0:
                return now[0]
        return None

    assert read(0) == 30.0 and 30.0 <= read(1) <= 31.0 and read(MIN_BYTES_PER_S / 2) == 60.0
    assert read(MIN_BYTES_PER_S) is None and read(1e5) is None
    burst = ReadTimeout(30.0, n_bytes=10_000_000)
    burst.left(1_000_000)
    assert burst.wait_s == 30.0  # credit for one pause, and no more
    burst.left(2_000_000)  # a further part of the answer, of which nothing was read
    assert burst.wait_s == 30.0
