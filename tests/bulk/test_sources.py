"""The recordings of an archive: folders, patterns, manifests and addresses."""

import os
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emotone.bulk.sources import Sources
from emotone.bulk.units import Item
from emotone.errors import ConfigError, MissingExtraError


def names(*inputs, **options):
    return [item.file for item in Sources([str(name) for name in inputs], **options)]


def test_folder_is_listed_by_name(archive):
    sources = Sources([str(archive)])
    items = list(sources)
    relative = [os.path.relpath(item.file, archive) for item in items]
    assert relative[:5] == ["empty.wav", "short.wav", "silent.wav", "text.wav", "anna/0.wav"]
    assert len(items) == 16 and sources.passed_over == {".txt": 1}
    assert all(item.size == os.path.getsize(item.file) for item in items)


def test_patterns_and_files(archive):
    assert names(archive / "anna" / "*.wav") == [str(archive / "anna" / f"{n}.wav") for n in range(6)]
    assert len(names(archive / "**" / "*.wav")) == 16
    assert names(archive / "gone.wav") == [str(archive / "gone.wav")]  # its prediction says that it does not exist
    (item,) = Sources([str(archive / "*.mp3")])
    assert "no file matches this pattern" in item.error


def test_name_with_signs_of_a_pattern_is_a_file(tmp_path):
    file = tmp_path / "call [1].wav"
    file.touch()
    assert names(file) == [str(file)]


def test_speaker_by_folder_and_by_expression(archive):
    by_folder = Sources([str(archive / "anna")], speaker_from="parent-folder")
    assert {item.speaker for item in by_folder} == {"anna"}
    by_name = Sources([str(archive / "anna")], speaker_from="/([0-9])[.]wav$")
    assert [item.speaker for item in by_name] == list("012345")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_manifest_in_csv(tmp_path, encoding, separator):
    rows = [["path", "name"], ["a.wav", "Jürgen"], [str(tmp_path / "b.wav"), ""], ["", "Anna"]]
    manifest = tmp_path / "list.csv"
    manifest.write_text("\n".join(separator.join(row) for row in rows), encoding=encoding)
    first, second, third = Sources([str(manifest)], speaker_from="name")
    assert (first.file, first.speaker) == (str(tmp_path / "a.wav"), "Jürgen")  # relative to the manifest
    assert (second.file, second.speaker) == (str(tmp_path / "b.wav"), None)
    assert "row 4" in third.error and "names no file" in third.error


def test_manifest_in_parquet_with_segments(tmp_path):
    table = pa.table({"file": ["a.wav", "b.wav", None], "start_s": [1.5, None, None], "end_s": [2.5, 3.0, None]})
    pq.write_table(table, tmp_path / "list.parquet")
    first, second, third = Sources([str(tmp_path / "list.parquet")])
    assert first == Item(str(tmp_path / "a.wav"), None, 1.5, 2.5)
    assert (second.start_s, second.end_s) == (0.0, 3.0)
    assert "names no file" in third.error


def test_time_that_is_no_number_is_the_error_of_its_row(tmp_path):
    (tmp_path / "list.csv").write_text("file,start_s\na.wav,soon\nb.wav,1\n")
    first, second = Sources([str(tmp_path / "list.csv")])
    assert "line 2 of" in first.error and "column 'start_s': time 'soon' is not understood" in first.error
    assert second.start_s == 1.0


def segments(folder, text, **options):
    (folder / "list.csv").write_text(text, **options)
    return [(Path(item.file).name, item.start_s, item.end_s) for item in Sources([str(folder / "list.csv")])]


@pytest.mark.parametrize(
    "text",
    [
        "file,start,end\na.wav,0.5,2.8\n",
        "file;start;end\na.wav;0,5;2,8\n",
        "sep=;\r\nfile;start;end\r\na.wav;0,5;2,8\r\n",
        "file,start,duration\na.wav,0.5,2.3\n",
        "file,onset,offset\na.wav,0.5,2.8\n",
        "file,begin_ms,stop_ms\na.wav,500,2800\n",
        "file;start;end\na.wav;00:00:00,500;00:00:02,800\n",
        "file,start_s,end_s\na.wav,0 days 00:00:00.5,0 days 00:00:02.8\n",
    ],
)
def test_times_of_a_manifest_are_those_that_training_reads(tmp_path, text):
    assert segments(tmp_path, text, newline="") == [("a.wav", 0.5, pytest.approx(2.8))]


