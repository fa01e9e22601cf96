"""What a protocol is: folds of row numbers that say which voices they share."""

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
    "Speakers must be known to keep them apart: add a 'speaker' column to the manifest, or use a random protocol, "
    "whose score says little about new voices"
)


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows of the corpus to learn from, to choose with, and to test on, and whose voices they are.

    Attributes
    ----------
    train, dev, test
        Row numbers, each (m,) int64, read-only; ``dev`` may be empty.
    train_speakers
        Names in training or development, sorted; ``""`` among them: some clips name no speaker.
    test_speakers
        Names in the test, sorted.
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
            found = f"{self.train.size} clips for training and {self.test.size} for the test"
            raise ProtocolError(f"a fold has {found}; expected at least one of each: give more clips or other folds")
        both = np.intersect1d(np.concatenate([self.train, self.dev]), self.test)
        if both.size or np.intersect1d(self.train, self.dev).size:
            raise LeakError(
                f"a fold has {max(both.size, 1)} rows on two sides; expected each in one of train, dev, test"
            )

    @classmethod
    def of(cls, corpus: "Corpus", *, train: Iterable[int], test: Iterable[int], dev: Iterable[int] = ()) -> "Fold":
        """Make a fold from row numbers, with the speakers that the corpus names for them."""
        train_rows, dev_rows, test_rows = (np.sort(np.fromiter(rows, dtype=np.int64)) for rows in (train, dev, test))
        names = column(corpus, "speaker")
        heard = np.concatenate([train_rows, dev_rows])
        return cls(train_rows, dev_rows, test_rows, distinct(names[heard]), distinct(names[test_rows]))

    @property
    def shared(self) -> tuple[str, ...]:
        """Named speakers that are in the test and in training or development."""
        return tuple(sorted((set(self.train_speakers) & set(self.test_speakers)) - {""}))


@dataclass(frozen=True)
class Protocol:
    """Folds, where they come from, and what they promise.

    Attributes
    ----------
    name
        As given to `build`.
    folds
        One or more; no row is tested twice, so the predictions of all folds can be pooled.
    speaker_disjoint
        True: no voice is on both sides of any fold.  Held to at construction (LeakError).
    source
        Where the folds come from: a publication, or how they were dealt.
    seed
        What drew them, where chance did.
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
        for number, fold in enumerate(self.folds, start=1):
            if self.speaker_disjoint and fold.shared:
                raise LeakError(
                    f"fold {number} of {self.name!r} has {listed(fold.shared)} both in training and in the test; "
                    "a speaker-disjoint protocol has each speaker on one side"
                )
            if self.speaker_disjoint and not (all(fold.train_speakers) and all(fold.test_speakers)):
                raise ProtocolError(f"fold {number} of {self.name!r} has clips without a speaker. {NAME_SPEAKERS}")
            if self.speaker_disjoint and not (fold.train_speakers and fold.test_speakers):
                raise ProtocolError(f"fold {number} of {self.name!r} names no speakers; make folds with Fold.of")

    @property
    def shared_speakers(self) -> tuple[int, ...]:
        """How many speakers each fold has on both sides."""
        return tuple(len(fold.shared) for fold in self.folds)

    @property
    def warning(self) -> str:
        """What a score under this protocol hides; empty where the protocol is speaker-disjoint."""
        if self.speaker_disjoint:
            return ""
        shared = {name for fold in self.folds for name in fold.shared}
        tested = {name for fold in self.folds for name in fold.test_speakers}
        kind = "random split" if self.name.startswith("random") else self.name
        if "" in tested:
            return f"WARNING: {kind}: clips name no speaker, so a voice may be both in training and in the test"
        told = f"{len(shared)} of {len(tested)} test speakers are also in training"
        consequence = "; a score under it says little about new voices" if shared else ""
        return f"WARNING: {kind}: {told}{consequence}"

    @property
    def description(self) -> str:
        """The protocol in words, with its warning where it has one."""
        folds = f"{len(self.folds)} fold" + ("s" if len(self.folds) > 1 else "")
        clips = ", ".join(str(fold.test.size) for fold in self.folds[:8]) + (", ..." if len(self.folds) > 8 else "")
        disjoint = "speaker-disjoint: no test speaker is heard in training; " if self.speaker_disjoint else ""
        dev = sum(fold.dev.size for fold in self.folds)
        words = f"{self.name}: {disjoint}{folds}, test clips {clips}{f', development clips {dev}' if dev else ''}"
        return f"{words}. Folds: {self.source}." + (f" {self.warning}." if self.warning else "")

    def header(self) -> dict[str, Any]:
        """Everything but the rows, as JSON holds it: what ``metrics.json`` and model cards say of the protocol."""
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
        """As ``folds.json`` holds it: `header`, and for each fold its row numbers and the names of its speakers."""
        sides = ("train", "dev", "test")
        folds = [
            {side: getattr(fold, side).tolist() for side in sides}
            | {"train_speakers": list(fold.train_speakers), "test_speakers": list(fold.test_speakers)}
            for fold in self.folds
        ]
        return {**self.header(), "folds": folds}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Protocol":
        """Read back what `to_dict` gave; ProtocolError where it is something else, LeakError where it was altered."""
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
        except (KeyError, TypeError, ValueError) as error:
            raise ProtocolError(f"folds are not of the shape that Emotone writes ({error}); train again") from error


def column(corpus: "Corpus", name: str) -> NDArray[Any]:
    """A column of the corpus as text, (n,)."""
    return np.asarray(corpus.table[name].to_numpy(dtype=object), dtype=str)


def distinct(values: Iterable[Any]) -> tuple[str, ...]:
    """The distinct values as text, sorted."""
    return tuple(sorted({str(value) for value in values}))


def listed(names: Sequence[str]) -> str:
    """The first six names, and how many more."""
    shown = ", ".join(name or "(unnamed)" for name in names[:6])
    return shown + (f" and {len(names) - 6} more" if len(names) > 6 else "") if names else "none"
