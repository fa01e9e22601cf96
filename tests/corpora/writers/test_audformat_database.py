"""Corpora written as databases of audformat, as the library reads them."""

import math
import sys
from pathlib import Path

import audformat
import pandas as pd
import pytest

from emotone.corpora import Corpus, load, write_audformat
from emotone.errors import CorpusError, MissingExtraError
from support.corpus_files import plant, table

NAMES = ("a.wav", "sub/b.wav", "sub/c.wav")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    plant(tmp_path / "mini", *NAMES)
    return Corpus(table(3, path=[str(tmp_path / "mini" / name) for name in NAMES]), "mini")


def test_audformat_reads_what_was_written(corpus: Corpus, tmp_path: Path) -> None:
    assert write_audformat(corpus, tmp_path / "db", copy=True) == tmp_path / "db/db.yaml"
    database = audformat.Database.load(str(tmp_path / "db"))
    assert (database.name, database.languages, database.usage, database.is_portable) == ("mini", ["eng"], "other", True)
    frame = database.get("emotion", ["speaker", "gender", "statement", "language"])
    assert frame.index.tolist() == [f"audio/{name}" for name in NAMES]
    assert frame.astype(object).to_numpy().tolist() == [
        ["happy", "mini-0", "female", "kids", "en"],
        ["neutral", "mini-1", "male", "kids", "en"],
        ["sad", "mini-0", "female", "kids", "en"],
    ]
    assert database.schemes["emotion"].labels == ["happy", "neutral", "sad"]
    assert "intensity" not in database.schemes
    assert all((tmp_path / "db" / file).read_bytes() == b"RIFF" for file in database.files)


def test_a_copy_reads_back_as_the_same_corpus(corpus: Corpus, tmp_path: Path) -> None:
    write_audformat(corpus, tmp_path / "db", copy=True)
    again = load(tmp_path / "db", channel="all")
    assert (again.name, again.rejected) == ("mini", ())
    pd.testing.assert_frame_equal(again.table.drop(columns="path"), corpus.table.drop(columns="path"))


@pytest.mark.parametrize("place", ["mini", "elsewhere"])
def test_recordings_can_stay_where_they_are(corpus: Corpus, tmp_path: Path, place: str) -> None:
    segments = Corpus(corpus.table.assign(start_s=[0.25, 0, 0], end_s=[1.5, math.nan, 2.0]), "mini")
    write_audformat(segments, tmp_path / place)
    database = audformat.Database.load(str(tmp_path / place))
    assert database["emotion"].is_segmented and database.is_portable == (place == "mini")
    assert database["emotion"].starts.tolist() == pd.to_timedelta([0.25, 0, 0], unit="s").tolist()
    assert database["emotion"].ends.isna().tolist() == [False, True, False]
    pd.testing.assert_frame_equal(load(tmp_path / place, channel="all").table, segments.table)


def test_what_is_known_of_a_corpus_is_in_the_header(corpus: Corpus, tmp_path: Path) -> None:
    of_tess = Corpus(corpus.table.assign(corpus="tess", speaker="", language=""), "tess")
    write_audformat(of_tess, tmp_path / "db")
    database = audformat.Database.load(str(tmp_path / "db"))
    assert (database.usage, database.languages) == ("research", [])
    assert database.license.startswith("CC") and database.source.startswith("http")
    assert "speaker" not in database.schemes
    assert load(tmp_path / "db", channel="all").unknown_speakers == 3


def test_what_cannot_be_written_is_an_error(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_audformat(corpus, tmp_path / "db")
    with pytest.raises(CorpusError, match="contains 'db.yaml', which would be overwritten"):
        write_audformat(corpus, tmp_path / "db")
    Path(corpus.table["path"][0]).unlink()
    with pytest.raises(CorpusError, match="can't be copied"):
        write_audformat(corpus, tmp_path / "copy", copy=True)
    assert not (tmp_path / "copy").exists()
    monkeypatch.setitem(sys.modules, "audformat", None)
    with pytest.raises(MissingExtraError, match="writing an audformat database needs the extra 'audformat'"):
        write_audformat(corpus, tmp_path / "new")


@pytest.mark.parametrize("name", ["db.yaml", "db.emotion.csv", "db.emotion.parquet", "audio"])
def test_nothing_is_written_through_a_link(corpus: Corpus, tmp_path: Path, name: str) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / name).symlink_to(tmp_path / "outside")
    with pytest.raises(CorpusError, match=f"contains '{name}', which would be overwritten"):
        write_audformat(corpus, tmp_path / "db", copy=True)
    assert not (tmp_path / "outside").exists()


def test_a_database_that_can_not_be_written_whole_is_not_there(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = audformat.Database.save

    def cut_short(made: audformat.Database, folder: str, **arguments: object) -> None:
        save(made, folder, **arguments)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audformat.Database, "save", cut_short)
    with pytest.raises(CorpusError, match="can't be written to .*: No space left on device"):
        write_audformat(corpus, tmp_path / "db")
    assert not (tmp_path / "db").exists()
    monkeypatch.undo()
    assert len(load(write_audformat(corpus, tmp_path / "db").parent).table) == 2  # the third clip is sung


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_can_not_be_made_is_an_error(corpus: Corpus, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    for copy in (False, True):
        with pytest.raises(CorpusError):
            write_audformat(corpus, tmp_path / place, copy=copy)
