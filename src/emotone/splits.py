"""Evaluation protocols: who is trained on, who is tested on, and whether a voice is on both sides.

Speaker-disjoint is the default.  A `Protocol` that calls itself speaker-disjoint can't be built with a shared speaker,
and one that shares speakers says so wherever it is described.
"""

import difflib
import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotone.errors import LeakError, ProtocolError

if TYPE_CHECKING:
    from emotone.corpora.table import Corpus

Rows = NDArray[np.int64]

PACKAGED = Path(__file__).parent / "data" / "protocols"
#: The actors that RAVDESS has.  Song lacks actor 18, so a listed actor may be absent; any other name is a mistake.
_RAVDESS = frozenset(f"ravdess-{actor:02d}" for actor in range(1, 25))


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
        names = _column(corpus, "speaker")
        heard = np.concatenate([train_rows, dev_rows])
        return cls(train_rows, dev_rows, test_rows, _distinct(names[heard]), _distinct(names[test_rows]))

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
                    f"fold {number} of {self.name!r} has {_listed(fold.shared)} both in training and in the test; "
                    "a speaker-disjoint protocol has each speaker on one side"
                )
            if self.speaker_disjoint and not (all(fold.train_speakers) and all(fold.test_speakers)):
                raise ProtocolError(f"fold {number} of {self.name!r} has clips without a speaker. {_NAME_SPEAKERS}")
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


def build(name: str, corpus: "Corpus", *, seed: int = 0) -> Protocol:
    """Lay a protocol over a corpus.

    Parameters
    ----------
    name
        One of `PROTOCOLS`, or the path of a JSON file ``{"corpus", "channel", "source", "test_speakers": [[...]]}``.
    corpus
        The clips.
    seed
        Draws what is drawn; the same seed gives the same folds.

    Raises
    ------
    ProtocolError
        The name is unknown, or the corpus lacks what the protocol needs (speakers, statements, a second corpus).
    """
    if not len(corpus):
        raise ProtocolError("the corpus has no clips; expected some (is a filter on emotions or channel too narrow?)")
    if name in PROTOCOLS:
        protocol = PROTOCOLS[name](corpus, seed)
    elif name.endswith(".json"):
        protocol = _from_file(Path(name), corpus, seed=seed)
    else:
        near = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ProtocolError(
            f"unknown protocol {name!r}{hint} Known: {', '.join(PROTOCOLS)}, or the path of a JSON file"
        )
    emotions = _column(corpus, "emotion")
    for number, fold in enumerate(protocol.folds, start=1):
        unheard = set(emotions[fold.test]) - set(emotions[fold.train])
        if unheard:
            raise ProtocolError(
                f"fold {number} of {name!r} tests {_listed(sorted(unheard))}, of which its training part has no clip; "
                "leave these emotions out (--emotions), or add speakers who express them"
            )
    return protocol


def check_leaks(protocol: Protocol, corpus: "Corpus", *, digests: Sequence[str] | None = None) -> None:
    """Refuse a protocol whose training knows its test.

    Parameters
    ----------
    protocol, corpus
        The folds, and the clips that their row numbers mean.
    digests
        One content digest a row (`emotone.audio.content_digest`): finds copies of a recording under another name.

    Raises
    ------
    LeakError
        A speaker of a speaker-disjoint protocol, or a recording of any protocol, is on both sides of a fold.
    ProtocolError
        The folds are not of this corpus.
    """
    speakers, paths = _column(corpus, "speaker"), _column(corpus, "path")
    clips: list[Hashable] = list(zip(paths, corpus.table["start_s"], strict=True))
    if digests is not None and len(digests) != len(corpus):
        raise ProtocolError(f"{len(digests)} digests for {len(corpus)} clips; expected one for each")
    for number, fold in enumerate(protocol.folds, start=1):
        heard = np.concatenate([fold.train, fold.dev])
        if max(heard.max(), fold.test.max()) >= len(corpus):
            raise ProtocolError(
                f"fold {number} has rows beyond the corpus's {len(corpus)}; it was made for another one"
            )
        shared = set(speakers[heard]) & set(speakers[fold.test])
        if protocol.speaker_disjoint and shared:
            raise LeakError(f"fold {number}: {_listed(sorted(shared))} in training and in the test")
        for keys in (clips, digests or ()):
            twin = _twin(keys, heard=heard, test=fold.test)
            if twin:
                raise LeakError(
                    f"fold {number}: {paths[twin[0]]} (training) and {paths[twin[1]]} (test) hold the same recording; "
                    "remove one of the two, or give both the same speaker and use a speaker-disjoint protocol"
                )


