"""Training: learning rate, losses, masks and mixup, early stopping, averaged weights."""

import math

import numpy as np
import pytest
import torch

from emotone.models.deep import batch as training_batch
from emotone.models.deep import training
from emotone.models.deep.clips import Clips
from emotone.models.deep.training import train
from support.small_networks import (
    N_COLUMNS,
    PLAIN,
    Linear,
    Small,
    Watched,
    assert_same,
    clips,
    log_p,
    overfitted,
    recipe,
    state,
    trained,
    without_numbers,
)

pytestmark = pytest.mark.slow

# the learning rate


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.001),
        (4, 0.005),
        (9, 0.01),
        (10, 0.01),
        (55, 0.005),
        (40, 0.0075),  # a third of the way, cos(60 degrees) = 1/2
        (99, 0.005 * (1 + math.cos(math.pi * 89 / 90))),
    ],
)
def test_learning_rate_rises_over_a_tenth_and_falls_along_a_cosine(step, expected):
    assert recipe(learning_rate=0.01).learning_rate_at(step, n_steps=100) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_steps", [1, 2, 3, 7, 1000])
def test_learning_rate_is_never_zero_nor_above_its_highest(n_steps):
    rates = [recipe(learning_rate=0.01).learning_rate_at(step, n_steps=n_steps) for step in range(n_steps)]
    assert max(rates) == pytest.approx(0.01)
    assert min(rates) > 0
    assert rates == sorted(rates[: rates.index(max(rates))]) + sorted(rates[rates.index(max(rates)) :], reverse=True)


def test_rows_tell_the_learning_rate_of_an_epochs_last_step():
    _, rows, _ = trained(max_epochs=4, batch_size=8)  # 5 steps an epoch
    expected = [recipe().learning_rate_at(step, n_steps=20) for step in (4, 9, 14, 19)]
    assert [row["learning_rate"] for row in rows] == pytest.approx(expected)


# losses


def by_hand(network, some: Clips, *, weights=(1.0, 1.0, 1.0), smoothing=0.0) -> float:
    found = log_p(network, some)
    own = np.asarray(weights)[some.labels] * found[np.arange(len(some)), some.labels]
    return float(-np.mean((1 - smoothing) * own + smoothing * found.mean(axis=1)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (3.0, 0.5, 1.0)])
def test_training_loss_is_the_weighted_cross_entropy(weights, smoothing):
    """At a learning rate of zero, so that all batches of the epoch meet the same weights."""
    some = without_numbers(clips(10))
    plain = {**PLAIN, "label_smoothing": smoothing, "window": 100, "max_epochs": 1, "learning_rate": 0.0}
    network, rows, _ = trained(Linear, some, weights=weights, **plain)
    assert rows[0]["train_loss"] == pytest.approx(
        by_hand(network, some, weights=weights, smoothing=smoothing), rel=1e-5
    )
    expected = np.mean(log_p(network, some).argmax(axis=1) == some.labels)
    assert rows[0]["train_accuracy"] == pytest.approx(expected)


def test_a_weight_makes_its_class_more_probable():
    some = without_numbers(clips(60, spread=6.0))
    share = {}
    for weight in (1.0, 5.0):
        network, _, _ = trained(Linear, some, weights=(weight, 1.0, 1.0), max_epochs=15, learning_rate=0.05, **PLAIN)
        share[weight] = np.exp(log_p(network, some))[:, 0].mean()
    assert share[5.0] > share[1.0] + 0.2


def test_held_out_scores_are_of_untouched_clips_by_the_mean_of_the_weights():
    """Masks, mixing and smoothing are all on, and none of them is in the held-out loss."""
    held_out = without_numbers(clips(13, seed=1))
    held_out.labels[:] = np.arange(13) % 3
    held_out.labels[0] = 2
    weights = (2.0, 0.5, 1.0)
    network, rows, _ = trained(held_out=held_out, max_epochs=1, weights=weights, mixup=1.0, label_smoothing=0.3)
    assert rows[0]["valid_loss"] == pytest.approx(by_hand(network, held_out, weights=weights), rel=1e-5)
    right = log_p(network, held_out).argmax(axis=1) == held_out.labels
    assert rows[0]["valid_accuracy"] == pytest.approx(right.mean())
    recalls = [right[held_out.labels == label].mean() for label in range(3)]
    assert rows[0]["valid_uar"] == pytest.approx(np.mean(recalls))


def test_without_held_out_clips_there_are_no_held_out_scores():
    _, rows, epoch = trained(max_epochs=3)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert epoch == 3
    assert {row[name] for row in rows for name in ("valid_loss", "valid_accuracy", "valid_uar")} == {None}


# who sees what


