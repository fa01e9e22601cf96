"""Events of a stream: start and end of speech, predictions, chunks, and adaptation."""

import json
from dataclasses import replace

import numpy as np
import pytest

from emotone.audio.speech_detector import FRAME, VadSettings
from emotone.errors import AudioError, BundleError, ConfigError
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.stream import Event, Stream, StreamSettings
from support import handmade

RATE = 16_000


FRAME_S = FRAME / RATE


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory):
    return Recognizer(handmade.write(tmp_path_factory.mktemp("bundle") / "loudness"))


@pytest.fixture(scope="module")
def adaptive(tmp_path_factory):
    content = handmade.graph(optional=handmade.ADAPTS)
    return Recognizer(handmade.write(tmp_path_factory.mktemp("bundle") / "relative", content=content, adapts=True))


def quiet(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def spoken(*parts):
    """Seconds of silence and (level, seconds) of tones, one after the other."""
    sounds = [quiet(part) if isinstance(part, float) else handmade.tone(part[0], seconds=part[1]) for part in parts]
    return np.concatenate(sounds)


def heard(recognizer, sound, *, sizes=(800,), rate=RATE, **given):
    stream = Stream(recognizer, rate=rate, **{"probability": handmade.loudness} | given)
    events, at, turn = [], 0, 0
    while at < len(sound):
        size = sizes[turn % len(sizes)]
        events += stream.push(sound[at : at + size])
        at, turn = at + size, turn + 1
    return events + stream.finish(), stream


def kinds(events):
    return [event.kind for event in events]


def test_an_utterance_starts_is_answered_for_each_half_second_and_ends(recognizer):
    events, stream = heard(recognizer, spoken(1.0, (0.02, 2.0), 1.0))
    assert kinds(events) == ["speech_start", *["emotion"] * 4, "speech_end"]
    start, *answers, end = events
    assert start.time_s == pytest.approx(0.9, abs=FRAME_S) and start.prediction is None
    assert [answer.time_s for answer in answers] == pytest.approx([1.4, 1.9, 2.4, 2.9], abs=3 * FRAME_S)
    assert end.time_s == pytest.approx(3.1, abs=FRAME_S)
    for event in (*answers, end):
        assert event.prediction.emotion == "sad"
        assert sum(event.prediction.scores.values()) == pytest.approx(1, abs=1e-5)
    assert (end.prediction.start_s, end.prediction.end_s) == (start.time_s, end.time_s)
    assert stream.time_s == pytest.approx(4.0, abs=FRAME_S)


def test_first_answer_comes_within_a_second_of_speech(recognizer):
    events, _ = heard(recognizer, spoken(0.5, (0.02, 1.2), 1.0))
    first = next(event for event in events if event.kind == "emotion")
    assert first.time_s <= 0.5 + 1.0


def test_the_end_is_answered_by_all_that_was_said_and_not_by_what_was_before(recognizer):
    events, _ = heard(recognizer, spoken((0.2, 2.0), 1.0, (0.02, 2.0), 1.0))
    assert [event.prediction.emotion for event in events if event.kind == "speech_end"] == ["angry", "sad"]
    answers = [event.prediction.emotion for event in events if event.kind == "emotion"]
    assert list(dict.fromkeys(answers)) == ["angry", "sad"] and min(map(answers.count, ("angry", "sad"))) >= 3
    assert answers == sorted(answers)


def test_answers_within_speech_are_for_its_last_seconds(recognizer):
    sound = spoken((0.2, 4.0), (0.02, 4.0), 1.0)
    events, _ = heard(recognizer, sound, settings=StreamSettings(window_s=1.0, every_s=1.0))
    answers = [event.prediction for event in events if event.kind == "emotion"]
    assert [answer.end_s - answer.start_s for answer in answers] == pytest.approx([1.0] * len(answers), abs=2 * FRAME_S)
    assert answers[0].emotion == "angry" and answers[-1].emotion == "sad"


def test_in_a_pause_nothing_is_said(recognizer):
    settings = StreamSettings(vad=VadSettings(min_silence_s=2.0))
    events, _ = heard(recognizer, spoken((0.02, 1.0), 1.5, (0.02, 1.0), 3.0), settings=settings)
    times = [event.time_s for event in events if event.kind == "emotion"]
    assert kinds(events).count("speech_end") == 1
    assert all(time < 1.1 or time > 2.5 for time in times)


def test_silence_has_no_events(recognizer):
    events, stream = heard(recognizer, quiet(3.0))
    assert events == []
    assert len(stream._kept) < RATE  # and nothing is kept of it


def test_what_goes_on_when_the_stream_ends_is_answered_for(recognizer):
    sound = spoken(0.5, (0.02, 1.03))
    events, stream = heard(recognizer, sound)
    assert kinds(events)[-1] == "speech_end" and events[-1].prediction.emotion == "sad"
    assert events[-1].time_s == pytest.approx(len(sound) / RATE)
    assert stream.finish() == []
    with pytest.raises(AudioError, match="finished"):
        stream.push(quiet(0.1))


def test_memory_does_not_grow_while_somebody_speaks_on(recognizer):
    settings = StreamSettings(every_s=60, vad=VadSettings(max_speech_s=2.0))
    stream = Stream(recognizer, probability=handmade.loudness, settings=settings)
    longest = 0
    for _ in range(20):
        stream.push(handmade.tone(0.1, seconds=1.0))
        longest = max(longest, len(stream._kept))
    assert longest <= 2.5 * RATE


@pytest.mark.parametrize("rate", [16_000, 48_000, 44_100, 8_000])
def test_the_events_are_the_same_however_the_sound_is_cut(recognizer, rate):
    rng = np.random.default_rng(rate)
    times = np.arange(5 * rate) / rate
    sound = np.where((times > 0.7) & (times < 2.9), 0.1 * np.sin(2 * np.pi * 200 * times), 0).astype(np.float32)
    whole, _ = heard(recognizer, sound, sizes=(len(sound),), rate=rate)
    assert kinds(whole)[0] == "speech_start" and kinds(whole)[-1] == "speech_end" and len(whole) > 4
    for sizes in ((1, 7, 333, 5000), tuple(rng.integers(1, 4000, 20).tolist()), (rate // 50,)):
        assert heard(recognizer, sound, sizes=sizes, rate=rate)[0] == whole


def test_pcm_may_be_cut_within_a_sample(recognizer):
    sound = spoken(0.5, (0.1, 1.5), 1.0)
    pcm = np.rint(sound * 32767).astype("<i2")
    stereo = np.stack([pcm, pcm], axis=1)
    expected, _ = heard(recognizer, pcm.astype(np.int16))
    assert len(expected) > 3
    assert heard(recognizer, pcm.tobytes(), sizes=(1, 333, 2))[0] == expected
    assert heard(recognizer, stereo.tobytes(), sizes=(3, 1001), channels=2)[0] == expected
    assert heard(recognizer, stereo, sizes=(77,), channels=2)[0] == expected


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"rate": 0}, "the rate is 0"),
        ({"rate": 44_100.0}, "44100.0"),
        ({"channels": 0}, "0 channels"),
        ({"channels": 33}, "33 channels"),
    ],
)
def test_formats_that_are_none_are_refused(recognizer, given, why):
    with pytest.raises(AudioError, match=why):
        Stream(recognizer, **given)