def inner_folds(
    corpus: "Corpus", rows: Rows, *, n_folds: int = 4, speaker_disjoint: bool, seed: int = 0
) -> list[tuple[Rows, Rows]]:
    """Split the training rows of a fold once more, to choose a model without looking at the test.

    Parameters
    ----------
    rows
        (m,) row numbers of the corpus.
    n_folds
        How many, at least 2; fewer where there are fewer speakers (or clips).
    speaker_disjoint
        True: whole speakers are held out, balanced by clips, sex and corpus.  False: clips, stratified by emotion.

    Returns
    -------
    For each inner fold the row numbers to learn from and those held out; every row is held out once.

    Raises
    ------
    ProtocolError
        Fewer than two folds are possible: ``n_folds`` or the speakers (or clips) are fewer than two.
    """
    rows = np.sort(np.asarray(rows, dtype=np.int64))
    if speaker_disjoint:
        _need_speakers(corpus, rows=rows, why="speaker-disjoint validation")
        dealt = _deal(_column(corpus, "speaker")[rows], n_folds, strata=_strata(corpus)[rows], seed=seed)
    else:
        dealt = _scatter(_column(corpus, "emotion")[rows], n_folds, seed=seed)
    held_out = [rows[dealt == fold] for fold in np.unique(dealt)]
    if len(held_out) < 2:
        raise ProtocolError(
            f"{len(rows)} clips in {len(held_out)} inner folds; expected n_folds and clips of at least 2"
        )
    return [(np.setdiff1d(rows, part), part) for part in held_out]


def _speaker_folds(name: str, n_folds: int, packaged: str) -> Callable[["Corpus", int], Protocol]:
    """Make the builder of a protocol with ``n_folds`` folds of speakers: published ones for RAVDESS, else dealt."""

    def builder(corpus: "Corpus", seed: int) -> Protocol:
        _need_speakers(corpus, why=f"protocol {name!r}")
        names = _column(corpus, "speaker")
        only_ravdess = set(_column(corpus, "corpus")) == {"ravdess"} and set(names) <= _RAVDESS
        if only_ravdess:
            listed = _read_file(PACKAGED / packaged)
            folds = _listed_speakers(listed, known=set(names))
            if all(set(fold) & set(names) for fold in folds):
                return _by_groups(name, corpus, names, groups=folds, source=str(listed["source"]), seed=seed)
        n_speakers = len(set(names))
        source = (
            f"{n_speakers} speakers dealt into {min(n_folds, n_speakers)} folds, balanced by clips and sex, seed {seed}"
        )
        if n_speakers < n_folds:
            source += f" ({n_folds} folds need at least {n_folds} speakers)"
        dealt = _deal(names, n_folds, strata=_strata(corpus), seed=seed)
        groups = [sorted(set(names[dealt == fold])) for fold in np.unique(dealt)]
        return _by_groups(name, corpus, names, groups=groups, source=source, seed=seed)

    return builder


def _leave_one_speaker_out(corpus: "Corpus", seed: int) -> Protocol:
    _need_speakers(corpus, why="protocol 'leave-one-speaker-out'")
    names = _column(corpus, "speaker")
    groups = [[speaker] for speaker in _distinct(names)]
    source = f"each of {len(groups)} speakers is tested once"
    return _by_groups("leave-one-speaker-out", corpus, names, groups=groups, source=source, seed=seed)


def _statement_disjoint(corpus: "Corpus", seed: int) -> Protocol:
    statements = _column(corpus, "statement")
    found = _distinct(statements)
    if len(found) < 2 or "" in found:
        raise ProtocolError(
            f"'statement-disjoint' needs clips of at least 2 named statements, and the corpus has {_listed(found)}; "
            "use a speaker-disjoint protocol, or name the statements in the manifest"
        )
    dealt = _deal(statements, 6, strata=np.full(len(corpus), ""), seed=seed)
    n_folds = len(np.unique(dealt))
    source = f"{len(found)} statements in {n_folds} folds; no statement is in training and in the test, speakers may be"
    folds = tuple(
        Fold.of(corpus, train=np.flatnonzero(dealt != fold), test=np.flatnonzero(dealt == fold))
        for fold in range(n_folds)
    )
    return Protocol("statement-disjoint", folds, False, source, seed)


