"""The comparison of models as one HTML file: no script, and nothing that is fetched from anywhere."""

import base64
from collections.abc import Mapping
from typing import Any

from emotone.errors import ConfigError, MissingExtraError
from emotone.report.text import chance_uar, percent, protocol_lines

TEMPLATE = "compare.html.j2"
MINUS = "\N{MINUS SIGN}"  # as wide as the plus
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


def render(template: str, **values: Any) -> str:
    """Fill in a template of this package; text is escaped, and a value that is missing is an error.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("the page of a comparison", extra="train") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("emotone.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["percent"] = percent
    return environment.get_template(template).render(**values)


def verdict(model: Mapping[str, Any]) -> str:
    """Say in words how a model stands to the best one.

    Examples
    --------
    >>> verdict({"best": False, "significant": False})
    'not told apart'
    """
    return "best" if model["best"] else "below" if model["significant"] else "not told apart"


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


def model_texts(model: Mapping[str, Any]) -> dict[str, Any]:
    """Texts of what a model is and costs, whatever it was tested on."""
    return {
        "name": model["model"],
        "description": model["description"],
        "deep": model["family"] == "deep",
        "extractor": model["extractor"],
        "fit": _seconds(model["fit_s"]),
        "size": f"{model['bundle_mb']:.1f}",
        "recognition": f"{model['recognition_ms']:.0f}",
    }


def difference_texts(paired: Mapping[str, float] | None) -> dict[str, Any]:
    """Texts of the paired test with the best model; nothing for the best itself."""
    if paired is None:
        return {}
    low, high, p_value = 100 * paired["low"], 100 * paired["high"], paired["p_holm"]
    span = f"{low:+.1f} to {high:+.1f}".replace("-", MINUS)
    p = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    return {"difference": {"value": f"{100 * paired['difference']:+.1f}".replace("-", MINUS), "span": span}, "p": p}


def score_texts(result: Mapping[str, Any], score: str) -> dict[str, str]:
    """Texts of a score and of its 95 % interval, in %."""
    interval = result["intervals"][score]
    span = f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f}"
    return {"value": f"{100 * result[score]:.1f}", "span": span}


def _seconds(value: float) -> str:
    """Write seconds with as many digits as mean something.

    Examples
    --------
    >>> _seconds(0.123), _seconds(12.34)
    ('0.12', '12')
    """
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"


def embedded(png: bytes) -> str:
    """Write a picture as the address of itself."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
