"""A picture and the numbers behind it: what each function of this package gives."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Finding:
    """What was found out about a corpus.

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
