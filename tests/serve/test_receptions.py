"""Uploads that are being received: nobody is kept out by those that send nothing or next to nothing."""

import asyncio
import contextlib
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from emotone.serve import ServeSettings
from emotone.serve.problems import ProblemError
from emotone.serve.receptions import Receptions, address_of
from support.serving import WAV, Running, until

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import load_client  # noqa: E402
import load_idle  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("detector")]
HEAD = (
    b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90000\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
)


class Held:
    """Uploads that begin and do not go on."""

    def __init__(self, running, *, n, path=b"/v1/predict"):
        address = ("127.0.0.1", running.client.base_url.port)
        self.lines = [socket.create_connection(address, timeout=10) for _ in range(n)]
        for line in self.lines:
            line.sendall(HEAD % path + b"--b")
        until(lambda: len(running.queue.receptions) == n)

    def __enter__(self):
        return self.lines

    def __exit__(self, *_):
        for line in self.lines:
            line.close()


def answer_in_time(line):
    """Return an answer that is there already; None without one."""
    line.settimeout(0.3)
    try:
        return line.recv(4096)
    except TimeoutError:
        return None


@pytest.mark.parametrize("path", [b"/v1/predict", b"/v1/timeline", b"/v1/jobs"])
def test_idle_uploads_take_no_place(folder, path):
    with Running(
        folder, workers=1, queue=0, max_jobs=1, max_jobs_bytes=100_000, max_job_upload_bytes=100_000
    ) as running:
        running.let.set()
        with Held(running, n=18, path=path):
            assert running.client.post("/v1/predict", files={"file": ("a.wav", WAV)}).status_code == 200
            assert running.client.post("/v1/jobs", files={"file": ("a.wav", WAV)}).status_code == 202
        until(lambda: not len(running.queue.receptions))  # they have left


def test_a_full_queue_is_told_before_the_upload(folder):
    with Running(folder, workers=1, queue=0) as running:
        found, threads = running.background(1)
        until(lambda: running.queue._running == 1)
        with socket.create_connection(("127.0.0.1", running.client.base_url.port), timeout=10) as line:
            line.sendall(HEAD % b"/v1/predict")  # and nothing of the recording
            assert line.recv(4096).startswith(b"HTTP/1.1 503")
        running.let.set()
        threads[0].join(10)
        assert found[0].status_code == 200


def test_the_slowest_uploads_of_an_address_are_ended(folder, monkeypatch):
    monkeypatch.setattr("emotone.serve.receptions.FRESH_S", 0.6)
    with Running(folder, max_uploads_per_client=2) as running, Held(running, n=5) as lines:
        running.let.set()
        until(lambda: len(running.queue.receptions) == 2)
        answers = [answer for answer in map(answer_in_time, lines) if answer is not None]
        assert len(answers) == 3 and all(b"slow uploads of your address" in answer for answer in answers)
        assert running.client.post("/v1/predict", files={"file": ("a.wav", WAV)}).status_code == 200


def test_proxies_name_the_client(folder, monkeypatch):
    monkeypatch.setattr("emotone.serve.receptions.FRESH_S", 0.6)
    with Running(folder, max_uploads_per_client=1) as running:
        address = ("127.0.0.1", running.client.base_url.port)
        lines = [socket.create_connection(address, timeout=10) for _ in range(3)]
        for line, client in zip(lines, (b"192.0.2.1", b"192.0.2.2", b"192.0.2.2"), strict=True):
            line.sendall(
                (HEAD % b"/v1/predict").replace(b"Host", b"X-Forwarded-For: " + client + b"\r\nHost", 1) + b"--b"
            )
        until(lambda: len(running.queue.receptions) == 3)
        until(lambda: len(running.queue.receptions) == 2)
        assert {each.address for each in running.queue.receptions._all} == {"192.0.2.1", "192.0.2.2"}
        for line in lines:
            line.close()


def test_the_key_is_asked_for_before_the_body(folder):
    for head in (HEAD, (HEAD).replace(b"Host", b"Authorization: Bearer no\r\nHost", 1)):
        with Running(folder, key="open sesame") as running:
            with socket.create_connection(("127.0.0.1", running.client.base_url.port), timeout=10) as line:
                line.sendall(head % b"/v1/predict")
                assert line.recv(4096).startswith(b"HTTP/1.1 401")
            assert not len(running.queue.receptions)


def test_addresses():
    assert (
        address_of({"client": ("10.0.0.1", 1)}) == "10.0.0.1"
        and address_of({"client": ("::ffff:10.0.0.1", 1)}) == "10.0.0.1"
    )
    assert address_of({"client": ("2001:db8::1", 1)}) == address_of({"client": ("2001:db8::ffff:1", 1)})
    assert address_of({"client": ("2001:db8::1", 1)}) != address_of({"client": ("2001:db8:0:1::1", 1)})
    assert (
        address_of({}) == address_of({"client": None}) == "" and address_of({"client": ("a socket", 0)}) == "a socket"
    )


