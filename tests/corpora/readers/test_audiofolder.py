"""Folders as the AudioFolder of Hugging Face's datasets reads them."""

import json
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emotone.corpora import count_groups, load
from emotone.corpora.readers.audiofolder import read_audiofolder
from emotone.emotions import Vocabulary
from emotone.errors import CorpusError
from support.corpus_files import plant, rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plant(tmp_path / "calls", "a.wav", "sub/b.wav", "c.mp3")
    return tmp_path / "calls"


def lines(*records: dict[str, object]) -> str:
    return "\n".join(map(json.dumps, records))


def test_a_list_with_labels_and_speakers(folder: Path) -> None:
    (folder / "metadata.csv").write_text(
        "file_name,label,speaker_id,gender,transcription\nsub/b.wav,joy,7,f,yes\na.wav,sad,8,m,no\nc.mp3,Fear,7,f,no\n"
    )
    corpus = load(folder)
    assert rows(corpus, "path", "emotion", "speaker", "gender", "corpus", "channel") == [
        (str(folder / "a.wav"), "sad", "calls-8", "male", "calls", "speech"),
        (str(folder / "c.mp3"), "fearful", "calls-7", "female", "calls", "speech"),
        (str(folder / "sub/b.wav"), "happy", "calls-7", "female", "calls", "speech"),
    ]
    assert (corpus.name, corpus.rejected) == ("calls", ())
    pd.testing.assert_frame_equal(load("calls", folder.parent).table, corpus.table)


def test_the_column_emotion_precedes_label_and_json_lines_have_segments(folder: Path) -> None:
    records = [
        {"file_name": "a.wav", "label": 3, "emotion": "sad", "start": 0.5, "end": 1.5, "speaker": "x", "speaker_id": 1},
        {"file_name": "a.wav", "label": 3, "emotion": "joy", "start": 1.5, "end": None, "speaker": "x"},
    ]
    (folder / "metadata.jsonl").write_text(lines(*records))
    table = read_audiofolder(folder).table.fillna({"end_s": -1.0})
    assert table[["emotion", "start_s", "end_s", "speaker"]].to_numpy().tolist() == [
        ["sad", 0.5, 1.5, "calls-x"],
        ["happy", 1.5, -1.0, "calls-x"],
    ]


def test_parquet(folder: Path) -> None:
    pd.DataFrame({"file_name": ["a.wav"], "label": ["neutral"]}).to_parquet(folder / "metadata.parquet")
    assert rows(load(folder), "emotion", "speaker") == [("neutral", "")]


def test_splits_with_a_list_each_are_read_together(tmp_path: Path) -> None:
    root = tmp_path / "set"
    plant(root, "train/a.wav", "train/b.wav", "test/a.wav")
    (root / "train/metadata.csv").write_text("file_name,emotion,speaker\na.wav,sad,1\nb.wav,joy,2\n")
    (root / "test/metadata.csv").write_text("file_name,emotion,speaker\na.wav,anger,1\ngone.wav,anger,1\n")
    corpus = load(root)
    assert rows(corpus, "path", "emotion", "speaker") == [
        (str(root / "test/a.wav"), "angry", "set-1"),
        (str(root / "train/a.wav"), "sad", "set-1"),
        (str(root / "train/b.wav"), "happy", "set-2"),
    ]
    assert [item.reason for item in corpus.rejected] == ["line 3 of test/metadata.csv: no such file: gone.wav"]


def test_folders_name_the_labels_that_a_list_lacks(tmp_path: Path) -> None:
    root = tmp_path / "set"
    plant(root, "train/joy/a.wav", "test/gioia/b.wav")
    (root / "metadata.csv").write_text("file_name,speaker\ntrain/joy/a.wav,1\ntest/gioia/b.wav,2\n")
    assert rows(read_audiofolder(root, Vocabulary({"gioia": "happy"})), "emotion", "speaker") == [
        ("happy", "set-2"),
        ("happy", "set-1"),
    ]
    with pytest.raises(CorpusError, match="has no column emotion or label, only file_name, speaker, and 'test/gioia/b"):
        load(root)


