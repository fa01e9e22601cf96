"""What a network listens to: how much less sure of the labelled emotion it is with a block of the sound taken away.

Occlusion (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2) of a band
of frequencies during a stretch of time, in the waveform, so that it works for every graph that takes one.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from emotone import audio, files
from emotone.corpora import Corpus
from emotone.errors import AudioError, FeatureError
from emotone.preprocessing import DEFAULT, Preprocessing
from emotone.progress import Progress

ARRAYS = "relevance.npz"
#: Seconds that all may take; the effort is the first below that fits.
BUDGET_S = 30.0
#: A clip that is longer is passed over: its blocks would be too long to say anything.
MOST_S = 12.0
#: What is left of a block, 40 dB under what it was.
_GAIN = 0.01
#: Width of the edges between bands, mel, and between stretches of time, seconds.
_EDGE_MEL, _EDGE_S = 50.0, 0.02
#: Seconds of a stretch of time, about; and how many stretches there are at least and at most.
_SLOT_S, _LEAST_SLOTS, _MOST_SLOTS = 0.25, 2, 10
#: A probability under this counts as this.
_LEAST_PROBABILITY = 1e-6


class Effort(NamedTuple):
    """How many clips of each emotion are looked at, in how many bands, and in how many stretches of time at most."""

    clips: int
    bands: int
    slots: int


#: Tried in this order.
EFFORTS = (Effort(4, 10, 10), Effort(2, 10, 10), Effort(2, 8, 6), Effort(1, 8, 6), Effort(1, 6, 4))


class Listener(Protocol):
    """What `emotone.recognition.recognizer.Recognizer` gives, as far as it is needed here."""

    emotions: tuple[str, ...]

    def run(self, samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n,) samples at 16 kHz -> probabilities (k,) and an embedding."""
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
    """Write ``relevance.npz``: the maps of a few clips of each emotion that the model gets right.

    Parameters
    ----------
    folder
        The run directory.
    model
        The final model.
    corpus
        Clips; which of them are looked at is drawn.
    preprocessing
        What the model was trained with.
    seed
        Of the draw.

    Returns
    -------
    What was written: ``maps`` (m, bands, slots), see `occluded`; ``emotion`` (m,), ``row`` (m,) of the corpus,
    ``confidence`` (m,) and ``seconds`` (m,) of each; ``edges_hz`` (bands + 1,).  m is 0 where the graph is so slow
    that the least effort would take longer than `BUDGET_S`, or gets nothing right.
    """
    found = measured(model, corpus, preprocessing=preprocessing, seed=seed, progress=progress)
    files.write_arrays(folder / ARRAYS, found)
    return found


def measured(
    model: Listener,
    corpus: Corpus,
    *,
    preprocessing: Preprocessing = DEFAULT,
    seed: int = 0,
    budget_s: float = BUDGET_S,
    progress: Progress | None = None,
) -> dict[str, NDArray[Any]]:
    """Compute what `write` writes."""
    emotions = [emotion for emotion in model.emotions if emotion in set(corpus.table["emotion"])]
    most = EFFORTS[0].clips
    clips = {
        emotion: _right(model, corpus, emotion, preprocessing=preprocessing, n_most=most, seed=seed)
        for emotion in emotions
    }
    lengths = [samples.size for found in clips.values() for _, samples, _ in found]
    effort = _effort(model, clips, budget_s=budget_s) if lengths else None
    if effort is None:
        return _told([], edges_hz=band_edges(EFFORTS[-1].bands), shape=(EFFORTS[-1].bands, EFFORTS[-1].slots))
    edges_hz = band_edges(effort.bands)
    seconds = float(np.median(lengths)) / audio.SAMPLE_RATE
    n_slots = int(np.clip(round(seconds / _SLOT_S), _LEAST_SLOTS, min(effort.slots, _MOST_SLOTS)))
    rows: list[dict[str, Any]] = []
    chosen = [(emotion, *one) for emotion, found in clips.items() for one in found[: effort.clips]]
    for done, (emotion, row, samples, confidence) in enumerate(chosen, start=1):
        try:
            drop = occluded(model, samples, label=model.emotions.index(emotion), edges_hz=edges_hz, n_slots=n_slots)
        except FeatureError:  # what is left of the clip has no answer
            continue
        told = {"emotion": emotion, "row": row, "confidence": confidence, "seconds": samples.size / audio.SAMPLE_RATE}
        rows.append({"maps": drop, **told})
        if progress is not None:
            progress(done, len(chosen), "what the model listens to")
    return _told(rows, edges_hz=edges_hz, shape=(effort.bands, n_slots))


