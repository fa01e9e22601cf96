"""Jobs over HTTP, with a real server: the whole path, events, ends, bounds and clients that leave."""

import contextlib
import json
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from emotone import audio
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.session import bundle_folder
from emotone.recognition.timeline_formats import FORMATS
from support import handmade
from support.media import media
from support.serving import RATE, WAV, Running, client_of, file_of, problem, until

pytestmark = pytest.mark.slow

PATIENCE_S = 20.0
STEREO = file_of(np.stack([handmade.tone(0.1), handmade.tone(0.02)], axis=1))
SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture
def running(folder, detector):
    with Running(folder) as running:
        yield running


def start(running, data=WAV, *, name="a.wav", files=(), **params):
    """Start a job, and return its path."""
    response = running.client.post("/v1/jobs", files={"file": (name, data), **dict(files)}, params=params)
    assert response.status_code == 202, response.text
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}" and job["status"] in ("waiting", "running", "done")
    return response.headers["location"]


def state(running, path):
    return running.client.get(path).json()


def ended(running, path):
    until(lambda: state(running, path)["status"] in ("done", "failed"), seconds=PATIENCE_S)
    return state(running, path)


@contextlib.contextmanager
def followed(running, path):
    """Open the events of a job; yields an iterator over (name, content)."""

    def events(response):
        name = None
        for line in response.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))
            else:
                assert not line or line.startswith(":")

    with httpx.Client(base_url=running.client.base_url, timeout=PATIENCE_S, trust_env=False) as client:
        with client.stream("GET", f"{path}/events") as response:
            assert response.headers["content-type"].split(";")[0] == "text/event-stream"
            yield events(response)


def metrics(running):
    lines = running.client.get("/metrics").text.splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


# ---- the whole path ----


def check_whole_path(running, data, expected, *, name, **params):
    expected = replace(expected, file=name)
    path = start(running, data, name=name, **params)
    with followed(running, path) as events:
        *progress, (last, job) = list(events)
    assert last == "done" and {name for name, _ in progress} <= {"progress"}
    done_s = [content["done_s"] for _, content in progress] + [job["done_s"]]
    assert done_s == sorted(done_s) and job["done_s"] == job["total_s"] == pytest.approx(expected.duration_s, abs=0.05)
    assert job == state(running, path) | {"expires_in_s": job["expires_in_s"]} and job["problem"] is None
    for format, form in FORMATS.items():
        response = running.client.get(f"{path}/result", params={"format": format})
        assert response.content == form.write(expected).encode()
        assert response.headers["content-type"].split(";")[0] == form.media_type
        assert response.headers["content-disposition"].startswith(
            f'attachment; filename="{Path(name).stem}{form.suffix}"'
        )
    assert running.client.get(f"{path}/result").json() == expected.to_dict()
    return done_s


@pytest.mark.slow
def test_sample_and_a_recording_of_three_minutes():
    spoken = audio.read(SAMPLES / "conversation.ogg")
    long = file_of(0.9 * np.tile(spoken, 9)[: 180 * RATE], kind="MP3")
    with Running(bundle_folder("default")) as running:
        running.let.set()
        recognizer, sample = Recognizer(), (SAMPLES / "conversation.ogg").read_bytes()
        plain = recognizer.timeline(sample, speakers="auto")
        check_whole_path(running, sample, plain, name="conversation.ogg", adapt="none")
        expected = recognizer.timeline(long, adapt=True, speakers="auto")
        done_s = check_whole_path(running, long, expected, name="meeting.mp3")
        assert expected.adapted["source"] > 0 and len(set(done_s)) > 3


@pytest.mark.parametrize("kind", ["FLAC", "webm"])  # decoded in this process, and in a child
def test_the_whole_path(running, kind):
    sound = np.concatenate([handmade.tone(0.02, seconds=40), np.zeros(RATE), handmade.tone(0.3, seconds=30)])
    both = np.stack([sound, sound[::-1]], axis=1).astype(np.float32)
    data = file_of(both, kind="FLAC") if kind == "FLAC" else media([np.repeat(both, 3, axis=0)], "webm", "libopus")
    running.let.set()
    expected = Recognizer(running.recognizer.folder).timeline(data, channel="right", speakers="auto")
    assert check_whole_path(running, data, expected, name="b.x", channel="right")[-1] == pytest.approx(71, abs=0.1)


