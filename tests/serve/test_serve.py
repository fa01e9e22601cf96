"""The service over HTTP: answers, limits, problems, and what must never be told."""

import asyncio
import functools
import gc
import io
import json
import struct
import threading
import time
import weakref

import numpy as np
import pytest
import soundfile
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

import emotone
from emotone import audio
from emotone.cli.recordings import Answer
from emotone.errors import ConfigError, FeatureError
from emotone.recognition.recognizer import Recognizer
from emotone.serve import ServeSettings, create_app
from emotone.serve.answers import decode, predict_json
from emotone.serve.counters import Metrics
from emotone.serve.problems import KINDS, ProblemError
from emotone.serve.server import make_server, serve
from emotone.serve.work_queue import Deadline, WorkQueue
from support import handmade

RATE = 16_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    scores = {"accuracy": 0.5, "uar": 0.4, "confusion": [[1]]}
    corpora = [{"name": "toy", "title": "Toy", "licence": "CC0", "url": "https://example.org", "commercial_use": True}]
    at = tmp_path_factory.mktemp("bundle") / "loudness"
    return handmade.write(at, scores=scores, training={"corpora": corpora, "note": ""})


@pytest.fixture(scope="module")
def recognizer(folder):
    return Recognizer(folder)


@pytest.fixture(scope="module")
def client(recognizer):
    with client_of(recognizer) as one:
        yield one


@pytest.fixture(autouse=True)
def detector(monkeypatch):
    def loud(frame):
        return 0.9 if np.sqrt(np.mean(frame**2)) > 0.005 else 0.1

    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: loud)


def client_of(recognizer, **settings):
    return TestClient(create_app(recognizer, settings=ServeSettings(**settings)), raise_server_exceptions=False)


def file_of(samples, *, kind="WAV", rate=RATE, **given):
    held = io.BytesIO()
    soundfile.write(held, samples, rate, format=kind, **given)
    return held.getvalue()


def send(client, data, *, name="a.wav", **given):
    return client.post("/v1/predict", files={"file": (name, data)}, **given)


def problem(response, code):
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert (told["code"], response.status_code) == (code, KINDS[code].status)
    assert told == {"type": "about:blank", "title": KINDS[code].title, "status": KINDS[code].status} | {
        "detail": told["detail"],
        "code": code,
    }
    for secret in ("/tmp", "/work", "/home", "Traceback", "site-packages", "bytes given", "the array"):
        assert secret not in response.text
    return told["detail"]


WAV = file_of(handmade.tone(0.02))


# ---- answers ----


def test_a_prediction_is_what_the_command_line_tells(client, recognizer):
    expected = Answer("a.wav", recognizer.predict(WAV)).to_dict()
    response = send(client, WAV)
    assert response.status_code == 200 and response.json() == expected
    assert expected["emotion"] == "sad" and list(response.json()) == list(expected)
    assert response.headers["cache-control"] == "no-store" and response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("kind", ["FLAC", "OGG", "MP3", "AIFF"])
def test_formats(client, recognizer, kind):
    data = file_of(handmade.tone(0.02), kind=kind)
    assert send(client, data).json()["scores"] == Answer("", recognizer.predict(data)).to_dict()["scores"]


def test_other_rates_and_recordings_over_a_minute(client, recognizer):
    for data in (file_of(handmade.tone(0.02), rate=44_100), file_of(handmade.tone(0.02, seconds=65))):
        assert send(client, data).json() == Answer("a.wav", recognizer.predict(data)).to_dict()


def test_speech_is_told_where_the_model_checks_for_it(tmp_path):
    bundle = handmade.write(tmp_path / "b", content=handmade.graph(speech=True), speech={"threshold": 0.5})
    recognizer = Recognizer(bundle)
    client = client_of(recognizer)
    assert send(client, WAV).json() == Answer("a.wav", recognizer.predict(WAV)).to_dict()
    silent = send(client, file_of(np.zeros(RATE))).json()
    assert (silent["speech"], silent["emotion"], silent["end_s"]) == (0.0, None, 1.0)


def test_timeline(client, recognizer):
    sound = np.concatenate([np.zeros(RATE), handmade.tone(0.02, seconds=3), np.zeros(RATE), handmade.tone(0.3)])
    data = file_of(sound, subtype="FLOAT")
    told = send(client, data, params={"timeline": "true"}).json()
    assert told == recognizer.timeline(data).to_dict()
    assert [one["emotion"] for one in told["segments"]] == ["sad", "angry"]
    assert send(client, file_of(np.zeros(RATE)), params={"timeline": 1}).json()["segments"] == []