def test_training_sees_masked_and_mixed_clips_and_validation_its_own_as_they_are():
    some, held_out = clips(20), clips(7, seed=1, first=100)
    network = Watched()
    trained(network, some, held_out=held_out, max_epochs=2, window=25, mixup=1.0, n_time_masks=2, max_bands=3)
    assert len(network.seen[False]) == 2
    for batch in network.seen[False]:
        found = {int(clip[0, 0]): clip for clip in batch}
        assert sorted(found) == list(range(100, 107))
        for number, clip in found.items():
            np.testing.assert_array_equal(clip, held_out.frames[number - 100])
    shown = [clip for batch in network.seen[True] for clip in batch]
    assert len(shown) == 40
    assert max(len(clip) for clip in shown) == 25
    whole = {(place, len(frames)) for frames in some.frames for place in frames[:, 1].tolist()}
    assert not any((clip[0, 1], len(clip)) in whole and (clip == clip[0, 0])[:, 0].all() for clip in shown)
    assert max(clip[:, 0].max() for clip in shown) < 20  # no held-out clip is mixed in


def test_without_masks_and_mixing_training_sees_the_training_clips_alone():
    some, held_out = clips(20), clips(7, seed=1, first=100)
    network = Watched()
    trained(network, some, held_out=held_out, max_epochs=2, window=100, **PLAIN)
    shown = [clip for batch in network.seen[True] for clip in batch]
    assert sorted(int(clip[0, 0]) for clip in shown) == sorted(2 * list(range(20)))
    for clip in shown:
        np.testing.assert_array_equal(clip, some.frames[int(clip[0, 0])])


def test_batches_are_drawn_anew_in_every_epoch():
    network = Watched()
    trained(network, clips(20), max_epochs=3, batch_size=20, window=100, **PLAIN)
    orders = [[int(clip[0, 0]) for clip in batch] for batch in network.seen[True]]
    assert [sorted(order) for order in orders] == [list(range(20))] * 3
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_a_mixed_clip_has_its_share_of_both_frames_and_labels_and_is_as_long_as_the_longer(monkeypatch):
    monkeypatch.setattr(training_batch.Mixup, "draw", lambda self, n, rng: (np.arange(n)[::-1].copy(), 0.75))
    some, network = clips(6), Watched()
    settings = PLAIN | {"mixup": 1.0, "window": 100, "max_epochs": 1, "batch_size": 6, "learning_rate": 0.0}
    _, rows, _ = trained(network, some, **settings)
    monkeypatch.undo()
    plain = Watched()
    trained(plain, some, **settings | {"mixup": 0.0})
    own = plain.seen[True][0]  # the same batch, unmixed
    labels = np.asarray([some.labels[int(clip[0, 0])] for clip in own])
    losses = []
    for row, mixed in enumerate(network.seen[True][0]):
        pair = [own[row], own[5 - row]]
        n_frames = max(len(clip) for clip in pair)
        first, second = (np.pad(clip, ((0, n_frames - len(clip)), (0, 0))) for clip in pair)
        np.testing.assert_allclose(mixed, 0.75 * first + 0.25 * second, atol=1e-6)
        found = log_p(network, Clips([mixed], [0]))[0]
        losses.append(-(0.75 * found[labels[row]] + 0.25 * found[labels[5 - row]]))
    assert rows[0]["train_loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_masks_are_drawn_anew_in_every_epoch():
    some = Clips([np.ones((40, N_COLUMNS), np.float32)] * 8, np.arange(8) % 3)
    network = Watched()
    masks = {"n_time_masks": 2, "n_frequency_masks": 1, "max_bands": 3, "mixup": 0.0, "window": 100}
    trained(network, some, max_epochs=4, **masks)
    shown = [np.stack(batch) for batch in network.seen[True]]
    assert all(set(np.unique(batch)) == {0.0, 1.0} for batch in shown)
    assert len({batch.tobytes() for batch in shown}) == 4
    assert len({clip.tobytes() for batch in shown for clip in batch}) > 20  # each clip has its own


def test_held_out_clips_change_no_weight():
    """They choose an epoch; the way there is the same with and without them."""
    held_out = without_numbers(clips(9, seed=1))
    alone, watched = trained(max_epochs=3), trained(max_epochs=3, held_out=held_out)
    assert [row["train_loss"] for row in watched[1]] == [row["train_loss"] for row in alone[1]]
    assert watched[2] == 3  # so the weights are those of the same epoch
    for name, values in state(alone[0]).items():
        np.testing.assert_array_equal(values, state(watched[0])[name])


# early stopping


def test_training_stops_when_patience_is_over_and_keeps_the_best_weights():
    held_out, (network, rows, epoch) = overfitted()
    losses = [row["valid_loss"] for row in rows]
    assert epoch == int(np.argmin(losses)) + 1
    assert len(rows) == epoch + 3 < 12
    assert losses[-1] > losses[epoch - 1] + 0.01
    assert by_hand(network, held_out) == pytest.approx(losses[epoch - 1], rel=1e-5)


def test_without_patience_running_out_the_best_weights_are_kept_too():
    held_out, (network, rows, epoch) = overfitted(patience=99, max_epochs=8)
    assert len(rows) == 8 > epoch
    assert by_hand(network, held_out) == pytest.approx(min(row["valid_loss"] for row in rows), rel=1e-5)


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ([1.0, math.nan, 0.5, math.nan], 3),
        ([1.0, math.nan, math.nan, math.nan], 1),
        ([math.nan, 0.7, 0.7, 0.8], 2),
        ([math.nan] * 4, 1),
        ([math.inf, 2.0, 3.0, 1.0], 4),
    ],
)
def test_a_loss_that_is_no_number_is_never_the_best(monkeypatch, recorded, losses, best):
    real = training.Net.validation_step

    def step(self, batch, **given):
        return real(self, batch, **given) | {"loss": torch.tensor(losses[len(self.history) - 1])}

    monkeypatch.setattr(training.Net, "validation_step", step)
    network, rows, epoch = trained(Linear, held_out=clips(9, seed=1), max_epochs=4, averaging=0.0, **PLAIN)
    assert (epoch, len(rows)) == (best, 4)
    last_step = recorded.weights[5 * best - 1][0]  # five steps an epoch
    np.testing.assert_array_equal(network.head.weight.detach().numpy(), last_step)


