"""Recordings as people have them, with the built-in model: small versions of benchmarks/real_recordings.py."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soxr

from emotone import audio
from emotone.audio.speech_detector import SpeechDetector
from emotone.preprocessing import DEFAULT
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.stream import Stream
from support.media import media

pytestmark = pytest.mark.slow

RATE = 16_000
SAMPLES = sorted(
    path for path in (Path(__file__).parents[2] / "samples").iterdir() if path.name.startswith(("man_", "woman_"))
)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    """The samples, at a peak of 0.3."""
    read = [audio.read(path) for path in SAMPLES]
    return [(0.3 * samples / np.abs(samples).max()).astype(np.float32) for samples in read]


def best(recognizer: Recognizer, samples: np.ndarray) -> str:
    return recognizer.predict((samples.astype(np.float32), RATE)).ranking[0]


@pytest.mark.parametrize("gain_db", [-50, -20, 30])
def test_any_level_is_found_and_changes_no_answer(recognizer, clips, gain_db) -> None:
    for clip in clips:
        scaled = (clip * 10 ** (gain_db / 20)).astype(np.float32)
        assert recognizer.timeline((scaled, RATE)).segments
        assert best(recognizer, scaled) == best(recognizer, clip)


def tone(hz: float, peak: float, n: int) -> np.ndarray:
    return peak * np.sin(2 * np.pi * hz * np.arange(n) / RATE)


def clicked(clip: np.ndarray) -> np.ndarray:
    changed = clip.copy()
    changed[2000:2002] = 0.95, -0.95
    return changed


@pytest.mark.parametrize(
    "disturb",
    [
        lambda clip: clip + 0.001,
        lambda clip: clip + 0.01,
        lambda clip: clip + tone(50, 0.003, len(clip)),
        clicked,
    ],
    ids=["offset 0.001", "offset 0.01", "hum", "click"],
)
def test_what_is_no_voice_changes_no_answer(recognizer, clips, disturb: Callable[[np.ndarray], np.ndarray]) -> None:
    changed = [best(recognizer, disturb(clip)) != best(recognizer, clip) for clip in clips]
    assert not any(changed)


def test_a_beep_before_changes_few_answers(recognizer, clips) -> None:
    beep = np.append(tone(1000, 0.3, RATE // 2), np.zeros(RATE // 5))
    changed = [best(recognizer, np.append(beep, clip)) != best(recognizer, clip) for clip in clips]
    assert sum(changed) <= 1


def stretches(recognizer: Recognizer, samples: np.ndarray) -> list[tuple[int, int]]:
    detector = SpeechDetector(gate=recognizer.speech_gate)
    edges = detector.push(samples) + detector.finish()
    return [(first.sample, last.sample) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def loud(samples: np.ndarray) -> np.ndarray:
    """Which frames of 10 ms are within 30 dB of the loudest."""
    energy = (samples[: len(samples) // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)
    return np.asarray(energy > energy.max() * 1e-3)


@pytest.mark.parametrize("rate", [16_000, 8_000])
@pytest.mark.parametrize("noise_db", [-80, -50])
def test_stretches_of_speech_begin_and_end_where_it_is_spoken(recognizer, clips, rate, noise_db) -> None:
    rng, pieces, edges, at = np.random.default_rng(0), [], [], 0
    for clip in clips[:6]:
        spoken = DEFAULT.apply(clip)
        pause = round(rng.uniform(1.5, 3) * RATE)
        pieces += [np.zeros(pause, np.float32), spoken]
        frames = np.flatnonzero(loud(spoken))
        edges.append((at + pause + 160 * int(frames[0]), at + pause + 160 * int(frames[-1])))
        at += pause + len(spoken)
    samples = np.concatenate([*pieces, np.zeros(2 * RATE, np.float32)])
    samples += (10 ** (noise_db / 20) * rng.standard_normal(len(samples))).astype(np.float32)
    samples = audio.read((soxr.resample(samples, RATE, rate), rate))
    found = stretches(recognizer, samples)
    for begin, end in edges:
        near = [stretch for stretch in found if stretch[0] < end and stretch[1] > begin]
        assert near[0][0] / RATE == pytest.approx(begin / RATE, abs=0.3)
        assert near[-1][1] / RATE == pytest.approx(end / RATE, abs=0.3)


def test_the_last_answer_of_a_stream_is_that_of_the_file(recognizer, clips) -> None:
    rng = np.random.default_rng(0)
    for clip in clips:
        samples = np.concatenate([clip, np.zeros(RATE, np.float32)])
        stream, at, events = Stream(recognizer), 0, []
        while at < len(samples):
            size = int(rng.integers(1, 20_000))
            events += stream.push(samples[at : at + size])
            at += size
        answers = [event.prediction for event in events + stream.finish() if event.kind == "speech_end"]
        assert answers
        for answer in answers:
            alone = recognizer.predict((samples, RATE), start_s=answer.start_s, end_s=answer.end_s)
            assert answer.scores == pytest.approx(alone.scores, abs=0.001)


CONTAINERS = [
    *(("mp3", "libmp3lame"), ("mp2", "mp2"), ("ipod", "alac"), ("mov", "pcm_s16le"), ("matroska", "flac")),
    *(("matroska", "ac3"), ("webm", "libopus"), ("ogg", "flac"), ("flac", "flac"), ("wav", "pcm_s24le")),
    *(("wav", "pcm_f32le"), ("w64", "pcm_s16le"), ("aiff", "pcm_s16be"), ("au", "pcm_s16be"), ("caf", "pcm_s16le")),
    *(("voc", "pcm_s16le"), ("mpegts", "mp2"), ("opus", "libopus")),
]


@pytest.mark.parametrize(("kind", "codec"), CONTAINERS, ids=" ".join)
def test_other_containers_give_the_same_answer(recognizer, clips, kind, codec) -> None:
    clip = 3 * clips[0]
    data = media([soxr.resample(clip, RATE, 48_000).astype(np.float32)], kind, codec)
    plain, answer = recognizer.predict((clip, RATE)), recognizer.predict(data)
    assert answer.ranking[0] == plain.ranking[0] and answer.scores == pytest.approx(plain.scores, abs=0.05)
    assert audio.info(data).duration_s == pytest.approx(len(clip) / RATE, abs=0.05)
    assert answer.end_s == pytest.approx(len(clip) / RATE, abs=0.05)


SCREAMS = [
    *("05-02-02-02-06", "03-02-02-01-06", "05-02-01-01-06", "06-02-01-01-14"),
    *("03-02-01-01-01", "04-02-01-01-06", "02-02-01-01-02", "08-02-01-01-22"),
]
#: Screams of which Silero hears nothing; a telephone leaves too little of one of them.
UNHEARD = {16_000: ("06-02-01-02-06", "06-02-02-02-06", "06-02-01-01-06"), 8_000: ("06-02-01-01-06",)}


@pytest.mark.corpus
@pytest.mark.parametrize("rate", [16_000, 8_000])
def test_screams_are_speech(recognizer, data, rate) -> None:
    shares = []
    for name in (*SCREAMS, *UNHEARD[rate]):
        (path,) = (data / "ravdess").glob(f"*Speech*/Actor_{name[-2:]}/03-01-{name}.*")
        samples = audio.read(path)
        if rate != RATE:
            samples = audio.read((soxr.resample(samples, RATE, rate), rate))
        frames = loud(samples)
        heard = np.zeros(len(frames), bool)
        for begin, end in stretches(recognizer, samples):
            heard[begin // 160 : -(-end // 160)] = True
        shares.append((heard & frames).sum() / frames.sum())
    assert min(shares) >= 0.9


@pytest.mark.corpus
@pytest.mark.parametrize("seconds", [8, 12, 20])
def test_joined_clips_of_one_emotion_have_its_answer(recognizer, data, seconds) -> None:
    right, single, false_calm = 0, 0, 0
    for actor, emotion, name in ((6, "03", "happy"), (11, "05", "angry"), (2, "04", "sad"), (9, "08", "surprised")):
        paths = sorted((data / "ravdess").glob(f"*Speech*/Actor_{actor:02}/03-01-{emotion}-*"))
        clips = [audio.read(path) for path in paths]
        sound = np.concatenate([np.append(DEFAULT.apply(clip), np.zeros(RATE // 10, np.float32)) for clip in clips])
        answer = recognizer.predict((sound[: seconds * RATE].astype(np.float32), RATE))
        alone = np.mean([list(recognizer.predict((clip, RATE)).scores.values()) for clip in clips], axis=0)
        right += answer.ranking[0] == name
        single += recognizer.emotions[int(alone.argmax())] == name
        false_calm += answer.ranking[0] == "calm"
    assert right == single == 4 and not false_calm
