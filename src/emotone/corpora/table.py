"""The corpus: an immutable table, one row per clip, with the same columns for every source of recordings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from emotone.corpora.rejected import Rejected
from emotone.emotions import EMOTIONS, Vocabulary, class_name, class_names, in_order
from emotone.errors import CorpusError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

    from emotone.audio.segments import Segment


class Row(NamedTuple):
    """A clip.

    ``start_s`` and ``end_s`` are seconds; NaN as ``end_s`` is the end of the file.  ``audio_channel`` is the number of
    a channel of the recording, from 1, as a text; ``""`` is the mix of all.
    """

    path: str
    start_s: float
    end_s: float
    emotion: str
    speaker: str
    gender: str
    intensity: str
    statement: str
    channel: str
    corpus: str
    language: str
    audio_channel: str = ""


#: The columns of every corpus, in order.
COLUMNS: tuple[str, ...] = Row._fields
_NUMBERS = ("start_s", "end_s")
#: Values of the column ``channel``.
CHANNELS: tuple[str, ...] = ("speech", "song")
_GENDERS = ("female", "male", "")
_AUDIO_CHANNEL = "audio_channel"


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Corpus:
    """Clips with their labels, one per row; immutable.

    Parameters
    ----------
    table
        Exactly the columns `COLUMNS`, in any order; without ``audio_channel``, all channels are mixed.  It is
        copied and renumbered from 0; row order is kept.
    name
        ``"ravdess"``, or ``"ravdess+tess"`` for a union.
    rejected
        Files and rows that were left out, with the reason.

    Raises
    ------
    CorpusError
        Columns are missing or unknown, or a value is outside its range: emotion an alias or no name of a class,
        gender not female/male/empty, channel not speech/song, audio_channel no number, a segment that ends before it
        starts.

    Notes
    -----
    ``table`` returns a copy each time, so that changing it does not change the corpus.  Get it once, outside a loop.
    """

    name: str
    rejected: tuple[Rejected, ...]
    _table: pd.DataFrame

    def __init__(self, table: pd.DataFrame, name: str, rejected: Sequence[Rejected] = ()) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "rejected", tuple(rejected))
        object.__setattr__(self, "_table", _validated(table, name))

    @classmethod
    def of_rows(cls, rows: Sequence[Row], name: str, rejected: Sequence[Rejected] = ()) -> Corpus:
        """Make a corpus of rows, in their order."""
        return cls(_pandas().DataFrame(rows, columns=list(COLUMNS)), name, rejected)

    @property
    def table(self) -> pd.DataFrame:
        """The clips, (n, 12) with the columns `COLUMNS` and a RangeIndex; a copy."""
        return self._table.copy()

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that occur, in canonical order, then own classes, sorted."""
        return in_order(self._table["emotion"].unique(), unknown_last=True)

    @property
    def speakers(self) -> tuple[str, ...]:
        """The known speakers, sorted; see also `unknown_speakers`."""
        return tuple(sorted(set(self._table["speaker"]) - {""}))

    @property
    def unknown_speakers(self) -> int:
        """Number of clips without a known speaker (``""``); above 0, no speaker-disjoint protocol can be built."""
        return int((self._table["speaker"] == "").sum())

    def __len__(self) -> int:
        return len(self._table)

    def __repr__(self) -> str:
        left_out = f", {len(self.rejected)} rejected" if self.rejected else ""
        return (
            f"Corpus({self.name!r}: {len(self)} clips, {len(self.speakers)} speakers, "
            f"{', '.join(self.emotions) or 'no emotion'}{left_out})"
        )

    def only(self, *, emotions: Iterable[str] | None = None, channel: str | None = None) -> Corpus:
        """Return the clips of some emotions and a channel, renumbered, in the same order.

        Parameters
        ----------
        emotions
            Names, aliases or own classes; ``None`` keeps all.
        channel
            ``"speech"``, ``"song"``, or ``None`` or ``"all"`` for both.

        Raises
        ------
        CorpusError
            The channel is unknown, or no clip has one of the emotions or the channel.
        """
        table = self._table
        if channel is not None and channel != "all":
            if channel not in CHANNELS:
                raise CorpusError(f"unknown channel {channel!r}; expected {', '.join(CHANNELS)} or all")
            table = _having(table, "channel", (channel,), self.name)
        if emotions is not None:
            table = _having(table, "emotion", _wanted(emotions), self.name)
        return Corpus(table, self.name, self.rejected)

    def relabelled(self, vocabulary: Vocabulary) -> Corpus:
        """Return the same clips with each emotion replaced by its meaning in a vocabulary."""
        return Corpus(
            self._table.assign(emotion=self._table["emotion"].map(vocabulary.resolve)), self.name, self.rejected
        )

    @staticmethod
    def union(corpora: Sequence[Corpus]) -> Corpus:
        """Join the clips of several corpora, in the given order.

        Raises
        ------
        CorpusError
            ``corpora`` is empty, or two hold a corpus of the same name: their speakers could not be distinguished.
        """
        if not corpora:
            raise CorpusError("a union of no corpora; expected at least one")
        seen: set[str] = set()
        for corpus in corpora:
            names = set(corpus._table["corpus"])
            if both := sorted(names & seen):
                raise CorpusError(
                    f"two corpora are called {both[0]!r}, so that their speakers could not be distinguished; "
                    "name each once, and give manifests and folders different names"
                )
            seen |= names
        if len(corpora) == 1:
            return corpora[0]
        return Corpus(
            _pandas().concat([corpus._table for corpus in corpora], ignore_index=True),
            "+".join(corpus.name for corpus in corpora),
            tuple(rejected for corpus in corpora for rejected in corpus.rejected),
        )


