"""What a run writes: its predictions as a table, scores, figures, and the card of its model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotone import metrics, splits
from emotone.corpora import CORPORA, Corpus
from emotone.experiment import adaptation, files, groups
from emotone.experiment.config import Config
from emotone.experiment.fold_result import FoldResult, Scores
from emotone.experiment.folds import Fitted, Plan, validation_words
from emotone.experiment.material import Material, Rows
from emotone.models import registry

#: The share of validation answers, the least certain ones, that the final model calls "unsure".
UNSURE_SHARE = 0.1
SUBSETS = ("validation", "test")
#: Said by every bundle that `run` writes.
NOTE = (
    "The model in this bundle was fitted on all clips. The scores are of models of the same kind that never "
    "saw the clips they were asked about{disjoint}."
)


def predictions(plans: Sequence[Plan], results: Sequence[FoldResult], material: Material) -> pd.DataFrame:
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


def _part(rows: Rows, scores: Scores, material: Material, *, fold: int, subset: str) -> pd.DataFrame:
    clips = material.corpus.table.iloc[rows].reset_index(drop=True)
    emotions = np.asarray(material.emotions)
    told: dict[str, Any] = {"row": rows}
    told |= {name: clips[name] for name in ("path", "corpus", "speaker", "emotion")}
    told |= {"fold": fold, "subset": subset, "predicted": emotions[scores.argmax(axis=1)]}
    told |= {"confidence": scores.max(axis=1)}
    told |= {f"score_{emotion}": scores[:, column] for column, emotion in enumerate(emotions)}
    return pd.DataFrame(told)


def truth_and_scores(table: pd.DataFrame, emotions: Sequence[str]) -> tuple[Rows, Scores]:
    """Class numbers (n,) and probabilities (n, k) of a table that `predictions` made."""
    number = {emotion: index for index, emotion in enumerate(emotions)}
    truth = np.asarray([number[emotion] for emotion in table["emotion"]], dtype=np.int64)
    return truth, table[[f"score_{emotion}" for emotion in emotions]].to_numpy(dtype=np.float64)


def summarise(
    table: pd.DataFrame, *, protocol: splits.Protocol, plans: Sequence[Plan], material: Material, config: Config
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


def _protocol(protocol: splits.Protocol, plans: Sequence[Plan], config: Config) -> dict[str, Any]:
    """Say how the scores came about; ``train_also`` is named only where there is such a channel."""
    header = protocol.header()
    words = validation_words(plans, deep=registry.get(config.model).family == "deep")
    more: dict[str, Any] = {}
    if config.train_also:
        also = f"{' and '.join(config.train_also).capitalize()} clips of the training speakers were learnt from too"
        header["description"] += f" {also}, and none was validated or tested on."
        more["train_also"] = list(config.train_also)
    return {**header, "words": header["description"], "validation": words, **more}


def _fold(table: pd.DataFrame, plan: Plan, material: Material) -> dict[str, Any]:
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


def write_adaptation(folder: Path, results: Sequence[FoldResult], material: Material, *, title: str) -> dict[str, Any]:
    """Write ``adaptation.csv`` and its picture: the scores of an adaptive model against the clips of a speaker heard.

    Returns
    -------
    Subset -> rows of `emotone.experiment.adaptation.curve`, and "folds" -> those of each fold's test; empty where the
    model does not adapt.
    """
    if not results[0].test_adapted:
        return {}
    answers = {subset: _answers(results, subset) for subset in SUBSETS}
    told: dict[str, Any] = {
        subset: adaptation.curve(
            [(rows, adapted) for rows, _, adapted in folds],
            plain=np.concatenate([plain for _, plain, _ in folds]),
            labels=material.labels,
        )
        for subset, folds in answers.items()
    }
    files.write_table(folder / "adaptation.csv", adaptation.as_table(told))
    # folds of several corpora are of different difficulty, and are looked at one by one
    told["folds"] = [
        adaptation.curve([(rows, adapted)], plain=plain, labels=material.labels)
        for rows, plain, adapted in answers["test"]
    ]
    from emotone.report import plots
    from emotone.report.adaptation import adaptation_picture

    plots.save(adaptation_picture(told["test"], title=title), folder / "figures" / "adaptation.png")
    return told


def _answers(results: Sequence[FoldResult], subset: str) -> list[tuple[Rows, Scores, adaptation.Adapted]]:
    """Of each fold the rows of a subset, the calibrated answers, and those of a speaker who was heard."""
    found = []
    for one in results:
        test = subset == "test"
        rows, plain = (one.test_rows, one.test_scores) if test else (one.validation_rows, one.validation_scores)
        adapted = one.test_adapted if test else one.validation_adapted
        heard = {level: one.calibrated(scores) for level, scores in adapted.items()}
        found.append((rows, one.calibrated(plain), heard))
    return found


def write_conditions(folder: Path, results: Sequence[FoldResult], material: Material) -> list[dict[str, Any]]:
    """Write ``conditions.csv``: the test scores as recorded ("none") and under every condition.

    Returns
    -------
    One row a condition: condition, accuracy, uar, ece.
    """
    truth = material.labels[np.concatenate([result.test_rows for result in results])]
    heard = {"none": [result.test_scores for result in results]}
    heard |= {name: [result.test_conditions[name] for result in results] for name in material.conditions}
    rows = []
    for name, scores in heard.items():
        pooled = np.concatenate([result.calibrated(one) for result, one in zip(results, scores, strict=True)])
        predicted = pooled.argmax(axis=1)
        rows.append(
            {
                "condition": name,
                "accuracy": float(metrics.accuracy(truth, predicted)),
                "uar": float(metrics.unweighted_average_recall(truth, predicted)),
                "ece": float(metrics.expected_calibration_error(truth, pooled)),
            }
        )
    files.write_table(folder / "conditions.csv", pd.DataFrame(rows))
    return rows


def write_figures(folder: Path, told: Mapping[str, Any]) -> None:
    """Write the two confusion matrices, and the report as text."""
    from emotone.report import plots, text

    reports = []
    for subset in SUBSETS:
        picture = plots.confusion_picture(told[subset], protocol=told["protocol"], subset=subset)
        plots.save(picture, folder / "figures" / f"confusion_{subset}.png")
        report = text.classification_report(told[subset], protocol=told["protocol"])
        how = f"What these clips are: {told['protocol']['validation']}.\n\n" if subset == "validation" else ""
        reports.append(f"{subset.capitalize()}\n{'=' * len(subset)}\n\n{how}{report}")
    files.write_text(folder / "classification_report.txt", "\n".join(reports))


def write_scaler(folder: Path, model: registry.Estimator, material: Material) -> None:
    """Write mean and scale of every feature, where the model scales at all."""
    scaler = getattr(model, "named_steps", {}).get("scaler")
    if scaler is not None:
        told = {"features": list(material.names), "mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()}
        files.write_json(folder / "scaler.json", told)


def write_features(folder: Path, material: Material, *, kind: str) -> None:
    """Write the features of the clips, extra ones last, but not of copies; kind csv or parquet.

    Path, speaker and emotion come first.
    """
    clips = material.corpus.table[["path", "speaker", "emotion"]]
    values = pd.DataFrame(material.values[: len(material.corpus)], columns=list(material.names))
    files.write_table(folder / f"features.{kind}", pd.concat([clips, values], axis=1))


def write_left_out(folder: Path, material: Material) -> None:
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
    `emotone.models.neural.NeuralClassifier.history_` holds.
    """
    rows = [{"fold": number, **row} for number, result in enumerate(results, start=1) for row in result.history]
    if not rows:
        return
    from emotone.report import curves, plots

    table = pd.DataFrame([*rows, *({"fold": 0, **row} for row in final.history("final"))])
    files.write_table(folder / "curves.csv", table)
    plots.save(curves.curves_picture(table, title=title), folder / "figures" / "curves.png")


