"""Measures of generated sounds, which can be computed by hand."""

import numpy as np
import pytest

from emotone import audio
from emotone.errors import AudioError
from emotone.explore import sound
from emotone.explore.measure import measure_clip
from support.exploring import RATE, sine


def test_level_of_a_sine_is_its_amplitude(tmp_path):
    audio.write_wav(tmp_path / "a.wav", sine(400, amplitude=0.5))
    found, _ = measure_clip(str(tmp_path / "a.wav"))
    assert found.duration_s == 1.0
    assert (found.sample_rate, found.channels, found.container, found.codec) == (RATE, 1, "wav", "pcm_16")
    assert found.peak_db == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert found.rms_db == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert found.active_db == pytest.approx(found.rms_db, abs=0.01)
    assert (found.clipped_share, found.silence_share, found.lead_s, found.trail_s) == (0, 0, 0, 0)
    assert abs(found.dc_offset) < 1e-4


def test_clipped_share_of_an_overdriven_sine(tmp_path):
    # |2 sin x| is over 1 where |sin x| is over a half: on two thirds of the circle
    audio.write_wav(tmp_path / "a.wav", np.clip(sine(50.3, seconds=4, amplitude=2), -1, 1))
    found, _ = measure_clip(str(tmp_path / "a.wav"))
    assert found.clipped_share == pytest.approx(2 / 3, abs=0.002)
    assert found.peak_db == 0.0


def test_silence_is_counted_where_it_is(tmp_path):
    quiet = np.zeros(RATE, np.float32)
    parts = [quiet[:8000], sine(300, amplitude=0.3), quiet[:4800], sine(300, amplitude=0.3), quiet[:3200]]
    audio.write_wav(tmp_path / "a.wav", np.concatenate(parts))  # 0.5 + 1 + 0.3 + 1 + 0.2 s
    found, _ = measure_clip(str(tmp_path / "a.wav"))
    assert found.lead_s == pytest.approx(0.5)
    assert found.trail_s == pytest.approx(0.2)
    assert found.silence_share == pytest.approx(1 / 3)
    assert found.active_db == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.05)
    assert found.rms_db == pytest.approx(found.active_db + 10 * np.log10(2 / 3), abs=0.05)


def test_offset_and_channels_are_those_of_the_file(tmp_path):
    stereo = np.stack([sine(300, amplitude=0.2, rate=48_000), np.full(48_000, -0.25, np.float32)], axis=1)
    audio.write_wav(tmp_path / "a.wav", stereo, sample_rate=48_000)
    found, _ = measure_clip(str(tmp_path / "a.wav"))
    assert (found.sample_rate, found.channels, found.duration_s) == (48_000, 2, 1.0)
    assert found.dc_offset == pytest.approx(-0.25, abs=1e-4)
    assert found.peak_db == pytest.approx(20 * np.log10(0.25), abs=0.01)


def test_a_channel_is_measured_without_the_others(tmp_path):
    loud, soft = sine(300, amplitude=0.8, rate=16_000), sine(300, amplitude=0.1, rate=16_000)
    audio.write_wav(tmp_path / "a.wav", np.stack([loud, soft], axis=1))
    found, _ = measure_clip(str(tmp_path / "a.wav"), channel="right")
    assert found.channels == 2 and found.peak_db == pytest.approx(-20, abs=0.01)
    assert found.rms_db == pytest.approx(found.active_db, abs=0.05)
    assert found.digest == audio.content_digest(audio.read(tmp_path / "a.wav", channel=2))


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_segment_is_measured_without_its_surroundings(tmp_path, rate):
    loud, soft = sine(300, amplitude=0.8, rate=rate), sine(300, amplitude=0.1, rate=rate)
    audio.write_wav(tmp_path / "a.wav", np.concatenate([loud, soft, loud]), sample_rate=rate)
    path = str(tmp_path / "a.wav")
    found, _ = measure_clip(path, start_s=1.0, end_s=2.0)
    assert found.duration_s == 1.0
    assert found.peak_db == pytest.approx(-20, abs=0.01)
    assert found.digest == audio.content_digest(audio.read(path, start_s=1.0, end_s=2.0))


def test_digest_is_that_of_the_feature_store(tmp_path, make_voice):
    audio.write_wav(tmp_path / "a.wav", make_voice(sample_rate=22_050), sample_rate=22_050)
    found, _ = measure_clip(str(tmp_path / "a.wav"))
    assert found.digest == audio.content_digest(audio.read(tmp_path / "a.wav"))


def test_what_reading_refuses_is_refused(tmp_path):
    audio.write_wav(tmp_path / "silent.wav", np.zeros(RATE, np.float32))
    with pytest.raises(AudioError, match="silent"):
        measure_clip(str(tmp_path / "silent.wav"))


def test_mean_log_mel_of_a_tone_peaks_at_its_band(tmp_path):
    audio.write_wav(tmp_path / "a.wav", sine(2500, amplitude=0.5))
    _, mean = measure_clip(str(tmp_path / "a.wav"))
    bands = sound.mel_frequencies()
    assert mean.shape == bands.shape == (128,)
    assert abs(bands[mean.argmax()] - 2500) <= np.diff(bands)[mean.argmax()] / 2 + 1
    assert mean.max() - np.median(mean) > 40