def test_jobs_are_one_after_the_other_and_requests_are_answered_meanwhile(running):
    data = file_of(handmade.tone(0.02, seconds=45))
    first, second = start(running, data, name="first.wav"), start(running)
    until(lambda: state(running, first)["status"] == "running", seconds=PATIENCE_S)
    assert state(running, second)["status"] == "waiting"
    refusal = running.client.get(f"{second}/result")
    assert "waiting" in problem(refusal, "not_done") and refusal.headers["retry-after"] == "1"
    assert "running" in problem(running.client.get(f"{first}/result"), "not_done")
    predicted, threads = running.background(2)  # as many as there are workers
    until(lambda: running.queue._running == 2, seconds=PATIENCE_S)  # the job steps back for them
    assert state(running, first)["status"] == "running"
    running.let.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert [response.status_code for response in predicted] == [200, 200]
    assert ended(running, first)["status"] == ended(running, second)["status"] == "done"
    assert state(running, first)["file"] == "first.wav"


def test_progress_is_seen_while_it_runs(folder, detector):
    data, calls = file_of(handmade.tone(0.02, seconds=100), kind="MP3"), threading.Semaphore(0)
    with Running(folder) as running:
        timeline, reported = running.recognizer.__class__.timeline, set()

        def stepwise(source, *, progress, **options):
            def step(*given):
                progress(*given)
                # a step is reported again while held speech is predicted, and when a long job begins anew
                if given not in reported:
                    reported.add(given)
                    assert calls.acquire(timeout=PATIENCE_S)

            return timeline(running.recognizer, source, progress=step, **options)

        running.recognizer.timeline = stepwise
        path = start(running, data)
        with followed(running, path) as events:
            seen = []
            for name, content in events:
                seen.append((name, round(content["done_s"])))
                calls.release()
        assert [done_s for _, done_s in seen] == sorted(done_s for _, done_s in seen)
        assert seen[-1] == ("done", 100) and len({done_s for _, done_s in seen}) >= 10
        assert state(running, path)["total_s"] == pytest.approx(100, abs=0.1)


# ---- ends ----


def test_cancel_a_running_and_a_waiting_job(running):
    first, second, third = (start(running, file_of(handmade.tone(0.02, seconds=45))) for _ in range(3))
    until(lambda: state(running, first)["status"] == "running", seconds=PATIENCE_S)
    with followed(running, first) as events:
        assert next(events)[1]["status"] == "running"
        begin = time.monotonic()
        for path in (second, first):
            response = running.client.delete(path)
            assert (response.status_code, response.content) == (204, b"")
        assert time.monotonic() - begin < 5.0
        name, content = list(events)[-1]
        assert (name, content["status"], content["problem"]["code"]) == ("failed", "failed", "deleted")
    for path in (first, second):
        for response in (
            running.client.delete(path),
            running.client.get(path),
            running.client.get(f"{path}/result"),
            running.client.get(f"{path}/events"),
        ):
            assert "send the recording again" in problem(response, "not_found")
    until(lambda: state(running, third)["status"] == "running", seconds=PATIENCE_S)  # the thread is free
    running.let.set()
    assert ended(running, third)["status"] == "done"
    counters = metrics(running)
    assert [counters[f'emotone_jobs_total{{state="{state}"}}'] for state in ("done", "failed", "cancelled")] == list(
        "102"
    )
    assert counters["emotone_jobs_kept"] == "1" and 0 < int(counters["emotone_jobs_bytes"]) < 5000
    assert counters['emotone_requests_total{path="/v1/jobs/ID",status="204"}'] == "2"
    assert counters["emotone_streams_open"] == "0"
    assert running.client.delete(third).status_code == 204 and running.client.delete(third).status_code == 404


def test_results_expire(folder, detector):
    with Running(folder, keep_jobs_s=1.0) as running:
        running.let.set()
        path = start(running)
        job = ended(running, path)
        assert 0 < job["expires_in_s"] <= 1.0 and running.client.get(f"{path}/result").status_code == 200
        kept = running.queue.settings.keep_jobs_s
        until(lambda: running.client.get(path).status_code == 404, seconds=PATIENCE_S)
        assert kept == 1.0 and metrics(running)["emotone_jobs_bytes"] == "0"
        problem(running.client.get(f"{path}/result"), "not_found")


def test_failures(folder, detector):
    """The header of an MP3 file does not say how long the recording is."""
    data, code, why = file_of(handmade.tone(0.02, seconds=40), kind="MP3"), "too_long", "a.wav is longer than 3 s"
    with Running(folder, max_job_duration_s=3.0) as running:
        running.let.set()
        path = start(running, data)
        job = ended(running, path)
        assert (job["status"], job["problem"]["code"]) == ("failed", code) and why in job["problem"]["detail"]
        assert why in problem(running.client.get(f"{path}/result"), code)
        with followed(running, path) as events:
            assert [(name, content["problem"]["code"]) for name, content in events] == [("failed", code)]
        assert start(running) != path


