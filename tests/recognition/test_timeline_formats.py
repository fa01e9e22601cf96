"""File formats of timelines."""

import csv
import io
import json

import numpy as np
import pytest

from emotone.recognition.prediction import Prediction
from emotone.recognition.timeline import Timeline
from emotone.recognition.timeline_formats import FORMATS

EMOTIONS = ("happy", "sad", "angry")


@pytest.fixture
def made():
    def one(emotion, start_s, end_s, share):
        rest = (1 - share) / 2
        scores = {name: share if name == (emotion or "sad") else rest for name in EMOTIONS}
        return Prediction(emotion, share, scores, start_s, end_s)

    segments = (one("happy", 0.5, 2.25, 0.8), one(None, 3600.0, 3661.5, 0.4))
    return Timeline(segments, 4000.0, EMOTIONS, np.zeros(10, np.float32))


def test_json_has_every_segment(made):
    found = json.loads(FORMATS["json"].write(made))
    assert set(found) == {"duration_s", "spoken_s", "shares", "notes", "adapted", "segments"}
    assert found["duration_s"] == 4000.0 and found["spoken_s"] == 63.25
    first, second = found["segments"]
    assert first == {
        **{"start_s": 0.5, "end_s": 2.25, "emotion": "happy", "label": "happy", "confidence": 0.8, "speech": None},
        **{"notes": [], "adapted": {"source": 0, "speaker": 0}},
        "scores": pytest.approx({"happy": 0.8, "sad": 0.1, "angry": 0.1}),
    }
    assert (second["emotion"], second["label"]) == (None, "unsure")


def test_csv_has_a_row_for_each_segment(made):
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"].write(made))))
    assert [row["label"] for row in rows] == ["happy", "unsure"]
    assert list(rows[0]) == ["start_s", "end_s", "emotion", "confidence", "label", "speech", *EMOTIONS]
    assert float(rows[0]["happy"]) == 0.8
    assert [row["emotion"] for row in rows] == ["happy", ""] and rows[0]["speech"] == ""


def test_webvtt_is_what_players_read(made):
    assert FORMATS["vtt"].write(made) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.250\nhappy 80 %\n\n01:00:00.000 --> 01:01:01.500\nunsure\n"
    )


def test_srt_is_what_players_read(made):
    assert FORMATS["srt"].write(made) == (
        "1\n00:00:00,500 --> 00:00:02,250\nhappy 80 %\n\n2\n01:00:00,000 --> 01:01:01,500\nunsure\n"
    )


def test_audacity_reads_its_labels(made):
    assert FORMATS["audacity"].write(made) == "0.500000\t2.250000\thappy 80 %\n3600.000000\t3661.500000\tunsure\n"
