"""Results as text: scores with their intervals, protocols, and the report of a model.

``result`` is what `emotone.metrics.summary` returns, ``protocol`` what `emotone.protocols.Protocol.header` returns: the
two parts of ``metrics.json``.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from emotone.formatting import MINUS, percent
from emotone.metrics import SCORES

Result = Mapping[str, Any]
_WIDTH = 100  # of a line of the report


def score_line(result: Result, *, metric: str = "uar") -> str:
    """Return a score with its 95 % interval, and the unit that the interval resamples.

    Examples
    --------
    >>> score_line({"uar": 0.5, "intervals": {"uar": {"low": 0.41, "high": 0.6, "unit": "speaker"}}})
    'UAR 50.0 % (95 % interval 41.0 to 60.0 %, over speakers)'
    """
    interval = result["intervals"][metric]
    over = "over speakers" if interval["unit"] == "speaker" else "over clips, so too narrow where speakers differ"
    return f"{SCORES[metric]} {percent(result[metric])} (95 % interval {span_text(interval)} %, {over})"


def span_text(interval: Mapping[str, Any]) -> str:
    """Return an interval of shares in %, without the sign.

    Examples
    --------
    >>> span_text({"low": 0.41, "high": 0.6})
    '41.0 to 60.0'
    """
    return f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f}"


def score_texts(result: Result, score: str = "uar") -> dict[str, str]:
    """Return a score (``value``) and its 95 % interval (``span``) in %, without the sign."""
    return {"value": f"{100 * result[score]:.1f}", "span": span_text(result["intervals"][score])}


def points(share: float) -> str:
    """Return a difference of shares in points, with its sign.

    Examples
    --------
    >>> points(0.182), points(0.0)
    ('+18.2', '0.0')
    """
    value = round(100 * share, 1)
    return f"{value:+.1f}".replace("-", MINUS) if value else "0.0"


def protocol_lines(protocol: Mapping[str, Any]) -> list[str]:
    """Return the description of the protocol of a score, and its warning, if any, as a second line."""
    warning = str(protocol.get("warning", ""))
    description = str(protocol["description"])
    if warning:
        description = description.replace(f" {warning}.", "").replace(warning, "").rstrip()
    return [f"Protocol: {description}"] + ([f"{warning}."] if warning else [])


def voices(entry: Mapping[str, Any]) -> str:
    """Return in a few words whether training contains the test speakers of an entry of ``comparison["protocols"]``."""
    facts = entry["facts"]
    if entry["protocol"]["speaker_disjoint"]:
        return "unseen speakers"
    if not facts["n_speakers"]:
        return "NOT speaker-disjoint, speakers not named"
    return f"NOT speaker-disjoint, {facts['n_shared']} of {facts['n_speakers']} speakers also in training"


def headlines(comparison: Mapping[str, Any]) -> list[str]:
    """Return sentences, without full stops, on the best model and the leak of a comparison of several protocols."""
    rows, reference = comparison["rows"], comparison["reference"]
    is_disjoint = {entry["name"]: entry["protocol"]["speaker_disjoint"] for entry in comparison["protocols"]}
    speakers = "unseen speakers" if is_disjoint[reference] else "speakers that are also in training"
    score = percent(rows[0]["protocols"][reference]["uar"])
    best = f"Best of {len(rows)} models" if len(rows) > 1 else "One model"
    lines = [f"{best} on {speakers}: {rows[0]['model']}, UAR {score} ({reference})"]
    if comparison["leaking"] is not None:
        leaks = sorted(row["leak"]["uar"] for row in rows)
        span = " to ".join(dict.fromkeys(points(leak) for leak in (leaks[0], leaks[-1])))
        lines.append(f"Leak: {comparison['leaking']}, with known speakers, gives the same models {span} points of UAR")
    return lines


def classification_report(result: Result, *, protocol: Mapping[str, Any]) -> str:
    """Return the report of a model: protocol, scores with intervals, and precision, recall and F1 of each emotion.

    An emotion without test clips has dashes, and the UAR leaves it out.
    """
    classes = result["per_class"]
    rows = []
    for emotion, support in classes["support"].items():
        rates = [f"{100 * classes[name][emotion]:.1f}" if support else "-" for name in ("precision", "recall", "f1")]
        rows.append([emotion, *rates, str(int(support))])
    lines = [part for line in protocol_lines(protocol) for part in textwrap.wrap(line, _WIDTH, break_on_hyphens=False)]
    lines += ["", *(score_line(result, metric=metric) for metric in SCORES)]
    lines += [f"Expected calibration error {percent(result['ece'])}, {sum(int(row[-1]) for row in rows)} clips", ""]
    lines += _columns(["emotion", "precision %", "recall %", "F1 %", "clips"], rows)
    absent = [emotion for emotion, support in classes["support"].items() if not support]
    if absent:
        lines += ["", f"Not counted in the UAR, since the test has no clip of them: {', '.join(absent)}."]
    return "\n".join(lines) + "\n"


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Align a table for a terminal: the first column left, the others right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return [
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in (header, *rows))
    ]
