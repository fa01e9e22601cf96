"""Transforms: exact levels, lengths and frequencies; the same seed the same copy; refusals."""

from dataclasses import replace

import numpy as np
import pytest

from emotone import augment
from emotone.errors import AudioError, ConfigError

RATE = 16_000


def tone(frequency_hz, *, seconds=1.0):
    return (0.4 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def peak_hz(waveform):
    """Frequency of the strongest partial, by a zero-padded spectrum of the middle half."""
    middle = waveform[waveform.size // 4 : -waveform.size // 4].astype(float)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size), 1 << 19))
    return spectrum.argmax() * RATE / (1 << 19)


def level_db(waveform):
    return 10 * np.log10(np.mean(waveform.astype(float) ** 2))


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 27.3])
@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_noise_has_the_snr_that_was_asked(make_voice, snr_db, slope):
    clean = make_voice()
    noisy = augment.Noise(snr_db, snr_db, slope, slope)(clean, rng=rng())
    noise = noisy.astype(float) - clean
    assert level_db(clean) - level_db(noise) == pytest.approx(snr_db, abs=1e-6)


def test_noise_slope_is_white_at_zero_and_falls_three_decibels_an_octave_at_one(make_voice):
    clean = make_voice(seconds=20.0)

    def fall_db(slope):
        power = np.abs(np.fft.rfft(augment.Noise(0.0, 0.0, slope, slope)(clean, rng=rng()) - clean)) ** 2
        hz = np.fft.rfftfreq(clean.size, 1 / RATE)
        low, high = (10 * np.log10(power[(hz >= f) & (hz < 1.1 * f)].mean()) for f in (500, 4000))
        return low - high

    assert fall_db(0.0) == pytest.approx(0.0, abs=0.5)
    assert fall_db(1.0) == pytest.approx(3 * 10 * np.log10(2), abs=0.5)  # three octaves


def test_noise_on_silence_is_refused():
    with pytest.raises(AudioError, match="silent"):
        augment.Noise()(np.zeros(RATE, np.float32), rng=rng())


def test_gain_is_the_decibels_asked(make_voice):
    clean = make_voice()
    np.testing.assert_allclose(augment.Gain(-6.0, -6.0)(clean, rng=rng()), clean * 10 ** (-6 / 20), rtol=1e-6)


@pytest.mark.parametrize("factor", [0.88, 0.97, 1.0, 1.13])
def test_speed_divides_the_length_and_multiplies_the_frequency(factor):
    faster = augment.Speed(factor, factor)(tone(440), rng=rng())
    assert faster.size == round(RATE / factor)
    assert peak_hz(faster) == pytest.approx(440 * factor, abs=0.1)
    assert level_db(faster[1000:-1000]) == pytest.approx(level_db(tone(440)), abs=0.05)


@pytest.mark.parametrize("semitones", [-4.0, -1.5, 0.0, 2.0, 3.0])
def test_pitch_moves_a_tone_by_the_semitones_and_keeps_the_length(semitones):
    moved = augment.Pitch(semitones, semitones)(tone(200), rng=rng())
    assert moved.size == RATE
    # a tenth of a semitone is 0.6 %
    assert 12 * np.log2(peak_hz(moved) / 200) == pytest.approx(semitones, abs=0.05)
    assert level_db(moved[1000:-1000]) == pytest.approx(level_db(tone(200)), abs=0.3)


@pytest.mark.parametrize("rate", [0.8, 0.93, 1.13, 1.3])
@pytest.mark.parametrize("frequency_hz", [110, 200, 1000])
def test_stretch_divides_the_length_and_keeps_the_frequency(rate, frequency_hz):
    slower = augment.Stretch(rate, rate)(tone(frequency_hz), rng=rng())
    assert slower.size == round(RATE / rate)
    assert peak_hz(slower) == pytest.approx(frequency_hz, rel=0.005)
    assert level_db(slower[1000:-1000]) == pytest.approx(level_db(tone(frequency_hz)), abs=0.3)


def test_stretch_at_rate_one_changes_nothing(make_voice):
    clean = make_voice()
    np.testing.assert_allclose(augment.Stretch(1.0, 1.0)(clean, rng=rng()), clean, atol=1e-6)


@pytest.mark.parametrize("rate", [0.8, 1.25])
def test_stretch_moves_events_to_their_time(rate):
    waveform = np.zeros(2 * RATE, np.float32)
    for start_s in (0.5, 1.0, 1.5):
        waveform[round(start_s * RATE) :][:1600] = tone(300, seconds=0.1)
    moved = augment.Stretch(rate, rate)(waveform, rng=rng())
    loud = np.flatnonzero(np.abs(moved) > 0.02)
    gaps = np.flatnonzero(np.diff(loud) > 1600)
    onsets_s = np.concatenate([loud[:1], loud[gaps + 1]]) / RATE
    np.testing.assert_allclose(onsets_s, np.array([0.5, 1.0, 1.5]) / rate, atol=0.03)