@pytest.mark.parametrize(
    ("data", "params", "code", "why"),
    [
        (b"", {}, "not_audio", "empty"),
        (b"PK\x03\x04" + bytes(100), {}, "not_audio", "a.wav: "),
        (WAV[:1000], {}, "not_audio", "cut short"),
        (media([handmade.tone(0.1)], "mp4", "aac", rate=RATE), {"track": 2}, "no_channel", "a.wav: track is 2"),
        (WAV, {"channel": 2}, "no_channel", "a.wav: channel is '2', and the recording has 1"),
        (media([handmade.tone(0.1)], "webm", "libopus"), {"channel": "right"}, "no_channel", "channel is 'right'"),
        (WAV, {"speakers": "channels"}, "bad_request", "a.wav: speakers is channels, and the number of channels is 1"),
        (STEREO, {"speakers": "channels", "channel": "left"}, "bad_request", "leave out one of the two"),
        (file_of(handmade.tone(0.02, seconds=3.1)), {}, "too_long", "a.wav is longer than 3 s"),
    ],
)
def test_what_is_known_at_once_is_refused_at_once(folder, detector, data, params, code, why):
    with Running(folder, max_job_duration_s=3.0) as running:
        response = running.client.post("/v1/jobs", files={"file": ("a.wav", data)}, params=params)
        assert why in problem(response, code)
        assert metrics(running)["emotone_jobs_kept"] == metrics(running)["emotone_jobs_bytes"] == "0"


def test_a_job_may_be_longer_than_a_request(folder, detector):
    with Running(folder, max_duration_s=2.0, max_upload_bytes=50_000) as running:
        running.let.set()
        data = file_of(handmade.tone(0.02, seconds=3.0))
        problem(running.client.post("/v1/timeline", files={"file": ("a.wav", data)}), "too_large")
        assert ended(running, start(running, data))["status"] == "done"


# ---- bounds ----


def test_uploads_and_jobs_are_bounded(folder, detector):
    with Running(
        folder, max_jobs=2, max_job_upload_bytes=100_000, max_jobs_bytes=1_000_000, keep_jobs_s=30.0
    ) as running:
        too_large = running.client.post("/v1/jobs", files={"file": ("a.wav", bytes(100_001))})
        assert "100000 bytes" in problem(too_large, "too_large")
        huge = running.client.post("/v1/jobs", files={"file": ("a.wav", bytes(2_000_000))})  # refused by its length
        assert problem(huge, "too_large") and huge.headers["connection"] == "close"
        assert "field 'file'" in problem(running.client.post("/v1/jobs", files={"other": WAV}), "bad_request")
        paths = [start(running), start(running)]
        refusal = running.client.post("/v1/jobs", files={"file": ("a.wav", WAV)})
        assert "2 jobs" in problem(refusal, "busy") and refusal.headers["retry-after"] == "10"
        running.let.set()
        ended(running, paths[1])
        running.client.delete(paths[0])
        start(running)
        refusal = running.client.post("/v1/jobs", files={"file": ("a.wav", WAV)})
        assert 1 <= int(refusal.headers["retry-after"]) <= 10


def test_an_upload_that_is_being_received_takes_no_memory_of_jobs(folder, detector):
    with Running(folder, max_job_upload_bytes=100_000, max_jobs_bytes=150_000) as running:
        head = b"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n"
        head += b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
        address = ("127.0.0.1", running.client.base_url.port)
        with socket.create_connection(address) as line:
            line.sendall(head)
            until(lambda: metrics(running)["emotone_uploads_bytes"] == "5", seconds=PATIENCE_S)
            assert metrics(running)["emotone_jobs_bytes"] == "0"
            path = start(running)  # though the other one announces two thirds of the memory
        until(lambda: metrics(running)["emotone_uploads_bytes"] == "0", seconds=PATIENCE_S)  # it is gone
        running.let.set()
        assert ended(running, path)["status"] == "done"


def test_streams_of_events_are_bounded_and_clients_may_leave(folder, detector):
    with Running(folder, max_streams=2) as running:
        path = start(running)
        with followed(running, path) as first, followed(running, path) as second:
            assert next(first)[0] == next(second)[0] == "progress"
            assert metrics(running)["emotone_streams_open"] == "2"
            problem(running.client.get(f"{path}/events"), "too_many_streams")
        until(lambda: metrics(running)["emotone_streams_open"] == "0", seconds=PATIENCE_S)  # they have left
        with followed(running, path) as events:
            running.let.set()
            assert list(events)[-1][0] == "done"
        with followed(running, path) as events:  # of a job that is over
            assert [name for name, _ in events] == ["done"]
        assert ended(running, path)["status"] == "done"


