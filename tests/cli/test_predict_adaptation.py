"""``emotone predict --adapt-to``: profiles from folders and files, and their errors."""

import csv
import io
import json
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from emotone.audio import write_wav
from emotone.cli.main import app
from emotone.recognition.profile import SourceProfile, SpeakerProfile
from support import handmade

pytestmark = pytest.mark.slow

LOUD = (0.15, 0.2, 0.25)  # levels of clips of a speaker who is always loud


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle for which a speaker's clips are as loud as usual, see `handmade.expected`."""
    content = handmade.graph(optional=handmade.ADAPTS)
    return handmade.write(tmp_path_factory.mktemp("bundle") / "relative", content=content, adapts=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("plain") / "loudness")


@pytest.fixture(scope="module")
def speaker(tmp_path_factory):
    """Three clips of a loud speaker, one of them in a subfolder, and something that is no recording."""
    folder = tmp_path_factory.mktemp("speaker")
    (folder / "more").mkdir()
    for name, level in zip(("a", "b", "more/c"), LOUD, strict=True):
        write_wav(folder / f"{name}.wav", handmade.tone(level))
    (folder / "notes.txt").write_text("not looked at")
    return folder


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "clip.wav"
    write_wav(path, handmade.tone(0.15))
    return path


def predict(*arguments):
    return CliRunner().invoke(app, ["predict", *(str(argument) for argument in arguments)])


def test_predict_adapts_to_a_folder_and_a_saved_profile_gives_the_same(bundle, speaker, file, tmp_path):
    common = (file, "--model", bundle, "--format", "json")
    saved = tmp_path / "anna.json"
    result = predict(*common, "--adapt-to", speaker, "--save-profile", saved)
    assert result.exit_code == 0 and result.stderr == "passed over 1 file that can't be read as sound: 1 .txt\n"
    (told,) = json.loads(result.stdout)
    assert list(told) == [
        "file",
        "start_s",
        "end_s",
        "emotion",
        "label",
        "confidence",
        "scores",
        "speech",
        "notes",
        "adapted",
        "speaker",
    ]
    expected = handmade.expected(handmade.tone(0.15), mean=0.2, heard=3)
    assert list(told["scores"].values()) == pytest.approx(expected, abs=1e-3)
    assert SpeakerProfile.load(saved).n_clips == 3
    again = predict(*common, "--adapt-to", saved)
    assert again.exit_code == 0 and json.loads(again.stdout) == [told]
    (plain,) = json.loads(predict(*common).stdout)
    assert max(plain["scores"], key=plain["scores"].get) == "angry"
    assert max(told["scores"], key=told["scores"].get) == "sad"


def test_table_says_to_how_many_clips_and_csv_does_not(bundle, speaker, file):
    lines = predict(file, "--model", bundle, "--adapt-to", speaker).stdout.splitlines()
    assert lines[-1] == "adapted to 3 utterances of the speaker"
    lines = predict(file, "--model", bundle, "--adapt-to", speaker / "a.wav").stdout.splitlines()
    assert lines[-1] == "adapted to 1 utterance of the speaker"
    assert "adapted" not in predict(file, "--model", bundle).stdout
    rows = list(
        csv.reader(io.StringIO(predict(file, "--model", bundle, "--adapt-to", speaker, "--format", "csv").stdout))
    )
    assert rows[0] == [
        "file",
        "start_s",
        "end_s",
        "emotion",
        "confidence",
        "label",
        "speech",
        *handmade.EMOTIONS,
        "notes",
        "error",
        "speaker",
    ]
    assert len(rows) == 2


def test_clip_of_the_speaker_that_cannot_be_read_is_a_note(bundle, file, tmp_path):
    write_wav(tmp_path / "a.wav", handmade.tone(0.2))
    (tmp_path / "b.wav").write_text("this is no recording")
    result = predict(file, "--model", bundle, "--adapt-to", tmp_path)
    assert result.exit_code == 0 and result.stdout.splitlines()[-1] == "adapted to 1 utterance of the speaker"
    assert result.stderr.startswith("adapted without 1 of 2 recordings; the first: ") and "b.wav" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["nowhere", "nowhere.json", "empty", "damaged.json", "other.json"])
