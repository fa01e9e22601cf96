"""TODO src/emotone/report/pages/render.py."""

import base64
from collections.abc import Mapping
from typing import Any

from emotone.errors import MissingExtraError
from emotone.formatting import MINUS, percent


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
