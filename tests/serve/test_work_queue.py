"""The queue: slots, deadlines, and clients that disconnect."""

import asyncio
import functools
import gc
import socket
import threading
import weakref

import pytest
from starlette.requests import ClientDisconnect

from emotone.serve import ServeSettings
from emotone.serve.counters import Metrics
from emotone.serve.problems import ProblemError
from emotone.serve.work_queue import Deadline, WorkQueue
from support.serving import WAV, Running, client_of, problem, send, until

pytestmark = pytest.mark.usefixtures("detector")


@pytest.mark.slow
def test_answers_that_take_too_long(recognizer, monkeypatch):
    client, over = client_of(recognizer, max_seconds=0.1), threading.Event()
    with client:
        monkeypatch.setattr(recognizer, "predict", lambda *_, **__: over.wait(5))
        response = send(client, WAV)
        problem(response, "timeout")
        load = client.app.state.queue
        assert response.headers["retry-after"] == "1" and load._running == 1  # its room is not given away
        over.set()
        until(lambda: load._admitted == 0)


def test_a_full_queue_refuses_at_once_and_what_waits_is_answered(folder):
    with Running(folder, workers=1, queue=1) as running:
        found, threads = running.background(2)
        until(lambda: running.queue._admitted == 2 and running.queue._running == 1)
        assert "emotone_queue_length 1" in running.client.get("/metrics").text
        refused = running.client.post("/v1/predict", files={"file": ("a.wav", WAV)})
        problem(refused, "busy")
        assert refused.headers["retry-after"] == "1" and "server" not in refused.headers
        running.let.set()
        for one in threads:
            one.join(10)
        assert [one.status_code for one in found] == [200, 200] and running.queue._admitted == 0


@pytest.mark.slow
def test_a_job_that_is_dropped_gives_its_upload_back(recognizer):
    class Upload:
        pass

    async def dropped():
        load, busy = WorkQueue(ServeSettings(workers=1), Metrics(())), threading.Event()
        blocker = load._threads.submit(busy.wait, 20)
        upload = Upload()
        held = weakref.ref(upload)

        async def gone():
            await asyncio.sleep(0.05)

        with pytest.raises(ClientDisconnect):
            await load.run(functools.partial(id, upload), slot=load.admit(), deadline=Deadline(60), gone=gone)
        del upload
        await asyncio.sleep(0.05)  # it is told so
        gc.collect()
        assert held() is None and not blocker.done() and load._admitted == 0
        busy.set()
        await load.close()

    asyncio.run(dropped())


def test_a_client_that_is_gone_leaves_the_queue(folder):
    with Running(folder, workers=1, queue=1) as running:
        _, threads = running.background(1)
        until(lambda: running.queue._running == 1)
        body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + WAV + b"\r\n--b--\r\n"
        head = f"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        for sent, n_admitted in ((body, 2), (body[:1000], 1)):  # while it waits; an upload that is cut has no place
            with socket.create_connection(("127.0.0.1", running.client.base_url.port)) as line:
                line.sendall(head.encode() + sent)
                until(lambda: running.queue._admitted == n_admitted)  # noqa: B023  # it is called in this turn
            until(lambda: running.queue._admitted == 1)
        running.let.set()
        threads[0].join(10)
        assert running.client.get("/readyz").status_code == 200


def test_a_turn_ends_with_the_service():
    async def closed():
        queue, busy, problems = WorkQueue(ServeSettings(workers=1), Metrics(())), threading.Event(), []
        blocker = queue._threads.submit(busy.wait, 20)

        def take():
            try:
                with queue.turn():
                    problems.append("it has the turn")
            except ProblemError as problem:
                problems.append(problem.code)

        waiting = threading.Thread(target=take, daemon=True)
        waiting.start()
        await asyncio.sleep(0.05)  # it waits for the only thread
        closing = asyncio.ensure_future(queue.close())
        await asyncio.to_thread(waiting.join, 20)
        assert problems == ["busy"] and not blocker.done()
        busy.set()
        await closing
        take()  # there are no threads any more
        assert problems == ["busy", "busy"]

    asyncio.run(closed())


def test_a_turn_that_is_given_back_leaves_the_thread():
    queue = WorkQueue(ServeSettings(workers=1), Metrics(()))
    with pytest.raises(ZeroDivisionError), queue.turn() as turn:
        turn.pass_on()
        raise ZeroDivisionError
    assert queue._threads.submit(lambda: 3).result(20) == 3
    asyncio.run(queue.close())
