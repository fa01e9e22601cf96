"""Recordings that are longer than training clips: windows, notes, and one rule for files and streams."""

import multiprocessing
import pickle

import numpy as np
import pytest

from emotone import audio
from emotone.errors import ConfigError
from emotone.preprocessing import DEFAULT as PREPROCESSING
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.windows import HOP_S, WINDOW_S, WINDOWED_FROM_S, cut, mean_answer, parts, parts_of_stream
from support import handmade

pytestmark = pytest.mark.slow

RATE = 16_000


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


@pytest.fixture(scope="module")
def word() -> np.ndarray:
    """A sample clip, trimmed to its speech."""
    from pathlib import Path

    clip = Path(__file__).parents[2] / "samples" / "man_lively.wav"
    return audio.trim_silence(audio.read(clip))


def test_windows_cover_a_recording_evenly() -> None:
    for seconds in (0.1, 2.9, 3.0, 3.1, 7.77, 30.0):
        samples = np.arange(round(seconds * RATE), dtype=np.float32)
        windows = list(cut(samples))
        assert windows[0][0] == 0 and windows[-1][-1] == samples[-1]
        assert {len(window) for window in windows} == {min(len(samples), round(WINDOW_S * RATE))}
        assert max(np.diff([window[0] for window in windows]), default=0) <= HOP_S * RATE + 1


def spoken(*seconds: float) -> np.ndarray:
    """Tones of these lengths; negative ones are pauses."""
    return np.concatenate(
        [0.3 * np.sin(np.arange(round(s * RATE)) * 0.2) if s > 0 else np.zeros(round(-s * RATE)) for s in seconds]
    ).astype(np.float32)


def lengths(samples: np.ndarray) -> list[float]:
    return [round(len(part) / RATE, 1) for part in parts(samples)]


def test_parts_are_utterances_between_pauses() -> None:
    assert lengths(spoken(2, -0.5, 3, -1, 1.5)) == [2.1, 3.1, 1.6]
    assert lengths(spoken(2, -0.1, 1.8)) == [3.9], "a pause within a sentence"
    assert lengths(spoken(7, -0.5, 2)) == [3, 3, 3, 3, 2.1], "a long utterance is cut into windows"
    assert lengths(spoken(0.5, -0.5, 0.6, -0.5, 0.4)) == [2.5], "short sounds are joined"
    assert lengths(spoken(0.4, -3, 2, -3, 2)) == [2.1, 2.1], "a short sound alone is left out"


@pytest.mark.parametrize("block", [7_000, 48_000, 480_000])
def test_parts_of_a_stream_are_those_of_the_recording(block: int) -> None:
    samples = spoken(*([2, -0.8, 3, -0.6] * 12))
    assert len(samples) > 70 * RATE
    blocks = (samples[at : at + block] for at in range(0, len(samples), block))
    assert [len(part) for part in parts_of_stream(blocks)] == pytest.approx(
        [len(part) for part in parts(samples)], abs=400
    )
    endless = spoken(70)
    assert sum(1 for _ in parts_of_stream(iter([endless]))) >= 40


