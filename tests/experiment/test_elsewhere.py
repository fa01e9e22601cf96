"""Each corpus is left out in turn: what is trained on, what is kept, and what is known in each prediction."""

import json
from dataclasses import replace

import numpy as np
import pytest

from emotone import metrics
from emotone.errors import ConfigError, CorpusError
from emotone.experiment import elsewhere
from emotone.experiment.left_out import N_OF_ONE_EMOTION
from emotone.models.deep.adaptive import AdaptiveClassifier
from emotone.parallel import LocalPool
from emotone.recognition import card
from emotone.recognition.temperature import Temperature
from emotone.runs import layout
from support import three_corpora
from support.three_corpora import EMOTIONS, SETTINGS

pytestmark = pytest.mark.slow


def answers(config, training_set, **changes):
    arguments = {"settings": SETTINGS, "extractor_digest": "of frames", "pool": LocalPool(1)}
    arguments |= {"progress": lambda done, total, what: None}
    return elsewhere.answers(config, training_set, **arguments | changes)


@pytest.fixture(scope="module")
def three():
    return three_corpora.training_set()


@pytest.fixture(scope="module")
def finished(three, tmp_path_factory):
    """A configuration, the answers, and of each fit the rows of values that it was trained on."""
    fits, steps, real = [], [], AdaptiveClassifier.fit
    rows = {id(clip): row for row, clip in enumerate(three.values)}

    def fit(self, X, y, **given):
        fits.append([rows[id(clip)] for clip in X])
        return real(self, X, y, **given)

    chosen = three_corpora.config(tmp_path_factory.mktemp("runs"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(AdaptiveClassifier, "fit", fit)
        found = answers(chosen, three, progress=lambda *step: steps.append(step))
    return chosen, found, fits, steps


def refuse(*given, **settings):
    raise AssertionError("a model is fitted")


def same(first, second):
    assert first.corpus == second.corpus and set(first.adapted) == set(second.adapted)
    for name in ("labels", "speakers", "distance", "plain"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    for level, scores in first.adapted.items():
        np.testing.assert_array_equal(scores, second.adapted[level])


# what is trained on


def test_no_clip_of_the_left_out_corpus_is_trained_on_nor_a_copy_of_it(finished, three):
    _, found, fits, _ = finished
    assert [each.corpus for each in found] == ["a", "b", "c"]
    sources = three.own.table["corpus"].to_numpy(str)
    for left_out, rows in zip(found, fits, strict=True):
        trained = three.origin[rows]
        assert left_out.corpus not in sources[trained]
        np.testing.assert_array_equal(np.unique(trained), np.flatnonzero(sources != left_out.corpus))
        assert len(rows) == 2 * len(np.unique(trained))  # copies too


def test_recording_that_two_corpora_hold_is_not_trained_on_when_one_of_them_is_left_out(three, tmp_path, monkeypatch):
    sources = three.own.table["corpus"].to_numpy(str)
    twin, original = np.flatnonzero(sources == "b")[0], np.flatnonzero(sources == "a")[0]
    digests = list(three.digests)
    digests[twin] = digests[original]
    trained = {}

    def fit(rows, *given, **settings):
        trained[name] = rows
        raise InterruptedError

    monkeypatch.setattr(elsewhere.folds, "fit", fit)
    work = elsewhere._LeaveOut(three_corpora.config(tmp_path), replace(three, digests=tuple(digests)), SETTINGS, 1)
    for name in "abc":
        with pytest.raises(InterruptedError):
            work(name)
    assert twin not in trained["a"] and original not in trained["b"]
    assert {twin, original} <= set(trained["c"])
    assert len(trained["a"]) == np.sum(sources != "a") - 1


def test_every_clip_is_predicted_whose_emotion_the_others_have(finished, three):
    _, found, _, _ = finished
    table = three.own.table
    for left_out in found:
        own = table[(table["corpus"] == left_out.corpus) & (table["emotion"] != "calm")]
        assert list(np.take(EMOTIONS, left_out.labels)) == list(own["emotion"])
        assert list(left_out.speakers) == list(own["speaker"])
        n = len(own)
        assert (left_out.plain.shape, left_out.distance.shape) == ((n, 4), (n,))
        np.testing.assert_allclose(left_out.plain.sum(axis=1), 1)
        assert left_out.plain[:, 0].max() == 0 or left_out.corpus != "a"  # calm is unknown without corpus a
        assert {level: scores.shape for level, scores in left_out.adapted.items()} == {
            "5": (5, n, 4),
            "all": (1, n, 4),
            elsewhere.ONE_EMOTION: (3, n, 4),
        }
    assert found[1].plain[:, 0].min() > 0


def test_distance_is_from_the_clips_of_the_others(finished):
    _, found, _, _ = finished
    for left_out in found:
        assert np.isfinite(left_out.distance).all() and left_out.distance.mean() > 1  # other voices are further away


def test_progress_names_the_corpora(finished):
    _, _, _, steps = finished
    assert [done / total for done, total, _ in steps] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert [what for _, _, what in steps[1:]] == [f"{name} left out" for name in "abc"]


# what is kept


def test_finished_corpora_are_read_again(finished, three, monkeypatch):
    chosen, found, _, _ = finished
    monkeypatch.setattr(elsewhere.folds, "fit", refuse)
    for first, second in zip(found, answers(chosen, three), strict=True):
        same(first, second)


@pytest.mark.parametrize(
    ("change", "arguments"),
    [
        (None, {"settings": SETTINGS | {"classifier__max_epochs": 3}}),
        (None, {"extractor_digest": "another"}),
        (("speaker", "a-1"), {}),
        (("emotion", "sad"), {}),
    ],
)
def test_answers_to_other_data_or_of_other_settings_are_not_used(finished, monkeypatch, change, arguments):
    chosen, _, _, _ = finished
    monkeypatch.setattr(elsewhere.folds, "fit", refuse)
    with pytest.raises(AssertionError, match="a model is fitted"):
        answers(chosen, three_corpora.training_set(change=change), **arguments)


@pytest.mark.parametrize(
    "damage", [lambda content: content[:200], lambda content: b"", lambda content: content[:-40] + bytes(40)]
)
def test_damaged_store_is_computed_again(finished, three, monkeypatch, damage):
    chosen, found, _, _ = finished
    (path,) = (chosen.out / layout.WORK).glob("elsewhere-b-*.npz")
    whole, fits, real = path.read_bytes(), [], elsewhere.folds.fit

    def fit(rows, *given, **settings):
        fits.append(set(three.own.table["corpus"].iloc[rows]))
        return real(rows, *given, **settings)

    monkeypatch.setattr(elsewhere.folds, "fit", fit)
    path.write_bytes(damage(whole))
    again = answers(chosen, three)
    assert fits == [{"a", "c"}]
    same(again[1], found[1])
    monkeypatch.setattr(elsewhere.folds, "fit", refuse)
    same(answers(chosen, three)[1], found[1])  # and it was kept


def test_store_that_lacks_a_level_is_computed_again(finished, tmp_path):
    _, (first, *_), _, _ = finished
    first.save(tmp_path / "whole.npz")
    same(elsewhere.LeftOut.load("a", tmp_path / "whole.npz"), first)
    with np.load(tmp_path / "whole.npz") as content:
        arrays = dict(content.items())
    del arrays["adapted-all"]
    np.savez(tmp_path / "part.npz", **arrays)
    assert elsewhere.LeftOut.load("a", tmp_path / "part.npz") is None
    assert elsewhere.LeftOut.load("a", tmp_path / "nothing.npz") is None


# what is known


def test_clips_of_one_emotion_that_are_known_are_not_predicted(finished):
    _, found, _, _ = finished
    for left_out in found:
        for label, draw in zip(np.unique(left_out.labels), left_out.adapted[elsewhere.ONE_EMOTION], strict=True):
            known = np.isnan(draw).any(axis=1)
            assert known.any() and (left_out.labels[known] == label).all()
            np.testing.assert_allclose(draw[~known].sum(axis=1), 1)
            for speaker in np.unique(left_out.speakers):
                own = left_out.speakers == speaker
                n = int((own & (left_out.labels == label)).sum())
                expected = min(N_OF_ONE_EMOTION, max(1, n // 2)) if speaker else 0
                assert (known & own).sum() == expected
            moved = np.abs(draw - left_out.plain).max(axis=1)
            assert (moved[~known & (left_out.speakers != "")] > 0).all()
            np.testing.assert_array_equal(draw[left_out.speakers == ""], left_out.plain[left_out.speakers == ""])


def test_summary_can_be_a_part_of_a_card(finished):
    _, found, _, _ = finished
    temperature = elsewhere.fitted_temperature(found)
    threshold = elsewhere.fitted_threshold(found, temperature)
    told = json.loads(json.dumps(elsewhere.summary(found, temperature, threshold)))
    assert card.check_elsewhere(told, where="here") == told
    assert [row["name"] for row in told["corpora"]] == ["a", "b", "c"]
    assert [row["speakers"] for row in told["corpora"]] == [3, 2, 2]
    assert [row["emotions"] for row in told["corpora"]] == [3, 3, 3]
    for row, left_out in zip(told["corpora"], found, strict=True):
        assert row["clips"] == len(left_out.labels)
        assert row["uar"] == pytest.approx(left_out.uar()) and row["adapted"]["all"] == left_out.uar("all")
    for key in ("uar", "accuracy", "ece", "adapted_ece", "one_emotion"):
        assert told[key] == pytest.approx(np.mean([row[key] for row in told["corpora"]]))
    assert told["unsure"]["coverage"] == pytest.approx(0.9, abs=0.1)


def test_without_a_second_corpus_there_is_nothing_to_leave_out(tmp_path):
    alone = three_corpora.training_set(names="aaaaaaaa")
    with pytest.raises(CorpusError, match="three is the only corpus; expected several, to leave each out in turn"):
        answers(three_corpora.config(tmp_path), alone)


def test_corpus_that_shares_no_emotion_is_named(tmp_path):
    apart = three_corpora.training_set(only={"a": ("angry", "happy"), "b": ("angry", "happy"), "c": ("sad",)})
    with pytest.raises(CorpusError, match="c has no emotion of the other corpora"):
        answers(three_corpora.config(tmp_path), apart)


@pytest.mark.parametrize("changes", [{"model": "svm"}, {"model": "cnn1d"}, {"corpora": ("a",)}])
def test_setting_needs_an_adaptive_model_and_several_corpora(tmp_path, changes):
    with pytest.raises(ConfigError, match="expected an adaptive model and several corpora, each of which is left out"):
        three_corpora.config(tmp_path, **changes)


# temperature and threshold


def overconfident(sharpness, *, n=4000, seed=0, distance=None, corpus="x"):
    """Answers of a model that is too sure of itself: true probabilities to a power, which may depend on the clip."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3), size=n)
    labels = np.array([rng.choice(3, p=row) for row in p])
    scores = p ** np.broadcast_to(sharpness, (n,))[:, None]
    scores /= scores.sum(axis=1, keepdims=True)
    levels = {name: np.array([scores]) for name in (*elsewhere.LEVELS, elsewhere.ONE_EMOTION)}
    distance = np.ones(n) if distance is None else distance
    return elsewhere.LeftOut(corpus, labels, np.full(n, "s"), distance, scores, levels)


def test_temperature_is_larger_the_more_overconfident_the_answers():
    found = [elsewhere.fitted_temperature([overconfident(sharpness)]) for sharpness in (1.0, 2.0, 3.0)]
    assert [each.plain for each in found] == pytest.approx([1, 2, 3], rel=0.1)
    assert [each.adapted for each in found] == pytest.approx([1, 2, 3], rel=0.1)


def test_temperature_rises_with_distance_if_distant_answers_are_worse():
    distance = np.linspace(0.5, 3, 6000)
    rising = overconfident(1 + 0.8 * np.maximum(0, distance - 1), n=6000, distance=distance)
    flat = overconfident(1.5, n=6000, distance=distance)
    # levels after adaptation don't depend on the distance
    for each in (rising, flat):
        each.adapted.update({level: overconfident(1.0, n=6000).adapted[level] for level in each.adapted})
    found, other = (elsewhere.fitted_temperature([each]) for each in (rising, flat))
    assert found.per_distance > 0.4 and found.plain == pytest.approx(1, abs=0.25)
    assert other.per_distance < 0.2


def test_every_corpus_counts_the_same_for_the_temperature():
    small, large = overconfident(3.0, n=500, corpus="small"), overconfident(1.0, n=8000, seed=1, corpus="large")
    assert elsewhere.fitted_temperature([small, large]).plain > 1.3


def test_threshold_leaves_a_tenth_below_each_corpus_counting_the_same():
    constant = Temperature()
    rng = np.random.default_rng(0)
    found = []
    for n in (100, 4000):
        confidence = rng.uniform(0.5, 1, size=n) if n == 4000 else np.full(n, 0.45)
        scores = np.stack([confidence, 1 - confidence, np.zeros(n)], axis=1)
        found.append(elsewhere.LeftOut("x", np.zeros(n, int), np.full(n, "s"), np.ones(n), scores, {}))
    assert elsewhere.fitted_threshold(found[1:], constant) == pytest.approx(0.55, abs=0.01)
    # the small corpus has half of the weight, and a tenth of all answers is below what it has
    assert elsewhere.fitted_threshold(found, constant) == pytest.approx(0.55, abs=0.005)
    threshold = elsewhere.fitted_threshold(found[1:], constant)
    assert threshold == np.floor(1000 * threshold + 1e-6) / 1000


@pytest.mark.parametrize("n_corpora", [2, 3])
def test_no_corpus_is_scored_with_a_temperature_that_was_fitted_on_it(n_corpora):
    found = [overconfident(1.0 + number, n=800, seed=number, corpus="xyz"[number]) for number in range(n_corpora)]
    temperature = elsewhere.fitted_temperature(found)
    rows = elsewhere.summary(found, temperature, 0.4)["corpora"]
    for row, left_out in zip(rows, found, strict=True):
        own = elsewhere.fitted_temperature([other for other in found if other is not left_out])
        expected = metrics.expected_calibration_error(left_out.labels, left_out.calibrated(own))
        assert row["ece"] == pytest.approx(expected)
    same = elsewhere.summary(found, temperature, 0.4, cross_fitted=False)["corpora"]
    expected = metrics.expected_calibration_error(found[0].labels, found[0].calibrated(temperature))
    assert same[0]["ece"] == pytest.approx(expected) and same[0]["ece"] != pytest.approx(rows[0]["ece"], rel=0.01)


def test_answer_that_the_corpus_does_not_have_is_wrong_for_those_who_trust_it():
    """The corpus has the second and third emotion, and every answer is the first."""
    scores = np.tile([0.9, 0.07, 0.03], (40, 1))
    levels = {name: scores[None] for name in (*elsewhere.LEVELS, elsewhere.ONE_EMOTION)}
    left_out = elsewhere.LeftOut("x", np.repeat([1, 2], 20), np.full(40, "s"), np.ones(40), scores, levels)
    found = elsewhere.summary([left_out], Temperature(), 0.4, cross_fitted=False)
    assert found["confident"] == {"from": 0.8, "share": 1.0, "right": 0.0}
    assert found["unsure"] == {"coverage": 1.0, "accuracy_above": 0.0, "accuracy_below": None}
    assert found["accuracy"] == 0.5  # among the emotions that it has, all answers are the second


def test_threshold_of_a_corpus_is_fitted_on_the_others():
    found = [overconfident(sharpness, n=600, seed=seed, corpus=f"{seed}") for seed, sharpness in enumerate((0.5, 3.0))]
    coverage = []
    for own, other in (found, found[::-1]):
        temperature = elsewhere.fitted_temperature([other])
        limit = elsewhere.fitted_threshold([other], temperature)
        coverage.append(np.mean(own.calibrated(temperature).max(axis=1) >= limit))
    summary = elsewhere.summary(found, elsewhere.fitted_temperature(found), 0.99)
    assert summary["unsure"]["coverage"] == pytest.approx(np.mean(coverage))
    assert 0.5 < np.mean(coverage) < 1


def test_scores_are_over_the_emotions_that_the_corpus_has():
    scores = np.array([[0.6, 0.3, 0.1], [0.5, 0.1, 0.4], [0.2, 0.2, 0.6]])
    left_out = elsewhere.LeftOut("x", np.array([1, 2, 1]), np.full(3, "s"), np.ones(3), scores, {})
    np.testing.assert_allclose(left_out.shared(scores), [[0.75, 0.25], [0.2, 0.8], [0.25, 0.75]])
    assert left_out.truth.tolist() == [0, 1, 0]
    assert left_out.uar() == pytest.approx((1 / 2 + 1) / 2)


def test_calibration_after_adaptation_has_a_temperature_between_both():
    scores = np.array([[0.6, 0.3, 0.1]])
    levels = {name: scores[None] for name in (*elsewhere.LEVELS, elsewhere.ONE_EMOTION)}
    left_out = elsewhere.LeftOut("x", np.array([0]), np.array(["s"]), np.array([2.0]), scores, levels)
    temperature = Temperature(2.0, 0.5, 0.5)
    for level, divisor in (("", 3.0), ("5", 3 ** (2 / 7) * 0.5 ** (5 / 7)), ("all", 0.5)):
        powers = scores ** (1 / divisor)
        found = left_out.calibrated(temperature, level)
        np.testing.assert_allclose(found.reshape(1, 3), powers / powers.sum())
