"""The HTTP routes: predictions, the model, monitoring, and malformed or large requests."""

import numpy as np
import pytest

import emotone
from emotone.cli.recordings import Answer
from emotone.recognition.recognizer import Recognizer
from emotone.serve.problems import KINDS
from support import handmade, other_corpora
from support.serving import RATE, WAV, client_of, file_of, problem, send

pytestmark = pytest.mark.usefixtures("detector")


def test_a_prediction_is_what_the_command_line_tells(client, recognizer):
    expected = Answer("a.wav", recognizer.predict(WAV)).to_dict()
    response = send(client, WAV)
    assert response.status_code == 200 and response.json() == expected
    assert expected["emotion"] == "sad" and list(response.json()) == list(expected)
    assert response.headers["cache-control"] == "no-store" and response.headers["x-content-type-options"] == "nosniff"


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


def test_model(client, recognizer):
    told = client.get("/v1/model").json()
    assert told["emotions"] == handmade.EMOTIONS and told["version"] == emotone.__version__
    scope = "speakers that may be in its training data"
    assert told["scores"] == {"scope": scope, "accuracy": 0.5, "uar": 0.4} and told["elsewhere"] is None
    assert told["trust"][0].startswith(f"On {scope}, the model is right about 40 % of the time")
    assert told["trust"][1].startswith("On corpora it was not trained on: not measured.")
    assert told["protocol"] == {"name": "none", "speaker_disjoint": False}
    assert told["corpora"][0]["licence"] == "CC0" and told["sha256"] == recognizer.card["sha256"]
    assert (told["threshold"], told["adapts"], told["checks_speech"]) == (0.5, False, False)


def test_model_that_was_measured_on_other_corpora(tmp_path):
    elsewhere = other_corpora.figures()
    later = elsewhere | {"later": float("nan")}  # a key of another version, which JSON can't have
    recognizer = Recognizer(handmade.write(tmp_path / "b", scores={"uar": 0.4}, elsewhere=later))
    with client_of(recognizer) as client:
        told = client.get("/v1/model").json()
    assert told["elsewhere"] == {"scope": "corpora it was not trained on", **elsewhere}
    right, elsewhere_right, calibration, confident, reaching = told["trust"]
    assert "right about 40 %" in right and "right about 55 %" in elsewhere_right
    assert "by 8.4 points" in calibration and "78 % are right" in confident and "66 % of them are right" in reaching


def test_health_and_readiness(recognizer):
    client = client_of(recognizer)
    assert client.get("/healthz").json() == {"status": "ok"} and client.get("/readyz").json() == {"status": "ready"}
    client.app.state.queue.closing = True
    problem(client.get("/readyz"), "busy")
    assert client.get("/healthz").status_code == 200
    assert client.head("/healthz").status_code == 200 and client.head("/readyz").status_code == 503


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
        ({"files": {"file": WAV}, "params": {"track": 0}}, "query.track"),
        ({"files": {"file": WAV}, "params": {"channel": "both"}}, "query.channel is 'both'; expected mix, left, right"),
        ({"files": {"file": WAV}, "params": {"channel": 0}}, "query.channel is '0'; expected mix, left, right"),
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