def _random_split(name: str, *, dev_share: float, test_share: float) -> Callable[["Corpus", int], Protocol]:
    """Make the builder of one split of the clips, stratified by emotion, that pays no heed to speakers."""

    def builder(corpus: "Corpus", seed: int) -> Protocol:
        emotions, rng = _column(corpus, "emotion"), np.random.default_rng(seed)
        parts: dict[str, list[Rows]] = {"train": [], "dev": [], "test": []}
        least = 3 if dev_share else 2
        for emotion in _distinct(emotions):
            rows = rng.permutation(np.flatnonzero(emotions == emotion))
            if rows.size < least:
                raise ProtocolError(
                    f"{emotion!r} has {rows.size} clips; {name!r} needs at least {least} of each emotion"
                )
            n_test = max(1, round(test_share * rows.size))
            n_dev = max(1, round(dev_share * rows.size)) if dev_share else 0
            for part, taken in zip(("test", "dev", "train"), np.split(rows, [n_test, n_test + n_dev]), strict=True):
                parts[part].append(taken)
        fold = Fold.of(corpus, **{part: np.concatenate(rows) for part, rows in parts.items()})
        source = f"clips drawn at random, stratified by emotion, seed {seed}"
        return Protocol(name, (fold,), False, source, seed)

    return builder


def _cross_corpus(corpus: "Corpus", seed: int) -> Protocol:
    sources, emotions = _column(corpus, "corpus"), _column(corpus, "emotion")
    names = _distinct(sources)
    if len(names) < 2:
        raise ProtocolError(f"'cross-corpus' needs at least 2 corpora, and there is {_listed(names)}; name another one")
    folds, told = [], []
    for name in names:
        inside = sources == name
        common = set(emotions[inside]) & set(emotions[~inside])
        if not common:
            raise ProtocolError(f"{name!r} has no emotion in common with the others; leave it out")
        known = np.isin(emotions, sorted(common))
        folds.append(Fold.of(corpus, train=np.flatnonzero(~inside & known), test=np.flatnonzero(inside & known)))
        told.append(f"{name} ({len(common)} emotions)")
    source = f"each corpus is tested by a model of the others, over the emotions both know: {', '.join(told)}"
    named = bool((_column(corpus, "speaker") != "").all())
    return Protocol("cross-corpus", tuple(folds), named, source, seed)


#: Name -> builder, called as ``builder(corpus, seed)``.
PROTOCOLS: dict[str, Callable[["Corpus", int], Protocol]] = {
    "speaker-6fold": _speaker_folds("speaker-6fold", 6, "ravdess_speech_6fold.json"),
    "speaker-5fold": _speaker_folds("speaker-5fold", 5, "ravdess_speech_5fold.json"),
    "leave-one-speaker-out": _leave_one_speaker_out,
    "statement-disjoint": _statement_disjoint,
    "random-70-15-15": _random_split("random-70-15-15", dev_share=0.15, test_share=0.15),
    "random-80-20": _random_split("random-80-20", dev_share=0.0, test_share=0.2),
    "cross-corpus": _cross_corpus,
}

_NAME_SPEAKERS = (
    "Speakers must be known to keep them apart: add a 'speaker' column to the manifest, or use a random protocol, "
    "whose score says little about new voices"
)


