"""What an adaptive model gains from hearing unlabelled clips of a speaker: its answers against their number.

To answer a clip, other clips of its speaker are drawn among those that are held out with it; their labels are not
looked at, and nothing is learnt.  At the level "all" the speaker's mean is taken over all held-out clips, the clip
itself included, as is usual where features are standardised by speaker.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone import metrics

if TYPE_CHECKING:
    from emotone.experiment.material import Material, Rows
    from emotone.models.adaptive import AdaptiveClassifier

#: Numbers of clips of the speaker, and how often that many are drawn for each clip.
COUNTS, N_DRAWS = (1, 3, 5, 10, 30), 5
#: All of the speaker's clips; all neutral ones but the clip itself.
ALL, NEUTRAL = "all", "neutral"
LEVELS = (*map(str, COUNTS), NEUTRAL, ALL)

Adapted = dict[str, NDArray[np.float64]]


def adapted_scores(model: Any, rows: "Rows", material: "Material", *, seed: int) -> Adapted:
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
    Level -> (draws, r, k) probabilities; the levels that draw nothing have one.
    """
    classifier = cast("AdaptiveClassifier", model.named_steps["classifier"])
    embedding = classifier.embed(list(material.values[rows]))
    speakers = np.asarray(material.speakers)[rows]
    neutral = np.asarray(material.corpus.table["emotion"])[rows] == NEUTRAL
    rng = np.random.default_rng([seed, len(rows)])
    drawn: dict[str, list[tuple[NDArray[np.float32], NDArray[np.float64]]]] = {
        str(count): [_known(embedding, speakers, count=count, rng=rng) for _ in range(N_DRAWS)] for count in COUNTS
    }
    drawn[NEUTRAL] = [_known(embedding, speakers, among=neutral)]
    drawn[ALL] = [_of_all(embedding, speakers)]
    result = {}
    for level in LEVELS:
        answers = np.zeros((len(drawn[level]), len(rows), len(material.emotions)))
        for number, (mean, heard) in enumerate(drawn[level]):
            answers[number][:, model.classes_] = classifier.adapted_proba(embedding, mean=mean, heard=heard)
        result[level] = answers
    return result


def _known(
    embedding: NDArray[np.float32],
    speakers: NDArray[Any],
    *,
    among: NDArray[np.bool_] | None = None,
    count: int | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Mean embedding (r, e) of other clips of each clip's speaker, all or so many drawn, and how many they are (r,)."""
    mean, heard = np.array(embedding), np.zeros(len(embedding))
    for row in range(len(embedding)):
        others = (speakers == speakers[row]) & (np.arange(len(embedding)) != row)
        rows = np.flatnonzero(others if among is None else others & among)
        if rng is not None and count is not None and len(rows) > count:
            rows = rng.choice(rows, size=count, replace=False)
        if len(rows):
            mean[row], heard[row] = embedding[rows].mean(axis=0), len(rows)
    return mean, heard


def _of_all(embedding: NDArray[np.float32], speakers: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    mean = np.array(embedding)
    for speaker in np.unique(speakers):
        mean[speakers == speaker] = embedding[speakers == speaker].mean(axis=0)
    return mean, np.full(len(embedding), np.inf)


def curve(
    folds: Sequence[tuple["Rows", Adapted]], *, plain: "NDArray[np.float64]", labels: "Rows"
) -> list[dict[str, Any]]:
    """Pool the folds, and score every level.

    Parameters
    ----------
    folds
        Of each fold the rows (r,) and the calibrated answers.
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
    for level in LEVELS:
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
