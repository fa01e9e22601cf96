"""CSV manifests, audformat tables, and a folder per class."""

import re
from pathlib import Path

import pandas as pd
import pytest

from emotone.corpora import Corpus, count_groups, load
from emotone.corpora.readers.manifest import read_folder_per_class, read_manifest
from emotone.emotions import Vocabulary
from emotone.errors import CorpusError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav", "sub/c.flac"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"RIFF")
    return tmp_path


def write(folder: Path, text: str, *, name: str = "calls.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def rows(corpus: Corpus, *columns: str) -> list[tuple[object, ...]]:
    return list(corpus.table[list(columns)].itertuples(index=False, name=None))


def test_manifest_with_the_four_columns(folder: Path) -> None:
    path = write(folder, "file,emotion,speaker,gender\nsub/c.flac,Fear,02,M\na.wav,joy,01,female\n")
    corpus = read_manifest(path)
    assert rows(corpus, "path", "emotion", "speaker", "gender", "channel", "corpus", "statement") == [
        (str(folder / "a.wav"), "happy", "calls-01", "female", "speech", "calls", ""),
        (str(folder / "sub/c.flac"), "fearful", "calls-02", "male", "speech", "calls", ""),
    ]
    assert (corpus.name, corpus.rejected) == ("calls", ())


def test_optional_columns_any_order_and_unknown_ones(folder: Path) -> None:
    text = (
        "Age,Language,Emotion,File,Channel,Statement,Intensity,Corpus,Speaker\n30,EN,sad,a.wav,song,Hello,Strong,x,7\n"
    )
    corpus = read_manifest(write(folder, text))
    assert rows(corpus, "emotion", "channel", "statement", "intensity", "corpus", "speaker", "language") == [
        ("sad", "song", "Hello", "strong", "x", "x-7", "en")
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_separators_quotes_and_byte_order_mark(folder: Path, separator: str, encoding: str) -> None:
    lines = [["file", "emotion", "statement"], ["a.wav", "sad", '"a, b; c\td"'], ["", "", ""]]
    path = write(folder, "\r\n".join(separator.join(line) for line in lines), encoding=encoding)
    assert rows(read_manifest(path), "emotion", "statement") == [("sad", "a, b; c\td")]


def test_without_speakers_the_speaker_is_unknown(folder: Path) -> None:
    corpus = read_manifest(write(folder, "file,emotion\na.wav,sad\nb.wav,happy\n"))
    assert rows(corpus, "speaker", "gender") == [("", ""), ("", "")]
    assert (corpus.speakers, corpus.unknown_speakers) == ((), 2)


def test_audformat_segments_in_both_notations(folder: Path) -> None:
    text = (
        "file,start,end,emotion\n"
        "b.wav,1.5,2,anger\n"
        "a.wav,0 days 00:00:01,0 days 00:00:02.500000,happiness\n"
        "a.wav,0 days 00:00:00,0 days 00:00:01,neutral\n"
        "sub/c.flac,0,NaT,sad\n"
        "sub/c.flac,00:01:00.25,,sad\n"
    )
    corpus = read_manifest(write(folder, text))
    whole = corpus.table.fillna({"end_s": -1.0})
    assert list(whole[["start_s", "end_s", "emotion"]].itertuples(index=False, name=None)) == [
        (0.0, 1.0, "neutral"),
        (1.0, 2.5, "happy"),
        (1.5, 2.0, "angry"),
        (0.0, -1.0, "sad"),
        (60.25, -1.0, "sad"),
    ]
    assert corpus.rejected == ()


def test_order_does_not_depend_on_the_table_s(folder: Path) -> None:
    lines = ["a.wav,0,,sad", "a.wav,0,2,happy", "a.wav,0,1,angry", "a.wav,1,,sad", "a.wav,0.5,,neutral"]
    for start in range(5):
        text = "\n".join(["file,start,end,emotion", *lines[start:], *lines[:start]])
        corpus = read_manifest(write(folder, text))
        assert list(corpus.table["emotion"]) == ["angry", "happy", "sad", "neutral", "sad"]


def test_audformat_parquet_with_its_index(folder: Path) -> None:
    index = pd.MultiIndex.from_arrays(
        [["b.wav", "a.wav"], pd.to_timedelta([0, 0.5], unit="s"), pd.to_timedelta([1.25, None], unit="s")],
        names=["file", "start", "end"],
    )
    frame = pd.DataFrame({"emotion": pd.Categorical(["fear", "anger"]), "speaker": ["x", None]}, index=index)
    frame.to_parquet(folder / "db.emotion.parquet")
    table = read_manifest(folder / "db.emotion.parquet").table.fillna({"end_s": -1.0})
    assert list(table[["start_s", "end_s", "emotion", "speaker"]].itertuples(index=False, name=None)) == [
        (0.5, -1.0, "angry", ""),
        (0.0, 1.25, "fearful", "db.emotion-x"),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("b.wav,contempt,,,", "line 3: unknown emotion 'contempt'"),
        ("gone.wav,sad,,,", "line 3: no such file: "),
        (",sad,,,", "line 3: no file is named"),
        ("sub,sad,,,", "line 3: no such file: "),
        ("x" * 300 + ".wav,sad,,,", "line 3: File name too long: xxx"),
        ("a/" * 3000 + "a.wav,sad,,,", "line 3: File name too long: a/a"),
        ("b.wav,sad,girl,,", "line 3: gender 'girl'; expected female, male, or nothing"),
        ("b.wav,sad,,2,1", "line 3: segment from 2 s to 1 s; expected 0 <= start < end"),
        ("b.wav,sad,,-1,1", "line 3: segment from -1 s to 1 s"),
        ("b.wav,sad,,2,2", "line 3: segment from 2 s to 2 s; expected"),
        ("a.wav,angry,,,", "line 3: line 2 lists the same recording, as happy"),
        ("sub/../a.wav,happy,,0.0,NaT", "line 3: line 2 lists the same recording, as happy"),
    ],
)
def test_row_that_cannot_be_used_is_rejected_with_its_line(folder: Path, row: str, reason: str) -> None:
    corpus = read_manifest(write(folder, f"file,emotion,gender,start,end\na.wav,happy,,,\n{row}\n"))
    assert rows(corpus, "path", "emotion") == [(str(folder / "a.wav"), "happy")]
    assert [rejected.path for rejected in corpus.rejected] == [row.split(",")[0]]
    assert corpus.rejected[0].reason.startswith(reason)


def test_a_loop_of_links_costs_its_row_alone(folder: Path) -> None:
    (folder / "loop.wav").symlink_to("loop.wav")
    corpus = read_manifest(write(folder, "file,emotion\na.wav,happy\nloop.wav,sad\n"))
    assert len(corpus) == 1 and "symbolic links: loop.wav" in corpus.rejected[0].reason


def test_names_as_emotone_writes_them_in_csv_are_found(folder: Path) -> None:
    for name in ("-x.wav", "'-y.wav"):
        (folder / name).write_bytes(b"RIFF")
    corpus = read_manifest(write(folder, "file,emotion\n'-x.wav,happy\n-x.wav,sad\n'-y.wav,sad\n"))
    assert rows(corpus, "path", "emotion") == [(str(folder / "'-y.wav"), "sad"), (str(folder / "-x.wav"), "happy")]
    assert "line 2 lists the same recording" in corpus.rejected[0].reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,emotion\na.wav,sad\n", "has no column 'file', only path, emotion; expected file, emotion"),
        ("", "has no column 'file', only nothing"),
        ("file,emotion,Emotion\na.wav,sad,sad\n", "has the column 'emotion' twice"),
        ("file,emotion\na.wav,sad,very\n", "line 2 of .* has 3 cells, the header 2"),
        ('file,emotion\n"a.wav,sad\n', "can't be read as a table"),
        ("file,emotion\n", "lists no clip; expected a row for each below the header"),
        ("file,emotion\nx.wav,sad\n", "no row of .* can be used, 1 are rejected; first: 'x.wav', line 2: no such file"),
    ],
)
def test_table_that_cannot_be_used_is_an_error(folder: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_manifest(write(folder, text))


def test_times_of_every_kind_make_segments_or_stop_the_reading(folder: Path) -> None:
    corpus = read_manifest(write(folder, "file;begin;duration;emotion\na.wav;0,5;00:00:02,300;sad\nb.wav;;;happy\n"))
    assert corpus.table["start_s"].tolist() == [0.5, 0.0]
    assert corpus.table["end_s"].fillna(-1.0).tolist() == [pytest.approx(2.8), -1.0]
    for cell in ("soon", "inf", "00:00:61"):
        with pytest.raises(CorpusError, match=r"line 3 of .*calls.csv', column 'start': time .*; expected seconds"):
            read_manifest(write(folder, f"file,start,emotion\na.wav,1,sad\nb.wav,{cell},happy\n"))
    with pytest.raises(CorpusError, match="column 'onset_frames' .* looks like a time"):
        read_manifest(write(folder, "file,onset_frames,emotion\na.wav,1,sad\n"))


@pytest.mark.parametrize("column", ["audio_channel", "channel"])
def test_channels_of_a_recording_are_clips(folder: Path, column: str) -> None:
    rows = ["a.wav,sad,Left", "a.wav,happy,2.0", "a.wav,calm,Mix", "b.wav,sad,", "b.wav,sad,mix", "b.wav,sad,0"]
    corpus = read_manifest(write(folder, f"file,emotion,{column}\n" + "\n".join(rows)))
    assert corpus.table["emotion"].tolist() == ["calm", "sad", "happy", "sad"]
    assert corpus.table["audio_channel"].tolist() == ["", "1", "2", ""]
    assert set(corpus.table["channel"]) == {"speech"}
    twice, wrong = corpus.rejected
    assert twice.reason.startswith("line 6: line 5 lists the same recording")
    assert f"{column} is '0'" in wrong.reason or f"{column} '0'; expected speech, song, left, right" in wrong.reason


def test_a_mix_that_is_asked_for_and_channels_that_are_none(folder: Path) -> None:
    rows = [
        "a.wav,sad,left,mix",
        "b.wav,sad,nonsense,1",
        "a.wav,happy,,1e3",
        f"a.wav,happy,,{'9' * 5000}",
        "a.wav,happy,,२",
    ]
    corpus = read_manifest(write(folder, "file,emotion,channel,audio_channel\n" + "\n".join(rows)))
    assert corpus.table["audio_channel"].tolist() == [""]
    assert [clip.reason.partition(";")[0][:60] for clip in corpus.rejected] == [
        "line 3: channel 'nonsense'",
        "line 4: audio_channel is '1e3'",
        f"line 5: audio_channel is '{'9' * 34}",
        "line 6: audio_channel is '२'",
    ]


def test_a_song_can_be_on_a_channel(folder: Path) -> None:
    corpus = read_manifest(write(folder, "file,emotion,channel,audio_channel\na.wav,sad,song,right\n"))
    assert corpus.table.loc[0, ["channel", "audio_channel"]].tolist() == ["song", "2"]


def test_json_lines_and_utf_16(folder: Path) -> None:
    (folder / "ü.wav").write_bytes(b"RIFF")
    lines = ['{"file": "ü.wav", "emotion": "sad", "start": 0.5}', '{"file": "a.wav", "emotion": "joy", "end": "0:02"}']
    corpus = read_manifest(write(folder, "\n".join(lines), name="calls.jsonl"))
    assert rows(corpus, "emotion", "start_s") == [("happy", 0.0), ("sad", 0.5)]
    text = "file\temotion\nü.wav\tsad\n"
    assert rows(read_manifest(write(folder, text, name="x.txt", encoding="utf-16")), "path") == [
        (str(folder / "ü.wav"),)
    ]


def test_files_can_be_relative_to_the_data_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write(tmp_path_factory.mktemp("tables"), "file,emotion\nsub/c.flac,sad\n")
    assert rows(load(path, folder), "path") == [(str(folder / "sub/c.flac"),)]
    with pytest.raises(CorpusError, match="no such file: sub/c.flac"):
        read_manifest(path)


def test_own_words_and_own_classes(folder: Path) -> None:
    path = write(folder, "file,emotion\na.wav,Gioia\nb.wav,STRESSED\nsub/c.flac,sad\n")
    corpus = read_manifest(path, Vocabulary({"gioia": "joy"}, classes=("stressed",)))
    assert rows(corpus, "emotion") == [("happy",), ("stressed",), ("sad",)]
    assert corpus.emotions == ("happy", "sad", "stressed")
    corpus = read_manifest(path)
    assert count_groups(corpus.rejected) == [
        {"reason": "labelled 'Gioia' (not in the vocabulary; if it means happy: --labels happy=Gioia)", "clips": 1},
        {"reason": "labelled 'STRESSED' (not in the vocabulary; see --labels)", "clips": 1},
    ]
    assert "map it with --labels EMOTION=STRESSED, or name it in --emotions" in corpus.rejected[1].reason
    path = write(folder, "file,emotion\na.wav,Gioia\nb.wav,\nx.wav,sad\n")
    left_out = "Left out 3 clips: 1 labelled 'Gioia' .*, 1 whose file is missing, 1 without an emotion"
    with pytest.raises(CorpusError, match=left_out):
        read_manifest(path)


def test_labels_that_are_numbers_are_an_error_that_says_first_what_to_do(folder: Path) -> None:
    path = write(folder, "file,emotion\na.wav,0\nb.wav,1\nsub/c.flac,1\n")
    message = (
        r"^no label of '.*' is an emotion that Emotone knows\. "
        r"Left out 3 clips: 2 labelled '1' .*, 1 labelled '0' .*\. "
        r"Say what your labels mean: --labels EMOTION=1 --labels EMOTION=0, where EMOTION is neutral, calm"
    )
    with pytest.raises(CorpusError, match=message):
        read_manifest(path)
    assert rows(read_manifest(path, Vocabulary({"0": "happy", "1": "sad"})), "emotion") == [
        ("happy",), ("sad",), ("sad",)
    ]  # fmt: skip


def test_folder_without_recordings_names_its_tables(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "data"
    (empty / "train").mkdir(parents=True)
    with pytest.raises(CorpusError, match=r"data' holds no recording; expected folders such as happy/"):
        load(empty)
    table = pd.DataFrame({"file": [str(folder / "a.wav")], "emotion": ["sad"]})
    table.to_parquet(empty / "train" / "0.parquet")
    (empty / "README.txt").write_text("no table")
    message = r"data' holds no recording, but a table; name the table itself, such as '(.*/train/0\.parquet)'$"
    with pytest.raises(CorpusError, match=message) as error:
        load(empty)
    assert len(load(re.search(message, str(error.value))[1])) == 1
    table.to_csv(empty / "all.csv")
    with pytest.raises(CorpusError, match=r"but 2 tables; name the table itself, such as '.*/data/all\.csv'"):
        load(empty)


@pytest.mark.parametrize("cell", [{"bytes": b"RIFF", "path": "a.wav"}, b"RIFF"], ids=["hub", "bytes"])
def test_parquet_with_the_sound_in_it_is_an_error_that_says_so(tmp_path: Path, cell: object) -> None:
    table = pd.DataFrame({"audio": [cell], "label": [0]})
    table.to_parquet(tmp_path / "train.parquet")
    message = (
        r"train\.parquet' holds the recordings themselves, in its column 'audio', .* docs/how-to/ecosystem\.md has"
    )
    for name in ("train.parquet", str(tmp_path)):
        with pytest.raises(CorpusError, match=message):
            load([name], tmp_path)
    table.assign(file="x.wav", emotion="sad").to_parquet(tmp_path / "named.parquet")
    with pytest.raises(CorpusError, match="no such file: x.wav"):
        load(["named.parquet"], tmp_path)


def test_other_files_are_no_tables(folder: Path) -> None:
    with pytest.raises(CorpusError, match=r"a.wav' is no table; expected .csv, .tsv, .txt, .jsonl"):
        load(["a.wav"], folder)
    (folder / "latin.csv").write_bytes("file,emotion,statement\na.wav,sad,é\n".encode("latin-1"))
    with pytest.raises(CorpusError, match="expected UTF-8 with a header.*save it as UTF-8"):
        load(["latin.csv"], folder)
    (folder / "no.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorpusError, match=r"no.parquet' can't be read as a table"):
        load(["no.parquet"], folder)


def test_a_corpus_written_as_a_manifest_reads_back(folder: Path) -> None:
    text = "file,emotion,speaker,gender,start,end\na.wav,sad,1,f,0.5,1\nb.wav,happy,2,m,,\n"
    corpus = read_manifest(write(folder, text))
    renamed = corpus.table.rename(columns={"path": "file", "start_s": "start", "end_s": "end"})
    renamed.to_csv(folder / "copy.csv", index=False)
    pd.testing.assert_frame_equal(read_manifest(folder / "copy.csv").table, corpus.table)


def test_folder_per_class(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    for name in (
        "Fear/x.WAV",
        "train/angry/x.wav",
        "angry/anna/x.wav",
        "Pleasant surprise/y.mp3",
        "misc/z.wav",
        "w.ogg",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"RIFF")
    corpus = load("mine", tmp_path)
    assert rows(corpus, "path", "emotion", "speaker", "corpus") == [
        (str(root / "Fear/x.WAV"), "fearful", "", "mine"),
        (str(root / "Pleasant surprise/y.mp3"), "surprised", "", "mine"),
        (str(root / "angry/anna/x.wav"), "angry", "", "mine"),
        (str(root / "train/angry/x.wav"), "angry", "", "mine"),
    ]
    assert corpus.unknown_speakers == 4
    assert [rejected.path for rejected in corpus.rejected] == ["misc/z.wav", "w.ogg"]
    pd.testing.assert_frame_equal(load([str(root)], root / "misc").table, corpus.table)


def test_folder_without_classes_hints_at_the_named_corpora(tmp_path: Path) -> None:
    (tmp_path / "Actor_01").mkdir()
    (tmp_path / "Actor_01/03-01-01-01-01-01-01.wav").write_bytes(b"RIFF")
    with pytest.raises(
        CorpusError,
        match=r"folder named by an emotion \(1 do not fit; first: .*'Actor_01'.*\).*by its name, such as 'ravdess'",
    ):
        read_folder_per_class(tmp_path)