def _from_file(path: Path, corpus: "Corpus", *, seed: int) -> Protocol:
    _need_speakers(corpus, why=f"protocol {str(path)!r}")
    listed, names = _read_file(path), _column(corpus, "speaker")
    found = _distinct(_column(corpus, "corpus"))
    if listed["corpus"] not in found:
        raise ProtocolError(f"{path} is for the corpus {listed['corpus']!r}, and the clips are of {_listed(found)}")
    groups = _listed_speakers(listed, known=set(names))
    times = Counter(speaker for group in groups for speaker in group)
    twice = sorted(speaker for speaker, count in times.items() if count > 1)
    unknown = sorted(set(times) - set(names) - _RAVDESS)
    missing = sorted(set(names) - set(times))
    for wrong, problem, remedy in (
        (twice, "listed more than once", "list each speaker in one fold"),
        (unknown, "not in the corpus", f"the corpus has {_listed(_distinct(names))}"),
        (missing, "of the corpus in no test fold", "list each speaker of the corpus in a fold, or leave them out"),
    ):
        if wrong:
            raise ProtocolError(f"{path}: {_listed(wrong)} {problem}; {remedy}")
    for number, group in enumerate(groups, start=1):
        if not set(group) & set(names):
            raise ProtocolError(f"{path}: fold {number} has only speakers that the corpus lacks: {_listed(group)}")
    return _by_groups(path.stem, corpus, names, groups=groups, source=str(listed["source"]), seed=seed)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProtocolError(f"protocol file {path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ProtocolError(f"protocol file {path} is no JSON: {error}") from error
    folds = value.get("test_speakers") if isinstance(value, dict) else None
    whole = isinstance(value, dict) and {"corpus", "source"} <= value.keys()
    if not whole or not isinstance(folds, list) or not all(isinstance(fold, list) and fold for fold in folds):
        raise ProtocolError(
            f'{path} is not of the shape {{"corpus", "channel", "source", "test_speakers": [[...], ...]}}'
        )
    return dict(value)


def _listed_speakers(listed: dict[str, Any], *, known: set[str]) -> list[list[str]]:
    """Folds of speaker names as the corpus table has them: 1 -> "ravdess-01", "OAF" -> "tess-OAF"."""

    def full(speaker: object) -> str:
        if isinstance(speaker, int) and not isinstance(speaker, bool):
            return f"{listed['corpus']}-{speaker:02d}"
        if not isinstance(speaker, str):
            raise ProtocolError(f"speaker {speaker!r} in a list of test speakers; expected a number or a name")
        prefixed = f"{listed['corpus']}-{speaker}"
        return prefixed if speaker not in known and prefixed in known else speaker

    return [[full(speaker) for speaker in fold] for fold in listed["test_speakers"]]


def _by_groups(
    name: str, corpus: "Corpus", names: NDArray[Any], *, groups: Sequence[Sequence[str]], source: str, seed: int
) -> Protocol:
    """Test each group of speakers in turn, train on everybody else."""
    tests = [np.isin(names, list(group)) for group in groups]
    folds = tuple(Fold.of(corpus, train=np.flatnonzero(~test), test=np.flatnonzero(test)) for test in tests)
    return Protocol(name, folds, True, source, seed)


def _deal(groups: NDArray[Any], n_folds: int, *, strata: NDArray[Any], seed: int) -> Rows:
    """Deal whole groups into folds: (m,) group and stratum of each clip -> (m,) fold number.

    Largest group first, to the fold that has the fewest clips of its stratum, then the fewest in all; equals are dealt
    in an order that the seed draws.  An empty fold comes first in that order, so none stays empty.
    """
    names, first, owner, clips = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    n_folds = min(n_folds, len(names))
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-clips[order], kind="stable")]
    held: list[Counter[str]] = [Counter() for _ in range(n_folds)]
    fold_of = np.zeros(len(names), dtype=np.int64)
    for stratum in _distinct(strata):
        for group in (g for g in order if strata[first[g]] == stratum):
            fold = min(range(n_folds), key=lambda f: (held[f][stratum], held[f].total()))
            held[fold][stratum] += int(clips[group])
            fold_of[group] = fold
    return np.asarray(fold_of[owner], dtype=np.int64)


def _scatter(labels: NDArray[Any], n_folds: int, *, seed: int) -> Rows:
    """Deal clips into folds, each label spread evenly: (m,) labels -> (m,) fold number."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(np.flatnonzero(labels == label)) for label in _distinct(labels)])
    fold_of = np.zeros(len(labels), dtype=np.int64)
    fold_of[order] = np.arange(len(labels)) % max(n_folds, 1)
    return fold_of


def _twin(keys: Sequence[Hashable], *, heard: Rows, test: Rows) -> tuple[int, int] | None:
    """Find a row on each side with the same key."""
    if not keys:
        return None
    first = {keys[row]: int(row) for row in heard}
    return next(((first[keys[row]], int(row)) for row in test if keys[row] in first), None)


def _need_speakers(corpus: "Corpus", *, why: str, rows: Rows | None = None) -> None:
    names = _column(corpus, "speaker")
    names = names if rows is None else names[rows]
    unnamed = int((names == "").sum())
    if unnamed:
        raise ProtocolError(f"{why}: {unnamed} of {len(names)} clips name no speaker. {_NAME_SPEAKERS}")
    if len(set(names)) < 2:
        raise ProtocolError(
            f"{why} needs at least 2 speakers, and there is {_listed(_distinct(names))}; add speakers, "
            "or use a random protocol, whose score says little about new voices"
        )


def _strata(corpus: "Corpus") -> NDArray[Any]:
    return np.char.add(np.char.add(_column(corpus, "corpus"), " "), _column(corpus, "gender"))


def _column(corpus: "Corpus", name: str) -> NDArray[Any]:
    return np.asarray(corpus.table[name].to_numpy(dtype=object), dtype=str)


def _distinct(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in values}))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name or "(unnamed)" for name in names[:6])
    return shown + (f" and {len(names) - 6} more" if len(names) > 6 else "") if names else "none"
