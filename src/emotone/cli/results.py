"""Tables of scores, as ``train``, ``compare`` and ``evaluate`` print them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emotone.cli.console import bar, coloured, one_line, plain_table, print_lines
from emotone.metrics import NAMES, SCORES

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from emotone.experiment.tracking import Logged
    from emotone.recognition.trust import Trust

#: With fewer test clips, a score is said to be of few; an interval over two or three speakers can even have no width.
_LEAST_CLIPS = 50
_FEW = "Test clips: {}. These are few, so the scores and their intervals say little about other recordings."
_LEVELS = {"0": "none", "neutral": "all neutral ones of the speaker", "all": "all of the speaker, and the clip itself"}


def _number(share: float) -> str:
    return f"{100 * share:.1f}"


def _interval(interval: Mapping[str, float]) -> str:
    return f"{_number(interval['low'])} to {_number(interval['high'])}"


def scores(result: Mapping[str, Any]) -> list["RenderableType"]:
    """Return a table of scores with their intervals, and a table of the recall of each emotion.

    Parameters
    ----------
    result
        What `emotone.metrics.summary` returns.
    """
    table = plain_table("", "%", "95 % interval", numbers=("%",))
    for key in SCORES:
        table.add_row(NAMES[key].short, _number(result[key]), _interval(result["intervals"][key]))
    recalls = plain_table("emotion", "recall %", "", "clips", numbers=("recall %", "clips"))
    support = result["per_class"]["support"]
    for emotion, recall in result["per_class"]["recall"].items():
        has_clips = support[emotion] > 0  # without a clip the recall is undefined
        recalls.add_row(
            coloured(emotion),
            _number(recall) if has_clips else "-",
            coloured(emotion, bar(recall, width=20)) if has_clips else "",
            str(support[emotion]),
        )
    n_clips = sum(support.values())
    return [table, "", recalls, *(["", _FEW.format(n_clips)] if n_clips < _LEAST_CLIPS else [])]


def _short_table(first: str, rows: Mapping[str, Mapping[str, float]]) -> list["RenderableType"]:
    table = plain_table(first, "UAR %", "accuracy %", numbers=("UAR %", "accuracy %"))
    for name, row in rows.items():
        table.add_row(name, _number(row["uar"]), _number(row["accuracy"]))
    return [table, ""]


def adapted(metrics: Mapping[str, Any]) -> list["RenderableType"]:
    """Return a table of the test scores by number of clips for adaptation; empty if the model does not adapt.

    Parameters
    ----------
    metrics
        Content of ``metrics.json``.
    """
    if "adapted" not in metrics:
        return []
    rows = {_level(row["level"]): row for row in metrics["adapted"]["test"]}
    return _short_table("adapted to clips", rows)


def _level(name: str) -> str:
    """Describe a level, such as "5" of the speaker, "source-20" or "5 in source-20"."""
    speaker, _, source = name.partition("source-")
    parts = [f"{speaker.removesuffix(' in ')} of the speaker"] if speaker else []
    return _LEVELS.get(name) or ", ".join([*parts, *([f"{source} of the source"] if source else [])])


def under_conditions(metrics: Mapping[str, Any]) -> list["RenderableType"]:
    """Return a table of the test scores under conditions; empty if none was tested."""
    rows = {row["condition"]: row for row in metrics.get("conditions", ())}
    return _short_table("condition", {"as recorded" if k == "none" else k: v for k, v in rows.items()}) if rows else []


def by_group(metrics: Mapping[str, Any]) -> list[str]:
    """Describe the UAR by kind of clip, a line a kind, and the range over speakers; empty for an older run."""
    lines = []
    for column, groups in metrics.get("groups", {}).items():
        if column == "speaker":
            rates = sorted(group["uar"] for name, group in groups.items() if name != "unknown")
            if len(rates) > 1:
                lines.append(f"UAR of single speakers: {_number(rates[0])} to {_number(rates[-1])} %")
        elif len(groups) > 1:  # a single group is in the table above
            parts = ", ".join(f"{one_line(name)} {_number(group['uar'])}" for name, group in groups.items())
            lines.append(f"UAR by {column}: {parts} %")
    return [*lines, ""] if lines else []


def print_trust(console: "Console", known: "Trust") -> None:
    """Say how far a model can be trusted, on new speakers and on other corpora."""
    lines = (*known.right, known.calibration, known.reaching, known.confident)
    print_sentences(console, [line for line in lines if line])


def print_sentences(console: "Console", sentences: Iterable[str]) -> None:
    """Print each on a line, and an empty line; lines are wrapped only on a terminal."""
    for sentence in (*sentences, ""):
        console.print(one_line(sentence), markup=False, highlight=False, soft_wrap=not console.is_terminal)


def print_logged(logged: "Logged", *, name: str = "") -> None:
    """Say which run of MLflow a run is, and its name if it is one of several."""
    before = "" if logged.is_new else ", logged before"
    print_lines(f"MLflow: run {logged.run_id}{f' is {name}' if name else ''}{before}")


def print_protocol(console: "Console", protocol: Mapping[str, Any]) -> None:
    """Describe a protocol, with its warning in yellow; lines are wrapped only on a terminal."""
    from rich.text import Text

    from emotone.report.text import protocol_lines

    description, *warnings = protocol_lines(protocol)
    text = Text(one_line(description))
    for line in warnings:
        text.append(f"\n{one_line(line)}", style="yellow")
    console.print(text, soft_wrap=not console.is_terminal)


def comparison(rows: Sequence[Mapping[str, Any]]) -> "Table":
    """Return a table of models, in the order of ``comparison.json``: scores, size in MB, ms per prediction."""
    first, *others = SCORES
    heads = [f"{NAMES[key].short} %" for key in SCORES]
    table = plain_table("model", heads[0], "95 % interval", *heads[1:], "MB", "ms", numbers=(*heads, "MB", "ms"))
    for row in rows:
        table.add_row(
            one_line(row["model"]),
            _number(row[first]),
            _interval(row),
            *(_number(row[key]) for key in others),
            f"{row['bundle_mb']:.1f}",
            f"{row['recognition_ms']:.0f}",
        )
    return table


def side_by_side(comparison: Mapping[str, Any]) -> "Table":
    """Return a table of models under several protocols: UAR in % with its 95 % interval, leak in points, ms.

    Parameters
    ----------
    comparison
        Content of the ``comparison.json`` of several protocols.
    """
    columns = {entry["name"]: f"UAR %, {entry['name']}" for entry in comparison["protocols"]}
    leak = ["leak"] if comparison["leaking"] is not None else []
    table = plain_table("model", *columns.values(), *leak, "ms", numbers=(*columns.values(), "leak", "ms"))
    for row in comparison["rows"]:
        results = [row["protocols"][name] for name in columns]
        cells = [f"{_number(result['uar'])} ({_interval(result['intervals']['uar'])})" for result in results]
        leaks = [f"{100 * row['leak']['uar']:+.1f}"] if leak else []
        table.add_row(one_line(row["model"]), *cells, *leaks, f"{row['recognition_ms']:.0f}")
    return table
