"""The transform ``scene``: what each of its steps does, recorded noise, and the same copy for the same seed."""

import numpy as np
import pytest

from emotone import audio
from emotone.augment import Scene, scene, transforms
from emotone.augment.copies import Augmentation
from emotone.errors import ConfigError

RATE = audio.SAMPLE_RATE
STEPS = ("_SPEED_ALONE", "_SPEED", "_ROOM", "_ENDS", "_NOISE", "_LINE", "_OFFSET")


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def clip(make_voice):
    """Soft, so that nothing is cut off at full scale."""
    return make_voice(seconds=0.8, gain=0.1)


@pytest.fixture
def only(monkeypatch):
    """Make some steps certain, and leave the others out."""

    def chosen(*steps):
        for name in STEPS:
            monkeypatch.setattr(scene, name, 1.0 if name in steps else 0.0)

    return chosen


def rest(changed, clean):
    """Gain of the clean clip in a changed one, and what is left without it."""
    gain = float(changed @ clean.astype(float) / (clean.astype(float) @ clean))
    return gain, changed.astype(float) - gain * clean


def share_of_rest(changed, clean):
    gain, left = rest(changed, clean)
    return np.sum(left**2) / np.sum((gain * clean.astype(float)) ** 2)


def test_without_any_step_the_level_alone_changes(only, clip):
    only()
    gains = []
    for seed in range(20):
        changed = Scene()(clip, rng=rng(seed))
        assert (changed.shape, changed.dtype) == (clip.shape, np.float32)
        assert share_of_rest(changed, clip) < 1e-4
        np.testing.assert_array_equal(changed * 32768, np.round(changed * 32768))
        gains.append(20 * np.log10(rest(changed, clip)[0]))
    assert min(gains) > -20.1 and max(gains) < 3.1 and np.ptp(gains) > 10


def test_loud_copies_stay_within_full_scale(make_voice):
    loud = make_voice(seconds=0.5, gain=0.99)
    for seed in range(30):
        assert np.abs(Scene(-5, -5)(loud, rng=rng(seed))).max() <= 1


def test_speed_changes_the_length(only, clip):
    only("_SPEED")
    sizes = {Scene()(clip, rng=rng(seed)).size for seed in range(10)}
    assert len(sizes) > 5 and 0.7 * clip.size < min(sizes) < clip.size < max(sizes) < 1.4 * clip.size


@pytest.mark.slow
def test_some_copies_differ_in_their_speed_alone(clip):
    quiet = []
    for seed in range(200):
        drawn = rng(seed)
        drawn.random()  # decides between the two kinds of copies
        quiet.append(np.array_equal(Scene()(clip, rng=rng(seed)), transforms.Speed()(clip, rng=drawn)))
    assert 0.3 < np.mean(quiet) < 0.5


def test_room_adds_reflections(only, clip):
    only("_ROOM")
    for seed in range(5):
        changed = Scene()(clip, rng=rng(seed))
        assert changed.size == clip.size and share_of_rest(changed, clip) > 0.01


def test_ends_get_up_to_a_second_of_silence(only, clip):
    only("_ENDS")
    before, after = [], []
    for seed in range(10):
        changed = Scene()(clip, rng=rng(seed))
        sound = np.flatnonzero(changed)
        before.append(sound[0])
        after.append(changed.size - 1 - sound[-1])
        assert clip.size < changed.size <= clip.size + 2 * RATE
    for silence in (before, after):
        assert max(silence) < 1.01 * RATE and np.ptp(silence) > 0.2 * RATE


@pytest.mark.parametrize("stationary", [0.0, 1.0])
@pytest.mark.parametrize("snr_db", [3.0, 20.0])
def test_noise_has_the_snr_that_was_asked(only, clip, monkeypatch, stationary, snr_db):
    only("_NOISE")
    monkeypatch.setattr(scene, "_STATIONARY", stationary)
    for seed in range(8):
        found = -10 * np.log10(share_of_rest(Scene(snr_db, snr_db)(clip, rng=rng(seed)), clip))
        assert found == pytest.approx(snr_db, abs=1.5)


def test_snr_is_drawn_from_its_range(only, clip):
    only("_NOISE")
    found = [-10 * np.log10(share_of_rest(Scene(0, 25)(clip, rng=rng(seed)), clip)) for seed in range(40)]
    assert -1.5 < min(found) < 5 and 20 < max(found) < 26.5


def test_line_is_a_telephone_a_codec_or_a_microphone(only, make_voice):
    only("_LINE")
    noise = (0.05 * rng(9).standard_normal(RATE)).astype(np.float32)
    shares = []  # of the power above 4 kHz, and of that below 200 Hz
    for seed in range(30):
        changed = Scene()(noise, rng=rng(seed)).astype(float)
        power, hz = np.abs(np.fft.rfft(changed)) ** 2, np.fft.rfftfreq(changed.size, 1 / RATE)
        assert changed.size == noise.size
        shares.append((power[hz > 4000].sum() / power.sum(), power[hz < 200].sum() / power.sum()))
    high, low = np.array(shares).T
    is_telephone = (high < 0.01) & (low < 1e-3)
    assert 3 < is_telephone.sum() < 20
    assert (~is_telephone & (high < 0.2)).any() and (high > 0.2).any()


