"""Threads of numerical libraries."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Let OpenMP use this number of threads, and linear algebra one.

    The products of OpenBLAS differ in their last digits between numbers of threads, and a model should not.
    """
    from threadpoolctl import threadpool_limits  # of the extra train

    with threadpool_limits({"openmp": threads, "blas": 1}):
        yield
