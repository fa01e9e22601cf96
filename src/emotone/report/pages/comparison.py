"""The page of a comparison: models under one protocol, models under several protocols, or finished runs."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from emotone.errors import ConfigError
from emotone.metrics import NAMES, SCORES, chance_uar
from emotone.recognition import trust
from emotone.report.figures import style
from emotone.report.figures.comparison import comparison_picture, protocol_colours
from emotone.report.pages.render import embedded, render
from emotone.report.text import headlines, points, protocol_lines, score_texts, voices


def page(
    comparison: Mapping[str, Any],
    *,
    comparison_png: bytes | None = None,
    confusion_png: bytes = b"",
    links: Mapping[str, str] | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    comparison
        Contents of ``comparison.json``, or the result of `emotone.runs.compare_runs`.
    comparison_png, confusion_png
        The picture of the scores (None: it is drawn), and the confusion matrix of the best model (empty: none).
    links
        Name of a run -> address of its page, relative to this page.

    Raises
    ------
    ConfigError
        There is no model to compare.
    MissingExtraError
        jinja2 is not installed.
    """
    groups = comparison.get("groups", [comparison])
    if not all(group["rows"] for group in groups):
        raise ConfigError("there are no results to compare; expected at least one model")
    protocols = [entry["protocol"] for group in groups for entry in group.get("protocols", [group])]
    kind = "runs" if "groups" in comparison else "protocols" if "protocols" in comparison else "models"
    if kind == "models":
        links = {row["model"]: f"{quote(row['model'])}/report.html" for row in comparison["rows"]}
    sections = []
    for group in groups:
        png = style.png(comparison_picture(group)) if comparison_png is None else comparison_png
        section = _protocols(group) if kind == "protocols" else _models(group)
        sections.append({**group, **section, "picture": embedded(png)})
    return render(
        "comparison.html.j2",
        kind=kind,
        headlines=headlines(comparison) if kind == "protocols" else [],
        sections=sections,
        tested=trust.comparison_note(protocols),
        n_rows=sum(len(group["rows"]) for group in groups),
        links=links or {},
        scores=SCORES,
        ece=NAMES["ece"],
        settings=comparison.get("settings", {}),
        confusion=embedded(confusion_png) if confusion_png else "",
        texts={"score": score_texts, "points": points, "seconds": _seconds, "voices": voices},
    )


def _models(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of models or runs under one protocol, besides their rows."""
    best = group["rows"][0]["test"]
    protocol, *warnings = protocol_lines(group["protocol"])
    return {
        "words": protocol,
        "warnings": warnings,
        "equals": [row.get("name", row["model"]) for row in group["rows"] if row["significant"] is False],
        "chance": chance_uar(best),
        "unit": best["interval"]["unit"],
        "emotions": [emotion for emotion, clips in best["per_class"]["support"].items() if clips],
    }


def _protocols(comparison: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of models under several protocols, besides their rows."""
    warnings = [entry["protocol"].get("warning") for entry in comparison["protocols"]]
    same = [row["leak"]["same_clips"] for row in comparison["rows"] if row["leak"] is not None]
    return {
        "colours": protocol_colours(comparison),
        "warnings": [f"{warning}." for warning in warnings if warning],
        "unit": comparison["rows"][0]["protocols"][comparison["reference"]]["intervals"]["uar"]["unit"],
        "n_same": same[0]["n_clips"] if same and same[0] else 0,
    }


def _seconds(value: float) -> str:
    """Return seconds with the significant digits.

    Examples
    --------
    >>> _seconds(0.123), _seconds(12.34)
    ('0.12', '12')
    """
    return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:.0f}"
