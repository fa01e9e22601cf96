"""Each protocol: who is on which side, and what its description says."""

import json

import numpy as np
import pandas as pd
import pytest

from emotone import protocols
from emotone.corpora.table import Corpus
from emotone.errors import ProtocolError
from support.protocol_corpora import EMOTIONS, column, each_is_tested_once, made


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
    source = "one for each of 3 speakers, since 6 folds need 6 speakers or more"
    assert f"; 3 folds, test clips 32, 32, 32. Folds: {source}." in protocol.description


def test_folds_are_balanced_by_sex_and_drawn_by_the_seed():
    corpus = made(name="other")
    protocol = protocols.build("speaker-6fold", corpus)
    for fold in protocol.folds:
        genders = corpus.table["gender"].to_numpy()[fold.test]
        assert (genders == "female").sum() == (genders == "male").sum() == fold.test.size / 2
    again, another = protocols.build("speaker-6fold", corpus), protocols.build("speaker-6fold", corpus, seed=1)
    assert protocol.to_dict() == again.to_dict()
    assert [fold.test_speakers for fold in protocol.folds] != [fold.test_speakers for fold in another.folds]


@pytest.mark.parametrize(
    ("n_speakers", "source"),
    [
        (6, "one for each of 6 speakers"),
        (7, "7 speakers dealt into 6 folds, balanced by clips and sex, seed 3"),
    ],
)
def test_description_says_only_what_was_done(n_speakers, source):
    corpus = made(name="other", speakers=[f"s{number}" for number in range(n_speakers)])
    assert protocols.build("speaker-6fold", corpus, seed=3).source == source
    nameless = Corpus(corpus.table.assign(gender=""), corpus.name)
    assert protocols.build("speaker-6fold", nameless, seed=3).source == source.replace(" and sex", "")


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
    ("folds", "message"),
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
def test_a_wrong_file_of_folds_is_refused_by_name(tmp_path, folds, message):
    corpus = made(speakers=["ravdess-01", "ravdess-02", "ravdess-03"])
    with pytest.raises(ProtocolError, match=message):
        protocols.build(written(tmp_path, folds), corpus)


def test_a_file_for_another_corpus_or_no_json_is_refused(tmp_path):
    with pytest.raises(ProtocolError, match="for the corpus 'tess'"):
        protocols.build(written(tmp_path, [[1], [2]], corpus="tess"), made())
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(ProtocolError, match="no JSON"):
        protocols.build(str(tmp_path / "bad.json"), made())


@pytest.mark.corpus
def test_real_ravdess_has_the_published_folds(data):
    from emotone.corpora import load

    corpus = load(["ravdess"], data)
    protocol = protocols.build("speaker-6fold", corpus)
    assert [fold.test.size for fold in protocol.folds] == [240] * 6
    protocols.check_leaks(protocol, corpus)


def test_a_file_of_many_levels_says_so(tmp_path):
    (tmp_path / "deep.json").write_text('{"test_speakers": ' + "[" * 5000 + "]" * 5000 + "}")
    with pytest.raises(ProtocolError, match=r"deep\.json is no JSON: brackets are nested on more than 64 levels"):
        protocols.build(str(tmp_path / "deep.json"), made())
