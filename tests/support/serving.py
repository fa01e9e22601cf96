"""The service in tests: clients, files, and what a problem must look like."""

import io
import threading
import time

import soundfile
from starlette.testclient import TestClient

from emotone.recognition.prediction import Prediction
from emotone.recognition.recognizer import Recognizer
from emotone.serve import ServeSettings, create_app
from emotone.serve.problems import KINDS
from emotone.serve.server import make_server
from support import handmade

RATE = 16_000


def client_of(recognizer, **settings):
    return TestClient(create_app(recognizer, settings=ServeSettings(**settings)), raise_server_exceptions=False)


def file_of(samples, *, kind="WAV", rate=RATE, **given):
    held = io.BytesIO()
    soundfile.write(held, samples, rate, format=kind, **given)
    return held.getvalue()


WAV = file_of(handmade.tone(0.02))


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


def until(true, *, seconds=10.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


class Running:
    """A server in a thread, whose model answers once it is let; a timeline checks its progress meanwhile."""

    def __init__(self, folder, **settings):
        self.recognizer = Recognizer(folder)
        self.let, predict = threading.Event(), self.recognizer.predict
        self.recognizer.predict = lambda *given, **named: (self.let.wait(10), predict(*given, **named))[1]
        self._timeline, self.recognizer.timeline = self.recognizer.timeline, self._held_timeline
        self.server = make_server(self.recognizer, port=0, settings=ServeSettings(**settings))
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self):
        import httpx

        self.thread.start()
        until(lambda: self.server.started)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10, trust_env=False)
        self.queue = self.server.config.app.state.queue
        return self

    def __exit__(self, *_):
        self.let.set()
        self.server.should_exit = True
        self.thread.join(10)
        self.client.close()

    def _held_timeline(self, source, *, progress, **options):
        def held(*given):
            progress(*given)
            while not self.let.wait(0.01):
                progress(*given)

        return self._timeline(source, progress=held, **options)

    def post(self, found):
        found.append(self.client.post("/v1/predict", files={"file": ("a.wav", WAV)}))

    def background(self, n):
        found = []
        threads = [threading.Thread(target=self.post, args=(found,), daemon=True) for _ in range(n)]
        for one in threads:
            one.start()
        return found, threads


def prediction(emotion, scores, **options):
    return Prediction(emotion, max(scores.values()), scores, 0.0, 2.0, **options)
