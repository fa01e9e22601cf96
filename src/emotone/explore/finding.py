"""A picture and the numbers behind it: what each function of this package gives."""

import html
from dataclasses import dataclass
from pathlib import PurePath

import pandas as pd
from matplotlib.figure import Figure

from emotone.report.figures.style import png
from emotone.report.pages.render import embedded

_SHOWN_ROWS, _SHOWN_COLUMNS = 10, 9  # of a table, in a notebook
_SHARP_DPI, _SHOWN_DPI = 130, 92  # dots an inch that are drawn, and at which they are shown: screens differ
_WIDEST = 960  # dots


@dataclass(frozen=True)
class Finding:
    """What was found out about a corpus.

    In a notebook it shows its heading, words, picture, and the first rows of its table.

    Parameters
    ----------
    name
        Stem of its files, such as ``counts-by-emotion``.
    title
        Its heading.
    text
        What is seen, with figures, and how it was computed; one to four sentences.
    table
        Every number that the figure shows.
    figure
        None where the table says it all.
    wide
        Whether a page gives it the whole width.
    """

    name: str
    title: str
    text: str
    table: pd.DataFrame
    figure: Figure | None = None
    wide: bool = False

    def _repr_html_(self) -> str:
        """Tell notebooks what to show; one block without a blank line, so that it also is Markdown."""
        parts = [f"<h4>{html.escape(self.title)}</h4>", f"<p>{html.escape(self.text)}</p>"]
        if self.figure is not None:
            width = min(_WIDEST, round(self.figure.get_figwidth() * _SHOWN_DPI))
            source = embedded(png(self.figure, dpi=_SHARP_DPI))
            parts.append(f'<img src="{source}" alt="{html.escape(self.title)}" width="{width}">')
        n_rows, n_columns = self.table.shape
        rows = self.table.iloc[:_SHOWN_ROWS, :_SHOWN_COLUMNS].map(_without_folder)
        if n_rows:
            table = rows.to_html(index=False, border=0, na_rep="", float_format=_number)
            shown = f"{len(rows)} of {n_rows:,} rows" if len(rows) < n_rows else f"all {n_rows} rows"
            if n_columns > _SHOWN_COLUMNS:
                shown += f", {_SHOWN_COLUMNS} of {n_columns:,} columns"
            # beside a picture the table is folded: it holds the same
            is_open = "" if self.figure is not None else " open"
            parts.append(f"<details{is_open}><summary>Table: {shown}</summary>{table}</details>")
        return "\n".join(parts)


def _without_folder(value: object) -> object:
    """Cut the folder off an absolute path: notebooks are handed on, and folders are of one machine."""
    return PurePath(value).name if isinstance(value, str) and PurePath(value).is_absolute() else value


def _number(value: float) -> str:
    """Write four digits that count, or all digits before the point.

    Examples
    --------
    >>> _number(0.123456), _number(12.0), _number(48000.4)
    ('0.1235', '12', '48000')
    """
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"
