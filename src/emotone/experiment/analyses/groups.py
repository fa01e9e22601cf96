"""The test scores of kinds of clips: by corpus, gender, intensity and language, and of every speaker."""

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
#: The columns of a corpus that clips are grouped by.
COLUMNS = ("corpus", "gender", "intensity", "language", SPEAKER)
#: Those that a bundle's card tells of.
ON_CARD = ("corpus", "gender", "intensity")

#: Column -> value -> scores.
Groups = dict[str, dict[str, dict[str, Any]]]


def write(
    folder: Path, table: pd.DataFrame, *, training_set: TrainingSet, protocol: Mapping[str, Any], seed: int = 0
) -> Groups:
    """Score the groups of the test clips, and write them as a table and a picture.

    Parameters
    ----------
    table
        What `outputs.predictions` returns.
    protocol
        The ``protocol`` of ``metrics.json``.
    seed
        Of the intervals.

    Returns
    -------
    What `by_group` returns.
    """
    from emotone.report.figures import groups as drawn
    from emotone.report.figures import style

    tested = table[table["subset"] == "test"]
    rows, number = tested["row"].to_numpy(), {emotion: index for index, emotion in enumerate(training_set.emotions)}
    truth = training_set.labels[rows]
    predicted = np.asarray([number[emotion] for emotion in tested["predicted"]], dtype=np.int64)
    told = by_group(training_set.corpus.table.iloc[rows], truth, predicted=predicted, seed=seed)
    files.write_table(folder / TABLE, as_table(told))
    uar = metrics.unweighted_average_recall(truth, predicted)
    style.save(drawn.groups_picture(told, uar=uar, protocol=protocol), folder / "figures" / FIGURE)
    return told


def by_group(clips: pd.DataFrame, truth: Rows, *, predicted: Rows, seed: int = 0) -> Groups:
    """Score each group of clips by itself.

    Parameters
    ----------
    clips
        n rows with `COLUMNS`; an empty value is not known, and called "unknown".
    truth, predicted
        (n,) class numbers.
    seed
        Of the intervals.

    Returns
    -------
    Column -> value -> ``clips``; ``speakers`` and ``emotions``, how many different ones the group has (unknown speakers
    not counted); ``uar`` (over the group's own emotions, so that the chance level of groups may differ), ``accuracy``;
    ``low`` and ``high``, the 95 % interval of the UAR over speakers, None where the group has one alone or clips of
    unknown ones.  Values are sorted.  Where all clips share one value, the column is left out, unless it is the corpus.
    """
    speakers = clips[SPEAKER].to_numpy(dtype=str)
    told: Groups = {}
    for column in COLUMNS:
        values = clips[column].replace("", UNKNOWN).to_numpy(dtype=str)
        names = np.unique(values).tolist()
        if len(names) > 1 or column == "corpus":
            chosen = {name: np.flatnonzero(values == name) for name in names}
            told[column] = {
                name: _scored(truth[rows], predicted[rows], speakers=speakers[rows], seed=seed)
                for name, rows in chosen.items()
            }
    return told


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


def as_table(told: Groups) -> pd.DataFrame:
    """One row a group: column, group, and its scores."""
    rows = [{"column": column, "group": name, **one} for column, found in told.items() for name, one in found.items()]
    return pd.DataFrame(rows)


def for_card(told: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten the groups to what a bundle's card tells, which names no speaker.

    Parameters
    ----------
    told
        What ``metrics.json`` holds, of an old run perhaps without groups.

    Returns
    -------
    ``groups``, those of `ON_CARD`; ``speaker_range``, where several speakers are known: ``speakers``, their number,
    and ``uar`` and ``accuracy``, each {"lowest", "median", "highest"} over single speakers.  Empty without groups.
    """
    groups: Groups | None = told.get("groups")
    if groups is None:
        return {}
    shown: dict[str, Any] = {"groups": {column: groups[column] for column in ON_CARD if column in groups}}
    single = [one for name, one in groups.get(SPEAKER, {}).items() if name != UNKNOWN]
    if len(single) > 1:
        spread = {score: _range([one[score] for one in single]) for score in ("uar", "accuracy")}
        shown["speaker_range"] = {"speakers": len(single), **spread}
    return shown


def _range(values: list[float]) -> dict[str, float]:
    return {"lowest": min(values), "median": median(values), "highest": max(values)}
