"""Results of folds: stored and read again, and calibrated."""

import numpy as np

from emotone.experiment import folds
from emotone.experiment.analyses.adaptation import LEVELS
from emotone.experiment.fold_result import FoldResult


def result(settings, uar_means, *, classes=(0, 1), temperature=1.0):
    search = [{"C": c, "uar_mean": uar} for c, uar in uar_means.items()]
    empty = np.zeros(0, dtype=np.int64)
    return FoldResult(
        empty, np.zeros((0, 3)), empty, np.zeros((0, 3)), np.asarray(classes), temperature, settings, search
    )


def test_a_fold_result_survives_the_disk_and_a_damaged_one_is_nothing(tmp_path):
    kept = result({"C": (3, 3)}, {(3, 3): 0.9}, temperature=1.5)
    kept.save(tmp_path / "fold.npz")
    found = FoldResult.load(tmp_path / "fold.npz")
    assert (found.settings, found.temperature, found.classes.tolist()) == ({"C": (3, 3)}, 1.5, [0, 1])
    assert folds.best_settings([found]) == {"C": (3, 3)}
    (tmp_path / "fold.npz").write_bytes((tmp_path / "fold.npz").read_bytes()[:100])
    assert FoldResult.load(tmp_path / "fold.npz") is None
    assert FoldResult.load(tmp_path / "none.npz") is None


def test_calibration_gives_nothing_to_an_emotion_that_a_fold_never_met():
    fold = result({}, {}, classes=(0, 2), temperature=2.0)
    found = fold.calibrated(np.array([[0.8, 0.0, 0.2]]))
    # square roots of 0.8 and 0.2 are as 2 to 1
    np.testing.assert_allclose(found, [[2 / 3, 0, 1 / 3]])


def fold_result(**changes) -> FoldResult:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), size=4)
    settings = {
        "test_rows": np.arange(4),
        "test_scores": scores,
        "validation_rows": np.arange(4, 7),
        "validation_scores": scores[:3],
        "classes": np.arange(3),
        "temperature": 1.7,
    }
    return FoldResult(**settings | changes)


def test_adapted_answers_survive_the_disk(tmp_path):
    rng = np.random.default_rng(1)
    test = {level: rng.dirichlet(np.ones(3), size=(2, 4)) for level in LEVELS}
    validation = {level: rng.dirichlet(np.ones(3), size=(1, 3)) for level in ("1", "all")}
    fold_result(test_adapted=test, validation_adapted=validation).save(tmp_path / "fold.npz")
    found = FoldResult.load(tmp_path / "fold.npz")
    assert (list(found.test_adapted), list(found.validation_adapted)) == (list(test), list(validation))
    for kept, given in ((found.test_adapted, test), (found.validation_adapted, validation)):
        for level, answers in given.items():
            np.testing.assert_array_equal(kept[level], answers)
    fold_result().save(tmp_path / "plain.npz")
    plain = FoldResult.load(tmp_path / "plain.npz")
    assert plain.test_adapted == plain.validation_adapted == {}


def test_the_temperature_is_applied_to_every_draw_alike():
    result = fold_result(classes=np.asarray([0, 2]), temperature=2.0)
    draws = np.random.default_rng(2).dirichlet(np.ones(2), size=(5, 4))
    scores = np.zeros((5, 4, 3))
    scores[..., [0, 2]] = draws
    found = result.calibrated(scores)
    softened = np.sqrt(draws)
    np.testing.assert_allclose(found[..., [0, 2]], softened / softened.sum(axis=-1, keepdims=True), rtol=1e-6)
    assert (found[..., 1] == 0).all()
    for number in range(5):
        np.testing.assert_allclose(found[number], result.calibrated(scores[number]), rtol=1e-12)
