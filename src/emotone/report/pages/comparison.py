"""The comparison of models as one HTML file: no script, and nothing that is fetched from anywhere."""

from collections.abc import Mapping
from typing import Any

from emotone.errors import ConfigError
from emotone.report.pages.render import difference_texts, embedded, model_texts, render, score_texts, verdict
from emotone.report.text import chance_uar, protocol_lines

TEMPLATE = "compare.html.j2"
_SCORES = {"uar": "UAR", "accuracy": "Accuracy", "macro_f1": "Macro F1"}


def page(told: Mapping[str, Any], *, comparison_png: bytes, confusion_png: bytes) -> str:
    """Write the page.

    Parameters
    ----------
    told
        What ``comparison.json`` holds.
    comparison_png
        The picture of all models.
    confusion_png
        The confusion matrix of the best one.

    Returns
    -------
    HTML, to be written as UTF-8.

    Raises
    ------
    ConfigError
        There is no model to compare.
    MissingExtraError
        jinja2 is not installed.
    """
    models = list(told["rows"])
    if not models:
        raise ConfigError("there are no results to compare; expected at least one model")
    best = models[0]
    protocol, *warnings = protocol_lines(told["protocol"])
    return render(
        TEMPLATE,
        models=[_row(model) for model in models],
        best=best,
        best_line=score_texts(best["test"], "uar"),
        scores=_SCORES,
        protocol=protocol,
        warnings=warnings,
        chance=chance_uar(best["test"]),
        n_clips=best["test"]["n_clips"],
        unit=best["test"]["interval"]["unit"],
        level=told["level"],
        emotions=[emotion for emotion, clips in best["test"]["per_class"]["support"].items() if clips],
        equals=[model["model"] for model in models if model["significant"] is False],
        comparison_png=embedded(comparison_png),
        confusion_png=embedded(confusion_png),
    )


def _row(model: Mapping[str, Any]) -> dict[str, Any]:
    """Texts of one line of the tables."""
    return {
        **model_texts(model),
        "best": model["best"],
        "scores": {score: score_texts(model["test"], score) for score in _SCORES},
        **difference_texts(model["paired"]),
        "verdict": verdict(model),
        "recall": model["test"]["per_class"]["recall"],
    }