@pytest.mark.parametrize("times", [4, 8])
def test_a_clip_repeated_keeps_its_emotion(recognizer: Recognizer, word: np.ndarray, times: int) -> None:
    single = recognizer.predict((word, RATE))
    pause = np.zeros(RATE // 2, np.float32)
    repeated = np.concatenate([part for _ in range(times) for part in (word, pause)])
    assert len(repeated) > WINDOWED_FROM_S * RATE
    prediction = recognizer.predict((repeated, RATE))
    assert prediction.ranking[0] == single.ranking[0]
    assert prediction.end_s == pytest.approx(len(repeated) / RATE)
    assert any("timeline" in note for note in prediction.notes)
    assert not single.notes
    assert prediction.to_dict()["notes"] == list(prediction.notes)


def test_over_thirty_seconds_the_rule_is_the_same(recognizer: Recognizer, word: np.ndarray) -> None:
    pause = np.zeros(RATE, np.float32)
    turns = np.concatenate([part for _ in range(40) for part in (word, pause)])
    assert len(turns) > 60 * RATE
    long, short = recognizer.predict((turns, RATE)), recognizer.predict((turns[: 25 * RATE], RATE))
    assert long.ranking[0] == short.ranking[0]
    assert abs(long.confidence - short.confidence) < 0.1


def test_a_long_recording_without_speech(recognizer: Recognizer) -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal(40 * RATE).astype(np.float32)
    assert recognizer.predict((noise, RATE)).label == "no speech"
    assert recognizer.predict((np.zeros(40 * RATE, np.float32), RATE)).label == "no speech"


@pytest.mark.parametrize(("hz", "pause_s"), [(440, 0.0), (1000, 0.2)])
def test_a_tone_does_not_hide_the_speech_after_it(recognizer, word, hz, pause_s) -> None:
    tone = 0.5 * np.sin(2 * np.pi * hz * np.arange(2 * RATE) / RATE).astype(np.float32)
    both = np.concatenate([tone, np.zeros(round(pause_s * RATE), np.float32), word])
    assert 2.5 < len(both) / RATE < 4
    alone, prediction = recognizer.predict((word, RATE)), recognizer.predict((both, RATE))
    assert prediction.is_speech and prediction.ranking[0] == alone.ranking[0] and prediction.notes == ()
    beeps = np.tile(np.append(tone[:3200], np.zeros(3200, np.float32)), 5)
    for sound in (tone, beeps, tone + 0.5 * np.roll(tone, 7) ** 3):
        assert recognizer.predict((sound, RATE)).label == "no speech"


@pytest.mark.parametrize(
    ("of_whole", "of_part", "expected", "n_asked"), [(0.6, 0.99, 0.6, 1), (0.4, 0.8, 0.4, 3), (0.4, 0.9, 0.9, 3)]
)
def test_parts_answer_for_a_recording_without_speech(monkeypatch, of_whole, of_part, expected, n_asked) -> None:
    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: handmade.loudness)
    asked = []

    def answer(sound: np.ndarray) -> tuple[np.ndarray, float]:
        asked.append(round(len(sound) / RATE, 1))
        return np.array([len(asked)], np.float32), of_whole if len(asked) == 1 else of_part

    samples = np.concatenate([handmade.tone(0.1), np.zeros(RATE, np.float32), handmade.tone(0.1)])
    with audio.open_recording((samples, RATE)) as recording:
        scores, speech, n_windows = mean_answer(recording, PREPROCESSING, answer)
    assert (n_windows, speech) == (1, pytest.approx(expected)) and asked == [3.0, 1.1, 1.1][:n_asked]
    assert scores == pytest.approx(2.5 if expected == 0.9 else 1, abs=0.1)


def test_two_people_on_two_channels_are_noted(recognizer: Recognizer, word: np.ndarray) -> None:
    silence = np.zeros_like(word)
    left, right = np.concatenate([word, silence, word]), np.concatenate([silence, 0.5 * word, silence])
    call = np.stack([left, right], axis=1)
    both = recognizer.predict((call, RATE))
    assert any("different people" in note for note in both.notes)
    for channel, expected in (("left", left), (2, right)):
        prediction = recognizer.predict((call, RATE), channel=channel)
        alone = recognizer.predict((expected, RATE))
        assert prediction.scores == pytest.approx(alone.scores, abs=1e-4)
        assert not any("different people" in note for note in prediction.notes)


def test_emotions_that_cannot_occur_get_no_probability(recognizer: Recognizer, word: np.ndarray) -> None:
    few = Recognizer(emotions=["sad", "happy", "neutral"])
    assert few.emotions == ("neutral", "happy", "sad")
    prediction, whole = few.predict((word, RATE)), recognizer.predict((word, RATE))
    total = sum(whole.scores[emotion] for emotion in few.emotions)
    expected = {emotion: whole.scores[emotion] / total for emotion in few.emotions}
    assert prediction.scores == pytest.approx(expected, abs=1e-5)
    assert few.timeline((word, RATE)).emotions == few.emotions
    with pytest.raises(
        ConfigError, match="'joy' is not an emotion of this model; expected two or more of neutral, calm"
    ):
        Recognizer(emotions=["joy", "sad"])
    with pytest.raises(ConfigError, match=r"emotions are \['sad'\]; expected two or more"):
        Recognizer(emotions=["sad"])


def test_a_recognizer_can_be_pickled(tmp_path, word: np.ndarray) -> None:
    for recognizer in (
        Recognizer(threshold=0.9, emotions=["sad", "angry"]),
        Recognizer(handmade.write(tmp_path / "bundle")),
    ):
        copy = pickle.loads(pickle.dumps(recognizer))
        assert copy.predict((word, RATE)) == recognizer.predict((word, RATE))
        assert (copy.threshold, copy.emotions) == (recognizer.threshold, recognizer.emotions)


def test_processes_of_a_pool_share_a_recognizer(tmp_path, word: np.ndarray) -> None:
    recognizer = Recognizer(handmade.write(tmp_path / "bundle"))
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for path in paths:
        audio.write_wav(path, word)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(recognizer.predict, paths) == [recognizer.predict(path) for path in paths]
