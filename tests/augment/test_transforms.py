"""Transforms: exact levels, lengths and frequencies; the same seed the same copy; refusals."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import betainc

from emotone import augment
from emotone.errors import AudioError, ConfigError, FeatureError

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


def gain_db(changed, clean):
    """Gain of each sample where the sound has a value to divide by."""
    return 20 * np.log10(np.abs(changed / clean))


@pytest.mark.parametrize("share", [0.05, 0.1, 1.0])
def test_time_mask_takes_its_span_down_by_40_db_and_leaves_the_rest(share):
    clean = np.full(RATE, 0.4, np.float32)
    masked = augment.TimeMask(1, 1, share, share)(clean, rng=rng(3))
    changed = np.flatnonzero(masked < clean - 1e-6)
    length = round(share * RATE)
    assert masked.size == clean.size
    # the gain of an edge's outermost sample differs from 1 by 1e-4, so the whole span can be seen
    assert changed[0] + length - 1 == changed[-1] and changed.size == length
    np.testing.assert_allclose(gain_db(masked, clean)[changed[80:-80]], -40, atol=1e-5)
    np.testing.assert_array_equal(np.delete(masked, changed), np.delete(clean, changed))


def test_time_mask_fades_over_5_ms_along_a_raised_cosine():
    clean = np.ones(RATE, np.float32)
    masked = augment.TimeMask(1, 1, 0.1, 0.1)(clean, rng=rng())
    first, last = np.flatnonzero(masked < 1)[[0, -1]]
    edge = 1 - 0.99 * np.sin(np.pi * (np.arange(80) + 0.5) / 160) ** 2
    np.testing.assert_allclose(masked[first : first + 80], edge, atol=1e-6)
    np.testing.assert_allclose(masked[last - 79 : last + 1][::-1], edge, atol=1e-6)


def test_time_mask_draws_count_length_and_place_from_their_whole_ranges():
    clean = np.ones(RATE // 2, np.float32)
    lengths, starts, counts = [], [], []
    for seed in range(400):
        held = np.concatenate([[False], augment.TimeMask()(clean, rng=rng(seed)) < 1, [False]])
        edges = np.flatnonzero(np.diff(held.astype(int)))
        counts.append(edges.size // 2)
        if edges.size == 2:
            starts.append(edges[0])
            lengths.append((edges[1] - edges[0]) / clean.size)
    assert set(counts) == {1, 2}
    # two spans of a tenth on average touch one another in about a fifth of the clips
    assert 0.35 < np.mean(np.equal(counts, 2)) < 0.45
    assert 0.05 <= min(lengths) < 0.055 and 0.15 < max(lengths) <= 0.3
    assert min(starts) < 0.02 * clean.size and max(starts) > 0.85 * clean.size


def test_overlapping_spans_count_once():
    clean = np.ones(RATE, np.float32)
    masked = augment.TimeMask(5, 5, 0.9, 0.9)(clean, rng=rng())
    assert masked.min() == pytest.approx(0.01, abs=1e-8)


def windowed_tone(frequency_hz):
    """A tone that starts and ends so softly that all its power is within a few hertz."""
    return tone(frequency_hz) * np.hanning(RATE).astype(np.float32)


def hz(mels):
    return 700 * (10 ** (mels / 2595) - 1)


@pytest.mark.parametrize(
    ("from_centre_mel", "expected_db"),
    [
        (-200.0, 0.0),
        (-151.0, 0.0),
        (-137.5, 20 * np.log10(0.505)),  # amid the edge, halfway from 1 to 0.01
        (-120.0, -40.0),
        (0.0, -40.0),
        (120.0, -40.0),
        (137.5, 20 * np.log10(0.505)),
        (151.0, 0.0),
        (200.0, 0.0),
    ],
)
@pytest.mark.parametrize("centre_hz", [1000.0, 3000.0])
def test_frequency_mask_takes_its_band_down_by_40_db(centre_hz, from_centre_mel, expected_db):
    mask = augment.FrequencyMask(centre_hz, centre_hz, 300.0, 300.0)
    clean = windowed_tone(hz(2595 * np.log10(1 + centre_hz / 700) + from_centre_mel))
    masked = mask(clean, rng=rng())
    assert masked.size == clean.size
    assert level_db(masked) - level_db(clean) == pytest.approx(expected_db, abs=0.05)
    if abs(from_centre_mel) == 200:
        np.testing.assert_allclose(masked, clean, atol=1e-5)


def test_what_a_frequency_mask_rings_after_the_end_does_not_wrap_round_to_the_start():
    click = np.zeros(1 << 14, np.float32)  # a power of two, where no zeros are added to reach one
    click[-1] = 1.0
    masked = augment.FrequencyMask(400.0, 400.0, 200.0, 200.0)(click, rng=rng())
    assert np.abs(masked[: RATE // 2]).max() < 1e-4 < np.abs(masked[-800:-400]).max()


@pytest.mark.slow
def test_frequency_mask_draws_bands_evenly_on_the_mel_scale():
    noise = rng(5).standard_normal(4 * RATE).astype(np.float32)
    power = np.abs(np.fft.rfft(noise)) ** 2
    mels = 2595 * np.log10(1 + np.fft.rfftfreq(noise.size, 1 / RATE) / 700)
    centres, widths = [], []
    for seed in range(150):
        gain = np.abs(np.fft.rfft(augment.FrequencyMask()(noise, rng=rng(seed)))) ** 2 / power
        # bands of 10 mel whose power is halved or less
        bins = np.bincount((mels / 10).astype(int), gain * power) / np.bincount((mels / 10).astype(int), power)
        low = np.flatnonzero(bins < 0.5)
        assert np.all(np.diff(low) == 1)
        centres.append(10 * (low[0] + low[-1] + 1) / 2)
        widths.append(10 * low.size + 2 * 12.5)
    least, most = (2595 * np.log10(1 + f / 700) for f in (200, 6000))
    assert 90 < min(widths) < 130 and 370 < max(widths) < 410
    assert least - 15 < min(centres) < least + 80 and most - 80 < max(centres) < most + 15
    assert np.mean(centres) == pytest.approx((least + most) / 2, abs=4 * (most - least) / np.sqrt(12 * 150))


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


def test_parse_keeps_the_order_and_finds_mixup():
    assert augment.parse(("speed", "mixup", "noise")) == ((augment.Speed(), augment.Noise()), True)
    assert augment.parse(["frequency-mask"]) == ((augment.FrequencyMask(),), False)
    assert augment.parse(()) == ((), False)
    assert augment.NAMES == (*augment.TRANSFORMS, "mixup")
    assert augment.parse(augment.NAMES) == (tuple(augment.TRANSFORMS.values()), True)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["mixup", "speed", "mixup"], "'mixup' is named 2 times"),
        (["noise", "echo"], "unknown transform 'echo'; known: noise, gain, speed, pitch, stretch, room, time.* mixup$"),
    ],
)
def test_parse_refuses_unknown_names_and_repeats(names, message):
    with pytest.raises(ConfigError, match=message):
        augment.parse(names)


def test_spec_contains_every_setting():
    assert augment.TimeMask().spec == "time-mask(min_spans=1,max_spans=2,min_share=0.05,max_share=0.15)"
    assert augment.Gain().spec == "gain(min_gain_db=-12.0,max_gain_db=6.0)"
    assert replace(augment.Gain(), max_gain_db=3.0).spec == "gain(min_gain_db=-12.0,max_gain_db=3.0)"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: augment.Gain(3.0, -3.0), "in order"),
        (lambda: augment.Speed(0.0, 1.0), "more than 0"),
        (lambda: augment.Room(min_decay_s=-1.0), "more than 0"),
        (lambda: augment.Noise(max_snr_db=float("nan")), "in order"),
        (lambda: augment.TimeMask(2, 1), "in order"),
        (lambda: augment.TimeMask(0, 1), "more than 0"),
        (lambda: augment.TimeMask(1, 1.5), "whole numbers"),
        (lambda: augment.TimeMask(max_share=1.01), "expected 0 to 1"),
        (lambda: augment.TimeMask(min_share=-0.01), "expected 0 to 1"),
        (lambda: augment.FrequencyMask(max_centre_hz=8001.0), "expected 0 to 8000"),
        (lambda: augment.FrequencyMask(min_centre_hz=-1.0), "expected 0 to 8000"),
        (lambda: augment.FrequencyMask(min_width_mel=0.0), "more than 0"),
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
    chained = augment.apply(clean, transforms=(augment.Speed(), augment.Noise()), rng=rng(3))
    draws = rng(3)
    np.testing.assert_array_equal(chained, augment.Noise()(augment.Speed()(clean, rng=draws), rng=draws))


def folded_mean(alpha):
    """Mean of max(s, 1 - s) with s from Beta(alpha, alpha)."""
    return 1 - betainc(alpha + 1, alpha, 0.5)


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_mixed_rows_lie_between_their_own_row_and_another_nearer_their_own(alpha):
    m = 2000
    X = np.eye(m, dtype=np.float32)  # so that a mixed row tells both shares and the partner
    y = np.arange(m) % 7
    mixed, labels = augment.mixed_rows(X, y, alpha=alpha, rng=rng())
    own = mixed.diagonal().astype(float)
    others = mixed - np.diag(mixed.diagonal())
    assert mixed.dtype == np.float32
    np.testing.assert_array_equal(labels, y)
    assert np.all((own >= 0.5) & (own <= 1))
    np.testing.assert_allclose(others.sum(axis=1), 1 - own, atol=1e-6)
    assert np.all((others > 0).sum(axis=1) <= 1)
    assert np.unique(others.argmax(axis=1)).size > 0.6 * m  # partners are drawn from all rows: 1 - 1/e are met
    assert own.mean() == pytest.approx(folded_mean(alpha), abs=4 * own.std() / np.sqrt(m))


def test_mixed_rows_never_mix_a_row_with_itself():
    X = np.array([[0.0], [1.0]])
    mixed, _ = augment.mixed_rows(X, np.array([4, 5]), alpha=1.0, rng=rng())
    own = rng()
    own.integers(1, 2, size=2)
    share = np.abs(own.beta(1.0, 1.0, size=(2, 1)) - 0.5) + 0.5
    np.testing.assert_allclose(mixed, [1 - share[0], share[1]], rtol=1e-12)


def test_mixed_rows_are_seeded_and_leave_their_input_alone():
    X, y = rng(1).standard_normal((9, 4)), np.arange(9)
    before = X.copy()
    first, again, other = (augment.mixed_rows(X, y, alpha=0.3, rng=rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    augment.mixed_rows(X, y, alpha=0.3, rng=rng())[1][:] = -1
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(y, np.arange(9))


@pytest.mark.parametrize(
    ("shape", "n_labels", "alpha", "error", "message"),
    [
        ((4, 2), 4, 0.0, ConfigError, "alpha is 0.0; expected a number above 0"),
        ((4, 2), 4, float("nan"), ConfigError, "alpha is nan"),
        ((1, 2), 1, 0.3, FeatureError, "two rows or more"),
        ((4,), 4, 0.3, FeatureError, r"\(4,\)"),
        ((4, 2), 3, 0.3, FeatureError, r"labels of shape \(3,\)"),
    ],
)
def test_rows_that_cannot_be_mixed_are_refused(shape, n_labels, alpha, error, message):
    with pytest.raises(error, match=message):
        augment.mixed_rows(np.zeros(shape), np.zeros(n_labels, int), alpha=alpha, rng=rng())
