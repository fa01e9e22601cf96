"""Knowing when not to know: risk-coverage curves by hand and by brute force, and what a run tells of its threshold."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import metrics
from emotone.errors import ConfigError
from emotone.experiment.analyses import rejection
from emotone.report.figures.risk_coverage import risk_picture

PROTOCOL = {"name": "speaker-6fold", "speaker_disjoint": True, "warning": ""}


def answers(confidences, right):
    """Truth and scores of two classes: each answer is class 0, with this confidence."""
    confidence = np.asarray(confidences, dtype=float)
    return (~np.asarray(right, dtype=bool)).astype(int), np.stack([confidence, 1 - confidence], axis=1)


def area(right):
    """Mean risk over all coverages of answers in this order, straight from the definition."""
    wrong = [not one for one in right]
    return sum(sum(wrong[:n]) / n for n in range(1, len(wrong) + 1)) / len(wrong)


def test_by_hand():
    """Surest first: right, wrong, right, wrong, right."""
    found = metrics.risk_coverage(*answers([0.6, 0.9, 0.7, 0.8, 0.55], [0, 1, 1, 0, 1]))
    np.testing.assert_allclose(found.confidence, [0.9, 0.8, 0.7, 0.6, 0.55])
    np.testing.assert_allclose(found.coverage, [0.2, 0.4, 0.6, 0.8, 1.0])
    np.testing.assert_allclose(found.risk, [0, 1 / 2, 1 / 3, 1 / 2, 2 / 5])
    assert found.aurc == pytest.approx((1 / 2 + 1 / 3 + 1 / 2 + 2 / 5) / 5)
    assert found.best_aurc == pytest.approx((1 / 4 + 2 / 5) / 5)
    assert found.e_aurc == pytest.approx(found.aurc - found.best_aurc)


def test_equal_confidences_enter_together():
    """One right answer first, then a right and two wrong ones that no threshold parts: 2/3 of an error each."""
    found = metrics.risk_coverage(*answers([0.7, 0.9, 0.7, 0.7], [0, 1, 1, 0]))
    np.testing.assert_allclose(found.coverage, [0.25, 1.0])
    np.testing.assert_allclose(found.risk, [0.0, 0.5])
    assert found.aurc == pytest.approx((0 + (2 / 3) / 2 + (4 / 3) / 3 + 2 / 4) / 4)


ANSWERS = st.lists(st.tuples(st.sampled_from([0.5, 0.6, 0.75, 0.9, 1.0]), st.booleans()), min_size=1, max_size=7)


@settings(max_examples=40, deadline=None)
@given(ANSWERS)
def test_the_area_is_the_mean_over_all_orders_of_equal_confidences(clips):
    orders = [order for order in itertools.permutations(clips) if list(order) == sorted(order, key=lambda c: -c[0])]
    expected = np.mean([area([right for _, right in order]) for order in orders])
    best = area(sorted((right for _, right in clips), reverse=True))
    found = metrics.risk_coverage(*answers(*zip(*clips, strict=True)))
    assert found.aurc == pytest.approx(expected)
    assert found.best_aurc == pytest.approx(best)
    assert found.e_aurc >= 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.5, 1.0), st.booleans()), min_size=1, max_size=60), st.randoms())
def test_invariants(clips, random):
    truth, scores = answers(*zip(*clips, strict=True))
    found = metrics.risk_coverage(truth, scores)
    assert found.coverage[-1] == 1
    assert found.risk[-1] == pytest.approx(1 - metrics.accuracy(truth, scores.argmax(axis=1)))
    assert (np.diff(found.coverage) > 0).all() and (np.diff(found.confidence) < 0).all()
    order = random.sample(range(truth.size), truth.size)
    other = metrics.risk_coverage(truth[order], scores[order])
    np.testing.assert_array_equal(other.risk, found.risk)
    assert (other.aurc, other.best_aurc) == (found.aurc, found.best_aurc)
    # any rule that keeps the order keeps the areas
    squeezed = 0.5 + scores[:, 0] / 4
    if np.unique(squeezed).size == found.confidence.size:
        assert metrics.risk_coverage(*answers(squeezed, truth == 0)).aurc == found.aurc


@pytest.mark.parametrize("confidences", [[0.95, 0.9, 0.85, 0.6, 0.55], [0.9, 0.9, 0.9, 0.6, 0.6]])
def test_a_perfect_order_has_no_excess(confidences):
    found = metrics.risk_coverage(*answers(confidences, [1, 1, 1, 0, 0]))
    assert found.e_aurc == pytest.approx(0, abs=1e-12)
    assert found.aurc == pytest.approx((1 / 4 + 2 / 5) / 5)


def test_without_errors_or_without_order_the_area_is_the_error_rate():
    assert metrics.risk_coverage(*answers([0.9, 0.6], [1, 1])).aurc == 0
    assert metrics.risk_coverage(*answers([0.9, 0.6], [0, 0])).aurc == 1
    useless = metrics.risk_coverage(*answers([0.8] * 10, [1] * 7 + [0] * 3))
    assert useless.aurc == pytest.approx(0.3) and useless.coverage.tolist() == [1.0]


def test_what_is_no_probability_is_refused():
    with pytest.raises(ConfigError, match="no probabilities"):
        metrics.risk_coverage([0], [[2.0, 1.0]])


# what a run tells


def table():
    """Five test answers as in `test_by_hand`, and the same, all right, as validation."""
    truth, scores = answers([0.6, 0.9, 0.7, 0.8, 0.55], [0, 1, 1, 0, 1])
    named = pd.DataFrame({"score_sad": scores[:, 0], "score_angry": scores[:, 1], "confidence": scores[:, 0]})
    tested = named.assign(predicted="sad", emotion=np.where(truth == 0, "sad", "angry"), subset="test")
    return pd.concat([tested.assign(emotion="sad", subset="validation"), tested], ignore_index=True)


def write(folder, threshold):
    training_set = SimpleNamespace(emotions=("sad", "angry"))
    return rejection.write(folder, table(), training_set=training_set, threshold=threshold, protocol=PROTOCOL)


def test_the_threshold_is_measured_on_the_test_answers(tmp_path):
    told = write(tmp_path, 0.7)
    assert told == {
        "threshold": 0.7,
        "coverage": 0.6,  # an answer at the threshold is given
        "accuracy_above": pytest.approx(2 / 3),
        "accuracy_below": 0.5,
        "aurc": pytest.approx(26 / 75),
        "best_aurc": pytest.approx(0.13),
        "e_aurc": pytest.approx(26 / 75 - 0.13),
    }
    curves = pd.read_csv(tmp_path / "risk_coverage.csv")
    assert list(curves) == ["subset", "confidence", "coverage", "risk"]
    assert curves["subset"].tolist() == ["validation"] * 5 + ["test"] * 5
    np.testing.assert_allclose(curves["risk"], [0] * 5 + [0, 1 / 2, 1 / 3, 1 / 2, 2 / 5])
    assert (tmp_path / "figures" / "risk_coverage.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(("threshold", "above", "below"), [(0.0, 0.6, None), (0.99, None, 0.6)])
def test_a_threshold_may_part_nothing(tmp_path, threshold, above, below):
    told = write(tmp_path, threshold)
    assert (told["accuracy_above"], told["accuracy_below"]) == (above, below)


def test_picture_has_both_curves_the_threshold_and_what_no_confidence_gives(tmp_path):
    told = write(tmp_path, 0.7)
    figure = risk_picture(pd.read_csv(tmp_path / "risk_coverage.csv"), unsure=told, protocol=PROTOCOL)
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(lines["test"].get_xydata().T, [[20, 40, 60, 80, 100], [100, 50, 200 / 3, 50, 60]])
    np.testing.assert_allclose(lines["validation"].get_ydata(), 100)
    np.testing.assert_allclose(lines["test, at the threshold: 66.7 % of 60 %"].get_xydata(), [[60, 200 / 3]])
    np.testing.assert_allclose(lines["test, confidence without information: 60.0 %"].get_ydata(), 60)
    best = lines["test, best possible order"].get_xydata()
    assert (best[best[:, 0] <= 60, 1] == 100).all() and best[-1].tolist() == pytest.approx([100, 60])
    headline = figure._suptitle.get_text()
    assert "40.0 % of predictions are unsure; 50.0 % of them are right, 66.7 % of the others" in headline
    assert "risk-coverage curve of the test: 0.347, which is 0.217 above the best order" in figure._supxlabel.get_text()
    low, high = axes.get_ylim()
    assert low < 50 and high > 100
