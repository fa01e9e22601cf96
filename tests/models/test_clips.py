"""Batches of clips: order, windows, strides, padding, extras."""

import numpy as np
import pytest
import torch

from emotone.models.deep import training
from emotone.models.deep.clips import Batches, Clips, padded
from support.small_networks import N_COLUMNS, assert_same, clips, trained, without_numbers


def numbers(batch) -> list[int]:
    """Which clips a batch holds, in its order."""
    return [int(clip[0, 0]) for clip in batch[0]["frames"]]


def training_batches(some: Clips, *, seed=0, **settings) -> Batches:
    return Batches(some, rng=lambda: np.random.default_rng(seed), **settings)


@pytest.mark.parametrize("n", [8, 10, 11, 40])
def test_an_epoch_shows_every_clip_once(n):
    batches = training_batches(clips(n), size=4)
    shown = [number for batch in batches for number in numbers(batch)]
    assert sorted(shown) == list(range(n))
    assert len(batches) == len(list(batches)) == -(-n // 4)


def test_a_remainder_of_one_clip_is_left_out_of_training_and_kept_elsewhere():
    batches = training_batches(clips(9), size=4)
    assert [len(labels) for _, labels in batches] == [4, 4]
    assert len(batches) == 2
    left_out = []
    for seed in range(20):
        shown = [number for batch in training_batches(clips(9), size=4, seed=seed) for number in numbers(batch)]
        left_out += set(range(9)) - set(shown)
    assert len(left_out) == 20 and len(set(left_out)) > 5  # one each time, another one in the next epoch
    others = Batches(clips(9), size=4)
    assert sorted(number for batch in others for number in numbers(batch)) == list(range(9))
    assert len(others) == len(list(others)) == 3


def test_an_epoch_of_fewer_clips_draws_them_anew():
    shown = []
    for seed in range(30):
        batches = training_batches(clips(12), size=3, n_clips=6, seed=seed)
        shown.append(frozenset(number for batch in batches for number in numbers(batch)))
        assert len(batches) == 2
    assert {len(one) for one in shown} == {6}  # none of them twice
    assert len(set(shown)) > 20
    assert frozenset().union(*shown) == set(range(12))


def test_with_a_stride_a_clip_shows_one_frame_in_so_many_from_a_drawn_one():
    frames = [np.arange(length, dtype=np.float32)[:, None] for length in (50, 2)]
    firsts = set()
    for seed in range(40):
        given, labels = next(iter(training_batches(Clips(frames, np.asarray([0, 1])), size=2, stride=3, seed=seed)))
        for row, label in enumerate(labels.tolist()):
            shown = given["frames"][row, : given["lengths"][row], 0].tolist()
            assert shown == list(range(int(shown[0]), len(frames[label]), 3))
            firsts.add((label, shown[0]))
    assert firsts == {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)}  # a clip of two frames shows one of them


def test_batches_are_drawn_from_the_seed():
    def drawn(seed):
        batches = training_batches(clips(30), size=4, window=15, seed=seed)
        return [(numbers(batch), batch[0]["frames"].numpy()) for batch in batches]

    for (order, frames), (again, frames_again) in zip(drawn(1), drawn(1), strict=True):
        assert order == again
        np.testing.assert_array_equal(frames, frames_again)
    assert [order for order, _ in drawn(1)] != [order for order, _ in drawn(2)]


def test_batches_carry_the_extras_of_their_clips():
    some = clips(11)
    extras = {"speakers": list(range(100, 111)), "possible": np.arange(11)[:, None] > np.arange(3)}
    told = Clips(some.frames, some.labels, extras=extras)
    for batches in (training_batches(told, size=4, window=20), Batches(told, size=4)):
        shown = 0
        for batch in batches:
            rows = numbers(batch)
            assert set(batch[0]) == {"frames", "lengths", "speakers", "possible"}
            assert batch[0]["speakers"].tolist() == [100 + row for row in rows]
            assert batch[0]["possible"].dtype == torch.bool
            assert batch[0]["possible"].tolist() == [[row > column for column in range(3)] for row in rows]
            shown += len(rows)
        assert shown == 11
    assert set(next(iter(training_batches(some, size=4)))[0]) == {"frames", "lengths"}


def test_extras_reach_the_loss_and_change_no_step_of_a_network_that_needs_none():
    seen = []

    class Listening(training.Net):
        def losses(self, given, targets):
            seen.append({name: values.clone() for name, values in given.items()})
            return super().losses(given, targets)

    some = without_numbers(clips(16))
    told = Clips(some.frames, some.labels, extras={"place": np.arange(16)})
    held_out = without_numbers(clips(6, seed=1))
    assert_same(
        trained(some=told, net_type=Listening, max_epochs=2, held_out=held_out),
        trained(some=some, max_epochs=2, held_out=held_out),
    )
    assert len(seen) == 4  # steps, none of validation
    for epoch in (seen[:2], seen[2:]):
        assert sorted(np.concatenate([given["place"] for given in epoch])) == list(range(16))


