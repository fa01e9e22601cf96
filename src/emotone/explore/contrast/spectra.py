"""How the sound of two emotions differs: mean log-mel spectra over relative time, and matched clips far apart."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from emotone import audio
from emotone.errors import FeatureError
from emotone.explore.feature_analysis.statistics import codes
from emotone.explore.sound import Image, log_mel
from emotone.preprocessing import DEFAULT as PREPROCESSING
from emotone.progress import Progress

__all__ = [
    "STEPS",
    "Difference",
    "Match",
    "Spectra",
    "difference",
    "differing_speakers",
    "image_of",
    "matched",
    "over_relative_time",
    "read",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STEPS = 50  # of relative time: a fiftieth of a clip is some 30 to 60 ms
_MOST_CLIPS = 400  # of an emotion: means of more hardly move, and each must be read
_MATCH = ("speaker", "statement", "intensity", "channel", "corpus", "language")


@dataclass(frozen=True, eq=False)
class Spectra:
    """Log-mel spectra over relative time.

    Attributes
    ----------
    clips
        Table of the m clips, as the corpus has it.
    is_first
        (m,) whether of the first emotion.
    values
        (m, r, 50) dB relative to full scale.
    rows_hz
        (r,) middle of each band.
    """

    clips: pd.DataFrame
    is_first: Bools
    values: NDArray[np.float32]
    rows_hz: Floats


@dataclass(frozen=True, eq=False)
class Difference:
    """Mean spectrum of the first emotion less that of the second, each speaker counting the same.

    Attributes
    ----------
    mean
        (r, 50) dB.
    error
        (r, 50) standard error over speakers, dB; NaN with fewer than two.
    bands, bands_low, bands_high
        (r,) mean over time with its 95 % interval (Student's t over speakers; NaN with fewer than two).
    n_speakers
        With clips of both emotions; 0 where there is none, and all clips are compared.
    """

    mean: Floats
    error: Floats
    bands: Floats
    bands_low: Floats
    bands_high: Floats
    n_speakers: int


@dataclass(frozen=True)
class Match:
    """Two clips of one speaker that differ in emotion, as rows of `Spectra`.

    ``rms_db`` is the root mean square of the difference of their log-mel spectra over relative time.
    """

    first: int
    second: int
    rms_db: float


def read(clips: pd.DataFrame, is_first: Bools, *, seed: int, progress: Progress | None = None) -> Spectra:
    """Read clips and compute their log-mel spectra over relative time; of over 400 an emotion, 400 drawn by seed.

    Raises
    ------
    AudioError
        A clip can't be read.
    """
    rng = np.random.default_rng(seed)
    chosen = []
    for rows in (np.flatnonzero(is_first), np.flatnonzero(~is_first)):
        chosen.append(rows if len(rows) <= _MOST_CLIPS else rng.choice(rows, _MOST_CLIPS, replace=False))
    rows = np.sort(np.concatenate(chosen))
    table = clips.iloc[rows].reset_index(drop=True)
    values = []
    frequencies = np.empty(0)
    # Threads: decoding and torch let go of Python's lock.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for row, image in enumerate(pool.map(lambda row: image_of(table, row), range(len(table)))):
            if progress is not None:
                progress(row, len(table), "spectra of the pair")
            frequencies = image.rows
            values.append(over_relative_time(image.values))
    return Spectra(table, is_first[rows], np.stack(values), frequencies)


def image_of(clips: pd.DataFrame, row: int) -> Image:
    """The log-mel spectrogram of a clip, silence at its ends left out."""
    path, start_s, end_s = clips.loc[clips.index[row], ["path", "start_s", "end_s"]]
    end = None if pd.isna(end_s) else float(end_s)
    return log_mel(PREPROCESSING.apply(audio.read(str(path), start_s=float(start_s), end_s=end)))


def over_relative_time(values: NDArray[np.float32], *, steps: int = STEPS) -> NDArray[np.float32]:
    """Mean of each of ``steps`` equal parts of the time, frames being cut where parts meet: (r, t) -> (r, steps).

    Examples
    --------
    >>> over_relative_time(np.float32([[0, 2, 4]]), steps=2).tolist()
    [[0.6666666865348816, 3.3333332538604736]]
    """
    r, t = values.shape
    whole = np.concatenate([np.zeros((r, 1)), np.cumsum(values, axis=1, dtype=np.float64)], axis=1)
    edges = np.linspace(0, t, steps + 1)
    low = np.minimum(edges.astype(np.int64), t - 1)
    at_edges = whole[:, low] + (edges - low) * (whole[:, low + 1] - whole[:, low])
    return np.asarray(np.diff(at_edges, axis=1) * steps / t, dtype=np.float32)


def difference(spectra: Spectra) -> Difference:
    """Compare mean spectra speaker by speaker, so that who speaks does not tell; see `Difference`.

    Raises
    ------
    FeatureError
        There is no clip of one of the two.
    """
    if spectra.is_first.all() or not spectra.is_first.any():
        raise FeatureError("all clips are of one emotion; expected clips of two to compare")
    owner, names = codes(spectra.clips["speaker"].to_numpy(str))
    each = []
    for one in range(len(names)):
        first, second = ((owner == one) & spectra.is_first), ((owner == one) & ~spectra.is_first)
        if first.any() and second.any():
            each.append(_mean(spectra.values, first) - _mean(spectra.values, second))
    if len(each) < 2:
        mean = each[0] if each else _mean(spectra.values, spectra.is_first) - _mean(spectra.values, ~spectra.is_first)
        unknown = np.full(mean.shape[0], np.nan)
        return Difference(mean, np.full(mean.shape, np.nan), mean.mean(axis=1), unknown, unknown, len(each))
    stacked = np.stack(each)
    mean, error = stacked.mean(axis=0), stacked.std(axis=0, ddof=1) / np.sqrt(len(each))
    bands = stacked.mean(axis=2)
    reach = student.ppf(0.975, len(each) - 1) * bands.std(axis=0, ddof=1) / np.sqrt(len(each))
    middle = bands.mean(axis=0)
    return Difference(mean, error, middle, middle - reach, middle + reach, len(each))


def matched(spectra: Spectra) -> list[Match]:
    """Pairs of clips that differ in emotion alone, as far as the table says, the furthest apart first.

    Both have the same speaker, statement, intensity, channel and corpus; where there are several of a kind, the first
    of one is put beside the first of the other, and so on in the order of the table.
    """
    kinds = spectra.clips[list(_MATCH)].fillna("").astype(str).agg("\x1f".join, axis=1).to_numpy()
    found = []
    for kind in dict.fromkeys(kinds):
        firsts = np.flatnonzero((kinds == kind) & spectra.is_first)
        seconds = np.flatnonzero((kinds == kind) & ~spectra.is_first)
        for first, second in zip(firsts, seconds, strict=False):
            away = spectra.values[first].astype(np.float64) - spectra.values[second]
            found.append(Match(int(first), int(second), float(np.sqrt((away**2).mean()))))
    return sorted(found, key=lambda match: -match.rms_db)


def differing_speakers(matches: Sequence[Match], spectra: Spectra, *, count: int) -> list[Match]:
    """The matches furthest apart, one a speaker."""
    speakers = spectra.clips["speaker"].to_numpy(str)
    taken: dict[str, Match] = {}
    for match in matches:
        taken.setdefault(str(speakers[match.first]), match)
    return list(taken.values())[:count]


def _mean(values: NDArray[np.float32], chosen: Bools) -> Floats:
    return np.asarray(values[chosen].mean(axis=0, dtype=np.float64), dtype=np.float64)
