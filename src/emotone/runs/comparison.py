"""Compare finished runs: paired tests of runs on the same clips, and the leak between protocols.

Runs with other test clips or another protocol are listed together, but not compared.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from emotone import files, metrics
from emotone.errors import ConfigError
from emotone.formatting import setting_text
from emotone.metrics import SCORES
from emotone.progress import Progress
from emotone.runs.folder import PLACES, RunFolder, read, truth_and_scores
from emotone.runs.layout import COMPARISON, FOLDS

#: A difference is significant if its p value, corrected for the number of comparisons, is below this.
LEVEL = 0.05
DEEP = "deep"
#: What the protocols of comparable runs share.
_PROTOCOL = ("name", "speaker_disjoint", "shared_speakers", "n_folds")
#: Identity of a test clip.  Only the name of the file, since a corpus can be in different folders.
_CLIP = ["row", "file", "speaker", "emotion", "fold"]
_MODEL = ("model", "description", "family", "extractor")
_COSTS = ("fit_s", "bundle_mb", "recognition_ms")


def compare_runs(folders: Sequence[str | Path], progress: Progress | None = None) -> dict[str, Any]:
    """Read finished runs, and compare those of the same protocol and test clips.

    Parameters
    ----------
    folders
        Run directories; duplicates are ignored.

    Returns
    -------
    ``groups``, the largest first: the result of `compare_group`, and ``corpora`` and ``emotions``; its rows also have
    ``name``, ``model`` and ``family``.  ``settings``: name -> run -> value, of the settings that differ.

    Raises
    ------
    ConfigError
        A folder does not hold a finished run.
    """
    unique = list(dict.fromkeys(Path(folder).resolve() for folder in folders))
    runs: dict[str, RunFolder] = {}
    for place, (name, folder) in enumerate(zip(names_of(unique), unique, strict=True), start=1):
        runs[name] = read(folder)
        if progress is not None:
            progress(place, len(unique), f"reading {name}")
    groups: list[dict[str, RunFolder]] = []
    for name, run in runs.items():
        for group in groups:
            if _is_comparable(next(iter(group.values())), run):
                group[name] = run
                break
        else:
            groups.append({name: run})
    groups.sort(key=lambda group: -len(group))
    settings = different_settings({name: run.settings for name, run in runs.items()})
    return {"groups": [_described(group) for group in groups], "settings": settings}


def _is_comparable(first: RunFolder, second: RunFolder) -> bool:
    """Return whether two runs were tested on the same clips in the same folds."""
    protocols = [[run.metrics["protocol"].get(key) for key in _PROTOCOL] for run in (first, second)]
    if protocols[0] != protocols[1] or first.emotions != second.emotions:
        return False
    clips = [
        run.tested.assign(file=[PurePosixPath(path.replace("\\", "/")).name for path in run.tested["path"]])[_CLIP]
        for run in (first, second)
    ]
    return clips[0].equals(clips[1])


def _described(group: Mapping[str, RunFolder]) -> dict[str, Any]:
    comparison = compare_group(group)
    for row in comparison["rows"]:
        run = group[row["name"]]
        row |= {"model": run.model, "family": DEEP if run.is_network else "classic"}
    # the shortest describes what all runs share: a run that also trained on song clips says so in its own description
    protocol = min((run.metrics["protocol"] for run in group.values()), key=lambda header: len(header["description"]))
    best = group[comparison["best"]]
    return {**comparison, "protocol": protocol, "corpora": best.corpora, "emotions": best.emotions}


def compare_group(runs: Mapping[str, RunFolder]) -> dict[str, Any]:
    """Compare runs of the same protocol and test clips.

    Returns
    -------
    ``protocol``, ``best`` (name of the run of the best UAR), ``level`` (of significance) and ``rows``, best UAR first:
    ``name``, ``best``, ``significant`` and ``paired`` (the best run minus this run, with ``p_holm``; None for the best
    run), the scores, ``low`` and ``high`` of the UAR, ``test`` and ``validation`` (of ``metrics.json``).
    """
    names = sorted(runs, key=lambda name: (-runs[name].metrics["test"]["uar"], name))
    best = names[0]
    tests = {name: _paired(runs[best].tested, runs[name].tested, runs[best].emotions) for name in names[1:]}
    corrected = metrics.holm({name: test.p_value for name, test in tests.items()})
    rows = []
    for name in names:
        result = runs[name].metrics["test"]
        rows.append(
            {
                "name": name,
                "best": name == best,
                "significant": corrected[name] < LEVEL if name in tests else None,
                "paired": {**tests[name].to_dict(), "p_holm": corrected[name]} if name in tests else None,
                **{score: result[score] for score in SCORES},
                **{end: result["interval"][end] for end in ("low", "high")},
                "test": result,
                "validation": {score: runs[name].metrics["validation"][score] for score in SCORES},
            }
        )
    return {"protocol": runs[best].metrics["protocol"], "best": best, "level": LEVEL, "rows": rows}


def _paired(first: pd.DataFrame, second: pd.DataFrame, emotions: Sequence[str]) -> metrics.PairedResult:
    """Test the difference in UAR of two tables of predictions for the same clips, row by row."""
    truth, scores = truth_and_scores(first, emotions)
    other = truth_and_scores(second, emotions)[1].argmax(axis=1)
    return metrics.paired_test(truth, scores.argmax(axis=1), second=other, speakers=list(first["speaker"]))


def compare_protocols(folders: Mapping[str, Path]) -> dict[str, Any]:
    """Compare the same models under several protocols.

    Parameters
    ----------
    folders
        Name of a protocol -> folder of its comparison: ``comparison.json``, and one run directory per model.

    Returns
    -------
    ``reference``: the first speaker-disjoint protocol, which sorts the rows.  ``leaking``: the first other protocol,
    or None.  ``level``, ``chance`` and ``protocols``, in the order of ``folders``: name, best model, header and facts.
    ``rows``, best UAR under the reference first: the model, its costs under the reference, the ``leak``, and its
    result under each of the ``protocols``.
    """
    comparisons = {name: files.read_json(folder / COMPARISON) for name, folder in folders.items()}
    disjoint = [name for name, comparison in comparisons.items() if comparison["protocol"]["speaker_disjoint"]]
    others = [name for name in comparisons if name not in disjoint]
    reference = (disjoint or others)[0]
    leaking = others[0] if disjoint and others else None
    rows = []
    for row in comparisons[reference]["rows"]:
        model = row["model"]
        leak = None if leaking is None else _leak(folders[leaking] / model, folders[reference] / model)
        results = {name: _result(comparison, model) for name, comparison in comparisons.items()}
        rows.append({name: row[name] for name in (*_MODEL, *_COSTS)} | {"leak": leak, "protocols": results})
    protocols = [
        {"name": name, "best": best, "protocol": comparison["protocol"], "facts": _facts(folders[name] / best)}
        for name, comparison in comparisons.items()
        for best in [comparison["best"]]
    ]
    chance = metrics.chance_uar(comparisons[reference]["rows"][0]["test"])
    names = {"reference": reference, "leaking": leaking}
    return {**names, "level": LEVEL, "protocols": protocols, "rows": rows, "chance": chance}


def _result(comparison: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Select the scores and the paired test of a model; its ``comparison.json`` keeps the rest."""
    row = next(row for row in comparison["rows"] if row["model"] == model)
    keys = {"test": (*SCORES, "intervals", "n_clips", "ece"), "row": ("best", "significant", "paired", "fit_s")}
    return {key: row["test"][key] for key in keys["test"]} | {key: row[key] for key in keys["row"]}


