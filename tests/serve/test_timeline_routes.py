"""The route of timelines: formats, options and problems."""

import re
import tracemalloc
import urllib.parse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.errors import ConfigError
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.rttm import Turn
from emotone.recognition.timeline_formats import FORMATS
from emotone.serve import timelines
from emotone.serve.own_source import OwnSource
from emotone.serve.timelines import TimelineOptions, timeline_of
from emotone.serve.uploads import Upload
from emotone.serve.work_queue import Deadline
from support import handmade
from support.media import media
from support.serving import RATE, WAV, client_of, file_of, problem

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("detector")


@pytest.fixture(scope="module")
def turns():
    sound = [np.zeros(RATE), handmade.tone(0.02, seconds=3), np.zeros(RATE), handmade.tone(0.3)]
    return np.concatenate(sound).astype(np.float32)


def send(client, data, *, name="a.wav", files=(), **params):
    return client.post("/v1/timeline", files={"file": (name, data), **dict(files)}, params=params)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format(client, recognizer, turns, format):
    data, form = file_of(turns, subtype="FLOAT"), FORMATS[format]
    response = send(client, data, name="meeting.wav", format=format)
    expected = replace(recognizer.timeline(data, speakers="auto"), file="meeting.wav")
    assert response.status_code == 200 and response.content == form.write(expected).encode()
    assert response.headers["content-type"].split(";")[0] == form.media_type
    assert f'filename="meeting{form.suffix}"' in response.headers["content-disposition"]


def test_json_is_the_default_and_says_what_predict_says(client, turns):
    data = file_of(turns, subtype="FLOAT")
    timeline = send(client, data).json()
    assert [segment["emotion"] for segment in timeline["segments"]] == ["sad", "angry"]
    predict = client.post("/v1/predict", files={"file": ("a.wav", data)}, params={"timeline": True}).json()
    assert [speaker["speaker"] for speaker in timeline.pop("speakers")] == ["speaker 1"] and predict.pop(
        "speakers"
    ) == []
    for segment in timeline["segments"]:
        assert segment.pop("speaker") == "speaker 1"
    assert [segment.pop("speaker") for segment in predict["segments"]] == [None, None]
    assert timeline == predict


@pytest.mark.parametrize("kind", ["WAV", "webm"])  # decoded in this process, and in a child
@pytest.mark.slow
def test_channels_and_tracks(client, recognizer, turns, kind):
    both = np.stack([turns, turns[::-1]], axis=1)
    data = file_of(both) if kind == "WAV" else media([np.repeat(both, 3, axis=0)], "webm", "libopus")
    left, right = (send(client, data, channel=channel).json() for channel in ("left", "2"))
    assert left == recognizer.timeline(data, channel="left", speakers="auto").to_dict()
    assert right == recognizer.timeline(data, channel="right", speakers="auto").to_dict() != left
    assert send(client, data).json() == recognizer.timeline(data, speakers="auto").to_dict()
    assert "has 2" in problem(send(client, data, channel=3), "no_channel")
    video = media([np.repeat(handmade.tone(level), 3).astype(np.float32) for level in (0.02, 0.2)], "matroska", "flac")
    assert [send(client, video, track=n).json()["segments"][0]["emotion"] for n in (1, 2)] == ["sad", "angry"]
    assert problem(send(client, video, track=3), "no_channel").startswith("a.wav: track is 3")


@pytest.mark.parametrize(
    ("name", "plain", "shown"),
    [
        ("../../etc/passwd", "passwd", "passwd"),
        ("C:\\x\\ä b.wav", "__b", "ä_b"),
        ("a;b.mp3", "a;b", "a;b"),
        (".wav", "wav", "wav"),
        ("..", "timeline", "timeline"),
        ("会議.ogg", "__", "会議"),
        ("x" * 300 + ".wav", "x" * 100, "x" * 100),
        ("100%<b>?.wav", "100_b", "100_b"),
    ],
)
def test_file_names_are_safe(client, name, plain, shown):
    header = send(client, WAV, name=name, format="vtt").headers["content-disposition"]
    match = re.fullmatch(
        r"attachment; filename=\"([^\"\\/]+)\.vtt\"; filename\*=UTF-8''([A-Za-z0-9._~%-]+)\.vtt", header
    )
    assert (match[1], urllib.parse.unquote(match[2])) == (plain, shown)


@pytest.mark.slow
def test_adaptation_to_the_recording_itself_or_to_the_source():
    recognizer = Recognizer()
    data = file_of(np.tile(audio.read(ROOT / "samples" / "conversation.ogg"), 2), subtype="FLOAT")
    with client_of(recognizer) as client:
        adapted, plain = send(client, data).json(), send(client, data, adapt="none").json()
    assert (
        adapted == recognizer.timeline(data, adapt=True, speakers="auto").to_dict() and adapted["adapted"]["source"] > 0
    )
    assert plain == recognizer.timeline(data, speakers="auto").to_dict() and plain["adapted"]["source"] == 0
    with client_of(recognizer, learn_source=True) as client:
        client.post("/v1/predict", files={"file": ("a.wav", data)})
        n_known = client.get("/v1/model").json()["source_clips"]
        assert send(client, data).json()["adapted"]["source"] == n_known > 0
        assert send(client, data, adapt="none").json() == plain


