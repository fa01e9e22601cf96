"""``emotone predict --same-speaker`` and ``--speaker-from``: who speaks, and to which voices answers are adapted."""

import csv
import io
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from emotone.audio import write_wav
from emotone.cli import console as output
from emotone.cli import predict
from emotone.cli.main import app
from emotone.cli.profiles import Reading
from emotone.cli.speakers import Adaptation
from emotone.recognition.prediction import Prediction
from emotone.recognition.profile import SourceProfile, SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.speaker_rule import speaker_rule
from support import handmade
from support.command_line import run

pytestmark = pytest.mark.slow

#: Levels of the clips of two people.
LEVELS = {"anna": (0.15, 0.2, 0.25), "bert": (0.02, 0.04)}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle for which a speaker's clips are as loud as usual, see `handmade.expected`."""
    content = handmade.graph(optional=handmade.ADAPTS)
    return handmade.write(tmp_path_factory.mktemp("bundle") / "relative", content=content, adapts=True)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """A folder with a folder for each person."""
    folder = tmp_path_factory.mktemp("people")
    for name, levels in LEVELS.items():
        (folder / name).mkdir()
        for number, level in enumerate(levels):
            write_wav(folder / name / f"{name}_{number}.wav", handmade.tone(level))
    return folder


def answers(bundle, *arguments):
    """File name -> answer in JSON, of a command without errors."""
    result = run("predict", *arguments, "--model", bundle, "--format", "json")
    assert result.exit_code == 0, result.stderr
    return {Path(row["file"]).name: row for row in json.loads(result.stdout)}


def expected(name, number):
    """Scores of a clip, when answers are adapted to this person's clips."""
    levels = LEVELS[name]
    return handmade.expected(handmade.tone(levels[number]), mean=np.mean(levels), heard=len(levels))


def scores(row):
    return list(row["scores"].values())


def test_same_speaker_adapts_to_all_recordings(bundle, people):
    rows = answers(bundle, people / "anna", "--same-speaker")
    for number in range(3):
        row = rows[f"anna_{number}.wav"]
        assert scores(row) == pytest.approx(expected("anna", number), abs=1e-3)
        assert row["adapted"] == {"source": 0, "speaker": 3} and row["speaker"] is None
    lines = run("predict", people / "anna", "--same-speaker", "--model", bundle).stdout.splitlines()
    assert lines[-1] == "adapted to 3 utterances of the speaker"


def test_same_speaker_is_a_voice_within_the_source_of_the_recordings(bundle, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    for number in range(10):
        write_wav(clips / f"{number}.wav", handmade.tone(0.1 + 0.01 * number))
    common = ("predict", clips, "--same-speaker", "--model", bundle)
    result = run(*common, "--save-profile", tmp_path / "anna.json")
    profile = SpeakerProfile.load(tmp_path / "anna.json")
    assert profile.n_clips == 10 and profile.source.n_clips == 10
    # --adapt none is refused with --same-speaker, and is not recommended
    assert result.stdout.splitlines()[-1] == (
        "adapted to 10 utterances of the source (in 10 recordings) and 10 utterances of the speaker"
    )
    SourceProfile(mean=(0.3,), n_clips=5, model=profile.model).save(tmp_path / "room.json")
    run(*common, "--source-profile", tmp_path / "room.json", "--save-profile", tmp_path / "anna.json")
    assert SpeakerProfile.load(tmp_path / "anna.json").source.mean == (0.3,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--adapt-to", "other"], "--same-speaker adapts to the recordings themselves, and --adapt-to to others"),
        (["--adapt", "none"], "--same-speaker excludes --adapt none"),
        (["--speaker-from", "parent-folder"], "--same-speaker excludes --speaker-from"),
        (["-"], "--same-speaker reads each recording twice, and - can be read once"),
    ],
)
def test_same_speaker_excludes_other_options(bundle, people, arguments, message):
    result = run("predict", people / "anna", "--model", bundle, "--same-speaker", *arguments)
    assert result.exit_code == 2 and result.stdout == "" and message in result.stderr


def test_same_speaker_needs_two_recordings(bundle, people):
    file = people / "anna" / "anna_0.wav"
    result = run("predict", file, file, "--model", bundle, "--same-speaker")
    assert result.exit_code == 2 and result.stdout == ""
    assert (
        f"two recordings or more, and there is 1, {file}; name other" in result.stderr and "--adapt-to" in result.stderr
    )


def test_same_speaker_without_enough_speech_is_a_note(bundle, people, tmp_path):
    (tmp_path / "damaged.wav").write_bytes(b"RIFF of no use")
    file = people / "anna" / "anna_0.wav"
    result = run("predict", file, tmp_path, "--model", bundle, "--same-speaker", "--format", "json")
    plain, damaged = json.loads(result.stdout)
    assert "error" in damaged and plain["adapted"] == {"source": 0, "speaker": 0}
    assert result.stderr == "not adapted to the speaker: fewer than two utterances were found in the recordings\n"


