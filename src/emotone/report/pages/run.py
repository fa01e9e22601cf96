"""The page of one run: made from its directory alone, one file, no script, nothing that is fetched from anywhere."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotone.formatting import percent, setting_text
from emotone.metrics.scores import SCORES
from emotone.palette import colour_of
from emotone.report.pages import render, worst_errors
from emotone.report.pages.render import embedded, score_texts
from emotone.report.text import chance_uar, protocol_lines
from emotone.runs import folder as run_folder
from emotone.runs.folder import PLACES, RunFolder, is_network

TEMPLATE = "run.html.j2"
NETWORK = "deep"


def page(folder: str | Path) -> str:
    """Write the page of a finished run.

    What the run did not keep, because it is older or of another kind, the page says or leaves out.

    Parameters
    ----------
    folder
        The run directory.

    Returns
    -------
    HTML, to be written as UTF-8; the same for the same directory, wherever it lies.

    Raises
    ------
    ConfigError
        It is no directory of a finished run, or a file in it is damaged.
    MissingExtraError
        jinja2 is not installed.
    """
    run = run_folder.read(folder)
    test, validation = run.metrics["test"], run.metrics["validation"]
    protocol, *warnings = protocol_lines(run.metrics["protocol"])
    return render.render(
        TEMPLATE,
        model=run.model,
        corpora=run.corpora,
        best_line=score_texts(test, "uar"),
        unit=test["interval"]["unit"],
        protocol=protocol,
        disjoint=bool(run.metrics["protocol"]["speaker_disjoint"]),
        warnings=warnings,
        validation_words=str(run.metrics["protocol"].get("validation", "")),
        summary=summary(run),
        scores=SCORES,
        subsets=[_subset("test", test), _subset("validation", validation)],
        classes=_classes(test),
        absent=test.get("absent", []),
        folds=_folds(run),
        adapted=run.metrics.get("adapted") is not None,
        conditions=run.metrics.get("conditions"),
        is_network=is_network(run),
        cards=worst_errors.cards(run),
        licences=_licences(run),
        settings=_settings(run),
        parameters={name: str(value) for name, value in run.card.get("parameters", {}).items()},
        versions=run.card.get("versions", {}),
        pictures=_pictures(run),
        calibrated_known=run.uncalibrated("test") is not None,
        n_heard=_n_heard(run),
    )


def summary(run: RunFolder) -> list[str]:
    """Say in a few sentences what a reader must know: of how much, who is understood, and how sure it may be."""
    test = run.metrics["test"]
    tested = run.predictions[run.predictions["subset"] == "test"]
    n_speakers = len(set(tested["speaker"]) - {""})
    n_folds = len(run.metrics.get("folds", [])) or 1
    of = f" of {n_speakers} speakers" if n_speakers else ""
    pooled = f", pooled over {n_folds} folds" if n_folds > 1 else ""
    sentences = [f"{test['n_clips']:,} test clips{of}{pooled}; guessing gives {percent(chance_uar(test))}."]
    sentences.append(_best_and_worst(test))
    speakers = run.metrics.get("groups", {}).get("speaker", {})
    single = [one["uar"] for name, one in speakers.items() if name != "unknown"]
    if len(single) > 1:
        spread = f"{percent(min(single))} to {percent(max(single))}"
        sentences.append(f"Of single speakers the UAR is {spread}, {percent(float(np.median(single)))} in the middle.")
    sure = f"Confidences are off by {100 * test['ece']:.1f} points on average"
    unsure = run.metrics.get("unsure")
    if unsure and unsure["accuracy_above"] is not None and unsure["accuracy_below"] is not None:
        sure += (
            f"; the {percent(1 - unsure['coverage'], digits=0)} that would be called unsure are right "
            f"{percent(unsure['accuracy_below'], digits=0)} of the time, the others "
            f"{percent(unsure['accuracy_above'], digits=0)}"
        )
    return [*sentences, f"{sure}."]


def _best_and_worst(test: Mapping[str, Any]) -> str:
    """Name the emotions of the highest and lowest recall, and what the latter is taken for."""
    classes = test["per_class"]
    emotions = list(classes["support"])
    recall = {emotion: classes["recall"][emotion] for emotion in emotions if classes["support"][emotion]}
    best, worst = max(recall, key=lambda one: recall[one]), min(recall, key=lambda one: recall[one])
    row = list(test["confusion"][emotions.index(worst)])
    row[emotions.index(worst)] = 0
    told = f"Best understood: {best} (recall {percent(recall[best], digits=0)}); least: {worst} ("
    told += f"{percent(recall[worst], digits=0)})"
    if max(row):
        taken = emotions[row.index(max(row))]
        told += f", most often taken for {taken} ({percent(max(row) / classes['support'][worst], digits=0)})"
    return f"{told}."


def _subset(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "clips": f"{result['n_clips']:,}",
        "scores": {score: score_texts(result, score) for score in SCORES},
        "ece": f"{100 * result['ece']:.1f}",
    }


def _classes(test: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row an emotion: its rates, the interval of its recall, and what it is taken for."""
    from emotone.metrics.scores import wilson

    classes, rows = test["per_class"], []
    emotions = list(classes["support"])
    for place, emotion in enumerate(emotions):
        clips = int(classes["support"][emotion])
        hits, others = test["confusion"][place][place], list(test["confusion"][place])
        others[place] = 0
        low, high = wilson(hits, clips)
        rates = {
            name: f"{100 * classes[name][emotion]:.1f}" if clips else "–" for name in ("recall", "precision", "f1")
        }
        taken = emotions[others.index(max(others))] if max(others) else ""
        rows.append(
            {
                "name": emotion,
                "colour": colour_of(emotion),
                "clips": f"{clips:,}",
                **rates,
                "span": f"{100 * low:.1f} to {100 * high:.1f}" if clips else "",
                "taken": f"{taken}, {percent(max(others) / clips, digits=0)}" if taken and clips else "–",
            }
        )
    return rows


