"""The protocols by name, and protocols from a JSON file."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotone import files
from emotone.errors import ProtocolError
from emotone.protocols.dealing import deal, need_speakers, strata_of
from emotone.protocols.protocol import Fold, Protocol, Rows, column, distinct, listed

if TYPE_CHECKING:
    from emotone.corpora.table import Corpus

PACKAGED = Path(__file__).parents[1] / "data" / "protocols"
#: The actors of RAVDESS.  Song lacks actor 18, so a listed actor may be absent; any other name is a mistake.
_RAVDESS = frozenset(f"ravdess-{actor:02d}" for actor in range(1, 25))


def _speaker_folds(name: str, corpus: "Corpus", seed: int, *, n_folds: int, packaged: str) -> Protocol:
    """Build folds of speakers: published folds for RAVDESS, otherwise balanced ones."""
    need_speakers(corpus, why=f"protocol {name!r}")
    names = column(corpus, "speaker")
    if set(column(corpus, "corpus")) == {"ravdess"} and set(names) <= _RAVDESS:
        published = _read_file(PACKAGED / packaged)
        folds = _listed_speakers(published, known=set(names))
        if all(set(fold) & set(names) for fold in folds):
            return _by_groups(name, corpus, groups=folds, source=str(published["source"]), seed=seed)
    n_speakers = len(set(names))
    balanced = "clips and sex" if any(column(corpus, "gender")) else "clips"
    source = f"{n_speakers} speakers dealt into {n_folds} folds, balanced by {balanced}, seed {seed}"
    if n_speakers <= n_folds:  # nothing is drawn or balanced
        source = f"one for each of {n_speakers} speakers"
        source += f", since {n_folds} folds need {n_folds} speakers or more" if n_speakers < n_folds else ""
    fold_of = deal(names, n_folds, strata=strata_of(corpus), seed=seed)
    groups = [sorted(set(names[fold_of == fold])) for fold in np.unique(fold_of)]
    return _by_groups(name, corpus, groups=groups, source=source, seed=seed)


def _leave_one_speaker_out(name: str, corpus: "Corpus", seed: int) -> Protocol:
    need_speakers(corpus, why=f"protocol {name!r}")
    groups = [[speaker] for speaker in distinct(column(corpus, "speaker"))]
    source = f"each of {len(groups)} speakers is tested once"
    return _by_groups(name, corpus, groups=groups, source=source, seed=seed)


def _statement_disjoint(name: str, corpus: "Corpus", seed: int) -> Protocol:
    statements = column(corpus, "statement")
    names = distinct(statements)
    if len(names) < 2 or "" in names:
        raise ProtocolError(
            f"{name!r} needs clips of at least 2 named statements, and the corpus has {listed(names)}; "
            "use a speaker-disjoint protocol, or name the statements in the manifest"
        )
    fold_of = deal(statements, 6, strata=np.full(len(corpus), ""), seed=seed)
    tests = [fold_of == fold for fold in np.unique(fold_of)]
    source = (
        f"{len(names)} statements in {len(tests)} folds; no statement is in training and in the test, speakers may be"
    )
    return Protocol(name, _folds(corpus, tests), False, source, seed)


def _random_split(name: str, corpus: "Corpus", seed: int, *, dev_share: float, test_share: float) -> Protocol:
    """Build a single split of the clips, stratified by emotion, that ignores speakers."""
    emotions, rng = column(corpus, "emotion"), np.random.default_rng(seed)
    parts: dict[str, list[Rows]] = {"train": [], "dev": [], "test": []}
    least = 3 if dev_share else 2
    for emotion in distinct(emotions):
        rows = rng.permutation(np.flatnonzero(emotions == emotion))
        if rows.size < least:
            raise ProtocolError(f"{emotion!r} has {rows.size} clips; {name!r} needs at least {least} of each emotion")
        n_test = max(1, round(test_share * rows.size))
        n_dev = max(1, round(dev_share * rows.size)) if dev_share else 0
        for part, drawn in zip(("test", "dev", "train"), np.split(rows, [n_test, n_test + n_dev]), strict=True):
            parts[part].append(drawn)
    fold = Fold.of(corpus, **{part: np.concatenate(rows) for part, rows in parts.items()})
    return Protocol(name, (fold,), False, f"clips drawn at random, stratified by emotion, seed {seed}", seed)


def _cross_corpus(name: str, corpus: "Corpus", seed: int) -> Protocol:
    sources, emotions = column(corpus, "corpus"), column(corpus, "emotion")
    if len(distinct(sources)) < 2:
        raise ProtocolError(f"{name!r} needs at least 2 corpora, and there is {listed(distinct(sources))}; add another")
    folds, tested = [], []
    for source in distinct(sources):
        inside = sources == source
        common = set(emotions[inside]) & set(emotions[~inside])
        if not common:
            raise ProtocolError(f"{source!r} has no emotion in common with the others; leave it out")
        known = np.isin(emotions, sorted(common))
        folds.append(Fold.of(corpus, train=np.flatnonzero(~inside & known), test=np.flatnonzero(inside & known)))
        tested.append(f"{source} ({len(common)} emotions)")
    origin = f"each corpus is tested by a model of the others, over the emotions both know: {', '.join(tested)}"
    return Protocol(name, tuple(folds), bool((column(corpus, "speaker") != "").all()), origin, seed)


def _by_groups(name: str, corpus: "Corpus", *, groups: Sequence[Sequence[str]], source: str, seed: int) -> Protocol:
    """Test each group of speakers in turn, and train on all others."""
    names = column(corpus, "speaker")
    return Protocol(name, _folds(corpus, [np.isin(names, list(group)) for group in groups]), True, source, seed)


def _folds(corpus: "Corpus", tests: Sequence[NDArray[np.bool_]]) -> tuple[Fold, ...]:
    """Make a fold of each (n,) mask of test clips; the other clips are for training."""
    return tuple(Fold.of(corpus, train=np.flatnonzero(~test), test=np.flatnonzero(test)) for test in tests)


def from_file(path: Path, corpus: "Corpus", *, seed: int) -> Protocol:
    """Build the protocol of a JSON file ``{"corpus", "channel", "source", "test_speakers": [[...]]}``."""
    need_speakers(corpus, why=f"protocol {str(path)!r}")
    content, names = _read_file(path), set(column(corpus, "speaker"))
    corpora = distinct(column(corpus, "corpus"))
    if content["corpus"] not in corpora:
        raise ProtocolError(f"{path} is for the corpus {content['corpus']!r}, and the clips are of {listed(corpora)}")
    groups = _listed_speakers(content, known=names)
    times = Counter(speaker for group in groups for speaker in group)
    for wrong, problem, remedy in (
        (
            {speaker for speaker in times if times[speaker] > 1},
            "listed more than once",
            "list each speaker in one fold",
        ),
        (set(times) - names - _RAVDESS, "not in the corpus", f"the corpus has {listed(distinct(names))}"),
        (
            names - set(times),
            "of the corpus in no test fold",
            "list each speaker of the corpus in a fold, or leave them out",
        ),
    ):
        if wrong:
            raise ProtocolError(f"{path}: {listed(sorted(wrong))} {problem}; {remedy}")
    for number, group in enumerate(groups, start=1):
        if not set(group) & names:
            raise ProtocolError(f"{path}: fold {number} has only speakers that the corpus lacks: {listed(group)}")
    return _by_groups(path.stem, corpus, groups=groups, source=str(content["source"]), seed=seed)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        value = files.parse_json(files.read_regular(path))
    except OSError as error:
        raise ProtocolError(f"protocol file {path} can't be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ProtocolError(f"protocol file {path} is no JSON: {error}") from error
    folds = value.get("test_speakers") if isinstance(value, dict) else None
    whole = isinstance(value, dict) and {"corpus", "source"} <= value.keys()
    if not whole or not isinstance(folds, list) or not all(isinstance(fold, list) and fold for fold in folds):
        raise ProtocolError(
            f'{path} is not of the shape {{"corpus", "channel", "source", "test_speakers": [[...], ...]}}'
        )
    return dict(value)


def _listed_speakers(content: dict[str, Any], *, known: set[str]) -> list[list[str]]:
    """Return folds of speaker names as in the corpus table: 1 -> "ravdess-01", "OAF" -> "tess-OAF"."""

    def full_name(speaker: object) -> str:
        if isinstance(speaker, int) and not isinstance(speaker, bool):
            return f"{content['corpus']}-{speaker:02d}"
        if not isinstance(speaker, str):
            raise ProtocolError(f"speaker {speaker!r} in a list of test speakers; expected a number or a name")
        prefixed = f"{content['corpus']}-{speaker}"
        return prefixed if speaker not in known and prefixed in known else speaker

    return [[full_name(speaker) for speaker in fold] for fold in content["test_speakers"]]


#: Name -> builder, called as ``builder(name, corpus, seed)``.  Protocols named "random..." are described as random
#: splits, and copies of a recording are kept on the same side.
PROTOCOLS: dict[str, Callable[[str, "Corpus", int], Protocol]] = {
    "speaker-6fold": partial(_speaker_folds, n_folds=6, packaged="ravdess_speech_6fold.json"),
    "speaker-5fold": partial(_speaker_folds, n_folds=5, packaged="ravdess_speech_5fold.json"),
    "leave-one-speaker-out": _leave_one_speaker_out,
    "statement-disjoint": _statement_disjoint,
    "random-70-15-15": partial(_random_split, dev_share=0.15, test_share=0.15),
    "random-80-20": partial(_random_split, dev_share=0.0, test_share=0.2),
    "cross-corpus": _cross_corpus,
}
