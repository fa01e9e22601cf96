"""Choose one clip of each emotion, and compute the means and the reduced images that are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotone.audio import SAMPLE_RATE
from emotone.corpora import segments_of
from emotone.explore.measure import Measured
from emotone.explore.sound import Image
from emotone.preprocessing import DEFAULT as PREPROCESSING

FloatArray = NDArray[np.float64]

MOST_S = 10.0  # seconds of a clip that are drawn
_EVERY = 2  # frames: pictures have one every 20 ms, and windows are 32 ms long
_SHARES = (0.1, 0.9)  # quantiles at the ends of a mean's spread


@dataclass(frozen=True)
class Band:
    """A mean over clips with the range of most clips, each (d,)."""

    middle: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Example:
    """One clip of each emotion.

    Attributes
    ----------
    rows
        Emotion -> row of the corpus.
    samples
        Emotion -> (n,) at 16 kHz, without the silence at both ends, at most `MOST_S`.
    text
        Which clips these are, and how they were chosen.
    """

    rows: Mapping[str, int]
    samples: Mapping[str, NDArray[np.float32]]
    text: str


def choose_example(measured: Measured) -> Example:
    """Choose and read one clip of each emotion; they differ in nothing else, where the corpus has such clips.

    Take the speaker and statement with the most emotions; of several, the one with the most emotions in the intensity
    that most emotions have, then the first by name; of several takes the first by path.  If they lack an emotion, take
    it from elsewhere, the same speaker first.
    """
    table = measured.clips
    per_intensity = table.groupby("intensity")["emotion"].nunique()
    usual = str(per_intensity.index[per_intensity == per_intensity.max()][0])
    ranks = []
    for (speaker, statement), clips in table.groupby(["speaker", "statement"]):
        at_usual = clips.loc[clips["intensity"] == usual, "emotion"].nunique()
        # clips of an unknown speaker come last: they may be of several
        ranks.append((not speaker, -clips["emotion"].nunique(), -at_usual, str(speaker), str(statement)))
    same = (*min(ranks)[-2:], usual)
    keys = ("speaker", "statement", "intensity")
    order = table.assign(**{f"_{key}": table[key] != value for key, value in zip(keys, same, strict=True)})
    order = order.sort_values([*(f"_{key}" for key in keys), "path", "start_s"], kind="stable")
    rows = {emotion: int(order.index[order["emotion"] == emotion][0]) for emotion in measured.corpus.emotions}
    samples = {}
    for emotion, row in rows.items():
        (clip,) = segments_of(table.iloc[[row]])
        samples[emotion] = PREPROCESSING.apply(clip.read())[: round(MOST_S * SAMPLE_RATE)]
    chosen = table.loc[list(rows.values()), list(keys)].itertuples(index=False, name=None)
    others = [emotion for emotion, values in zip(rows, chosen, strict=True) if values != same]
    return Example(rows, samples, _words(*same, others=others))


def _words(speaker: str, statement: str, intensity: str, *, others: list[str]) -> str:
    """Say which clips were chosen, and which differ in more than emotion."""
    parts = [f"speaker {speaker}"] * bool(speaker) + [f"statement “{statement}”"] * bool(statement)
    parts += [f"intensity {intensity}"] * bool(intensity)
    text = (
        f"One clip of each emotion ({', '.join(parts) or 'nothing is known of the speakers'}): the first speaker, "
        "statement and take by name among those with most emotions. Silence at both ends is removed; scales are the "
        "same for all."
    )
    if others:
        text += f" From another speaker, statement or intensity, because such a clip is missing: {', '.join(others)}."
    return text if statement else text + " The words are not known, so they may differ."


def reduced(image: Image, rows: int = 1) -> Image:
    """Take every second frame, and the mean power of ``rows`` neighbouring rows (dB), as fine as a panel is drawn."""
    values = image.values[:, ::_EVERY]
    n_rows = len(image.rows) // rows * rows
    if rows > 1:
        power = 10 ** (values[:n_rows].reshape(-1, rows, values.shape[1]) / 10)
        values = (10 * np.log10(power.mean(axis=1))).astype(np.float32)
    return Image(image.times_s[::_EVERY], image.rows[:n_rows].reshape(-1, rows).mean(axis=1), values)


def bands_by_emotion(clips: pd.DataFrame, values: FloatArray, emotions: tuple[str, ...]) -> dict[str, Band]:
    """Return mean and spread over the clips of each emotion of values (n, d)."""
    bands = {}
    for emotion in emotions:
        chosen = values[clips["emotion"].to_numpy() == emotion]
        low, high = np.quantile(chosen, _SHARES, axis=0)
        bands[emotion] = Band(chosen.mean(axis=0), low, high)
    return bands
