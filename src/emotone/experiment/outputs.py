"""Write the files of a run: predictions, scores, features, and pictures."""

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


def predictions(plans: Sequence[FoldPlan], results: Sequence[FoldResult], training_set: TrainingSet) -> pd.DataFrame:
    """Return a table of the validation and test predictions, calibrated with the temperature of their fold.

    Columns ``row, path, corpus, speaker, emotion, fold, subset, predicted, confidence`` and a ``score_<emotion>`` for
    each emotion; sorted by subset (validation first), fold and row.
    """
    parts = []
    for subset in SUBSETS:
        for plan, result in zip(plans, results, strict=True):
            rows = getattr(result, f"{subset}_rows")
            scores = result.calibrated(getattr(result, f"{subset}_scores"))
            order = np.argsort(rows, kind="stable")
            parts.append(_part(rows[order], scores[order], training_set, fold=plan.number, subset=subset))
    return pd.concat(parts, ignore_index=True)


def _part(rows: Rows, scores: Scores, training_set: TrainingSet, *, fold: int, subset: str) -> pd.DataFrame:
    clips = training_set.corpus.table.iloc[rows].reset_index(drop=True)
    emotions = np.asarray(training_set.emotions)
    columns = {
        "row": rows,
        **{name: clips[name] for name in ("path", "corpus", "speaker", "emotion")},
        "fold": fold,
        "subset": subset,
        "predicted": emotions[scores.argmax(axis=1)],
        "confidence": scores.max(axis=1),
        **{f"score_{emotion}": scores[:, column] for column, emotion in enumerate(emotions)},
    }
    return pd.DataFrame(columns)


def summarise(
    table: pd.DataFrame,
    *,
    protocol: protocols.Protocol,
    plans: Sequence[FoldPlan],
    training_set: TrainingSet,
    config: Config,
) -> dict[str, Any]:
    """Compute the contents of ``metrics.json`` from the predictions."""
    emotions = training_set.emotions
    summary: dict[str, Any] = {"protocol": _protocol(protocol, plans, config)}
    for subset in SUBSETS:
        part = table[table["subset"] == subset]
        truth, scores = truth_and_scores(part, emotions)
        speakers = list(part["speaker"])
        summary[subset] = metrics.summary(truth, scores, emotions=emotions, speakers=speakers, seed=config.seed)
    summary["folds"] = [_fold(table, plan, training_set) for plan in plans]
    return summary


def _protocol(protocol: protocols.Protocol, plans: Sequence[FoldPlan], config: Config) -> dict[str, Any]:
    """Describe how the scores were computed; ``train_also`` is a key only if it is set."""
    header = protocol.header()
    words = validation_words(plans, deep=registry.get(config.model).family == "deep")
    more: dict[str, Any] = {}
    if config.train_also:
        kinds = " and ".join(config.train_also).capitalize()
        also = f" {kinds} clips of the training speakers were also used in training"
        header["description"] += f"{also}, and none in validation or tests."
        more["train_also"] = list(config.train_also)
    return {**header, "words": header["description"], "validation": words, **more}


def _fold(table: pd.DataFrame, plan: FoldPlan, training_set: TrainingSet) -> dict[str, Any]:
    """Return the scores of a fold, without intervals, for which a fold has too few speakers."""
    part = table[(table["subset"] == "test") & (table["fold"] == plan.number)]
    truth, scores = truth_and_scores(part, training_set.emotions)
    summary = metrics.summary(truth, scores, emotions=training_set.emotions, speakers=None, n_resamples=1)
    return {
        "fold": plan.number,
        "test_speakers": list(plan.fold.test_speakers),
        "shared_speakers": list(plan.fold.shared),
        "n_train_clips": int(training_set.usable_rows(plan.fold.train).size),
        **{name: value for name, value in summary.items() if name not in ("interval", "intervals")},
    }


def write_figures(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write the confusion matrices of validation and test, and the classification report as text."""
    from emotone.report import text
    from emotone.report.figures import confusion, vector

    reports = []
    for subset in SUBSETS:
        picture = confusion.confusion_picture(summary[subset], protocol=summary["protocol"], subset=subset)
        vector.save_pair(picture, folder / "figures" / f"confusion_{subset}.png")
        report = text.classification_report(summary[subset], protocol=summary["protocol"])
        how = f"What these clips are: {summary['protocol']['validation']}.\n\n" if subset == "validation" else ""
        reports.append(f"{subset.capitalize()}\n{'=' * len(subset)}\n\n{how}{report}")
    files.write_text(folder / "classification_report.txt", "\n".join(reports))


def write_scaler(folder: Path, model: registry.Estimator, training_set: TrainingSet) -> None:
    """Write mean and scale of every feature if the model has a scaler."""
    scaler = getattr(model, "named_steps", {}).get("scaler")
    if scaler is not None:
        values = {"mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()}
        files.write_json(folder / "scaler.json", {"features": list(training_set.names), **values})


def write_features(folder: Path, training_set: TrainingSet, *, kind: str) -> None:
    """Write path, speaker, emotion and features of the clips, extra ones last, without copies; kind csv or parquet."""
    clips = training_set.corpus.table[["path", "speaker", "emotion"]]
    values = pd.DataFrame(training_set.values[: len(training_set.corpus)], columns=list(training_set.names))
    files.write_table(folder / f"features.{kind}", pd.concat([clips, values], axis=1))


def write_left_out(folder: Path, training_set: TrainingSet) -> None:
    """Write ``rejected.csv`` and ``duplicates.csv``; no file if no clip was left out or no recording occurs twice."""
    if training_set.left_out:
        rows = [(clip.path, clip.reason) for clip in training_set.left_out]
        files.write_table(folder / "rejected.csv", pd.DataFrame(rows, columns=["path", "reason"]))
    twins = [(group, path) for group, paths in enumerate(training_set.duplicates(), start=1) for path in paths]
    if twins:
        files.write_table(folder / "duplicates.csv", pd.DataFrame(twins, columns=["group", "path"]))


def write_search(folder: Path, results: Sequence[FoldResult]) -> None:
    """Write the seconds of each fold's fit, apart from the reproducible scores, and the results of the search."""
    seconds = [(number, result.fit_s) for number, result in enumerate(results, start=1)]
    files.write_table(folder / "timing.csv", pd.DataFrame(seconds, columns=["fold", "fit_s"]))
    rows = [
        {"fold": number, **row, "chosen": all(row[name] == value for name, value in result.settings.items())}
        for number, result in enumerate(results, start=1)
        for row in result.search
    ]
    if rows:
        files.write_table(folder / "tuning.csv", pd.DataFrame(rows))


def write_curves(folder: Path, results: Sequence[FoldResult], *, final: Fitted, title: str) -> None:
    """Write the training curves of a deep model as a picture and a table, one row per epoch and network.

    Columns ``fold`` (0: the final model), ``fit`` ("validation", "test" or "final"), and those of
    `emotone.models.deep.classifier.NeuralClassifier.history_`.
    """
    rows = [{"fold": number, **row} for number, result in enumerate(results, start=1) for row in result.history]
    if not rows:
        return
    from emotone.report.figures import curves, vector

    table = pd.DataFrame([*rows, *({"fold": 0, **row} for row in final.history("final"))])
    files.write_table(folder / "curves.csv", table)
    vector.save_pair(curves.curves_picture(table, title=title), folder / "figures" / "curves.png")
