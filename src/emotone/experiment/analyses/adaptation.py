"""Scores of an adaptive model over the number of unlabelled clips of the speaker that adapt it.

The clips are drawn among those that are held out together with the predicted clip.  Nothing is trained on them, and
their labels are not used, except at the level "neutral".  At the level "all", the speaker's mean includes the predicted
clip, as is common where features are standardised by speaker.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import files, metrics
from emotone.experiment.fold_result import SUBSETS, Adapted, FoldResult, Scores
from emotone.experiment.training_set import Rows, TrainingSet
from emotone.recognition.adaptation import Adapter, fitted

if TYPE_CHECKING:
    from emotone.models.deep.adaptive import AdaptiveClassifier

#: Numbers of clips of the speaker, and the number of random draws for each predicted clip.
COUNTS, N_DRAWS = (1, 3, 5, 10, 30), 5
#: All clips of the speaker, with the predicted clip; all neutral clips, without it.
ALL, NEUTRAL = "all", "neutral"
LEVELS = (*map(str, COUNTS), NEUTRAL, ALL)

_Means = tuple[
    NDArray[np.float32], NDArray[np.float64]
]  # (r, e) mean embedding of a speaker's clips, (r,) their number


def fitted_adapter(model: Any, rows: Rows, training_set: TrainingSet) -> Adapter | None:
    """Measure how emotions move the embeddings of an adaptive model.

    Parameters
    ----------
    model
        A fitted pipeline whose last step is an `AdaptiveClassifier`.
    rows
        (r,) own clips on which it was trained; their copies are not used.

    Returns
    -------
    What the bundle of the model needs to adapt; None if no known speaker has clips of three emotions.
    """
    classifier = cast("AdaptiveClassifier", model[-1])
    table = training_set.corpus.table.iloc[rows]
    known = rows[np.asarray(table["speaker"] != "")]
    table = training_set.corpus.table.iloc[known]
    try:
        return fitted(
            classifier.heads(),
            classifier.embed(list(training_set.values[known])),
            labels=np.searchsorted(model.classes_, training_set.labels[known]),
            speakers=list(table["speaker"]),
            corpora=list(table["corpus"]),
        )
    except ValueError:  # its only reason is too few emotions; with two, a mean says little about their composition
        return None


def adapted_scores(model: Any, rows: Rows, training_set: TrainingSet, *, seed: int) -> Adapted:
    """Predict clips after adaptation to other clips of their speakers.

    Parameters
    ----------
    model
        A fitted pipeline whose last step is an `AdaptiveClassifier`.
    rows
        (r,) own clips on which it was not trained.
    seed
        Random seed of the draws.

    Returns
    -------
    Level -> probabilities (draws, r, k); levels without random draws have one.  If a speaker has fewer clips than the
    level, all are used; unknown speakers have none.  Without the emotion neutral, its level is missing.
    """
    classifier = cast("AdaptiveClassifier", model.named_steps["classifier"])
    embedding = classifier.embed(list(training_set.values[rows]))
    speakers = _numbered(np.asarray(training_set.speakers)[rows])
    neutral = np.asarray(training_set.corpus.table["emotion"])[rows] == NEUTRAL
    rng = np.random.default_rng([seed, len(rows)])
    means: dict[str, list[_Means]] = {
        str(count): [_of_others(embedding, speakers, count=count, rng=rng) for _ in range(N_DRAWS)] for count in COUNTS
    }
    if NEUTRAL in training_set.emotions:
        means[NEUTRAL] = [_of_others(embedding, speakers, among=neutral)]
    means[ALL] = [_of_all(embedding, speakers)]
    result = {}
    for level, draws in means.items():
        scores = np.zeros((len(draws), len(rows), len(training_set.emotions)))
        for number, (mean, n_clips) in enumerate(draws):
            scores[number][:, model.classes_] = classifier.adapted_proba(embedding, mean=mean, n_clips=n_clips)
        result[level] = scores
    return result


def _numbered(speakers: NDArray[np.str_]) -> Rows:
    """Return (r,) a number from 0 for each speaker, and -1 for unknown speakers."""
    _, numbers = np.unique(speakers, return_inverse=True)
    return np.where(speakers == "", -1, numbers).astype(np.int64)


def _of_others(
    embedding: NDArray[np.float32],
    speakers: Rows,
    *,
    among: NDArray[np.bool_] | None = None,
    count: int | None = None,
    rng: np.random.Generator | None = None,
) -> _Means:
    """Average the other clips of each clip's speaker, all of them or ``count`` random ones."""
    mean, n_clips = np.array(embedding), np.zeros(len(embedding))
    usable = speakers >= 0 if among is None else (speakers >= 0) & among
    for row, speaker in enumerate(speakers):
        rows = np.flatnonzero((speakers == speaker) & usable)
        rows = rows[rows != row]
        if rng is not None and count is not None and len(rows) > count:
            rows = rng.choice(rows, size=count, replace=False)
        if len(rows):
            mean[row], n_clips[row] = embedding[rows].mean(axis=0), len(rows)
    return mean, n_clips