@pytest.mark.parametrize(
    ("chunk", "why"),
    [
        (np.zeros((4, 2), np.float32), r"\(4, 2\)"),
        (np.zeros(4, np.int32), "int32"),
        (np.full(4, np.nan, np.float32), "not finite"),
        (np.full(4, 1e300), "not finite"),
    ],
)
def test_chunks_that_are_no_sound_are_refused_and_the_stream_goes_on(recognizer, chunk, why):
    stream = Stream(recognizer, probability=handmade.loudness)
    with pytest.raises(AudioError, match=why):
        stream.push(chunk)
    assert kinds(stream.push(spoken((0.1, 1.0), 1.0)))[-1] == "speech_end"


@pytest.mark.parametrize(
    "settings", [{"every_s": 0.01}, {"window_s": 0.1}, {"window_s": float("nan")}, {"every_s": "1"}, {"window_s": None}]
)
def test_settings_are_checked(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        StreamSettings(**settings)


def test_each_utterance_tells_how_the_speaker_sounds_for_those_after_it(adaptive):
    sound = spoken((0.15, 2.0), 1.0, (0.15, 2.0), 1.0)
    events, stream = heard(adaptive, sound, adapt=True)
    ends = [event for event in events if event.kind == "speech_end"]
    assert [event.prediction.adapted.get("speaker", 0) for event in ends] == [0, 1] and stream.profile.n_clips == 2
    first, second = (event.prediction for event in ends)
    assert second.scores["angry"] < first.scores["angry"]  # as loud as always
    plain, other = heard(adaptive, sound)
    assert other.profile is None
    unadapted = [event.prediction for event in plain if event.kind == "speech_end"][1]
    assert unadapted.scores["angry"] == pytest.approx(first.scores["angry"], abs=0.06)  # frames lie elsewhere on it
    assert second.scores["angry"] < unadapted.scores["angry"] - 0.1


def test_a_profile_is_used_and_without_adaptation_stays(adaptive):
    profile = adaptive.adapt([(handmade.tone(0.15), RATE)] * 5)
    events, stream = heard(adaptive, spoken((0.15, 2.0), 1.0), profile=profile)
    assert stream.profile == profile and events[-1].prediction.adapted == {"source": 0, "speaker": 5}
    grown, stream = heard(adaptive, spoken((0.15, 2.0), 1.0), profile=profile, adapt=True)
    assert stream.profile.n_clips == 6


def test_models_that_do_not_adapt_say_so(recognizer):
    with pytest.raises(ConfigError, match="can't adapt"):
        Stream(recognizer, adapt=True)


def test_events_as_json(recognizer):
    assert Event("speech_start", 1.23456).to_dict() == {"kind": "speech_start", "time_s": 1.235}
    events, _ = heard(recognizer, spoken((0.02, 1.5), 1.0))
    written = events[-1].to_dict()
    assert json.loads(json.dumps(written)) == written
    assert written == {"kind": "speech_end", "time_s": 1.604, **events[-1].prediction.to_dict()}
    assert written["emotion"] == written["label"] == "sad" and written["speech"] is None

    unsure = replace(events[-1].prediction, emotion=None)
    written = Event("emotion", 1.0, replace(unsure, adapted={"source": 0, "speaker": 2})).to_dict()
    assert (written["emotion"], written["label"]) == (None, "unsure")
    assert written["adapted"] == {"source": 0, "speaker": 2}
    silent = Event("emotion", 1.0, replace(unsure, speech=0.1)).to_dict()
    assert (silent["emotion"], silent["label"], silent["speech"]) == (None, "no speech", 0.1)


class FailingOnce:
    """A recognizer whose first prediction fails."""

    def __init__(self, recognizer):
        self._recognizer, self._n_calls = recognizer, 0

    def __getattr__(self, name):
        return getattr(self._recognizer, name)

    def predict(self, source, **given):
        self._n_calls += 1
        if self._n_calls == 1:
            raise BundleError("the graph was stopped")
        return self._recognizer.predict(source, **given)


def test_a_model_that_fails_finishes_the_stream(recognizer):
    stream = Stream(FailingOnce(recognizer), rate=RATE, probability=handmade.loudness)
    sound = spoken(1.0, (0.02, 2.0), 1.0)
    with pytest.raises(BundleError, match="the graph was stopped"):
        for at in range(0, len(sound), 700):
            stream.push(sound[at : at + 700])
    with pytest.raises(AudioError, match="finished"):
        stream.push(sound)
    assert stream.finish() == []
