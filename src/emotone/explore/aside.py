"""The UMAP made in another process, while this one draws: it compiles for four times as long as it computes."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from emotone.errors import FeatureError
from emotone.explore.finding import Finding

if TYPE_CHECKING:
    from emotone.explore.features import FeatureTable

__all__ = ["Aside", "aside"]


class Aside:
    """Makes one finding, the UMAP of a table, in another process.

    Parameters
    ----------
    pool
        Of one process, which is busy with the compilation.
    """

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self._future: Future[Finding] | None = None

    def begin(self, table: "FeatureTable", *, seed: int) -> None:
        """Start on a table, (n, d); n and d may be whatever they are."""
        self._future = self._pool.submit(_projected, table, seed)

    def finding(self) -> Finding:
        """Wait for the UMAP that was begun.

        Raises
        ------
        FeatureError
            None was begun, or the process died.
        """
        if self._future is None:
            raise FeatureError("no UMAP was begun; call begin with a table of features first")
        try:
            return self._future.result()
        except BrokenProcessPool as error:
            raise FeatureError("the process that makes the UMAP died (out of memory?); run again") from error


@contextmanager
def aside() -> Iterator[Aside | None]:
    """Start a process and have it compile; None where there is one core, or umap-learn is not installed.

    While it runs, the linear algebra of this process keeps to one thread, since two that wait for each other on the
    same cores take several times as long.
    """
    from emotone.explore import feature_map

    if (os.cpu_count() or 1) < 2 or not feature_map.has_umap():
        yield None
        return
    from threadpoolctl import threadpool_limits

    # Spawned, not forked: a fork of a process that runs torch's threads may hang.
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    try:
        pool.submit(_compile)
        with threadpool_limits(1):
            yield Aside(pool)
    finally:
        pool.shutdown(cancel_futures=True)


def _compile() -> None:
    """Make a small UMAP, which compiles what a large one needs."""
    from threadpoolctl import threadpool_limits

    from emotone.explore import feature_map

    threadpool_limits(1)  # for as long as the process lives
    values: Any = np.random.default_rng(0).standard_normal((60, 8))
    feature_map.project(values.astype(np.float32), method="umap", seed=0)


def _projected(table: "FeatureTable", seed: int) -> Finding:
    from emotone.explore import features

    return features.projection(table, method="umap", seed=seed)
