"""The command ``predict``: table, JSON and CSV."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from emotone.audio import write_wav
from emotone.cli import console as output
from emotone.cli import predict
from emotone.recognition.prediction import Prediction
from support import handmade
from support.command_line import run

EMOTIONS = handmade.EMOTIONS


def test_json_is_the_documented_list(bundle, clips):
    result = run("predict", clips / "a_sad.wav", clips / "b_unsure.wav", "--model", bundle, "--format", "json")
    assert result.exit_code == 0 and result.stderr == ""
    sad, unsure = json.loads(result.stdout)
    assert (
        list(sad)
        == list(unsure)
        == [
            *("file", "start_s", "end_s", "emotion", "label", "confidence", "scores", "speech", "notes"),
            "adapted",
            "speaker",
        ]
    )
    assert (sad["file"], sad["start_s"], sad["end_s"]) == (str(clips / "a_sad.wav"), 0.0, 1.0)
    assert (sad["emotion"], unsure["emotion"]) == ("sad", None)
    assert list(sad["scores"]) == EMOTIONS
    scores = handmade.expected(handmade.tone(0.02))
    assert list(sad["scores"].values()) == pytest.approx(scores, abs=1e-4)
    assert sad["confidence"] == max(sad["scores"].values())


def test_unreadable_file_does_not_stop_the_others(bundle, clips):
    paths = [clips / "a_sad.wav", clips / "e_text.wav", clips / "missing.wav", clips / "c_angry.wav"]
    result = run("predict", *paths, "--model", bundle, "--format", "json")
    answers = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [list(answer) for answer in answers[1:3]] == [["file", "error"]] * 2
    assert [answer["file"] for answer in answers] == [str(path) for path in paths]
    assert (answers[0]["emotion"], answers[3]["emotion"]) == ("sad", "angry")
    assert "missing.wav" in answers[2]["error"]


def test_recordings_of_a_folder_are_predicted_in_order(bundle, clips):
    answers = json.loads(run("predict", clips, "--model", bundle, "--format", "json").stdout)
    names = [str(Path(answer["file"]).relative_to(clips)) for answer in answers]
    assert names == ["a_sad.wav", "b_unsure.wav", "c_angry.wav", "e_text.wav", "more/d_sad.wav"]


def test_folder_without_recordings_is_an_error(bundle, tmp_path):
    result = run("predict", tmp_path, "--model", bundle)
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path}: no recording in this folder; expected files such as .wav, .flac, " + (
        ".mp3 or .m4a\n"
    )


def test_csv_has_a_column_for_each_emotion(bundle, clips):
    result = run("predict", clips, "--model", bundle, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == [
        *(
            "file",
            "start_s",
            "end_s",
            "emotion",
            "confidence",
            "label",
            "speech",
            *EMOTIONS,
            "notes",
            "error",
            "speaker",
        )
    ]
    assert [row["emotion"] for row in rows] == ["sad", "", "angry", "", "sad"]
    assert [bool(row["error"]) for row in rows] == [False, False, False, True, False]
    assert sum(float(rows[0][emotion]) for emotion in EMOTIONS) == pytest.approx(1, abs=1e-5)


def test_table_shows_unsure_and_says_why(bundle, clips):
    result = run("predict", clips, "--model", bundle)
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["file", "emotion", "confidence", "then", "(%)"]
    assert [line.split()[1] for line in lines[1:5]] == ["sad", "unsure", "angry", "sad"]
    assert lines[2].split()[2:5] == ["━━──────", "25", "%"]
    assert lines[5] == "unsure: no emotion reaches the threshold of 50 %"
    others, error = result.stderr.splitlines()
    assert others == "passed over 1 file that can't be read as sound: 1 .txt"
    assert error.startswith("error: ") and "e_text.wav" in error


def test_model_that_does_not_check_for_speech_says_so_once(bundle, clips):
    words = "this model does not check for speech: silence, noise and music get an emotion too"
    assert run("predict", clips, "--model", bundle).stdout.splitlines().count(words) == 1
    assert words not in run("predict", clips / "a_sad.wav").stdout  # the built-in one checks


def test_long_recording_points_to_the_timeline(bundle, tmp_path):
    write_wav(tmp_path / "long.wav", np.tile(handmade.tone(0.02), 5))
    note = run("predict", tmp_path / "long.wav", "--model", bundle).stderr
    assert note.startswith(
        "note: the recording is longer than 4 s: this is the mean over its speech; 'emotone timeline'"
    )


@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_threshold_is_shown_alike_and_with_its_tenths(bundle, clips, loud, command):
    result = run(command, clips / "b_unsure.wav", "--model", bundle, "--threshold", 0.995)
    assert "unsure: no emotion reaches the threshold of 99.5 %" in result.stdout.splitlines()


@pytest.mark.parametrize(("width", "columns"), [(80, 4), (50, 3)])
def test_table_fits_its_terminal_with_the_ends_of_names(monkeypatch, width, columns):
    scores = {"surprised": 0.9, "fearful": 0.06, "surprised2": 0.04}
    prediction = Prediction("surprised", 0.9, scores, 0.0, 1.0)
    name = "/data/ravdess/Audio_Speech_Actors_01-24/Actor_12/03-01-05-01-02-01-12.flac"
    screen = io.StringIO()
    fixed = width
    monkeypatch.setattr(output, "console", lambda *, width: Console(width=fixed, file=screen))
    predict.Table([name], emotions=list(scores)).print(name, prediction)
    header, row = screen.getvalue().splitlines()
    assert len(row) <= width and "-12.flac" in row and "…" in row
    assert "surprised" in row and "90 %" in row
    assert ("then (%)" in header) == (columns == 4)


def test_control_characters_in_names_are_escaped(bundle, tmp_path):
    path = tmp_path / "evil\x1b[31m\n[bold]name.wav"
    write_wav(path, handmade.tone(0.02))
    missing = tmp_path / "gone\x1b]0;title\x07.wav"
    result = run("predict", path, missing, "--model", bundle)
    assert "\x1b" not in result.stdout + result.stderr and "\x07" not in result.stderr
    assert r"evil\x1b[31m [bold]name.wav" in result.stdout
    as_json = run("predict", path, "--model", bundle, "--format", "json").stdout
    assert json.loads(as_json)[0]["file"] == str(path) and "\x1b" not in as_json


def test_missing_bundle_is_one_line_and_exit_code_1(tmp_path):
    result = run("predict", "clip.wav", "--model", tmp_path / "nowhere")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("error: the bundle ") and result.stderr.count("\n") == 1
