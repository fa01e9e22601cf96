"""What an adaptive model gains from hearing unlabelled clips of a speaker: its answers against their number.

To answer a clip, other clips of its speaker are drawn among those that are held out with it; nothing is learnt, and
their labels are not looked at but for the level "neutral", which knows which clips are neutral.  At the level "all" the
speaker's mean is taken over all held-out clips, the clip itself included, as is usual where features are standardised
by speaker.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import files, metrics
from emotone.experiment import fold_result
from emotone.experiment.fold_result import SUBSETS, Adapted, FoldResult, Scores
from emotone.experiment.training_set import Rows, TrainingSet

if TYPE_CHECKING:
    from emotone.experiment.training_set import Rows, TrainingSet
    from emotone.models.deep.adaptive import AdaptiveClassifier

#: Numbers of clips of the speaker, and how often that many are drawn for each clip.
COUNTS, N_DRAWS = (1, 3, 5, 10, 30), 5
#: All of the speaker's clips, the clip itself included; all neutral ones but the clip itself.
ALL, NEUTRAL = "all", "neutral"
LEVELS = (*map(str, COUNTS), NEUTRAL, ALL)

_Heard = tuple[NDArray[np.float32], NDArray[np.float64]]  # (r, e) mean embedding of a speaker's clips, (r,) how many


def adapted_scores(model: Any, rows: "Rows", material: "TrainingSet", *, seed: int) -> Adapted:
    """Answer clips whose speakers have been heard.

    Parameters
    ----------
    model
        A fitted pipeline whose last step is an `AdaptiveClassifier`.
    rows
        (r,) own clips that it has not learnt from.
    material
        The clips.
    seed
        Of the draws.

    Returns
    -------
    Level -> (draws, r, k) probabilities; the levels that draw nothing have one.  Where a speaker has fewer clips than a
    level asks for, all of them are heard; of one who is not known, none ever is.  Without the emotion neutral there is
    no such level.
    """
    classifier = cast("AdaptiveClassifier", model.named_steps["classifier"])
    embedding = classifier.embed(list(material.values[rows]))
    speakers = _numbered(np.asarray(material.speakers)[rows])
    neutral = np.asarray(material.corpus.table["emotion"])[rows] == NEUTRAL
    rng = np.random.default_rng([seed, len(rows)])
    heard: dict[str, list[_Heard]] = {
        str(count): [_of_others(embedding, speakers, count=count, rng=rng) for _ in range(N_DRAWS)] for count in COUNTS
    }
    if NEUTRAL in material.emotions:
        heard[NEUTRAL] = [_of_others(embedding, speakers, among=neutral)]
    heard[ALL] = [_of_all(embedding, speakers)]
    result = {}
    for level, draws in heard.items():
        answers = np.zeros((len(draws), len(rows), len(material.emotions)))
        for number, (mean, n_clips) in enumerate(draws):
            answers[number][:, model.classes_] = classifier.adapted_proba(embedding, mean=mean, n_clips=n_clips)
        result[level] = answers
    return result


def _numbered(speakers: NDArray[np.str_]) -> "Rows":
    """(r,) a number from 0 for each speaker, and -1 for those who are not known."""
    _, numbers = np.unique(speakers, return_inverse=True)
    return np.where(speakers == "", -1, numbers).astype(np.int64)


def _of_others(
    embedding: NDArray[np.float32],
    speakers: "Rows",
    *,
    among: NDArray[np.bool_] | None = None,
    count: int | None = None,
    rng: np.random.Generator | None = None,
) -> _Heard:
    """What other clips of each clip's speaker tell, all of them or ``count`` that are drawn."""
    mean, heard = np.array(embedding), np.zeros(len(embedding))
    useful = speakers >= 0 if among is None else (speakers >= 0) & among
    for row, speaker in enumerate(speakers):
        rows = np.flatnonzero((speakers == speaker) & useful)
        rows = rows[rows != row]
        if rng is not None and count is not None and len(rows) > count:
            rows = rng.choice(rows, size=count, replace=False)
        if len(rows):
            mean[row], heard[row] = embedding[rows].mean(axis=0), len(rows)
    return mean, heard