def test_a_comment_is_sent_when_nothing_happens(running, monkeypatch):
    monkeypatch.setattr("emotone.serve.job_routes._HEARTBEAT_S", 0.4)
    path = start(running)
    with running.client.stream("GET", f"{path}/events", timeout=PATIENCE_S) as response:
        lines = response.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": the job goes on"
        running.let.set()
        assert "event: done" in list(lines)


# ---- access, and the end of the service ----


def test_jobs_need_the_key(folder, detector):
    with Running(folder, key="open sesame") as running:
        files, allowed = {"file": ("a.wav", WAV)}, {"Authorization": "Bearer open sesame"}
        for path in ("/v1/jobs", "/v1/timeline"):
            problem(running.client.post(path, files=files), "unauthorized")
        path = running.client.post("/v1/jobs", files=files, headers=allowed).headers["location"]
        for method, address in (("GET", path), ("DELETE", path), ("GET", f"{path}/result"), ("GET", f"{path}/events")):
            problem(running.client.request(method, address), "unauthorized")
            wrong = {"Authorization": "Bearer open"}
            problem(running.client.request(method, address, headers=wrong), "unauthorized")
        running.let.set()
        running.client.headers.update(allowed)
        assert ended(running, path)["status"] == "done" and running.client.delete(path).status_code == 204


def test_pages_of_other_origins_start_and_delete_no_jobs(running):
    running.let.set()
    path, foreign = start(running), {"Origin": "https://example.org"}
    problem(running.client.post("/v1/jobs", files={"file": ("a.wav", WAV)}, headers=foreign), "forbidden_origin")
    problem(running.client.delete(path, headers=foreign), "forbidden_origin")
    assert ended(running, path)["status"] == "done"


def test_ids_can_not_be_guessed_and_unknown_ones_are_nothing(running):
    running.let.set()
    ids = {start(running).rsplit("/", 1)[1] for _ in range(5)}
    assert len(ids) == 5 and all(len(id) >= 22 for id in ids)
    for id in ("x", next(iter(ids))[:-1], next(iter(ids)).swapcase(), "%00", "%2e%2e", "é" * 300):
        problem(running.client.get(f"/v1/jobs/{id}"), "not_found")
        problem(running.client.delete(f"/v1/jobs/{id}"), "not_found")
    problem(running.client.get("/v1/jobs"), "method_not_allowed")


def test_wrong_formats_of_a_result(running):
    running.let.set()
    path = start(running)
    ended(running, path)
    detail = problem(running.client.get(f"{path}/result", params={"format": "docx"}), "bad_request")
    assert detail == f"query.format is 'docx'; expected {', '.join(FORMATS)}"


def test_the_end_of_the_service_stops_jobs(folder, detector):
    with Running(folder, drain_s=0.0) as running:
        path, waiting = start(running, file_of(handmade.tone(0.02, seconds=45))), start(running)
        until(lambda: state(running, path)["status"] == "running", seconds=PATIENCE_S)
        with followed(running, path) as events, followed(running, waiting) as others:
            next(events), next(others)
            begin = time.monotonic()
            running.server.should_exit = True
            ends = [list(each)[-1] for each in (events, others)]
        assert [(name, content["problem"]["code"]) for name, content in ends] == 2 * [("failed", "busy")]
        running.thread.join(PATIENCE_S)
        assert not running.thread.is_alive() and time.monotonic() - begin < PATIENCE_S
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("emotone-job")]


def test_the_schema_describes_jobs(recognizer):
    schema = client_of(recognizer, key="a").get("/openapi.json").json()
    paths = schema["paths"]
    assert set(paths) >= {"/v1/timeline", "/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{id}/result", "/v1/jobs/{id}/events"}
    timeline = paths["/v1/timeline"]["post"]
    assert set(timeline["responses"]["200"]["content"]) == {form.media_type for form in FORMATS.values()}
    formats = {parameter["name"]: parameter["schema"] for parameter in timeline["parameters"]}
    assert formats["format"]["enum"] == list(FORMATS) and formats["format"]["default"] == "json"
    assert set(paths["/v1/jobs"]["post"]["responses"]) >= {"202", "400", "401", "413", "503"}
    assert "200" not in paths["/v1/jobs"]["post"]["responses"]
    assert set(paths["/v1/jobs/{id}"]) == {"get", "delete"}
    assert set(paths["/v1/jobs/{id}"]["delete"]["responses"]) == {"204", "400", "401", "403", "404"}
    assert all(operation["security"] for path, each in paths.items() if "/v1/" in path for operation in each.values())
