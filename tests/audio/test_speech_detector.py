"""Start and end of speech, with a given probability and with Silero."""

from pathlib import Path

import numpy as np
import pytest

from emotone import audio
from emotone.audio.level import RunningLevel
from emotone.audio.speech_detector import FRAME, SpeechDetector, VadSettings, silero
from emotone.errors import ConfigError
from emotone.preprocessing import DEFAULT as PREPROCESSING
from support import handmade

RATE = 16_000


FRAME_S = FRAME / RATE


def loud(frame):
    """A detector that can be worked out: what is not silent is speech."""
    return 0.9 if np.sqrt(np.mean(frame**2)) > 0.005 else 0.1


def quiet(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def edges_of(probabilities, **settings):
    given = iter(probabilities)
    detector = SpeechDetector(VadSettings(**settings), probability=lambda frame: next(given))
    edges = detector.push(np.zeros(FRAME * len(probabilities), np.float32)) + detector.finish()
    return [(edge.kind, edge.sample / FRAME) for edge in edges]


PLAIN = {"pad_s": 0.0, "min_speech_s": 3 * FRAME_S, "min_silence_s": 5 * FRAME_S}


def test_speech_begins_where_it_is_clear_and_ends_where_silence_lasts():
    assert edges_of([0.1] * 4 + [0.9] * 10 + [0.1] * 6, **PLAIN) == [("start", 4), ("end", 14)]


def test_a_click_is_no_speech_and_a_pause_is_no_end():
    assert edges_of([0.1, 0.9, 0.9, 0.1, 0.1], **PLAIN) == []
    assert edges_of([0.9] * 5 + [0.1] * 4 + [0.9] * 5 + [0.1] * 5, **PLAIN) == [("start", 0), ("end", 14)]


def test_between_the_thresholds_nothing_changes():
    assert edges_of([0.4] * 9, **PLAIN) == []
    assert edges_of([0.9, 0.9, 0.4, 0.9] + [0.4] * 20, **PLAIN) == [("start", 0), ("end", 24)]


def test_padding_stays_within_the_stream_and_behind_the_last_end():
    padded = PLAIN | {"pad_s": 3 * FRAME_S}
    assert edges_of([0.1] + [0.9] * 5 + [0.1] * 6, **padded) == [("start", 0), ("end", 9)]
    two = edges_of([0.1] * 5 + [0.9] * 4 + [0.1] * 5 + [0.9] * 4 + [0.1] * 5, **padded)
    assert two == [("start", 2), ("end", 12), ("start", 12), ("end", 21)]


def test_speech_without_an_end_is_cut():
    cut = edges_of([0.9] * 80, **PLAIN | {"max_speech_s": 1.0})
    assert cut == [("start", 0), ("end", 32), ("start", 32), ("end", 64), ("start", 64), ("end", 80)]


def test_the_stream_ends_what_is_spoken_with_its_last_samples():
    detector = SpeechDetector(VadSettings(**PLAIN), probability=loud)
    detector.push(handmade.tone(0.1)[: 10 * FRAME + 100])
    assert [(edge.kind, edge.sample) for edge in detector.finish()] == [("end", 10 * FRAME + 100)]
    assert detector.begun is None and detector.finish() == []


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"start": 0.3, "end": 0.5}, "end <= start"),
        ({"start": 1.0}, "start < 1"),
        ({"min_silence_s": -1.0}, "min_silence_s is -1.0"),
        ({"pad_s": float("nan")}, "pad_s is nan"),
        ({"max_speech_s": 0.5}, "max_speech_s is 0.5; expected 1 to 3600 seconds"),
    ],
)
def test_settings_of_the_detector_are_checked(settings, why):
    with pytest.raises(ConfigError, match=why):
        VadSettings(**settings)


def test_silero_takes_silence_and_noise_for_neither(make_voice):
    noise = 0.05 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    for sound in (quiet(2.0), noise):
        detector = SpeechDetector()
        assert detector.push(sound) + detector.finish() == []


@pytest.mark.corpus
def test_silero_finds_the_sentence_in_a_recording(data):

    path = sorted((data / "ravdess").glob("*Speech*/Actor_01/*"))[0]
    sound = audio.read(path)
    detector = SpeechDetector()
    edges = detector.push(sound) + detector.finish()
    assert [edge.kind for edge in edges] == ["start", "end"]
    trimmed = len(PREPROCESSING.apply(audio.read(path))) / RATE
    assert (edges[1].sample - edges[0].sample) / RATE == pytest.approx(trimmed, abs=0.6)
    alone = silero()
    probabilities = [alone(sound[at : at + FRAME]) for at in range(0, len(sound) - FRAME, FRAME)]
    assert max(probabilities) > 0.9 and min(probabilities) < 0.1


@pytest.fixture(scope="module")
def sentence():
    """A sample clip between two seconds of silence."""
    samples = audio.read(Path(__file__).parents[2] / "samples" / "woman_plain.wav")
    return np.concatenate([np.zeros(16_000, np.float32), samples, np.zeros(16_000, np.float32)])


def edges_in(recording):
    detector = SpeechDetector()
    return [edge.sample for edge in detector.push(recording.astype(np.float32)) + detector.finish()]


def test_an_offset_and_the_gain_change_no_edge(sentence):
    plain = edges_in(sentence)
    assert len(plain) >= 2
    for changed in (sentence + 0.1, 0.003 * sentence, 30 * sentence):
        found = edges_in(changed)
        assert len(found) == len(plain) and np.abs(np.subtract(found, plain)).max() <= 1600


@pytest.mark.parametrize("at", [15_000, 8 * FRAME - 3, 28_000], ids=["before", "in two frames", "within"])
def test_a_click_does_not_hide_quiet_speech(sentence, at):
    clicked = 0.01 * sentence
    clicked[at : at + 6] = [1, -1, 1, -1, 1, -1]
    plain, found = edges_in(sentence), edges_in(clicked)
    assert len(found) == len(plain) and np.abs(np.subtract(found, plain)).max() <= 1600


def test_the_level_is_a_peak_that_lasts():
    level = RunningLevel(frame_s=0.032)
    for peak in (0.01, 0.01, 0.01, 1.0, 1.0, 0.02, 0.02):
        level.push(np.array([peak, -peak / 2], np.float32))
    assert level.is_within(1.0) and not level.is_within(20.0, np.array([0.0015], np.float32))
    level.push(np.array([0.1], np.float32))
    assert level.scaled(np.array([0.1], np.float32)) == pytest.approx(0.5)
