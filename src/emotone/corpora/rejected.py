"""What was left out of a corpus, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from emotone.emotions import label_option
from emotone.errors import CorpusError, UnknownEmotionError

_OTHER = "for other reasons (see rejected.csv)"


class UnusableError(CorpusError):
    """A file or row can't be used; ``group`` is the kind of reason, as a count precedes it: "with a wrong segment"."""

    def __init__(self, reason: str, *, group: str) -> None:
        super().__init__(reason)
        self.group = group


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file or row that was left out of a corpus, and why; ``group`` is the kind of reason, for `count_groups`."""

    path: str
    reason: str
    group: str = _OTHER

    @classmethod
    def of(cls, path: str, error: CorpusError, *, where: str = "") -> Rejected:
        """Take the reason from an error; ``where`` precedes it."""
        group = getattr(error, "group", _OTHER)
        if isinstance(error, UnknownEmotionError):
            remedy = f"if it means {error.nearest}: {label_option(error)}" if error.nearest else "see --labels"
            group = f"labelled {error.word!r} (not in the vocabulary; {remedy})"
        return cls(path, f"{where}{error}", group)


def count_groups(rejected: Iterable[Rejected]) -> list[dict[str, Any]]:
    """Count what was left out by kind of reason, the most frequent first.

    Examples
    --------
    >>> count_groups([Rejected("a.wav", "...", "whose file is missing"), Rejected("b.wav", "...", "listed twice")])
    [{'reason': 'listed twice', 'clips': 1}, {'reason': 'whose file is missing', 'clips': 1}]
    """
    counts = Counter(item.group for item in rejected)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"reason": group, "clips": clips} for group, clips in ordered]
