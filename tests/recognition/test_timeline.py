"""Timelines: segments of speech, and their predictions."""

import numpy as np
import pytest

from emotone import audio
from emotone.audio.speech_detector import SpeechDetector, VadSettings
from emotone.errors import AudioError, ConfigError
from emotone.recognition.model import Outputs
from emotone.recognition.pieces import DetectedPieces
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.timeline import TimelineSettings
from emotone.recognition.timeline_making import make_timeline
from emotone.recognition.windows import ENVELOPE_STEP_S, SpeechReader
from support import handmade

RATE = 16_000


EMOTIONS = ("happy", "sad", "angry")


def by_level(sound):
    """A model that can be worked out: 0.1 is happy, 0.2 sad, 0.4 angry, and in between it is in between."""
    near = np.exp(-np.abs(np.array([0.1, 0.2, 0.4]) - np.abs(sound).mean()) * 40)
    return Outputs((near / near.sum()).astype(np.float32), np.abs(sound).mean(keepdims=True), 1.0)


def level(value, seconds):
    return np.full(round(seconds * RATE), value, np.float32)


def told(*parts, answer=by_level, threshold=0.5, block_s=10.0, checks_speech=False, pad_s=0.0, **settings):
    sound = np.concatenate([level(*part) for part in parts])
    size = round(block_s * RATE)
    blocks = [sound[at : at + size] for at in range(0, len(sound), size)]
    settings = TimelineSettings(vad=VadSettings(pad_s=pad_s), **settings)
    given = {"emotions": EMOTIONS, "threshold": threshold, "checks_speech": checks_speech}
    reader = SpeechReader(blocks, SpeechDetector(settings.vad, probability=handmade.loudness))
    return make_timeline(DetectedPieces(reader), answer, settings=settings, **given)


def spans(found):
    return [(one.label, round(one.start_s, 1), round(one.end_s, 1)) for one in found.segments]


def test_each_stretch_of_speech_is_a_segment_where_it_is():
    found = told((0, 2.0), (0.1, 2.0), (0, 2.0), (0.4, 5.0), (0, 1.0))
    assert [label for label, _, _ in spans(found)] == ["happy", "angry"]
    for (_, start, end), (first, last) in zip(spans(found), [(2, 4), (6, 11)], strict=True):
        assert (start, end) == pytest.approx((first, last), abs=0.1)
    assert found.duration_s == 12.0 and found.spoken_s == pytest.approx(7.0, abs=0.2)
    assert found.shares() == pytest.approx({"angry": 5 / 7, "happy": 2 / 7}, abs=0.02)
    assert list(found.shares()) == ["angry", "happy"]


def test_a_change_within_speech_parts_it_about_where_it_is():
    found = told((0.1, 8.0), (0.4, 8.0), window_s=2.0, step_s=0.5)
    assert [label for label, *_ in spans(found)][0] == "happy" and [label for label, *_ in spans(found)][-1] == "angry"
    last_happy = max(end for label, _, end in spans(found) if label == "happy")
    first_angry = min(start for label, start, _ in spans(found) if label == "angry")
    assert last_happy == pytest.approx(8.0, abs=1.0) and first_angry == pytest.approx(8.0, abs=1.0)
    starts, ends = [one.start_s for one in found.segments], [one.end_s for one in found.segments]
    assert starts[1:] == ends[:-1]  # nothing between them is left out


def test_windows_that_overlap_are_averaged():
    """Single windows that disagree don't cut a segment: that one in three is angry makes no moment angry."""
    calls = []

    def flickering(sound):
        calls.append(len(sound))
        scores = [0.2, 0.0, 0.8] if len(calls) % 3 == 2 else [0.9, 0.0, 0.1]
        return Outputs(np.array(scores, np.float32), np.zeros(1, np.float32), 1.0)

    found = told((0.1, 20.0), answer=flickering, window_s=3.0, step_s=1.0)
    assert set(calls) == {3 * RATE} and len(calls) == 18
    assert [label for label, *_ in spans(found)] == ["happy"]
    assert found.segments[0].scores["happy"] == pytest.approx((0.9 + 0.9 + 0.2) / 3, abs=0.03)


def test_every_second_of_speech_is_in_one_segment_and_probabilities_sum_to_one():
    rng = np.random.default_rng(0)
    parts = [
        (value, float(seconds)) for value, seconds in zip([0.1, 0.2, 0.4] * 5, rng.uniform(0.5, 6, 15), strict=True)
    ]
    found = told(*parts, threshold=0.0)
    ends = [one.end_s for one in found.segments]
    assert [one.start_s for one in found.segments][1:] == ends[:-1]
    assert found.segments[0].start_s == 0 and ends[-1] == pytest.approx(found.duration_s, abs=0.2)
    for one in found.segments:
        assert sum(one.scores.values()) == pytest.approx(1, abs=1e-6)
        assert one.confidence == pytest.approx(one.scores[one.emotion], abs=1e-9)


