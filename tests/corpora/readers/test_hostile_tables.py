"""Tables of strangers: small files that hold gigabytes, tables elsewhere, endless texts, and times that are none."""

import os
from pathlib import Path

import audformat
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emotone.corpora import load
from emotone.corpora.readers import _parquet, audformat_database
from emotone.errors import CorpusError
from support.corpus_files import plant, rows

N_REPEATED = _parquet.MOST_BYTES // 1_000_000 + 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    plant(tmp_path / "calls", "a.wav")
    return tmp_path / "calls"


def repeated(text: str, n: int) -> pa.Array:
    """A column that has a text many times, and stores it once."""
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), n), [text])


def bombs() -> dict[str, tuple[pa.Table, str]]:
    """Tables of a few kilobytes, and what is said of them."""
    many = _parquet.MOST_CELLS // 2 + 1
    long = "a" * 1_000_000
    return {
        "cells": (pa.table({"file_name": repeated("a.wav", many), "label": repeated("sad", many)}), "cells"),
        "texts": (
            pa.table({"file_name": repeated(long, N_REPEATED), "label": repeated("sad", N_REPEATED)}),
            "bytes of texts",
        ),
        "compressed": (pa.table({"file_name": ["a.wav"], "label": [long * 1200]}), "bytes, expected at most"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cells", "texts", "compressed"])
def test_a_small_file_that_holds_gigabytes_is_refused_before_it_is_read(folder: Path, kind: str) -> None:
    table, said = bombs()[kind]
    path = folder / "metadata.parquet"
    pq.write_table(table, path, compression="zstd", use_dictionary=kind != "compressed", write_statistics=False)
    assert path.stat().st_size < 400_000
    with pytest.raises(CorpusError, match=rf"metadata.parquet' can't be read as a table: .* it has [\d,]+ {said}"):
        load(folder)


def test_columns_of_lists_objects_and_bytes_are_left_out(folder: Path) -> None:
    others = {"audio": [{"bytes": b"RIFF", "path": "a.wav"}], "sound": [b"RIFF"], "list": [[1, 2]]}
    table = pa.table({"file_name": ["a.wav"], "label": repeated("sad", 1), "age": [31]} | others)
    pq.write_table(table, folder / "metadata.parquet")
    assert rows(load(folder), "emotion") == [("sad",)]
    assert list(_parquet.read_flat(folder / "metadata.parquet")) == ["file_name", "label", "age"]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    folder = tmp_path / "voices"
    plant(folder, "a.wav")
    made = audformat.Database("voices")
    made["emotion"] = audformat.Table(audformat.filewise_index(["a.wav"]))
    made["emotion"]["emotion"] = audformat.Column()
    made["emotion"]["emotion"].set(["sad"])
    made.save(str(folder), storage_format="csv")
    return folder


def test_a_table_of_a_database_is_as_small_as_others(database: Path) -> None:
    (database / "db.emotion.csv").unlink()
    n = 2_000
    table = pa.table({"file": repeated("a" * 1_000_000, n), "emotion": repeated("sad", n)})
    pq.write_table(table, database / "db.emotion.parquet")
    with pytest.raises(CorpusError, match="it has [0-9,]+ bytes of texts, expected at most"):
        load(database)
    pq.write_table(pa.table({"file": ["a.wav"], "emotion": [["sad"]]}), database / "db.emotion.parquet")
    with pytest.raises(CorpusError, match=r"the column 'emotion' holds list<.*; expected texts or numbers"):
        load(database)


def test_a_table_that_is_larger_than_any_is_not_copied(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audformat_database, "_MOST_TABLE_BYTES", 1 << 20)
    os.truncate(database / "db.emotion.csv", 2 << 20)
    with pytest.raises(CorpusError, match="has more than 1,048,576 bytes; divide the table"):
        load(database)


@pytest.mark.parametrize("name", ["/../../outside", "../outside", "x\\y"])
def test_no_table_is_elsewhere(database: Path, name: str) -> None:
    (database / "db.").mkdir()
    (database.parent / "outside.csv").write_text("file,emotion\na.wav,happy\n")
    header = (database / "db.yaml").read_text()
    (database / "db.yaml").write_text(header.replace("  emotion:\n    type", f"  '{name}':\n    type"))
    with pytest.raises(CorpusError, match="names a table .*, which can't be a file of it"):
        load(database)


@pytest.mark.parametrize("kind", ["file", "emotion", "usage"])
def test_messages_of_endless_texts_are_short(database: Path, kind: str) -> None:
    long = "s" * 3_000_000
    if kind == "usage":
        header = (database / "db.yaml").read_text()
        (database / "db.yaml").write_text(header + f"usage: {long}\n")
    else:
        row = f"{long},sad" if kind == "file" else f"a.wav,{long}"
        (database / "db.emotion.csv").write_text(f"file,emotion\n{row}\n")
    with pytest.raises(CorpusError) as caught:
        load(database)
    assert len(str(caught.value)) < 5_000


def test_an_endless_label_or_name_costs_its_row_alone(folder: Path) -> None:
    texts = [("a.wav", "sad"), ("a.wav", "s" * 100_000), ("n" * 100_000, "sad")]
    (folder / "metadata.csv").write_text("file_name,label\n" + "".join(f"{file},{word}\n" for file, word in texts))
    corpus = load(folder)
    assert len(corpus) == 1
    assert [item.reason for item in corpus.rejected] == [
        f"line 3 of metadata.csv: the emotion is a text of 100,000 letters, {'s' * 40 + '...'!r}; expected a word",
        "line 4 of metadata.csv: File name too long: " + "n" * 300,
    ]
    assert all(len(item.group) < 200 for item in corpus.rejected)


def test_a_start_that_is_missing_costs_its_row_alone(database: Path) -> None:
    made = audformat.Database("voices")
    index = audformat.segmented_index(["a.wav", "a.wav"], [pd.NaT, 0.5], [1.0, 1.0])
    made["emotion"] = audformat.Table(index)
    made["emotion"]["emotion"] = audformat.Column()
    made["emotion"]["emotion"].set(["sad", "sad"])
    made.save(str(database), storage_format="csv")
    corpus = load(database)
    assert rows(corpus, "start_s", "end_s") == [(0.5, 1.0)]
    assert [item.reason for item in corpus.rejected] == ["segment from nan s to 1 s; expected 0 <= start < end"]
