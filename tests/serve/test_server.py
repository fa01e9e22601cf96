"""The service as a process: listening, limits of uploads, and a graceful shutdown."""

import signal
import socket
import subprocess
import sys

import httpx
import pytest

from emotone.errors import ConfigError, MissingExtraError
from emotone.recognition.recognizer import Recognizer
from emotone.serve.server import Server, listen, serve
from support.children import ended_on_error
from support.serving import Running, problem, until

pytestmark = pytest.mark.usefixtures("detector")


@pytest.mark.slow
def test_an_upload_that_does_not_go_on_is_given_up(folder):
    with Running(folder, idle_stream_s=0.1) as running:
        with socket.create_connection(("127.0.0.1", running.client.base_url.port)) as line:
            line.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n")
            line.sendall(b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b")
            line.settimeout(5)
            answer = b"".join(iter(lambda: line.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 408") and b'"code":"idle"' in answer
        assert running.queue._admitted == 0


def test_a_large_upload_is_refused_while_it_is_sent(folder):
    with Running(folder, max_upload_bytes=100_000) as running:
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        n_sent = 0

        def pieces():
            nonlocal n_sent
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            while n_sent < 500_000_000:
                n_sent += 65_536
                yield b"\0" * 65_536

        problem(running.client.post("/v1/predict", content=pieces(), headers=kind), "too_large")
        assert n_sent < 50_000_000


@pytest.mark.slow
def test_what_runs_is_finished_before_the_service_ends(folder):
    with Running(folder, workers=1, drain_s=0.3) as running:
        found, threads = running.background(1)
        until(lambda: running.queue._running == 1)
        running.server.handle_exit(signal.SIGTERM, None)
        running.server._captured_signals.clear()  # it would be raised again, for this process
        problem(running.client.get("/readyz"), "busy")  # and it still listens
        assert running.client.get("/healthz").status_code == 200
        until(lambda: running.server.should_exit)
        running.let.set()
        threads[0].join(10)
        running.thread.join(10)
        assert found[0].status_code == 200 and not running.thread.is_alive()


def test_a_test_that_fails_while_its_service_runs_does_not_hang():
    """`Popen` waits for the end of the process where its block is left; a service has no end of its own."""
    with (
        pytest.raises(AssertionError),
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process,
        ended_on_error(process),
    ):
        raise AssertionError
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_the_process_listens_and_ends_on_a_signal(folder, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}"):
            serve(Recognizer(folder), port=port)
    script = f"from emotone import Recognizer, serve as s; s.serve(Recognizer({str(folder)!r}), port={port})"
    command = [sys.executable, "-c", f"import emotone.serve; {script}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process, ended_on_error(process):

        def ready():
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        until(ready, seconds=30)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0 and process.stderr.read() == b""


def test_answers_do_not_wait_for_acknowledgements():
    # an answer's head and body are two packets: the second would wait 40 ms for the client (Nagle's algorithm)
    with listen("127.0.0.1", 0) as opened, socket.create_connection(opened.getsockname()):
        accepted, _ = opened.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_the_address_is_announced_once_the_port_is_open(recognizer):
    announced = []

    def announce():
        with pytest.raises(ConfigError, match="can't listen"):
            listen("127.0.0.1", port)
        announced.append(port)
        raise KeyboardInterrupt

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match="can't listen"):
            serve(recognizer, port=port, on_listening=announce)
    assert announced == []
    serve(recognizer, port=port, on_listening=announce)
    assert announced == [port]


def test_a_page_without_its_extra_announces_nothing(recognizer, monkeypatch):
    for name in ("gradio", "jinja2"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="extra 'serve'"):
        serve(recognizer, page=True, on_listening=pytest.fail)


def test_a_program_that_served_goes_on_afterwards(folder, monkeypatch):
    """The clock that ends a shutdown which takes too long ends with the service."""
    monkeypatch.setattr("emotone.serve.server._give_up", lambda _: pytest.fail("the program was ended"))
    started = []
    monkeypatch.setattr(
        "emotone.serve.server.uvicorn.Server.run", lambda self, sockets=None: self.handle_exit(signal.SIGINT, None)
    )
    run = Server.run
    monkeypatch.setattr(Server, "run", lambda self, sockets=None: (started.append(self), run(self, sockets)))
    serve(Recognizer(folder), port=0)
    (server,) = started
    assert server._end_of_process is not None
    server._end_of_process.join(5)
    assert not server._end_of_process.is_alive()
