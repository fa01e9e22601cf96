"""Warnings of libraries, such as scikit-learn's: one note at the end of a command in place of lines in between."""

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from emotone.cli import console as output
from emotone.errors import CorpusWarning, StoreWarning

_OF_DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning, ResourceWarning)


@contextmanager
def gathered() -> Iterator[None]:
    """Gather the warnings of a command, also those of its worker processes, and print a note about them at the end."""
    counts: Counter[str] = Counter()

    def count(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, _OF_DEVELOPERS):  # shown only where they are asked for, as by python -W
            before(message, category, *place, **more)
            return
        if issubclass(category, StoreWarning | CorpusWarning):  # of Emotone, at the moment at which they help
            for line in str(message).splitlines():
                output.note(f"note: {line}")
            return
        counts[output.one_line(message)] += 1

    before, warnings.showwarning = warnings.showwarning, count
    try:
        yield
    finally:
        warnings.showwarning = before
        if counts:
            output.note(_text(counts))


def _text(counts: Counter[str]) -> str:
    """Write warnings in one line.

    Examples
    --------
    >>> _text(Counter({"it did not converge": 3, "the data are constant": 1}))
    'warning: it did not converge (3 times); and 1 other warning: the data are constant'
    """
    (most, n_most), *others = counts.most_common()
    text = f"warning: {most}" + (f" ({n_most} times)" if n_most > 1 else "")
    if others:
        n_others = f"1 other warning: {others[0][0]}" if len(others) == 1 else f"{len(others)} other kinds of warning"
        text += f"; and {n_others}"
    return text
