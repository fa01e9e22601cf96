"""Runs side by side that were made apart: those asked about the same clips are tested against one another.

Runs that were asked about other clips, or under another protocol, are told beside each other and not compared.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from emotone.experiment.compare import LEVEL, SCORES, holm, paired, read_tested
from emotone.progress import Progress
from emotone.report.run_folder import RunFolder, read
from emotone.report.run_html import PLACES, is_network, setting_text

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
