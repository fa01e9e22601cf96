"""Clips of corpora in a single file, and batches of them on a device.

A clip is what the built-in model gets: 16 kHz mono, trimmed.  All clips follow each other in an array of 16-bit
samples, so that a machine that only trains needs this file, and none of the recordings.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from emotone import corpora, files, protocols
from emotone.audio import SAMPLE_RATE
from emotone.audio.segments import Segment
from emotone.errors import ConfigError, EmotoneError
from emotone.preprocessing import DEFAULT
from emotone.progress import Progress

#: Without boredom, as in the built-in model: only EMO-DB has it, in 81 clips.
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
#: Padded batches have a multiple of this many samples, so that Fourier transforms have few different sizes.
GRID = SAMPLE_RATE // 10
#: The corpus of the published folds.
FOLDED = "ravdess"
_FULL_SCALE = 32768
_SOUND = ("samples", "offsets")
_OPUS_LEVEL = 0.85  # about 40 kbit/s
_BLOCK = 100 * SAMPLE_RATE


@dataclass(frozen=True, eq=False)
class Packed:
    """Clips and what is known of them.

    Attributes
    ----------
    samples
        (total,) int16, clip after clip.
    offsets
        (n + 1,) place of the first sample of each clip, and the end of the last one.
    emotions, speakers, corpora, channels
        (n,) texts.
    folds
        (n,) number of the fold of ``speaker-6fold`` that tests the speaker, from 1; 0 for corpora without such folds.
    """

    samples: NDArray[np.int16]
    offsets: NDArray[np.int64]
    emotions: NDArray[np.str_]
    speakers: NDArray[np.str_]
    corpora: NDArray[np.str_]
    channels: NDArray[np.str_]
    folds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.emotions)

    def save(self, path: Path, *, opus: bool = False) -> None:
        """Write the file, atomically; with ``opus`` at about 40 kbit/s instead of 256, which loses some sound."""
        arrays = {item.name: getattr(self, item.name) for item in fields(self)}
        if opus:
            arrays["opus"] = _encoded(arrays.pop("samples"))
        with files.replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, paths: Sequence[Path]) -> "Packed":
        """Read the clips of some files, one after another.

        Raises
        ------
        ConfigError
            A file is missing or damaged.
        """
        parts = [cls._load(path) for path in paths]
        ends = np.cumsum([0, *(len(part.samples) for part in parts)])
        offsets = [part.offsets[:-1] + end for part, end in zip(parts, ends[:-1], strict=True)]
        arrays = {item.name: np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)}
        return cls(**arrays | {"offsets": np.concatenate([*offsets, ends[-1:]])})

    @classmethod
    def _load(cls, path: Path) -> "Packed":
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = dict(stored)
            if "opus" in arrays:
                arrays["samples"] = _decoded(arrays.pop("opus"))
            packed = cls(**arrays)
        except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise ConfigError(f"{path} holds no packed clips ({error}); write it again with --pack") from error
        if packed.offsets[-1] != len(packed.samples) or len(packed.offsets) != len(packed) + 1:
            raise ConfigError(f"{path} is damaged: its offsets do not fit its samples; write it again with --pack")
        return packed

    def waveform(self, row: int) -> NDArray[np.float32]:
        """Return the samples of a clip, -1 to 1."""
        return self.samples[self.offsets[row] : self.offsets[row + 1]].astype(np.float32) / _FULL_SCALE

    def of_waveforms(self, rows: NDArray[np.int64], waveforms: Sequence[NDArray[np.float32]]) -> "Packed":
        """Return these clips with other samples; those beyond full scale are clipped."""
        described = {item.name: getattr(self, item.name)[rows] for item in fields(self) if item.name not in _SOUND}
        samples = [_as_int16(waveform) for waveform in waveforms]
        return Packed(samples=np.concatenate(samples), offsets=_offsets(samples), **described)

    def parts(self, mib: float) -> "list[Packed]":
        """Split the clips into parts of at most so many MiB of samples (a part has one clip at least)."""
        limit = int(mib * 2**20 / self.samples.itemsize)
        starts = [0]
        for clip in range(1, len(self)):
            if self.offsets[clip + 1] - self.offsets[starts[-1]] > limit:
                starts.append(clip)
        ranges = zip(starts, [*starts[1:], len(self)], strict=True)
        return [self._some(first, last) for first, last in ranges]

    def _some(self, first: int, last: int) -> "Packed":
        rows = {item.name: getattr(self, item.name)[first:last] for item in fields(self)}
        begin, end = self.offsets[first], self.offsets[last]
        return Packed(**rows | {"samples": self.samples[begin:end], "offsets": self.offsets[first : last + 1] - begin})


def pack(names: Iterable[str], data: Path, *, at_most: int | None = None, progress: Progress | None = None) -> Packed:
    """Read every clip of some corpora, speech and songs, with the emotions `EMOTIONS`.

    Parameters
    ----------
    names
        Names of corpora, or paths of manifests.
    data
        The folder that holds the corpora.
    at_most
        Read about so many clips of each corpus, evenly spread; None: all.

    Raises
    ------
    CorpusError
        A corpus can't be read.
    ConfigError
        No clip can be read.
    """
    rows = [row for name in names for row in _rows(name, data, at_most)]
    folds = _folds(data) if any(row.corpus == FOLDED for row, _ in rows) else {}
    clips, kept = [], []
    for number, (row, segment) in enumerate(rows):
        if progress is not None:
            progress(number, len(rows), f"reading {row.corpus}")
        try:
            clips.append(_as_int16(DEFAULT.apply(segment.read())))
        except EmotoneError as error:
            print(f"left out: {row.path}: {error}", flush=True)
            continue
        kept.append(row)
    if not kept:
        raise ConfigError("no clip could be read; expected readable recordings: see the messages above")
    return Packed(
        samples=np.concatenate(clips),
        offsets=_offsets(clips),
        emotions=np.array([row.emotion for row in kept]),
        speakers=np.array([row.speaker for row in kept]),
        corpora=np.array([row.corpus for row in kept]),
        channels=np.array([row.channel for row in kept]),
        folds=np.array([folds.get(row.speaker, 0) for row in kept], dtype=np.int64),
    )


def _rows(name: str, data: Path, at_most: int | None) -> list[tuple[Any, Segment]]:
    table = corpora.load(name, data, channel="all").table
    table = table[table["emotion"].isin(EMOTIONS)]
    table = table.iloc[:: 1 if at_most is None else max(1, len(table) // at_most)]
    return list(zip(table.itertuples(), corpora.segments_of(table), strict=True))


def _folds(data: Path) -> dict[str, int]:
    """Return speaker -> number of the fold that tests the speaker."""
    protocol = protocols.build("speaker-6fold", corpora.load(FOLDED, data))
    return {name: number for number, fold in enumerate(protocol.folds, start=1) for name in fold.test_speakers}


def _encoded(samples: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Return samples as a single Ogg Opus stream, which keeps their number."""
    stream = io.BytesIO()
    with soundfile.SoundFile(
        stream, "w", SAMPLE_RATE, 1, "OPUS", format="OGG", compression_level=_OPUS_LEVEL
    ) as writer:
        for first in range(0, len(samples), _BLOCK):  # libsndfile can't take long arrays of Opus at once
            writer.write(samples[first : first + _BLOCK])
    return np.frombuffer(stream.getvalue(), dtype=np.uint8)


