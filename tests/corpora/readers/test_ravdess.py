"""RAVDESS: every code of its names, both channels, and the real corpus."""

from pathlib import Path

import pytest

from emotone.corpora import load
from emotone.errors import CorpusError
from support.corpus_files import check_decoded, check_rejected, counts, names, plant, rows


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Actor_01/03-01-01-01-01-01-01.wav", ("neutral", "ravdess-01", "male", "normal", "kids")),
        ("Actor_24/03-01-08-02-02-02-24.wav", ("surprised", "ravdess-24", "female", "strong", "dogs")),
        ("Actor_02/03-01-02-01-01-01-02.flac", ("calm", "ravdess-02", "female", "normal", "kids")),
    ],
)
def test_file_name_is_decoded(tmp_path: Path, path: str, expected: tuple[str, ...]) -> None:
    check_decoded(tmp_path, "ravdess", path, expected)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("03-01-01-01-01-01-25.wav", "actor 25; expected 01 to 24"),
        ("03-01-09-01-01-01-01.wav", "emotion code 09; expected 01, 02"),
        ("01-01-01-01-01-01-01.wav", "modality 01 is video"),
        ("03-01-01-01-01-01-01 (1).wav", "not of the form MM-CC-EE"),
    ],
)
def test_misfit_is_rejected_with_the_reason(tmp_path: Path, bad: str, reason: str) -> None:
    check_rejected(tmp_path, "ravdess", "03-01-01-01-01-01-01.wav", bad, reason)


def test_channels(tmp_path: Path) -> None:
    data = plant(tmp_path / "ravdess", "Song/03-02-03-01-01-01-01.wav", "Speech/03-01-03-01-01-01-01.wav")
    assert names(load("ravdess", data)) == ["03-01-03-01-01-01-01.wav"]
    assert names(load("ravdess", data, channel="song")) == ["03-02-03-01-01-01-01.wav"]
    assert rows(load("ravdess", data, channel="all"), "channel") == [("song",), ("speech",)]
    with pytest.raises(CorpusError, match="unknown channel 'sung'; expected speech, song or all"):
        load("ravdess", data, channel="sung")


@pytest.mark.corpus
def test_real_speech(data: Path) -> None:
    corpus = load("ravdess", data)
    assert (len(corpus), len(corpus.speakers), corpus.rejected) == (1440, 24, ())
    others = ("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
    assert counts(corpus) == {"neutral": 96} | dict.fromkeys(others, 192)
    table = corpus.table
    assert set(table.groupby("speaker").size()) == {60}
    assert table.drop_duplicates("speaker")["gender"].value_counts().to_dict() == {"male": 12, "female": 12}
    assert table["statement"].value_counts().to_dict() == {"kids": 720, "dogs": 720}
    assert table["intensity"].value_counts().to_dict() == {"normal": 768, "strong": 672}
    assert (table.loc[table["emotion"] == "neutral", "intensity"] == "normal").all()


@pytest.mark.corpus
def test_real_song_and_both_channels(data: Path) -> None:
    song = load("ravdess", data, channel="song")
    assert (len(song), len(song.speakers)) == (1009, 23)
    assert "ravdess-18" not in song.speakers
    assert song.emotions == ("neutral", "calm", "happy", "sad", "angry", "fearful")
    assert len(load("ravdess", data, channel="all")) == 1440 + 1009


@pytest.mark.corpus
def test_real_corpus_as_the_data_folder(data: Path) -> None:
    by_name, itself = load("ravdess", data), load("ravdess", data / "ravdess")
    assert itself.table.equals(by_name.table)
    assert len(load("ravdess", data / "ravdess_original_48k")) == 20