def _of_all(embedding: NDArray[np.float32], speakers: "Rows") -> _Heard:
    """What all clips of each clip's speaker tell, itself included; as much as if there were no end of them."""
    mean = np.array(embedding)
    for speaker in np.unique(speakers[speakers >= 0]):
        mean[speakers == speaker] = embedding[speakers == speaker].mean(axis=0)
    return mean, np.where(speakers >= 0, np.inf, 0.0)


def curve(
    folds: Sequence[tuple["Rows", Adapted]], *, plain: NDArray[np.float64], labels: "Rows"
) -> list[dict[str, Any]]:
    """Pool the folds, and score every level.

    Parameters
    ----------
    folds
        Of each fold the rows (r,) and the calibrated answers, of the same levels.
    plain
        (sum of r, k) answers without adaptation, in the order of the folds.
    labels
        (n,) class number of every clip.

    Returns
    -------
    One row a level, "0" first: level, draws, accuracy, uar, ece (means over draws), uar_low and uar_high (over draws).
    """
    truth = np.concatenate([labels[rows] for rows, _ in folds])
    levels: dict[str, NDArray[np.float64]] = {"0": plain[None]}
    for level in folds[0][1]:
        levels[level] = np.concatenate([answers[level] for _, answers in folds], axis=1)
    return [_scored(level, truth, draws) for level, draws in levels.items()]


def _scored(level: str, truth: "Rows", draws: NDArray[np.float64]) -> dict[str, Any]:
    predicted = draws.argmax(axis=2)
    uar = [float(metrics.unweighted_average_recall(truth, one)) for one in predicted]
    return {
        "level": level,
        "draws": len(draws),
        "accuracy": float(np.mean(predicted == truth)),
        "uar": float(np.mean(uar)),
        "uar_low": min(uar),
        "uar_high": max(uar),
        "ece": float(np.mean([metrics.expected_calibration_error(truth, one) for one in draws])),
    }


def as_table(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """Subset -> rows of `curve`, as one table."""
    return pd.DataFrame([{"subset": subset, **row} for subset, rows in told.items() for row in rows])


def write_adaptation(
    folder: Path, results: Sequence[FoldResult], material: TrainingSet, *, title: str
) -> dict[str, Any]:
    """Write ``adaptation.csv`` and its picture: the scores of an adaptive model against the clips of a speaker heard.

    Returns
    -------
    Subset -> rows of `curve`, and "folds" -> those of each fold's test; empty if the model does not adapt.
    """
    if not results[0].test_adapted:
        return {}
    answers = {subset: _answers(results, subset) for subset in SUBSETS}
    told: dict[str, Any] = {
        subset: curve(
            [(rows, adapted) for rows, _, adapted in folds],
            plain=np.concatenate([plain for _, plain, _ in folds]),
            labels=material.labels,
        )
        for subset, folds in answers.items()
    }
    files.write_table(folder / "adaptation.csv", as_table(told))
    # folds of several corpora are of different difficulty, and are looked at one by one
    told["folds"] = [
        curve([(rows, adapted)], plain=plain, labels=material.labels) for rows, plain, adapted in answers["test"]
    ]
    from emotone.report.figures import style
    from emotone.report.figures.adaptation import adaptation_picture

    style.save(adaptation_picture(told["test"], title=title), folder / "figures" / "adaptation.png")
    return told


def _answers(results: Sequence[FoldResult], subset: str) -> list[tuple[Rows, Scores, fold_result.Adapted]]:
    """Of each fold the rows of a subset, the calibrated answers, and those of a speaker who was heard."""
    found = []
    for one in results:
        test = subset == "test"
        rows, plain = (one.test_rows, one.test_scores) if test else (one.validation_rows, one.validation_scores)
        adapted = one.test_adapted if test else one.validation_adapted
        heard = {level: one.calibrated(scores) for level, scores in adapted.items()}
        found.append((rows, one.calibrated(plain), heard))
    return found
