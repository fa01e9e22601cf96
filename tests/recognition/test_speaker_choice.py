"""The argument ``speakers`` of a timeline."""

import io
from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.audio import write_wav
from emotone.errors import ConfigError
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.rttm import Turn
from emotone.recognition.speaker_choice import Choice, choice_of
from support import handmade
from support.serving import file_of

RATE = 16_000
SAMPLES = Path(__file__).parents[2] / "samples"
RTTM = "SPEAKER call 1 0.5 2 <NA> <NA> Anna <NA> <NA>\nSPEAKER call 1 4.6 1 <NA> <NA> Ben <NA> <NA>\n"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def recognizer(bundle):
    return Recognizer(bundle)


def call():
    """A woman on the left channel in the first four seconds, a man on the right one after six."""
    woman, man = (audio.trim_silence(audio.read(SAMPLES / f"{name}_plain.wav")) for name in ("woman", "man"))
    left, right = np.zeros(10 * RATE, np.float32), np.zeros(10 * RATE, np.float32)
    left[RATE : RATE + len(woman)] = woman
    right[6 * RATE : 6 * RATE + len(man)] = man
    return np.stack([left, right], axis=1)


@pytest.mark.parametrize(
    ("speakers", "expected"),
    [
        (None, Choice(None)),
        ("auto", Choice("auto")),
        ("one", Choice("one")),
        ("channels", Choice("channels")),
        (3, Choice("auto", 3)),
        ("20", Choice("auto", 20)),
        ([], Choice("turns")),
        (np.int64(2), Choice("auto", 2)),
        ([Turn("A", 0, 1)], Choice("turns", turns=(Turn("A", 0, 1),))),
    ],
)
def test_words_and_numbers(speakers, expected):
    assert choice_of(speakers) == expected


def test_an_rttm_file_is_read_whatever_its_suffix(tmp_path):
    (tmp_path / "turns.txt").write_text(RTTM)
    expected = Choice("turns", turns=(Turn("Anna", 0.5, 2.5), Turn("Ben", 4.6, 5.6)))
    assert choice_of(tmp_path / "turns.txt") == choice_of(str(tmp_path / "turns.txt")) == expected
    with pytest.raises(ConfigError, match=r"none\.rttm can't be read"):
        choice_of("none.rttm")


@pytest.mark.parametrize(
    "speakers",
    [
        "two",
        "",
        0,
        21,
        "21",
        -1,
        1.5,
        True,
        ["A"],
        [Turn("A", 1, 1)],
        [Turn("A", -1, 1)],
        [Turn("A", 0, float("inf"))],
        [Turn("A", float("nan"), 1)],
        {"A": 1},
        b"auto",
    ],
)
def test_anything_else_is_an_error_that_says_what_is_expected(speakers):
    with pytest.raises(ConfigError, match="expected"):
        choice_of(speakers)


def test_timeline_of_given_turns_has_their_times_and_names(recognizer, tmp_path):
    write_wav(tmp_path / "call.wav", call()[:, 0])
    (tmp_path / "call.rttm").write_text(RTTM)
    made = recognizer.timeline(tmp_path / "call.wav", speakers=tmp_path / "call.rttm")
    own = [segment for segment in made.segments if segment.speaker == "Anna"]
    assert (own[0].start_s, own[-1].end_s) == (0.5, 2.5)
    assert [speaker.name for speaker in made.speakers] == ["Anna"]  # Ben's turn is silent


def as_file():
    return io.BytesIO(file_of(call()))


class Pipe(io.RawIOBase):
    """An open file that can be read once."""

    def __init__(self, content):
        self._content = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._content.readinto(buffer)


@pytest.mark.parametrize(
    "source", [lambda: (call(), RATE), lambda: file_of(call()), as_file, lambda: Pipe(file_of(call()))]
)
def test_each_channel_is_a_speaker(recognizer, source):
    made = recognizer.timeline(source(), speakers="channels")
    assert [speaker.name for speaker in made.speakers] == ["left", "right"] and made.duration_s == 10.0
    for segment in made.segments:
        inside = (0.5, 5.5) if segment.speaker == "left" else (5.5, 10.0)
        assert inside[0] <= segment.start_s and segment.end_s <= inside[1]
    assert made.notes == ()


@pytest.mark.parametrize(
    ("sound", "options", "why"),
    [
        (call()[:, 0], {}, "the number of channels is 1; expected 2 to 20: choose another way"),
        (np.zeros((8000, 24), np.float32), {}, "the number of channels is 24"),
        (call(), {"channel": "left"}, "channel is 'left', and speakers is channels, which reads all"),
    ],
)
def test_channels_that_can_not_be_speakers(recognizer, sound, options, why):
    with pytest.raises(ConfigError, match=why):
        recognizer.timeline((sound, RATE), speakers="channels", **options)


def test_a_profile_of_one_speaker_is_refused_for_several(tmp_path):
    adaptive = Recognizer(handmade.write(tmp_path, content=handmade.graph(optional=handmade.ADAPTS)))
    profile = adaptive.adapt([(handmade.tone(0.1), RATE)])
    with pytest.raises(ConfigError, match="the profile is that of one speaker, and several are looked for"):
        adaptive.timeline((call(), RATE), profile=profile, speakers="auto")
    assert adaptive.timeline((call(), RATE), profile=profile, speakers="one").adapted["speaker"] == 1


@pytest.mark.slow
def test_notes_say_what_could_not_be_used(recognizer):
    sound = (call()[:, 0], RATE)
    turns = [Turn("Anna", 0.5, 3.0), Turn("Ben", 1.0, 2.0), Turn("Eve", 50.0, 60.0)]
    assert recognizer.timeline(sound, speakers=turns).notes == ("no turn in which they speak alone: Ben, Eve",)
    assert recognizer.timeline(sound, speakers=[]).notes == ("the RTTM has no turns",)
    assert recognizer.timeline(sound, speakers=20).notes[0].startswith("only ")
    same = np.repeat(call()[:, :1], 2, axis=1)
    (note,) = recognizer.timeline((np.tile(same[: 5 * RATE], (3, 1)), RATE), speakers="channels").notes
    assert "the channels hold much of the same sound" in note


@pytest.mark.slow
def test_progress_is_called_for_held_speech_too(recognizer):
    """It may end the work: speech is held until its speakers are found, and then predicted without more blocks."""
    sound = (np.tile(call()[:, 0], 6), RATE)

    def counted(speakers):
        calls = []
        recognizer.timeline(sound, speakers=speakers, progress=lambda *step: calls.append(step))
        assert calls == sorted(calls) and calls[-1][0] == 60
        return len(calls)

    assert counted("auto") > counted("one") + 5


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 10, "0", "99"])
def test_a_number_out_of_range_is_refused_however_long_it_is(number):
    with pytest.raises(ConfigError, match="expected"):
        choice_of(number)
