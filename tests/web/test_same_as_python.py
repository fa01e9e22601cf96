"""The JavaScript library gives what Python gives: each step alone, and the answers of a model worked out by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import soxr

from emotone import audio
from emotone.audio import speech_bounds, speech_detector, trimming
from emotone.audio.filters import high_pass
from emotone.preprocessing import DEFAULT, ROBUST
from emotone.recognition import adaptation
from emotone.recognition.prediction import Prediction
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.temperature import Temperature
from emotone.recognition.timeline import Timeline
from emotone.recognition.timeline_formats import FORMATS
from support import handmade
from support.browser_page import SAMPLES

pytestmark = pytest.mark.slow
SILENCE = np.zeros(8000, np.float32)


@pytest.fixture(scope="module")
def speech():
    """Two sentences with a click before, a beep between and hum below them."""
    first, second = (audio.read(SAMPLES / name) for name in ("woman_plain.wav", "man_plain.wav"))
    click, beep = SILENCE.copy(), handmade.tone(0.1, seconds=0.3)
    click[4000:4008] = 0.9
    sound = np.concatenate([SILENCE, click, first, SILENCE, beep, SILENCE, second, SILENCE])
    hum = 0.02 * np.sin(2 * np.pi * 50 * np.arange(len(sound)) / 16_000)
    return (sound + hum).astype(np.float32)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"])
def test_wav_files_of_every_kind(steps, tmp_path, subtype):
    path = tmp_path / "two.wav"
    left, right = handmade.tone(0.1), handmade.tone(0.2)[::-1]
    soundfile.write(path, np.stack([left, right], axis=1), 16_000, subtype=subtype)
    mixed, second = steps({"do": "read", "file": path}, {"do": "read", "file": path, "channel": 2})
    np.testing.assert_allclose(mixed["samples"], audio.read(path), atol=1e-7)
    np.testing.assert_allclose(second["samples"], audio.read(path, channel=2), atol=1e-7)


def test_rates(steps, tmp_path, speech):
    rates = {8000: 1e-6, 22_050: 5e-4, 24_000: 1e-6, 44_100: 5e-4, 48_000: 1e-6}
    paths = []
    for rate in rates:
        paths.append(tmp_path / f"{rate}.wav")
        soundfile.write(paths[-1], soxr.resample(speech, 16_000, rate), rate, subtype="FLOAT")
    for path, found, most in zip(
        paths, steps(*({"do": "read", "file": path} for path in paths)), rates.values(), strict=True
    ):
        np.testing.assert_allclose(found["samples"], audio.read(path), atol=most)


def test_filters_and_trimming(steps, speech):
    filtered = high_pass(speech, 70.0)
    found = steps(
        {"do": "highPass", "samples": speech, "hz": 70},
        {"do": "trim", "samples": speech, "db": 30},
        {"do": "bounds", "samples": filtered, "isSpeech": True},
        {"do": "bounds", "samples": filtered, "isSpeech": False},
        {"do": "islands", "samples": speech, "gapS": 0.3},
    )
    np.testing.assert_allclose(found[0], filtered, atol=1e-6)
    begin, end = found[1]
    np.testing.assert_array_equal(speech[begin:end], trimming.trim_silence(speech, threshold_db=30))
    assert [tuple(bounds) for bounds in found[2:4]] == [
        speech_bounds.speech_bounds(filtered, is_speech=lambda sound, value=value: value) for value in (True, False)
    ]
    assert found[2] != found[3]
    assert [tuple(island) for island in found[4]] == speech_bounds.islands(speech, gap_s=0.3)


def test_tones_at_the_ends(steps, speech):
    t = np.arange(9000) / 16_000
    beeps = [np.sin(2 * np.pi * 1000 * t), np.sin(2 * np.pi * 697 * t) + np.sin(2 * np.pi * 1209 * t)]
    for beep in beeps:
        for parts in ((0.2 * beep, speech), (speech, 0.2 * beep), (0.2 * beep, np.zeros(3000), 0.2 * beep, speech)):
            filtered = high_pass(np.concatenate(parts).astype(np.float32), 70.0)
            (found,) = steps({"do": "bounds", "samples": filtered, "isSpeech": True})
            assert tuple(found) == speech_bounds.speech_bounds(filtered, is_speech=lambda sound: True)
            assert found[1] - found[0] <= len(speech) + 320


@pytest.mark.parametrize(
    "preprocessing", [DEFAULT, ROBUST, replace(DEFAULT, trim_db=None)], ids=["default", "robust", "none"]
)
def test_every_preprocessing_that_a_card_can_name(steps, speech, preprocessing):
    (found,) = steps({"do": "apply", "samples": speech, "card": preprocessing.to_dict()})
    np.testing.assert_allclose(found, preprocessing.apply(speech), atol=1e-6)


def test_the_speech_detector(steps, speech):
    detector = speech_detector.SpeechDetector()
    edges = [edge.sample for edge in (*detector.push(speech), *detector.finish())]
    gated = speech_detector.SpeechDetector(gate=lambda samples: 1.0)
    with_gate = [edge.sample for edge in (*gated.push(speech), *gated.finish())]
    beep = handmade.tone(0.1)
    found = steps(
        {"do": "detect", "samples": speech},
        {"do": "detect", "samples": speech, "gate": 1},
        {"do": "isSpeech", "samples": speech},
        {"do": "isSpeech", "samples": beep},
    )
    assert [np.ravel(stretches).tolist() for stretches in found[:2]] == [edges, with_gate]
    assert edges != with_gate
    assert found[2:] == [True, speech_detector.is_speech(beep)]


def test_adaptation(steps, tmp_path):
    rng, k, width = np.random.default_rng(0), 4, 6
    heads = {
        **{f"{head}_weight": rng.normal(size=(2, k, width // 2)) for head in ("plain", "adapted")},
        **{f"{head}_bias": rng.normal(size=(2, k)) for head in ("plain", "adapted")},
        "centre": rng.normal(size=width),
    }
    rows = rng.normal(size=(120, width))
    labels, speakers = np.tile(np.arange(k), 30), [f"{n % 3}" for n in range(120)]
    adapter = adaptation.fitted(heads, rows, labels=labels, speakers=speakers, corpora=["c"] * 120)
    adapter.save(tmp_path / "adaptation.npz")
    emotions, clips = ["neutral", "happy", "sad", "angry"], rng.normal(size=(5, width))
    calibration = {"temperature": 0.7, "per_distance": 0.4, "adapted_temperature": 0.9}
    temperature = Temperature.from_card(calibration)
    profile = SpeakerProfile(mean=(0.0,) * width, n_clips=0, model="0" * 64)
    for _ in range(2):  # from an unknown speaker, and further
        (found,) = steps(
            {
                **{"do": "adapt", "adaptation": tmp_path / "adaptation.npz", "embeddings": clips.tolist()},
                **{"profile": profile.to_dict(), "emotions": emotions, "calibration": calibration},
            }
        )
        profile = adapter.extended(profile, clips, emotions=emotions, temperature=temperature)
        expected = profile.to_dict()
        for key in ("mean", "power"):
            np.testing.assert_allclose(found["profile"].pop(key), expected.pop(key), rtol=1e-4)
        for key in ("composition", "answers"):
            np.testing.assert_allclose(
                list(found["profile"].pop(key).values()), list(expected.pop(key).values()), atol=1e-5
            )
        assert found["profile"] == expected
        np.testing.assert_allclose(found["scores"], adapter.scores(clips, profile, temperature=temperature), atol=1e-5)
        np.testing.assert_allclose(found["plain"], adapter.scores(clips, None, temperature=temperature), atol=1e-5)


@pytest.mark.parametrize("checks_speech", [False, True], ids=["plain", "checks speech"])
def test_answers_to_short_and_long_recordings(steps, tmp_path, wav, checks_speech):
    bundle = handmade.write(tmp_path / "bundle", content=handmade.graph(speech=checks_speech))
    loud, soft = handmade.tone(0.2, seconds=1.4), handmade.tone(0.03, seconds=2.0)
    sounds = [loud, soft, handmade.tone(0.15, seconds=4.7)]
    sounds += [np.concatenate([SILENCE, loud, SILENCE, soft, SILENCE, loud, loud, loud, loud, SILENCE])]
    sounds += [np.tile(sounds[-1], 5), SILENCE]
    paths = [wav(sound) for sound in sounds]
    recognizer = Recognizer(bundle)
    found = steps(*({"do": "predict", "bundle": bundle, "file": path} for path in paths))
    for path, answer in zip(paths, found, strict=True):
        if not checks_speech and path == paths[-1]:
            assert answer["error"] == "silent"
            continue
        _check(answer, recognizer.predict(path).to_dict())


def _check(found, expected):
    for key in ("confidence", "start_s", "end_s", "speech"):
        assert found[key] == pytest.approx(expected[key], abs=2e-3), key
    assert found["scores"] == pytest.approx(expected["scores"], abs=2e-3)
    for key in ("emotion", "label", "notes", "adapted", "speaker"):
        assert found[key] == expected[key]


def test_a_timeline(steps, tmp_path, wav, speech):
    bundle = handmade.write(tmp_path / "bundle", content=handmade.graph(speech=True))
    path = wav(np.concatenate([speech / 3, SILENCE, speech / 3, SILENCE, speech / 1.5]))
    expected = Recognizer(bundle, threshold=0.3).timeline(path)
    (found,) = steps({"do": "timeline", "bundle": bundle, "file": path, "options": {"threshold": 0.3}})
    np.testing.assert_allclose(found.pop("envelope"), expected.envelope, atol=1e-6)
    assert len(found["segments"]) == len(expected.segments) > 3
    for segment, other in zip(found["segments"], expected.segments, strict=True):
        _check(segment, other.to_dict())
    assert found["duration_s"] == pytest.approx(expected.duration_s)
    assert found["spoken_s"] == pytest.approx(expected.spoken_s)
    assert found["shares"] == pytest.approx(expected.shares(), abs=1e-6)


def test_formats_of_timelines(steps):
    names = ("happy", "a, <b> & =c")
    segments = tuple(
        Prediction.from_scores(
            names, np.array([score, 1 - score]), start_s=start, end_s=start + 1.25, speech=0.875, threshold=0.7
        )
        for start, score in ((0.5, 0.75), (2.0, 0.125), (3725.5, 0.625), (3727.0, 0.999988))
    )
    timeline = Timeline(segments, 3729.0, names, np.zeros(1, np.float32))
    content = timeline.to_dict() | {"envelope": []}
    (found,) = steps({"do": "formats", "timeline": content})
    assert json.loads(found.pop("json")) == timeline.to_dict()
    assert found == {name: FORMATS[name].write(timeline) for name in found}
    assert set(found) == {"csv", "vtt", "srt", "audacity"}