def _leak(leaking: Path, reference: Path) -> dict[str, Any]:
    """Measure how much more UAR a model reaches if it knows the test speakers.

    Returns
    -------
    ``uar``: the difference of the two pooled UARs, leaking minus reference, a share.  ``same_clips``: the same over
    the clips that both protocols test, with 95 % interval, p value and number of clips; None without such clips.
    """
    runs = [read(folder) for folder in (leaking, reference)]
    first, second = (run.tested.set_index("row") for run in runs)
    both = first.index.intersection(second.index)
    clip = ["path", "speaker", "emotion"]
    if not first.loc[both, clip].equals(second.loc[both, clip]):
        raise ConfigError(
            f"{leaking} and {reference} hold different clips under the same numbers: the corpus changed between the "
            "two. Delete both folders and run again"
        )
    same = None
    if both.size:
        same = _paired(first.loc[both], second.loc[both], runs[0].emotions).to_dict() | {"n_clips": int(both.size)}
    return {"uar": runs[0].metrics["test"]["uar"] - runs[1].metrics["test"]["uar"], "same_clips": same}


def folders_of(comparison: Path) -> dict[str, Path]:
    """Return the run directories of a comparison, by names that begin with that of its folder.

    Parameters
    ----------
    comparison
        A folder that `emotone.experiment.compare` wrote.  Runs of models that its last call did not name are left out.

    Returns
    -------
    ``two/svm``, or with several protocols ``two/speaker-6fold/svm``, -> the directory of that run.
    """
    described = files.read_json(comparison / COMPARISON)
    protocols = [entry["name"] for entry in described.get("protocols", [])] or ["."]
    places = [Path(protocol, row["model"]) for protocol in protocols for row in described["rows"]]
    return {(comparison.resolve().name / place).as_posix(): comparison / place for place in places}