def _decoded(stream: NDArray[np.uint8]) -> NDArray[np.int16]:
    samples, _ = soundfile.read(io.BytesIO(stream.tobytes()), dtype="int16")
    return np.asarray(samples)


def _as_int16(waveform: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.clip(np.round(waveform * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)


def _offsets(clips: Sequence[NDArray[np.int16]]) -> NDArray[np.int64]:
    return np.cumsum([0, *map(len, clips)]).astype(np.int64)


class DeviceClips:
    """All samples on a device, and batches of clips.

    Parameters
    ----------
    packed
        The clips.
    device
        Where samples and batches are.
    """

    def __init__(self, packed: Packed, device: torch.device) -> None:
        self.device = device
        self.samples = torch.from_numpy(np.ascontiguousarray(packed.samples)).to(device)
        self.starts, self.lengths = packed.offsets[:-1], np.diff(packed.offsets)

    def batch(
        self, rows: NDArray[np.int64], *, window: int | None = None, rng: np.random.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return waveforms (b, n) float32, 0 after the end of a clip, and lengths (b,), n a multiple of `GRID`.

        With ``window`` (samples) and ``rng``, longer clips are cropped at a random place.
        """
        starts, lengths = self.starts[rows], self.lengths[rows]
        if window is not None and rng is not None:
            cut = np.minimum(lengths, window)
            starts, lengths = starts + rng.integers(lengths - cut, endpoint=True), cut
        size = -(-int(lengths.max()) // GRID) * GRID
        first, n_samples = (torch.from_numpy(values).to(self.device) for values in (starts, lengths))
        place = torch.arange(size, device=self.device)
        index = torch.clamp(first[:, None] + place, max=len(self.samples) - 1)
        waveforms = self.samples[index].float() / _FULL_SCALE
        return waveforms * sound(n_samples, size), n_samples


def sound(lengths: Tensor, size: int) -> Tensor:
    """(b,) lengths -> (b, size) true before the end of a clip."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]
