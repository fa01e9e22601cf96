"""Classes that are not possible for some clips of an adaptive training."""

import numpy as np
import pytest
import torch
from torch import nn

from emotone.models.deep.adaptive import Adaptive, AdaptiveClassifier, AdaptiveNet
from emotone.models.deep.clips import padded
from emotone.models.deep.training import Recipe
from support.toy_speakers import N_CLASSES, N_COLUMNS, classifier, network, toy


def made_net(made: Adaptive, *, label_smoothing=0.1, class_weights=(1.0, 2.0, 0.5)) -> AdaptiveNet:
    settings = {name: 0 for name in Recipe.__dataclass_fields__} | {"n_classes": 3, "device": "cpu"}
    recipe = Recipe(**settings | {"label_smoothing": label_smoothing, "precision": "float32"})
    net = AdaptiveNet(made, recipe=recipe, class_weights=torch.tensor(class_weights), criterion=nn.CrossEntropyLoss)
    net.initialize()
    net.step_rng = np.random.default_rng(0)
    return net


def test_the_loss_is_cross_entropy_among_the_possible_classes():
    logits = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.2, -0.3], [0.0, 1.0, 5.0]])
    possible = np.asarray([[True, True, False], [True, True, True], [False, True, True]])
    truth, weights, smoothing = [1, 0, 2], np.asarray([1.0, 2.0, 0.5]), 0.1
    expected = []
    for row, label in enumerate(truth):
        chosen = np.flatnonzero(possible[row])
        values = logits[row].double().numpy()[chosen]
        log_p = values - np.log(np.exp(values).sum())
        own = weights[label] * log_p[list(chosen).index(label)]
        expected.append(-(1 - smoothing) * own - smoothing * log_p.mean())
    net, targets = made_net(network()), nn.functional.one_hot(torch.tensor(truth), 3).float()
    found = net.weighted_loss(logits, targets, possible=torch.from_numpy(possible))
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-5)
    everything = torch.ones(3, 3, dtype=torch.bool)
    plain = float(net.weighted_loss(logits, targets))
    assert float(net.weighted_loss(logits, targets, possible=everything)) == pytest.approx(plain, rel=1e-6)
    assert plain != pytest.approx(float(found), rel=0.05)


@pytest.mark.parametrize("impossible", [0, 2])
def test_a_class_that_no_clip_of_a_batch_can_be_of_gets_no_gradient(impossible):
    made, rng = network().train(), np.random.default_rng(0)
    made.remember(2)
    given = padded([rng.standard_normal((length, 5)).astype(np.float32) for length in (9, 12, 10, 20)])
    possible = torch.ones(4, 3, dtype=torch.bool)
    possible[:, impossible] = False
    targets = nn.functional.one_hot(torch.tensor([1, 1, 2 - impossible, 1]), 3).float()
    loss, logits = made_net(made).losses(
        {**given, "speakers": torch.tensor([0, 1, 0, 1]), "possible": possible}, targets
    )
    loss.backward()
    assert logits.shape == (4, 3)
    for head in (made.head[2], made.adapted_head[2]):
        assert head.weight.grad[impossible].abs().max() == 0 == head.bias.grad[impossible]
        others = [label for label in range(3) if label != impossible]
        assert head.weight.grad[others].abs().amax(dim=1).min() > 1e-3


@pytest.mark.slow
def test_a_corpus_without_a_class_does_not_unlearn_it():
    """Half of the clips are of voices that have no class 3, and sound like it; told so, they do it no harm."""
    X, y, speakers = toy(160, speaker_spread=0.0)
    other = (speakers % 2 == 0) & (y == 3)
    labels = np.where(other, 0, y)
    possible = np.ones((160, N_CLASSES), dtype=bool)
    possible[speakers % 2 == 0, 3] = False
    fitted = [
        classifier(max_epochs=6, class_weight=None).fit(X, labels, extras={"speakers": speakers, **extras})
        for extras in ({}, {"possible": possible})
    ]
    rows = y == 3
    without, told = (model.predict_proba(X[rows])[:, 3].mean() for model in fitted)
    assert told > without + 0.05


def test_classes_are_balanced_among_clips_that_can_be_of_the_same_ones(monkeypatch):
    """Two corpora: class 3 is rare among all clips, and not rare in the small corpus that alone has it."""
    X, _, _ = toy(24)
    y = np.asarray([0] * 12 + [1] * 4 + [2] * 2 + [0, 1, 2, 3, 3, 3])
    possible = np.ones((24, N_CLASSES), dtype=bool)
    possible[:18, 3] = False
    seen = {}

    def train(network, clips, recipe, *, class_weights, **given):
        seen.update(weights=clips.extras["weight"], classes=class_weights.tolist())
        return network, [{"epoch": 1}], 1

    monkeypatch.setattr("emotone.models.deep.classifier.train", train)
    monkeypatch.setattr(AdaptiveClassifier, "_finish", lambda *given: None)
    classifier(class_weight="balanced").fit(X, y, extras={"possible": possible})
    first, second = {0: 12, 1: 4, 2: 2}, {0: 1, 1: 1, 2: 1, 3: 3}  # clips of each class in a corpus
    counts = np.array([first[label] for label in y[:18]] + [second[label] for label in y[18:]])
    expected = 1 / np.sqrt(counts)
    np.testing.assert_allclose(seen["weights"], expected / expected.mean(), rtol=1e-5)
    assert seen["classes"] == [1, 1, 1, 1]  # not weighed a second time


@pytest.mark.parametrize("share", [0.0, 2.0])
def test_a_clip_counts_as_much_in_the_loss_as_its_weight(share):
    generator = torch.Generator().manual_seed(1)
    given = {"frames": torch.randn(4, 9, N_COLUMNS, generator=generator), "lengths": torch.tensor([9, 9, 9, 9])}
    given["speakers"] = torch.tensor([0, 1, 0, 1])
    targets = nn.functional.one_hot(torch.tensor([1, 1, 2, 0]), 3).float()

    def loss(weights):
        torch.manual_seed(0)
        made = Adaptive(N_COLUMNS, 3, dropout=0.0)
        made.remember(2)
        net = made_net(made, label_smoothing=0.0)
        told = {} if weights is None else {"weight": torch.tensor(weights)}
        return float(net.losses({**given, **told}, targets)[0].detach())

    plain = loss(None)
    assert loss([1.0] * 4) == pytest.approx(plain, rel=1e-6)
    parts = [loss([1.0 if row == one else 0.0 for row in range(4)]) for one in range(4)]
    assert sum(parts) == pytest.approx(plain, rel=1e-5)
    assert loss([share, 1.0, 1.0, 1.0]) == pytest.approx(plain + (share - 1) * parts[0], rel=1e-5)


def test_columns_of_possible_are_labels_also_where_some_have_no_clip(monkeypatch):
    X, y, _ = toy(24)
    labels = np.asarray([1, 2, 5, 7])[y]
    possible = np.zeros((24, 9), dtype=int)
    possible[np.arange(24), labels] = 1
    possible[:, 5] = 1
    seen = []
    real = AdaptiveNet.weighted_loss

    def watched(self, logits, targets, *, possible=None):
        seen.append((targets.numpy(), possible.numpy()))
        return real(self, logits, targets, possible=possible)

    monkeypatch.setattr(AdaptiveNet, "weighted_loss", watched)
    classifier(max_epochs=1).fit(X, labels, extras={"possible": possible})
    assert len(seen) == 2 * 2  # heads, steps
    for targets, masks in seen:
        expected = targets.astype(bool)
        expected[:, 2] = True
        np.testing.assert_array_equal(masks, expected)
