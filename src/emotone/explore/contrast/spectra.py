"""Compare the sound of two emotions: mean log-mel spectra over relative time, and matched clips that differ most."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from emotone.corpora import segments_of
from emotone.errors import FeatureError
from emotone.explore.feature_analysis.statistics import codes
from emotone.explore.sound import Image, log_mel
from emotone.preprocessing import DEFAULT as PREPROCESSING
from emotone.progress import Progress

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STEPS = 50  # of relative time: a step of a clip is about 30 to 60 ms
_MOST_CLIPS = 400  # per emotion: more hardly change the means, and each must be read
_MATCH = ("speaker", "statement", "intensity", "channel", "corpus", "language")


@dataclass(frozen=True, eq=False)
class Spectra:
    """Log-mel spectra over relative time.

    Attributes
    ----------
    clips
        Table of the m clips, as in the corpus.
    is_first
        (m,) true for clips of the first emotion.
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
    """Mean spectrum of the first emotion minus that of the second, each speaker with the same weight.

    Attributes
    ----------
    mean
        (r, 50) dB.
    error
        (r, 50) standard error over speakers, dB; NaN with fewer than two.
    bands, bands_low, bands_high
        (r,) mean over time with its 95 % interval (Student's t over speakers; NaN with fewer than two).
    n_speakers
        Speakers with both emotions; if 0, all clips are compared.
    """

    mean: Floats
    error: Floats
    bands: Floats
    bands_low: Floats
    bands_high: Floats
    n_speakers: int


@dataclass(frozen=True)
class Match:
    """Two clips of a speaker that differ in emotion, as rows of `Spectra`, and the RMS difference of their spectra."""

    first: int
    second: int
    rms_db: float


def read(clips: pd.DataFrame, is_first: Bools, *, seed: int, progress: Progress | None = None) -> Spectra:
    """Read clips and compute their log-mel spectra over relative time; at most 400 per emotion, drawn by ``seed``.

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
    # threads, since decoding and torch release Python's lock
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for row, image in enumerate(pool.map(lambda row: image_of(table, row), range(len(table)))):
            if progress is not None:
                progress(row, len(table), "spectra of the pair")
            frequencies = image.rows
            values.append(over_relative_time(image.values))
    return Spectra(table, is_first[rows], np.stack(values), frequencies)


def image_of(clips: pd.DataFrame, row: int) -> Image:
    """Return the log-mel spectrogram of a clip, without the silence at both ends."""
    (clip,) = segments_of(clips.iloc[[row]])
    return log_mel(PREPROCESSING.apply(clip.read()))


def over_relative_time(values: NDArray[np.float32], *, steps: int = STEPS) -> NDArray[np.float32]:
    """Return the mean of each of ``steps`` equal parts of the time, which may cut frames: (r, t) -> (r, steps).

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
    """Compare mean spectra speaker by speaker, so that speakers cancel out; FeatureError for clips of one emotion."""
    if spectra.is_first.all() or not spectra.is_first.any():
        raise FeatureError("all clips are of one emotion; expected clips of two to compare")
    owner, names = codes(spectra.clips["speaker"].to_numpy(str))
    each = []
    for speaker in range(len(names)):
        first, second = ((owner == speaker) & spectra.is_first), ((owner == speaker) & ~spectra.is_first)
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
    """Return pairs of clips that differ only in emotion by their labels, the furthest apart first.

    Both have the same speaker, statement, intensity, channel, corpus and language.  If there are several, the first of
    an emotion is paired with the first of the other, and so on in the order of the table.
    """
    kinds = spectra.clips[list(_MATCH)].fillna("").astype(str).agg("\x1f".join, axis=1).to_numpy()
    matches = []
    for kind in dict.fromkeys(kinds):
        firsts = np.flatnonzero((kinds == kind) & spectra.is_first)
        seconds = np.flatnonzero((kinds == kind) & ~spectra.is_first)
        for first, second in zip(firsts, seconds, strict=False):
            away = spectra.values[first].astype(np.float64) - spectra.values[second]
            matches.append(Match(int(first), int(second), float(np.sqrt((away**2).mean()))))
    return sorted(matches, key=lambda match: -match.rms_db)


def differing_speakers(matches: Sequence[Match], spectra: Spectra, *, count: int) -> list[Match]:
    """Return the first matches of different speakers."""
    speakers = spectra.clips["speaker"].to_numpy(str)
    taken: dict[str, Match] = {}
    for match in matches:
        taken.setdefault(str(speakers[match.first]), match)
    return list(taken.values())[:count]


def _mean(values: NDArray[np.float32], chosen: Bools) -> Floats:
    return np.asarray(values[chosen].mean(axis=0, dtype=np.float64), dtype=np.float64)