@pytest.mark.parametrize("format", ["docx", "JSON", ""])
def test_formats_that_do_not_exist(client, format):
    detail = problem(send(client, WAV, format=format), "bad_request")
    assert detail == f"query.format is '{format}'; expected {', '.join(FORMATS)}"


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"channel": "both"}, "query.channel is 'both'"),
        ({"track": 0}, "query.track"),
        ({"adapt": "yes"}, "query.adapt"),
        ({"speakers": "21"}, "query.speakers is '21'; expected"),
        ({"speakers": "one "}, "query.speakers"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/timeline", "/v1/jobs"])
def test_options_that_are_wrong(client, params, why, path):
    assert why in problem(client.post(path, files={"file": ("a.wav", WAV)}, params=params), "bad_request")


def test_speakers_may_be_one_and_a_file_of_speakers_is_not_ignored(client):
    assert send(client, WAV, speakers="one").status_code == 200
    turns = b"SPEAKER a 1 0 1 <NA> <NA> anna <NA> <NA>\n"
    made = client.post("/v1/timeline", files={"file": ("a.wav", WAV), "rttm": ("a.rttm", turns)}).json()
    assert {segment["speaker"] for segment in made["segments"]} == {"anna"}
    made = client.post("/v1/timeline", files={"file": ("a.wav", WAV), "rttm": ("a.rttm", b"")}).json()
    assert made["segments"] == [] and made["notes"] == ["the RTTM has no turns"]
    for rttm in (b"PNG\xff", b"no rttm"):
        response = client.post("/v1/timeline", files={"file": ("a.wav", WAV), "rttm": ("a.rttm", rttm)})
        assert "rttm" in problem(response, "bad_request")
    large = client.post("/v1/timeline", files={"file": ("a.wav", WAV), "rttm": ("a.rttm", bytes(1_000_001))})
    assert "rttm has 1000001 bytes" in problem(large, "too_large")
    twice = client.post("/v1/timeline", files=[("file", ("a", WAV)), ("file", ("b", WAV))])
    assert "single file" in problem(twice, "bad_request")


def test_problems_of_recordings(recognizer):
    client = client_of(recognizer, max_duration_s=2.0)
    assert "empty" in problem(send(client, b""), "not_audio")
    assert problem(send(client, b"PK\x03\x04" + bytes(100)), "not_audio").startswith("a.wav: ")
    assert "longer than 2 s" in problem(send(client, file_of(handmade.tone(0.1, seconds=2.1))), "too_long")
    mp3 = file_of(handmade.tone(0.1, seconds=40), kind="MP3")  # without a length in its header
    assert "longer than 2 s" in problem(send(client, mp3), "too_long")
    assert send(client, file_of(np.zeros(RATE))).json()["segments"] == []
    assert send(client, file_of(handmade.tone(0.1, seconds=0.05))).json()["segments"] == []


def test_the_deadline_ends_a_timeline(recognizer):
    deadline = Deadline(60)
    deadline.cancel()
    problem(send(client_of(recognizer, max_seconds=0.01), file_of(handmade.tone(0.1, seconds=120))), "timeout")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_recording(recognizer):
    def peak(seconds):
        data = file_of(np.zeros(seconds * 8000, np.int16), kind="FLAC", rate=8000)
        upload = Upload(data, "a.flac")
        options, source = TimelineOptions(), OwnSource(recognizer, learns=False)
        tracemalloc.start()
        made = timeline_of(
            recognizer, upload, options=options, source=source, max_duration_s=9999, deadline=Deadline(600)
        )
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert made.duration_s == seconds
        return most

    short, long = peak(120), peak(1200)
    assert long < short + 2_000_000 < 30_000_000  # the samples of the long one are 77 MB


def test_arguments_of_the_recogniser():
    upload = Upload(WAV, "a.wav")
    assert TimelineOptions().arguments(upload) == {"channel": "mix", "track": None, "speakers": "auto"}
    for given, expected in (("auto", "auto"), ("channels", "channels"), ("2", 2)):
        assert TimelineOptions(speakers=given).arguments(upload)["speakers"] == expected
    lines = "".join(
        f"SPEAKER {file} 1 0.5 1 <NA> <NA> {name} <NA> <NA>\n" for file, name in (("a", "Änne"), ("b", "x"))
    )
    said = replace(upload, rttm=lines.encode())
    assert TimelineOptions(speakers="auto").arguments(said)["speakers"] == (Turn("Änne", 0.5, 1.5),)
    with pytest.raises(ConfigError, match="the field rttm is not UTF-8 text"):
        TimelineOptions().arguments(replace(upload, rttm=b"PNG\xff"))


@pytest.mark.parametrize("route", ["/v1/timeline", "/v1/jobs"])
def test_many_channels_of_a_large_upload_are_refused(client, monkeypatch, turns, route):
    """Each channel is decoded from the whole upload, all at the same time."""
    data = file_of(np.stack([turns, turns[::-1]], axis=1))
    monkeypatch.setattr(timelines, "_MOST_BYTES_OF_CHANNELS", 2 * len(data) - 1)
    files = {"file": ("call.wav", data)}
    detail = problem(client.post(route, files=files, params={"speakers": "channels"}), "too_large")
    assert detail.startswith(f"call.wav has 2 channels and {len(data)} bytes, and speakers=channels decodes it once")
    assert client.post("/v1/timeline", files=files).status_code == 200


def test_a_recording_of_one_channel_has_no_speakers_on_channels(client):
    detail = problem(send(client, WAV, name="call.wav", speakers="channels"), "bad_request")
    assert detail.startswith("call.wav: speakers is channels, and the number of channels is 1")