@pytest.mark.parametrize("direct_db", [0.0, 9.0])
def test_room_response_has_the_direct_ratio_and_the_decay_asked(direct_db):
    response = augment.impulse_response(decay_s=0.5, direct_db=direct_db, rng=rng())
    tail = response[1:]
    assert response[0] == 1.0 and response.size == 1 + 8000
    assert -10 * np.log10(np.sum(tail**2)) == pytest.approx(direct_db, abs=1e-9)
    # Schroeder's backward integral falls by 60 dB in decay_s; read from 5 to 35 dB, away from the cut end
    curve_db = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / np.sum(tail**2))
    first, last = np.argmax(curve_db < -5), np.argmax(curve_db < -35)
    assert 60 * (last - first) / 30 / RATE == pytest.approx(0.5, rel=0.05)


def test_room_is_the_convolution_with_its_response_at_equal_rms_and_length(make_voice):
    clean = make_voice(seconds=0.5)
    room = augment.Room(0.3, 0.3, 6.0, 6.0)
    wet = room(clean, rng=rng(7))
    draws = rng(7)
    draws.uniform(0, 1), draws.uniform(0, 1)
    expected = np.convolve(clean, augment.impulse_response(decay_s=0.3, direct_db=6.0, rng=draws))[: clean.size]
    assert level_db(wet) == pytest.approx(level_db(clean), abs=1e-5)
    np.testing.assert_allclose(wet, expected * np.sqrt(np.mean(clean**2) / np.mean(expected**2)), atol=1e-6)


@pytest.mark.parametrize("name", augment.TRANSFORMS)
def test_every_transform_is_seeded_float32_and_leaves_its_input_alone(make_voice, name):
    clean = make_voice()
    before = clean.copy()
    transform = augment.TRANSFORMS[name]
    first, again, other = (transform(clean, rng=rng(seed)) for seed in (1, 1, 2))
    assert first.dtype == np.float32 and first.ndim == 1
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(clean, before)


@pytest.mark.parametrize("name", augment.TRANSFORMS)
def test_every_transform_takes_the_shortest_clip_and_refuses_less(make_voice, name):
    transform = augment.TRANSFORMS[name]
    assert transform(make_voice(seconds=0.2), rng=rng()).size >= 3200 / 1.13 - 1
    for samples in (np.zeros(0, np.float32), make_voice(seconds=0.2)[:-1]):
        with pytest.raises(AudioError, match="too few"):
            transform(samples, rng=rng())


def test_other_shapes_and_nan_are_refused(make_voice):
    with pytest.raises(AudioError, match=r"\(16000, 2\)"):
        augment.Gain()(np.zeros((RATE, 2), np.float32), rng=rng())
    broken = make_voice()
    broken[5] = np.nan
    with pytest.raises(AudioError, match="NaN"):
        augment.Gain()(broken, rng=rng())


def test_parse_keeps_the_order_and_names_what_it_does_not_know():
    assert augment.parse("speed,noise") == (augment.Speed(), augment.Noise())
    assert augment.parse("") == ()
    with pytest.raises(ConfigError, match=r"'echo'; known: noise, gain, speed, pitch, stretch, room"):
        augment.parse("noise,echo")
    with pytest.raises(ConfigError, match="2 times"):
        augment.parse("noise,noise")


def test_spec_tells_every_setting():
    assert augment.Gain().spec == "gain(min_gain_db=-12.0,max_gain_db=6.0)"
    assert replace(augment.Gain(), max_gain_db=3.0).spec == "gain(min_gain_db=-12.0,max_gain_db=3.0)"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: augment.Gain(3.0, -3.0), "in order"),
        (lambda: augment.Speed(0.0, 1.0), "more than 0"),
        (lambda: augment.Room(min_decay_s=-1.0), "more than 0"),
        (lambda: augment.Noise(max_snr_db=float("nan")), "in order"),
    ],
)
def test_impossible_ranges_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def test_a_copy_depends_on_seed_content_and_number_and_on_nothing_else():
    keys = [(0, "ab12", 0), (1, "ab12", 0), (0, "ab13", 0), (0, "ab12", 1)]
    draws = {key: augment.seed_for(key[0], digest=key[1], copy_index=key[2]).random() for key in keys}
    again = {key: augment.seed_for(key[0], digest=key[1], copy_index=key[2]).random() for key in reversed(keys)}
    assert draws == again
    assert len(set(draws.values())) == len(keys)
    with pytest.raises(ConfigError, match="hexadecimal"):
        augment.seed_for(0, digest="not hex", copy_index=0)
    with pytest.raises(ConfigError, match="0 or more"):
        augment.seed_for(-1, digest="ab", copy_index=0)


def test_apply_chains_in_order(make_voice):
    clean = make_voice()
    chained = augment.apply(clean, transforms=augment.parse("speed,noise"), rng=rng(3))
    draws = rng(3)
    np.testing.assert_array_equal(chained, augment.Noise()(augment.Speed()(clean, rng=draws), rng=draws))