def test_a_sign_is_decided_by_other_rows(tmp_path):
    rows = segments(tmp_path, "file;start_ms\na.wav;1,5\nb.wav;1,500\n")
    assert [start_s for _, start_s, _ in rows] == pytest.approx([0.0015, 0.0015])


@pytest.mark.parametrize("column", ["onset_frames", "time", "offset", "start_samples"])
def test_column_that_looks_like_a_time_and_is_not_understood_is_refused(tmp_path, column):
    with pytest.raises(ConfigError, match=f"column '{column}'"):
        segments(tmp_path, f"file,{column}\na.wav,12\n")


def test_columns_that_are_no_times_of_segments_are_ignored(tmp_path):
    text = "file,recorded,timestamp,from,to\na.wav,2026-11-30,2026-11-30 10:00,Anna,Ben\n"
    assert segments(tmp_path, text) == [("a.wav", 0.0, None)]


def test_channels_of_a_manifest(tmp_path):
    text = "file,channel\na.wav,left\na.wav,2\nb.wav,\nc.wav,speech\nd.wav,Mix\ne.wav,middle\n"
    (tmp_path / "list.csv").write_text(text)
    *items, wrong = Sources([str(tmp_path / "list.csv")])
    assert [item.channel for item in items] == ["left", "2", None, None, "mix"]
    assert not any(item.error for item in items)
    assert wrong.error.startswith("row 7 of") and "channel is 'middle'; expected mix, left, right" in wrong.error


def test_channels_as_pandas_writes_them_and_columns_that_name_none(tmp_path):
    (tmp_path / "list.csv").write_text("file,channel\na.wav,1.0\nb.wav,<NA>\nc.wav,02\n")
    assert [(item.channel, item.error) for item in Sources([str(tmp_path / "list.csv")])] == [
        ("1", ""),
        (None, ""),
        ("2", ""),
    ]
    (tmp_path / "list.csv").write_text("file,channel\na.wav,telephone\nb.wav,radio\n")
    assert [(item.channel, item.error) for item in Sources([str(tmp_path / "list.csv")])] == 2 * [(None, "")]


def test_the_first_row_after_a_line_with_the_separator_is_line_3(tmp_path):
    (tmp_path / "list.csv").write_text("sep=;\nfile;start\na.wav;soon\n;1\n")
    first, second = Sources([str(tmp_path / "list.csv")])
    assert "line 3 of" in first.error and "row 4" in second.error


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"emotion,speaker\nsad,anna\n", "expected file or path"),
        (b"file\na.wav,2\n", "more cells than the header"),
        (b"file\n\xff\xfe\xfa\n", "can't be read as a manifest"),
        (b'file\n"a.wav\n', "can't be read as a manifest"),
    ],
)
def test_manifest_that_is_none(tmp_path, content, message):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        names(tmp_path / "list.csv")


def test_column_that_is_missing(tmp_path):
    (tmp_path / "list.csv").write_text("file,who\na.wav,anna\n")
    with pytest.raises(ConfigError, match="has the columns file, who; expected any of them"):
        names(tmp_path / "list.csv", speaker_from="speaker")


@pytest.mark.parametrize("column", ["speaker id", "speaker-id", "who (id)"])
def test_column_whose_name_is_no_identifier(tmp_path, column):
    (tmp_path / "list.csv").write_text(f"file,{column}\na.wav,anna\n")
    (item,) = Sources([str(tmp_path / "list.csv")], speaker_from=column)
    assert item.speaker == "anna"
    pq.write_table(pa.table({"file": ["a.wav"], column: ["anna"]}), tmp_path / "list.parquet")
    (item,) = Sources([str(tmp_path / "list.parquet")], speaker_from=column)
    assert item.speaker == "anna"


