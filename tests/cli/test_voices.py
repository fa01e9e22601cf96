"""The options ``--speakers`` and ``--voices`` of the command ``timeline``."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.audio import write_wav
from support.command_line import run

RATE = 16_000
SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def conversation(tmp_path_factory):
    """Woman, man, woman, man, with a second between them."""
    names = ("woman_plain.wav", "man_plain.wav", "woman_subdued.wav", "man_subdued.flac")
    pause = np.zeros(RATE, np.float32)
    parts = [part for name in names for part in (audio.trim_silence(audio.read(SAMPLES / name)), pause)]
    path = tmp_path_factory.mktemp("conversation") / "talk.wav"
    write_wav(path, np.concatenate(parts))
    return path


@pytest.fixture
def people(tmp_path):
    for name, files in {"Wanda": ("woman_plain.wav", "woman_lively.wav"), "Max": ("man_plain.wav",)}.items():
        (tmp_path / "people" / name).mkdir(parents=True)
        for file in files:
            shutil.copy(SAMPLES / file, tmp_path / "people" / name)
    return tmp_path / "people"


def speakers(path, *words):
    result = run("timeline", path, "--format", "json", *words)
    assert result.exit_code == 0, result.output
    (answer,) = json.loads(result.stdout)
    return [speaker["speaker"] for speaker in answer["speakers"]]


@pytest.mark.slow
def test_a_number_of_speakers_is_found(conversation):
    assert speakers(conversation, "--speakers", "2") == ["speaker 1", "speaker 2"]
    assert speakers(conversation, "--speakers", "one") == ["speaker 1"]


@pytest.mark.slow
def test_people_of_a_folder_are_named(conversation, people):
    assert speakers(conversation, "--speakers", "2", "--voices", people) == ["Wanda", "Max"]


def test_clips_that_lie_in_the_folder_itself_are_a_person_each(conversation, tmp_path):
    for file, name in (("woman_plain.wav", "Wanda.wav"), ("man_plain.wav", "Max.wav")):
        shutil.copy(SAMPLES / file, tmp_path / name)
    assert speakers(conversation, "--speakers", "2", "--voices", tmp_path) == ["Wanda", "Max"]


def test_turns_come_from_an_rttm_file(conversation, tmp_path):
    (tmp_path / "t.rttm").write_text("SPEAKER talk 1 0.2 3 <NA> <NA> Anna <NA> <NA>\n")
    assert speakers(conversation, "--speakers", tmp_path / "t.rttm") == ["Anna"]


@pytest.mark.slow
def test_the_table_names_the_speakers_of_a_conversation_only(conversation):
    several = run("timeline", conversation, "--speakers", "2").output
    assert "speaker 2" in several and "talk time" in several
    single = run("timeline", conversation, "--speakers", "one").output
    assert "speaker" not in single.replace("the speaker", "") and "talk time" not in single


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--speakers", "none.rttm"], "--speakers is 'none.rttm'; expected auto, one, channels, a number, or an RTTM"),
        (["--speakers", "0"], "the number of speakers is 0; expected 1 to 20"),
        (["--speakers", "one", "--voices", "."], "--voices names speakers that are found, and --speakers is one"),
        (["--voices", "nowhere"], "this is no folder"),
        (["--adapt-to", "x.wav", "--speakers", "2"], "--adapt-to says that there is one speaker, and --speakers is 2"),
        (["--adapt-to", "x.wav", "--voices", "."], "and --adapt-to says that there is one; leave out"),
        (["--speakers", "channels"], "the number of channels is 1"),
    ],
)
def test_what_can_not_be_is_an_error(conversation, words, why):
    result = run("timeline", conversation, *words)
    said = " ".join((result.output + str(result.exception or "")).replace("│", " ").split())
    assert result.exit_code != 0 and why in said


def test_a_person_without_clips_or_without_speech_is_an_error(conversation, people):
    (people / "Nobody").mkdir()
    result = run("timeline", conversation, "--voices", people)
    assert result.exit_code == 1 and "no recordings in it; add clips of Nobody" in " ".join(result.stderr.split())
    write_wav(people / "Nobody" / "silent.wav", np.zeros(2 * RATE, np.float32))
    result = run("timeline", conversation, "--voices", people)
    assert result.exit_code == 1 and "there is no speech in the clips" in " ".join(result.stderr.split())


def test_an_rttm_of_one_recording_is_not_for_several_and_is_not_replaced(conversation, tmp_path):
    turns = tmp_path / "talk.rttm"
    turns.write_text("SPEAKER talk 1 0.2 3 <NA> <NA> Anna <NA> <NA>\n")
    other = shutil.copy(conversation, tmp_path / "other.wav")
    result = run("timeline", conversation, other, "--speakers", turns)
    assert result.exit_code == 1 and "has the turns of talk, and there are 2 recordings" in " ".join(
        result.stderr.split()
    )
    result = run("timeline", conversation, "--speakers", turns, "--out", turns)
    said = " ".join(result.output.replace("│", " ").split())
    assert result.exit_code == 2 and "which is a file that this command reads" in said
    assert turns.read_text().startswith("SPEAKER talk")
