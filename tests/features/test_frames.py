"""Frames that networks learn from, against librosa, a second implementation; and their graphs against the modules."""

import librosa
import numpy as np
import pytest
import torch

from emotone import audio
from emotone.features import registry
from emotone.features.encoders import names as registry_names
from emotone.features.frames import HOP_LENGTH, LogMel, MfccFrames
from emotone.features.graph import extractor_graph
from emotone.features.runner import GraphRunner
from emotone.preprocessing import DEFAULT as PREPROCESSING

pytestmark = pytest.mark.slow

RATE = audio.SAMPLE_RATE
KINDS = (LogMel, MfccFrames)
TOLERANCE_DB = 1e-3


@pytest.fixture(scope="module")
def runners() -> dict[type, GraphRunner]:
    """Both graphs; exporting them is what takes long."""
    return {kind: GraphRunner(extractor_graph(kind()).SerializeToString()) for kind in KINDS}


def by_librosa(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-mel (frames, 128) dB and MFCCs with their differences (frames, 120), computed in double."""
    y = samples.astype(np.float64)
    y /= np.sqrt(np.mean(y**2))
    power = np.abs(librosa.stft(y, n_fft=1024, win_length=512, hop_length=256)) ** 2
    log_mel = librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=RATE, n_mels=128))
    mfcc = librosa.feature.mfcc(S=log_mel, n_mfcc=40)
    deltas = [librosa.feature.delta(mfcc, width=9, order=order) for order in (1, 2)]
    return log_mel.T, np.concatenate([mfcc, *deltas]).T


def frames(kind: type, samples: np.ndarray) -> np.ndarray:
    return kind().extract(torch.from_numpy(samples)).numpy()


def greatest(ours: np.ndarray, theirs: np.ndarray) -> float:
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max())


@pytest.mark.parametrize("seconds", [0.2, 0.77, 2.3])
def test_log_mel_and_mfccs_equal_librosas_on_a_voice(make_voice, seconds: float) -> None:
    samples = make_voice(seconds=seconds, seed=3)
    log_mel, mfcc = by_librosa(samples)
    assert log_mel.max() - log_mel.min() > 40  # there is something to get wrong
    assert greatest(frames(LogMel, samples), log_mel) < TOLERANCE_DB
    ours = frames(MfccFrames, samples)
    for block in (slice(0, 40), slice(40, 80), slice(80, 120)):
        assert greatest(ours[:, block], mfcc[:, block]) < TOLERANCE_DB


@pytest.mark.corpus
def test_log_mel_and_mfccs_equal_librosas_on_real_clips(data) -> None:
    files = sorted((data / "ravdess").rglob("*.flac"))
    for path in files[:: len(files) // 8][:8]:
        samples = PREPROCESSING.apply(audio.read(path))
        for kind, theirs in zip(KINDS, by_librosa(samples), strict=True):
            error = np.abs(frames(kind, samples) - theirs)
            assert np.quantile(error, 0.999) < TOLERANCE_DB
            assert error.max() < 0.01  # a cell near 80 dB under the loudest has few digits left in single precision


def test_a_tone_is_loudest_in_the_band_of_its_pitch() -> None:
    centre_hz = librosa.mel_frequencies(n_mels=130, fmin=0, fmax=RATE / 2)[1:-1]
    for band in (10, 64, 120):
        tone = np.sin(2 * np.pi * centre_hz[band] * np.arange(RATE) / RATE).astype(np.float32)
        assert set(frames(LogMel, tone)[2:-2].argmax(axis=1)) == {band}


def test_nothing_is_more_than_80_db_under_the_loudest_cell(make_voice) -> None:
    half = make_voice(seconds=0.5)
    values = frames(LogMel, np.concatenate([half, np.zeros_like(half)]))
    assert values.max() - values.min() == pytest.approx(80.0, abs=1e-4)
    np.testing.assert_array_equal(values[-10:], values.min())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [3200, 3327, 3328, 16_000, 16_127, 16_128])
def test_a_clip_has_a_frame_each_256_samples_and_one_more(make_voice, kind: type, n: int) -> None:
    samples = make_voice(seconds=n / RATE)
    assert len(samples) == n
    assert HOP_LENGTH == 256
    assert frames(kind, samples).shape == (1 + n // 256, {LogMel: 128, MfccFrames: 120}[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gain", [0.001, 0.1, 30.0])
def test_gain_changes_nothing(make_voice, kind: type, gain: float) -> None:
    samples = make_voice(seconds=0.8, seed=4)
    assert greatest(frames(kind, samples), frames(kind, (gain * samples).astype(np.float32))) < TOLERANCE_DB


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [3200, 3201, 9999, 16_000, 16_384, 48_000])
def test_graph_gives_what_the_module_gives(runners, make_voice, kind: type, n: int) -> None:
    samples = make_voice(seconds=n / RATE, seed=n)
    assert len(samples) == n
    assert greatest(runners[kind](samples), frames(kind, samples)) < TOLERANCE_DB


@pytest.mark.parametrize(("kind", "n_columns"), [(LogMel, 128), (MfccFrames, 120)])
def test_every_column_has_a_name_of_its_own(kind: type, n_columns: int) -> None:
    names = kind().feature_names
    assert len(set(names)) == len(names) == n_columns


def test_names_say_what_a_column_is(make_voice) -> None:
    """mfcc-delta-3 is the derivative of mfcc-3: a slope that is fitted to nine frames."""
    names, values = MfccFrames().feature_names, frames(MfccFrames, make_voice(seconds=0.6))
    column = {name: values[:, place] for place, name in enumerate(names)}
    middle = slice(4, -4)
    windows = np.lib.stride_tricks.sliding_window_view(column["mfcc-3"], 9)
    slope = windows @ np.arange(-4, 5) / 60  # sum of k^2 for k = -4 ... 4
    np.testing.assert_allclose(column["mfcc-delta-3"][middle], slope, atol=1e-3)


def test_each_has_a_digest_of_its_own_that_stays_the_same() -> None:
    digests = {registry.get(name).digest for name in ("log-mel", "mfcc-frames", "functionals")}
    assert len(digests) == 3
    assert LogMel().digest == registry.get("log-mel").digest


@pytest.mark.parametrize("name", sorted(registry_names.SEQUENCES))
def test_the_registry_knows_them_as_sequences(name: str) -> None:
    extractor = registry.get(name)
    assert (extractor.name, extractor.is_sequence, extractor.is_graph) == (name, True, True)
    assert not registry.get("functionals").is_sequence
