"""Several runs on one page: no script, and nothing that is fetched from anywhere.

``told`` is what `emotone.runs.comparison.told` gives.
"""

from collections.abc import Mapping
from typing import Any

from emotone.metrics.scores import SCORES
from emotone.report.figures import comparison as plots_comparison
from emotone.report.figures import style
from emotone.report.pages import render
from emotone.report.pages.render import difference_texts, embedded, score_texts, verdict
from emotone.report.text import chance_uar, protocol_lines

TEMPLATE = "runs.html.j2"


def page(told: Mapping[str, Any], *, links: Mapping[str, str]) -> str:
    """Write the page.

    Parameters
    ----------
    told
        What the runs found.
    links
        Name of a run -> where its own page is, relative to this one; a run without is not linked.

    Returns
    -------
    HTML, to be written as UTF-8.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed.
    """
    groups = [_group(group) for group in told["groups"]]
    every = [row for group in told["groups"] for row in group["rows"]]
    return render.render(
        TEMPLATE,
        n_runs=len(every),
        groups=groups,
        scores=SCORES,
        settings=told["settings"],
        names=[row["name"] for row in every],
        links=links,
    )


def _group(group: Mapping[str, Any]) -> dict[str, Any]:
    """Texts and picture of runs that may be compared."""
    best = group["rows"][0]["test"]
    tests = {row["name"]: row["test"] for row in group["rows"]}
    networks = [row["name"] for row in group["rows"] if row["network"]]
    protocol, *warnings = protocol_lines(group["protocol"])
    drawn = plots_comparison.comparison_picture(tests, protocol=group["protocol"], deep=networks)
    return {
        "name": group["protocol"]["name"],
        "corpora": group["corpora"],
        "disjoint": bool(group["protocol"]["speaker_disjoint"]),
        "protocol": protocol,
        "warnings": warnings,
        "best": group["best"],
        "best_line": score_texts(best, "uar"),
        "equals": [row["name"] for row in group["rows"] if row["significant"] is False],
        "level": group["level"],
        "chance": chance_uar(best),
        "unit": best["interval"]["unit"],
        "n_clips": f"{best['n_clips']:,}",
        "emotions": [emotion for emotion, clips in best["per_class"]["support"].items() if clips],
        "rows": [_row(row) for row in group["rows"]],
        "picture": embedded(style.png(drawn)),
    }


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Texts of one line of the tables."""
    return {
        **{name: row[name] for name in ("name", "model", "network", "best")},
        "scores": {score: score_texts(row["test"], score) for score in SCORES},
        "ece": f"{100 * row['test']['ece']:.1f}",
        **difference_texts(row["paired"]),
        "verdict": verdict(row),
        "recall": row["test"]["per_class"]["recall"],
    }
