"""The types `Fold` and `Protocol`: row numbers for training and test, and the speakers that both share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotone.errors import LeakError, ProtocolError

if TYPE_CHECKING:
    from emotone.corpora.table import Corpus

Rows = NDArray[np.int64]

NAME_SPEAKERS = (
    "Speakers must be known to keep them apart: add a column 'speaker' to the manifest, to metadata.csv of an "
    "AudioFolder or to a table of the audformat database, or use a random protocol, whose score says little about new "
    "voices"
)


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows of the corpus for training, development and test, and their speakers.

    Attributes
    ----------
    train, dev, test
        Row numbers, each (m,) int64, read-only; ``dev`` may be empty.
    train_speakers
        Names in training or development, sorted; ``""`` if some clips have no known speaker.
    test_speakers
        Names in the test, sorted, likewise.
    """

    train: Rows
    dev: Rows
    test: Rows
    train_speakers: tuple[str, ...]
    test_speakers: tuple[str, ...]

    def __post_init__(self) -> None:
        for side in ("train", "dev", "test"):
            rows = np.array(getattr(self, side), dtype=np.int64).reshape(-1)
            if rows.size and rows.min() < 0 or np.unique(rows).size != rows.size:
                raise ProtocolError(
                    f"the {side} rows of a fold hold a negative or repeated number; expected distinct rows"
                )
            rows.flags.writeable = False
            object.__setattr__(self, side, rows)
        if not (self.train.size and self.test.size):
            raise ProtocolError(
                f"a fold has {self.train.size} clips for training and {self.test.size} for the test; expected at least "
                "one of each: give more clips or other folds"
            )
        both = np.intersect1d(np.concatenate([self.train, self.dev]), self.test)
        if both.size or np.intersect1d(self.train, self.dev).size:
            raise LeakError(
                f"a fold has {max(both.size, 1)} rows on two sides; expected each in one of train, dev, test"
            )

    @classmethod
    def of(cls, corpus: "Corpus", *, train: Iterable[int], test: Iterable[int], dev: Iterable[int] = ()) -> "Fold":
        """Make a fold of row numbers; the corpus names their speakers."""
        train_rows, dev_rows, test_rows = (np.sort(np.fromiter(rows, dtype=np.int64)) for rows in (train, dev, test))
        names = column(corpus, "speaker")
        train_speakers = distinct(names[np.concatenate([train_rows, dev_rows])])
        return cls(train_rows, dev_rows, test_rows, train_speakers, distinct(names[test_rows]))

    @property
    def shared(self) -> tuple[str, ...]:
        """Named speakers that are in the test and in training or development."""
        return tuple(sorted((set(self.train_speakers) & set(self.test_speakers)) - {""}))


