"""Features of clips with their emotions and speakers, and what statistics say of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone.emotions import in_order
from emotone.errors import FeatureError
from emotone.explore.feature_analysis import statistics

#: Of features that correlate more than this, within speakers, only the best one is drawn.
COPY_LIMIT = 0.9
#: Quantiles that a box shows: ends of the whiskers, of the box, and the median.
SHARES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of clips with their emotions and speakers.

    Parameters
    ----------
    values
        (n, d) float32, finite; n >= 3.
    names
        d different names.
    emotions
        (n,) names, two different emotions or more.
    speakers
        (n,) names; clips of unknown speakers have "", and count as one speaker.
    units
        d units of the features; "" if unknown, which is the default of all.

    Raises
    ------
    FeatureError
        Any of this does not hold.
    """

    values: NDArray[np.float32]
    names: tuple[str, ...]
    emotions: NDArray[np.str_]
    speakers: NDArray[np.str_]
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, dtype=np.float32)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "names", tuple(map(str, self.names)))
        object.__setattr__(self, "units", tuple(self.units) or ("",) * len(self.names))
        for name in ("emotions", "speakers"):
            labels = np.asarray(getattr(self, name), dtype=str)
            object.__setattr__(self, name, labels)
            if labels.shape != values.shape[:1]:
                raise FeatureError(f"{name} have shape {labels.shape}, features {values.shape}; expected one a clip")
        if values.ndim != 2 or values.shape[0] < 3 or values.shape[1] != len(self.names) or not self.names:
            raise FeatureError(
                f"features have shape {values.shape} and {len(self.names)} names; expected (clips, names), with three "
                "clips or more and a name for each column"
            )
        if len(set(self.names)) != len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise FeatureError(f"two features are called {twice!r}; expected different names")
        wrong = np.argwhere(~np.isfinite(values))
        if len(wrong):
            row, column = wrong[0]
            raise FeatureError(
                f"feature {self.names[column]!r} of clip {row} is {values[row, column]}, as are {len(wrong) - 1} more; "
                "expected finite numbers: leave out the clips that have none"
            )
        if len(set(self.emotions)) < 2:
            raise FeatureError(f"all clips are {str(self.emotions[0])!r}; expected two emotions or more")

    def only(self, rows: NDArray[np.int64]) -> "FeatureTable":
        """Return the table of some rows."""
        return FeatureTable(self.values[rows], self.names, self.emotions[rows], self.speakers[rows], self.units)

    def best(self, order: Sequence[int] | NDArray[np.int64], top: int) -> list[int]:
        """Return the first ``top`` columns of an order, best first, without near copies of better ones."""
        away = statistics.centred(self.values, self.speakers)
        return statistics.without_copies(away, order, top=top, limit=COPY_LIMIT)


def ranking(table: FeatureTable) -> pd.DataFrame:
    """Return every feature with its effects, the largest effect within speakers first.

    Returns
    -------
    One row per feature: ``rank, feature, unit``; ``f, p, q, p_holm, omega2, eta2, mutual_information_bits`` over all
    clips, and the same with ``_within`` for within speakers (`statistics.anova`, `statistics.corrected`);
    ``speaker_share``, the share of the variance between speakers; ``speakers_agree`` of ``speakers_counted``
    (`statistics.agreement`); ``column``, the feature's place in the table.
    """
    away = statistics.centred(table.values, table.speakers)
    columns: dict[str, object] = {"feature": table.names, "unit": table.units}
    for suffix, blocks, values in (("_within", table.speakers, away), ("", None, table.values)):
        effects = statistics.anova(table.values, table.emotions, blocks=blocks)
        columns[f"f{suffix}"], columns[f"p{suffix}"] = effects.f, effects.p
        columns[f"q{suffix}"], columns[f"p_holm{suffix}"] = statistics.corrected(effects.p)
        columns[f"omega2{suffix}"], columns[f"eta2{suffix}"] = effects.omega2, effects.eta2
        columns[f"mutual_information_bits{suffix}"] = statistics.mutual_information(values, table.emotions)
    columns["speaker_share"] = statistics.speaker_share(table.values, table.speakers)
    agreeing, counted = statistics.agreement(table.values, table.emotions, table.speakers)
    columns |= {"speakers_agree": agreeing, "speakers_counted": counted, "column": np.arange(len(table.names))}
    ranked = pd.DataFrame(columns)
    ranked = ranked.iloc[np.lexsort((-ranked["omega2"], -ranked["omega2_within"]))].reset_index(drop=True)
    ranked.insert(0, "rank", np.arange(1, len(ranked) + 1))
    return ranked


def effect_order(table: FeatureTable) -> NDArray[np.int64]:
    """Return the columns by effect within speakers, then over all clips, (d,)."""
    within = statistics.anova(table.values, table.emotions, blocks=table.speakers)
    overall = statistics.anova(table.values, table.emotions)
    return np.lexsort((-overall.omega2, -within.omega2)).astype(np.int64)


def quantiles(table: FeatureTable, columns: list[int]) -> pd.DataFrame:
    """Return quantiles of features by emotion: ``feature, unit, emotion, scale, clips``, `SHARES`, and ``mean``.

    ``scale`` is "raw", or "within speaker": minus the speaker's mean, plus the mean of all clips.
    """
    raw = table.values[:, columns].astype(np.float64)
    within = statistics.centred(raw, table.speakers) + raw.mean(axis=0)
    rows = []
    for emotion in in_order(table.emotions, unknown_last=True):
        chosen = table.emotions == emotion
        for scale, values in (("raw", raw), ("within speaker", within)):
            points = np.quantile(values[chosen], list(SHARES.values()), axis=0)
            means = values[chosen].mean(axis=0)
            for place, column in enumerate(columns):
                row = {"feature": table.names[column], "unit": table.units[column], "emotion": emotion, "scale": scale}
                numbers = dict(zip(SHARES, points[:, place], strict=True))
                rows.append({**row, "clips": int(chosen.sum()), **numbers, "mean": means[place]})
    return pd.DataFrame(rows)
