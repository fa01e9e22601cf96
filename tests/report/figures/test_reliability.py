"""The reliability diagram: bins and intervals equal a computation by hand."""

import math

import numpy as np
import pytest

from emotone.report.figures import reliability
from emotone.runs import folder as run_folder
from support import finished_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_voice):
    return finished_runs.make(tmp_path_factory, make_voice)


def test_reliability_bins_equal_a_hand_computation():
    confidence = [0.55, 0.58, 0.91, 0.95, 0.97]
    scores = np.array([[c, 1 - c] for c in confidence])
    truth = np.array([0, 1, 0, 0, 1])
    low, high, top = reliability.bins(truth, scores)  # (8, 9], (13, 14] and (14, 15] fifteenths
    assert (low["count"], low["accuracy"], low["confidence"]) == (2, 0.5, pytest.approx(0.565))
    z = 1.959964
    centre, half = (0.5 + z**2 / 4) / (1 + z**2 / 2), z * math.sqrt(0.25 / 2 + z**2 / 16) / (1 + z**2 / 2)
    assert (low["low"], low["high"]) == (pytest.approx(centre - half), pytest.approx(centre + half))
    assert [(row["count"], row["accuracy"]) for row in (high, top)] == [(1, 1.0), (2, 0.5)]


def test_the_reliability_picture_has_every_bin_with_its_interval(finished):
    run = run_folder.read(finished[0] / "disjoint")
    truth, scores = run.answers("test")
    figure = reliability.reliability_picture(truth, scores, before=None, protocol=run.metrics["protocol"])
    upper, lower = figure.axes
    rows = reliability.bins(truth, scores)
    drawn = upper.lines[-1]
    np.testing.assert_allclose(drawn.get_xdata(), [100 * row["confidence"] for row in rows])
    np.testing.assert_allclose(drawn.get_ydata(), [100 * row["accuracy"] for row in rows])
    spans = [sorted(line.get_ydata()) for line in upper.lines[1:-1]]
    np.testing.assert_allclose(spans, [[100 * row["low"], 100 * row["high"]] for row in rows])
    assert sum(patch.get_height() for patch in lower.patches) == truth.size
    assert f"differs from accuracy by {100 * run.metrics['test']['ece']:.1f} points" in figure._suptitle.get_text()
