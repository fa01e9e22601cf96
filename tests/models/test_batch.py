"""Masks of batches: which cells exactly, never beyond a clip, evenly drawn, seeded.  Mixup: shares and partners."""

import numpy as np
import pytest
import torch
from scipy.special import betainc

from emotone.errors import ConfigError, FeatureError
from emotone.models.deep.batch import Mixup, mask_frequency, mask_time


def rng(seed=0):
    return np.random.default_rng(seed)


def ones(*shape):
    return torch.ones(shape)


def runs(masked):
    """First place and length of each run of True in (n,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(masked, int), [0]])))
    return [(int(first), int(end - first)) for first, end in zip(edges[::2], edges[1::2], strict=True)]


class Scripted:
    """A generator whose draws are given, and which notes the ranges that it was asked for."""

    def __init__(self, *draws):
        self.draws, self.asked = list(draws), []

    def integers(self, low, high, *, size, endpoint):
        drawn = np.array(self.draws.pop(0))
        assert endpoint and drawn.shape == size
        self.asked.append((low, np.broadcast_to(high, size).tolist()))
        return drawn


def test_time_masks_are_the_spans_that_were_drawn():
    drawn = Scripted([[2, 1], [0, 3]], [[0, 5], [4, 1]])  # widths, starts
    masked = mask_time(ones(2, 10, 3), torch.tensor([10, 8]), n_masks=2, max_share=0.4, rng=drawn)
    expected = torch.ones(2, 10, 3)
    expected[0, [0, 1, 5]] = 0
    expected[1, [1, 2, 3]] = 0
    torch.testing.assert_close(masked, expected, rtol=0, atol=0)
    assert drawn.asked == [(0, [[4, 4], [3, 3]]), (0, [[8, 9], [8, 5]])]


def test_frequency_masks_are_the_spans_that_were_drawn():
    drawn = Scripted([[2, 2], [0, 1]], [[0, 1], [4, 5]])
    masked = mask_frequency(ones(2, 4, 6), n_masks=2, max_bands=2, rng=drawn)
    expected = torch.ones(2, 4, 6)
    expected[0, :, [0, 1, 2]] = 0  # they overlap
    expected[1, :, 5] = 0
    torch.testing.assert_close(masked, expected, rtol=0, atol=0)
    assert drawn.asked == [(0, [[2, 2], [2, 2]]), (0, [[4, 4], [6, 5]])]


def test_time_masks_stay_within_each_clip_and_its_share():
    lengths = torch.from_numpy(rng(1).integers(1, 61, size=500))
    masked = mask_time(ones(500, 60, 2), lengths, n_masks=1, max_share=0.25, rng=rng())
    hidden = (masked == 0).numpy()
    np.testing.assert_array_equal(hidden[:, :, 0], hidden[:, :, 1])  # all features of a frame or none
    for row, length in zip(hidden[:, :, 0], lengths.tolist(), strict=True):
        assert not row[length:].any()
        assert len(runs(row)) <= 1 and row.sum() <= length // 4
    assert hidden.sum() > 0 and torch.all(masked[hidden == 0] == 1)


def test_widths_and_places_of_time_masks_are_drawn_evenly():
    n, length, widest = 6600, 40, 10
    hidden = (
        mask_time(ones(n, length, 1), torch.full((n,), length), n_masks=1, max_share=0.25, rng=rng()) == 0
    ).numpy()
    counts = np.bincount(hidden.sum(axis=(1, 2)), minlength=widest + 1)
    # 600 clips expected of each width, +- 4 standard deviations of 23
    assert counts.size == widest + 1 and np.all(np.abs(counts - 600) < 94)
    widths_of_ten = hidden[hidden.sum(axis=(1, 2)) == widest][:, :, 0]
    starts = np.bincount(widths_of_ten.argmax(axis=1), minlength=length - widest + 1)
    assert starts.size == 31 and starts.min() > 0


def test_widths_and_places_of_frequency_masks_are_drawn_evenly():
    n, bands, widest = 6600, 32, 10
    hidden = (mask_frequency(ones(n, 1, bands), n_masks=1, max_bands=widest, rng=rng()) == 0).numpy()[:, 0]
    counts = np.bincount(hidden.sum(axis=1), minlength=widest + 1)
    assert counts.size == widest + 1 and np.all(np.abs(counts - 600) < 94)
    assert max(len(runs(row)) for row in hidden) == 1
    starts = np.bincount(hidden[hidden.sum(axis=1) == widest].argmax(axis=1), minlength=bands - widest + 1)
    assert starts.size == 23 and starts.min() > 0


def test_a_share_of_whole_frames_is_not_lost_to_rounding():
    hidden = mask_time(ones(2000, 100, 1), torch.full((2000,), 100), n_masks=1, max_share=0.29, rng=rng()) == 0
    assert int(hidden.sum(dim=(1, 2)).max()) == 29  # 0.29 * 100 is 28.999999999999996


@pytest.mark.parametrize(
    "mask",
    [
        lambda batch, draws: mask_time(batch, torch.full((8,), 50), n_masks=2, max_share=0.3, rng=draws),
        lambda batch, draws: mask_frequency(batch, n_masks=2, max_bands=9, rng=draws),
    ],
)
def test_masks_are_seeded_differ_between_clips_and_leave_the_batch_alone(mask):
    batch = torch.from_numpy(rng(3).standard_normal((8, 50, 30)).astype(np.float32))
    before = batch.clone()
    first, again, other = (mask(batch, rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert len({(clip == 0).numpy().tobytes() for clip in first}) > 4
    assert torch.equal(first[first != 0], batch[first != 0]) and first.dtype == torch.float32
    first.fill_(7)
    assert torch.equal(batch, before)


def test_no_masks_give_an_equal_batch_of_its_own():
    batch = ones(3, 4, 5)
    for masked in (
        mask_time(batch, torch.tensor([4, 4, 4]), n_masks=0, max_share=0.5, rng=rng()),
        mask_time(batch, torch.tensor([4, 0, 1]), n_masks=3, max_share=0.2, rng=rng()),  # no whole frame
        mask_frequency(batch, n_masks=0, max_bands=5, rng=rng()),
        mask_frequency(batch, n_masks=2, max_bands=0, rng=rng()),
    ):
        assert torch.equal(masked, batch) and masked.data_ptr() != batch.data_ptr()


def test_bands_wider_than_the_batch_are_as_wide_as_the_batch():
    hidden = mask_frequency(ones(500, 1, 4), n_masks=1, max_bands=20, rng=rng()) == 0
    assert sorted(set(hidden.sum(dim=(1, 2)).tolist())) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda b: mask_time(b, torch.tensor([4, 4]), n_masks=-1, max_share=0.1, rng=rng()),
            ConfigError,
            "n_masks is -1",
        ),
        (lambda b: mask_time(b, torch.tensor([4, 4]), n_masks=1, max_share=1.1, rng=rng()), ConfigError, "share 1.1"),
        (lambda b: mask_time(b, torch.tensor([4, 5]), n_masks=1, max_share=0.1, rng=rng()), FeatureError, r"\[4, 5\]"),
        (lambda b: mask_time(b, torch.tensor([4]), n_masks=1, max_share=0.1, rng=rng()), FeatureError, "2 numbers"),
        (lambda b: mask_time(b[0], torch.tensor([4]), n_masks=1, max_share=0.1, rng=rng()), FeatureError, r"\(4, 3\)"),
        (lambda b: mask_frequency(b, n_masks=1, max_bands=-2, rng=rng()), ConfigError, "max_bands -2"),
        (lambda b: mask_frequency(b[0], n_masks=1, max_bands=2, rng=rng()), FeatureError, r"\(4, 3\)"),
        (lambda b: Mixup(0.0), ConfigError, "alpha is 0.0"),
        (lambda b: Mixup(float("inf")), ConfigError, "alpha is inf"),
    ],
)
def test_impossible_settings_and_shapes_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(ones(2, 4, 3))


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_shares_of_mixup_are_those_of_the_folded_beta(alpha):
    draws = rng()
    shares = np.array([Mixup(alpha).draw(2, draws)[1] for _ in range(4000)])
    assert shares.min() >= 0.5 and shares.max() <= 1
    # E max(s, 1 - s) = 2 int_0.5^1 s f(s) ds = 1 - I_0.5(alpha + 1, alpha)
    assert shares.mean() == pytest.approx(1 - betainc(alpha + 1, alpha, 0.5), abs=4 * shares.std() / np.sqrt(4000))
    # P(share <= t) = 1 - 2 I_(1-t)(alpha, alpha); a Kolmogorov distance of 1.95 / sqrt(n) has one chance in 1000
    expected = 1 - 2 * betainc(alpha, alpha, 1 - np.sort(shares))
    assert np.abs(expected - np.arange(1, 4001) / 4000).max() < 1.95 / np.sqrt(4000)


def test_partners_are_a_permutation_and_all_of_them_come_up():
    draws = rng()
    seen = {tuple(Mixup(0.3).draw(3, draws)[0].tolist()) for _ in range(100)}
    assert seen == {(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)}


def test_mixup_is_seeded():
    first, again, other = (Mixup(0.3).draw(32, rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[1] == again[1] != other[1]
