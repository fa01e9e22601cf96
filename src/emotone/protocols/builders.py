"""The protocols by name, and the one that reads a file."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotone.errors import ProtocolError
from emotone.protocols.dealing import deal, need_speakers, strata_of
from emotone.protocols.protocol import Fold, Protocol, Rows, column, distinct, listed

if TYPE_CHECKING:
    from emotone.corpora.table import Corpus

PACKAGED = Path(__file__).parents[1] / "data" / "protocols"
#: The actors that RAVDESS has.  Song lacks actor 18, so a listed actor may be absent; any other name is a mistake.
_RAVDESS = frozenset(f"ravdess-{actor:02d}" for actor in range(1, 25))


def _speaker_folds(name: str, n_folds: int, packaged: str) -> Callable[["Corpus", int], Protocol]:
    """Make the builder of a protocol with ``n_folds`` folds of speakers: published ones for RAVDESS, else dealt."""

    def builder(corpus: "Corpus", seed: int) -> Protocol:
        need_speakers(corpus, why=f"protocol {name!r}")
        names = column(corpus, "speaker")
        only_ravdess = set(column(corpus, "corpus")) == {"ravdess"} and set(names) <= _RAVDESS
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
        dealt = deal(names, n_folds, strata=strata_of(corpus), seed=seed)
        groups = [sorted(set(names[dealt == fold])) for fold in np.unique(dealt)]
        return _by_groups(name, corpus, names, groups=groups, source=source, seed=seed)

    return builder


def _leave_one_speaker_out(corpus: "Corpus", seed: int) -> Protocol:
    need_speakers(corpus, why="protocol 'leave-one-speaker-out'")
    names = column(corpus, "speaker")
    groups = [[speaker] for speaker in distinct(names)]
    source = f"each of {len(groups)} speakers is tested once"
    return _by_groups("leave-one-speaker-out", corpus, names, groups=groups, source=source, seed=seed)


def _statement_disjoint(corpus: "Corpus", seed: int) -> Protocol:
    statements = column(corpus, "statement")
    found = distinct(statements)
    if len(found) < 2 or "" in found:
        raise ProtocolError(
            f"'statement-disjoint' needs clips of at least 2 named statements, and the corpus has {listed(found)}; "
            "use a speaker-disjoint protocol, or name the statements in the manifest"
        )
    dealt = deal(statements, 6, strata=np.full(len(corpus), ""), seed=seed)
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
        emotions, rng = column(corpus, "emotion"), np.random.default_rng(seed)
        parts: dict[str, list[Rows]] = {"train": [], "dev": [], "test": []}
        least = 3 if dev_share else 2
        for emotion in distinct(emotions):
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
    sources, emotions = column(corpus, "corpus"), column(corpus, "emotion")
    names = distinct(sources)
    if len(names) < 2:
        raise ProtocolError(f"'cross-corpus' needs at least 2 corpora, and there is {listed(names)}; name another one")
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
    named = bool((column(corpus, "speaker") != "").all())
    return Protocol("cross-corpus", tuple(folds), named, source, seed)


def _by_groups(
    name: str, corpus: "Corpus", names: NDArray[Any], *, groups: Sequence[Sequence[str]], source: str, seed: int
) -> Protocol:
    """Test each group of speakers in turn, train on everybody else."""
    tests = [np.isin(names, list(group)) for group in groups]
    folds = tuple(Fold.of(corpus, train=np.flatnonzero(~test), test=np.flatnonzero(test)) for test in tests)
    return Protocol(name, folds, True, source, seed)


def from_file(path: Path, corpus: "Corpus", *, seed: int) -> Protocol:
    """The protocol that a JSON file lists: ``{"corpus", "channel", "source", "test_speakers": [[...]]}``."""
    need_speakers(corpus, why=f"protocol {str(path)!r}")
    told, names = _read_file(path), column(corpus, "speaker")
    found = distinct(column(corpus, "corpus"))
    if told["corpus"] not in found:
        raise ProtocolError(f"{path} is for the corpus {told['corpus']!r}, and the clips are of {listed(found)}")
    groups = _listed_speakers(told, known=set(names))
    times = Counter(speaker for group in groups for speaker in group)
    twice = sorted(speaker for speaker, count in times.items() if count > 1)
    unknown = sorted(set(times) - set(names) - _RAVDESS)
    missing = sorted(set(names) - set(times))
    for wrong, problem, remedy in (
        (twice, "listed more than once", "list each speaker in one fold"),
        (unknown, "not in the corpus", f"the corpus has {listed(distinct(names))}"),
        (missing, "of the corpus in no test fold", "list each speaker of the corpus in a fold, or leave them out"),
    ):
        if wrong:
            raise ProtocolError(f"{path}: {listed(wrong)} {problem}; {remedy}")
    for number, group in enumerate(groups, start=1):
        if not set(group) & set(names):
            raise ProtocolError(f"{path}: fold {number} has only speakers that the corpus lacks: {listed(group)}")
    return _by_groups(path.stem, corpus, names, groups=groups, source=str(told["source"]), seed=seed)


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


def _listed_speakers(told: dict[str, Any], *, known: set[str]) -> list[list[str]]:
    """Folds of speaker names as the corpus table has them: 1 -> "ravdess-01", "OAF" -> "tess-OAF"."""

    def full(speaker: object) -> str:
        if isinstance(speaker, int) and not isinstance(speaker, bool):
            return f"{told['corpus']}-{speaker:02d}"
        if not isinstance(speaker, str):
            raise ProtocolError(f"speaker {speaker!r} in a list of test speakers; expected a number or a name")
        prefixed = f"{told['corpus']}-{speaker}"
        return prefixed if speaker not in known and prefixed in known else speaker

    return [[full(speaker) for speaker in fold] for fold in told["test_speakers"]]


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
