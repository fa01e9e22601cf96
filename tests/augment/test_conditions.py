"""Degraded recording conditions: levels, bands, codes, lengths."""

import io

import numpy as np
import pytest

from emotone import audio
from emotone.audio import encode_mp3
from emotone.augment import Noise
from emotone.augment.conditions import CONDITIONS, parse
from emotone.errors import AudioError, ConfigError

RATE = audio.SAMPLE_RATE


def degraded(name, samples, *, seed=0):
    return CONDITIONS[name](samples, rng=np.random.default_rng(seed)).astype(np.float64)


def tone(hz, *, level=0.3):
    return (level * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE)).astype(np.float32)


def db(power_ratio):
    return 10 * np.log10(power_ratio)


# ---- the conditions ----


@pytest.mark.parametrize("n", [3200, 3201, 16_001, 16_161, 47_999])
def test_length_and_place_of_the_sound_are_kept(make_voice, n):
    samples = make_voice(seconds=n / RATE)
    assert len(samples) == n
    for name, change in CONDITIONS.items():
        changed = degraded(name, samples)
        assert (changed.shape, np.isfinite(changed).all()) == ((n,), True), name
        # the best place of the changed sound over the untouched one is where it was; noise is known to be added
        spectrum = np.fft.rfft(changed, 2 * n) * np.fft.rfft(samples, 2 * n).conj()
        assert isinstance(change, Noise) or np.fft.irfft(spectrum).argmax() == 0, name


@pytest.mark.parametrize("snr_db", [20, 10, 5, 0])
def test_noise_is_as_loud_as_its_name_says(make_voice, snr_db):
    samples = make_voice(seconds=1.5).astype(np.float64)
    noise = degraded(f"noise-{snr_db}", samples) - samples
    assert db(np.mean(samples**2) / np.mean(noise**2)) == pytest.approx(snr_db, abs=0.01)


def test_chance_is_in_the_noise_alone_and_comes_from_the_seed(make_voice):
    samples = make_voice(seconds=0.7)
    for name, change in CONDITIONS.items():
        assert (degraded(name, samples, seed=3) == degraded(name, samples, seed=3)).all(), name
        assert (degraded(name, samples, seed=3) == degraded(name, samples, seed=4)).all() == (
            not isinstance(change, Noise)
        ), name


def test_every_condition_has_a_key_of_its_own_in_the_store():
    assert len({change.spec for change in CONDITIONS.values()}) == len(CONDITIONS)


def test_telephone_passes_what_is_in_its_band():
    for hz, least_db, most_db in (
        (100, -np.inf, -60),
        (250, -np.inf, -60),
        (400, -0.2, 0.2),
        (1000, -0.2, 0.2),
        (3000, -0.2, 0.2),
        (3600, -np.inf, -40),
        (5000, -np.inf, -45),
    ):
        gain_db = db(np.mean(degraded("telephone", tone(hz)) ** 2) / np.mean(tone(hz) ** 2))
        assert least_db <= gain_db <= most_db, (hz, gain_db)


def in_band(samples):
    """300 to 3400 Hz of a sound, a second implementation."""
    spectrum, hz = np.fft.rfft(samples.astype(np.float64)), np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    return np.fft.irfft(spectrum, len(samples))


def test_telephone_quantises_as_mu_law_of_8_bits_does(make_voice):
    """Textbooks have some 38 dB for it at the levels of speech, of whatever loudness the recording is."""
    samples = make_voice(seconds=2.0)
    for gain in (1.0, 0.003):
        clean = in_band(gain * samples)
        noise = degraded("telephone", (gain * samples).astype(np.float32)) - clean
        assert 34 < db(np.mean(clean**2) / np.mean(noise**2)) < 40


def test_mp3_sounds_alike_and_is_not_the_same(make_voice):
    samples = make_voice(seconds=1.3)
    changed = degraded("mp3-32", samples)
    likeness = np.corrcoef(samples, changed)[0, 1]
    assert 0.98 < likeness < 0.999_999
    assert np.corrcoef(samples[1:], changed[:-1])[0, 1] < likeness > np.corrcoef(samples[:-1], changed[1:])[0, 1]
    loud = degraded("mp3-32", 5 * samples)  # beyond full scale, which the file can't hold
    assert np.abs(5 * samples).max() > 1
    assert np.corrcoef(samples, loud)[0, 1] > 0.98
    assert loud.std() / (5 * samples.std()) == pytest.approx(changed.std() / samples.std(), rel=0.01)


def test_mp3_has_the_bit_rate_that_was_asked_for(make_voice):
    samples = make_voice(seconds=4.0)
    for kbit_s in (16, 32, 64):
        content = encode_mp3(samples, kbit_s=kbit_s)
        assert 8 * len(content) / 4.0 == pytest.approx(1000 * kbit_s, rel=0.06)
        described = audio.info(content)
        assert (described.codec, described.sample_rate, described.channels) == ("mp3", RATE, 1)
        assert len(audio.read(io.BytesIO(content))) == len(samples)


@pytest.mark.parametrize("kbit_s", [-5, 0, 7, 33, 192])
def test_bit_rate_that_mp3_has_not_is_an_error(make_voice, kbit_s):
    """LAME would take the nearest in silence."""
    with pytest.raises(AudioError, match=rf"no {kbit_s} kbit/s at 16000 Hz; expected 8, 16, 24, 32, .*160"):
        encode_mp3(make_voice(), kbit_s=kbit_s)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 8000)), r"shape \(2, 8000\)"),
        (np.zeros(0), r"shape \(0,\)"),
        (np.full(8000, np.nan), "peak is nan"),  # LAME would end the process
        (np.full(8000, np.inf), "peak is inf"),
        (np.full(8000, 1.01), r"peak is 1\.01"),
    ],
)
def test_samples_that_no_mp3_holds_are_an_error(samples, message):
    with pytest.raises(AudioError, match=message):
        encode_mp3(samples, kbit_s=32)


def test_level_is_that_of_a_16_bit_recording(make_voice):
    samples = make_voice(seconds=1.0)  # its peak is 0.3
    soft, loud = degraded("gain-20", samples), degraded("gain+20", samples)
    assert (32768 * soft == np.round(32768 * soft)).all()
    np.testing.assert_allclose(soft, samples / 10, atol=0.5001 / 32768)
    assert loud.max() == 32767 / 32768 and loud.min() == -1.0
    clipped = np.abs(10 * samples) >= 1
    assert 0.1 < clipped.mean() < 0.9
    np.testing.assert_allclose(loud[~clipped], 10 * samples[~clipped], atol=1.001 / 32768)
    assert (np.abs(loud[clipped]) >= 32767 / 32768).all()


def test_names_are_settled_in_the_order_of_the_table():
    assert parse(("gain-20", "mp3-32", "noise-5", "gain-20")) == ("noise-5", "mp3-32", "gain-20")
    assert parse(("all",)) == parse(("telephone", "all")) == tuple(CONDITIONS)
    assert parse(()) == ()
    with pytest.raises(ConfigError, match="unknown condition 'noise-15'; known: noise-20, .*gain-20, all"):
        parse(("noise-20", "noise-15"))
