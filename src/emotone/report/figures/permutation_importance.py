"""What a classic model goes by: the UAR that it loses when a group of features is shuffled among clips."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from emotone.formatting import MINUS
from emotone.report.figures.style import ACCENT, FAINT, STYLE, canvas, title


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """Sum the folds up: one row a group, the greatest mean drop first.

    Parameters
    ----------
    table
        What ``importance.csv`` holds: ``fold``, ``group``, ``features``, ``drop``.

    Returns
    -------
    ``group``, ``features``, ``mean``, ``least`` and ``most`` drop over folds, shares of UAR.
    """
    found = table.groupby("group", sort=True).agg(
        features=("features", "first"), mean=("drop", "mean"), least=("drop", "min"), most=("drop", "max")
    )
    return found.sort_values("mean", ascending=False, kind="stable").reset_index()


def importance_picture(table: pd.DataFrame, *, protocol: Mapping[str, Any]) -> Figure:
    """Draw the loss of UAR of each group: a small dot a fold, a large one their mean, the most important on top.

    Parameters
    ----------
    table
        See `ranked`.
    protocol
        What `emotone.protocols.Protocol.header` returns.
    """
    groups = ranked(table)
    n_folds = int(table["fold"].nunique())
    with rc_context(STYLE):
        figure = canvas(width_inch=7.0, height_inch=1.9 + 0.32 * len(groups))
        axes = figure.subplots()
        axes.axvline(0, color=FAINT, linewidth=1, linestyle="--")
        for y, row in enumerate(groups.itertuples()):
            folds = 100 * table.loc[table["group"] == row.group, "drop"].to_numpy()
            axes.plot([folds.min(), folds.max()], [y, y], color=ACCENT, linewidth=1.2, alpha=0.4)
            axes.plot(folds, [y] * len(folds), "o", color=ACCENT, markersize=4, alpha=0.45, markeredgewidth=0)
            mean = 100 * float(groups["mean"][y])
            axes.plot([mean], [y], "o", color=ACCENT, markersize=8, markeredgecolor="white")
            place: dict[str, Any] = {"xytext": (8, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(_points(mean), (max(mean, folds.max()), y), **place)
        counted = zip(groups["group"], groups["features"], strict=True)
        axes.set_yticks(range(len(groups)), [f"{group}, {n:,} feature{'' if n == 1 else 's'}" for group, n in counted])
        axes.set_ylim(len(groups) - 0.4, -0.6)
        axes.margins(x=0.12)
        axes.set_xlabel("points of UAR that are lost when the group is shuffled among the test clips")
        axes.grid(axis="x", color="#E6E6E6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
        axes.spines["left"].set_visible(False)
        title(figure, headline=_headline(groups), protocol=protocol, caption=_caption(table, n_folds))
    return figure


def _points(value: float) -> str:
    """Write points of UAR; what rounds to nothing has no sign."""
    return f"{round(value, 1) + 0.0:.1f}".replace("-", MINUS)


def _headline(groups: pd.DataFrame) -> str:
    best = float(groups["mean"][0])
    if best <= 0:
        return "No group of features alone costs the model anything"
    return f"The model goes most by: {groups['group'][0]}, {_points(100 * best)} points of UAR"


def _caption(table: pd.DataFrame, n_folds: int) -> str:
    asked = f"Of each fold, at most {int(table['clips'].max())} test clips are asked about, shuffled twice."
    spread = "One fold." if n_folds == 1 else f"Small dots: each of {n_folds} folds; large: their mean."
    worth = "A group that loses little is not without worth: others may tell the same."
    return f"{spread} {asked} {worth} Nothing was chosen by this."
