"""The UMAP made in another process, while this one draws, and kept: it takes longer than all the rest."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emotone.errors import FeatureError
from emotone.explore.finding import Finding
from emotone.features.store import default_folder

if TYPE_CHECKING:
    from emotone.explore.feature_analysis.findings import FeatureTable

__all__ = ["UmapJob", "aside"]

Points = NDArray[np.float64]


class UmapJob:
    """Makes one finding, the UMAP of a table; in another process where there are two cores.

    Parameters
    ----------
    folder
        Where the points of tables are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begun: tuple[FeatureTable, int, Path] | None = None
        self._points: Points | Future[Points] | None = None
        self._open = ExitStack()

    def begin(self, table: "FeatureTable", *, seed: int) -> None:
        """Start on a table, (n, d); n and d may be whatever they are."""
        kept = self._folder / f"{_key(table.values, seed)}.npy"
        self._begun, self._points = (table, seed, kept), _read(kept, len(table.values))
        if self._points is not None or (os.cpu_count() or 1) < 2:
            return
        from threadpoolctl import threadpool_limits

        # Spawned, not forked: a fork of a process that runs torch's threads may hang.
        pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._open.callback(pool.shutdown, cancel_futures=True)
        # Two processes whose linear algebra waits for each other on the same cores take several times as long.
        self._open.enter_context(threadpool_limits(1))
        self._points = pool.submit(_laid_out, table.values, seed)

    def finding(self) -> Finding:
        """Wait for the UMAP that was begun.

        Raises
        ------
        FeatureError
            None was begun, or the process died.
        """
        if self._begun is None:
            raise FeatureError("no UMAP was begun; call begin with a table of features first")
        from emotone.explore.feature_analysis import findings as features

        table, seed, kept = self._begun
        points = self._points
        if not isinstance(points, np.ndarray):
            try:
                points = _laid_out(table.values, seed) if points is None else points.result()
            except (BrokenProcessPool, MemoryError) as error:
                raise FeatureError(
                    "the process that makes the UMAP died; run again with more memory, and in a script of yours, call "
                    "explore under: if __name__ == '__main__'"
                ) from error
            _keep(points, kept)
        return features.projection(table, method="umap", seed=seed, points=points)

    def close(self) -> None:
        """End the process."""
        self._open.close()


@contextmanager
def aside(cache: Path | None = None) -> Iterator[UmapJob | None]:
    """Give an `UmapJob` that keeps what it makes in a cache, the user's if not given; None without umap-learn."""
    from emotone.explore.feature_analysis import projection as feature_map

    if not feature_map.has_umap():
        yield None
        return
    made = UmapJob((default_folder() if cache is None else cache) / "umap")
    try:
        yield made
    finally:
        made.close()


def _key(values: NDArray[np.float32], seed: int) -> str:
    """Digest of all that decides the points: the table, the seed, and the version of umap-learn."""
    told = f"{values.shape} {values.dtype} {seed} {version('umap-learn')}"
    return hashlib.sha256(told.encode() + np.ascontiguousarray(values).tobytes()).hexdigest()[:32]


def _read(path: Path, n_clips: int) -> Points | None:
    """Points (n, 2) that were kept; None if there are none, or not those of so many clips."""
    try:
        points = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return points if points.shape == (n_clips, 2) and np.isfinite(points).all() else None


def _keep(points: Points, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with temporary.open("wb") as file:
        np.save(file, points, allow_pickle=False)
    os.replace(temporary, path)


def _laid_out(values: NDArray[np.float32], seed: int) -> Points:
    from threadpoolctl import threadpool_limits

    from emotone.explore.feature_analysis import projection as feature_map

    with threadpool_limits(1):
        return feature_map.project(values, method="umap", seed=seed).points