def _told(
    rows: Sequence[Mapping[str, Any]], *, edges_hz: NDArray[np.float64], shape: tuple[int, int]
) -> dict[str, NDArray[Any]]:
    maps = np.asarray([row["maps"] for row in rows], dtype=np.float32).reshape(-1, *shape)
    kinds: dict[str, Any] = {"emotion": np.str_, "row": np.int64, "confidence": np.float64, "seconds": np.float64}
    columns = {name: np.asarray([row[name] for row in rows], dtype=kind) for name, kind in kinds.items()}
    return {"maps": maps, **columns, "edges_hz": edges_hz}


def _right(
    model: Listener, corpus: Corpus, emotion: str, *, preprocessing: Preprocessing, n_most: int, seed: int
) -> list[tuple[int, NDArray[np.float32], float]]:
    """Draw clips of an emotion that the model gets right: row, samples and confidence; three are tried for each."""
    table = corpus.table
    rows = np.flatnonzero(table["emotion"].to_numpy() == emotion)
    kept: list[tuple[int, NDArray[np.float32], float]] = []
    for row in np.random.default_rng([seed, model.emotions.index(emotion)]).permutation(rows)[: 3 * n_most]:
        if len(kept) == n_most:
            break
        path, start_s, end_s = table["path"][row], table["start_s"][row], table["end_s"][row]
        try:
            samples = preprocessing.apply(audio.read(path, start_s=start_s, end_s=end_s))
            if samples.size > MOST_S * audio.SAMPLE_RATE:
                continue
            scores, _ = model.run(samples)
        except (AudioError, FeatureError):
            continue
        if model.emotions[int(scores.argmax())] == emotion:
            kept.append((int(row), samples, float(scores.max())))
    return kept


def _effort(model: Listener, clips: Mapping[str, Sequence[tuple[Any, ...]]], *, budget_s: float) -> Effort | None:
    """Settle how much can be looked at: the time of one answer decides, on the clip of middle length."""
    every = sorted((samples for found in clips.values() for _, samples, _ in found), key=len)
    middle = every[len(every) // 2]
    model.run(middle)  # the runtime allocates on its first call
    started = time.perf_counter()
    model.run(middle)
    answer_s = time.perf_counter() - started
    for effort in EFFORTS:
        n_clips = sum(min(effort.clips, len(found)) for found in clips.values())
        if answer_s * n_clips * effort.bands * effort.slots <= budget_s:
            return effort
    return None


def band_edges(n_bands: int) -> NDArray[np.float64]:
    """(n_bands + 1,) Hz from 0 to half the sample rate, equally far apart on the mel scale."""
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
        Number of the emotion that the clip is labelled with.
    edges_hz
        (bands + 1,) edges of the bands, rising.
    n_slots
        Into how many stretches, equally long, the clip is divided.

    Returns
    -------
    (bands, slots) loss of the logarithm (natural) of the labelled emotion's probability; above 0 where the block
    spoke for the emotion, below where it spoke against it.
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
    """Give the clip (n,) once for each block, with that block 40 dB down: band after band, slot after slot."""
    n = samples.size
    hz = np.fft.rfftfreq(n, 1 / audio.SAMPLE_RATE)
    bands = shares(_mel(hz), edges=_mel(edges_hz), width=_EDGE_MEL)
    slots = shares(np.arange(n) + 0.5, edges=np.linspace(0, n, n_slots + 1), width=_EDGE_S * audio.SAMPLE_RATE)
    spectrum = np.fft.rfft(samples)
    for band in bands:
        sound = (1 - _GAIN) * np.fft.irfft(spectrum * band, n)
        yield ((samples - slot * sound).astype(np.float32) for slot in slots)


def shares(position: NDArray[Any], *, edges: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Divide an axis among the stretches between ``edges``, with raised-cosine edges that are ``width`` wide.

    Returns
    -------
    (len(edges) - 1, n) in [0, 1]; at every position the sum is 1, beyond the ends too.
    """
    rise = [0.5 - 0.5 * np.cos(np.pi * np.clip((position - edge) / width + 0.5, 0, 1)) for edge in edges[1:-1]]
    steps = np.stack([np.ones(len(position)), *rise, np.zeros(len(position))])
    return np.asarray(steps[:-1] - steps[1:])


def _log_probability(model: Listener, samples: NDArray[np.float32], label: int) -> float:
    return float(np.log(max(float(model.run(samples)[0][label]), _LEAST_PROBABILITY)))


def _mel(hz: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Mel of frequencies, 2595 log10(1 + f / 700 Hz)."""
    return np.asarray(2595 * np.log10(1 + hz / 700))
