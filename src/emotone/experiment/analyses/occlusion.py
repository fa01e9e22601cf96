"""Occlusion of a network: how much the score of the labelled emotion drops if a block of the sound is attenuated.

Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2.  A block is a band of
frequencies during a slot of time, attenuated in the waveform, so that the method works for every graph.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from emotone import audio, files
from emotone.corpora import Corpus, segments_of
from emotone.errors import AudioError, FeatureError
from emotone.preprocessing import DEFAULT, Preprocessing
from emotone.progress import Progress

ARRAYS = "relevance.npz"
#: Seconds for everything; the first of `EFFORTS` that fits is chosen.
BUDGET_S = 30.0
#: Longer clips are skipped: their blocks would be too long to be informative.
MOST_S = 12.0
#: A block is attenuated by 40 dB.
_GAIN = 0.01
#: Width of the edges between bands, mel, and between slots, seconds.
_EDGE_MEL, _EDGE_S = 50.0, 0.02
#: Approximate seconds of a slot; least and greatest number of slots.
_SLOT_S, _LEAST_SLOTS, _MOST_SLOTS = 0.25, 2, 10
#: Probabilities are clipped to this, since the logarithm of 0 is infinite.
_LEAST_PROBABILITY = 1e-6


class Effort(NamedTuple):
    """Number of clips of each emotion, number of bands, and greatest number of slots."""

    clips: int
    bands: int
    slots: int


#: Tried in this order.
EFFORTS = (Effort(4, 10, 10), Effort(2, 10, 10), Effort(2, 8, 6), Effort(1, 8, 6), Effort(1, 6, 4))


class Listener(Protocol):
    """The part of `emotone.recognition.recognizer.Recognizer` that is used here."""

    emotions: tuple[str, ...]

    def run(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return probabilities (k,) and an embedding of (n,) samples at 16 kHz."""
        ...


def write(
    folder: Path,
    model: Listener,
    corpus: Corpus,
    *,
    preprocessing: Preprocessing = DEFAULT,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, NDArray[Any]]:
    """Write ``relevance.npz``, the result of `measured`."""
    arrays = measured(model, corpus, preprocessing=preprocessing, seed=seed, progress=progress)
    files.write_arrays(folder / ARRAYS, arrays)
    return arrays


def measured(
    model: Listener,
    corpus: Corpus,
    *,
    preprocessing: Preprocessing = DEFAULT,
    seed: int = 0,
    budget_s: float = BUDGET_S,
    progress: Progress | None = None,
) -> dict[str, NDArray[Any]]:
    """Compute maps of a few correctly predicted clips of each emotion, which are drawn with ``seed``.

    Returns
    -------
    ``maps`` (m, bands, slots), see `occluded`; ``emotion`` (m,), ``row`` (m,) of the corpus, ``confidence`` (m,) and
    ``seconds`` (m,) of each; ``edges_hz`` (bands + 1,).  m is 0 if even the least effort would take longer than
    ``budget_s``, or if no clip is predicted correctly.
    """
    emotions = [emotion for emotion in model.emotions if emotion in set(corpus.table["emotion"])]
    most = EFFORTS[0].clips
    clips = {
        emotion: _right(model, corpus, emotion, preprocessing=preprocessing, n_most=most, seed=seed)
        for emotion in emotions
    }
    lengths = [samples.size for drawn in clips.values() for _, samples, _ in drawn]
    effort = _effort(model, clips, budget_s=budget_s) if lengths else None
    if effort is None:
        return _arrays([], edges_hz=band_edges(EFFORTS[-1].bands), shape=(EFFORTS[-1].bands, EFFORTS[-1].slots))
    edges_hz = band_edges(effort.bands)
    seconds = float(np.median(lengths)) / audio.SAMPLE_RATE
    n_slots = int(np.clip(round(seconds / _SLOT_S), _LEAST_SLOTS, min(effort.slots, _MOST_SLOTS)))
    rows: list[dict[str, Any]] = []
    chosen = [(emotion, *clip) for emotion, drawn in clips.items() for clip in drawn[: effort.clips]]
    for done, (emotion, row, samples, confidence) in enumerate(chosen, start=1):
        try:
            drop = occluded(model, samples, label=model.emotions.index(emotion), edges_hz=edges_hz, n_slots=n_slots)
        except FeatureError:  # too little sound is left
            continue
        clip = {"emotion": emotion, "row": row, "confidence": confidence, "seconds": samples.size / audio.SAMPLE_RATE}
        rows.append({"maps": drop, **clip})
        if progress is not None:
            progress(done, len(chosen), "measuring which sounds the model uses")
    return _arrays(rows, edges_hz=edges_hz, shape=(effort.bands, n_slots))


