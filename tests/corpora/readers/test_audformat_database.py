"""Databases of audformat, as the library writes them."""

import os
import sys
from pathlib import Path

import audformat
import numpy as np
import pandas as pd
import pytest

from emotone.corpora import count_groups, load
from emotone.corpora.readers.audformat_database import read_database
from emotone.emotions import Vocabulary
from emotone.errors import CorpusError, MissingExtraError, ProtocolError
from emotone.protocols import build
from support.corpus_files import plant, rows

FILES = ("wav/a.wav", "wav/b.wav", "wav/c.wav")


def database(folder: Path, *, name: str = "voices", **arguments: object) -> audformat.Database:
    """Make a database without tables, whose recordings are in the folder."""
    plant(folder, *FILES)
    return audformat.Database(name, **arguments)


def add(made: audformat.Database, table: str, index: pd.Index, **columns: list) -> None:
    """Add a table whose columns have the schemes of the same names, if there are such."""
    made[table] = audformat.Table(index)
    for column, values in columns.items():
        scheme = column if column in made.schemes else None
        made[table][column] = audformat.Column(scheme_id=scheme)
        made[table][column].set(values)


@pytest.fixture(params=["csv", "parquet"])
def voices(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database as audb's EMO-DB is: emotions in a table, speakers in another, what is known of them in a scheme."""
    folder = tmp_path / "voices"
    made = database(folder, languages=["deu"])
    made.schemes["emotion"] = audformat.Scheme(labels=["anger", "happiness", "neutral"])
    people = {3: {"gender": "male", "age": 31}, 8: {"gender": "female", "age": 34}}
    made.schemes["speaker"] = audformat.Scheme(labels=people)
    made.schemes["transcription"] = audformat.Scheme(labels={"a01": "Der Lappen", "b02": "Das will sie"})
    files = audformat.filewise_index(list(FILES))
    add(made, "emotion", files, emotion=["anger", "happiness", "neutral"], confidence=[0.9, 1.0, 0.8])
    add(made, "files", files, speaker=[3, 8, 8], transcription=["a01", "b02", "a01"])
    made.save(str(folder), storage_format=request.param)
    return folder


def test_emotions_speakers_and_what_is_known_of_them(voices: Path) -> None:
    corpus = load(voices)
    assert (corpus.name, corpus.rejected) == ("voices", ())
    columns = ("path", "emotion", "speaker", "gender", "statement", "corpus", "language", "channel")
    assert rows(corpus, *columns) == [
        (str(voices / "wav/a.wav"), "angry", "voices-3", "male", "a01", "voices", "de", "speech"),
        (str(voices / "wav/b.wav"), "happy", "voices-8", "female", "b02", "voices", "de", "speech"),
        (str(voices / "wav/c.wav"), "neutral", "voices-8", "female", "a01", "voices", "de", "speech"),
    ]
    assert corpus.table["end_s"].isna().all()


def test_the_header_names_the_whole_database_and_data_the_folder_above(voices: Path) -> None:
    for corpus in (load(voices / "db.yaml"), load("voices", voices.parent), load(str(voices), voices)):
        pd.testing.assert_frame_equal(corpus.table, load(voices).table)


def test_segments_have_the_speaker_of_their_file(tmp_path: Path) -> None:
    made = database(tmp_path)
    segments = audformat.segmented_index(["wav/a.wav", "wav/a.wav", "wav/b.wav"], [0, 1.5, 0.25], [1.5, pd.NaT, 2])
    add(made, "turns", segments, emotion=["sad", "fear", None], intensity=["Strong", "", None])
    add(made, "files", audformat.filewise_index(["wav/a.wav"]), speaker=["anna"])
    made.save(str(tmp_path), storage_format="csv")
    corpus = load(tmp_path)
    table = corpus.table.fillna({"end_s": -1.0})
    assert table[["start_s", "end_s", "emotion", "speaker", "intensity"]].to_numpy().tolist() == [
        [0.0, 1.5, "sad", "voices-anna", "strong"],
        [1.5, -1.0, "fearful", "voices-anna", ""],
    ]
    assert [(item.path, item.reason) for item in corpus.rejected] == [("wav/b.wav", "the emotion is missing")]


def test_speakers_in_a_misc_table_and_emotions_by_code(tmp_path: Path) -> None:
    made = database(tmp_path, languages=["deu", "eng"])
    made["speaker"] = audformat.MiscTable(pd.Index(["x", "y"], dtype="string", name="speaker"))
    for column, values in (("gender", ["female", "male"]), ("language", ["deu", "eng"])):
        made["speaker"][column] = audformat.Column()
        made["speaker"][column].set(values)
    made.schemes["speaker"] = audformat.Scheme("str", labels="speaker")
    made.schemes["emotion"] = audformat.Scheme(labels={"W": "anger", "F": "happiness"})
    index = audformat.filewise_index(["wav/a.wav", "wav/b.wav"])
    add(made, "emotion.test", index, emotion=["W", "F"], speaker=["x", "y"])
    made.save(str(tmp_path))
    assert rows(load(tmp_path), "emotion", "speaker", "gender", "language") == [
        ("angry", "voices-x", "female", "de"),
        ("happy", "voices-y", "male", "en"),
    ]


def test_without_speakers_only_a_random_protocol_can_be_built(tmp_path: Path) -> None:
    made = database(tmp_path)
    add(made, "emotion", audformat.filewise_index(list(FILES)), emotion=["sad", "joy", "joy"])
    made.save(str(tmp_path))
    corpus = load(tmp_path)
    assert (corpus.speakers, corpus.unknown_speakers) == ((), 3)
    with pytest.raises(ProtocolError, match="no speaker.*column 'speaker'.*audformat.*random protocol"):
        build("speaker-5fold", corpus, seed=0)


def test_words_of_other_languages_are_mapped_as_those_of_a_manifest(tmp_path: Path) -> None:
    made = database(tmp_path)
    add(made, "emotion", audformat.filewise_index(list(FILES)), emotion=["Freude", "sad", "stressed"])
    made.save(str(tmp_path))
    assert rows(load(tmp_path), "emotion") == [("sad",)]
    assert "if it means happy: --labels happy=Freude" in count_groups(load(tmp_path).rejected)[0]["reason"]
    corpus = read_database(tmp_path, Vocabulary({"Freude": "happy"}, ("stressed",)))
    assert rows(corpus, "emotion") == [("happy",), ("sad",), ("stressed",)]


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    """A database that holds what was intended and what was perceived, each in parts."""
    made = database(tmp_path)
    for part, file in (("train", "wav/a.wav"), ("test", "wav/b.wav")):
        index = audformat.filewise_index([file])
        add(made, f"desired.{part}", index, emotion=["fear"])
        add(made, f"votes.{part}", index, emotion=["sad"])
    add(made, "files", audformat.filewise_index(list(FILES)), speaker=["anna", "ben", "ben"])
    made.save(str(tmp_path), storage_format="csv")
    return tmp_path


def test_two_emotions_of_a_clip_are_an_error_that_names_the_tables(rated: Path) -> None:
    finding = r"'wav/b.wav' is fear in desired.test \(emotion\), and sad in votes.test \(emotion\). Name the tables"
    with pytest.raises(CorpusError, match=finding) as error:
        load(rated)
    assert "db.desired.test' (* is any text); with emotions: desired.test, desired.train, vote" in str(error.value)


@pytest.mark.parametrize(
    ("name", "emotions"),
    [
        ("db.desired", ["fearful", "fearful"]),
        ("db.votes.*", ["sad", "sad"]),
        ("db.*.test", ["sad"]),
        ("db.votes.train", ["sad"]),
        ("db.votes.train.csv", ["sad"]),
    ],
)
def test_a_path_names_some_tables(rated: Path, name: str, emotions: list[str]) -> None:
    if name == "db.*.test":
        with pytest.raises(CorpusError, match="is fear in desired.test"):
            load(rated / name)
        return
    corpus = load(rated / name)
    assert corpus.table["emotion"].tolist() == emotions
    assert corpus.name == "voices" and corpus.speakers[0] == "voices-anna"  # of another table


def test_a_path_that_names_no_table_lists_them(rated: Path) -> None:
    for name in ("db.vote", "db.files.csv"):
        with pytest.raises(CorpusError, match="no such table with emotions .* it has: desired.test, desired.train"):
            load(rated / name)


def test_emotions_of_files_and_of_segments_are_not_mixed(tmp_path: Path) -> None:
    made = database(tmp_path)
    add(made, "whole", audformat.filewise_index(["wav/a.wav"]), emotion=["sad"])
    add(made, "turns", audformat.segmented_index(["wav/a.wav"], [1], [2]), emotion=["sad"])
    made.save(str(tmp_path))
    with pytest.raises(CorpusError, match="some tables with emotions are filewise and others segmented"):
        load(tmp_path)
    assert load(tmp_path / "db.turns").table["start_s"].tolist() == [1.0]


def test_a_database_without_emotions_lists_its_schemes(tmp_path: Path) -> None:
    made = database(tmp_path)
    made.schemes["arousal"] = audformat.Scheme("float")
    add(made, "files", audformat.filewise_index(["wav/a.wav"]), arousal=[0.5])
    made.save(str(tmp_path))
    with pytest.raises(CorpusError, match="no scheme or column 'emotion' in a table; its schemes: arousal; rename"):
        load(tmp_path)


def test_two_speakers_of_a_clip_are_an_error(tmp_path: Path) -> None:
    made = database(tmp_path)
    index = audformat.filewise_index(["wav/a.wav"])
    add(made, "emotion", index, emotion=["sad"], speaker=["anna"])
    add(made, "files", index, speaker=["ben"])
    made.save(str(tmp_path))
    with pytest.raises(CorpusError, match="speakers of the audformat database .* can't be read: .* anna ben; expected"):
        load(tmp_path)


def test_a_missing_recording_costs_its_row_alone(voices: Path) -> None:
    (voices / "wav/b.wav").unlink()
    corpus = load(voices)
    assert len(corpus) == 2
    assert count_groups(corpus.rejected) == [{"reason": "whose file is missing", "clips": 1}]


def test_a_channel_may_be_of_the_recording_or_a_song(tmp_path: Path) -> None:
    made = database(tmp_path)
    index = audformat.filewise_index(["wav/a.wav", "wav/b.wav", "wav/c.wav"])
    add(made, "emotion", index, emotion=["sad", "joy", "fear"], channel=["left", "song", "telephone"])
    made.save(str(tmp_path))
    read = rows(load(tmp_path, channel="all"), "emotion", "channel", "audio_channel")
    assert read == [("sad", "speech", "1"), ("happy", "song", ""), ("fearful", "speech", "")]


def test_two_channels_of_a_clip_are_an_error(tmp_path: Path) -> None:
    """Without one, the sound would be another."""
    made = database(tmp_path)
    index = audformat.filewise_index(["wav/a.wav"])
    add(made, "emotion", index, emotion=["sad"], audio_channel=["left"])
    add(made, "files", index, audio_channel=["right"])
    made.save(str(tmp_path))
    with pytest.raises(CorpusError, match="channels of the recordings of the audformat database .* can't be read"):
        load(tmp_path)


class Runs:
    """What runs a command when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_no_code_of_a_database_is_run(voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    monkeypatch.chdir(tmp_path)
    (voices / "db.emotion.pkl").write_bytes(pickle.dumps(Runs()))
    assert len(load(voices)) == 3
    header = (voices / "db.yaml").read_text()
    (voices / "db.yaml").write_text(header + "meta: !!python/object/apply:os.mkdir [ran]\n")
    with pytest.raises(CorpusError, match="can't be read as an audformat database: could not determine a constructor"):
        load(voices)
    assert not Path("ran").exists()


def test_a_table_that_is_only_pickled_is_not_read(voices: Path) -> None:
    audformat.Database.load(str(voices)).save(str(voices), storage_format="pkl")
    for path in [*voices.glob("db.emotion.csv"), *voices.glob("db.emotion.parquet")]:
        path.unlink()
    with pytest.raises(CorpusError, match=r"has no db.emotion.parquet or db.emotion.csv, .*storage_format='csv'"):
        load(voices)


@pytest.mark.parametrize("text", ["", "[]", "name: x", "{", "name: x\nsource: ''\nusage: other\ntables: {emotion: 3}"])
def test_a_header_that_is_wrong_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "db.yaml").write_text(text)
    with pytest.raises(CorpusError, match=r"can't be read as an audformat database|has no scheme or column 'emotion'"):
        load(tmp_path)


def test_without_audformat_the_extra_is_named(voices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "audformat", None)
    with pytest.raises(MissingExtraError, match="the audformat database .* needs the extra 'audformat'"):
        load(voices)


def test_labels_that_are_numbers_are_texts(tmp_path: Path) -> None:
    made = database(tmp_path)
    made.schemes["emotion"] = audformat.Scheme("int", labels=[0, 1])
    add(made, "emotion", audformat.filewise_index(["wav/a.wav", "wav/b.wav"]), emotion=np.array([0, 1]).tolist())
    made.save(str(tmp_path))
    assert rows(load(tmp_path, labels={"0": "sad", "1": "happy"}), "emotion") == [("sad",), ("happy",)]


def bomb(key: str) -> str:
    """A short header with a value of a billion parts, by names for parts of it."""
    names = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    return f"meta:\n  a0: &a0 [{', '.join('x' * 9)}]\n{names}{key}: *a9\n"


@pytest.mark.parametrize(
    "header",
    [
        bomb("name"),
        "name: x\n" + bomb("usage"),
        "name: x\njunk: [" + "{}," * 400_000 + "]",
        "name: x\njunk: " + "[" * 20_000,
        "name: &a [*a]",
    ],
    ids=["bomb", "bomb in another field", "wide", "deep", "within itself"],
)
def test_a_header_that_grows_or_never_ends_is_refused_at_once(tmp_path: Path, header: str) -> None:
    (tmp_path / "db.yaml").write_text(header)
    with pytest.raises(CorpusError, match="more than 300,000 parts or 64 levels"):
        read_database(tmp_path)


@pytest.mark.parametrize("header", ["name: [x]", "[]", "usage: research", "name: 3"])
def test_a_header_without_a_name_is_refused(tmp_path: Path, header: str) -> None:
    (tmp_path / "db.yaml").write_text(header)
    with pytest.raises(CorpusError, match="has no name that is a text"):
        read_database(tmp_path)


def test_parts_of_a_header_may_have_names(voices: Path) -> None:
    header = (voices / "db.yaml").read_text()
    (voices / "db.yaml").write_text("meta: {first: &one [a, b], second: *one}\n" + header)
    assert len(load(voices).table) == 3


def test_tables_without_anything_that_is_read_may_hold_lists(tmp_path: Path) -> None:
    made = database(tmp_path)
    made.schemes["emotion"] = audformat.Scheme(labels=["anger"])
    made.schemes["embedding"] = audformat.Scheme("object")
    files = audformat.filewise_index(list(FILES))
    add(made, "emotion", files, emotion=["anger"] * 3)
    add(made, "vectors", files, embedding=[[1.0, 2.0]] * 3)
    made.save(str(tmp_path), storage_format="parquet")
    assert len(read_database(tmp_path)) == 3
