"""Make the UMAP in another process, while this one draws, and keep it: it takes longer than all the rest."""

import hashlib
import io
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from emotone.errors import FeatureError
from emotone.explore.feature_analysis import plane
from emotone.features.clip_cache import default_folder
from emotone.features.kept_files import keep, read_kept
from emotone.processes import end_with

Points = NDArray[np.float64]
Values = NDArray[np.float32]


class UmapJob:
    """Makes the UMAP of a feature table, in another process if there are two cores; `umap_job` gives one.

    It keeps the points of each table in ``folder``.  The caller closes ``resources``, which ends the process.
    """

    def __init__(self, folder: Path, resources: ExitStack) -> None:
        self._folder = folder
        self._resources = resources
        self._begun: tuple[Values, int, Path] | None = None
        self._points: Points | Future[Points] | None = None

    def begin(self, values: Values, *, seed: int) -> None:
        """Start on features (n, d)."""
        file = self._folder / f"{_key(values, seed)}.points"
        self._begun, self._points = (values, seed, file), _read(file, len(values))
        if self._points is not None or (os.cpu_count() or 1) < 2:
            return
        # Spawned, not forked: a fork of a process that runs torch's threads may hang.
        pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=end_with, initargs=(os.getpid(),))
        self._resources.callback(pool.shutdown, cancel_futures=True)
        # Linear algebra of two processes on the same cores takes several times as long, as they wait for each other.
        self._resources.enter_context(threadpool_limits(1))
        self._points = pool.submit(_compute, values, seed)

    def points(self) -> Points:
        """Wait for the points (n, 2); FeatureError if `begin` was not called, or the process died."""
        if self._begun is None:
            raise FeatureError("no UMAP was begun; call begin with a table of features first")
        values, seed, file = self._begun
        if isinstance(self._points, np.ndarray):
            return self._points
        try:
            points = _compute(values, seed) if self._points is None else self._points.result()
        except (BrokenProcessPool, MemoryError) as error:
            raise FeatureError(
                "the process that makes the UMAP died; run again with more memory, and in a script of yours, call "
                "explore under: if __name__ == '__main__'"
            ) from error
        content = io.BytesIO()
        np.save(content, points, allow_pickle=False)
        keep(file, content.getvalue())
        return points


@contextmanager
def umap_job(cache: Path | None = None) -> Iterator[UmapJob | None]:
    """Give a `UmapJob` that keeps its points in a cache (the user's if not given); None without umap-learn."""
    with ExitStack() as resources:
        folder = (default_folder() if cache is None else cache) / "umap"
        yield UmapJob(folder, resources) if plane.has_umap() else None


def _key(values: Values, seed: int) -> str:
    """Return a digest of everything that decides the points: the table, the seed, and the version of umap-learn."""
    text = f"{values.shape} {values.dtype} {seed} {version('umap-learn')}"
    return hashlib.sha256(text.encode() + np.ascontiguousarray(values).tobytes()).hexdigest()[:32]


def _read(path: Path, n_clips: int) -> Points | None:
    """Return stored points (n, 2); None if they are missing, damaged, or of another number of clips."""
    content = read_kept(path)
    if content is None:
        return None
    points = np.load(io.BytesIO(content), allow_pickle=False)
    return points if points.shape == (n_clips, 2) and np.isfinite(points).all() else None


def _compute(values: Values, seed: int) -> Points:
    with threadpool_limits(1):
        return plane.project(values, method="umap", seed=seed).points