@pytest.mark.parametrize("block_s", [0.3, 1.0, 7.7, 1000.0])
def test_how_the_recording_is_read_changes_nothing(block_s):
    parts = [(0, 1.3), (0.1, 4.0), (0, 0.9), (0.4, 3.3), (0.2, 2.0), (0, 2.0), (0.1, 0.7)]
    assert told(*parts, block_s=block_s) == told(*parts)
    np.testing.assert_array_equal(told(*parts, block_s=block_s).envelope, told(*parts).envelope)


def test_under_the_threshold_it_is_unsure_and_without_speech_no_speech():
    assert {label for label, *_ in spans(told((0.15, 5.0), threshold=0.9))} == {"unsure"}
    music = told((0.1, 5.0), answer=lambda sound: by_level(sound)._replace(speech=0.1), checks_speech=True)
    assert {label for label, *_ in spans(music)} == {"no speech"} and music.segments[0].speech == pytest.approx(0.1)
    assert music.segments[0].emotion is None


def test_where_nobody_speaks_there_are_no_segments():
    found = told((0, 5.0))
    assert found.segments == () and found.shares() == {} and found.spoken_s == 0 and found.duration_s == 5.0
    assert told((0.1, 5.0), answer=lambda sound: None).segments == ()  # too soft for any answer


@pytest.mark.slow
def test_hours_take_no_more_memory_than_minutes():
    """What is kept of the sound is bounded; speech without an end is cut."""
    import tracemalloc

    def blocks(minutes):
        return (level(0.1, 10.0) for _ in range(6 * minutes))

    def peak(minutes):
        tracemalloc.start()
        reader = SpeechReader(blocks(minutes), SpeechDetector(probability=lambda _: 0.9))
        given = {"emotions": EMOTIONS, "threshold": 0.5, "checks_speech": False, "settings": TimelineSettings()}
        make_timeline(DetectedPieces(reader), by_level, **given)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(12) < 1.2 * peak(3)


def test_the_envelope_has_the_peak_of_each_moment():
    found = told((0.1, 1.0), (0.4, 0.5), (0, 0.02))
    assert len(found.envelope) == round(1.5 / ENVELOPE_STEP_S) + 1
    np.testing.assert_allclose(found.envelope, [0.1] * 20 + [0.4] * 10 + [0.0], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"window_s": 0.1}, "window_s is 0.1"),
        ({"step_s": 4.0}, "step_s is 4.0"),
        ({"step_s": 0.0}, "step_s is 0.0"),
        ({"step_s": "1"}, "step_s is '1'"),
        ({"window_s": None}, "window_s is None"),
    ],
)
def test_settings_are_checked(settings, why):
    with pytest.raises(ConfigError, match=why):
        TimelineSettings(**settings)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle") / "loudness")


@pytest.fixture(autouse=True)
def _loud(monkeypatch):
    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: handmade.loudness)


@pytest.fixture
def recording(tmp_path):
    return handmade.write_call(tmp_path / "call.wav")


def test_recognizer_tells_a_recordings_timeline(bundle, recording):
    heard = []
    found = Recognizer(bundle).timeline(recording, progress=lambda *told: heard.append(told[:2]))
    assert [label for label, *_ in spans(found)] == ["sad", "angry"]
    assert heard == [(5, 13), (10, 13), (13, 13)]
    with pytest.raises(AudioError):
        Recognizer(bundle).timeline(recording.with_name("none.wav"))


def test_progress_is_reported_every_five_seconds(bundle, recording):
    samples = np.tile(audio.read(recording), 6)  # more than one block of the reader
    seconds = []
    Recognizer(bundle).timeline((samples, RATE), progress=lambda *given: seconds.append(given[:2]))
    total_s = round(len(samples) / RATE)
    assert seconds == [(done_s, total_s) for done_s in (*range(5, total_s, 5), total_s)]


def test_timeline_hears_the_profile_of_the_speaker(tmp_path, recording):
    content = handmade.graph(optional=handmade.ADAPTS)
    recognizer = Recognizer(handmade.write(tmp_path / "relative", content=content, adapts=True))
    profile = recognizer.adapt([(handmade.tone(0.2), RATE)] * 3)
    plain, adapted = (recognizer.timeline(recording, profile=one).segments[-1] for one in (None, profile))
    assert adapted.scores["angry"] < plain.scores["angry"]
