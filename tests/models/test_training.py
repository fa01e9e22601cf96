"""How networks are trained: learning rate, batches, early stopping, and a training that goes on where it was left."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from emotone.models.deep import batch as training_batch
from emotone.models.deep import networks, training
from emotone.models.deep.clips import Batches, Clips, padded
from emotone.models.deep.training import Recipe, train

N_COLUMNS, N_CLASSES = 6, 3
PLAIN = {"mixup": 0.0, "n_time_masks": 0, "n_frequency_masks": 0, "label_smoothing": 0.0}


class Small(networks.FrameNetwork):
    """Mean over time, one hidden layer; as much as has dropout and a batch norm."""

    def __init__(self, n_columns: int = N_COLUMNS, n_classes: int = N_CLASSES, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.first = nn.Linear(n_columns, 8)
        self.head = nn.Sequential(nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, n_classes))

    def embed(self, frames, lengths=None):
        mask = networks.frame_mask(frames, lengths)[:, :, None]
        return self.first((frames * mask).sum(1) / mask.sum(1))


class Linear(networks.FrameNetwork):
    """Mean over time, and a layer; no chance in it, so losses can be computed by hand."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Linear(N_COLUMNS, N_CLASSES)
        nn.init.normal_(self.head.weight, generator=torch.Generator().manual_seed(5))

    def embed(self, frames, lengths=None):
        mask = networks.frame_mask(frames, lengths)[:, :, None]
        return self.scale * (frames * mask).sum(1) / mask.sum(1)


class Watched(Linear):
    """Keeps the batches that it is asked about, in training and else."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[bool, list[list[np.ndarray]]] = {True: [], False: []}

    def __deepcopy__(self, memo):
        copied = Linear()
        copied.load_state_dict(self.state_dict())
        copied.__class__, copied.seen = Watched, self.seen  # the running mean of the weights writes into the same list
        return copied

    def embed(self, frames, lengths=None):
        clips = [clip[:length].detach().numpy().copy() for clip, length in zip(frames, lengths, strict=True)]
        self.seen[self.training].append(clips)
        return super().embed(frames, lengths)


def clips(n=40, *, seed=0, spread=1.0, first=0) -> Clips:
    """Classes that differ in their mean, 13 to 40 frames; a clip's number stands in the first column of each frame."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % N_CLASSES
    frames = []
    for number, label in enumerate(labels, start=first):
        clip = rng.standard_normal((int(rng.integers(13, 41)), N_COLUMNS)) * spread + 0.5 * np.eye(N_COLUMNS)[label + 1]
        clip[:, 0] = number
        frames.append(clip.astype(np.float32))
    return Clips(frames, labels)


def without_numbers(some: Clips) -> Clips:
    for frames in some.frames:
        frames[:, 0] = 0
    return some


def recipe(**changes) -> Recipe:
    settings = {
        "n_classes": N_CLASSES,
        "max_epochs": 4,
        "patience": 99,
        "batch_size": 8,
        "learning_rate": 0.02,
        "weight_decay": 0.05,
        "label_smoothing": 0.05,
        "mixup": 0.3,
        "n_time_masks": 2,
        "max_time_share": 0.15,
        "n_frequency_masks": 1,
        "max_bands": 2,
        "window": 30,
        "averaging": 0.9,
        "seed": 7,
        "device": "cpu",
        "precision": "float32",
    }
    return Recipe(**settings | changes)


def trained(network=None, some=None, *, seed=3, weights=(1.0, 1.0, 1.0), **given):
    """Train a network that is initialised the same each time: network, rows, epoch."""
    changes = {name: given.pop(name) for name in list(given) if name in Recipe.__dataclass_fields__}
    torch.manual_seed(seed)
    network = Small() if network is None else network() if isinstance(network, type) else network
    some = without_numbers(clips()) if some is None else some
    return train(network, some, recipe(**changes), class_weights=torch.tensor(weights), **given)


def state(network) -> dict[str, np.ndarray]:
    return {name: values.numpy().copy() for name, values in network.state_dict().items()}


def assert_same(first, second) -> None:
    """Bit by bit, weights and history; but not how long it took."""
    for name, values in state(first[0]).items():
        np.testing.assert_array_equal(values, state(second[0])[name], err_msg=name)
    rows = [
        [{key: value for key, value in row.items() if key != "seconds"} for row in one[1]] for one in (first, second)
    ]
    assert rows[0] == rows[1]
    assert first[2] == second[2]


def log_p(network, some: Clips) -> np.ndarray:
    with torch.inference_mode():
        logits = [network(**padded([frames]))[0] for frames in some.frames]
    return torch.log_softmax(torch.stack(logits).double(), dim=1).numpy()


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


# batches


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


def overfitted(**changes):
    """Held-out labels that are wrong: the better it learns, the worse they get."""
    held_out = without_numbers(clips(30, seed=1))
    held_out.labels = (held_out.labels + 1) % N_CLASSES
    settings = {"max_epochs": 12, "patience": 3, "averaging": 0.5, **PLAIN} | changes
    return held_out, trained(held_out=held_out, **settings)


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


