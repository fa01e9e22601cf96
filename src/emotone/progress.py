"""How long-running functions report their progress."""

from typing import Protocol


class Progress(Protocol):
    """A function ``progress(done, total, what)``: steps done, all steps, and a few words on the present step."""

    def __call__(self, done: int, total: int, what: str, /) -> None:
        """Report that ``done`` of ``total`` steps are done, and what the present step is."""


#: Number of steps that every experiment reports.
TOTAL = 1000


def part(progress: Progress | None, start: float, end: float) -> Progress:
    """Return a progress that moves another progress from ``start`` to ``end``, shares in [0, 1] of its steps.

    Parameters
    ----------
    progress
        The progress to move; None: report nothing.

    Examples
    --------
    >>> half = part(lambda done, total, what: print(done, total, what), 0.5, 1.0)
    >>> half(1, 2, "folds")
    750 1000 folds
    """

    def report(done: int, total: int, what: str, /) -> None:
        if progress is not None:
            share = start + (end - start) * done / max(total, 1)
            progress(round(TOTAL * share), TOTAL, what)

    return report


def named(progress: Progress, name: str) -> Progress:
    """Put a name before each text.

    Examples
    --------
    >>> named(lambda done, total, what: print(done, total, what), "svm")(1, 2, "fold 1")
    1 2 svm: fold 1
    """

    def report(done: int, total: int, what: str, /) -> None:
        progress(done, total, f"{name}: {what}")

    return report


class Repeated:
    """A progress whose last report can be repeated during long work in between, since a progress may end the work.

    Parameters
    ----------
    progress
        The progress to call; None: report nothing.

    Examples
    --------
    >>> repeated = Repeated(lambda done, total, what: print(done, total, what))
    >>> repeated(1, 2, "listening")
    1 2 listening
    >>> repeated.again()
    1 2 listening
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._last: tuple[int, int, str] | None = None

    def __call__(self, done: int, total: int, what: str, /) -> None:
        """Report this; see `Progress`."""
        self._last = (done, total, what)
        self.again()

    def again(self) -> None:
        """Report the same as before; nothing before the first report."""
        if self._progress is not None and self._last is not None:
            self._progress(*self._last)