def test_empty_folder_is_reported_as_ever(bundle, tmp_path):
    for option in (["--same-speaker"], ["--speaker-from", "parent-folder"]):
        result = run("predict", tmp_path, "--model", bundle, *option)
        assert result.exit_code == 1 and "no recording in this folder" in result.stderr


@pytest.mark.parametrize("rule", ["parent-folder", "([a-z]+)_[0-9]", r"(?P<suffix>[0-9])?/(?P<speaker>[^/]+)_\d.wav$"])
def test_each_speaker_is_adapted_to_their_own_recordings(bundle, people, rule):
    rows = answers(bundle, people, "--speaker-from", rule)
    assert len(rows) == 5
    for name, levels in LEVELS.items():
        for number in range(len(levels)):
            row = rows[f"{name}_{number}.wav"]
            assert row["speaker"] == name and row["adapted"]["speaker"] == len(levels)
            assert scores(row) == pytest.approx(expected(name, number), abs=1e-3)


def test_csv_and_table_name_the_speaker(bundle, people):
    common = ("predict", people, "--speaker-from", "parent-folder", "--model", bundle)
    result = run(*common, "--format", "csv")
    header, *rows = csv.reader(io.StringIO(result.stdout))
    assert header[-1] == "speaker" and [row[-1] for row in rows] == ["anna"] * 3 + ["bert"] * 2
    assert result.stderr == "adapted to 2 speakers (2 to 3 utterances each)\n"
    lines = run(*common).stdout.splitlines()
    assert lines[0].split()[:3] == ["file", "speaker", "emotion"]
    assert [line.split()[1] for line in lines[1:6]] == ["anna"] * 3 + ["bert"] * 2
    assert lines[-1] == "adapted to 2 speakers (2 to 3 utterances each)"
    header, *rows = csv.reader(io.StringIO(run("predict", people, "--model", bundle, "--format", "csv").stdout))
    assert header[-1] == "speaker" and {row[-1] for row in rows} == {""}


@pytest.mark.parametrize("width", [48, 60, 80, 120])
def test_table_fits_its_terminal_with_speakers(monkeypatch, width):
    names = ["anna", "日本語の名前日本語の名前", "a name of many, many words"]
    screen = io.StringIO()
    monkeypatch.setattr(output, "console", lambda **given: Console(width=width, file=screen))
    file = "/data/ravdess/Audio_Speech_Actors_01-24/Actor_12/03-01-05-01-02-01-12.flac"
    table = predict.Table([file], emotions=["neutral", "sad", "happy", "angry"], speakers=names)
    for name in (*names, None):
        table.print(file, Prediction("neutral", 0.9, {"neutral": 0.9, "sad": 0.1}, 0.0, 1.0, speaker=name))
    lines = screen.getvalue().splitlines()
    assert len(lines) == 5 and max(map(cell_len, lines)) <= width
    starts = {cell_len(line[: line.index("neutral")]) for line in lines[1:]} | {lines[0].index("emotion")}
    assert len(starts) == 1


def test_recordings_without_a_speaker_are_counted_in_a_note(bundle, people):
    result = run("predict", people, "--speaker-from", "(ber.)_", "--model", bundle, "--format", "json")
    rows = {Path(row["file"]).name: row for row in json.loads(result.stdout)}
    first = people / "anna" / "anna_0.wav"
    assert result.exit_code == 0 and result.stderr == (
        "predicted without a speaker: 3 of 5 recordings, in whose paths --speaker-from '(ber.)_' finds none; the "
        f"first: {first}\n"
    )
    assert rows["anna_0.wav"]["speaker"] is None and rows["anna_0.wav"]["adapted"]["speaker"] == 0
    assert scores(rows["anna_0.wav"]) == pytest.approx(handmade.expected(handmade.tone(0.15)), abs=1e-3)
    assert rows["bert_0.wav"]["speaker"] == "bert" and rows["bert_0.wav"]["adapted"]["speaker"] == 2


def test_expression_that_finds_nobody_is_an_error(bundle, people):
    result = run("predict", people, "--speaker-from", "(carla)", "--model", bundle)
    assert result.exit_code == 2 and result.stdout == ""
    assert "'(carla)' finds no speaker" in result.stderr and "the first: " in result.stderr
    assert "anna_0.wav" in result.stderr and "parent-folder" in result.stderr


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("([a-z", "is no regular expression (unterminated character set at position 1)"),
        ("a{99999999999}", "is no regular expression (the repetition number is too large)"),
        ("anna", "has no group; expected parent-folder, or an expression with the speaker in parentheses"),
    ],
)
def test_invalid_expression_is_an_error_before_the_model_is_opened(people, tmp_path, value, message):
    result = run("predict", people, "--speaker-from", value, "--model", tmp_path / "nowhere")
    assert result.exit_code == 2 and message in result.stderr and repr(value) in result.stderr


def test_speakers_exclude_another_voice(bundle, people):
    result = run("predict", people, "--speaker-from", "parent-folder", "--adapt-to", people / "anna", "--model", bundle)
    assert result.exit_code == 2 and "--speaker-from adapts to the recordings themselves" in result.stderr