def test_top_keeps_the_most_probable(client):
    whole = send(client, WAV).json()
    told = send(client, WAV, params={"top": 2}).json()
    best = sorted(whole["scores"].values(), reverse=True)[:2]
    assert list(told["scores"].values()) == best and next(iter(told["scores"])) == "sad"
    assert {**told, "scores": whole["scores"]} == whole
    assert send(client, WAV, params={"top": 99}).json()["scores"] == whole["scores"]
    segments = send(client, WAV, params={"top": 1, "timeline": True}).json()["segments"]
    assert [list(one["scores"]) for one in segments] == [["sad"]]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/etc/secret/b.wav", "b.wav"),
        ("C:\\Users\\me\\b.wav", "b.wav"),
        ("ä\u202eb.wav", "äb.wav"),
        ("x" * 300, "x" * 255),
        ("a/", "the upload"),
    ],
)
def test_file_names_are_reduced_to_their_last_part(client, name, shown):
    assert send(client, WAV, name=name).json()["file"] == shown


def test_model(client, recognizer):
    told = client.get("/v1/model").json()
    assert told["emotions"] == handmade.EMOTIONS and told["version"] == emotone.__version__
    assert told["scores"] == {"accuracy": 0.5, "uar": 0.4}
    assert told["protocol"] == {"name": "none", "speaker_disjoint": False}
    assert told["corpora"][0]["licence"] == "CC0" and told["sha256"] == recognizer.card["sha256"]
    assert (told["threshold"], told["adapts"], told["checks_speech"]) == (0.5, False, False)


def test_health_and_readiness(recognizer):
    client = client_of(recognizer)
    assert client.get("/healthz").json() == {"status": "ok"} and client.get("/readyz").json() == {"status": "ready"}
    client.app.state.queue.closing = True
    problem(client.get("/readyz"), "busy")
    assert client.get("/healthz").status_code == 200
    assert client.head("/healthz").status_code == 200 and client.head("/readyz").status_code == 503


def test_metrics(recognizer):
    client = client_of(recognizer)
    send(client, WAV)
    send(client, b"no sound")
    for path in ("/nowhere", '/"x'):
        client.get(path)
    response = client.get("/metrics")
    lines = response.text.splitlines()
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'emotone_requests_total{path="/v1/predict",status="200"} 1' in lines
    assert 'emotone_requests_total{path="/v1/predict",status="422"} 1' in lines
    assert 'emotone_requests_total{path="other",status="404"} 2' in lines
    assert 'emotone_inference_seconds_bucket{le="+Inf"} 2' in lines and "emotone_inference_seconds_count 2" in lines
    assert "emotone_queue_length 0" in lines and "emotone_streams_open 0" in lines
    counts = [int(line.split()[-1]) for line in lines if "_bucket" in line]
    assert counts == sorted(counts) and all(line[0] == "#" or len(line.split()) == 2 for line in lines)


# ---- problems ----


def test_what_is_no_recording(client):
    archive = b"PK\x03\x04" + b"\0" * 100
    assert "zip archive" in problem(send(client, archive), "not_audio")
    assert problem(send(client, archive, name="/x/y.wav"), "not_audio").startswith("y.wav: ")
    assert problem(send(client, b"", name=""), "bad_request")  # a part without a name is no file
    assert "empty" in problem(send(client, b""), "not_audio")
    assert "cut short" in problem(send(client, WAV[:1000]), "not_audio")
    rng = np.random.default_rng(0)
    for start in (b"", b"RIFF", b"fLaC", b"OggS", b"ID3\x04", b"\0\0\0\x18ftypM4A "):
        problem(send(client, start + rng.bytes(2000)), "not_audio")
    assert send(client, WAV).status_code == 200


