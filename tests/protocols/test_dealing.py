"""How speakers and clips are distributed over folds, and the inner folds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import protocols
from emotone.errors import ProtocolError
from emotone.protocols import dealing
from support.protocol_corpora import EMOTIONS, column, made


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=30), st.integers(2, 8), st.integers(0, 99))
def test_dealing_keeps_groups_whole_and_leaves_no_fold_empty(sizes, n_folds, seed):
    groups = np.repeat([f"s{i}" for i in range(len(sizes))], sizes)
    strata = np.repeat([("female", "male")[i % 2] for i in range(len(sizes))], sizes)
    dealt = dealing.deal(groups, n_folds, strata=strata, seed=seed)
    assert set(dealt) == set(range(min(n_folds, len(sizes))))
    assert all(len(set(dealt[groups == group])) == 1 for group in groups)
    per_fold = np.bincount(dealt)
    assert per_fold.max() - per_fold.min() <= 2 * max(sizes)  # one largest group for each sex
    assert (dealt == dealing.deal(groups, n_folds, strata=strata, seed=seed)).all()


def test_sexes_are_balanced_before_clips():
    clips = {"m1": 50, "m2": 10, "m3": 10, "w1": 20, "w2": 20, "w3": 20}
    groups = np.repeat(list(clips), list(clips.values()))
    strata = np.array([group[0] for group in groups])
    dealt = dealing.deal(groups, 3, strata=strata, seed=0)
    assert [set(strata[dealt == fold]) for fold in range(3)] == [{"w", "m"}] * 3  # by clips alone m1 would be alone


def test_inner_folds_hold_out_whole_speakers_of_the_training_rows():
    corpus = made()
    outer = protocols.build("speaker-6fold", corpus).folds[0]
    inner = protocols.inner_folds(corpus, outer.train, n_folds=4, speaker_disjoint=True)
    assert len(inner) == 4
    assert sorted(np.concatenate([held for _, held in inner])) == outer.train.tolist()
    for train, held in inner:
        speakers = column(corpus, "speaker", held)
        assert len(speakers) == 5
        assert not speakers & column(corpus, "speaker", train)
        assert set(train) | set(held) == set(outer.train.tolist())
    again = protocols.inner_folds(corpus, outer.train, n_folds=4, speaker_disjoint=True)
    assert all((a[1] == b[1]).all() for a, b in zip(inner, again, strict=True))


def test_inner_folds_of_clips_spread_every_emotion():
    corpus = made(speakers=[""], name="mine", clips=5)
    rows = np.arange(0, len(corpus), 2)
    inner = protocols.inner_folds(corpus, rows, n_folds=4, speaker_disjoint=False, seed=2)
    emotions = corpus.table["emotion"].to_numpy()
    assert sorted(np.concatenate([held for _, held in inner])) == rows.tolist()
    for _, held in inner:
        counts = [(emotions[held] == emotion).sum() for emotion in EMOTIONS]
        assert max(counts) - min(counts) <= 1


def test_inner_folds_are_fewer_with_fewer_speakers_and_need_two():
    corpus = made(name="other", speakers=["a", "b", "c"])
    assert len(protocols.inner_folds(corpus, np.arange(len(corpus)), n_folds=4, speaker_disjoint=True)) == 3
    with pytest.raises(ProtocolError, match="at least 2 speakers"):
        protocols.inner_folds(corpus, np.arange(32), speaker_disjoint=True)
    with pytest.raises(ProtocolError, match="at least 2"):
        protocols.inner_folds(corpus, np.arange(32), n_folds=1, speaker_disjoint=False)
