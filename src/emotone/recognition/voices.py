"""Embed voices: vectors that are close for the same speaker and far apart for others, whatever is said.

The encoder is GE2E (Wan et al., "Generalized end-to-end loss for speaker verification", 2018) as Resemblyzer trained it
on LibriSpeech and VoxCeleb; ``scripts/make_speaker_encoder.py`` made its graph.  Emotion moves these embeddings nearly
as much as the speaker does.  A projection, fitted on acted speech, keeps the directions in which speakers differ more.
"""

import functools
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emotone.audio.resampling import SAMPLE_RATE
from emotone.recognition.runtime import open_session

Waveform = NDArray[np.float32]
Array = NDArray[np.float64]

_FOLDER = Path(__file__).parents[1] / "data" / "voices"
ENCODER, PROJECTION = _FOLDER / "encoder.onnx", _FOLDER / "projection.npz"
#: Of the encoder: samples of a spectrum and from one to the next, spectra of a window, values of an embedding.
N_FFT, HOP, FRAMES, WIDTH = 400, 160, 160, 256
#: Seconds from one window to the next; a window has 1.6.
STEP_S = 0.4
_STEP = round(STEP_S * SAMPLE_RATE / HOP)
#: Windows that are embedded at once; more don't make it faster.
_BATCH = 32
#: Softer sound is raised to this level, root mean square, as in the encoder's training: -30 dB.
_LEVEL = 10 ** (-30 / 20)
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)


class Projection(NamedTuple):
    """Directions in which speakers differ.

    Attributes
    ----------
    matrix
        (256, r): projected embeddings have unit covariance within a speaker.
    between
        (r,) their variance between speakers.
    """

    matrix: Array
    between: Array

    def save(self, path: Path) -> None:
        """Write the arrays as NPZ with float32."""
        content = io.BytesIO()
        np.savez(content, matrix=self.matrix.astype(np.float32), between=self.between.astype(np.float32))
        path.write_bytes(content.getvalue())


class VoiceEncoder:
    """Embed windows of sound.  Threads may share it."""

    def __init__(self) -> None:
        self._session: Any = open_session(ENCODER.read_bytes())

    def __call__(self, samples: Waveform) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Embed a stretch of speech.

        Parameters
        ----------
        samples
            (n,) float32 at 16 kHz, n >= 1.  A sound shorter than a window is repeated.

        Returns
        -------
        (w,) the sample in the middle of each window, and the embeddings (w, 256) of length 1.
        """
        level = max(float(np.sqrt(np.mean(samples**2))), 1e-9)
        power = _power(samples * np.float32(max(1.0, _LEVEL / level)))
        starts = np.arange(0, max(1, len(power) - FRAMES + 1), _STEP)
        batches = [
            self._session.run(None, {"power": power, "starts": starts[first : first + _BATCH]})[0]
            for first in range(0, len(starts), _BATCH)
        ]
        return np.minimum((starts + FRAMES // 2) * HOP, len(samples)), np.concatenate(batches)


@functools.cache
def encoder() -> VoiceEncoder:
    """Return the encoder, which is opened when it is first used."""
    return VoiceEncoder()


@functools.cache
def projection() -> Projection:
    """Return the projection of the package."""
    with np.load(PROJECTION, allow_pickle=False) as stored:
        return Projection(*(np.asarray(stored[name], np.float64) for name in Projection._fields))


def fitted(
    voices: Mapping[str, Mapping[str, Sequence[NDArray[np.float32]]]], *, width: int, ridge: float
) -> Projection:
    """Fit a projection by linear discriminant analysis.

    Parameters
    ----------
    voices
        Corpus -> speaker -> the mean embedding (256,) of each clip.  Corpora are centred: they differ in more than
        their speakers.
    width
        Number r of directions.
    ridge
        Variance that is added within speakers, as a multiple of the mean variance.
    """
    groups: list[Array] = []
    for speakers in voices.values():
        clips = [np.asarray(rows, np.float64) for rows in speakers.values()]
        centre = np.mean([rows.mean(axis=0) for rows in clips], axis=0)
        groups += [rows - centre for rows in clips]
    means = np.array([rows.mean(axis=0) for rows in groups])
    apart = np.concatenate([rows - mean for rows, mean in zip(groups, means, strict=True)])
    within = apart.T @ apart / len(apart)
    within += ridge * np.trace(within) / len(within) * np.eye(len(within))
    whitening = np.linalg.inv(np.linalg.cholesky(within))
    variances, directions = np.linalg.eigh(whitening @ np.cov(means.T, bias=True) @ whitening.T)
    order = np.argsort(-variances)[:width]
    return Projection(whitening.T @ directions[:, order], np.maximum(variances[order], 1e-6))


def _power(samples: Waveform) -> NDArray[np.float32]:
    """Return the power spectra (frames, bins) of a sound; one that is shorter than a window is repeated."""
    samples = np.resize(samples, max(len(samples), (FRAMES - 1) * HOP))
    padded = np.pad(samples, N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP] * _HANN
    return (np.abs(np.fft.rfft(frames)) ** 2).astype(np.float32)
