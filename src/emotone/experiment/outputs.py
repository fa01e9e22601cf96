"""What a run writes: its predictions as a table, scores, figures, and the card of its model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotone import files, metrics, protocols
from emotone.experiment.config import Config
from emotone.experiment.fold_result import SUBSETS, FoldResult, Scores
from emotone.experiment.folds import Fitted, FoldPlan, validation_words
from emotone.experiment.training_set import Rows, TrainingSet
from emotone.models import registry
from emotone.runs.folder import truth_and_scores


def predictions(plans: Sequence[FoldPlan], results: Sequence[FoldResult], material: TrainingSet) -> pd.DataFrame:
    """Table of all predictions: validation and test of each fold, calibrated by the fold's own temperature.

    Columns ``row, path, corpus, speaker, emotion, fold, subset, predicted, confidence`` and one ``score_<emotion>``
    for each emotion; sorted by subset (validation first), fold and row.
    """
    parts = []
    for subset in SUBSETS:
        for plan, result in zip(plans, results, strict=True):
            if subset == "test":
                rows, scores = result.test_rows, result.calibrated(result.test_scores)
            else:
                rows, scores = result.validation_rows, result.calibrated(result.validation_scores)
            order = np.argsort(rows, kind="stable")
            parts.append(_part(rows[order], scores[order], material, fold=plan.number, subset=subset))
    return pd.concat(parts, ignore_index=True)


def _part(rows: Rows, scores: Scores, material: TrainingSet, *, fold: int, subset: str) -> pd.DataFrame:
    clips = material.corpus.table.iloc[rows].reset_index(drop=True)
    emotions = np.asarray(material.emotions)
    told: dict[str, Any] = {"row": rows}
    told |= {name: clips[name] for name in ("path", "corpus", "speaker", "emotion")}
    told |= {"fold": fold, "subset": subset, "predicted": emotions[scores.argmax(axis=1)]}
    told |= {"confidence": scores.max(axis=1)}
    told |= {f"score_{emotion}": scores[:, column] for column, emotion in enumerate(emotions)}
    return pd.DataFrame(told)


def summarise(
    table: pd.DataFrame,
    *,
    protocol: protocols.Protocol,
    plans: Sequence[FoldPlan],
    material: TrainingSet,
    config: Config,
) -> dict[str, Any]:
    """Compute what ``metrics.json`` holds, from the predictions."""
    emotions = material.emotions
    told: dict[str, Any] = {"protocol": _protocol(protocol, plans, config)}
    for subset in SUBSETS:
        part = table[table["subset"] == subset]
        truth, scores = truth_and_scores(part, emotions)
        speakers = list(part["speaker"])
        told[subset] = metrics.summary(truth, scores, emotions=emotions, speakers=speakers, seed=config.seed)
    told["folds"] = [_fold(table, plan, material) for plan in plans]
    return told


def _protocol(protocol: protocols.Protocol, plans: Sequence[FoldPlan], config: Config) -> dict[str, Any]:
    """Say how the scores came about; ``train_also`` is named only where there is such a channel."""
    header = protocol.header()
    words = validation_words(plans, deep=registry.get(config.model).family == "deep")
    more: dict[str, Any] = {}
    if config.train_also:
        also = f"{' and '.join(config.train_also).capitalize()} clips of the training speakers were learnt from too"
        header["description"] += f" {also}, and none was validated or tested on."
        more["train_also"] = list(config.train_also)
    return {**header, "words": header["description"], "validation": words, **more}


def _fold(table: pd.DataFrame, plan: FoldPlan, material: TrainingSet) -> dict[str, Any]:
    """Scores of one fold; without intervals, since a fold has too few speakers for any."""
    part = table[(table["subset"] == "test") & (table["fold"] == plan.number)]
    truth, scores = truth_and_scores(part, material.emotions)
    found = metrics.summary(truth, scores, emotions=material.emotions, speakers=None, n_resamples=1)
    return {
        "fold": plan.number,
        "test_speakers": list(plan.fold.test_speakers),
        "shared_speakers": list(plan.fold.shared),
        "n_train_clips": int(material.learnt(plan.fold.train).size),
        **{name: value for name, value in found.items() if name not in ("interval", "intervals")},
    }


def write_figures(folder: Path, told: Mapping[str, Any]) -> None:
    """Write the two confusion matrices, and the report as text."""
    from emotone.report import text
    from emotone.report.figures import confusion, style

    reports = []
    for subset in SUBSETS:
        picture = confusion.confusion_picture(told[subset], protocol=told["protocol"], subset=subset)
        style.save(picture, folder / "figures" / f"confusion_{subset}.png")
        report = text.classification_report(told[subset], protocol=told["protocol"])
        how = f"What these clips are: {told['protocol']['validation']}.\n\n" if subset == "validation" else ""
        reports.append(f"{subset.capitalize()}\n{'=' * len(subset)}\n\n{how}{report}")
    files.write_text(folder / "classification_report.txt", "\n".join(reports))


def write_scaler(folder: Path, model: registry.Estimator, material: TrainingSet) -> None:
    """Write mean and scale of every feature, where the model scales at all."""
    scaler = getattr(model, "named_steps", {}).get("scaler")
    if scaler is not None:
        told = {"features": list(material.names), "mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()}
        files.write_json(folder / "scaler.json", told)


def write_features(folder: Path, material: TrainingSet, *, kind: str) -> None:
    """Write the features of the clips, extra ones last, but not of copies; kind csv or parquet.

    Path, speaker and emotion come first.
    """
    clips = material.corpus.table[["path", "speaker", "emotion"]]
    values = pd.DataFrame(material.values[: len(material.corpus)], columns=list(material.names))
    files.write_table(folder / f"features.{kind}", pd.concat([clips, values], axis=1))


def write_left_out(folder: Path, material: TrainingSet) -> None:
    """Write what was left out and why, and which recordings are there twice; no file where there is nothing to say."""
    if material.left_out:
        rows = [(one.path, one.reason) for one in material.left_out]
        files.write_table(folder / "rejected.csv", pd.DataFrame(rows, columns=["path", "reason"]))
    twins = [(group, path) for group, paths in enumerate(material.duplicates(), start=1) for path in paths]
    if twins:
        files.write_table(folder / "duplicates.csv", pd.DataFrame(twins, columns=["group", "path"]))


def write_search(folder: Path, results: Sequence[FoldResult]) -> None:
    """Write how long each fold's fit took, apart from the scores since it never comes out the same, and the search."""
    seconds = [(number, result.fit_s) for number, result in enumerate(results, start=1)]
    files.write_table(folder / "timing.csv", pd.DataFrame(seconds, columns=["fold", "fit_s"]))
    found = [
        {"fold": number, **row, "chosen": all(row[name] == value for name, value in result.settings.items())}
        for number, result in enumerate(results, start=1)
        for row in result.search
    ]
    if found:
        files.write_table(folder / "tuning.csv", pd.DataFrame(found))


def write_curves(folder: Path, results: Sequence[FoldResult], *, final: Fitted, title: str) -> None:
    """Write how every network of a deep model was trained, a row an epoch and a picture; nothing of a classic model.

    Columns ``fold`` (0: the final model), ``fit`` ("validation", "test" or "final"), and what
    `emotone.models.deep.classifier.NeuralClassifier.history_` holds.
    """
    rows = [{"fold": number, **row} for number, result in enumerate(results, start=1) for row in result.history]
    if not rows:
        return
    from emotone.report.figures import curves, style

    table = pd.DataFrame([*rows, *({"fold": 0, **row} for row in final.history("final"))])
    files.write_table(folder / "curves.csv", table)
    style.save(curves.curves_picture(table, title=title), folder / "figures" / "curves.png")
