"""The table: fixed columns, checked values, selection and union."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from emotone.corpora import COLUMNS, Corpus, Rejected
from emotone.errors import CorpusError
from support.corpus_files import table


def test_columns_order_and_index_are_fixed() -> None:
    shuffled = table(audio_channel="").loc[[3, 1, 2], list(reversed(COLUMNS))]
    corpus = Corpus(shuffled, "mini")
    assert tuple(corpus.table.columns) == COLUMNS
    assert list(corpus.table.index) == [0, 1, 2]
    assert list(corpus.table["path"]) == ["/data/3.wav", "/data/1.wav", "/data/2.wav"]
    assert corpus.table["end_s"].dtype == np.float64


def test_without_a_column_for_them_all_channels_are_mixed() -> None:
    corpus = Corpus(table(), "mini")
    assert tuple(corpus.table.columns) == COLUMNS and set(corpus.table["audio_channel"]) == {""}
    with pytest.raises(CorpusError, match="mini has audio_channel 'left'; expected '1', '2', ..., or '' for all"):
        Corpus(table(audio_channel="left"), "mini")


def test_summary_properties() -> None:
    corpus = Corpus(table(speaker=["b", "", "a", "b", ""]), "mini", [Rejected("x.wav", "why")])
    assert corpus.emotions == ("neutral", "happy", "sad", "angry")
    assert (corpus.speakers, corpus.unknown_speakers, len(corpus)) == (("a", "b"), 2, 5)
    assert repr(corpus) == "Corpus('mini': 5 clips, 2 speakers, neutral, happy, sad, angry, 1 rejected)"


def test_nothing_in_a_corpus_can_be_changed() -> None:
    given = table()
    corpus = Corpus(given, "mini")
    before = Corpus(table(), "mini").table
    given.loc[0, "emotion"] = "sad"
    del given["statement"]
    taken = corpus.table
    taken.loc[:, "emotion"] = "disgust"
    del taken["path"]
    column = corpus.table["statement"]
    column.iloc[0] = "dogs"
    pd.testing.assert_frame_equal(corpus.table, before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        corpus.name = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        corpus.table = given  # type: ignore[misc]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"emotion": "joy"}, "emotion 'joy'; expected 'happy'"),
        ({"emotion": ""}, "'' can't be the name of a class"),
        ({"emotion": "unsure"}, "'unsure' can't be the name of a class"),
        ({"gender": "f"}, "gender 'f'; expected 'female', 'male', ''"),
        ({"channel": "all"}, "channel 'all'; expected 'speech', 'song'"),
        ({"speaker": None}, "has a speaker that is not a text"),
        ({"speaker": 1}, "has a speaker that is not a text"),
        ({"start_s": -1.0}, "negative start_s"),
        ({"start_s": float("nan")}, "missing or negative start_s"),
        ({"start_s": 2.0, "end_s": 2.0}, "end_s is not after its start_s"),
        ({"age": 30}, r"unknown columns \['age'\]"),
    ],
)
def test_bad_tables_are_refused(columns: dict[str, object], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        Corpus(table(**columns), "mini")


def test_missing_column_is_named() -> None:
    with pytest.raises(CorpusError, match=r"lacks the columns \['speaker'\]"):
        Corpus(table().drop(columns="speaker"), "mini")


def test_only_keeps_order_and_takes_aliases() -> None:
    corpus = Corpus(table(), "mini")
    kept = corpus.only(emotions=["anger", "Happiness"])
    assert list(kept.table["path"]) == ["/data/0.wav", "/data/3.wav", "/data/4.wav"]
    assert list(kept.table.index) == [0, 1, 2]
    assert kept.emotions == ("happy", "angry")
    assert len(corpus.only(channel="song")) == 1
    assert len(corpus.only(channel="all")) == len(corpus.only()) == len(corpus) == 5


def test_only_refuses_what_is_not_there() -> None:
    corpus = Corpus(table(), "mini")
    with pytest.raises(CorpusError, match="mini has no clip of emotion 'boredom'; it has: angry, happy, neutral, sad"):
        corpus.only(emotions=["happy", "boredom"])
    with pytest.raises(CorpusError, match="has no clip of emotion 'angry'"):  # the angry clip is sung
        corpus.only(emotions=["angry"], channel="speech")
    with pytest.raises(CorpusError, match="no clip of emotion 'hapy'"):
        corpus.only(emotions=["hapy"])
    with pytest.raises(CorpusError, match="expected several names"):
        corpus.only(emotions="happy")
    with pytest.raises(CorpusError, match="no emotion is requested"):
        corpus.only(emotions=[])


def test_union_has_one_vocabulary_and_both_lists_of_rejected() -> None:
    one = Corpus(table(2), "one", [Rejected("a", "b")])
    two = Corpus(table(3, corpus="two", emotion="fearful"), "two", [Rejected("c", "d")])
    union = Corpus.union([two, one])
    assert (union.name, len(union), union.emotions) == ("two+one", 5, ("neutral", "happy", "fearful"))
    assert list(union.table["corpus"]) == ["two"] * 3 + ["mini"] * 2
    assert union.rejected == (Rejected("c", "d"), Rejected("a", "b"))


def test_union_of_equal_names_would_merge_speakers() -> None:
    with pytest.raises(CorpusError, match="two corpora are called 'mini'"):
        Corpus.union([Corpus(table(), "a"), Corpus(table(), "b")])
    with pytest.raises(CorpusError, match="a union of no corpora"):
        Corpus.union([])
