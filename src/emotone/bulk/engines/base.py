"""What an engine is given, and what it gives back."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from emotone.bulk.supervised import Opener, Supervised
from emotone.bulk.units import Report

#: Called with the number of units that were done since the last call.
Tick = Callable[[int], None]


class Job(Protocol):
    """Work in parts, each of which can be done by itself and again; it can be pickled.

    Attributes
    ----------
    opener
        Makes the function that works on units, in a worker.
    limit_s
        Seconds without progress after which a unit is given up.
    """

    @property
    def opener(self) -> Opener:
        """What a worker is started with."""

    @property
    def limit_s(self) -> float:
        """Seconds without progress."""

    def units(self, number: int) -> Sequence[Any]:
        """Return the units of a part."""

    def finish(self, number: int, units: Sequence[Any], results: Sequence[Any]) -> Report:
        """Write the results of a part, atomically; a result can be a `Failure`."""


class Engine(Protocol):
    """Runs the parts of a job.  All engines write the same, whatever order they work in.

    Attributes
    ----------
    name
        Of the engine, for messages.
    workers
        Number of parts that are worked on at the same time.
    """

    name: str
    workers: int

    def prepare(self) -> None:
        """Start what can be started before the work is known; `close` ends what was not used."""

    def close(self) -> None:
        """End what `prepare` started."""

    def run(self, job: Job, numbers: Iterable[int], *, tick: Tick) -> Iterator[Report]:
        """Work on parts, and yield a report of each when it is written, in any order.

        Parameters
        ----------
        job
            The work.
        numbers
            Numbers of the parts; they are asked for as workers become free.
        tick
            Called as units are done.

        Raises
        ------
        EmotoneError
            A worker can't start.
        OSError
            A part can't be written.
        """


def run_part(job: Job, supervised: Supervised, number: int, tick: Tick = lambda n: None) -> Report:
    """Work on a part in a supervised child, and write it."""
    units = job.units(number)
    results = []
    for result in supervised.results(units):
        results.append(result)
        tick(1)
    return job.finish(number, units, results)
