"""Protocols: who is on which side, what they say of themselves, and what they refuse."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotone import protocols
from emotone.corpora.table import COLUMNS, Corpus
from emotone.errors import LeakError, ProtocolError
from emotone.protocols import dealing

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def made(*, name="ravdess", speakers=None, emotions=EMOTIONS, clips=2, statements=("kids", "dogs"), channel="speech"):
    """A corpus of ``clips`` repetitions of each statement in each emotion; even-numbered speakers are women."""
    speakers = [f"{name}-{actor:02d}" for actor in range(1, 25)] if speakers is None else speakers
    rows = [
        {
            "path": f"/{name}/{channel}/{number}-{speaker}-{emotion}-{statement}-{take}.wav",
            "start_s": 0.0,
            "end_s": np.nan,
            "emotion": emotion,
            "speaker": speaker,
            "gender": ("female", "male")[number % 2],
            "intensity": "normal",
            "statement": statement,
            "channel": channel,
            "corpus": name,
            "language": "en",
        }
        for number, speaker in enumerate(speakers)
        for emotion in emotions
        for statement in statements
        for take in range(clips)
    ]
    return Corpus(table=pd.DataFrame(rows, columns=list(COLUMNS)), name=name)


def each_is_tested_once(protocol, corpus):
    return sorted(np.concatenate([fold.test for fold in protocol.folds])) == list(range(len(corpus)))


def column(corpus, name, rows):
    return set(corpus.table[name].to_numpy()[rows])


@pytest.mark.parametrize(
    ("name", "first", "sizes"),
    [("speaker-6fold", (1, 11, 20, 21), [4] * 6), ("speaker-5fold", (2, 5, 14, 15, 16), [5, 5, 5, 5, 4])],
)
def test_ravdess_uses_the_published_folds(name, first, sizes):
    corpus = made()
    protocol = protocols.build(name, corpus)
    assert protocol.folds[0].test_speakers == tuple(f"ravdess-{actor:02d}" for actor in first)
    assert [len(fold.test_speakers) for fold in protocol.folds] == sizes
    assert each_is_tested_once(protocol, corpus)
    assert protocol.shared_speakers == (0,) * len(sizes)
    assert "EmoBox" in protocol.source or "Luna-Jimenez" in protocol.source
    for fold in protocol.folds:
        assert fold.train.size + fold.test.size == len(corpus)
        assert column(corpus, "speaker", fold.test) == set(fold.test_speakers)
        assert fold.dev.size == 0
    protocols.check_leaks(protocol, corpus)


def test_song_without_actor_18_keeps_the_published_folds_and_both_channels_stay_together():
    song = made(speakers=[f"ravdess-{actor:02d}" for actor in range(1, 25) if actor != 18], channel="song")
    assert len(protocols.build("speaker-6fold", song).folds[4].test_speakers) == 3
    both = Corpus(table=pd.concat([made().table, song.table], ignore_index=True), name="ravdess")
    fold = protocols.build("speaker-6fold", both).folds[0]
    assert column(both, "channel", fold.test) == {"speech", "song"}
    assert fold.test_speakers == ("ravdess-01", "ravdess-11", "ravdess-20", "ravdess-21")


def test_some_actors_of_ravdess_are_dealt():
    corpus = made(speakers=["ravdess-01", "ravdess-11", "ravdess-20"])  # all in the first published fold
    protocol = protocols.build("speaker-6fold", corpus)
    assert len(protocol.folds) == 3
    assert "3 speakers dealt into 3 folds" in protocol.description
    assert "6 folds need at least 6 speakers" in protocol.description


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


def test_folds_are_balanced_by_sex_and_drawn_by_the_seed():
    corpus = made(name="other")
    protocol = protocols.build("speaker-6fold", corpus)
    for fold in protocol.folds:
        genders = corpus.table["gender"].to_numpy()[fold.test]
        assert (genders == "female").sum() == (genders == "male").sum() == fold.test.size / 2
    again, another = protocols.build("speaker-6fold", corpus), protocols.build("speaker-6fold", corpus, seed=1)
    assert protocol.to_dict() == again.to_dict()
    assert [fold.test_speakers for fold in protocol.folds] != [fold.test_speakers for fold in another.folds]


def test_sexes_are_balanced_before_clips():
    clips = {"m1": 50, "m2": 10, "m3": 10, "w1": 20, "w2": 20, "w3": 20}
    groups = np.repeat(list(clips), list(clips.values()))
    strata = np.array([group[0] for group in groups])
    dealt = dealing.deal(groups, 3, strata=strata, seed=0)
    assert [set(strata[dealt == fold]) for fold in range(3)] == [{"w", "m"}] * 3  # by clips alone m1 would be alone


def test_leave_one_speaker_out():
    corpus = made(name="other", speakers=["a", "b", "c"])
    protocol = protocols.build("leave-one-speaker-out", corpus)
    assert [fold.test_speakers for fold in protocol.folds] == [("a",), ("b",), ("c",)]
    assert protocol.folds[1].train_speakers == ("a", "c")
    assert each_is_tested_once(protocol, corpus)


def test_statements_are_apart_and_speakers_are_told_to_be_shared():
    corpus = made()
    protocol = protocols.build("statement-disjoint", corpus)
    assert len(protocol.folds) == 2 and each_is_tested_once(protocol, corpus)
    for fold in protocol.folds:
        assert not column(corpus, "statement", fold.train) & column(corpus, "statement", fold.test)
    assert protocol.shared_speakers == (24, 24)
    assert not protocol.speaker_disjoint
    assert "24 of 24 test speakers are also in training" in protocol.description


@pytest.mark.parametrize(("name", "shares"), [("random-70-15-15", (0.70, 0.15, 0.15)), ("random-80-20", (0.8, 0, 0.2))])
def test_random_splits_are_stratified_and_warn(name, shares):
    corpus = made(clips=5)
    protocol = protocols.build(name, corpus, seed=3)
    (fold,) = protocol.folds
    emotions = corpus.table["emotion"].to_numpy()
    assert sorted(np.concatenate([fold.train, fold.dev, fold.test])) == list(range(len(corpus)))
    for emotion in EMOTIONS:
        found = [(emotions[rows] == emotion).sum() for rows in (fold.train, fold.dev, fold.test)]
        assert np.abs(np.array(found) - np.array(shares) * 240).max() <= 1
    expected = (
        "random split: 24 of 24 test speakers are also in training; a score under it says little about new voices"
    )
    assert protocol.warning == f"WARNING: {expected}"
    assert protocol.warning in protocol.description
    assert protocol.shared_speakers == (24,)
    assert protocols.build(name, corpus, seed=3).to_dict() == protocol.to_dict()
    assert protocols.build(name, corpus, seed=4).to_dict()["folds"] != protocol.to_dict()["folds"]


def test_random_split_of_unnamed_speakers_does_not_claim_that_none_are_shared():
    protocol = protocols.build("random-80-20", made(name="mine", speakers=[""], clips=5))
    assert "a voice may be both in training and in the test" in protocol.warning
    some_named = protocols.build("random-80-20", made(name="mine", speakers=["", "a"], clips=5))
    assert some_named.shared_speakers == (1,)
    assert "a voice may be both" in some_named.warning


def test_cross_corpus_tests_each_over_the_emotions_both_know():
    corpus = Corpus.union(
        [
            made(),
            made(name="tess", speakers=["tess-OAF", "tess-YAF"], emotions=("neutral", "happy", "sad", "surprised")),
            made(name="emodb", speakers=["emodb-03", "emodb-08"], emotions=("neutral", "sad", "boredom")),
        ]
    )
    protocol = protocols.build("cross-corpus", corpus)
    tested = [column(corpus, "corpus", fold.test) for fold in protocol.folds]
    assert tested == [{"emodb"}, {"ravdess"}, {"tess"}]
    emotions = [column(corpus, "emotion", fold.test) for fold in protocol.folds]
    assert emotions == [
        {"neutral", "sad"},
        {"neutral", "happy", "sad", "surprised"},
        {"neutral", "happy", "sad", "surprised"},
    ]
    for fold, known in zip(protocol.folds, emotions, strict=True):
        assert column(corpus, "emotion", fold.train) == known
    assert protocol.speaker_disjoint and protocol.shared_speakers == (0, 0, 0)


@pytest.mark.parametrize(
    ("name", "corpus", "told"),
    [
        ("speaker-6fold", made(speakers=["ravdess-01"]), "at least 2 speakers"),
        ("speaker-6fold", made(name="mine", speakers=["", "a"]), "32 of 64 clips name no speaker.*'speaker' column"),
        ("leave-one-speaker-out", made(name="mine", speakers=[""]), "random protocol"),
        ("statement-disjoint", made(statements=("kids",)), "at least 2 named statements"),
        ("cross-corpus", made(), "at least 2 corpora, and there is ravdess"),
        ("random-70-15-15", made(speakers=["a"], clips=1), "'angry' has 2 clips.*at least 3"),
        ("speaker-7fold", made(), "did you mean 'speaker-6fold'.*cross-corpus"),
        ("none.json", made(), "No such file"),
        ("speaker-6fold", made(emotions=()), "no clips"),
    ],
)
def test_what_a_corpus_can_not_give_is_refused_with_a_remedy(name, corpus, told):
    with pytest.raises(ProtocolError, match=told):
        protocols.build(name, corpus)


def test_an_emotion_that_training_never_hears_is_refused():
    corpus = Corpus.union(
        [
            made(name="a", speakers=["a-1"]),
            made(name="b", speakers=["b-1"], emotions=("happy",)),
        ]
    )
    with pytest.raises(ProtocolError, match="angry, calm.*--emotions"):
        protocols.build("leave-one-speaker-out", corpus)


def written(folder, folds, corpus="ravdess"):
    path = folder / "mine.json"
    path.write_text(json.dumps({"corpus": corpus, "channel": "speech", "source": "me", "test_speakers": folds}))
    return str(path)


def test_a_file_of_folds_by_number_or_name(tmp_path):
    corpus = made(speakers=["ravdess-01", "ravdess-02", "ravdess-03"])
    protocol = protocols.build(written(tmp_path, [[1, "02", 18], ["ravdess-03"]]), corpus)
    assert [fold.test_speakers for fold in protocol.folds] == [("ravdess-01", "ravdess-02"), ("ravdess-03",)]
    assert (protocol.name, protocol.source, protocol.speaker_disjoint) == ("mine", "me", True)


@pytest.mark.parametrize(
    ("folds", "told"),
    [
        ([[1, 2], [3, 1]], "ravdess-01 listed more than once"),
        ([[1, 2], [3, 99]], "ravdess-99 not in the corpus"),
        ([[1], [2]], "ravdess-03 of the corpus in no test fold"),
        ([[1, 2, 3], [17]], "fold 2 has only speakers that the corpus lacks: ravdess-17"),
        ([[1, 2, 3]], "0 clips for training"),
        ([[1, 2], [True, 3]], "speaker True"),
        ([[1, 2], []], "not of the shape"),
        ("1,2", "not of the shape"),
    ],
)
def test_a_wrong_file_of_folds_is_refused_by_name(tmp_path, folds, told):
    corpus = made(speakers=["ravdess-01", "ravdess-02", "ravdess-03"])
    with pytest.raises(ProtocolError, match=told):
        protocols.build(written(tmp_path, folds), corpus)


def test_a_file_for_another_corpus_or_no_json_is_refused(tmp_path):
    with pytest.raises(ProtocolError, match="for the corpus 'tess'"):
        protocols.build(written(tmp_path, [[1], [2]], corpus="tess"), made())
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ProtocolError, match="no JSON"):
        protocols.build(str(tmp_path / "bad.json"), made())


def disjoint(*folds):
    return protocols.Protocol("mine", folds, True, "by hand", 0)


def test_a_speaker_disjoint_protocol_with_a_shared_speaker_can_not_be_made():
    corpus = made(speakers=["a", "b"], name="other")
    fold = protocols.Fold.of(corpus, train=range(33), test=range(33, 64))  # row 32 is b's first
    assert fold.shared == ("b",)
    with pytest.raises(LeakError, match="b both in training and in the test"):
        disjoint(fold)
    with pytest.raises(LeakError):
        disjoint(protocols.Fold.of(corpus, train=range(32), dev=[40], test=[41]))  # development counts as training
    with pytest.raises(ProtocolError, match="names no speakers"):
        disjoint(protocols.Fold(np.array([0]), np.array([]), np.array([1]), (), ()))


@pytest.mark.parametrize(
    ("train", "dev", "test", "error"),
    [
        ([0, 1], [], [1], LeakError),
        ([0, 1], [1], [2], LeakError),
        ([0], [2], [2], LeakError),
        ([0, 0], [], [1], ProtocolError),
        ([-1], [], [1], ProtocolError),
        ([], [], [1], ProtocolError),
        ([0], [], [], ProtocolError),
    ],
)
def test_a_fold_with_rows_on_two_sides_can_not_be_made(train, dev, test, error):
    with pytest.raises(error):
        protocols.Fold(np.array(train), np.array(dev), np.array(test), ("a",), ("b",))


def test_folds_can_not_be_altered_and_test_a_clip_once():
    corpus = made(name="other", speakers=["a", "b"])
    fold = protocols.Fold.of(corpus, train=range(32), test=range(32, 64))
    with pytest.raises(ValueError, match="read-only"):
        fold.train[0] = 40
    with pytest.raises(ProtocolError, match="two folds"):
        disjoint(fold, fold)


def test_leaks_are_found_in_the_corpus_not_in_what_the_folds_say():
    corpus = made(name="other", speakers=["a", "b"])
    lying = disjoint(protocols.Fold(np.arange(33), np.array([]), np.arange(33, 64), ("a",), ("b",)))
    with pytest.raises(LeakError, match="fold 1: b in training"):
        protocols.check_leaks(lying, corpus)
    honest = disjoint(protocols.Fold.of(corpus, train=range(32), test=range(32, 64)))
    protocols.check_leaks(honest, corpus, digests=[str(row) for row in range(64)])
    copied = [str(row) for row in range(63)] + ["5"]
    with pytest.raises(LeakError) as caught:
        protocols.check_leaks(honest, corpus, digests=copied)
    paths = corpus.table["path"]
    assert paths[5] in str(caught.value) and paths[63] in str(caught.value)
    with pytest.raises(ProtocolError, match="2 digests for 64 clips"):
        protocols.check_leaks(honest, corpus, digests=["a", "b"])
    with pytest.raises(ProtocolError, match="beyond the corpus's 32"):
        protocols.check_leaks(honest, made(name="other", speakers=["a"]))


def test_a_file_listed_twice_is_a_leak_and_two_parts_of_one_file_are_not():
    table = made(name="other", speakers=["a"]).table
    for start, leaks in ((0.0, True), (2.5, False)):
        copy = table.assign(start_s=start)
        corpus = Corpus(table=pd.concat([table, copy], ignore_index=True), name="other")
        split = protocols.Protocol(
            "random", (protocols.Fold.of(corpus, train=range(32), test=range(32, 64)),), False, "by hand", 0
        )
        if leaks:
            with pytest.raises(LeakError, match="same recording"):
                protocols.check_leaks(split, corpus)
        else:
            protocols.check_leaks(split, corpus)


@pytest.mark.parametrize("name", sorted(protocols.PROTOCOLS))
def test_json_round_trip(name):
    corpus = Corpus.union([made(), made(name="tess", speakers=["tess-OAF", "tess-YAF"])])
    protocol = protocols.build(name, corpus, seed=5)
    value = json.loads(json.dumps(protocol.to_dict()))
    assert protocols.Protocol.from_dict(value).to_dict() == protocol.to_dict() == value
    assert value["folds"][0]["test"] == protocol.folds[0].test.tolist()
    assert value["description"].startswith(name)
    protocols.check_leaks(protocol, corpus)


def test_altered_json_is_refused():
    value = protocols.build("speaker-6fold", made()).to_dict()
    value["folds"][0]["train_speakers"].append("ravdess-01")
    with pytest.raises(LeakError, match="ravdess-01"):
        protocols.Protocol.from_dict(value)
    for broken in ({}, {"folds": 3}, {"folds": [{"train": ["x"], "dev": [], "test": []}]}):
        with pytest.raises(ProtocolError, match="not of the shape"):
            protocols.Protocol.from_dict(broken)


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


@pytest.mark.corpus
def test_real_ravdess_has_the_published_folds(data):
    from emotone.corpora import load

    corpus = load(["ravdess"], data)
    protocol = protocols.build("speaker-6fold", corpus)
    assert [fold.test.size for fold in protocol.folds] == [240] * 6
    protocols.check_leaks(protocol, corpus)


@pytest.mark.parametrize("name", ["random-70-15-15", "random-80-20"])
@pytest.mark.parametrize("seed", range(4))
def test_random_splits_keep_copies_of_a_recording_on_one_side(name, seed):
    corpus = made()
    digests = [f"{row:04x}" for row in range(len(corpus))]
    for copy, original in ((700, 3), (411, 12), (90, 12)):
        digests[copy] = digests[original]
    protocol = protocols.build(name, corpus, seed=seed, digests=digests)
    protocols.check_leaks(protocol, corpus, digests=digests)  # raises where a copy is on both sides
    fold = protocol.folds[0]
    plain = protocols.build(name, corpus, seed=seed).folds[0]
    assert np.setdiff1d(fold.test, plain.test).size <= 3  # nothing else moved
    assert fold.train.size + fold.dev.size + fold.test.size == len(corpus)
