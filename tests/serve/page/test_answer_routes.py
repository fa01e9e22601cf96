"""The routes of the page's answers have the places, receptions, streams and access of the routes under /v1."""

import json
import socket
import threading

import pytest

from emotone.errors import BundleError
from emotone.serve.own_source import OwnSource
from emotone.serve.page.answer_routes import answer_routes
from emotone.serve.page.handlers import PageHandlers
from support import handmade
from support.serving import WAV, Running, file_of, until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("detector")]
RECOGNISE, TIMELINE, VOICE = "/page/answers/recognise", "/page/answers/timeline?speakers=one", "/page/answers/voice"
FILE = {"file": ("a.wav", WAV)}


@pytest.fixture
def running(folder):
    def make(**settings):
        made = Running(folder, **settings)
        app = made.server.config.app
        handlers = PageHandlers(made.recognizer, app.state.settings, OwnSource(made.recognizer, learns=False))
        app.include_router(answer_routes(handlers, app.state.jobs))
        return made

    return make


def shown(response):
    """Return the HTML of an answer, which its last line has."""
    assert response.headers["content-type"] == "application/x-ndjson"
    return json.loads(response.text.splitlines()[-1])["html"]


@pytest.mark.parametrize("path", [RECOGNISE, TIMELINE, VOICE])
def test_idle_uploads_take_no_place(running, path):
    limits = {"max_jobs_bytes": 100_000, "max_job_upload_bytes": 100_000}
    with running(workers=1, queue=0, max_jobs=1, max_streams=1, **limits) as service:
        service.let.set()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90000\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b"
        )
        lines = [socket.create_connection(("127.0.0.1", service.client.base_url.port), timeout=10) for _ in range(18)]
        for line in lines:
            line.sendall(head.encode())
        until(lambda: len(service.queue.receptions) == len(lines))
        for good in (RECOGNISE, TIMELINE):
            answer = service.client.post(good, files=FILE)
            assert answer.status_code == 200 and "data-problem" not in shown(answer), good
        for line in lines:
            line.close()
        until(lambda: not len(service.queue.receptions))


def test_a_full_queue_is_told_before_the_upload(running):
    with running(workers=1, queue=0) as service:
        _, threads = service.background(1)
        until(lambda: service.queue._running == 1)
        answer = service.client.post(RECOGNISE, files=FILE)
        assert answer.status_code == 503 and 'data-problem="busy"' in shown(answer)
        service.let.set()
        threads[0].join(10)


def test_the_progress_of_a_timeline_is_a_stream(running):
    with running(max_streams=1) as service:
        answers = []
        first = threading.Thread(target=lambda: answers.append(service.client.post(TIMELINE, files=FILE)), daemon=True)
        first.start()
        until(lambda: service.queue.streams == 1)
        refused = service.client.post(TIMELINE, files=FILE)
        assert refused.status_code == 503 and 'data-problem="too_many_streams"' in shown(refused)
        service.let.set()
        first.join(10)
        assert "data-problem" not in shown(answers[0])
        until(lambda: not service.queue.streams)
        assert service.server.config.app.state.jobs.n_kept == 0


def test_a_client_that_leaves_cancels_its_timeline(running):
    with running(max_streams=1) as service:
        with service.client.stream("POST", TIMELINE, files=FILE) as answer:
            assert json.loads(next(answer.iter_lines()))["status"] in ("waiting", "running")
        until(lambda: not service.queue.streams and not service.server.config.app.state.jobs.n_kept)


def test_a_short_timeline_does_not_wait_for_a_long_one(running, monkeypatch):
    monkeypatch.setattr("emotone.serve.jobs.SHORT_S", 2.0)
    long = {"file": ("long.flac", file_of(handmade.tone(0.02, seconds=3.0), kind="FLAC"))}
    with running() as service:
        answers = []
        first = threading.Thread(target=lambda: answers.append(service.client.post(TIMELINE, files=long)), daemon=True)
        first.start()
        jobs = service.server.config.app.state.jobs
        until(lambda: [job.total_s for job in jobs._jobs.values() if job.status == "running"] == [3.0])
        service.recognizer.timeline = service._timeline  # which is not held
        answer = service.client.post(TIMELINE, files=FILE)
        assert "em-timeline" in shown(answer) and "data-problem" not in shown(answer)
        assert [job.status for job in jobs._jobs.values()] == ["running"]
        service.let.set()
        first.join(10)
        assert "em-timeline" in shown(answers[0])


@pytest.mark.parametrize("limits", [{"max_jobs": 0}, {"max_streams": 0}])
def test_without_jobs_or_streams_a_timeline_is_a_request(running, limits):
    with running(**limits) as service:
        service.let.set()
        answer = service.client.post(TIMELINE, files=FILE)
        assert answer.status_code == 200 and len(answer.text.splitlines()) == 1 and "em-timeline" in shown(answer)


def test_files_are_limited_also_together(running):
    with running(max_upload_bytes=3000) as service:
        files = [("clips", ("a.wav", WAV)), ("clips", ("b.wav", WAV)), ("test", ("c.wav", bytes(3000)))]
        for path, sent in ((RECOGNISE, {"file": ("a.wav", bytes(3001))}), (VOICE, files)):
            answer = service.client.post(path, files=sent)
            assert answer.status_code == 413 and "up to 3 kB at once" in shown(answer), path


@pytest.mark.parametrize("path", [RECOGNISE, TIMELINE, VOICE])
def test_access_is_checked_as_for_programs(running, path):
    with running(key="open sesame") as service:
        own = {"Authorization": "Bearer open sesame"}
        for headers, status, code in (
            ({}, 401, "unauthorized"),
            (own | {"Origin": "https://example.org"}, 403, "forbidden_origin"),
            (own | {"Host": "example.org"}, 421, "unknown_host"),
        ):
            answer = service.client.post(path, files=FILE, headers=headers)
            assert answer.status_code == status and answer.json()["code"] == code


def test_an_error_of_the_bundle_is_one_of_the_model(running):
    def fail(*_, **__):
        raise BundleError("/srv/model: the graph failed")

    with running() as service:
        service.recognizer.predict = fail
        answer = service.client.post(RECOGNISE, files=FILE)
        assert answer.status_code == 500 and 'data-problem="bad_model"' in shown(answer)
        assert "/srv" not in answer.text
