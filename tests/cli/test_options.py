"""Options that several commands share, in the commands that predict."""

import json

import numpy as np
import pytest
import soundfile

from emotone.audio import write_wav
from support import handmade
from support.command_line import run

pytestmark = pytest.mark.slow


@pytest.fixture
def call(tmp_path):
    """A recording whose channels are two people, who speak in turn: sad on the left, angry on the right."""
    quiet = np.zeros(24_000, np.float32)
    left = np.concatenate([handmade.tone(0.02, seconds=1.5), quiet])
    right = np.concatenate([quiet, handmade.tone(0.2, seconds=1.5)])
    soundfile.write(tmp_path / "call.wav", np.stack([left, right], axis=1), 16_000)
    return tmp_path / "call.wav"


@pytest.mark.parametrize("command", ["predict", "timeline"])
@pytest.mark.parametrize(
    ("channel", "emotion"), [("left", "sad"), ("Left", "sad"), ("1", "sad"), ("RIGHT", "angry"), ("2", "angry")]
)
def test_channel_is_chosen(bundle, call, command, channel, emotion, loud):
    result = run(command, call, "--model", bundle, "--format", "json", "--channel", channel)
    (answer,) = json.loads(result.stdout)
    assert [part["emotion"] for part in answer.get("segments", [answer])] == [emotion]
    assert "two channels" not in result.stderr


@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_channel_that_is_not_there_is_an_error_of_the_file(bundle, call, command):
    result = run(command, call, "--model", bundle, "--channel", "3")
    assert result.exit_code == 1 and "channel is '3', and the recording has 2; give 1 to 2" in result.stderr


@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_track_that_is_not_there_is_an_error_of_the_file(bundle, call, command):
    result = run(command, call, "--model", bundle, "--track", "2")
    assert result.exit_code == 1 and "track is 2" in result.stderr


@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_two_people_are_noted_with_the_option_for_one(bundle, call, command):
    result = run(command, call, "--model", bundle, "--format", "json")
    (answer,) = json.loads(result.stdout)
    assert any("two channels seem to hold different people" in note for note in answer["notes"])
    remedy = {
        "predict": "predict each with --channel left and --channel right",
        "timeline": "--speakers channels keeps them apart",
    }
    assert result.stderr == f"note: the two channels seem to hold different people: {remedy[command]}\n"


@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_emotions_restrict_the_answer_and_that_is_said(bundle, tmp_path, command, loud):
    write_wav(tmp_path / "clip.wav", handmade.tone(0.02))
    words = [command, tmp_path / "clip.wav", "--model", bundle, "--emotions", "angry, Happy"]
    result = run(*words, "--format", "json")
    (answer,) = json.loads(result.stdout)
    chosen = [name for name in handmade.EMOTIONS if name in ("angry", "happy")]
    scores = answer.get("segments", [answer])[0]["scores"]
    assert list(scores) == chosen and sum(scores.values()) == pytest.approx(1, abs=1e-5)
    assert answer["notes"] == [f"only these emotions can be predicted: {', '.join(chosen)}"]
    assert result.stderr == f"note: {answer['notes'][0]}\n"
    assert run(*words).stderr == result.stderr


def test_emotion_that_the_model_lacks_is_an_error(bundle):
    result = run("predict", "clip.wav", "--model", bundle, "--emotions", "joy,sad")
    assert result.exit_code == 1 and "'joy' is not an emotion of this model; expected two or more of" in result.stderr


@pytest.mark.parametrize("words", [["happy", "sad"], ["happy sad"], ["happy,", "sad"]])
def test_emotions_without_commas_get_a_hint(words):
    result = run("predict", "clip.wav", "--emotions", *words)
    said = " ".join(result.output.replace("│", " ").split())
    assert result.exit_code == 2 and f"--emotions is {words[0]!r}; expected two or more with commas" in said


@pytest.mark.parametrize("command", ["predict", "timeline"])
def test_threshold_decides_what_is_unsure(bundle, tmp_path, command, loud):
    write_wav(tmp_path / "clip.wav", handmade.tone(0.02))
    result = run(command, tmp_path / "clip.wav", "--model", bundle, "--threshold", "1")
    assert "unsure" in result.stdout and "unsure: no emotion reaches the threshold of 100 %" in result.stdout
    sure = run(command, tmp_path / "clip.wav", "--model", bundle, "--threshold", "0")
    assert "sad" in sure.stdout and "unsure" not in sure.stdout


def test_notes_are_counted_over_several_files(bundle, call, tmp_path):
    write_wav(tmp_path / "clip.wav", handmade.tone(0.02))
    again = tmp_path / "again.wav"
    again.write_bytes(call.read_bytes())
    result = run("predict", tmp_path, "--model", bundle, "--format", "csv")
    assert result.stderr.count("two channels") == 1 and "--channel right (2 of 3 files)" in result.stderr
    assert result.stdout.count("two channels seem to hold different people") == 2