def _arrays(
    rows: Sequence[Mapping[str, Any]], *, edges_hz: NDArray[np.float64], shape: tuple[int, int]
) -> dict[str, NDArray[Any]]:
    maps = np.asarray([row["maps"] for row in rows], dtype=np.float32).reshape(-1, *shape)
    kinds: dict[str, Any] = {"emotion": np.str_, "row": np.int64, "confidence": np.float64, "seconds": np.float64}
    columns = {name: np.asarray([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()}
    return {"maps": maps, **columns, "edges_hz": edges_hz}


def _right(
    model: Listener, corpus: Corpus, emotion: str, *, preprocessing: Preprocessing, n_most: int, seed: int
) -> list[tuple[int, NDArray[np.float32], float]]:
    """Draw correctly predicted clips of an emotion, from three times ``n_most``: row, samples and confidence."""
    table = corpus.table
    rows = np.flatnonzero(table["emotion"].to_numpy() == emotion)
    kept: list[tuple[int, NDArray[np.float32], float]] = []
    for row in np.random.default_rng([seed, model.emotions.index(emotion)]).permutation(rows)[: 3 * n_most]:
        if len(kept) == n_most:
            break
        (clip,) = segments_of(table.iloc[[row]])
        try:
            samples = preprocessing.apply(clip.read())
            if samples.size > MOST_S * audio.SAMPLE_RATE:
                continue
            scores, _ = model.run(samples)
        except (AudioError, FeatureError):
            continue
        if model.emotions[int(scores.argmax())] == emotion:
            kept.append((int(row), samples, float(scores.max())))
    return kept


def _effort(model: Listener, clips: Mapping[str, Sequence[tuple[Any, ...]]], *, budget_s: float) -> Effort | None:
    """Choose the effort by the seconds of a prediction for the clip of median length."""
    every = sorted((samples for drawn in clips.values() for _, samples, _ in drawn), key=len)
    median = every[len(every) // 2]
    model.run(median)  # the runtime allocates memory on its first call
    started = time.perf_counter()
    model.run(median)
    prediction_s = time.perf_counter() - started
    for effort in EFFORTS:
        n_clips = sum(min(effort.clips, len(drawn)) for drawn in clips.values())
        if prediction_s * n_clips * effort.bands * effort.slots <= budget_s:
            return effort
    return None


def band_edges(n_bands: int) -> NDArray[np.float64]:
    """Return (n_bands + 1,) Hz from 0 to half the sample rate, equidistant on the mel scale."""
    top = _mel(np.asarray(audio.SAMPLE_RATE / 2))
    return np.asarray(700 * (10 ** (np.linspace(0, top, n_bands + 1) / 2595) - 1))


def occluded(
    model: Listener, samples: NDArray[np.float32], *, label: int, edges_hz: NDArray[np.float64], n_slots: int
) -> NDArray[np.float32]:
    """Take down one block of a clip after the other by 40 dB, and see what that costs.

    Parameters
    ----------
    model
        The model.
    samples
        (n,) at 16 kHz, trimmed.
    label
        Number of the labelled emotion.
    edges_hz
        (bands + 1,) ascending edges of the bands.
    n_slots
        Number of slots of equal length.

    Returns
    -------
    (bands, slots) decrease of the natural logarithm of the labelled emotion's probability; positive if the block
    supports the emotion, negative if it speaks against it.
    """
    before = _log_probability(model, samples, label)
    drop = [
        [before - _log_probability(model, quieter, label) for quieter in row]
        for row in without_blocks(samples, edges_hz=edges_hz, n_slots=n_slots)
    ]
    return np.asarray(drop, dtype=np.float32)


def without_blocks(
    samples: NDArray[np.float32], *, edges_hz: NDArray[np.float64], n_slots: int
) -> Iterator[Iterator[NDArray[np.float32]]]:
    """Yield for each band, and in it for each slot, the clip (n,) with that block attenuated by 40 dB."""
    n = samples.size
    hz = np.fft.rfftfreq(n, 1 / audio.SAMPLE_RATE)
    bands = shares(_mel(hz), edges=_mel(edges_hz), width=_EDGE_MEL)
    slots = shares(np.arange(n) + 0.5, edges=np.linspace(0, n, n_slots + 1), width=_EDGE_S * audio.SAMPLE_RATE)
    spectrum = np.fft.rfft(samples)
    for band in bands:
        sound = (1 - _GAIN) * np.fft.irfft(spectrum * band, n)
        yield ((samples - slot * sound).astype(np.float32) for slot in slots)


def shares(position: NDArray[Any], *, edges: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Compute the weight of each interval between ``edges`` at each position, with raised-cosine edges of ``width``.

    Returns
    -------
    (len(edges) - 1, n) in [0, 1]; the sum is 1 at every position, also outside the edges.
    """
    rise = [0.5 - 0.5 * np.cos(np.pi * np.clip((position - edge) / width + 0.5, 0, 1)) for edge in edges[1:-1]]
    steps = np.stack([np.ones(len(position)), *rise, np.zeros(len(position))])
    return np.asarray(steps[:-1] - steps[1:])


def _log_probability(model: Listener, samples: NDArray[np.float32], label: int) -> float:
    return float(np.log(max(float(model.run(samples)[0][label]), _LEAST_PROBABILITY)))


def _mel(hz: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Convert Hz to mel: 2595 log10(1 + f / 700 Hz)."""
    return np.asarray(2595 * np.log10(1 + hz / 700))