# interruptions


def interrupting(epoch: int):
    """A progress that is interrupted from the keyboard when it is told of this epoch."""

    def told(done: int, total: int, what: str) -> None:
        if done == epoch:
            raise KeyboardInterrupt

    return told


@pytest.mark.parametrize("with_held_out", [True, False])
@pytest.mark.parametrize("epochs", [(1,), (2,), (4,), (2, 3)])
def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path, epochs, with_held_out):
    held_out = without_numbers(clips(9, seed=1)) if with_held_out else None
    whole = trained(held_out=held_out)
    for epoch in epochs:
        with pytest.raises(KeyboardInterrupt):
            trained(held_out=held_out, checkpoint=tmp_path / "state.pt", progress=interrupting(epoch))
    told = []
    again = trained(
        held_out=held_out,
        checkpoint=tmp_path / "state.pt",
        progress=lambda done, total, what: told.append((done, total)),
    )
    assert_same(again, whole)
    assert told == [(epoch, 4) for epoch in range(epochs[-1], 5)]  # what was done is not done again


def test_a_training_that_is_interrupted_within_an_epoch_begins_that_epoch_again(tmp_path):
    class Interrupted(Small):
        left = 7  # of the steps; an epoch has five

        def embed(self, frames, lengths=None):
            if self.training:
                Interrupted.left -= 1
                if Interrupted.left < 0:
                    raise KeyboardInterrupt
            return super().embed(frames, lengths)

    with pytest.raises(KeyboardInterrupt):
        trained(Interrupted, checkpoint=tmp_path / "state.pt")
    assert_same(trained(checkpoint=tmp_path / "state.pt"), trained())


def test_a_real_network_is_taken_up_bit_by_bit(tmp_path):
    some = Clips([np.pad(frames, ((0, 0), (0, 114))) for frames in without_numbers(clips(24)).frames], clips(24).labels)
    held_out = Clips(some.frames[:6], some.labels[:6])

    def result(**given):
        return trained(networks.CnnBiLstm(120, 3), some, max_epochs=3, held_out=held_out, **given)

    def seeded(**given):
        torch.manual_seed(0)
        return result(**given)

    whole = seeded()
    with pytest.raises(KeyboardInterrupt):
        seeded(checkpoint=tmp_path / "state.pt", progress=interrupting(2))
    assert_same(seeded(checkpoint=tmp_path / "state.pt"), whole)


def test_a_finished_training_is_not_done_again(tmp_path):
    held_out, first = overfitted(checkpoint=tmp_path / "state.pt")
    told = []
    _, again = overfitted(checkpoint=tmp_path / "state.pt", progress=lambda *step: told.append(step))
    assert told == []
    assert_same(again, first)
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def damaged(kind: str, content: bytes, path) -> None:
    if kind == "other":
        path.unlink()
        trained(Linear, checkpoint=path)
    elif kind == "wider":  # some weights fit, others don't
        path.unlink()
        wide = Small(n_classes=5)
        trained(wide, checkpoint=path, n_classes=5, weights=(1.0,) * 5)
    elif kind == "list":
        torch.save([1, 2, 3], path)
    elif kind in ("rows", "best", "optimizer", "averaged"):
        torch.save({key: value for key, value in torch.load(path).items() if key != kind}, path)
    else:
        path.write_bytes({"empty": b"", "text": b"no checkpoint", "half": content[: len(content) // 2]}[kind])


@pytest.mark.parametrize(
    "kind", ["empty", "text", "half", "other", "wider", "list", "rows", "best", "optimizer", "averaged"]
)
def test_a_damaged_checkpoint_is_passed_over(tmp_path, kind):
    path = tmp_path / "state.pt"
    with pytest.raises(KeyboardInterrupt):
        trained(checkpoint=path, progress=interrupting(3))
    damaged(kind, path.read_bytes(), path)
    told = []
    again = trained(checkpoint=path, progress=lambda done, total, what: told.append(done))
    assert told == [1, 2, 3, 4]
    assert_same(again, trained())


def test_progress_is_told_of_each_epoch_with_its_scores():
    told = []
    _, rows, _ = trained(max_epochs=2, held_out=clips(9, seed=1), progress=lambda *step: told.append(step))
    assert [(done, total) for done, total, _ in told] == [(1, 2), (2, 2)]
    row = rows[1]
    assert told[1][2] == (
        f"epoch 2 of 2, loss {row['train_loss']:.2f}, held out: loss {row['valid_loss']:.2f}, "
        f"UAR {100 * row['valid_uar']:.1f} %"
    )


def test_training_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    network = Small(dropout=0.5)
    torch.manual_seed(11)
    train(network, without_numbers(clips(12)), recipe(max_epochs=1), class_weights=torch.ones(3))
    torch.testing.assert_close(torch.rand(3), expected, atol=0, rtol=0)