def test_offset_adds_a_constant_and_a_hum(only, clip):
    only("_OFFSET")
    means, hums = [], []
    for seed in range(10):
        _, left = rest(Scene()(clip, rng=rng(seed)), clip)
        left = left / np.abs(left).max()
        means.append(abs(left.mean()))
        power = np.abs(np.fft.rfft(left - left.mean(), 1 << 16)) ** 2
        hz = np.fft.rfftfreq(1 << 16, 1 / RATE)
        hums.append(power[hz < 200].sum() / power.sum())
    assert max(means) > 0.3 and np.median(hums) > 0.8


def test_steps_come_in_some_copies_and_not_in_all(clip):
    sizes = [Scene()(clip, rng=rng(seed)).size for seed in range(80)]
    assert sizes.count(clip.size) > 4  # neither speed nor silence
    assert sum(size > 1.3 * clip.size for size in sizes) > 4  # silence at the ends


def test_generator_decides_everything(clip):
    for seed in range(10):
        np.testing.assert_array_equal(Scene()(clip, rng=rng(seed)), Scene()(clip, rng=rng(seed)))
    first, second = (Scene()(clip, rng=rng(seed)) for seed in (0, 1))
    assert first.size != second.size or np.abs(first - second).max() > 1e-3


def test_short_clips_can_be_changed(make_voice):
    short = make_voice(seconds=0.25)
    for seed in range(40):
        changed = Scene()(short, rng=rng(seed))
        assert np.isfinite(changed).all() and np.abs(changed).max() > 0


# recorded noise


def tone(hz, seconds=0.5):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """A tone in a folder below, with silence around it, beside a silent recording, a damaged one and a text."""
    (tmp_path / "below").mkdir()
    silence = np.zeros(RATE // 2, np.float32)
    audio.write_wav(tmp_path / "below" / "tone.WAV", np.concatenate([silence, tone(3000), silence]))
    audio.write_wav(tmp_path / "silent.wav", silence)
    (tmp_path / "damaged.flac").write_bytes(b"fLaC no sound")
    (tmp_path / "read.txt").write_text("no sound")
    return tmp_path


def test_silent_and_damaged_recordings_are_left_out_and_silent_ends_cut(folder):
    (found,) = scene.recordings(folder)
    assert found.size == pytest.approx(RATE / 2, abs=10)
    assert np.abs(found[:5]).max() > 0.01


def test_noise_is_an_excerpt_of_a_recording(folder, only, clip, monkeypatch):
    only("_NOISE")
    monkeypatch.setattr(scene, "_STATIONARY", 0.0)

    def peak_hz(chance):
        monkeypatch.setattr(scene, "_RECORDED", chance)
        _, left = rest(Scene(0, 0, folder=folder)(clip, rng=rng(1)), clip)
        return np.abs(np.fft.rfft(left)).argmax() * RATE / left.size

    assert peak_hz(1.0) == pytest.approx(3000, abs=10)  # the clip is longer than the recording, which repeats
    assert abs(peak_hz(0.0) - 3000) > 50


def test_excerpt_starts_anywhere_and_repeats_a_short_recording():
    noise = np.arange(100, dtype=np.float32)
    starts = set()
    for seed in range(10):
        part = scene.excerpt(noise, 250, rng(seed))
        assert (part.shape, part.dtype) == ((250,), np.float64)
        np.testing.assert_array_equal(part, (part[0] + np.arange(250)) % 100)
        starts.add(part[0])
    assert len(starts) > 5
    part = scene.excerpt(noise, 20, rng())
    assert part.size == 20


def test_spec_has_a_digest_of_the_recordings(folder, tmp_path_factory):
    assert Scene(1.0, 2.0).spec == "scene(min_snr_db=1.0,max_snr_db=2.0,sounds=None)"
    specs = [Scene(folder=folder).spec]
    for number, (name, content) in enumerate([("below/tone.wav", 3000), ("below/tone.WAV", 3001)]):
        other = tmp_path_factory.mktemp(f"sounds{number}")
        (other / "below").mkdir()
        audio.write_wav(other / name, tone(content))
        specs.append(Scene(folder=other).spec)
    assert len({Scene().spec, *specs}) == 4
    assert all(len(spec.split("sounds=")[1]) == 65 for spec in specs)
    assert str(folder) not in specs[0]  # the same recordings elsewhere are the same noise
    key = Augmentation((Scene(folder=folder),), copy=1).spec
    assert specs[0] in key


def test_folder_without_recordings_is_refused(tmp_path, clip, only, monkeypatch):
    (tmp_path / "read.txt").write_text("no sound")
    with pytest.raises(ConfigError, match="holds no recording of noise; expected a folder of .*wav"):
        _ = Scene(folder=tmp_path).spec
    audio.write_wav(tmp_path / "silent.wav", np.zeros(RATE, np.float32))
    with pytest.raises(ConfigError, match="no recording of .* can be read; expected sound that is not silent"):
        scene.recordings(tmp_path)


@pytest.mark.parametrize("snr_db", [(5.0, 0.0), (float("nan"), 3.0), (0.0, float("inf"))])
def test_ratios_out_of_order_are_refused(snr_db):
    with pytest.raises(ConfigError, match="scene: min_snr_db=.*give finite numbers in order"):
        Scene(*snr_db)
