"""The readers on the real corpora: counts as published, or as the folder's own description says."""

from pathlib import Path

import pytest

from emotone.corpora import content_digests, find_duplicates, load

pytestmark = pytest.mark.corpus


def counts(corpus) -> dict[str, int]:  # type: ignore[no-untyped-def]
    return corpus.table["emotion"].value_counts().to_dict()


def test_ravdess_speech(data: Path) -> None:
    corpus = load(["ravdess"], data)
    assert (len(corpus), len(corpus.speakers), corpus.rejected) == (1440, 24, ())
    others = ("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
    assert counts(corpus) == {"neutral": 96} | dict.fromkeys(others, 192)
    table = corpus.table
    assert set(table.groupby("speaker").size()) == {60}
    assert table.drop_duplicates("speaker")["gender"].value_counts().to_dict() == {"male": 12, "female": 12}
    assert table["statement"].value_counts().to_dict() == {"kids": 720, "dogs": 720}
    assert table["intensity"].value_counts().to_dict() == {"normal": 768, "strong": 672}
    assert (table.loc[table["emotion"] == "neutral", "intensity"] == "normal").all()


def test_ravdess_song_and_all(data: Path) -> None:
    song = load(["ravdess"], data, channel="song")
    assert (len(song), len(song.speakers)) == (1009, 23)
    assert "ravdess-18" not in song.speakers
    assert song.emotions == ("neutral", "calm", "happy", "sad", "angry", "fearful")
    assert len(load(["ravdess"], data, channel="all")) == 1440 + 1009


def test_ravdess_itself_as_the_data_folder(data: Path) -> None:
    by_name, itself = load(["ravdess"], data), load(["ravdess"], data / "ravdess")
    assert itself.table.equals(by_name.table)
    assert len(load(["ravdess"], data / "ravdess_original_48k")) == 20


def test_tess(data: Path) -> None:
    corpus = load(["tess"], data)
    assert (len(corpus), corpus.speakers, corpus.rejected) == (2800, ("tess-OAF", "tess-YAF"), ())
    assert counts(corpus) == dict.fromkeys(("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 400)
    assert corpus.table["statement"].nunique() == 200
    assert set(corpus.table.groupby("statement").size()) == {14}


def test_nemo(data: Path) -> None:
    corpus = load(["nemo"], data)
    assert (len(corpus), corpus.rejected) == (2067, ())
    assert corpus.speakers == ("nemo-EB0", "nemo-MK0", "nemo-TP0", "nemo-WR0")
    assert corpus.emotions == ("neutral", "happy", "sad", "angry", "fearful", "surprised")
    assert corpus.table.drop_duplicates("speaker")["gender"].value_counts().to_dict() == {"female": 2, "male": 2}
    assert corpus.table["statement"].nunique() == 90


def test_emodb(data: Path) -> None:
    corpus = load(["emodb"], data)
    assert (len(corpus), len(corpus.speakers), corpus.rejected) == (535, 10, ())
    assert counts(corpus) == {
        "angry": 127,
        "boredom": 81,
        "neutral": 79,
        "happy": 71,
        "fearful": 69,
        "sad": 62,
        "disgust": 46,
    }
    assert corpus.table["statement"].nunique() == 10


def test_union_of_all(data: Path) -> None:
    corpus = load(["ravdess", "tess", "nemo", "emodb"], data, emotions=["neutral", "happy", "sad", "angry", "fear"])
    assert len(corpus.speakers) == 24 + 2 + 4 + 10
    assert corpus.table.groupby("corpus", sort=False).size().to_dict() == {
        "ravdess": 96 + 4 * 192,
        "tess": 5 * 400,
        "nemo": 4 * 360 + 359,
        "emodb": 79 + 71 + 62 + 127 + 69,
    }


def test_ravdess_speech_holds_one_recording_twice(data: Path) -> None:
    corpus = load(["ravdess"], data)
    groups = find_duplicates(corpus, content_digests(corpus))
    stems = [sorted(Path(corpus.table["path"][row]).stem for row in group) for group in groups]
    assert stems == [["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"]]