def test_what_cannot_be_adapted_to_is_one_error_and_no_answer(bundle, file, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.json").write_text("{")
    SpeakerProfile(mean=(0.1,), n_clips=2, model="f" * 64).save(tmp_path / "other.json")
    result = predict(file, "--model", bundle, "--adapt-to", tmp_path / name)
    said = {
        "nowhere": "can't adapt to any of 1 clips",
        "nowhere.json": "can't be read",
        "empty": "no recording in this folder",
        "damaged.json": "is not valid JSON",
        "other.json": "the model ffffffffffff",
    }
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.startswith("error: ") and said[name] in result.stderr and result.stderr.count("\n") == 1


def test_model_that_cannot_adapt_is_one_error(plain, speaker, file, tmp_path):
    result = predict(file, "--model", plain, "--adapt-to", speaker, "--save-profile", tmp_path / "anna.json")
    assert result.exit_code == 1 and result.stdout == "" and "--model adaptive" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_saving_replaces_a_profile_and_nothing_else(bundle, speaker, file, tmp_path):
    thesis = tmp_path / "thesis.json"
    thesis.write_text("years of work")
    result = predict(file, "--model", bundle, "--adapt-to", speaker, "--save-profile", thesis)
    assert result.exit_code == 1 and "no profile, and would be lost" in result.stderr
    assert thesis.read_text() == "years of work"
    for clips in (speaker / "a.wav", speaker):
        predict(file, "--model", bundle, "--adapt-to", clips, "--save-profile", tmp_path / "anna.json")
    assert SpeakerProfile.load(tmp_path / "anna.json").n_clips == 3


def test_profile_to_save_needs_clips(bundle, file, tmp_path):
    result = predict(file, "--model", bundle, "--save-profile", tmp_path / "anna.json")
    assert result.exit_code == 1 and "--adapt-to, or eight recordings" in result.stderr
    result = predict(file, "--model", bundle, "--adapt", "none", "--save-profile", tmp_path / "anna.json")
    assert result.exit_code == 2 and "--adapt-to" in result.stderr
    assert list(tmp_path.iterdir()) == []


LEVELS = np.linspace(0.12, 0.3, 10)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Ten clips of a loud source, and one that is damaged."""
    folder = tmp_path_factory.mktemp("archive")
    for number, level in enumerate(LEVELS):
        write_wav(folder / f"{number}.wav", handmade.tone(level))
    (folder / "damaged.wav").write_bytes(b"RIFF of no use")
    return folder


def scores(result):
    """File name -> scores, of those that could be predicted."""
    return {Path(row["file"]).name: [*row["scores"].values()] for row in json.loads(result.stdout) if "scores" in row}


def test_folder_adapts_to_what_its_recordings_have_in_common(bundle, archive, tmp_path):
    common = (archive, "--model", bundle, "--format", "json")
    saved = tmp_path / "archive.json"
    result, plain = predict(*common, "--save-profile", saved), predict(*common, "--adapt", "none")
    assert result.exit_code == plain.exit_code == 1  # of the damaged one
    samples, usual = handmade.tone(LEVELS[0]), LEVELS.mean()
    expected = handmade.expected(samples, mean=usual, heard=10)
    assert scores(result)["0.wav"] == pytest.approx(expected, abs=1e-3)
    assert scores(plain)["0.wav"] == pytest.approx(handmade.expected(samples), abs=1e-3)
    assert {json.dumps(row["adapted"]) for row in json.loads(result.stdout) if "scores" in row} == {
        '{"source": 10, "speaker": 0}'
    }
    profile = SourceProfile.load(saved)
    assert profile.n_clips == 10 and profile.mean == pytest.approx([usual], abs=1e-3)
    (one,) = json.loads(predict(archive / "0.wav", *common[1:], "--source-profile", saved).stdout)
    assert list(one["scores"].values()) == pytest.approx(expected, abs=1e-3)
    line = "adapted to 10 utterances of the source (in 10 recordings); --adapt none leaves it out"
    assert line in predict(archive, *common[1:3]).stdout


def test_utterances_of_long_recordings_are_counted_beside_their_recordings(bundle, tmp_path):
    spoken = handmade.tone(0.1)
    long = np.concatenate([spoken, np.zeros(16_000, np.float32)] * 4)
    for number in range(8):
        write_wav(tmp_path / f"{number}.wav", (1 + 0.01 * number) * (long if number == 3 else spoken))
    result = predict(tmp_path, "--model", bundle)
    found = re.search(r"adapted to (\d+) utterances of the source \(in (\d+) recordings\)", result.stdout)
    assert int(found[1]) > 8 and found[2] == "8"


def test_few_recordings_are_no_source(bundle, archive):
    few = [archive / f"{number}.wav" for number in range(7)]
    result = predict(*few, "--model", bundle, "--format", "json")
    assert {row["adapted"]["source"] for row in json.loads(result.stdout)} == {0}


def test_speaker_is_no_source(bundle, speaker, file, tmp_path):
    saved = tmp_path / "anna.json"
    predict(file, "--model", bundle, "--adapt-to", speaker, "--save-profile", saved)
    result = predict(file, "--model", bundle, "--source-profile", saved)
    assert result.exit_code == 1 and "is the profile of a speaker, expected that of a source" in result.stderr


def test_named_source_and_none_exclude_each_other(bundle, file, tmp_path):
    result = predict(file, "--model", bundle, "--adapt", "none", "--source-profile", tmp_path / "archive.json")
    assert result.exit_code == 2 and "excludes --source-profile" in result.stderr


def test_channel_is_that_of_the_speaker_too(bundle, file, tmp_path):
    """Two people on two channels: adapting to the left one adapts to that person alone."""
    loud, soft = handmade.tone(0.25), handmade.tone(0.05)
    write_wav(tmp_path / "call.wav", np.stack([loud, soft], axis=1))
    write_wav(tmp_path / "loud.wav", loud)
    common = (file, "--model", bundle, "--format", "json", "--adapt-to")
    left, both, alone = (
        scores(predict(*common, tmp_path / name, "--channel", channel))["clip.wav"]
        for name, channel in (("call.wav", "left"), ("call.wav", "mix"), ("loud.wav", "mix"))
    )
    assert left == pytest.approx(alone, abs=1e-3) and both != pytest.approx(alone, abs=1e-2)


def test_csv_names_on_stderr_what_it_was_adapted_to(bundle, archive):
    result = predict(archive, "--model", bundle, "--format", "csv")
    assert (
        "adapted to 10 utterances of the source (in 10 recordings)" in result.stderr
        and "adapted to" not in result.stdout
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipe_does_not_count_for_the_source(bundle, archive, tmp_path):
    """It can be read once, and is needed for its own prediction."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes((archive / "3.wav").read_bytes()), daemon=True)
    writer.start()
    files = [archive / f"{number}.wav" for number in range(10)]
    result = predict(pipe, *files, "--model", bundle, "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert scores(result)["pipe"] == scores(result)["3.wav"]


def test_order_of_the_files_makes_no_difference(bundle, tmp_path):
    files = []
    for number in range(30):  # twenty of them count
        files.append(tmp_path / f"{number}.wav")
        write_wav(files[-1], handmade.tone(0.1 + 0.005 * number))
    one, other = (predict(*order, "--model", bundle, "--format", "json") for order in (files, files[::-1]))
    assert scores(one) == scores(other)
    assert {row["adapted"]["source"] for row in json.loads(one.stdout)} == {20}


def test_recordings_without_speech_do_not_count(tmp_path, tmp_path_factory):
    content = handmade.graph(optional=handmade.ADAPTS, speech=True)  # speech from a level of 0.05 on
    bundle = handmade.write(tmp_path_factory.mktemp("bundle") / "checking", content=content, adapts=True)
    for number in range(40):
        write_wav(tmp_path / f"{number:02}.wav", handmade.tone(0.2 if number % 2 else 0.02))
    rows = json.loads(predict(tmp_path, "--model", bundle, "--format", "json").stdout)
    assert {row["adapted"]["source"] for row in rows} == {20}