def calibration(results: Sequence[FoldResult], material: Material) -> dict[str, Any]:
    """Temperature and threshold of the final model, from the validation predictions of all folds.

    Returns
    -------
    ``temperature``; ``threshold``, the confidence under which the least certain `UNSURE_SHARE` of the validation
    answers lie, rounded down to thousandths; ``coverage``, the share of answers at or above it; ``accuracy_above`` and
    ``accuracy_below`` (None where no answer is below); ``ece``; ``n_predictions``.
    """
    truth = np.concatenate([material.labels[result.validation_rows] for result in results])
    raw = np.concatenate([result.validation_scores for result in results])
    temperature = metrics.fit_temperature(raw, truth)
    scores = metrics.apply_temperature(raw, temperature)
    confidence, right = scores.max(axis=1), scores.argmax(axis=1) == truth
    # Rounded, so that an answer doesn't hang on the last bit where a model is always sure; down, so that 1 is none.
    threshold = max(0.0, float(np.ceil(1000 * np.quantile(confidence, UNSURE_SHARE)) - 1) / 1000)
    above = confidence >= threshold
    return {
        "temperature": temperature,
        "threshold": threshold,
        "coverage": float(above.mean()),
        "accuracy_above": float(right[above].mean()),
        "accuracy_below": float(right[~above].mean()) if not above.all() else None,
        "ece": metrics.expected_calibration_error(truth, scores),
        "n_predictions": int(truth.size),
    }


def card(
    config: Config,
    told: Mapping[str, Any],
    *,
    material: Material,
    settings: Mapping[str, Any],
    measured: Mapping[str, Any],
) -> dict[str, Any]:
    """Compose what the bundle says of its training; `emotone.export.bundle` adds what it knows itself.

    Parameters
    ----------
    told
        What ``metrics.json`` holds.
    settings
        What the search chose for the final model.
    measured
        What `calibration` returns.
    """
    disjoint = ", nor their speakers" if told["protocol"]["speaker_disjoint"] else ""
    augmented = {"transforms": [transform.spec for transform in config.transforms], "copies": config.n_copies}
    parameters = {**settings, "seed": config.seed, "balance": config.balance}
    return {
        "name": f"{config.model} on {material.corpus.name}",
        "emotions": list(material.emotions),
        "model": config.model,
        "parameters": parameters | ({"train_also": list(config.train_also)} if config.train_also else {}),
        "protocol": dict(told["protocol"]),
        "scores": {**told["test"], **groups.for_card(told)},
        "calibration": dict(measured),
        "training": {
            "corpora": training_corpora(material.corpus),
            "n_clips": len(material.corpus),
            "channel": config.channel,
            "augmentation": augmented | {"mixup": config.mixup} if config.augment else None,
            "note": NOTE.format(disjoint=disjoint),
        },
    }


def training_corpora(corpus: Corpus) -> list[dict[str, Any]]:
    """Name each corpus with its size and licence; of an unknown one, no licence is known and none is presumed."""
    told = []
    for name, clips in corpus.table.groupby("corpus", sort=True):
        info = CORPORA.get(str(name))
        told.append(
            {
                "name": str(name),
                "title": info.title if info else str(name),
                "clips": len(clips),
                "speakers": len(set(clips["speaker"]) - {""}),
                "language": info.language if info else ", ".join(sorted(set(clips["language"]) - {""})),
                "licence": info.licence if info else "not known",
                "url": info.url if info else "",
                "commercial_use": info.commercial_use if info else False,
            }
        )
    return told
