"""The summary after many files: what is counted, where it is printed, and when."""

import csv
import io
import json
import re

import pytest

from emotone.cli.answers import Answer
from emotone.cli.summary import MANY, Summary
from emotone.recognition.prediction import Prediction
from support.command_line import run


def answers():
    """Three sad, one angry, one unsure, two without speech and one that failed; each of 2 s."""
    scores = {"sad": 0.9, "angry": 0.1}
    kinds = [("sad", 1.0)] * 3 + [("angry", None), (None, None), (None, 0.1), (None, 0.2)]
    for number, (emotion, speech) in enumerate(kinds):
        yield Answer(f"{number}.wav", Prediction(emotion, 0.9, scores, 0.0, 2.0, speech))
    yield Answer("bad.wav", error="damaged")


def test_summary_counts_labels_failures_and_sound(monkeypatch):
    clock = iter([100.0, 102.0])
    monkeypatch.setattr("emotone.cli.summary.time.monotonic", lambda: next(clock))
    summary = Summary(["angry", "happy", "sad"])
    assert list(summary.counted(answers())) == list(answers())
    assert summary.text() == (
        "8 files: 3 sad, 1 angry, 1 unsure, 2 no speech, 1 failed; 14 s of sound in 2.0 s (7 s of sound a second)"
    )


@pytest.mark.parametrize("form", ["table", "csv", "json"])
@pytest.mark.slow
def test_many_files_end_with_a_summary_on_stderr(bundle, clips, form):
    files = [clips / "a_sad.wav"] * (MANY - 2) + [clips / "b_unsure.wav", clips / "e_text.wav"]
    result = run("predict", *files, "--model", bundle, "--format", form)
    last = result.stderr.splitlines()[-1]
    assert re.fullmatch(
        r"8 files: 6 sad, 1 unsure, 1 failed; 7\.0 s of sound in .* \([\d,]+ s of sound a second\)", last
    )
    assert "files" not in result.stdout
    if form == "json":
        assert len(json.loads(result.stdout)) == MANY
    if form == "csv":
        assert len(list(csv.DictReader(io.StringIO(result.stdout)))) == MANY
    assert "files:" not in run("predict", *files, "--model", bundle, "--format", form, "--quiet").stderr
    assert "files:" not in run("predict", *files[1:], "--model", bundle, "--format", form).stderr
