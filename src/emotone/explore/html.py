"""Write the findings as one HTML file, without scripts and without files or addresses outside it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emotone.explore.finding import Finding
from emotone.formatting import MINUS
from emotone.palette import colour_of
from emotone.report.figures import vector
from emotone.report.pages.render import SVG, embedded, render

#: Name of a finding -> its title in the summary at the top.
_BRIEF = {
    "counts-by-emotion": "Clips",
    "checks": "Recordings",
    "duplicates": "Leak",
    "left-out": "Left out",
    "discriminative-features": "Emotions",
}
MOST_ROWS, MOST_COLUMNS = 50, 14  # of a table, on the page; the CSV has all


@dataclass(frozen=True)
class Section:
    """A part of the page; notes say what is missing in it, and why."""

    title: str
    findings: Sequence[Finding]
    notes: Sequence[str] = ()


def page(sections: Sequence[Section], *, emotions: Sequence[str], pictures: Mapping[str, bytes], **texts: str) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    emotions
        In the order of their colours.
    pictures
        Name of a finding -> its picture as SVG.
    texts
        ``title``, ``summary``, and ``made``: the line at the end, on how the page was made.

    Raises
    ------
    MissingExtraError
        jinja2 is not installed.
    """
    return render(
        "explore.html.j2",
        brief=_brief(sections),
        emotions={emotion: colour_of(emotion, emotions) for emotion in emotions},
        sections=[
            {
                "title": section.title,
                "anchor": re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-"),
                "notes": list(section.notes),
                "findings": [_texts(finding, pictures.get(finding.name)) for finding in section.findings],
            }
            for section in sections
        ],
        **texts,
    )


def _brief(sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Return pairs of a title and a sentence: the beginning of the findings that matter most."""
    texts = {finding.name: finding.text for section in sections for finding in section.findings}
    return [(title, f"{texts[name].split('. ')[0].rstrip('.')}.") for name, title in _BRIEF.items() if name in texts]


def _texts(finding: Finding, picture: bytes | None) -> dict[str, Any]:
    table = finding.table
    part = table.iloc[:MOST_ROWS, :MOST_COLUMNS]
    width, height = (0, 0) if picture is None else vector.size(picture)
    return {
        "name": finding.name,
        "title": finding.title,
        "text": finding.text,
        "wide": finding.wide,
        "picture": "" if picture is None else embedded(picture, SVG),
        "width": width,
        "height": height,
        "alt": f"{finding.title}. {finding.text}",
        "csv": f"tables/{finding.name}.csv",
        "n_rows": len(table),
        "shown": _extent(table),
        "columns": [{"name": str(name), "text": not _is_number(part[name])} for name in part.columns],
        "rows": [[_cell(value) for value in row] for row in part.itertuples(index=False)],
    }


def _extent(table: pd.DataFrame) -> str:
    """Return how much of a table the page shows.

    Examples
    --------
    >>> _extent(pd.DataFrame({"a": range(60)}))
    'the first 50 of 60 rows'
    """
    n_rows, n_columns = table.shape
    rows = f"the first {MOST_ROWS} of {n_rows:,} rows" if n_rows > MOST_ROWS else f"{n_rows} row{'s'[: n_rows != 1]}"
    return rows + (f", the first {MOST_COLUMNS} of {n_columns} columns" if n_columns > MOST_COLUMNS else "")


def _is_number(column: "pd.Series[Any]") -> bool:
    return bool(pd.api.types.is_numeric_dtype(column)) and not pd.api.types.is_bool_dtype(column)


def _cell(value: Any) -> str:
    """Write a value with at most five significant digits; a missing value is empty."""
    if isinstance(value, float):
        if value != value:
            return ""
        text = f"{value:.5g}"
        return f"{value:,.0f}" if "e+" in text else text.replace("-", MINUS, 1) if value < 0 else text
    if value is None or value is pd.NaT:
        return ""
    return f"{value}"