def test_short_and_silent_recordings(client):
    assert "0.100 s" in problem(send(client, file_of(handmade.tone(0.1, seconds=0.1))), "too_short")
    assert problem(send(client, file_of(np.zeros(RATE))), "silent").startswith("a.wav: ")
    assert "silent throughout" in problem(send(client, file_of(np.zeros(61 * RATE))), "silent")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"content": b"x"}, "multipart/form-data"),
        ({"json": {"file": "a.wav"}}, "multipart/form-data"),
        ({"data": {"file": "a.wav"}, "files": {"other": b"x"}}, "field 'file'"),
        ({"files": [("file", ("a", WAV)), ("file", ("b", WAV))]}, "Too many files"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, "boundary"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, "form"),
        ({"content": b"--b\r\n\r\nx", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, "form"),
        ({"files": {"file": WAV}, "params": {"top": 0}}, "query.top"),
        ({"files": {"file": WAV}, "params": {"top": "x"}}, "query.top"),
        ({"files": {"file": WAV}, "params": {"timeline": "x"}}, "query.timeline"),
    ],
)
def test_requests_that_can_not_be_understood(client, given, why):
    assert why in problem(client.post("/v1/predict", **given), "bad_request")


def test_character_sets_that_are_none(client):
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--\r\n'
    for charset in ("none", "hex", "rot13", "utf-16"):
        kind = f"multipart/form-data; boundary=b; charset={charset}"
        response = client.post("/v1/predict", content=body, headers={"Content-Type": kind})
        assert response.status_code in (400, 422) and response.json()["code"] in KINDS


def test_paths_and_methods_that_are_none(client):
    problem(client.get("/nowhere"), "not_found")
    detail = problem(client.get("/v1/predict"), "method_not_allowed")
    assert "GET" in detail and client.get("/v1/predict").headers["allow"] == "POST"
    for path in ("/docs", "/redoc"):  # they would load scripts from another host
        problem(client.get(path), "not_found")


def test_failures_tell_nothing_of_themselves(recognizer, monkeypatch):
    client = client_of(recognizer)

    def failing(error):
        def predict(*_, **__):
            raise error

        monkeypatch.setattr(recognizer, "predict", predict)

    failing(RuntimeError("/work/secret"))
    assert "secret" not in problem(send(client, WAV), "internal")
    failing(FeatureError("no finite number"))
    assert problem(send(client, WAV), "unanswerable") == "no finite number"
    monkeypatch.undo()
    assert client.app.state.queue.waiting == 0 and client.app.state.queue._admitted == 0


