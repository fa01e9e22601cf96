"""What was left out of a corpus, and why."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from emotone.emotions import EMOTIONS, label_option
from emotone.errors import CorpusError, CorpusWarning, UnknownEmotionError
from emotone.formatting import left_out_text

_OTHER = "for other reasons"
#: Kind of reason of clips whose sound is damaged or missing.
UNREADABLE = "that can't be read"
_MOST_OPTIONS = 4


class UnusableError(CorpusError):
    """A file or row can't be used; ``group`` is the kind of reason, as a count precedes it: "with a wrong segment"."""

    def __init__(self, reason: str, *, group: str) -> None:
        super().__init__(reason)
        self.group = group


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file or row that was left out of a corpus, and why.

    Attributes
    ----------
    path, reason
        The file, and the reason as a sentence.
    group
        The kind of reason, for `count_groups`.
    option
        The option of the command line that says what its label means, if that is the reason.
    """

    path: str
    reason: str
    group: str = _OTHER
    option: str = ""

    @classmethod
    def of(cls, path: str, error: CorpusError, *, where: str = "") -> Rejected:
        """Take the reason from an error; ``where`` precedes it."""
        group, option = getattr(error, "group", _OTHER), ""
        if isinstance(error, UnknownEmotionError) and not error.word.strip():
            group = "without an emotion"
        elif isinstance(error, UnknownEmotionError):
            option = label_option(error)
            remedy = f"if it means {error.nearest}: {label_option(error)}" if error.nearest else "see --labels"
            group = f"labelled {error.word!r} (not in the vocabulary; {remedy})"
        return cls(path, f"{where}{error}", group, option)


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


def labels_hint(rejected: Iterable[Rejected], *, can_add: bool = True) -> str:
    """Say what to do about labels that Emotone does not know, the most frequent first; "" without any.

    Parameters
    ----------
    can_add
        Whether such labels can become classes, as in a training.

    Examples
    --------
    >>> print(labels_hint([Rejected("a.wav", "...", option="--labels happy=gioia")]))
    Say what your labels mean: --labels happy=gioia. Or name all classes with --emotions; ...
    """
    counts = Counter(item.option for item in rejected if item.option)
    if not counts:
        return ""
    options = [option for option, _ in counts.most_common(_MOST_OPTIONS)]
    text = " ".join([*options, *(["and so on"] if len(counts) > _MOST_OPTIONS else [])])
    if "EMOTION=" in text:
        text += f", where EMOTION is {', '.join(EMOTIONS[:-1])} or {EMOTIONS[-1]}"
    classes = ". Or name all classes with --emotions; a word that is no emotion is then a separate class"
    return f"Say what your labels mean: {text}{classes if can_add else ''}"


def warn_of(rejected: Sequence[Rejected], *, n_used: int, can_add: bool = True) -> None:
    """Warn of what is left out of a corpus, before the work begins; `CorpusWarning`.

    Parameters
    ----------
    rejected
        What is left out; without any, there is no warning.
    n_used
        Number of clips that are used.
    can_add
        See `labels_hint`.
    """
    if not rejected:
        return
    used = "1 clip is used" if n_used == 1 else f"{n_used:,} clips are used"
    lines = [f"{left_out_text(count_groups(rejected))}. {used}", labels_hint(rejected, can_add=can_add)]
    warnings.warn("\n".join(filter(None, lines)), CorpusWarning, stacklevel=3)