def test_rules_read_paths_with_forward_slashes(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert speaker_rule("parent-folder")("clip.wav") == tmp_path.name
    assert speaker_rule("parent-folder")(os.path.join("a", "..", "b", "clip.wav")) == "b"
    assert speaker_rule("^a/(.*)/")(os.path.join("a", "b", "clip.wav")) == "b"
    assert speaker_rule("(x)?clip")("clip.wav") is None
    assert speaker_rule("a( *)b")("a  b.wav") is None  # a blank is no name
    assert speaker_rule("parent-folder")("/clip.wav") is None


def test_single_utterance_is_not_compared_with_itself(bundle, people, tmp_path):
    write_wav(tmp_path / "carla_0.wav", handmade.tone(0.2))
    rows = answers(bundle, people, tmp_path, "--speaker-from", "([a-z]+)_[0-9]")
    carla = rows["carla_0.wav"]
    assert carla["speaker"] == "carla" and carla["adapted"] == {"source": 0, "speaker": 0}
    assert scores(carla) == pytest.approx(handmade.expected(handmade.tone(0.2)), abs=1e-3)


def test_order_of_the_files_makes_no_difference(bundle, people, monkeypatch):
    monkeypatch.setattr("emotone.recognition.groups.MOST_CLIPS", 2)  # of three
    files = sorted(people.rglob("*.wav"))
    rule = ("--speaker-from", "parent-folder")
    rows = answers(bundle, *files, *rule)
    assert rows == answers(bundle, *reversed(files), *rule) and rows["anna_0.wav"]["adapted"]["speaker"] == 2


def test_speakers_are_within_the_source(bundle, people, tmp_path):
    recognizer = Recognizer(bundle)
    source = SourceProfile(mean=(0.3,), n_clips=5, model=recognizer.card["sha256"])
    source.save(tmp_path / "room.json")
    adaptation = Adaptation("auto", None, tmp_path / "room.json", None, False, "parent-folder")
    voices = adaptation.voices(recognizer, [str(file) for file in people.rglob("*.wav")], Reading(), lambda *_: None)
    assert {name: profile.source for name, profile in voices.profiles.items()} == {"anna": source, "bert": source}
    assert voices.adapted_text == "adapted to 5 utterances of the source, and to 2 speakers (2 to 3 utterances each)"
    assert voices.profile("unknown.wav") == source


def test_standard_input_has_no_speaker(bundle, people):
    file = people / "bert" / "bert_0.wav"
    arguments = ["predict", "-", str(file), "--speaker-from", "parent-folder", "--model", str(bundle)]
    result = CliRunner().invoke(app, [*arguments, "--format", "json"], input=file.read_bytes())
    assert result.exit_code == 0 and "1 of 2 recordings" in result.stderr and "first: -" in result.stderr
    assert [row["speaker"] for row in json.loads(result.stdout)] == [None, "bert"]


def test_without_adaptation_speakers_are_only_named(bundle, people):
    rows = answers(bundle, people, "--speaker-from", "parent-folder", "--adapt", "none")
    plain = answers(bundle, people)
    assert {name: row | {"speaker": None} for name, row in rows.items()} == plain
    assert rows["anna_0.wav"]["speaker"] == "anna"


def test_model_that_cannot_adapt_is_one_error(people, tmp_path):
    plain = handmade.write(tmp_path / "loudness")
    for option in (["--same-speaker"], ["--speaker-from", "parent-folder"]):
        result = run("predict", people, "--model", plain, *option)
        assert result.exit_code == 1 and "can't adapt" in result.stderr and result.stderr.count("\n") == 1
    assert (
        answers(plain, people, "--speaker-from", "parent-folder", "--adapt", "none")["bert_1.wav"]["speaker"] == "bert"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipe_is_predicted_without_counting(bundle, people, tmp_path):
    pipe = tmp_path / "anna_9"
    os.mkfifo(pipe)
    content = (people / "anna" / "anna_1.wav").read_bytes()
    threading.Thread(target=lambda: pipe.write_bytes(content), daemon=True).start()
    rows = answers(bundle, pipe, people, "--speaker-from", "([a-z]+)_[0-9]")
    assert rows["anna_9"]["speaker"] == "anna" and rows["anna_9"]["adapted"]["speaker"] == 3
    assert scores(rows["anna_9"]) == scores(rows["anna_1.wav"])


def test_raw_sound_and_channels_are_read_as_for_answers(bundle, tmp_path):
    """Two people on two channels, without a header."""
    for number in range(2):
        call = np.stack([handmade.tone(0.25 - 0.1 * number), handmade.tone(0.05)], axis=1)
        (tmp_path / f"anna_{number}.raw").write_bytes((call * 32767).astype("<i2").tobytes())
    files = sorted(tmp_path.iterdir())
    how = ("--raw", "s16le:16000:2", "--channel", "left", "--speaker-from", "([a-z]+)_")
    rows = answers(bundle, *files, *how)
    samples = handmade.tone(0.15)
    assert scores(rows["anna_1.raw"]) == pytest.approx(handmade.expected(samples, mean=0.2, heard=2), abs=1e-2)
