"""Tables in every usual format and encoding."""

import codecs
from pathlib import Path

import pandas as pd
import pytest

from emotone.corpora.readers._table_file import TableFile, read_table_file
from emotone.errors import CorpusError

TEXT = 'file;note\r\nü.wav;Müller\r\n\r\nb.wav;"a\nb"\r\n'
ROWS = ((2, ("ü.wav", "Müller")), (5, ("b.wav", "a\nb")))


def read(folder: Path, content: bytes | str, *, name: str = "t.csv") -> TableFile:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table_file(path)


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode("utf-8"),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
    ],
)
def test_encodings(tmp_path: Path, content: bytes) -> None:
    table = read(tmp_path, content)
    assert (table.header, table.rows, table.separator) == (("file", "note"), ROWS, ";")


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1250"])
def test_other_encodings_are_an_error_that_says_what_to_save_as(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(CorpusError, match=r"line 2 is not UTF-8, .*ü.wav;M.*save it as UTF-8 \(Excel: 'CSV UTF-8'"):
        read(tmp_path, TEXT.encode(encoding))
    with pytest.raises(CorpusError, match="line 2 is not UTF-8"):
        read(tmp_path, '{"file": "a.wav"}\n{"file": "ü.wav"}\n'.encode(encoding), name="t.jsonl")


def test_utf_16_without_its_mark_or_cut_is_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"holds null bytes: UTF-16 without a byte order mark.*save it as UTF-8"):
        read(tmp_path, TEXT.encode("utf-16-le"))
    with pytest.raises(CorpusError, match=r"is damaged UTF-16.*save it as UTF-8"):
        read(tmp_path, TEXT.encode("utf-16")[:-1])


@pytest.mark.parametrize("first", ["sep=;\r\n", "SEP=;\n", '"sep=;"\r\n', "sep=;"])
def test_excel_s_first_line(tmp_path: Path, first: str) -> None:
    table = read(tmp_path, first.rstrip("\r\n") + "\r\n" + TEXT)
    assert table.rows == tuple((line + 1, cells) for line, cells in ROWS)
    table = read(tmp_path, "sep=|\nfile|emotion\na,b.wav|sad\n")
    assert (table.header, table.rows) == (("file", "emotion"), ((3, ("a,b.wav", "sad")),))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.txt", "T.CSV"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends(tmp_path: Path, name: str, separator: str, end: str) -> None:
    table = read(tmp_path, end.join([f"file{separator}emotion", f"a.wav{separator} sad ", ""]), name=name)
    assert (table.header, table.rows) == (("file", "emotion"), ((2, ("a.wav", "sad")),))


def test_json_lines(tmp_path: Path) -> None:
    lines = [
        '{"file": "ü.wav", "start": 0.5, "speaker": 7}',
        "",
        '{"emotion": "sad", "file": "b.wav", "start": null, "speaker": NaN}',
    ]
    table = read(tmp_path, "\r\n".join(lines), name="t.jsonl")
    assert table.header == ("file", "start", "speaker", "emotion")
    assert table.rows == ((1, ("ü.wav", "0.5", "7", "")), (3, ("b.wav", "", "", "sad")))
    with pytest.raises(CorpusError, match="line 2 of .* is no JSON: .*expected an object a line"):
        read(tmp_path, '{"file": "a"}\n{"file": \n', name="t.ndjson")
    with pytest.raises(CorpusError, match=r"line 1 of .* is no JSON object; expected \{...\} in each line"):
        read(tmp_path, '[{"file": "a"}]', name="t.jsonl")


def test_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"file": ["a.wav", "b.wav"], "start": [0.5, None], "tags": [["x", "y"], None]})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table_file(tmp_path / "t.parquet")
    assert [cells[:2] for _, cells in table.rows] == [("a.wav", "0.5"), ("b.wav", "")]


def test_a_file_that_begins_with_another_encoding_is_refused(tmp_path):
    path = tmp_path / "clips.csv"
    path.write_bytes("\u00e4.wav,happy\n".encode("latin-1"))
    with pytest.raises(CorpusError, match="line 1 is not UTF-8"):
        read_table_file(path)


def test_deeply_nested_json_is_refused(tmp_path):
    path = tmp_path / "clips.jsonl"
    path.write_text('{"file": ' + "[" * 100_000)
    with pytest.raises(CorpusError, match="line 1 of .* is no JSON"):
        read_table_file(path)


def test_json_lines_of_many_levels_are_refused(tmp_path):
    content = '{"file": ' + "[" * 5000 + "]" * 5000 + "}\n"
    with pytest.raises(CorpusError, match="line 1 of .* is no JSON: brackets are nested on more than 64 levels"):
        read(tmp_path, content, name="t.jsonl")