def test_every_problem_is_in_the_schema(client):
    schema = client.get("/openapi.json").json()
    told = schema["paths"]["/v1/predict"]["post"]["responses"]
    codes = {
        (int(status), code)
        for status, one in told.items()
        if status != "200"
        for code in one["content"]["application/problem+json"]["schema"]["properties"]["code"]["enum"]
    }
    assert codes == {(KINDS[code].status, code) for _, code in codes} and len(codes) == 13
    assert "HTTPValidationError" not in json.dumps(schema)
    assert schema["paths"]["/v1/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]


# ---- limits ----


def test_large_uploads_with_and_without_a_length(recognizer):
    client = client_of(recognizer, max_upload_bytes=100_000)
    assert send(client, WAV).status_code == 200
    problem(send(client, b"\0" * 100_001), "too_large")  # within what a form may take beside it
    problem(send(client, b"\0" * 200_000), "too_large")
    n_read = 0

    def pieces():
        nonlocal n_read
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(1000):
            n_read += 10_000
            yield b"\0" * 10_000

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    problem(client.post("/v1/predict", content=pieces(), headers=kind), "too_large")
    lying = kind | {"Content-Length": "999999999999"}
    response = client.post("/v1/predict", content=b"", headers=lying)
    problem(response, "too_large")
    assert response.headers["connection"] == "close"


def test_long_recordings_are_decoded_no_further_than_the_limit(recognizer, monkeypatch):
    client, blocks, decoded_s = client_of(recognizer, max_duration_s=2.0), audio.blocks, []

    def counted(source, **given):
        for block in blocks(source, **given):
            decoded_s.append(len(block) / RATE)
            yield block

    monkeypatch.setattr("emotone.serve.answers.audio.blocks", counted)
    problem(send(client, file_of(handmade.tone(0.1, seconds=2.1))), "too_long")
    small = file_of(np.zeros(3600 * 8000, np.int16), kind="FLAC", rate=8000)
    assert len(small) < 500_000
    for timeline in (False, True):
        decoded_s.clear()
        problem(send(client, small, params={"timeline": timeline}), "too_long")
        assert sum(decoded_s) <= 10
    monkeypatch.undo()
    assert send(client, file_of(handmade.tone(0.1, seconds=2.0))).status_code == 200


def test_headers_that_lie_cost_neither_time_nor_memory(recognizer):
    client = client_of(recognizer)
    data = bytearray(file_of(handmade.tone(0.02), kind="FLAC"))
    (stated,) = struct.unpack(">Q", data[18:26])
    assert stated & (2**36 - 1) == RATE  # STREAMINFO: the last 36 bits are the samples
    data[18:26] = struct.pack(">Q", stated | (2**35))
    start = time.perf_counter()
    problem(send(client, bytes(data)), "not_audio")
    data[18:26] = struct.pack(">Q", stated & ~(2**36 - 1))  # 0: it was not known
    assert send(client, bytes(data)).status_code in (200, 422)
    wav = bytearray(WAV)
    wav[40:44] = struct.pack("<I", 0x7FFFFFF0)  # as of a stream: taken for what is there
    assert send(client, bytes(wav)).json()["end_s"] == 1.0
    assert time.perf_counter() - start < 5.0


def test_decoding_stops_at_the_deadline():
    data = file_of(np.zeros(600 * 8000, np.int16), kind="FLAC", rate=8000)
    deadline = Deadline(60)
    deadline.cancel()
    with pytest.raises(ProblemError) as told:
        decode(data, "a.flac", max_duration_s=3600, deadline=deadline)
    assert told.value.code == "timeout"


def test_the_answer_for_a_long_recording_stops_at_the_deadline(recognizer, monkeypatch):
    deadline, outputs, windows = Deadline(60), recognizer._outputs, []

    def counted(*given):
        windows.append(given)
        if len(windows) == 3:
            deadline.cancel()
        return outputs(*given)

    monkeypatch.setattr(recognizer, "_outputs", counted)
    data = file_of(handmade.tone(0.1, seconds=95))
    with pytest.raises(ProblemError) as told:
        predict_json(recognizer, data, "a.wav", as_timeline=False, deadline=deadline, settings=ServeSettings())
    assert told.value.code == "timeout" and len(windows) == 3  # of ten


def test_answers_that_take_too_long(recognizer, monkeypatch):
    client, over = client_of(recognizer, max_seconds=0.1), threading.Event()
    with client:
        monkeypatch.setattr(recognizer, "predict", lambda *_, **__: over.wait(5))
        response = send(client, WAV)
        problem(response, "timeout")
        load = client.app.state.queue
        assert response.headers["retry-after"] == "1" and load._running == 1  # its room is not given away
        over.set()
        _until(lambda: load._admitted == 0)


def test_settings_are_checked():
    for given in (
        {"workers": 0},
        {"workers": True},
        {"max_seconds": float("nan")},
        {"key": ""},
        {"key": "ä"},
        {"key": " a"},
        {"origins": ("example.org",)},
        {"origins": ("https://example.org/",)},
        {"origins": "https://example.org"},
        {"max_upload_bytes": 0},
    ):
        with pytest.raises(ConfigError, match="expected"):
            ServeSettings(**given)


# ---- key and origins ----


def test_the_key_is_asked_for(recognizer):
    client = client_of(recognizer, key="open sesame")
    for headers in (
        {},
        {"Authorization": "Bearer no"},
        {"Authorization": "Basic open sesame"},
        {"Authorization": b"Bearer \xe9"},
    ):
        response = send(client, WAV, headers=headers)
        assert "key is" in problem(response, "unauthorized") and response.headers["www-authenticate"] == "Bearer"
        problem(client.get("/v1/model", headers=headers), "unauthorized")
    schema = client.get("/openapi.json").json()
    assert schema["paths"]["/v1/model"]["get"]["security"] == [{"HTTPBearer": []}]
    assert schema["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    problem(client.post("/v1/predict", params={"top": 0}), "unauthorized")  # before anything else is looked at
    assert send(client, WAV, headers={"Authorization": "bearer open sesame"}).status_code == 200
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json"):
        assert client.get(path).status_code == 200


def test_other_origins_are_closed_out_unless_named(recognizer):
    asked = {"Origin": "https://a.org", "Access-Control-Request-Method": "POST"}
    client = client_of(recognizer)
    assert client.options("/v1/predict", headers=asked).status_code == 405
    refused = send(client, WAV, headers={"Origin": "https://a.org"})
    problem(refused, "forbidden_origin")
    assert "access-control-allow-origin" not in refused.headers
    assert send(client, WAV, headers={"Origin": "http://testserver"}).status_code == 200
    client = client_of(recognizer, origins=("https://a.org",))
    assert client.options("/v1/predict", headers=asked).headers["access-control-allow-origin"] == "https://a.org"
    assert send(client, WAV, headers={"Origin": "https://a.org"}).status_code == 200
    assert client.options("/v1/predict", headers=asked | {"Origin": "https://b.org"}).status_code == 400
    assert "access-control-allow-origin" not in client.get("/v1/model", headers={"Origin": "https://b.org"}).headers


# ---- a real server ----


def _until(true, *, seconds=5.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


class Running:
    """A server in a thread, whose model answers once it is let."""

    def __init__(self, folder, **settings):
        self.recognizer = Recognizer(folder)
        self.let, predict = threading.Event(), self.recognizer.predict
        self.recognizer.predict = lambda *given, **named: (self.let.wait(10), predict(*given, **named))[1]
        self.server = make_server(self.recognizer, port=0, settings=ServeSettings(**settings))
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self):
        import httpx

        self.thread.start()
        _until(lambda: self.server.started)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False)
        self.queue = self.server.config.app.state.queue
        return self

    def __exit__(self, *_):
        self.let.set()
        self.server.should_exit = True
        self.thread.join(10)
        self.client.close()

    def post(self, found):
        found.append(self.client.post("/v1/predict", files={"file": ("a.wav", WAV)}))

    def background(self, n):
        found = []
        threads = [threading.Thread(target=self.post, args=(found,), daemon=True) for _ in range(n)]
        for one in threads:
            one.start()
        return found, threads


def test_a_full_queue_refuses_at_once_and_what_waits_is_answered(folder):
    with Running(folder, workers=1, queue=1) as running:
        found, threads = running.background(2)
        _until(lambda: running.queue._admitted == 2 and running.queue._running == 1)
        assert "emotone_queue_length 1" in running.client.get("/metrics").text
        refused = running.client.post("/v1/predict", files={"file": ("a.wav", WAV)})
        problem(refused, "busy")
        assert refused.headers["retry-after"] == "1" and "server" not in refused.headers
        running.let.set()
        for one in threads:
            one.join(10)
        assert [one.status_code for one in found] == [200, 200] and running.queue._admitted == 0


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
    import socket

    with Running(folder, workers=1, queue=1) as running:
        _, threads = running.background(1)
        _until(lambda: running.queue._running == 1)
        body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + WAV + b"\r\n--b--\r\n"
        head = f"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        for sent in (body, body[:1000]):  # while it waits, and within its upload
            with socket.create_connection(("127.0.0.1", running.client.base_url.port)) as line:
                line.sendall(head.encode() + sent)
                _until(lambda: running.queue._admitted == 2)
            _until(lambda: running.queue._admitted == 1)
        running.let.set()
        threads[0].join(10)
        assert running.client.get("/readyz").status_code == 200


def test_an_upload_that_does_not_go_on_is_given_up(folder):
    import socket

    with Running(folder, idle_stream_s=0.1) as running:
        with socket.create_connection(("127.0.0.1", running.client.base_url.port)) as line:
            line.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n")
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


def test_what_runs_is_finished_before_the_service_ends(folder):
    import signal

    with Running(folder, workers=1, drain_s=0.3) as running:
        found, threads = running.background(1)
        _until(lambda: running.queue._running == 1)
        running.server.handle_exit(signal.SIGTERM, None)
        running.server._captured_signals.clear()  # it would be raised again, for this process
        problem(running.client.get("/readyz"), "busy")  # and it still listens
        assert running.client.get("/healthz").status_code == 200
        _until(lambda: running.server.should_exit)
        running.let.set()
        threads[0].join(10)
        running.thread.join(10)
        assert found[0].status_code == 200 and not running.thread.is_alive()


def test_the_process_listens_and_ends_on_a_signal(folder, tmp_path):
    import signal
    import socket
    import subprocess
    import sys

    import httpx

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}"):
            serve(Recognizer(folder), port=port)
    script = f"from emotone import Recognizer, serve as s; s.serve(Recognizer({str(folder)!r}), port={port})"
    with subprocess.Popen([sys.executable, "-c", f"import emotone.serve; {script}"], stderr=subprocess.PIPE) as process:

        def ready():
            try:
                return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
            except httpx.TransportError:
                return False

        _until(ready, seconds=30)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0 and process.stderr.read() == b""