def _of_all(embedding: NDArray[np.float32], speakers: Rows) -> _Means:
    """Average all clips of each clip's speaker, itself included; their number is infinite, so the mean counts fully."""
    mean = np.array(embedding)
    for speaker in np.unique(speakers[speakers >= 0]):
        mean[speakers == speaker] = embedding[speakers == speaker].mean(axis=0)
    return mean, np.where(speakers >= 0, np.inf, 0.0)


def curve(folds: Sequence[tuple[Rows, Adapted]], *, plain: NDArray[np.float64], labels: Rows) -> list[dict[str, Any]]:
    """Pool the folds, and score every level.

    Parameters
    ----------
    folds
        For each fold the rows (r,) and the calibrated probabilities, with the same levels.
    plain
        (sum of r, k) probabilities without adaptation, in the order of the folds.
    labels
        (n,) class number of every clip.

    Returns
    -------
    One row per level, "0" first: level, draws, means over draws of accuracy, uar and ece, and uar_low, uar_high.
    """
    truth = np.concatenate([labels[rows] for rows, _ in folds])
    levels: dict[str, NDArray[np.float64]] = {"0": plain[None]}
    for level in folds[0][1]:
        levels[level] = np.concatenate([scores[level] for _, scores in folds], axis=1)
    return [_scored(level, truth, draws) for level, draws in levels.items()]


def _scored(level: str, truth: Rows, draws: NDArray[np.float64]) -> dict[str, Any]:
    predicted = draws.argmax(axis=2)
    uar = [float(metrics.unweighted_average_recall(truth, classes)) for classes in predicted]
    return {
        "level": level,
        "draws": len(draws),
        "accuracy": float(np.mean(predicted == truth)),
        "uar": float(np.mean(uar)),
        "uar_low": min(uar),
        "uar_high": max(uar),
        "ece": float(np.mean([metrics.expected_calibration_error(truth, scores) for scores in draws])),
    }


def as_table(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """Return subset -> rows of `curve` as a table."""
    return pd.DataFrame([{"subset": subset, **row} for subset, rows in curves.items() for row in rows])


def write_adaptation(
    folder: Path, results: Sequence[FoldResult], training_set: TrainingSet, *, title: str
) -> dict[str, Any]:
    """Write ``adaptation.csv`` and its picture.

    Returns
    -------
    Subset -> rows of `curve`, and "folds" -> those of each fold's test; empty if the model does not adapt.
    """
    if not results[0].test_adapted:
        return {}
    predictions = {subset: [_calibrated(result, subset) for result in results] for subset in SUBSETS}
    labels = training_set.labels
    curves: dict[str, Any] = {
        subset: curve(
            [(rows, adapted) for rows, _, adapted in folds],
            plain=np.concatenate([plain for _, plain, _ in folds]),
            labels=labels,
        )
        for subset, folds in predictions.items()
    }
    files.write_table(folder / "adaptation.csv", as_table(curves))
    # folds of different corpora differ in difficulty
    curves["folds"] = [
        curve([(rows, adapted)], plain=plain, labels=labels) for rows, plain, adapted in predictions["test"]
    ]
    from emotone.report.figures import style
    from emotone.report.figures.adaptation import adaptation_picture

    style.save(adaptation_picture(curves["test"], title=title), folder / "figures" / "adaptation.png")
    return curves


def _calibrated(result: FoldResult, subset: str) -> tuple[Rows, Scores, Adapted]:
    """Return the rows of a subset, and their calibrated probabilities without and with adaptation."""
    rows, plain, adapted = (getattr(result, f"{subset}_{name}") for name in ("rows", "scores", "adapted"))
    return rows, result.calibrated(plain), {level: result.calibrated(scores) for level, scores in adapted.items()}
