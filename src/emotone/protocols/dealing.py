"""Distribute speakers and clips over folds."""

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotone.errors import ProtocolError
from emotone.protocols.protocol import NAME_SPEAKERS, Rows, column, distinct, listed

if TYPE_CHECKING:
    from emotone.corpora.table import Corpus


def inner_folds(
    corpus: "Corpus", rows: Rows, *, n_folds: int = 4, speaker_disjoint: bool, seed: int = 0
) -> list[tuple[Rows, Rows]]:
    """Split the training rows of a fold again, to choose a model without its test clips.

    Parameters
    ----------
    rows
        (m,) row numbers of the corpus.
    n_folds
        At least 2.  There are fewer folds if there are fewer speakers (or clips).
    speaker_disjoint
        True: whole speakers are held out, balanced by clips, sex and corpus.  False: clips, stratified by emotion.

    Returns
    -------
    For each inner fold the row numbers for training and those held out; every row is held out once.

    Raises
    ------
    ProtocolError
        There are fewer than two folds, speakers or clips.
    """
    rows = np.sort(np.asarray(rows, dtype=np.int64))
    if speaker_disjoint:
        need_speakers(corpus, rows=rows, why="speaker-disjoint validation")
        dealt = deal(column(corpus, "speaker")[rows], n_folds, strata=strata_of(corpus)[rows], seed=seed)
    else:
        dealt = scatter(column(corpus, "emotion")[rows], n_folds, seed=seed)
    held_out = [rows[dealt == fold] for fold in np.unique(dealt)]
    if len(held_out) < 2:
        raise ProtocolError(
            f"{len(rows)} clips in {len(held_out)} inner folds; expected n_folds and clips of at least 2"
        )
    return [(np.setdiff1d(rows, part), part) for part in held_out]


def deal(groups: NDArray[Any], n_folds: int, *, strata: NDArray[Any], seed: int) -> Rows:
    """Distribute whole groups over folds: (m,) group and stratum of each clip -> (m,) fold number.

    Largest group first, to the fold with the fewest clips of its stratum, then the fewest clips in all.  The seed draws
    the order of groups of equal size.  An empty fold is always the first choice, so no fold stays empty.
    """
    names, first, owner, clips = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    n_folds = min(n_folds, len(names))
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-clips[order], kind="stable")]
    held: list[Counter[str]] = [Counter() for _ in range(n_folds)]
    fold_of = np.zeros(len(names), dtype=np.int64)
    for stratum in distinct(strata):
        for group in (g for g in order if strata[first[g]] == stratum):
            fold = min(range(n_folds), key=lambda f: (held[f][stratum], held[f].total()))
            held[fold][stratum] += int(clips[group])
            fold_of[group] = fold
    return np.asarray(fold_of[owner], dtype=np.int64)


def scatter(labels: NDArray[Any], n_folds: int, *, seed: int) -> Rows:
    """Distribute clips over folds, each label evenly: (m,) labels -> (m,) fold number."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(np.flatnonzero(labels == label)) for label in distinct(labels)])
    fold_of = np.zeros(len(labels), dtype=np.int64)
    fold_of[order] = np.arange(len(labels)) % max(n_folds, 1)
    return fold_of


def need_speakers(corpus: "Corpus", *, why: str, rows: Rows | None = None) -> None:
    """Raise ProtocolError unless every clip names its speaker and there are at least two."""
    names = column(corpus, "speaker")
    names = names if rows is None else names[rows]
    unnamed = int((names == "").sum())
    if unnamed:
        raise ProtocolError(f"{why}: {unnamed} of {len(names)} clips name no speaker. {NAME_SPEAKERS}")
    if len(set(names)) < 2:
        raise ProtocolError(
            f"{why} needs at least 2 speakers, and there is {listed(distinct(names))}; add speakers, "
            "or use a random protocol, whose score says little about new voices"
        )


def strata_of(corpus: "Corpus") -> NDArray[Any]:
    """Return corpus and sex of each clip, (n,): folds are balanced by both."""
    return np.char.add(np.char.add(column(corpus, "corpus"), " "), column(corpus, "gender"))