def _folds(run: RunFolder) -> list[dict[str, Any]]:
    rows = []
    for fold in run.metrics.get("folds", []):
        shared = len(fold.get("shared_speakers", []))
        speakers = [str(one) for one in fold.get("test_speakers", [])]
        rows.append(
            {
                "fold": fold["fold"],
                "speakers": ", ".join(speakers) if len(speakers) <= 8 else f"{len(speakers)} speakers",
                "shared": shared,
                "n_train": f"{fold['n_train_clips']:,}" if "n_train_clips" in fold else "–",
                "n_test": f"{fold['n_clips']:,}",
                **{score: f"{100 * fold[score]:.1f}" for score in SCORES},
            }
        )
    return rows


def _pictures(run: RunFolder) -> dict[str, str]:
    """Every picture of the page as the address of itself, "" where the run did not keep what it shows."""
    kept = ("confusion_test", "confusion_validation", "risk_coverage", "groups", "adaptation", "curves")
    found = {name: run.figure(f"{name}.png") for name in kept}
    drawn: dict[str, Callable[[RunFolder], bytes | None]] = {
        "confusion_test": lambda run: _confusion(run, "test"),
        "confusion_validation": lambda run: _confusion(run, "validation"),
        "reliability": _reliability,
        "importance": _importance,
        "relevance": _relevance,
    }
    for name, draw in drawn.items():
        found[name] = found.get(name) or draw(run)
    return {name: embedded(content) if content else "" for name, content in found.items()}


def _confusion(run: RunFolder, subset: str) -> bytes:
    from emotone.report.figures import confusion, style

    return style.png(confusion.confusion_picture(run.metrics[subset], protocol=run.metrics["protocol"], subset=subset))


def _reliability(run: RunFolder) -> bytes:
    from emotone.report.figures import reliability, style

    truth, scores = run.answers("test")
    before = run.uncalibrated("test")
    drawn = reliability.reliability_picture(truth, scores, before=before, protocol=run.metrics["protocol"])
    return style.png(drawn)


def _importance(run: RunFolder) -> bytes | None:
    table = run.table("importance.csv")
    if table is None or table.empty:
        return None
    from emotone.report.figures import permutation_importance, style

    return style.png(permutation_importance.importance_picture(table, protocol=run.metrics["protocol"]))


def _relevance(run: RunFolder) -> bytes | None:
    if not _n_heard(run):
        return None
    found = run.arrays("relevance.npz") or {}
    from emotone.report.figures import occlusion, style

    headline = f"{run.model}, the final model: what it loses where a block of the sound is taken away"
    return style.png(occlusion.relevance_picture(found, title=headline))


def _n_heard(run: RunFolder) -> int | None:
    """Count the clips of ``relevance.npz``; None where the run kept none of this."""
    found = run.arrays("relevance.npz")
    return None if found is None else int(found["maps"].shape[0])


def _licences(run: RunFolder) -> list[str]:
    corpora: Sequence[Mapping[str, Any]] = run.card.get("training", {}).get("corpora", [])
    return [f"{one['title']}: {one['licence']}" for one in corpora]


def _settings(run: RunFolder) -> dict[str, str]:
    """What ``config.toml`` says, but for the places."""
    shown = {**run.config, "corpora": run.corpora}  # of a table's path, its name
    return {name: setting_text(value) for name, value in shown.items() if name not in PLACES}