def test_batches_are_standardised_and_their_padding_is_zero():
    rng = np.random.default_rng(0)
    mean, scale = rng.standard_normal(N_COLUMNS).astype(np.float32), (1 + rng.random(N_COLUMNS)).astype(np.float32)
    frames = [rng.standard_normal((length, N_COLUMNS)).astype(np.float32) for length in (5, 9, 2)]
    frames[1] = frames[1].astype(np.float16)
    before = [clip.copy() for clip in frames]
    batch = padded(frames, mean=mean, scale=scale)
    assert (batch["frames"].dtype, batch["frames"].shape) == (torch.float32, (3, 9, N_COLUMNS))
    assert batch["lengths"].tolist() == [5, 9, 2]
    for row, clip in enumerate(frames):
        expected = (clip.astype(np.float64) - mean) / scale
        np.testing.assert_allclose(batch["frames"][row, : len(clip)], expected, atol=1e-6)
        assert (batch["frames"][row, len(clip) :] == 0).all()
        np.testing.assert_array_equal(clip, before[row])
    plain = padded(frames)
    for row, clip in enumerate(frames):
        np.testing.assert_array_equal(plain["frames"][row, : len(clip)], clip.astype(np.float32))
    (one,) = [given for given, _ in Batches(Clips(frames, np.arange(3), mean=mean, scale=scale), size=4)]
    for row, number in enumerate((2, 0, 1)):  # by length
        length = len(frames[number])
        torch.testing.assert_close(one["frames"][row, :length], batch["frames"][number, :length], atol=0, rtol=0)


def test_a_window_is_a_span_of_the_clip_at_a_drawn_place():
    rng = np.random.default_rng(0)
    frames = [rng.standard_normal((length, N_COLUMNS)).astype(np.float32) for length in (10, 20, 21, 50)]
    starts = set()
    for seed in range(40):
        for given, labels in training_batches(Clips(frames, np.arange(4)), size=4, window=20, seed=seed):
            for clip, length, label in zip(given["frames"], given["lengths"], labels, strict=True):
                whole = frames[int(label)]
                assert length == min(20, len(whole))
                places = [s for s in range(len(whole)) if np.array_equal(whole[s : s + length], clip[:length])]
                assert len(places) == 1
                starts.add((len(whole), places[0]))
                assert not clip[length:].any()
    assert {(10, 0), (20, 0), (21, 0), (21, 1)} <= starts
    assert {length for length, start in starts if start} == {21, 50}
    longest = [start for length, start in starts if length == 50]
    assert len(longest) > 15 and 0 <= min(longest) < 5 and 25 < max(longest) <= 30


def test_labels_and_lengths_belong_to_their_clips():
    some = clips(64)
    for batches in (training_batches(some, size=4), Batches(some, size=4)):
        for batch in batches:
            assert [int(label) for label in batch[1]] == [int(some.labels[number]) for number in numbers(batch)]
            assert [len(some.frames[number]) for number in numbers(batch)] == batch[0]["lengths"].tolist()


def test_clips_of_alike_length_are_put_together_in_validation_but_not_in_training():
    def spread(batches) -> float:
        return float(np.mean([np.ptp(given["lengths"].numpy()) for given, _ in batches]))

    some = clips(64)  # of 13 to 40 frames
    assert spread(Batches(some, size=4)) < 3
    assert spread(training_batches(some, size=4)) > 10


def test_padding_is_zero_and_lengths_are_the_clips():
    given = padded([np.full((2, 3), 5, np.float32), np.full((4, 3), 7, np.float32)])
    assert given["lengths"].tolist() == [2, 4]
    assert given["frames"][0].tolist() == [[5] * 3] * 2 + [[0] * 3] * 2
    assert given["frames"][1].tolist() == [[7] * 3] * 4


def test_a_training_stride_leaves_out_frames_in_training_alone(monkeypatch):
    strides = {True: set(), False: set()}

    class Watched(Batches):
        def __iter__(self):
            strides[self.rng is not None].add(self.stride)
            return super().__iter__()

    monkeypatch.setattr(training, "Batches", Watched)
    some = without_numbers(clips(12))
    trained(some=some, held_out=some, max_epochs=1, mixup=0.0, stride=2, training_stride=3)
    assert strides == {True: {6}, False: {2}}
