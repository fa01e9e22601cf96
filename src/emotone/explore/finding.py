"""A picture and the numbers behind it: the result of each function of this package."""

from dataclasses import dataclass
from pathlib import PurePath

import pandas as pd
from matplotlib.figure import Figure

from emotone.report.figures.style import png
from emotone.report.pages.render import embedded, render

_SHOWN_ROWS, _SHOWN_COLUMNS = 10, 9  # of a table, in a notebook
_SHARP_DPI, _SHOWN_DPI = 130, 92  # dots per inch that are drawn, and that are shown: screens differ
_WIDEST = 960  # dots


@dataclass(frozen=True)
class Finding:
    """A finding on a corpus; a notebook shows its title, text, picture, and the first rows of its table.

    Parameters
    ----------
    name
        Stem of its files, such as ``counts-by-emotion``.
    title
        Its heading.
    text
        What the picture shows, with numbers, and how it was computed; one to four sentences.
    table
        Every number that the picture shows.
    figure
        None if the table is enough.
    wide
        Whether it has the full width of a page.
    """

    name: str
    title: str
    text: str
    table: pd.DataFrame
    figure: Figure | None = None
    wide: bool = False

    def _repr_html_(self) -> str:
        """Return HTML for notebooks; a picture shows the same numbers as the table, which is closed below it."""
        picture, width = "", 0
        if self.figure is not None:
            picture = embedded(png(self.figure, dpi=_SHARP_DPI))
            width = min(_WIDEST, round(self.figure.get_figwidth() * _SHOWN_DPI))
        n_rows, n_columns = self.table.shape
        rows = self.table.iloc[:_SHOWN_ROWS, :_SHOWN_COLUMNS].map(_without_folder)
        shown = f"{len(rows)} of {n_rows:,} rows" if len(rows) < n_rows else f"all {n_rows} rows"
        if n_columns > _SHOWN_COLUMNS:
            shown += f", {_SHOWN_COLUMNS} of {n_columns:,} columns"
        table = rows.to_html(index=False, border=0, na_rep="", float_format=_number) if n_rows else ""
        words = {"title": self.title, "text": self.text, "shown": shown}
        return render("finding.html.j2", **words, picture=picture, width=width, table=table).strip()


def _without_folder(value: object) -> object:
    """Remove the folder of an absolute path, which is of this machine; notebooks are passed on."""
    return PurePath(value).name if isinstance(value, str) and PurePath(value).is_absolute() else value


def _number(value: float) -> str:
    """Write a number with four significant digits, or all digits before the point.

    Examples
    --------
    >>> _number(0.123456), _number(12.0), _number(48000.4)
    ('0.1235', '12', '48000')
    """
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"
