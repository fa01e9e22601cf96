"""Reading a finished run."""

import json

import numpy as np
import pandas as pd
import pytest

from emotone import metrics
from emotone.runs import folder as run_folder
from support import finished_runs
from support import toy_experiment as toy


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_voice):
    return finished_runs.make(tmp_path_factory, make_voice)


def test_calibration_is_undone_by_the_kept_temperature(finished):
    run = run_folder.read(finished[0] / "disjoint")
    truth, scores = run.answers("test")
    assert metrics.expected_calibration_error(truth, scores) == pytest.approx(run.metrics["test"]["ece"])
    before = run.uncalibrated("test")
    tested = run.predictions[run.predictions["subset"] == "test"]
    for fold in run.metrics["folds"]:
        rows = (tested["fold"] == fold["fold"]).to_numpy()
        again = metrics.apply_temperature(np.maximum(before[rows], 1e-300), fold["temperature"])
        np.testing.assert_allclose(again, scores[rows], atol=1e-6)
    assert not np.allclose(before, scores)


def test_importance_is_of_the_test_clips_of_every_fold(finished):
    table = pd.read_csv(finished[0] / "disjoint" / "importance.csv")
    told = json.loads((finished[0] / "disjoint" / "metrics.json").read_text())
    assert table["group"].tolist() == [toy.Bands().columns[0].group] * 6
    assert table["fold"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["uar"].tolist() == pytest.approx([fold["uar"] for fold in told["folds"]])
