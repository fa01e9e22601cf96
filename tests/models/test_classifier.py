"""The classifier of networks: settings, fitting, probabilities, members."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from emotone.errors import ConfigError, CorpusError
from emotone.features.encoders.names import SEQUENCES
from emotone.models import registry
from emotone.models.deep import networks
from emotone.models.deep.classifier import NeuralClassifier
from emotone.models.deep.training import Recipe
from support.toy_frames import DEEP, built, classifier, toy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair() -> NeuralClassifier:
    """Two members, labels with gaps."""
    return classifier(n_members=2).fit(*toy(labels=(2, 5, 7)))


# settings


def test_constructor_keeps_what_it_is_given_and_clone_copies_it():
    model = classifier(networks.ResNet, n_members=3, dropout=0.1, class_weight=None)
    copied = clone(model)
    assert copied is not model
    assert copied.get_params() == model.get_params()
    assert model.get_params()["network"] is networks.ResNet
    assert (model.dropout, model.n_members, model.max_epochs) == (0.1, 3, 2)
    assert NeuralClassifier().set_params(**model.get_params()).get_params() == model.get_params()
    with pytest.raises(ValueError, match="learning_rat"):
        model.set_params(learning_rat=0.1)


def test_clone_of_a_fitted_one_is_not_fitted(pair):
    with pytest.raises(NotFittedError):
        clone(pair).predict_proba(toy(4)[0])


def test_every_setting_reaches_the_training_or_the_network(monkeypatch):
    """Each by a value that is no default; what is not passed on here is used by `fit` itself."""
    heard = {}

    def train(network, clips, recipe, **given):
        heard.update(recipe=recipe, network=network, **given)
        return network, [{"epoch": 1}], 1

    monkeypatch.setattr("emotone.models.deep.classifier.train", train)
    settings = {
        "max_epochs": 9,
        "patience": 8,
        "batch_size": 7,
        "learning_rate": 0.6,
        "weight_decay": 0.5,
        "label_smoothing": 0.4,
        "mixup": 0.31,
        "n_time_masks": 5,
        "max_time_share": 0.22,
        "n_frequency_masks": 6,
        "max_bands": 11,
        "window": 33,
        "stride": 4,
        "training_stride": 2,
        "averaging": 0.44,
    }
    NeuralClassifier(networks.Cnn1d, dropout=0.77, precision="float32", device="cpu", seed=3, **settings).fit(
        *toy(), epoch_size=21
    )
    recipe = heard["recipe"]
    assert {name: getattr(recipe, name) for name in settings} == settings
    assert (recipe.n_classes, recipe.precision, recipe.device, recipe.epoch_size) == (3, "float32", "cpu", 21)
    assert heard["network"].head[3].p == 0.77
    assert set(settings) | {"n_classes", "precision", "device", "epoch_size", "seed"} == set(
        Recipe.__dataclass_fields__
    )


@pytest.mark.parametrize(("class_weight", "expected"), [("balanced", [12 / 18, 12 / 12, 12 / 6]), (None, [1, 1, 1])])
def test_class_weights_are_those_of_scikit_learn(monkeypatch, class_weight, expected):
    heard = {}

    def train(network, clips, recipe, *, class_weights, **given):
        heard["weights"] = class_weights
        return network, [{"epoch": 1}], 1

    monkeypatch.setattr("emotone.models.deep.classifier.train", train)
    y = np.repeat([2, 5, 7], [6, 4, 2])
    classifier(class_weight=class_weight).fit(toy(12)[0], y)
    np.testing.assert_allclose(heard["weights"].numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("name", DEEP)
def test_registry_builds_the_network_with_settings_that_the_search_may_change(name):
    spec = registry.get(name)
    assert spec.family == "deep" and spec.extractor in SEQUENCES
    pipeline = spec.build(seed=5, n_jobs=2, class_weight=False)
    assert [step for step, _ in pipeline.steps] == ["classifier"]
    model = pipeline[-1]
    assert (model.network, model.seed, model.n_jobs, model.class_weight) == (DEEP[name], 5, 2, None)
    assert spec.build(seed=5, class_weight=True)[-1].class_weight == "balanced"
    for setting, values in spec.grid.items():
        for value in values:
            assert pipeline.set_params(**{setting: value}).get_params()[setting] == value
    masked = {"log-mel": 2, "mfcc-frames": 0}  # neighbouring MFCCs are no band
    own = {"cnn2d": 1}  # it learns slowly
    assert model.n_frequency_masks == own.get(name, masked[spec.extractor])


def test_the_deep_names_are_all_of_that_family():
    """With the one that adapts to speakers, which has tests of its own."""
    assert {name for name, spec in registry.MODELS.items() if spec.family == "deep"} == {*DEEP, "adaptive"}


# fitting


def test_frames_are_standardised_by_the_training_clips_alone():
    X, y = toy()
    model = classifier(max_epochs=1).fit(X, y, held_out=(toy(6, seed=1)[0] * 100, np.zeros(6, int)))
    every = np.concatenate(list(X)).astype(np.float64)
    np.testing.assert_allclose(model.mean_, every.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(model.scale_, every.std(axis=0), rtol=1e-5)


def test_clips_are_kept_as_they_came_and_batches_standardised(monkeypatch):
    """A corpus of frames takes the memory once."""
    heard = {}

    def train(network, clips, recipe, *, held_out, **given):
        heard.update(clips=clips, held_out=held_out)
        return network, [{"epoch": 1}], 1

    monkeypatch.setattr("emotone.models.deep.classifier.train", train)
    (X, y), (others, truth) = toy(), toy(6, seed=1)
    extras = {"place": np.arange(48)}
    model = classifier().fit(X, y, held_out=(others, truth), extras=extras)
    assert all(kept is clip for kept, clip in zip(heard["clips"].frames, X, strict=True))
    assert all(kept is clip for kept, clip in zip(heard["held_out"].frames, others, strict=True))
    for clips in heard.values():
        np.testing.assert_array_equal(clips.mean, model.mean_)
        np.testing.assert_array_equal(clips.scale, model.scale_)
    assert heard["clips"].extras["place"].tolist() == list(range(48)) and heard["held_out"].extras == {}


def test_half_precision_frames_are_taken():
    """They give what the same numbers in single precision do."""
    X, y = toy()
    halves, singles = np.empty(48, dtype=object), np.empty(48, dtype=object)
    for row, clip in enumerate(X):
        halves[row] = clip.astype(np.float16)
        singles[row] = halves[row].astype(np.float32)
    model, exact = classifier().fit(halves, y), classifier().fit(singles, y)
    assert model.mean_.dtype == model.scale_.dtype == np.float32
    np.testing.assert_array_equal(model.predict_proba(halves), exact.predict_proba(singles))


def test_probabilities_are_the_mean_over_members_each_trained_with_a_seed_of_its_own(pair):
    X, _ = toy(10, seed=1)
    each = []
    for member in pair.members_:
        with torch.inference_mode():
            logits = [member(torch.from_numpy((clip - pair.mean_) / pair.scale_)[None])[0] for clip in X]
        each.append(torch.softmax(torch.stack(logits), dim=1).numpy())
    np.testing.assert_allclose(pair.predict_proba(X), np.mean(each, axis=0), atol=1e-6)
    assert np.abs(each[0] - each[1]).max() > 1e-3
    alone = classifier(n_members=1).fit(*toy(labels=(2, 5, 7)))
    np.testing.assert_allclose(alone.predict_proba(X), each[0], atol=1e-6)  # further members change no earlier one


def test_probabilities_follow_the_classes(pair):
    X, y = toy(30, seed=1, labels=(2, 5, 7))
    scores = pair.predict_proba(X)
    np.testing.assert_array_equal(pair.classes_, [2, 5, 7])
    assert scores.shape == (30, 3)
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-6)
    assert scores.min() >= 0
    np.testing.assert_array_equal(pair.predict(X), pair.classes_[scores.argmax(axis=1)])


def test_it_learns_and_labels_with_gaps_are_the_right_ones():
    model = classifier(max_epochs=8, averaging=0.7).fit(*toy(60, labels=(2, 5, 7)))
    X, y = toy(60, seed=1, labels=(2, 5, 7))
    assert np.mean(model.predict(X) == y) > 0.9
    assert model.score(X, y) == np.mean(model.predict(X) == y)


def test_an_answer_does_not_hang_on_what_else_is_asked(pair):
    X, _ = toy(70, seed=2)  # more than are predicted at once
    scores = pair.predict_proba(X)
    for row in (0, 33, 69):
        np.testing.assert_allclose(pair.predict_proba(X[row : row + 1])[0], scores[row], atol=1e-6)
    np.testing.assert_allclose(pair.predict_proba(X[::-1]), scores[::-1], atol=1e-6)
    np.testing.assert_allclose(pair.predict_proba(list(X[:3])), scores[:3], atol=1e-6)


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    X, y = toy()
    fresh = toy(10, seed=1)[0]
    torch.manual_seed(99)
    first = classifier(seed=3).fit(X, y).predict_proba(fresh)
    torch.manual_seed(7)
    again = classifier(seed=3).fit(X, y).predict_proba(fresh)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - classifier(seed=4).fit(X, y).predict_proba(fresh)).max() > 1e-3


def test_fitting_changes_neither_the_clips_nor_what_the_caller_draws_nor_the_threads():
    X, y = toy()
    before = [clip.copy() for clip in X]
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    threads = torch.get_num_threads()
    classifier(n_jobs=threads + 1).fit(X, y).predict_proba(X)
    assert torch.get_num_threads() == threads
    torch.testing.assert_close(torch.rand(2), expected, atol=0, rtol=0)
    for clip, old in zip(X, before, strict=True):
        np.testing.assert_array_equal(clip, old)


def test_each_member_and_each_seed_begins_with_weights_of_its_own_and_draws_its_own_batches(monkeypatch):
    begun = []

    def train(network, clips, recipe, **given):
        begun.append((recipe.seed, next(network.parameters()).detach().numpy().tobytes()))
        return network, [{"epoch": 1}], 1

    monkeypatch.setattr("emotone.models.deep.classifier.train", train)
    for seed in (0, 1, 2):
        classifier(n_members=3, seed=seed).fit(*toy())
    for draws in zip(*begun, strict=True):
        assert len(set(draws)) == 9


def test_history_has_a_row_an_epoch_and_member_and_marks_the_kept_one():
    model = classifier(n_members=2, max_epochs=3).fit(*toy(), held_out=toy(12, seed=1))
    assert [(row["member"], row["epoch"]) for row in model.history_] == [(m, e) for m in (1, 2) for e in (1, 2, 3)]
    for member in (1, 2):
        rows = [row for row in model.history_ if row["member"] == member]
        best = 1 + int(np.argmin([row["valid_loss"] for row in rows]))
        assert [row["epoch"] for row in rows if row["best"]] == [best] == [model.n_epochs_[member - 1]]
    assert set(model.history_[0]) == {
        *("member", "epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "valid_uar"),
        *("learning_rate", "seconds", "best"),
    }


def without_seconds(model):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in model.history_]


def test_held_out_clips_of_an_unknown_class_are_passed_over():
    X, y = toy(labels=(2, 5, 7))
    held_out, truth = toy(12, seed=1, labels=(2, 5, 7))
    known = np.arange(12) % 4 != 3
    others = np.where(known, truth, 6)
    expected = classifier().fit(X, y, held_out=(held_out[known], truth[known]))
    found = classifier().fit(X, y, held_out=(held_out, others))
    assert without_seconds(found) == without_seconds(expected)
    nobody = classifier().fit(X, y, held_out=(held_out, np.full(12, 6)))
    assert [row["valid_loss"] for row in nobody.history_] == [None, None]
    assert nobody.n_epochs_ == [2]


def test_an_epoch_shows_as_many_clips_as_it_is_told():
    X, y = toy(48)
    model = classifier(max_epochs=4, batch_size=8, learning_rate=0.1).fit(X, y, epoch_size=16)  # 2 steps an epoch
    rates = [row["learning_rate"] for row in model.history_]
    recipe = model._recipe(1, 16)
    assert rates == pytest.approx([recipe.learning_rate_at(step, n_steps=8) for step in (1, 3, 5, 7)])
    assert {round(row["train_accuracy"] * 16, 6) % 1 for row in model.history_} == {0.0}


def test_a_fit_that_is_interrupted_in_its_second_network_is_taken_up(tmp_path):
    X, y = toy()
    told, whole = [], []

    def interrupted(done, total, what):
        told.append((done, total, what.split(",")[0]))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classifier(n_members=2).fit(X, y, checkpoint=tmp_path / "fold", progress=interrupted)
    first, second = "network 1 of 2", "network 2 of 2"
    assert told == [(1, 4, first), (2, 4, first), (3, 4, second), (4, 4, second)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fold-1.pt", "fold-2.pt"]
    again = classifier(n_members=2).fit(
        X, y, checkpoint=tmp_path / "fold", progress=lambda done, total, what: whole.append(done)
    )
    assert whole == [4]
    other = classifier(n_members=2).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), other.predict_proba(X))
    assert without_seconds(again) == without_seconds(other)


@pytest.mark.parametrize("name", DEEP)
def test_mixed_precision_trains_every_network_and_predicts_in_single(name):
    X, y = toy(20)
    try:
        model = built(name, precision="bfloat16", max_epochs=1).fit(X, y)
    except RuntimeError as error:  # "auto" would not choose bfloat16 on such a processor
        if "could not create a primitive" not in str(error):
            raise
        pytest.skip(f"this processor has no bfloat16 operator for {name}")
    scores = model.predict_proba(X)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-5)
    assert {values.dtype for values in model[-1].members_[0].parameters()} == {torch.float32}
    exact = built(name, max_epochs=1).fit(X, y)
    losses = [one[-1].history_[0]["train_loss"] for one in (model, exact)]
    assert losses[0] == pytest.approx(losses[1], rel=0.03)  # the same training, with eight bits
    assert losses[0] != losses[1]


def test_bad_input_is_refused():
    X, y = toy(12)
    with pytest.raises(CorpusError, match="12 clips of 1 emotion"):
        classifier().fit(X, np.zeros(12, int))
    with pytest.raises(CorpusError, match="3 clips of 3 emotion"):
        classifier().fit(X[:3], y[:3])
    with pytest.raises(ConfigError, match="n_members is 0"):
        classifier(n_members=0).fit(X, y)
    with pytest.raises(ConfigError, match="max_epochs 0"):
        classifier(max_epochs=0).fit(X, y)
    with pytest.raises(NotFittedError):
        classifier().predict_proba(X)