def segments_of(table: pd.DataFrame) -> list[Segment]:
    """Return which parts of recordings the clips of a corpus' table are, in its order."""
    from emotone.audio.segments import Segment  # imported here: most uses of corpora decode nothing

    columns = [table[name] for name in ("path", "start_s", "end_s", _AUDIO_CHANNEL)]
    return [
        Segment(str(path), float(start_s), None if math.isnan(end_s) else float(end_s), number or "mix")
        for path, start_s, end_s, number in zip(*columns, strict=True)
    ]


def _pandas() -> Any:
    """Import pandas where a table is made, so that names and addresses of corpora are known without it."""
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise MissingExtraError("a table of clips (pandas)", extra="train") from error
    return pandas


def _wanted(emotions: Iterable[str]) -> tuple[str, ...]:
    """Return the names of requested classes."""
    if isinstance(emotions, str):
        raise CorpusError(f"emotions is the text {emotions!r}; expected several names, such as ['happy', 'sad']")
    wanted = class_names(emotions)
    if not wanted:
        raise CorpusError(f"no emotion is requested; expected some of {', '.join(EMOTIONS)}")
    return wanted


def _having(table: pd.DataFrame, column: str, values: Sequence[str], name: str) -> pd.DataFrame:
    """Select the rows whose ``column`` is in ``values``; each value must occur."""
    there = set(table[column])
    if missing := [value for value in values if value not in there]:
        known = ", ".join(sorted(there)) or "none"
        raise CorpusError(f"{name} has no clip of {column} {missing[0]!r}; it has: {known}")
    return table[table[column].isin(values)]


def _validated(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Copy ``table`` with columns in order and types fixed, after checking all values."""
    channels = table[_AUDIO_CHANNEL].fillna("") if _AUDIO_CHANNEL in table.columns else ""
    table = table.assign(**{_AUDIO_CHANNEL: channels})
    actual, expected = set(table.columns), set(COLUMNS)
    if actual != expected:
        missing, unknown = sorted(expected - actual), sorted(map(str, actual - expected))
        raise CorpusError(
            f"the table of {name} lacks the columns {missing} and has unknown columns {unknown}; "
            f"expected exactly {', '.join(COLUMNS)}"
        )
    checked = table.loc[:, list(COLUMNS)].reset_index(drop=True)
    for column in COLUMNS:
        checked[column] = checked[column].astype("float64" if column in _NUMBERS else object)
    for column, allowed in (("gender", _GENDERS), ("channel", CHANNELS)):
        if unknown := sorted({repr(value) for value in checked[column].unique() if value not in allowed}):
            raise CorpusError(f"{name} has {column} {unknown[0]}; expected {', '.join(map(repr, allowed))}")
    for column in set(COLUMNS) - set(_NUMBERS):
        if not all(isinstance(value, str) for value in checked[column]):
            raise CorpusError(f"{name} has a {column} that is not a text; expected texts, '' where it is unknown")
    for number in checked[_AUDIO_CHANNEL].unique():
        if number and not re.fullmatch("[1-9][0-9]*", number):
            raise CorpusError(f"{name} has {_AUDIO_CHANNEL} {number!r}; expected '1', '2', ..., or '' for all channels")
    for emotion in checked["emotion"].unique():
        if class_name(emotion) != emotion:
            raise CorpusError(f"{name} has emotion {emotion!r}; expected {class_name(emotion)!r}")
    if checked["start_s"].isna().any() or (checked["start_s"] < 0).any():
        raise CorpusError(f"{name} has a segment with a missing or negative start_s; expected seconds from 0.0")
    if (checked["end_s"] <= checked["start_s"]).any():
        raise CorpusError(f"{name} has a segment whose end_s is not after its start_s")
    return checked