def test_name_that_is_neither_a_column_nor_an_expression(tmp_path):
    (tmp_path / "list.csv").write_text("file,who\n/calls/anna/a.wav,eve\n")
    with pytest.raises(ConfigError, match="has no group.*also the name of a column"):
        Sources([str(tmp_path / "list.csv")], speaker_from="speaker id")
    (item,) = Sources([str(tmp_path / "list.csv")], speaker_from="calls/([a-z]+)/")
    assert item.speaker == "anna"


def test_cells_of_other_types(tmp_path):
    table = pa.table(
        {
            "file": pa.array([b"a.wav", "ü.wav".encode(), b"", None], pa.binary()),
            "number": [1.0, float("nan"), None, 2.5],
            "name": pa.array([b"anna", None, b"", b"eve"], pa.binary()),
        }
    )
    pq.write_table(table, tmp_path / "list.parquet")
    items = list(Sources([str(tmp_path / "list.parquet")], speaker_from="number"))
    assert [item.file for item in items] == [str(tmp_path / "a.wav"), str(tmp_path / "ü.wav"), "", ""]
    assert [item.speaker for item in items] == ["1", None, None, "2.5"]
    assert "names no file" in items[2].error and "names no file" in items[3].error
    named = Sources([str(tmp_path / "list.parquet")], speaker_from="name")
    assert [item.speaker for item in named] == ["anna", None, None, "eve"]


@pytest.mark.parametrize("header", ["file,who,file", "file, who,who"])
def test_columns_of_one_name_are_refused(tmp_path, header):
    (tmp_path / "list.csv").write_text(f"{header}\na.wav,anna,b.wav\n")
    with pytest.raises(ConfigError, match="several columns with the name"):
        names(tmp_path / "list.csv")


def test_columns_without_a_name_are_ignored(tmp_path):
    # Spreadsheets write separators after the last column.
    (tmp_path / "list.csv").write_text("file,,\na.wav,,\n\nb.wav\n")
    assert names(tmp_path / "list.csv") == [str(tmp_path / "a.wav"), str(tmp_path / "b.wav")]


def test_header_without_rows_is_checked(tmp_path):
    (tmp_path / "list.csv").write_text("emotion,speaker\n")
    with pytest.raises(ConfigError, match="columns emotion, speaker; expected file"):
        names(tmp_path / "list.csv")
    pq.write_table(pa.table({"emotion": pa.array([], pa.string())}), tmp_path / "list.parquet")
    with pytest.raises(ConfigError, match="columns emotion; expected file"):
        names(tmp_path / "list.parquet")
    (tmp_path / "list.csv").write_text("file\n")
    assert names(tmp_path / "list.csv") == []
    with pytest.raises(ConfigError, match="expected any of them"):
        names(tmp_path / "list.csv", speaker_from="speaker")


def test_expression_of_a_folder_is_checked_at_once(archive):
    with pytest.raises(ConfigError, match="no regular expression"):
        Sources([str(archive)], speaker_from="(")
    with pytest.raises(ConfigError, match="there are no inputs"):
        Sources([])


@pytest.fixture
def remote():
    """Recordings in fsspec's file system in memory."""
    memory = fsspec.filesystem("memory")
    for name in ("calls/b.wav", "calls/a.opus", "calls/anna/c.wav", "calls/list.txt"):
        memory.pipe_file(f"/{name}", b"x" * len(name))
    yield "memory://calls"
    memory.rm("/calls", recursive=True)


def test_address_of_a_folder(remote):
    sources = Sources([remote], speaker_from="parent-folder")
    items = list(sources)
    assert [item.file for item in items] == [f"{remote}/a.opus", f"{remote}/b.wav", f"{remote}/anna/c.wav"]
    assert items[2].speaker == "anna" and items[0].size == len("calls/a.opus")
    assert sources.passed_over == {".txt": 1}


