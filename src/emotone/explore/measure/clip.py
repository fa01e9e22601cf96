"""Measure a recording, decoded once: format, length, levels, clipping, silence, mean spectrum."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import audio
from emotone.audio import SAMPLE_RATE, resampling
from emotone.audio.channels import Channel, channel_number
from emotone.audio.isolated_source import IsolatedSource
from emotone.audio.reader import Reader, Waveform
from emotone.explore import sound
from emotone.preprocessing import DEFAULT as PREPROCESSING

#: A sample counts as clipped from this share of full scale on; the largest of 16 bits, 32767 / 32768, is above it.
CLIPPED_AT = 0.9995
_CELL = 160  # samples: 10 ms
_LEAST_LEVEL = 1e-6  # amplitude: -120 dB, so that a level is a number


@dataclass(frozen=True)
class Measures:
    """Measures of a clip; levels are in dB relative to full scale (a value of 1 is 0 dB).

    Attributes
    ----------
    duration_s
        Duration of the clip, before resampling.
    sample_rate, channels, container, codec
        As in `emotone.audio.AudioInfo`.
    peak_db
        Largest absolute sample of any channel; this and all below are of the chosen channel alone, if one is.
    rms_db
        Root mean square over all samples and channels.
    active_db
        Root mean square of the cells that are not silent, at 16 kHz mono.
    dc_offset
        Mean of the channel whose mean is farthest from 0, in [-1, 1].
    clipped_share
        Share of samples at `CLIPPED_AT` or more, in [0, 1].
    silence_share
        Share of silent cells, in [0, 1]: 10 ms below the loudest cell by the default ``trim_db`` or more.
    lead_s, trail_s
        Silence before the first and after the last cell that is not silent.
    digest
        `emotone.audio.content_digest` of the untrimmed clip.
    """

    duration_s: float
    sample_rate: int
    channels: int
    container: str
    codec: str
    peak_db: float
    rms_db: float
    active_db: float
    dc_offset: float
    clipped_share: float
    silence_share: float
    lead_s: float
    trail_s: float
    digest: str


_FORMAT = ("sample_rate", "channels", "container", "codec")


def measure_clip(
    path: str, *, start_s: float = 0.0, end_s: float | None = None, channel: Channel = "mix"
) -> tuple[Measures, NDArray[np.float32]]:
    """Measure a clip, from ``start_s`` to ``end_s`` seconds (None: to the end) of a channel of a recording.

    Returns
    -------
    measures, log_mel
        log_mel: (128,) mean over time of `emotone.explore.sound.log_mel`, dB, without the silence at both ends.

    Raises
    ------
    AudioError
        As `emotone.audio.read`.
    """
    begin, end = round(start_s * SAMPLE_RATE), None if end_s is None else round(end_s * SAMPLE_RATE)
    with IsolatedSource(path).reader() as reader:
        tap = _Tap(reader, start_s=start_s, end_s=end_s, channel=channel)
        pieces = list(resampling.to_16k_mono(tap, begin, end, channel=channel))
        values: dict[str, Any] = {name: getattr(reader, name) for name in _FORMAT} | tap.summary()
    resampled = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    samples = audio.read((resampled, SAMPLE_RATE))  # refuses what is too short or silent
    values |= _silence(samples)
    mean = sound.log_mel(PREPROCESSING.apply(samples)).values.mean(axis=1)
    return Measures(**values, digest=audio.content_digest(samples)), mean


def level_db(amplitude: float) -> float:
    """Return the level of an amplitude in dB relative to full scale, at least -120.

    Examples
    --------
    >>> level_db(0.5)
    -6.02...
    """
    return 20 * math.log10(max(amplitude, _LEAST_LEVEL))


class _Tap:
    """A reader that sums up the samples that it passes on, before resampling: of all channels, or of the chosen one.

    Resampling also reads a little before and after a segment; the sums are over the segment alone.
    """

    def __init__(self, reader: Reader, *, start_s: float, end_s: float | None, channel: Channel) -> None:
        self._reader = reader
        self.name, self.sample_rate, self.channels = reader.name, reader.sample_rate, reader.channels
        self.container, self.codec, self.n_frames, self.lfe = (
            reader.container,
            reader.codec,
            reader.n_frames,
            reader.lfe,
        )
        self._begin = round(start_s * self.sample_rate)
        self._end = math.inf if end_s is None else round(end_s * self.sample_rate)
        self._n = self._n_clipped = 0
        self._peak = 0.0
        number = channel_number(channel)
        self._summed = slice(None) if number is None else slice(number - 1, number)
        self._n_summed = self.channels if number is None else 1
        self._sum = np.zeros(self._n_summed)
        self._squares = 0.0

    def count(self) -> int:
        return self._reader.count()

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        at = start
        for chunk in self._reader.chunks(start, size):
            inside = slice(max(0, self._begin - at), int(max(0, min(self._end - at, len(chunk)))))
            self._add(chunk[inside, self._summed])
            at += len(chunk)
            yield chunk

    def _add(self, chunk: Waveform) -> None:
        if not chunk.size:
            return
        absolute = np.abs(chunk)
        self._n += len(chunk)
        self._n_clipped += int((absolute >= CLIPPED_AT).sum())
        self._peak = max(self._peak, float(absolute.max()))
        self._sum += chunk.sum(axis=0, dtype=np.float64)
        self._squares += float(np.einsum("ij,ij->", chunk, chunk, dtype=np.float64))

    def summary(self) -> dict[str, Any]:
        """Return the measures of the recording as decoded."""
        means = self._sum / max(self._n, 1)
        n_values = max(self._n * self._n_summed, 1)
        return {
            "duration_s": self._n / self.sample_rate,
            "peak_db": level_db(self._peak),
            "rms_db": level_db(math.sqrt(self._squares / n_values)),
            "dc_offset": float(means[np.abs(means).argmax()]),
            "clipped_share": self._n_clipped / n_values,
        }


def _silence(samples: Waveform) -> dict[str, float]:
    """Measure the silence of a clip, (n,) at 16 kHz, in cells of 10 ms."""
    cells = samples[: len(samples) // _CELL * _CELL].reshape(-1, _CELL)
    power = np.einsum("ij,ij->i", cells, cells, dtype=np.float64) / _CELL
    below_db = math.inf if PREPROCESSING.trim_db is None else PREPROCESSING.trim_db
    sounding = np.flatnonzero(power > power.max() * 10 ** (-below_db / 10))
    cell_s = _CELL / SAMPLE_RATE
    return {
        "active_db": level_db(math.sqrt(float(power[sounding].mean()))),
        "silence_share": 1 - sounding.size / power.size,
        "lead_s": float(sounding[0]) * cell_s,
        "trail_s": float(power.size - 1 - sounding[-1]) * cell_s,
    }
