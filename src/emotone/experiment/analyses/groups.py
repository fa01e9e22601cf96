"""Test scores of groups of clips: by corpus, gender, intensity, language and speaker."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from emotone import files, metrics
from emotone.experiment.training_set import Rows, TrainingSet

TABLE, FIGURE = "groups.csv", "groups.png"
SPEAKER, UNKNOWN = "speaker", "unknown"
#: Columns of a corpus by which clips are grouped.
COLUMNS = ("corpus", "gender", "intensity", "language", SPEAKER)
#: Those in a bundle's card.
ON_CARD = ("corpus", "gender", "intensity")

#: Column -> value -> scores.
Groups = dict[str, dict[str, dict[str, Any]]]


def write(
    folder: Path, table: pd.DataFrame, *, training_set: TrainingSet, protocol: Mapping[str, Any], seed: int = 0
) -> Groups:
    """Score the groups of the test clips, write a table and a picture, and return the result of `by_group`.

    ``table``: result of `outputs.predictions`; ``protocol``: that of ``metrics.json``; ``seed``: for the intervals.
    """
    from emotone.report.figures import groups as drawn
    from emotone.report.figures import vector

    tested = table[table["subset"] == "test"]
    rows, number = tested["row"].to_numpy(), {emotion: index for index, emotion in enumerate(training_set.emotions)}
    truth = training_set.labels[rows]
    predicted = np.asarray([number[emotion] for emotion in tested["predicted"]], dtype=np.int64)
    scores = by_group(training_set.corpus.table.iloc[rows], truth, predicted=predicted, seed=seed)
    files.write_table(folder / TABLE, as_table(scores))
    uar = metrics.unweighted_average_recall(truth, predicted)
    vector.save_pair(drawn.groups_picture(scores, uar=uar, protocol=protocol), folder / "figures" / FIGURE)
    return scores


def by_group(clips: pd.DataFrame, truth: Rows, *, predicted: Rows, seed: int = 0) -> Groups:
    """Score each group of clips.

    Parameters
    ----------
    clips
        n rows with `COLUMNS`; an empty value is called "unknown".
    truth, predicted
        (n,) class numbers.
    seed
        Random seed of the intervals.

    Returns
    -------
    Column -> value -> ``clips``; ``speakers`` and ``emotions``, the numbers of known speakers and of emotions; ``uar``
    (over the emotions of the group, so chance levels may differ), ``accuracy``; ``low`` and ``high``, the 95 % interval
    of the UAR over speakers, None if the group has a single speaker or unknown ones.  Values are sorted.  A column with
    a single value is left out, except the corpus.
    """
    speakers = clips[SPEAKER].to_numpy(dtype=str)
    groups: Groups = {}
    for column in COLUMNS:
        values = clips[column].replace("", UNKNOWN).to_numpy(dtype=str)
        names = np.unique(values).tolist()
        if len(names) > 1 or column == "corpus":
            chosen = {name: np.flatnonzero(values == name) for name in names}
            groups[column] = {
                name: _scored(truth[rows], predicted[rows], speakers=speakers[rows], seed=seed)
                for name, rows in chosen.items()
            }
    return groups


def _scored(truth: Rows, predicted: Rows, *, speakers: np.ndarray, seed: int) -> dict[str, Any]:
    known = sorted(set(speakers.tolist()) - {""})
    low = high = None
    if len(known) > 1 and "" not in speakers:
        interval = metrics.bootstrap_intervals(truth, predicted, speakers=speakers.tolist(), seed=seed)["uar"]
        low, high = interval["low"], interval["high"]
    return {
        "clips": int(truth.size),
        "speakers": len(known),
        "emotions": int(np.unique(truth).size),
        "uar": metrics.unweighted_average_recall(truth, predicted),
        "accuracy": metrics.accuracy(truth, predicted),
        "low": low,
        "high": high,
    }


def as_table(groups: Groups) -> pd.DataFrame:
    """Return one row per group: column, group, and its scores."""
    return pd.DataFrame(
        [
            {"column": column, "group": name, **scores}
            for column, values in groups.items()
            for name, scores in values.items()
        ]
    )


def for_card(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Summarise the groups for a bundle's card, which names no speaker.

    Parameters
    ----------
    measured
        Contents of ``metrics.json``; an old run may have no groups.

    Returns
    -------
    ``groups``, those of `ON_CARD`; ``speaker_range``, if several speakers are known: ``speakers``, their number, and
    ``uar`` and ``accuracy``, each {"lowest", "median", "highest"} over speakers.  Empty without groups.
    """
    groups: Groups | None = measured.get("groups")
    if groups is None:
        return {}
    shown: dict[str, Any] = {"groups": {column: groups[column] for column in ON_CARD if column in groups}}
    single = [scores for name, scores in groups.get(SPEAKER, {}).items() if name != UNKNOWN]
    if len(single) > 1:
        spread = {score: _range([scores[score] for scores in single]) for score in ("uar", "accuracy")}
        shown["speaker_range"] = {"speakers": len(single), **spread}
    return shown


def _range(values: list[float]) -> dict[str, float]:
    return {"lowest": min(values), "median": median(values), "highest": max(values)}
