"""Results as text: the report of one model, the table of several.  Every figure comes with its protocol and interval.

``result`` is what `emotone.metrics.summary` returns, ``protocol`` what `emotone.protocols.Protocol.header` returns: the
two parts of ``metrics.json``.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from emotone.errors import ConfigError
from emotone.formatting import percent
from emotone.metrics import PairedResult

Result = Mapping[str, Any]


def score_line(result: Result, *, metric: str = "uar") -> str:
    """Write one score with its 95 % interval, and what the interval is over.

    Examples
    --------
    >>> score_line({"uar": 0.5, "intervals": {"uar": {"low": 0.41, "high": 0.6, "unit": "speaker"}}})
    'UAR 50.0 % (95 % interval 41.0 to 60.0 %, over speakers)'
    """
    interval = result["intervals"][metric]
    over = "over speakers" if interval["unit"] == "speaker" else "over clips, so too narrow where speakers differ"
    low, high = 100 * interval["low"], 100 * interval["high"]
    return f"{_NAMES[metric]} {percent(result[metric])} (95 % interval {low:.1f} to {high:.1f} %, {over})"


def protocol_lines(protocol: Mapping[str, Any]) -> list[str]:
    """Say under which protocol a score was reached, and on a line of its own what that hides."""
    warning = str(protocol.get("warning", ""))
    description = str(protocol["description"])
    if warning:
        description = description.replace(f" {warning}.", "").replace(warning, "").rstrip()
    return [f"Protocol: {description}"] + ([f"{warning}."] if warning else [])


def classification_report(result: Result, *, protocol: Mapping[str, Any]) -> str:
    """Write the report of one model: protocol, scores with intervals, and each emotion's precision, recall and F1.

    An emotion without a clip in the test has a dash for what it can't have, and is not counted in the UAR.
    """
    classes = result["per_class"]
    emotions = list(classes["support"])
    rows = []
    for emotion in emotions:
        support = int(classes["support"][emotion])
        rates = [f"{100 * classes[name][emotion]:.1f}" if support else "-" for name in ("precision", "recall", "f1")]
        rows.append([emotion, *rates, str(support)])
    lines = [part for line in protocol_lines(protocol) for part in textwrap.wrap(line, _WIDTH, break_on_hyphens=False)]
    lines += ["", *(score_line(result, metric=metric) for metric in _NAMES)]
    lines += [f"Expected calibration error {percent(result['ece'])}, {sum(int(row[-1]) for row in rows)} clips", ""]
    lines += _columns(["emotion", "precision %", "recall %", "F1 %", "clips"], rows)
    absent = [emotion for emotion in emotions if not classes["support"][emotion]]
    if absent:
        lines += ["", f"Not counted in the UAR, for want of a clip in the test: {', '.join(absent)}."]
    return "\n".join(lines) + "\n"


def sorted_by_uar(results: Mapping[str, Result]) -> list[str]:
    """Order the names of models, best UAR first, equals by name; ConfigError where there is no model."""
    if not results:
        raise ConfigError("there are no results to compare; expected at least one model")
    return sorted(results, key=lambda name: (-results[name]["uar"], name))


def chance_uar(result: Result) -> float:
    """Give the UAR of guessing: one over the number of emotions that the test has, in (0, 1]."""
    return 1 / max(1, sum(1 for support in result["per_class"]["support"].values() if support))


def comparison_table(
    results: Mapping[str, Result],
    *,
    protocol: Mapping[str, Any],
    tests: Mapping[str, PairedResult] | None = None,
) -> str:
    """Write the models side by side as a Markdown table, best UAR first, under the protocol they share.

    Parameters
    ----------
    results
        Name of the model -> its result.
    tests
        Name of a model -> the paired test of the best model against it; adds a column with difference and p.

    Raises
    ------
    ConfigError
        There are no results.
    """
    names = sorted_by_uar(results)
    header = ["model", "UAR %", "95 % interval", "accuracy %", "macro F1 %", "ECE %"]
    rows = []
    for name in names:
        result = results[name]
        interval = result["intervals"]["uar"]
        span = f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f}"
        scores = [f"{100 * result[metric]:.1f}" for metric in ("uar", "accuracy", "macro_f1", "ece")]
        rows.append([name, scores[0], span, *scores[1:]])
    if tests is not None:
        header.append("best minus this, UAR points (p)")
        for name, row in zip(names, rows, strict=True):
            row.append(_difference(tests[name]) if name in tests else "")
    units = sorted({results[name]["intervals"]["uar"]["unit"] for name in names})
    lines = [*protocol_lines(protocol), "", *markdown(header, rows), ""]
    lines.append(f"Chance UAR {percent(chance_uar(results[names[0]]))}. Intervals are over {' or '.join(units)}s.")
    return "\n".join(lines) + "\n"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out a Markdown table: first column to the left, the others, numbers, to the right.

    Examples
    --------
    >>> markdown(["model", "UAR"], [["svm", "61"]])
    ['| model | UAR |', '|:---|---:|', '| svm | 61 |']
    """
    marks = [":---"] + ["---:"] * (len(header) - 1)
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (header, *rows)]
    head, *body = ["| " + " | ".join(row) + " |" for row in cells]
    return [head, "|" + "|".join(marks) + "|", *body]


_WIDTH = 100  # of a line of the report as text
_NAMES = {"uar": "UAR", "accuracy": "Accuracy", "macro_f1": "Macro F1"}


def _difference(test: PairedResult) -> str:
    p = "p < 0.001" if test.p_value < 0.001 else f"p = {test.p_value:.3f}"
    return f"{100 * test.difference:+.1f} ({p})"


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out a table for a terminal, first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return [
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in (header, *rows))
    ]