def test_class_folders_within_splits_need_no_list(tmp_path: Path) -> None:
    root = tmp_path / "set"
    plant(root, "train/joy/a.wav", "test/sad/b.wav")
    (root / "joy.csv").write_text("file_name\n")
    (root / "metadata.csv").write_text("licence\nCC0\n")  # something else
    assert rows(load(root), "path", "emotion", "speaker") == [
        (str(root / "test/sad/b.wav"), "sad", ""),
        (str(root / "train/joy/a.wav"), "happy", ""),
    ]


def test_recordings_that_no_list_names_are_counted(folder: Path) -> None:
    (folder / "metadata.csv").write_text("file_name,label\n./a.wav,sad\nsub\\b.wav,happy\n")
    corpus = load(folder)
    assert len(corpus) == 2
    assert [(item.path, item.reason) for item in corpus.rejected] == [("c.mp3", "no metadata.csv names it")]
    assert count_groups(corpus.rejected) == [{"reason": "that no list of the folder names", "clips": 1}]


def test_own_labels_numbers_and_repeated_rows(folder: Path) -> None:
    (folder / "metadata.csv").write_text("file_name,label\na.wav,0\nc.mp3,gioia\na.wav,0\nsub/b.wav,sad\n")
    corpus = load(folder, labels={"0": "angry", "gioia": "happy"})
    assert rows(corpus, "emotion") == [("angry",), ("happy",), ("sad",)]
    assert corpus.rejected[0].reason == (
        "line 4 of metadata.csv: line 2 of metadata.csv lists the same recording, as angry"
    )


def test_lists_that_cannot_be_used_are_errors(folder: Path) -> None:
    with pytest.raises(CorpusError, match="no metadata.csv or .* or metadata.parquet with a column 'file_name' in"):
        read_audiofolder(folder)
    (folder / "metadata.csv").write_text("file_name,label\na.wav,contempt\n")
    with pytest.raises(
        CorpusError, match="no label of .*calls' is an emotion .* Left out 1 clip: 1 labelled 'contempt'"
    ):
        load(folder)
    (folder / "metadata.csv").write_text("file_name,label\na.wav,contempt\nx.wav,sad\n")
    with pytest.raises(CorpusError, match="no row of .*calls' can be used, 2 are rejected; first: 'a.wav', line 2 of"):
        load(folder)
    (folder / "metadata.csv").write_text("file_name,label,label\na.wav,sad,sad\n")
    with pytest.raises(CorpusError, match="has the column 'label' twice"):
        load(folder)
    (folder / "metadata.csv").write_bytes(b"file_name,label\na.wav,\xff\n")
    with pytest.raises(CorpusError, match="metadata.csv' can't be read as a table"):
        load(folder)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "metadata.parquet"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_list_that_is_no_file_is_not_opened(folder: Path, name: str, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).symlink_to("/dev/zero")
    with pytest.raises(CorpusError, match="no metadata.csv or"):
        read_audiofolder(folder)


@pytest.mark.parametrize("name", ["speaker", "statement", "label"])
def test_half_of_a_letter_in_json_lines_is_an_error_with_its_line(folder: Path, name: str) -> None:
    good, wrong = ({"file_name": "a.wav", "label": "sad", "speaker": "1", name: text} for text in ("happy", "\ud800"))
    (folder / "metadata.jsonl").write_text(lines(good, wrong))
    with pytest.raises(CorpusError, match=r"line 2 of .*metadata.jsonl' holds what is no letter"):
        load(folder)


@pytest.mark.parametrize("described", [b"{}", b"[]", b"no JSON", b'{"index_columns": ["x"]}'])
def test_parquet_that_pandas_can_not_understand_is_an_error(folder: Path, described: bytes) -> None:
    table = pa.table({"file_name": ["a.wav"], "label": ["sad"]}).replace_schema_metadata({b"pandas": described})
    pq.write_table(table, folder / "metadata.parquet")
    with pytest.raises(CorpusError, match=r"metadata.parquet' can't be read as a table"):
        load(folder)
