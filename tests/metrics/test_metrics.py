"""The metrics against scikit-learn, audmetric and plain loops."""

import math

import audmetric
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emotone import metrics
from emotone.errors import ConfigError

LABELS = st.integers(2, 9).flatmap(
    lambda k: st.integers(1, 60).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.int64, n, elements=st.integers(0, k - 1)),
            hnp.arrays(np.int64, n, elements=st.integers(0, k - 1)),
        )
    )
)


def made(*, n=400, k=8, skill=1.5, seed=0):
    """Truth, probabilities and speakers of a model with some skill."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, k, n)
    logits = rng.standard_normal((n, k))
    logits[np.arange(n), truth] += skill
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return truth, scores, np.array([f"s{i:02d}" for i in rng.integers(0, 24, n)])


@settings(max_examples=80, deadline=None)
@given(LABELS)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
def test_agrees_with_sklearn_and_audmetric(both):
    truth, predicted = both
    assert metrics.accuracy(truth, predicted) == pytest.approx(sklearn.metrics.accuracy_score(truth, predicted))
    uar = metrics.unweighted_average_recall(truth, predicted)
    assert uar == pytest.approx(sklearn.metrics.balanced_accuracy_score(truth, predicted))
    present = sorted(set(truth.tolist()))
    recalls = sklearn.metrics.recall_score(truth, predicted, labels=present, average=None)
    assert uar == pytest.approx(recalls.mean())
    f1 = metrics.macro_f1(truth, predicted)
    assert f1 == pytest.approx(sklearn.metrics.f1_score(truth, predicted, average="macro", zero_division=0))
    assert f1 == pytest.approx(audmetric.unweighted_average_fscore(truth, predicted, zero_division=0))
    if set(predicted.tolist()) <= set(present):  # audmetric counts a class that is only predicted as recall 0
        assert uar == pytest.approx(audmetric.unweighted_average_recall(truth, predicted))
    k = int(max(truth.max(), predicted.max())) + 1
    matrix = sklearn.metrics.confusion_matrix(truth, predicted, labels=range(k))
    assert metrics.confusion(truth, predicted).tolist() == matrix.tolist()
    found = metrics.per_class(truth, predicted, n_classes=k)
    expected = sklearn.metrics.precision_recall_fscore_support(truth, predicted, labels=range(k), zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
        np.testing.assert_allclose(found[name], values)


def test_a_class_without_clips_is_not_counted_in_uar():
    assert metrics.unweighted_average_recall([0, 0, 1], [0, 2, 1]) == pytest.approx(0.75)  # class 2 is not a third term
    found = metrics.summary([0, 0, 1], np.eye(3)[[0, 2, 1]], emotions=["sad", "happy", "calm"], speakers=None)
    assert found["uar"] == pytest.approx(0.75)
    assert found["absent"] == ["calm"]
    assert found["per_class"]["support"] == {"sad": 2, "happy": 1, "calm": 0}


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: metrics.accuracy([0, 1], [0]), "truth has 2 clips and predicted 1"),
        (lambda: metrics.accuracy([], []), "at least one clip"),
        (lambda: metrics.accuracy([0.5], [0]), "float64"),
        (lambda: metrics.accuracy([-1], [0]), "from -1"),
        (lambda: metrics.confusion([0, 5], [0, 1], n_classes=3), "class number 5"),
        (lambda: metrics.expected_calibration_error([0, 1], [[0.5, 0.5], [np.nan, 0.5]]), "the first is clip 1"),
        (lambda: metrics.expected_calibration_error([0], [[3.0, -1.0]]), "softmax"),
        (lambda: metrics.expected_calibration_error([2], [[0.5, 0.5]]), "class number 2"),
        (lambda: metrics.fit_temperature([[0.5, 0.5]], [0, 1]), "one row of scores for each clip"),
        (lambda: metrics.apply_temperature([[0.5, 0.5]], 0.0), "above 0"),
        (lambda: metrics.bootstrap_interval([0], [0], metric="war"), "known: accuracy, uar, macro_f1"),
        (lambda: metrics.bootstrap_interval([0, 1], [0, 1], speakers=["a"]), "one name for each clip"),
        (lambda: metrics.bootstrap_interval([0, 1], [0, 1], level=95), "level is 95"),
        (lambda: metrics.summary([0], [[0.5, 0.5]], emotions=["sad"], speakers=None), "2 columns"),
        (lambda: metrics.paired_test([0, 1], [0, 1], second=[0]), "predicted 1"),
    ],
)
def test_what_does_not_fit_is_refused(call, told):
    with pytest.raises(ConfigError, match=told):
        call()


def test_calibration_error_against_a_loop():
    truth, scores, _ = made(seed=3)
    confidence, hit = scores.max(axis=1), scores.argmax(axis=1) == truth
    expected = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    assert expected > 0.05
    assert metrics.expected_calibration_error(truth, scores) == pytest.approx(expected)


@pytest.mark.parametrize("n_bins", [5, 10, 15])
def test_a_confidence_on_an_edge_is_in_the_bin_below(n_bins):
    for edge in range(math.ceil(n_bins / 2), n_bins + 1):
        p = edge / n_bins
        count = metrics.reliability([0], [[p, 1 - p]], n_bins=n_bins)["count"]
        assert count.argmax() == edge - 1
    # 0.55 * 100 is 55.00000000000001 in floats
    assert metrics.reliability([0], [[0.55, 0.45]], n_bins=100)["count"].argmax() == 54


@pytest.mark.parametrize("T", [0.3, 1.0, 2.5, 8.0])
def test_temperature_undoes_what_was_done(T):
    # Labels drawn from the probabilities themselves are calibrated, so sharpening by T is undone by about T.
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(5), size=20_000)
    truth = (rng.random((20_000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    distorted = metrics.apply_temperature(p, 1 / T)
    assert metrics.fit_temperature(distorted, truth) == pytest.approx(T, rel=0.03)


def test_temperature_is_the_minimum_of_the_loss():
    truth, scores, _ = made(skill=2.0, seed=5)

    def loss(T):
        return sklearn.metrics.log_loss(truth, metrics.apply_temperature(scores, T), labels=range(8))

    best = metrics.fit_temperature(scores, truth)
    assert loss(best) <= min(loss(T) for T in np.geomspace(0.05, 20, 400)) + 1e-9
    assert metrics.fit_temperature([[0.9, 0.1]], [0]) == pytest.approx(0.05, rel=1e-4)  # nothing wrong: surest allowed
    assert metrics.fit_temperature([[1.0, 0.0]], [1]) == pytest.approx(20, rel=1e-4)  # an exact zero is no infinity


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 20), st.integers(0, 1000))
def test_temperature_keeps_the_order(T, seed):
    scores = np.random.default_rng(seed).dirichlet(np.ones(6), size=10)
    warm = metrics.apply_temperature(scores, T)
    np.testing.assert_allclose(warm.sum(axis=1), 1)
    assert (warm.argmax(axis=1) == scores.argmax(axis=1)).all()


def test_bootstrap_over_speakers_against_a_plain_loop():
    truth, scores, speakers = made(seed=7, k=4)
    predicted = scores.argmax(axis=1)
    names, rng, values = np.unique(speakers), np.random.default_rng(11), []
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(speakers == name) for name in rng.choice(names, len(names))])
        values.append(sklearn.metrics.balanced_accuracy_score(truth[rows], predicted[rows]))
    found = metrics.bootstrap_interval(truth, predicted, speakers=speakers)
    assert found["unit"] == "speaker"
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=0.006)


def test_bootstrap_over_clips_against_the_normal_interval():
    rng = np.random.default_rng(2)
    hit = rng.random(2000) < 0.7
    found = metrics.bootstrap_intervals(np.zeros(2000, int), (~hit).astype(int))["accuracy"]
    error = 1.96 * math.sqrt(hit.mean() * (1 - hit.mean()) / 2000)
    assert found["unit"] == "clip"
    assert [found["low"], found["high"]] == pytest.approx([hit.mean() - error, hit.mean() + error], abs=0.003)


def test_speakers_who_differ_widen_the_interval():
    speakers = np.repeat([f"s{i}" for i in range(20)], 50)
    predicted = np.repeat([0, 1], 500)  # ten speakers all right, ten all wrong
    truth = np.zeros(1000, dtype=int)
    wide = metrics.bootstrap_intervals(truth, predicted, speakers=speakers)["accuracy"]
    narrow = metrics.bootstrap_intervals(truth, predicted)["accuracy"]
    assert wide["high"] - wide["low"] > 5 * (narrow["high"] - narrow["low"])


@pytest.mark.parametrize("speakers", [None, ["", "a", "b"], ["a", "a", "a"]])
def test_clips_are_drawn_where_speakers_are_unknown_or_one(speakers):
    assert metrics.bootstrap_interval([0, 1, 1], [0, 1, 0], speakers=speakers)["unit"] == "clip"


def test_a_resample_that_misses_a_class_counts_the_classes_it_has():
    # Each speaker has one class only: of four equally likely draws two hold one class, with UAR 1 or 0, and two both.
    found = metrics.bootstrap_interval([0, 1], [0, 0], speakers=["a", "b"], n_resamples=400)
    assert (found["low"], found["high"]) == (0.0, 1.0)


def test_the_same_seed_gives_the_same_interval():
    truth, scores, speakers = made()
    predicted = scores.argmax(axis=1)
    one = metrics.bootstrap_interval(truth, predicted, speakers=speakers, seed=3)
    assert one == metrics.bootstrap_interval(truth, predicted, speakers=speakers, seed=3)
    assert one != metrics.bootstrap_interval(truth, predicted, speakers=speakers, seed=4)


def test_paired_difference_is_that_of_the_two_uars_and_turns_with_the_models():
    truth, a, speakers = made(skill=2.0, seed=1)
    b = np.random.default_rng(9).integers(0, 8, truth.size)
    a = a.argmax(axis=1)
    forth = metrics.paired_test(truth, a, second=b, speakers=speakers)
    back = metrics.paired_test(truth, b, second=a, speakers=speakers)
    expected = metrics.unweighted_average_recall(truth, a) - metrics.unweighted_average_recall(truth, b)
    assert forth.difference == pytest.approx(expected)
    assert (back.difference, back.low, back.high) == pytest.approx((-expected, -forth.high, -forth.low))
    assert back.p_value == forth.p_value == 1 / 2001  # the least that 2000 permutations can say
    assert forth.low > 0.3
    assert forth.to_dict()["unit"] == "speaker"


def test_permutation_over_few_speakers_is_exact():
    # Six speakers, the first model better for each by the same: 2 of the 2^6 sign patterns are as extreme.
    truth, speakers = np.tile([0, 1], 6), np.repeat(list("abcdef"), 2)
    second = truth.copy()
    second[::2] = 1
    result = metrics.paired_test(truth, truth, second=second, speakers=speakers)
    assert result.p_value == 2 / 64
    assert (result.difference, result.low, result.high) == pytest.approx((0.5, 0.5, 0.5))


def test_permutation_against_swapping_the_predictions_themselves():
    truth, a, speakers = made(skill=1.2, seed=21)
    _, b, _ = made(skill=1.2, seed=22)
    rng = np.random.default_rng(5)
    a, b = a.argmax(axis=1), np.where(rng.random(truth.size) < 0.75, a.argmax(axis=1), b.argmax(axis=1))
    names, owner = np.unique(speakers, return_inverse=True)

    def difference(first, second):
        uar = sklearn.metrics.balanced_accuracy_score
        return uar(truth, first) - uar(truth, second)

    observed, extreme = abs(difference(a, b)), 0
    for _ in range(1000):
        swap = (rng.random(len(names)) < 0.5)[owner]
        extreme += abs(difference(np.where(swap, b, a), np.where(swap, a, b))) >= observed - 1e-12
    found = metrics.paired_test(truth, a, second=b, speakers=speakers)
    assert found.p_value == pytest.approx(extreme / 1000, abs=0.05)


def test_paired_interval_over_clips_against_the_normal_interval():
    rng = np.random.default_rng(4)
    truth, (a, b) = np.zeros(3000, int), (rng.random((2, 3000)) < [[0.3], [0.4]]).astype(int)
    gain = b - a  # both are right where they say 0
    error = 1.96 * gain.std() / math.sqrt(3000)
    found = metrics.paired_test(truth, a, second=b)
    assert found.unit == "clip"
    assert found.difference == pytest.approx(gain.mean())
    assert (found.low, found.high) == pytest.approx((gain.mean() - error, gain.mean() + error), abs=0.003)


def test_equal_models_differ_by_nothing():
    truth, scores, speakers = made()
    predicted = scores.argmax(axis=1)
    for names, unit in ((speakers, "speaker"), (None, "clip")):
        result = metrics.paired_test(truth, predicted, second=predicted, speakers=names)
        assert result == metrics.PairedResult(0.0, 0.0, 0.0, 1.0, 1.0, unit)


def test_false_alarms_are_as_rare_as_promised():
    rng, alarms = np.random.default_rng(0), 0
    speakers = np.repeat([f"s{i}" for i in range(20)], 8)
    for _ in range(200):
        truth = rng.integers(0, 4, 160)
        a, b = rng.integers(0, 4, (2, 160))
        alarms += metrics.paired_test(truth, a, second=b, speakers=speakers, n_resamples=199).p_value <= 0.05
    assert 2 <= alarms <= 20  # 10 expected; both bounds are three standard deviations away


def test_mcnemar_against_the_binomial_test():
    scipy_stats = pytest.importorskip("scipy.stats")
    for first, second in ((0, 0), (3, 3), (2, 9), (40, 17), (700, 600)):
        n = first + second
        expected = scipy_stats.binomtest(first, n).pvalue if n else 1.0
        assert metrics.mcnemar(first, second) == pytest.approx(expected)


def test_summary_holds_what_the_single_functions_say():
    truth, scores, speakers = made(k=3)
    emotions = ("happy", "sad", "angry")
    found = metrics.summary(truth, scores, emotions=emotions, speakers=speakers)
    predicted = scores.argmax(axis=1)
    assert found["accuracy"] == metrics.accuracy(truth, predicted)
    assert found["uar"] == metrics.unweighted_average_recall(truth, predicted)
    assert found["macro_f1"] == metrics.macro_f1(truth, predicted)
    assert found["ece"] == metrics.expected_calibration_error(truth, scores)
    assert found["interval"] == found["intervals"]["uar"]
    assert found["interval"] == metrics.bootstrap_interval(truth, predicted, speakers=speakers)
    for name, interval in found["intervals"].items():
        assert interval["low"] < found[name] < interval["high"]
    assert found["per_class"]["recall"]["sad"] == (predicted[truth == 1] == 1).mean()
    assert np.array(found["confusion"]).sum() == truth.size == found["n_clips"]
