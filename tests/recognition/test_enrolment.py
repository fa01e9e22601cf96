"""Speakers of a recording named after people whose clips are known."""

from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.errors import AudioError, ConfigError
from emotone.recognition.enrolment import Voice
from emotone.recognition.recognizer import Recognizer

RATE = 16_000
SAMPLES = Path(__file__).parents[2] / "samples"
CLIPS = {"Wanda": ["woman_plain.wav", "woman_lively.wav"], "Max": ["man_plain.wav", "man_tense.mp3"]}


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer()


@pytest.fixture(scope="module")
def voices(recognizer):
    return {name: recognizer.voice([SAMPLES / file for file in files]) for name, files in CLIPS.items()}


@pytest.fixture(scope="module")
def conversation():
    names = ("woman_plain.wav", "man_plain.wav", "woman_subdued.wav", "man_subdued.flac", "woman_plain.wav")
    pause = np.zeros(RATE, np.float32)
    parts = [part for name in names for part in (audio.trim_silence(audio.read(SAMPLES / name)), pause)]
    return np.concatenate(parts), RATE


@pytest.mark.slow
def test_found_speakers_get_the_names_of_people(recognizer, voices, conversation):
    made = recognizer.timeline(conversation, speakers=2, voices=voices, adapt=True)
    assert [speaker.name for speaker in made.speakers] == ["Wanda", "Max"]
    assert made.segments[0].speaker == "Wanda" and made.segments[0].adapted["speaker"] >= 2


def test_a_person_who_is_not_in_the_recording_names_nobody(recognizer, voices, conversation):
    stranger = Voice(-voices["Max"].embedding)
    made = recognizer.timeline(conversation, speakers=2, voices={"Wanda": voices["Wanda"], "Stranger": stranger})
    assert [speaker.name for speaker in made.speakers] == ["Wanda", "speaker 2"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"speakers": None}, 'speakers="auto" or a number finds'),
        ({"speakers": "channels"}, "or leave out voices"),
        ({"voices": {"": None}}, "the name of a voice is ''"),
        ({"voices": {"unknown": None}}, "neither unknown nor speaker 1"),
        ({"voices": {"speaker 2": None}}, "the name of a voice is 'speaker 2'"),
        ({"voices": {"Anna": "anna.wav"}}, "expected a Voice, see Recognizer.voice"),
    ],
)
def test_voices_are_checked_before_anything_is_read(recognizer, voices, options, why):
    with pytest.raises(ConfigError, match=why):
        recognizer.timeline("missing.wav", **{"speakers": "auto", "voices": voices} | options)


def test_clips_without_speech_are_an_error(recognizer):
    with pytest.raises(AudioError, match="there is no speech in the clips of a voice"):
        recognizer.voice([(np.zeros(2 * RATE, np.float32), RATE)])
    with pytest.raises(ConfigError, match="give a list"):
        recognizer.voice(SAMPLES / "man_plain.wav")
