"""Features against librosa, a second implementation, with the same parameters; and what must not change them."""

from pathlib import Path

import librosa
import numpy as np
import pytest
import torch

from emotone import audio
from emotone.features import descriptors, registry, spectral, statistics
from emotone.features.functionals import Functionals
from emotone.features.graph import extractor_graph
from emotone.features.pitch import Decimate, Yin
from emotone.features.runner import GraphRunner
from emotone.preprocessing import DEFAULT as PREPROCESSING

pytestmark = pytest.mark.slow

RATE = audio.SAMPLE_RATE
N_FFT, WIN, HOP = descriptors.N_FFT, descriptors.WIN_LENGTH, descriptors.HOP_LENGTH


@pytest.fixture(scope="module")
def functionals() -> Functionals:
    return Functionals()


@pytest.fixture(scope="module")
def runner(functionals: Functionals) -> GraphRunner:
    return GraphRunner(extractor_graph(functionals).SerializeToString())


@pytest.fixture
def clip(make_voice) -> np.ndarray:
    return make_voice(seconds=1.3, seed=3)


def real_clips(data: Path, count: int = 12) -> list[np.ndarray]:
    files = sorted((data / "ravdess").rglob("*.flac"))
    return [PREPROCESSING.apply(audio.read(path)) for path in files[:: len(files) // count][:count]]


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    assert ours.shape == theirs.shape
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def both(samples: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each descriptor by Emotone and by librosa, (frames, d)."""
    frames = descriptors.DescriptorFrames(sample_rate=RATE)
    waveform = torch.from_numpy(samples)
    level = descriptors.unit_loudness(waveform)
    with torch.inference_mode():
        ours = frames(waveform)
        magnitude = torch.sqrt(frames.power(level))
        centroid, bandwidth = spectral.spectral_moments(magnitude, frames.frequencies_hz)
        roll_off = spectral.roll_off(magnitude, frames.frequencies_hz)
        crossings = spectral.zero_crossing_rate(level, frame_length=WIN, hop_length=HOP)
        rms = spectral.root_mean_square(level, frame_length=WIN, hop_length=HOP)
    y = level.numpy()
    theirs = np.abs(librosa.stft(y, n_fft=N_FFT, win_length=WIN, hop_length=HOP))
    mel = librosa.feature.melspectrogram(S=theirs**2, sr=RATE, n_mels=128)
    log_mel = librosa.power_to_db(mel)
    mfcc = librosa.feature.mfcc(S=log_mel, n_mfcc=40)
    pairs = {
        "stft": (magnitude, theirs),
        "mel": (ours.mel, mel),
        "log-mel": (ours.log_mel, log_mel),
        "mfcc": (ours.mfcc, mfcc),
        "delta": (spectral.delta(ours.mfcc), librosa.feature.delta(mfcc)),
        "delta2": (spectral.delta(ours.mfcc, order=2), librosa.feature.delta(mfcc, order=2)),
        "chroma": (ours.chroma, librosa.feature.chroma_stft(S=theirs**2, sr=RATE, n_fft=N_FFT, tuning=0)),
        "contrast": (ours.contrast, librosa.feature.spectral_contrast(S=theirs, sr=RATE, n_bands=5)),
        "centroid": (centroid, librosa.feature.spectral_centroid(S=theirs, sr=RATE)),
        "bandwidth": (bandwidth, librosa.feature.spectral_bandwidth(S=theirs, sr=RATE)),
        "roll-off": (roll_off, librosa.feature.spectral_rolloff(S=theirs, sr=RATE)),
        "zcr": (crossings, librosa.feature.zero_crossing_rate(y, frame_length=WIN, hop_length=HOP)),
        "rms": (rms, librosa.feature.rms(y=y, frame_length=WIN, hop_length=HOP)),
    }
    return {name: (mine.numpy(), other.T) for name, (mine, other) in pairs.items()}


def test_every_descriptor_equals_librosas_on_a_voice(clip: np.ndarray) -> None:
    for name, (ours, theirs) in both(clip).items():
        assert relative_error(ours, theirs) < 1e-3, name


@pytest.mark.corpus
def test_every_descriptor_equals_librosas_on_real_clips(data: Path) -> None:
    for samples in real_clips(data):
        for name, (ours, theirs) in both(samples).items():
            assert relative_error(ours, theirs) < 1e-3, name


def pitch_errors(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Relative error of each frame's pitch against `librosa.yin`, and which frames are voiced."""
    low, high = descriptors.PITCH_RANGE_HZ
    settings = {"frame_length": descriptors.PITCH_FRAME, "hop_length": descriptors.PITCH_HOP}
    halved = Decimate()(torch.from_numpy(samples))
    ours, aperiodicity = Yin(sample_rate=RATE // 2, fmin_hz=low, fmax_hz=high, **settings)(halved)
    theirs = librosa.yin(halved.numpy(), fmin=low, fmax=high, sr=RATE // 2, **settings)
    voiced = aperiodicity[:, 0].numpy() < descriptors.VOICED_APERIODICITY
    return np.abs(ours[:, 0].numpy() - theirs) / theirs, voiced


def test_pitch_equals_librosas_on_a_voice(clip: np.ndarray) -> None:
    error, voiced = pitch_errors(clip)
    assert voiced.mean() > 0.9
    assert error[voiced].max() < 1e-3


@pytest.mark.corpus
def test_pitch_equals_librosas_on_real_clips(data: Path) -> None:
    errors = [pitch_errors(samples) for samples in real_clips(data)]
    voiced = np.concatenate([error[mask] for error, mask in errors])
    # Two troughs of equal depth may be told apart by the last bit; that must stay rare.
    assert len(voiced) > 500
    assert np.mean(voiced > 1e-3) < 0.005


@pytest.mark.parametrize("pitch_hz", [80.0, 140.0, 261.6, 500.0])
def test_pitch_of_a_steady_voice(pitch_hz: float) -> None:
    t = np.arange(RATE) / RATE
    tone = sum(np.sin(2 * np.pi * k * pitch_hz * t) / k for k in range(1, 6)).astype(np.float32)
    frames = descriptors.DescriptorFrames(sample_rate=RATE)(torch.from_numpy(tone))
    semitones = frames.prosody[10:-10, 0].numpy()
    assert np.median(semitones) == pytest.approx(12 * np.log2(pitch_hz / 100), abs=0.1)
    assert frames.voiced.mean() > 0.9


@pytest.mark.parametrize("gain", [0.001, 0.1, 30.0])
def test_gain_changes_nothing(functionals: Functionals, clip: np.ndarray, gain: float) -> None:
    plain, scaled = (functionals.extract(torch.from_numpy(samples)).numpy() for samples in (clip, gain * clip))
    np.testing.assert_allclose(plain, scaled, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("n", [3200, 3201, 16_000, 23_999, 80_160])
def test_graph_gives_what_the_module_gives(functionals: Functionals, runner: GraphRunner, make_voice, n: int) -> None:
    samples = make_voice(seconds=n / RATE, seed=n)
    assert len(samples) == n
    expected = functionals.extract(torch.from_numpy(samples)).numpy()
    np.testing.assert_allclose(runner(samples), expected, rtol=2e-3, atol=2e-3)


def test_names_are_distinct_and_finite_on_silence_noise_and_tone(functionals: Functionals, runner: GraphRunner) -> None:
    names = functionals.feature_names
    assert len(set(names)) == len(names)
    rng = np.random.default_rng(0)
    tone = np.sin(np.arange(8000) * 0.2)
    burst = np.concatenate([np.zeros(6000), rng.standard_normal(400), np.zeros(6000)])
    for samples in (rng.standard_normal(16_000), tone, burst, np.full(5000, 1e-4)):
        row = runner(samples.astype(np.float32))
        assert row.shape == (len(names),)
        assert np.isfinite(row).all()


def test_digest_depends_on_the_settings_and_is_stable(functionals: Functionals) -> None:
    assert functionals.digest == Functionals().digest
    other = Functionals()
    other.settings["sample_rate"] = 8000
    assert other.digest != functionals.digest


def test_unknown_extractor_lists_the_known() -> None:
    with pytest.raises(ValueError, match="unknown extractor 'mfcc'; known: functionals, egemaps, compare"):
        registry.get("mfcc")


@pytest.mark.parametrize(("name", "count"), [("egemaps", 88), ("compare", 6373)])
def test_opensmile_sets(name: str, count: int, make_voice) -> None:
    pytest.importorskip("opensmile")
    extractor = registry.get(name)
    samples = make_voice(seconds=1.5)
    loud, soft = extractor.compute(0.9 * samples), extractor.compute(0.009 * samples)
    assert loud.shape == (count,) == (len(extractor.feature_names),)
    np.testing.assert_allclose(loud, soft, rtol=0.05, atol=0.5)


def test_quantiles_and_moments_equal_numpys() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((57, 4)).astype(np.float32)
    mask = (rng.random(57) < 0.5).astype(np.float32)
    tensor, weights = torch.from_numpy(values), torch.from_numpy(mask)
    for kept, given in ((values, None), (values[mask > 0], weights)):
        expected = np.quantile(kept, [0.05, 0.5, 0.95], axis=0)
        np.testing.assert_allclose(statistics.quantiles(tensor, (0.05, 0.5, 0.95), given), expected, atol=1e-5)
        mean, std = statistics.mean_std(tensor, given)
        np.testing.assert_allclose(mean, kept.mean(0), atol=1e-5)
        np.testing.assert_allclose(std, kept.std(0), atol=1e-5)


def test_modulation_finds_the_octave_of_a_movement() -> None:
    t = np.arange(400) / 100
    slow, fast = (np.sin(2 * np.pi * rate * t).astype(np.float32) for rate in (3.0, 30.0))
    energies = statistics.modulation_energies(torch.from_numpy(np.stack([slow, fast], axis=1)), 6).numpy()
    assert energies[:, 0].argmax() in (3, 4)  # 2 to 6 Hz
    assert energies[:, 1].argmax() == 0  # 25 to 50 Hz


def test_rhythm_counts_runs() -> None:
    voiced = torch.tensor([0, 1, 1, 0, 0, 1, 1, 1, 1, 0], dtype=torch.float32)
    active = torch.ones(10)
    share, active_share, runs, run_s, active_runs, length = statistics.rhythm(voiced, active).tolist()
    assert (share, active_share) == pytest.approx((0.6, 1.0))
    assert (runs, active_runs) == pytest.approx((20.0, 10.0))  # two and one in a tenth of a second
    assert (run_s, length) == pytest.approx((0.03, np.log(0.1)))