# steps


class Recorded(torch.optim.AdamW):
    """Keeps the norm of the gradients and the weights after each step."""

    norms: list[float] = []
    weights: list[list[np.ndarray]] = []

    def step(self, closure=None):
        # skorch hands the gradients over by the closure
        loss = closure()
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        self.norms.append(float(torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in parameters]))))
        super().step()
        self.weights.append([p.detach().numpy().copy() for p in parameters])
        return loss


@pytest.fixture
def recorded(monkeypatch):
    monkeypatch.setattr(Recorded, "norms", [])
    monkeypatch.setattr(Recorded, "weights", [])
    monkeypatch.setattr(torch.optim, "AdamW", Recorded)
    return Recorded


def test_gradients_are_clipped_to_a_norm_of_two(recorded):
    trained(Linear(scale=100.0), max_epochs=1, **PLAIN)
    assert len(recorded.norms) == 5
    assert max(recorded.norms) == pytest.approx(2.0, rel=1e-4)
    recorded.norms.clear()
    trained(Linear(scale=0.01), max_epochs=1, **PLAIN)
    assert 0 < max(recorded.norms) < 0.5  # smaller ones are left alone


def test_what_is_returned_is_the_running_mean_of_the_weights(recorded):
    network, _, _ = trained(Linear, max_epochs=3, averaging=0.8, **PLAIN)
    expected = recorded.weights[0]
    for n, weights in enumerate(recorded.weights[1:], start=1):
        decay = min(0.8, (1 + n) / (10 + n))
        expected = [decay * mean + (1 - decay) * new for mean, new in zip(expected, weights, strict=True)]
    for mean, found in zip(expected, network.parameters(), strict=True):
        np.testing.assert_allclose(found.detach().numpy(), mean, atol=1e-6)
    assert np.abs(expected[0] - recorded.weights[-1][0]).max() > 1e-3
    assert not network.training


def test_the_running_mean_reaches_its_decay_and_goes_no_further():
    made = recipe(averaging=0.9)
    mean, current = torch.tensor([1.0]), torch.tensor([0.0])
    found = [float(made.average(mean, current, torch.tensor(n))) for n in (1, 40, 80, 81, 1000)]
    np.testing.assert_allclose(found, [2 / 11, 41 / 50, 0.9, 0.9, 0.9], rtol=1e-6)
    assert made.average(torch.tensor(3), torch.tensor(7), 5) == 7  # a count is taken as it is


def test_the_running_mean_takes_in_what_batch_norm_keeps():
    network, seen = Small(), []
    given = {"max_epochs": 4, "batch_size": 40, "averaging": 0.8}  # one step an epoch
    found, _, _ = trained(network, progress=lambda *step: seen.append(network.head[0].running_mean.clone()), **given)
    expected = seen[0]
    for decay, mean in zip((2 / 11, 3 / 12, 4 / 13), seen[1:], strict=True):
        expected = decay * expected + (1 - decay) * mean
    torch.testing.assert_close(found.head[0].running_mean, expected)
    assert (expected - seen[-1]).abs().max() > 1e-3


def test_a_network_learns_what_can_be_learnt():
    network, rows, _ = trained(max_epochs=20, averaging=0.8)
    some = without_numbers(clips(60, seed=9))
    assert np.mean(log_p(network, some).argmax(axis=1) == some.labels) > 0.9
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def test_a_seed_decides_every_draw_of_a_training():
    """The weights that it begins with are the caller's."""
    assert_same(trained(max_epochs=2), trained(max_epochs=2))
    settings = recipe(max_epochs=2, seed=8)
    torch.manual_seed(3)
    other = train(Small(), without_numbers(clips()), settings, class_weights=torch.ones(3))
    assert other[1][0]["train_loss"] != trained(max_epochs=2)[1][0]["train_loss"]
