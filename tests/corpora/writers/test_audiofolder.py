"""Corpora written as AudioFolders, as Hugging Face's datasets reads them."""

import math
from pathlib import Path

import pandas as pd
import pytest

from emotone.corpora import Corpus, load, write_audiofolder
from emotone.errors import CorpusError
from support.corpus_files import plant, table
from support.hugging_face import datasets_without_sound

#: Names of which `datasets` would make splits by itself.
NAMES = ("test/a.wav", "train_1.wav", "x, y.wav")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    plant(tmp_path / "mini", *NAMES)
    paths = [str(tmp_path / "mini" / name) for name in NAMES]
    return Corpus(table(3, path=paths, end_s=[0.5, math.nan, math.nan]), "mini")


@pytest.mark.slow
def test_datasets_reads_all_clips_of_a_copy(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_audiofolder(corpus, tmp_path / "copy", copy=True)
    assert path == tmp_path / "copy/metadata.csv"
    datasets = datasets_without_sound(tmp_path / "cache", patch=monkeypatch)
    splits = datasets.load_dataset(str(tmp_path / "copy")).cast_column("audio", datasets.Audio(decode=False))
    assert list(splits) == ["train"]
    read = splits["train"].to_list()
    assert [row["audio"]["path"] for row in read] == [str(tmp_path / "copy/audio" / name) for name in NAMES]
    assert [(row["label"], row["speaker"], row["start"], row["end"]) for row in read] == [
        ("happy", "mini-0", 0.0, 0.5),
        ("neutral", "mini-1", 0.0, None),
        ("sad", "mini-0", 0.0, None),
    ]
    assert set(read[0]) == {
        *("audio", "label", "speaker", "start", "end", "gender", "statement", "channel", "corpus", "language")
    }
    assert [Path(row["audio"]["path"]).read_bytes() for row in read] == [b"RIFF"] * 3


def test_a_copy_reads_back_as_the_same_corpus(corpus: Corpus, tmp_path: Path) -> None:
    write_audiofolder(corpus, tmp_path / "copy", copy=True)
    again = load(tmp_path / "copy", channel="all")
    assert (again.name, again.rejected) == ("copy", ())
    pd.testing.assert_frame_equal(again.table.drop(columns="path"), corpus.table.drop(columns="path"))


def test_recordings_can_stay_where_they_are(corpus: Corpus, tmp_path: Path) -> None:
    write_audiofolder(corpus.only(channel="speech"), tmp_path / "mini")
    again = load(tmp_path / "mini")
    pd.testing.assert_frame_equal(again.table, corpus.only(channel="speech").table)
    assert [item.path for item in again.rejected] == [NAMES[2]]  # the song


def test_whole_recordings_have_no_times_and_a_card_is_kept(corpus: Corpus, tmp_path: Path) -> None:
    whole = Corpus(corpus.table.assign(end_s=math.nan, gender="", statement=""), "mini")
    (tmp_path / "mini/README.md").write_text("mine")
    write_audiofolder(whole, tmp_path / "mini")
    header = (tmp_path / "mini/metadata.csv").read_text().splitlines()[0]
    assert header == "file_name,label,speaker,channel,corpus,language"
    assert (tmp_path / "mini/README.md").read_text() == "mine"


def test_what_cannot_be_written_is_an_error_before_anything_is(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"3 recordings are not in .*new', such as .*, and an AudioFolder has no"):
        write_audiofolder(corpus, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    write_audiofolder(corpus, tmp_path / "mini")
    with pytest.raises(CorpusError, match="contains 'metadata.csv', which would be overwritten"):
        write_audiofolder(corpus, tmp_path / "mini")
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="is a file; expected a folder"):
        write_audiofolder(corpus, tmp_path / "file")
    Path(corpus.table["path"][0]).unlink()
    with pytest.raises(CorpusError, match="can't be copied to .*: No such file"):
        write_audiofolder(corpus, tmp_path / "copy", copy=True)
    assert not (tmp_path / "copy").exists()