def test_address_of_a_pattern_a_file_and_a_manifest(remote):
    assert names(f"{remote}/*.wav") == [f"{remote}/b.wav"]
    assert names(f"{remote}/b.wav") == [f"{remote}/b.wav"]
    fsspec.filesystem("memory").pipe_file("/calls/list.csv", b"file\nb.wav\nmemory://other/d.wav\n/tmp/e.wav\n")
    assert names(f"{remote}/list.csv") == [f"{remote}/b.wav", "memory://other/d.wav", "/tmp/e.wav"]
    (item,) = Sources([f"{remote}/*.mp3"])
    assert "no file matches" in item.error


@pytest.fixture
def failing(remote, monkeypatch):
    """Errors of the file system: folder -> errors of its next listings."""
    errors: dict[str, list[OSError]] = {}
    before = type(fsspec.filesystem("memory")).ls

    def ls(self, path, detail=True, **options):
        if errors.get(path):
            raise errors[path].pop(0)
        return before(self, path, detail=detail, **options)

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "ls", ls)
    monkeypatch.setattr("emotone.bulk.sources._PAUSE_S", 0.0)
    return errors


def test_address_of_a_folder_is_listed_again_after_errors_that_pass(remote, failing):
    failing["/calls/anna"] = [OSError("slow down")] * 3
    assert names(remote)[-1] == f"{remote}/anna/c.wav"


@pytest.mark.parametrize(
    ("path", "errors"),
    [("/calls/anna", [OSError("slow down")] * 4), ("/calls/anna", [PermissionError("denied")])],
)
def test_address_of_a_folder_that_cannot_be_listed_is_an_error(remote, failing, path, errors):
    fsspec.filesystem("memory").pipe_file("/calls/zoe/d.wav", b"x")
    failing[path] = list(errors)
    items = list(Sources([remote]))
    assert [item.file for item in items[2:]] == [f"{remote}/anna", f"{remote}/zoe/d.wav"]
    assert "can't be listed" in items[2].error and not failing[path]


def test_address_whose_top_cannot_be_listed_is_an_error(remote, failing):
    failing["/calls"] = [PermissionError("denied")]
    (item,) = Sources([remote])
    assert item.file == remote and "can't be listed (denied)" in item.error


def test_address_of_a_folder_without_recordings_is_an_error(remote):
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/calls/texts/a.txt", b"x")
    (item,) = Sources([f"{remote}/texts"])
    assert "no recording in this folder" in item.error


def test_listings_are_not_kept(remote, monkeypatch):
    left = []
    monkeypatch.setattr(
        type(fsspec.filesystem("memory")), "invalidate_cache", lambda self, path=None: left.append(path)
    )
    names(remote)
    assert left[-1] == "/calls/anna" and left.count("/calls") == 2  # before, as it may be old, and after


def test_address_with_signs_of_a_pattern_is_a_file_if_it_exists(remote):
    fsspec.filesystem("memory").pipe_file("/calls/call [1]*.wav", b"x")
    assert names(f"{remote}/call [1]*.wav") == [f"{remote}/call [1]*.wav"]
    assert names(f"{remote}/[ab].wav") == [f"{remote}/b.wav"]


def test_file_system_that_is_unknown_or_not_installed(monkeypatch):
    with pytest.raises(ConfigError, match="nosuch://bucket"):
        names("nosuch://bucket/calls")
    monkeypatch.setitem(__import__("sys").modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match="cloud"):
        names("s3://bucket/calls")


def test_sound_in_parquet_is_refused_and_not_shown(tmp_path):
    cells = pa.array([{"bytes": b"RIFF\x00secret", "path": "a.wav"}])
    pq.write_table(pa.table({"audio": cells, "label": [0]}), tmp_path / "list.parquet")
    with pytest.raises(
        ConfigError, match="list.parquet has no names of files in its column 'audio'.*ecosystem"
    ) as error:
        names(tmp_path / "list.parquet")
    assert "secret" not in str(error.value)
    pq.write_table(pa.table({"audio": cells, "file": ["a.wav"]}), tmp_path / "list.parquet")
    assert names(tmp_path / "list.parquet") == [str(tmp_path / "a.wav")]
    (item,) = Sources([str(tmp_path)])
    assert (
        item.error
        == f"{tmp_path}: no recording in this folder, but tables; to predict what a table lists, name the table"
    )
