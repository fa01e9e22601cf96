"""Runs side by side that were made apart: those asked about the same clips are tested against one another.

Runs that were asked about other clips, or under another protocol, are told beside each other and not compared.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from emotone import metrics
from emotone.formatting import setting_text
from emotone.metrics.significance import holm
from emotone.progress import Progress
from emotone.runs import folder as outputs
from emotone.runs import layout
from emotone.runs.folder import PLACES, RunFolder, is_network, read

#: What the protocols of comparable runs share.
_PROTOCOL = ("name", "speaker_disjoint", "shared_speakers", "n_folds")
#: What makes a test clip the same; the file's name alone, since a corpus may lie elsewhere.
_CLIP = ["row", "file", "speaker", "emotion", "fold"]


def told(folders: Sequence[str | Path], progress: Progress | None = None) -> dict[str, Any]:
    """Read finished runs, and compare those of the same protocol and test clips.

    Parameters
    ----------
    folders
        Run directories; one that is named twice counts once.
    progress
        Told after each run.

    Returns
    -------
    ``groups``, those with the most runs first: ``protocol`` (of ``metrics.json``), ``corpora``, ``emotions``,
    ``best`` (the name of the best run), ``level`` and ``rows``, best UAR first: ``name``, ``model``, ``network``,
    ``test`` (of ``metrics.json``), ``best``, ``paired`` (of the best with this one, with ``p_holm``; None of the best)
    and ``significant``.  ``settings``: name -> run -> value, of settings that are not the same in all runs.

    Raises
    ------
    ConfigError
        A folder holds no finished run.
    """
    unique = list(dict.fromkeys(Path(folder).resolve() for folder in folders))
    runs: dict[str, RunFolder] = {}
    for place, (name, folder) in enumerate(zip(names_of(unique), unique, strict=True), start=1):
        runs[name] = read(folder)
        if progress is not None:
            progress(place, len(unique), f"reading {name}")
    tested = {name: _tested(run) for name, run in runs.items()}
    groups: list[list[str]] = []
    for name, run in runs.items():
        for group in groups:
            if _comparable(runs[group[0]], run, tested[group[0]], tested[name]):
                group.append(name)
                break
        else:
            groups.append([name])
    groups.sort(key=lambda group: -len(group))
    return {
        "groups": [_group({name: runs[name] for name in group}, tested) for group in groups],
        "settings": different_settings({name: {**run.config, "corpora": run.corpora} for name, run in runs.items()}),
    }


def names_of(folders: Sequence[Path]) -> list[str]:
    """Name each folder by its last part, and by as many more as it takes to tell them apart.

    Examples
    --------
    >>> names_of([Path("/a/svm"), Path("/b/svm"), Path("/b/knn")])
    ['a/svm', 'b/svm', 'b/knn']
    """
    longest = max((len(folder.parts) for folder in folders), default=1)
    for length in range(1, longest + 1):
        names = ["/".join(folder.parts[-length:]) for folder in folders]
        if len(set(names)) == len(names):
            break
    return names


def different_settings(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Keep the settings that differ, as texts: setting -> run -> value, "–" where a run has no such setting.

    Where files are is no setting.
    """
    keys = dict.fromkeys(key for config in configs.values() for key in config if key not in PLACES)
    texts = {
        key: {name: setting_text(config[key]) if key in config else "–" for name, config in configs.items()}
        for key in keys
    }
    return {key: values for key, values in texts.items() if len(set(values.values())) > 1}


def _tested(run: RunFolder) -> pd.DataFrame:
    table = read_tested(run.path)
    table["file"] = [PurePosixPath(path.replace("\\", "/")).name for path in table["path"]]
    return table


def _comparable(first: RunFolder, second: RunFolder, tested: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Say whether two runs answer the same clips, learnt from folds that are the same."""
    protocols = [[run.metrics["protocol"].get(key) for key in _PROTOCOL] for run in (first, second)]
    same = protocols[0] == protocols[1] and first.emotions == second.emotions
    return same and tested[_CLIP].equals(other[_CLIP])


def _group(runs: Mapping[str, RunFolder], tested: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    names = sorted(runs, key=lambda name: (-runs[name].metrics["test"]["uar"], name))
    best = names[0]
    emotions = runs[best].emotions
    tests = {name: paired(tested[best], tested[name], emotions=emotions) for name in names[1:]}
    corrected = holm({name: test.p_value for name, test in tests.items()})
    rows = [
        {
            "name": name,
            "model": runs[name].model,
            "network": is_network(runs[name]),
            "test": runs[name].metrics["test"],
            "validation": {score: runs[name].metrics["validation"][score] for score in SCORES},
            "best": name == best,
            "paired": {**tests[name].to_dict(), "p_holm": corrected[name]} if name in tests else None,
            "significant": corrected[name] < LEVEL if name in tests else None,
        }
        for name in names
    ]
    # the shortest tells what all of them share: a run that learnt from song clips too says so in its own
    protocol = min((run.metrics["protocol"] for run in runs.values()), key=lambda one: len(one["description"]))
    shared = {"protocol": protocol, "corpora": runs[best].corpora, "emotions": emotions}
    return {**shared, "best": best, "level": LEVEL, "rows": rows}


#: A difference is called significant where its p, corrected for the number of comparisons, is below this.
LEVEL = 0.05
SCORES = ("uar", "accuracy", "macro_f1")


def emotions_of(told: Mapping[str, Any]) -> list[str]:
    """Names of the classes of a run, in their order, from its ``metrics.json``."""
    return list(told["test"]["per_class"]["support"])


def read_tested(run_folder: Path) -> pd.DataFrame:
    """Read a run's predictions of the test clips, sorted by row; the columns of `outputs.predictions`."""
    table = pd.read_parquet(run_folder / layout.PREDICTIONS)
    table["path"] = table["path"].map(os.path.normpath)  # a folder of corpora may be named in two ways
    return table[table["subset"] == "test"].sort_values("row").reset_index(drop=True)


def paired(first: pd.DataFrame, second: pd.DataFrame, *, emotions: Sequence[str]) -> metrics.PairedResult:
    """Test the difference in UAR of two tables of predictions, row by row of the same clips."""
    truth, scores = outputs.truth_and_scores(first, emotions)
    other = outputs.truth_and_scores(second, emotions)[1]
    speakers = list(first["speaker"])
    return metrics.paired_test(truth, scores.argmax(axis=1), second=other.argmax(axis=1), speakers=speakers)


def scores_row(result: Mapping[str, Any]) -> dict[str, float]:
    """Columns of a table: each score, and the ends of its 95 % interval as ``<score>_low`` and ``<score>_high``."""
    row: dict[str, float] = {}
    for score in SCORES:
        interval = result["intervals"][score]
        row |= {score: result[score], f"{score}_low": interval["low"], f"{score}_high": interval["high"]}
    return row


def paired_row(told: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a table: the paired test of the best model with this one; empty for the best itself."""
    found = told["paired"] or {}
    row = {"best_minus_this": found.get("difference")}
    row |= {"best_minus_this_low": found.get("low"), "best_minus_this_high": found.get("high")}
    row |= {name: found.get(name) for name in ("p_value", "p_holm")}
    return row | {"significant": told["significant"]}
