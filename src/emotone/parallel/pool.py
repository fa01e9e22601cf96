"""What every pool of processes can do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from emotone.errors import ConfigError

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Share:
    """How the cores are shared: ``workers`` items at the same time, and ``threads`` threads for each."""

    workers: int
    threads: int


class Pool(ABC):
    """Runs a function on many items at the same time.  Results do not depend on the pool.

    Parameters
    ----------
    workers
        Items at the same time; None: as many as there are cores, and a single one for networks, which use all cores of
        a machine themselves.

    Attributes
    ----------
    is_here
        Whether the function runs on this machine, and sees its files.
    """

    is_here: bool

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise ConfigError(f"workers is {workers}; expected 1 or more")
        self.workers = workers

    @abstractmethod
    def share(self, n_items: int, *, networks: bool = False) -> Share:
        """Share the cores among items.

        Parameters
        ----------
        n_items
            Number of items; no more workers are of use.
        networks
            Whether each item trains a network.
        """

    @abstractmethod
    def runs_in_process(self, share: Share) -> bool:
        """Whether `map` calls the function in this process, one item after the other."""

    @abstractmethod
    def map(
        self, work: Callable[[Item], Result], items: Sequence[Item], *, share: Share
    ) -> Generator[tuple[int, Result], None, None]:
        """Call a function with each item; yield the number of an item and its result as soon as it is there.

        Close the iterator to stop early, as an exception in a ``for`` loop does not; see `contextlib.closing`.

        Parameters
        ----------
        work
            It is sent to each process once, so it can hold large arrays: processes of a machine share their memory.
            It must be picklable and importable, and its results picklable.
        items
            They are sent one by one.
        share
            From `share`.

        Raises
        ------
        WorkerError
            A process died.  Other exceptions are those of ``work``.
        """
