"""Training curves of a network: loss and accuracy over epochs, a thin line per fit, and a thick line for their mean."""

import textwrap
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from emotone.errors import ConfigError
from emotone.report.figures.style import FAINT, GRID, STYLE, canvas, footnote, headline

#: Columns of a history.  One row per epoch of a fit; ``best`` marks the epoch whose weights the fit kept.
COLUMNS = ("fold", "fit", "member", "epoch", "train_loss", "train_accuracy", "best")
#: Columns that are empty if a fit had no held-out clips.
HELD_OUT = ("valid_loss", "valid_accuracy", "valid_uar")
_KEYS = ["fold", "fit", "member"]
_TRAIN, _VALID = "#CC6677", "#332288"  # of Paul Tol's "muted" scheme, as in all pictures
#: Lines of each panel: column, colour, style and label.
_LOSSES = (("train_loss", _TRAIN, "-", "training"), ("valid_loss", _VALID, "-", "held out"))
_ACCURACIES = (("train_accuracy", _TRAIN, "-", "training"), ("valid_accuracy", _VALID, "-", "held out"))
_PANELS = (("Loss", _LOSSES), ("Accuracy, %", (*_ACCURACIES, ("valid_uar", _VALID, "--", "held out, UAR"))))


def curves_picture(history: pd.DataFrame, *, title: str) -> Figure:
    """Draw the loss and the accuracy on training clips and held-out clips over the epochs.

    If some fits had held-out clips, only those are drawn: the others repeat them on more clips, for a number of epochs
    that was chosen before.  A dot is the epoch that a fit kept.  The mean ends with the shortest fit, since it would
    jump where a fit ends.  The history has `COLUMNS`, and `HELD_OUT`, which may be empty or missing: losses in nats,
    accuracies and UAR as shares.

    Raises
    ------
    ConfigError
        The history is empty, or a column is missing.
    """
    fits, n_left_out = _fits(history)
    with rc_context(STYLE):
        figure = canvas(width_inch=9.0, height_inch=4.2)
        for axes, (name, lines) in zip(figure.subplots(1, 2), _PANELS, strict=True):
            drawn = [line for line in lines if any(fit[line[0]].notna().any() for fit in fits)]
            for column, colour, style, _ in drawn:
                _draw(axes, fits, column, colour=colour, style=style)
            _mark_best(axes, fits, lines)
            _lay_out(axes, name, drawn)
        headline(figure, title)
        footnote(figure, "\n".join(textwrap.wrap(_caption(fits, n_left_out), 140)))
    return figure


def _fits(history: pd.DataFrame) -> tuple[list[pd.DataFrame], int]:
    """Return the fits to draw, each sorted by epoch, with shares in %, and the number of fits that are left out."""
    missing = [name for name in COLUMNS if name not in history.columns]
    if missing:
        raise ConfigError(f"the history lacks {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    if not len(history):
        raise ConfigError("the history has no epoch; expected one row per epoch of each fit")
    table = history.reindex(columns=[*COLUMNS, *HELD_OUT])
    for name in ("train_loss", "train_accuracy", *HELD_OUT):
        scale = 1.0 if name.endswith("loss") else 100.0
        table[name] = scale * pd.to_numeric(table[name], errors="coerce")
    table["best"] = table["best"].astype(bool)
    every = [fit.sort_values("epoch") for _, fit in table.groupby(_KEYS, sort=True)]
    held_out = [fit for fit in every if fit["valid_loss"].notna().any()]
    return held_out or every, len(every) - len(held_out or every)


def _draw(axes: Any, fits: Sequence[pd.DataFrame], column: str, *, colour: str, style: str) -> None:
    """Draw a column of every fit, and its mean over the epochs that all fits reached."""
    several = len(fits) > 1
    look = {"color": colour, "linestyle": style}
    thin = {"linewidth": 0.8, "alpha": 0.35 if len(fits) <= 8 else 0.2} if several else {"linewidth": 2}
    for fit in fits:
        axes.plot(fit["epoch"], fit[column], **look, **thin)
    if several:
        n_epochs = min(len(fit) for fit in fits)
        mean = np.mean([fit[column].to_numpy()[:n_epochs] for fit in fits], axis=0)
        axes.plot(fits[0]["epoch"].to_numpy()[:n_epochs], mean, **look, linewidth=2.2)


def _mark_best(axes: Any, fits: Sequence[pd.DataFrame], lines: Sequence[tuple[str, str, str, str]]) -> None:
    """Mark the epoch whose weights each fit kept, on its held-out line if it has one."""
    (train, train_colour, *_), (valid, valid_colour, *_), *_ = lines
    for fit in fits:
        column, colour = (valid, valid_colour) if fit[valid].notna().any() else (train, train_colour)
        best = fit[fit["best"]]
        look = {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.7, "zorder": 4}
        axes.plot(best["epoch"], best[column], "o", color=colour, **look)


def _lay_out(axes: Any, name: str, drawn: Sequence[tuple[str, str, str, str]]) -> None:
    axes.set_title(name)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_ylim(0, None if name == "Loss" else 100)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(color=FAINT)
    handles = [
        Line2D([], [], label=label, color=colour, linestyle=cast(Any, style), linewidth=2.2)
        for _, colour, style, label in drawn
    ]
    handles.append(Line2D([], [], color=drawn[-1][1], linestyle="", marker="o", markersize=5, label="epoch kept"))
    axes.legend(handles=handles, frameon=False, fontsize=8)


def _caption(fits: Sequence[pd.DataFrame], n_left_out: int) -> str:
    """Explain the lines, and count the fits that are left out."""
    several = f"Thin: each of {len(fits)} fits; thick: their mean over the epochs that all of them have."
    lines = several if len(fits) > 1 else "One fit."
    if n_left_out:
        further = "one further fit" if n_left_out == 1 else f"{n_left_out} further fits"
        lines += f" Not drawn: {further} without held-out clips."
    return f"{lines} Training scores are those of the training batches, with augmentation and dropout."
