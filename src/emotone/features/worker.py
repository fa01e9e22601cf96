"""Compute the features of clips, in this process or in several."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone import audio, augment
from emotone.augment.copies import Augmentation
from emotone.errors import EmotoneError, FeatureError
from emotone.features.runner import GraphRunner
from emotone.preprocessing import Preprocessing

#: A recording, or a segment of it: path, start_s, end_s (`WHOLE` stands for the end).
Clip = tuple[str, float, float]
WHOLE = -1.0  # end_s of a whole file, since NaN is not equal to itself


@dataclass(frozen=True)
class Job:
    """What a worker process needs.

    Attributes
    ----------
    extractor, extractor_digest
        Name and digest of the extractor.
    graph
        Its ONNX graph; None where it can't be one, and is then made from its name.
    width
        Numbers a frame; None where a clip has one row.
    dtype
        Type of the numbers in the store.
    preprocessing
        What happens to a waveform first.
    augmentation
        The augmented copy that is taken in place of the clip; None: the clip itself.
    """

    extractor: str
    graph: bytes | None
    extractor_digest: str
    width: int | None
    dtype: str
    preprocessing: Preprocessing
    augmentation: Augmentation | None

    def key(self, digest: str) -> str:
        """Return the store's key for the features of the recording with this content digest."""
        spec = "" if self.augmentation is None else self.augmentation.spec
        text = f"{digest}|{self.extractor_digest}|{spec}|{self.preprocessing.key}"
        return hashlib.sha256(text.encode()).hexdigest()

    def shaped(self, kept: bytes) -> npt.NDArray[Any]:
        """Give numbers as they are kept the shape of the features: (d,), or (frames, d) of a sequence.

        Frames are copied, since what a database gives is read-only and torch wants what it may write to.
        """
        numbers = np.frombuffer(kept, dtype=self.dtype)
        return numbers if self.width is None else numbers.reshape(-1, self.width).copy()


Result = tuple[str, npt.NDArray[Any]] | str


def compute(clips: list[Clip], job: Job, *, workers: int | None) -> Iterator[Result]:
    """Yield digest and features of each clip, or why it has none, in order.

    Parameters
    ----------
    workers
        Processes; None: one a core.

    Raises
    ------
    FeatureError
        A worker process died.
    """
    n_workers = max(1, min(workers or os.cpu_count() or 1, len(clips) // 8))
    if n_workers == 1:
        work = Worker(job)
        yield from map(work, clips)
        return
    # Spawned, not forked: a fork of a process that runs torch's threads may hang.
    pool = ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"), initializer=_start, initargs=(job,))
    try:
        yield from pool.map(_run, clips, chunksize=8)
    except BrokenProcessPool as error:
        raise FeatureError(
            "a process that computes features died (out of memory?); what was done is kept: run again, with fewer "
            "workers if it happens again; a script of yours must call this under: if __name__ == '__main__'"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


class Worker:
    """Reads a clip and computes its features."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.compute: Any
        if job.graph is not None:
            self.compute = GraphRunner(job.graph)
        else:
            from emotone.features import registry

            self.compute = registry.get(job.extractor).compute

    def __call__(self, clip: Clip) -> Result:
        """Return digest and features of a clip, or why it has none."""
        path, start_s, end_s = clip
        try:
            whole = audio.read(path, start_s=start_s, end_s=None if end_s == WHOLE else end_s)
            digest = audio.content_digest(whole)
            samples = self.job.preprocessing.apply(whole)
            if self.job.augmentation is not None:
                rng = augment.seed_for(self.job.augmentation.seed, digest=digest, copy_index=self.job.augmentation.copy)
                samples = augment.apply(samples, transforms=self.job.augmentation.transforms, rng=rng)
            row = np.asarray(self.compute(samples), dtype=np.float32)
        except EmotoneError as error:
            return str(error)
        if not np.isfinite(row).all():
            return f"{path}: a feature is not a finite number; leave this file out and report it"
        return digest, row.astype(self.job.dtype, copy=False)


_worker: Worker | None = None


def _start(job: Job) -> None:
    global _worker  # one a process: a session costs more to make than a clip to compute
    if job.graph is None:
        import torch

        torch.set_num_threads(1)  # there is a process for each core
    _worker = Worker(job)


def _run(clip: Clip) -> Result:
    if _worker is None:  # the pool's initializer has run before any clip
        raise FeatureError("the worker was not started")
    return _worker(clip)
