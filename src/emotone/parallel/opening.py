"""Open the pool that the command line or a caller names."""

from collections.abc import Iterator
from contextlib import contextmanager

from emotone.errors import ConfigError
from emotone.parallel.local import LocalPool, remove_killed
from emotone.parallel.pool import Pool

#: Names of the engines.
ENGINES = ("local", "ray")


@contextmanager
def open_pool(engine: str = "local", *, address: str | None = None, workers: int | None = None) -> Iterator[Pool]:
    """Yield a pool, and close it.

    Parameters
    ----------
    engine
        ``"local"`` or ``"ray"``.
    address
        Of the Ray cluster; see `emotone.parallel.cluster.RayPool`.
    workers
        Items at the same time; see `Pool`.

    Raises
    ------
    ConfigError
        The engine is unknown, there is an address without Ray, or no cluster is at the address.
    MissingExtraError
        Ray is not installed.
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine is {engine!r}; expected {', '.join(ENGINES)}")
    if engine == "local":
        if address is not None:
            raise ConfigError(f"address is {address!r}, and the engine 'local' has none; set engine to 'ray'")
        remove_killed()
        yield LocalPool(workers)
        return
    from emotone.parallel.cluster import RayPool

    with RayPool(address, workers) as pool:
        yield pool
