"""The page of a run, made from its directory alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from emotone.errors import BundleError, ConfigError
from emotone.formatting import left_out_text, percent, setting_text
from emotone.metrics import NAMES, SCORES, chance_uar, wilson
from emotone.palette import colour_of
from emotone.recognition import card as cards
from emotone.recognition import trust
from emotone.recognition.trust import Trust
from emotone.report.figures import confusion, occlusion, permutation_importance, reliability, vector
from emotone.report.pages import worst_errors
from emotone.report.pages.brief import brief
from emotone.report.pages.render import SVG, embedded, render
from emotone.report.text import protocol_lines, score_texts, span_text
from emotone.runs import folder as run_folder
from emotone.runs import layout
from emotone.runs.folder import RunFolder


def page(folder: str | Path) -> str:
    """Return the page of a finished run.

    If the run did not keep something, because it is older or of another kind, the page says so or leaves it out.  The
    page is the same for the same directory, wherever it is.

    Raises
    ------
    ConfigError
        It is not the directory of a finished run, or a file in it is damaged.
    MissingExtraError
        jinja2 is not installed.
    """
    run = run_folder.read(folder)
    _check_card(run)
    test = run.metrics["test"]
    protocol, *warnings = protocol_lines(run.metrics["protocol"])
    maps, known = run.arrays("relevance.npz"), _trust(run)
    return render(
        "run.html.j2",
        run=run,
        metrics=run.metrics,
        protocol=protocol,
        warnings=warnings,
        brief=brief(run, known),
        summary=summary(run, known),
        left_out=run.metrics.get("left_out", []),
        other_corpora=_other_corpora(known),
        scores=SCORES,
        names=NAMES,
        score_texts=score_texts,
        classes=[_class(test, emotion) for emotion in run.emotions],
        cards=worst_errors.cards(run),
        corpora=run.card.get("training", {}).get("corpora", []),
        settings={name: setting_text(value) for name, value in run.settings.items()},
        parameters={name: str(value) for name, value in run.card.get("parameters", {}).items()},
        pictures=_pictures(run),
        is_calibration_known=run.uncalibrated("test") is not None,
        n_occluded=None if maps is None else int(maps["maps"].shape[0]),
    )


def _check_card(run: RunFolder) -> None:
    """Raise `ConfigError` if the card of the bundle is damaged; a run without a bundle has none."""
    try:
        if run.card:
            cards.check(run.card, where=str(run.path / layout.CARD))
    except BundleError as error:
        raise ConfigError(str(error)) from error


def _trust(run: RunFolder) -> Trust:
    """Return how far the model of a run can be trusted; raise `ConfigError` if a value is damaged."""
    try:
        return trust.of_run(run.metrics, where=str(run.path / layout.METRICS))
    except BundleError as error:
        raise ConfigError(str(error)) from error


def _other_corpora(known: Trust) -> dict[str, Any] | None:
    """Return the table of the corpora that the model was not trained on; None if it was not measured on any."""
    if known.elsewhere is None:
        return None
    head, rows = trust.corpora_table(known.elsewhere)
    return {"head": head, "rows": rows, "note": trust.table_note(known.elsewhere)}


def summary(run: RunFolder, known: Trust) -> list[str]:
    """Return the main results in a few sentences, from how often the model is right to the clips that were left out."""
    test = run.metrics["test"]
    n_speakers = len(set(run.tested["speaker"]) - {""})
    n_folds = len(run.metrics.get("folds", [])) or 1
    of = f" of {n_speakers} speakers" if n_speakers else ""
    pooled = f", pooled over {n_folds} folds" if n_folds > 1 else ""
    sentences = [
        *known.right,
        f"{test['n_clips']:,} test clips{of}{pooled}; guessing gives {percent(chance_uar(test))}.",
    ]
    sentences.append(_best_and_worst(test))
    speakers = run.metrics.get("groups", {}).get("speaker", {})
    single = [group["uar"] for name, group in speakers.items() if name != "unknown"]
    if len(single) > 1:
        spread = f"{percent(min(single))} to {percent(max(single))}"
        sentences.append(f"The UAR of single speakers is {spread}, with median {percent(float(np.median(single)))}.")
    sentences += [sentence for sentence in (known.calibration, known.reaching, known.confident) if sentence]
    left_out = left_out_text(run.metrics.get("left_out", []))
    return [*sentences, *([f"{left_out}."] if left_out else [])]


def _best_and_worst(test: Mapping[str, Any]) -> str:
    """Name the emotions of the highest and the lowest recall, and the most frequent error of the latter."""
    support = test["per_class"]["support"]
    recall = {emotion: value for emotion, value in test["per_class"]["recall"].items() if support[emotion]}
    best, worst = max(recall, key=lambda name: recall[name]), min(recall, key=lambda name: recall[name])
    error = _most_frequent_error(test, worst)
    confused = f", most often predicted as {error}" if error else ""
    best_recall, worst_recall = (percent(recall[emotion], digits=0) for emotion in (best, worst))
    return f"Highest recall: {best} ({best_recall}). Lowest recall: {worst} ({worst_recall}){confused}."


def _most_frequent_error(test: Mapping[str, Any], emotion: str) -> str:
    """Return the most frequent wrong prediction for an emotion and its share of the clips; empty without errors."""
    emotions = list(test["per_class"]["support"])
    row = list(test["confusion"][emotions.index(emotion)])
    n_clips = sum(row)
    row[emotions.index(emotion)] = 0
    most = max(row)
    return f"{emotions[row.index(most)]} ({percent(most / n_clips, digits=0)})" if most else ""


def _class(test: Mapping[str, Any], emotion: str) -> dict[str, Any]:
    """Return the texts of an emotion: rates, interval of the recall, and most frequent error."""
    classes = test["per_class"]
    place, clips = list(classes["support"]).index(emotion), int(classes["support"][emotion])
    low, high = wilson(test["confusion"][place][place], clips)
    rates = {name: f"{100 * classes[name][emotion]:.1f}" if clips else "–" for name in ("recall", "precision", "f1")}
    span = span_text({"low": low, "high": high}) if clips else ""
    error = _most_frequent_error(test, emotion) or "–"
    return {
        "name": emotion,
        "colour": colour_of(emotion, classes["support"]),
        "clips": clips,
        **rates,
        "span": span,
        "error": error,
    }


def _pictures(run: RunFolder) -> dict[str, str]:
    """Return every picture of the page as a data URL, "" if the run did not keep what it shows.

    Pictures are SVG; of a run that kept a PNG alone, that.
    """
    kept = ("confusion_test", "confusion_validation", "risk_coverage", "groups", "adaptation", "curves")
    drawn: dict[str, Figure] = {}
    protocol, table, maps = run.metrics["protocol"], run.table("importance.csv"), run.arrays("relevance.npz")
    for subset in ("test", "validation"):
        name = f"confusion_{subset}"
        if run.figure(f"{name}.svg") is None:
            drawn[name] = confusion.confusion_picture(run.metrics[subset], protocol=protocol, subset=subset)
    before = run.uncalibrated("test")
    drawn["reliability"] = reliability.reliability_picture(*run.answers("test"), before=before, protocol=protocol)
    if table is not None and not table.empty:
        drawn["importance"] = permutation_importance.importance_picture(table, protocol=protocol)
    if maps is not None and maps["maps"].shape[0]:
        headline = f"{run.model}, the final model: loss when a block of the sound is attenuated"
        drawn["relevance"] = occlusion.relevance_picture(maps, title=headline)
    pictures = dict.fromkeys((*kept, "reliability", "importance", "relevance"), "")
    for name in kept:
        if (content := run.figure(f"{name}.svg")) is not None:
            pictures[name] = embedded(content, SVG)
        elif (content := run.figure(f"{name}.png")) is not None:
            pictures[name] = embedded(content)
    return pictures | {name: embedded(vector.svg(figure), SVG) for name, figure in drawn.items()}
