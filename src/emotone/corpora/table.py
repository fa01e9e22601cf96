"""The corpus: an immutable table, one row a clip, the same columns whatever the recordings came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from emotone.emotions import EMOTIONS, canonical, in_order
from emotone.errors import CorpusError

#: The columns of every corpus, in order.  ``start_s`` and ``end_s`` are seconds; ``end_s`` NaN is the end of the file.
COLUMNS: tuple[str, ...] = (
    "path",
    "start_s",
    "end_s",
    "emotion",
    "speaker",
    "gender",
    "intensity",
    "statement",
    "channel",
    "corpus",
    "language",
)
_NUMBERS = ("start_s", "end_s")
#: What ``channel`` may be; ``"all"`` is the choice of both.
CHANNELS: tuple[str, ...] = ("speech", "song")
_GENDERS = ("female", "male", "")


@dataclass(frozen=True)
class Rejected:
    """A file or row that was left out of a corpus, and why."""

    path: str
    reason: str


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Corpus:
    """Clips with their labels, one a row; nothing in it can be changed.

    Parameters
    ----------
    table
        Exactly the columns `COLUMNS`, in any order; copied, and renumbered from 0.  Row order is kept.
    name
        ``"ravdess"``, or ``"ravdess+tess"`` for a union.
    rejected
        What was left out, with the reason.

    Raises
    ------
    CorpusError
        Columns are missing or unknown, or a value is outside its range: emotion not canonical, gender not
        female/male/empty, channel not speech/song, a segment that ends before it starts.

    Notes
    -----
    ``table`` gives a copy each time, so that a change to it changes no corpus.  Take it once, outside a loop.
    """

    name: str
    rejected: tuple[Rejected, ...]
    _table: pd.DataFrame

    def __init__(self, table: pd.DataFrame, name: str, rejected: Sequence[Rejected] = ()) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "rejected", tuple(rejected))
        object.__setattr__(self, "_table", _checked(table, name))

    @property
    def table(self) -> pd.DataFrame:
        """The clips, (n, 11) with the columns `COLUMNS` and a RangeIndex; a copy, yours to change."""
        return self._table.copy()

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that occur, in canonical order."""
        return in_order(self._table["emotion"].unique())

    @property
    def speakers(self) -> tuple[str, ...]:
        """The known speakers, sorted; a clip whose speaker is not known adds none (see `unknown_speakers`)."""
        return tuple(sorted(set(self._table["speaker"]) - {""}))

    @property
    def unknown_speakers(self) -> int:
        """How many clips have no known speaker (``""``): above 0, no speaker-disjoint protocol can be built."""
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
        """Keep the clips of some emotions and one channel, renumbered, in the same order.

        Parameters
        ----------
        emotions
            Names or aliases; ``None`` keeps all.
        channel
            ``"speech"``, ``"song"``, or ``None`` or ``"all"`` for both.

        Raises
        ------
        CorpusError
            An emotion or channel is unknown, or no clip has it.
        """
        table = self._table
        if channel is not None and channel != "all":
            if channel not in CHANNELS:
                raise CorpusError(f"unknown channel {channel!r}; expected one of {', '.join(CHANNELS)}, all")
            table = _having(table, "channel", (channel,), self.name)
        if emotions is not None:
            table = _having(table, "emotion", _wanted(emotions), self.name)
        return Corpus(table, self.name, self.rejected)

    @staticmethod
    def union(corpora: Sequence[Corpus]) -> Corpus:
        """Join all clips of several corpora, in the order given; the emotions are canonical, so the vocabulary is one.

        Raises
        ------
        CorpusError
            There is none, or two hold a corpus of the same name: their speakers could not be told apart.
        """
        if not corpora:
            raise CorpusError("a union of no corpora; expected at least one")
        seen: set[str] = set()
        for corpus in corpora:
            names = set(corpus._table["corpus"])
            if both := sorted(names & seen):
                raise CorpusError(
                    f"two corpora are called {both[0]!r}, so that their speakers could not be told apart; "
                    "name each once, and give manifests and folders different names"
                )
            seen |= names
        if len(corpora) == 1:
            return corpora[0]
        return Corpus(
            pd.concat([corpus._table for corpus in corpora], ignore_index=True),
            "+".join(corpus.name for corpus in corpora),
            tuple(rejected for corpus in corpora for rejected in corpus.rejected),
        )


def _wanted(emotions: Iterable[str]) -> tuple[str, ...]:
    """Check the names asked for, and make them canonical."""
    if isinstance(emotions, str):
        raise CorpusError(f"emotions is the text {emotions!r}; expected several names, such as ['happy', 'sad']")
    wanted = tuple(dict.fromkeys(canonical(name) for name in emotions))
    if not wanted:
        raise CorpusError(f"no emotion is asked for; expected some of {', '.join(EMOTIONS)}")
    return wanted


def _having(table: pd.DataFrame, column: str, values: Sequence[str], name: str) -> pd.DataFrame:
    """Select the rows whose ``column`` is among ``values``, each of which must occur."""
    there = set(table[column])
    if missing := [value for value in values if value not in there]:
        known = ", ".join(sorted(there)) or "none"
        raise CorpusError(f"{name} has no clip of {column} {missing[0]!r}; it has: {known}")
    return table[table[column].isin(values)]


def _checked(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Copy ``table`` with its columns in order, its types fixed and its values checked."""
    found = set(table.columns)
    if found != set(COLUMNS):
        missing, unknown = sorted(set(COLUMNS) - found), sorted(str(column) for column in found - set(COLUMNS))
        raise CorpusError(
            f"the table of {name} lacks the columns {missing} and has unknown columns {unknown}; "
            f"expected exactly {', '.join(COLUMNS)}"
        )
    checked = table.loc[:, list(COLUMNS)].reset_index(drop=True)
    for column in COLUMNS:
        checked[column] = checked[column].astype("float64" if column in _NUMBERS else object)
    for column, allowed in (("emotion", EMOTIONS), ("gender", _GENDERS), ("channel", CHANNELS)):
        if unknown := sorted({repr(value) for value in checked[column].unique() if value not in allowed}):
            raise CorpusError(f"{name} has {column} {unknown[0]}; expected one of {', '.join(map(repr, allowed))}")
    for column in set(COLUMNS) - set(_NUMBERS):
        if not all(isinstance(value, str) for value in checked[column]):
            raise CorpusError(f"{name} has a {column} that is not a text; expected texts, '' where it is not known")
    if checked["start_s"].isna().any() or (checked["start_s"] < 0).any():
        raise CorpusError(f"{name} has a segment with a missing or negative start_s; expected seconds from 0.0")
    if (checked["end_s"] <= checked["start_s"]).any():
        raise CorpusError(f"{name} has a segment whose end_s is not after its start_s")
    return checked