def _facts(run_folder: Path) -> dict[str, Any]:
    """Count folds, clips (``n_train`` is the mean over folds), test speakers, and those that a fold also trains on."""
    folds = files.read_json(run_folder / FOLDS)["folds"]
    sides = {side: [np.asarray(fold[side], dtype=np.int64) for fold in folds] for side in ("train", "dev", "test")}
    tested = {speaker for fold in folds for speaker in fold["test_speakers"]} - {""}
    shared = {speaker for fold in folds for speaker in set(fold["test_speakers"]) & set(fold["train_speakers"])} - {""}
    return {
        "n_folds": len(folds),
        "n_clips": int(np.unique(np.concatenate([rows for side in sides.values() for rows in side])).size),
        "n_train": float(np.mean([rows.size for rows in sides["train"]])),
        **{name: sum(rows.size for rows in sides[side]) for name, side in (("n_dev", "dev"), ("n_tested", "test"))},
        "n_speakers": len(tested),
        "n_shared": len(shared),
    }


def table(comparison: Mapping[str, Any]) -> pd.DataFrame:
    """Return ``comparison.csv``: one row per model, each score with the ends of its 95 % interval.

    With several protocols, the columns of a protocol begin with its name, such as ``<protocol>_uar``.
    """
    rows = []
    for row in comparison["rows"]:
        columns = {name: row[name] for name in _MODEL}
        for name, result in row.get("protocols", {"": row}).items():
            under = _columns(result.get("test", result), result)
            columns |= {f"{name}_{column}" if name else column: value for column, value in under.items()}
        if row.get("leak") is not None:
            same = row["leak"]["same_clips"] or {}
            columns |= {"leak": row["leak"]["uar"], "leak_same_clips": same.get("difference")}
            columns |= {f"leak_same_clips_{end}": same.get(end) for end in ("low", "high")}
        rows.append(columns | {name: row[name] for name in ("bundle_mb", "recognition_ms")})
    return pd.DataFrame(rows)


def _columns(result: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores of a ``result``, and the paired test and the time of training of its ``row``."""
    columns: dict[str, Any] = {"best": row["best"]}
    for score in SCORES:
        interval = result["intervals"][score]
        columns |= {score: result[score], f"{score}_low": interval["low"], f"{score}_high": interval["high"]}
    if "test" in row:
        columns["ece"] = result["ece"]
    test = row["paired"] or {}
    ends = {"": "difference", "_low": "low", "_high": "high"}
    columns |= {f"best_minus_this{end}": test.get(name) for end, name in ends.items()}
    columns |= {name: test.get(name) for name in ("p_value", "p_holm")}
    return columns | {"significant": row["significant"], "fit_s": row["fit_s"]}


def names_of(folders: Sequence[Path]) -> list[str]:
    """Name each folder by its last part, or by as many parts as make the names different.

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
    """Return the settings that differ, as texts: setting -> run -> value, "–" if a run has no such setting."""
    keys = dict.fromkeys(key for config in configs.values() for key in config if key not in PLACES)
    texts = {
        key: {name: setting_text(config[key]) if key in config else "–" for name, config in configs.items()}
        for key in keys
    }
    return {key: values for key, values in texts.items() if len(set(values.values())) > 1}
