"""Alterations of batches of sound: lengths, levels and what they do to frequencies."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from emotone.errors import ConfigError
from support import finetuning  # noqa: F401  # finds the modules of benchmarks

import finetune_sound  # isort: skip

RATE = 16_000
LENGTHS = (16_000, 9_600, 12_345)


def tones(*, hz=440.0) -> tuple[torch.Tensor, torch.Tensor]:
    waveforms = torch.zeros(len(LENGTHS), 16_000)
    for row, length in enumerate(LENGTHS):
        waveforms[row, :length] = 0.1 * (row + 1) * torch.sin(2 * np.pi * hz * torch.arange(length) / RATE)
    return waveforms, torch.tensor(LENGTHS)


def generator(seed=0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def level(waveforms: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    return finetune_sound.mean_square(waveforms, lengths).sqrt()


def silent_after_the_end(waveforms: torch.Tensor, lengths: torch.Tensor) -> bool:
    return not any(waveforms[row, length:].any() for row, length in enumerate(lengths.tolist()))


@pytest.mark.parametrize("name", [item.name for item in fields(finetune_sound.Chances)])
def test_each_alteration_changes_sound_and_keeps_it_finite_and_padded(name):
    before, lengths = tones()
    chances = finetune_sound.Chances.parse(f"{name}=1")
    after, n = finetune_sound.altered(before, lengths, chances, rng=np.random.default_rng(1), generator=generator())
    assert after.shape[0] == 3 and after.dtype == torch.float32 and torch.isfinite(after).all()
    assert silent_after_the_end(after, n)
    assert after.shape != before.shape or not torch.allclose(after, before)
    assert torch.equal(before, tones()[0])


def test_without_chances_sound_stays_as_it_is():
    before, lengths = tones()
    nothing = finetune_sound.Chances.parse("")
    after, n = finetune_sound.altered(before, lengths, nothing, rng=np.random.default_rng(0), generator=generator())
    assert torch.equal(after, before) and torch.equal(n, lengths)


def test_the_same_generators_give_the_same_sound():
    def once(seed):
        rng, chances = np.random.default_rng(seed), finetune_sound.Chances(1, 1, 1, 1, 1)
        return finetune_sound.altered(*tones(), chances, rng=rng, generator=generator(seed))[0]

    assert torch.equal(once(3), once(3))
    other = once(4)
    assert other.shape != once(3).shape or not torch.equal(other, once(3))


def test_speed_shortens_and_raises_the_pitch():
    waveforms, lengths = finetune_sound.sped(*tones(hz=440.0), factor=1.1)
    assert abs(int(lengths[1]) - 9_600 / 1.1) < 100 and silent_after_the_end(waveforms, lengths)
    clip = waveforms[1, : int(lengths[1])].numpy()
    hz = np.fft.rfftfreq(len(clip), 1 / RATE)[np.abs(np.fft.rfft(clip)).argmax()]
    assert hz == pytest.approx(440 * 9_600 / int(lengths[1]), abs=2)
    np.testing.assert_allclose(level(waveforms, lengths), level(*tones()), rtol=0.02)


def test_noise_has_the_ratio_asked_for_and_its_slope():
    waveforms, lengths = tones()
    after = finetune_sound.noisy(
        waveforms, lengths, torch.tensor([0.0, 10.0, 20.0]), torch.tensor([0.0, 1.0, 2.0]), generator()
    )
    noise = after - waveforms
    ratio_db = 20 * torch.log10(level(waveforms, lengths) / level(noise, lengths))
    np.testing.assert_allclose(ratio_db, [0, 10, 20], atol=0.01)
    assert silent_after_the_end(after, lengths)
    power = [np.abs(np.fft.rfft(row[:9_600].numpy())) ** 2 for row in noise]
    low, high = ([row[first : 2 * first].mean() for row in power] for first in (300, 2400))  # three octaves apart
    np.testing.assert_allclose(10 * np.log10(np.divide(low, high)), [0, 9, 18], atol=2)


def test_a_room_keeps_the_level_and_adds_a_tail():
    waveforms, lengths = torch.zeros(2, 16_000), torch.tensor([16_000, 8_000])
    waveforms[:, 100] = 1.0
    after = finetune_sound.reverberant(
        waveforms, lengths, torch.tensor([0.3, 0.15]), torch.tensor([0.0, 6.0]), generator()
    )
    np.testing.assert_allclose(level(after, lengths), level(waveforms, lengths), rtol=1e-3)
    assert silent_after_the_end(after, lengths) and after[:, :100].abs().max() < 1e-3
    direct, tail = after[:, 100].square(), after[:, 101:].square().sum(1)
    np.testing.assert_allclose(10 * torch.log10(direct / tail), [0, 6], atol=0.1)
    assert after[1, 100 + 2_500 :].abs().max() < 1e-3 < after[0, 100 + 2_500 : 4_000].abs().max()


def test_a_band_removes_what_is_outside():
    for hz, kept in ((100.0, False), (1_000.0, True), (6_000.0, False)):
        waveforms, lengths = tones(hz=hz)
        waveforms = waveforms + tones(hz=2_000.0)[0]
        after = finetune_sound.limited(waveforms, lengths, torch.full((3,), 300.0), torch.full((3,), 3_400.0))
        power = np.abs(np.fft.rfft(after[0].numpy()))
        assert (power[round(hz)] > 0.5 * power[2_000]) == kept
        np.testing.assert_allclose(level(after, lengths), level(waveforms, lengths), rtol=1e-3)


def test_gain_clips_at_full_scale():
    waveforms, _ = tones()
    after = finetune_sound.louder(waveforms, torch.tensor([6.0, -20.0, 20.0]))
    assert float(after[0].max()) == pytest.approx(0.2, abs=2e-3)
    assert float(after[1].max()) == pytest.approx(0.02, abs=1e-3)
    assert float(after[2].max()) == pytest.approx(1.0, abs=1e-4) and float(after[2].min()) == -1.0


@pytest.mark.parametrize("text", ["pitch=0.5", "speed", "speed=2", "speed=-0.1"])
def test_chances_that_do_not_exist_are_refused(text):
    with pytest.raises(ConfigError, match="expected"):
        finetune_sound.Chances.parse(text)