@dataclass(frozen=True)
class Protocol:
    """Folds, where they come from, and whether they are speaker-disjoint.

    Attributes
    ----------
    name
        As given to `build`.
    folds
        One or more; no row is tested twice, so that the predictions of all folds can be pooled.
    speaker_disjoint
        True: no speaker is on both sides of a fold; otherwise the constructor raises LeakError.
    source
        Where the folds come from: a publication, or how speakers or clips were distributed.
    seed
        Random seed of the folds.
    """

    name: str
    folds: tuple[Fold, ...]
    speaker_disjoint: bool
    source: str
    seed: int

    def __post_init__(self) -> None:
        if not self.folds:
            raise ProtocolError(f"protocol {self.name!r} has no folds; expected at least one")
        tested = np.concatenate([fold.test for fold in self.folds])
        if np.unique(tested).size != tested.size:
            raise ProtocolError(
                f"protocol {self.name!r} tests a clip in two folds; expected each to be tested once at most"
            )
        for number, fold in enumerate(self.folds if self.speaker_disjoint else (), start=1):
            if fold.shared:
                raise LeakError(
                    f"fold {number} of {self.name!r} has {listed(fold.shared)} both in training and in the test; "
                    "a speaker-disjoint protocol has each speaker on one side"
                )
            if not (all(fold.train_speakers) and all(fold.test_speakers)):
                raise ProtocolError(f"fold {number} of {self.name!r} has clips without a speaker. {NAME_SPEAKERS}")
            if not (fold.train_speakers and fold.test_speakers):
                raise ProtocolError(f"fold {number} of {self.name!r} names no speakers; make folds with Fold.of")

    @property
    def shared_speakers(self) -> tuple[int, ...]:
        """Number of speakers that each fold has on both sides."""
        return tuple(len(fold.shared) for fold in self.folds)

    @property
    def warning(self) -> str:
        """Warning that training and test share speakers; empty for a speaker-disjoint protocol."""
        if self.speaker_disjoint:
            return ""
        shared = {name for fold in self.folds for name in fold.shared}
        tested = {name for fold in self.folds for name in fold.test_speakers}
        kind = "random split" if self.name.startswith("random") else self.name
        if "" in tested:
            return f"WARNING: {kind}: clips name no speaker, so a voice may be both in training and in the test"
        consequence = "; a score under it says little about new voices" if shared else ""
        return f"WARNING: {kind}: {len(shared)} of {len(tested)} test speakers are also in training{consequence}"

    @property
    def description(self) -> str:
        """The protocol in words, with its warning."""
        folds = f"{len(self.folds)} fold" + ("s" if len(self.folds) > 1 else "")
        clips = ", ".join(str(fold.test.size) for fold in self.folds[:8]) + (", ..." if len(self.folds) > 8 else "")
        disjoint = "speaker-disjoint: no test speaker is heard in training; " if self.speaker_disjoint else ""
        dev = sum(fold.dev.size for fold in self.folds)
        words = f"{self.name}: {disjoint}{folds}, test clips {clips}{f', development clips {dev}' if dev else ''}"
        return f"{words}. Folds: {self.source}." + (f" {self.warning}." if self.warning else "")

    def header(self) -> dict[str, Any]:
        """Return all but the rows as JSON values, for ``metrics.json`` and model cards."""
        return {
            "name": self.name,
            "description": self.description,
            "warning": self.warning,
            "speaker_disjoint": self.speaker_disjoint,
            "shared_speakers": list(self.shared_speakers),
            "n_folds": len(self.folds),
            "source": self.source,
            "seed": self.seed,
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``folds.json``: `header`, and row numbers and speakers of each fold."""
        sides = ("train", "dev", "test")
        folds = [
            {side: getattr(fold, side).tolist() for side in sides}
            | {"train_speakers": list(fold.train_speakers), "test_speakers": list(fold.test_speakers)}
            for fold in self.folds
        ]
        return {**self.header(), "folds": folds}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Protocol":
        """Read the result of `to_dict`; ProtocolError: another shape, LeakError: a speaker or row on both sides."""
        try:
            folds = tuple(
                Fold(
                    train=np.array(fold["train"], dtype=np.int64),
                    dev=np.array(fold["dev"], dtype=np.int64),
                    test=np.array(fold["test"], dtype=np.int64),
                    train_speakers=tuple(map(str, fold["train_speakers"])),
                    test_speakers=tuple(map(str, fold["test_speakers"])),
                )
                for fold in value["folds"]
            )
            disjoint, seed = bool(value["speaker_disjoint"]), int(value["seed"])
            return cls(str(value["name"]), folds, disjoint, str(value["source"]), seed)
        except ProtocolError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError) as error:  # numbers of JSON have any size
            raise ProtocolError(f"folds are not of the shape that Emotone writes ({error}); train again") from error


def column(corpus: "Corpus", name: str) -> NDArray[Any]:
    """Return a column of the corpus as text, (n,)."""
    return np.asarray(corpus.table[name].to_numpy(dtype=object), dtype=str)


def distinct(values: Iterable[Any]) -> tuple[str, ...]:
    """Return the distinct values as text, sorted."""
    return tuple(sorted({str(value) for value in values}))


def listed(names: Sequence[str]) -> str:
    """Write the first six names and the number of the others."""
    shown = ", ".join(name or "(unnamed)" for name in names[:6])
    return shown + (f" and {len(names) - 6} more" if len(names) > 6 else "") if names else "none"