def test_the_memory_for_uploads_is_bounded(monkeypatch):
    settings = ServeSettings()
    for name in ("max_uploads_bytes", "most_uploads_bytes_per_client"):
        monkeypatch.setattr(ServeSettings, name, 1000)
    now = [0.0]
    monkeypatch.setattr("emotone.serve.timeouts.time.monotonic", lambda: now[0])

    async def fill():
        receptions = Receptions(settings)
        with receptions.open({"client": ("a", 1)}) as slow, receptions.open({"client": ("b", 1)}) as fast:
            slow.received(600)
            with pytest.raises(ProblemError, match="memory for uploads is full"):
                fast.received(401)  # the other one is not late
            assert receptions.n_bytes == 600
            now[0] = 1.0
            fast.received(401)
            assert receptions.n_bytes == 401
            with pytest.raises(ProblemError, match="this one is slow") as error:
                await slow.wait(asyncio.sleep(10))
            assert error.value.code == "busy"
            with pytest.raises(ProblemError, match="memory for uploads of your address is full"):
                fast.received(600)
        assert len(receptions) == receptions.n_bytes == 0

    asyncio.run(fill())


def test_an_address_has_a_share_of_the_memory_for_uploads(monkeypatch):
    """Uploads that are fast enough are not ended, so without a share one client could keep all others out."""
    settings = ServeSettings()
    monkeypatch.setattr(ServeSettings, "max_uploads_bytes", 1000)
    now = [0.0]
    monkeypatch.setattr("emotone.serve.timeouts.time.monotonic", lambda: now[0])

    async def fill(share, *, fits):
        monkeypatch.setattr(ServeSettings, "most_uploads_bytes_per_client", share)
        receptions = Receptions(settings)
        with contextlib.ExitStack() as opened:
            greedy = [opened.enter_context(receptions.open({"client": ("a", 1)})) for _ in range(10)]
            for k, each in enumerate(greedy):
                if k < fits:
                    each.received(100)
                else:
                    with pytest.raises(ProblemError, match="memory for uploads of your address is full"):
                        each.received(100)
            other = opened.enter_context(receptions.open({"client": ("b", 1)}))
            other.received(1000 - share)
            now[0] += 1.0  # the slowest of the same address goes, and no other
            greedy[0].received(1)
            assert receptions.n_bytes == (fits - 1) * 100 + 1 + 1000 - share and other in receptions._all

    asyncio.run(fill(500, fits=5))
    asyncio.run(fill(700, fits=7))


def test_an_upload_leaves_room_for_clients_of_other_addresses(folder):
    limits = {"max_upload_bytes": 1_000_000, "max_job_upload_bytes": 1_000_000, "max_jobs_bytes": 1_000_000}
    with Running(folder, **limits) as running, contextlib.ExitStack() as held:
        running.let.set()
        share = running.queue.settings.most_uploads_bytes_per_client
        assert share == running.queue.settings.max_uploads_bytes // 2 == 250_000_000
        running.queue.receptions.settings = replace(running.queue.settings, max_uploads_bytes_per_client=2_100_000)
        address = ("127.0.0.1", running.client.base_url.port)
        lines = [held.enter_context(socket.create_connection(address, timeout=10)) for _ in range(4)]
        head = (HEAD % b"/v1/predict").replace(b"90000", b"900000")
        for line in lines:  # without the end: each keeps what it has sent
            line.sendall(head.replace(b"Host", b"X-Forwarded-For: 192.0.2.1\r\nHost", 1) + b"--b\r\n")
            line.sendall(b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(800_000))
        until(lambda: len(running.queue.receptions) == 2 and running.queue.receptions.n_bytes >= 1_600_000)
        got = [answer for answer in map(answer_in_time, lines) if answer is not None]
        assert len(got) == 2 and all(b"of your address is full" in answer for answer in got)
        assert 1_600_000 <= running.queue.receptions.n_bytes <= 2_100_000
        others = running.client.post("/v1/predict", files={"file": ("a.wav", WAV)})
        assert others.status_code == 200


def test_fast_uploads_of_an_address_are_not_ended(monkeypatch):
    monkeypatch.setattr("emotone.serve.receptions.FRESH_S", 0.05)

    async def send():
        receptions = Receptions(ServeSettings(max_uploads_per_client=2))
        with contextlib.ExitStack() as opened:
            all_ = [opened.enter_context(receptions.open({"client": ("a", 1)})) for _ in range(5)]
            for each in all_:
                each.received(1_000_000)
            await asyncio.sleep(0.2)
            assert len(receptions) == 5 and all(each.is_counted for each in all_)
            for each in all_:
                await each.wait(asyncio.sleep(0))

    asyncio.run(send())


def test_an_upload_that_ends_by_itself_may_be_ended_for_another_in_the_same_moment(monkeypatch):
    async def both():
        receptions = Receptions(ServeSettings())
        with receptions.open({"client": ("a", 1)}) as slow:
            monkeypatch.setattr(slow.timeout, "idle_s", 0.02)
            waiting = asyncio.ensure_future(slow.wait(asyncio.sleep(10)))
            await asyncio.sleep(0)
            slow._waiting.reschedule(0.0)
            while not slow._waiting.expired():
                await asyncio.sleep(0)
                if slow._waiting is None:
                    break
            slow.end(ProblemError("busy", "another one needs the room"))
            with pytest.raises(ProblemError):
                await waiting

    asyncio.run(both())


@pytest.mark.slow
def test_good_clients_are_answered_while_slow_uploads_stand(folder):
    command = load_client.command(workers=2, model=str(folder))
    with load_client.Service(command) as service:
        for bytes_per_s in (0, 5_000):
            got = load_idle.answered(service, WAV, held=100, bytes_per_s=bytes_per_s, clients=20)
            assert got.share >= load_idle.LEAST_ANSWERED, got.statuses
