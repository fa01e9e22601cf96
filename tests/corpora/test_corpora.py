"""The table, `load`, and duplicates."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotone import audio
from emotone.corpora import COLUMNS, Corpus, Rejected, content_digests, find_duplicates, load
from emotone.errors import AudioError, CorpusError

EMOTIONS = ("happy", "neutral", "sad", "happy", "angry")


def table(n: int = 5, **columns: object) -> pd.DataFrame:
    """Make a table of n clips by two speakers; ``columns`` replace whole columns."""
    cells: dict[str, object] = {
        "path": [f"/data/{row}.wav" for row in range(n)],
        "start_s": 0.0,
        "end_s": float("nan"),
        "emotion": [EMOTIONS[row % 5] for row in range(n)],
        "speaker": [f"mini-{row % 2}" for row in range(n)],
        "gender": [("female", "male")[row % 2] for row in range(n)],
        "intensity": "",
        "statement": "kids",
        "channel": ["speech"] * (n - 1) + ["song"],
        "corpus": "mini",
        "language": "en",
    }
    return pd.DataFrame(cells | columns)


def test_columns_order_and_index_are_fixed() -> None:
    shuffled = table().loc[[3, 1, 2], list(reversed(COLUMNS))]
    corpus = Corpus(shuffled, "mini")
    assert tuple(corpus.table.columns) == COLUMNS
    assert list(corpus.table.index) == [0, 1, 2]
    assert list(corpus.table["path"]) == ["/data/3.wav", "/data/1.wav", "/data/2.wav"]
    assert corpus.table["end_s"].dtype == np.float64


def test_summary_properties() -> None:
    corpus = Corpus(table(speaker=["b", "", "a", "b", ""]), "mini", [Rejected("x.wav", "why")])
    assert corpus.emotions == ("neutral", "happy", "sad", "angry")
    assert (corpus.speakers, corpus.unknown_speakers, len(corpus)) == (("a", "b"), 2, 5)
    assert repr(corpus) == "Corpus('mini': 5 clips, 2 speakers, neutral, happy, sad, angry, 1 rejected)"


def test_nothing_in_a_corpus_can_be_changed() -> None:
    given = table()
    corpus = Corpus(given, "mini")
    before = Corpus(table(), "mini").table
    given.loc[0, "emotion"] = "sad"
    del given["statement"]
    taken = corpus.table
    taken.loc[:, "emotion"] = "disgust"
    del taken["path"]
    column = corpus.table["statement"]
    column.iloc[0] = "dogs"
    pd.testing.assert_frame_equal(corpus.table, before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        corpus.name = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        corpus.table = given  # type: ignore[misc]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"emotion": "joy"}, "emotion 'joy'; expected one of 'neutral'"),
        ({"gender": "f"}, "gender 'f'; expected one of 'female', 'male', ''"),
        ({"channel": "all"}, "channel 'all'; expected one of 'speech', 'song'"),
        ({"speaker": None}, "has a speaker that is not a text"),
        ({"speaker": 1}, "has a speaker that is not a text"),
        ({"start_s": -1.0}, "negative start_s"),
        ({"start_s": float("nan")}, "missing or negative start_s"),
        ({"start_s": 2.0, "end_s": 2.0}, "end_s is not after its start_s"),
        ({"age": 30}, r"unknown columns \['age'\]"),
    ],
)
def test_bad_tables_are_refused(columns: dict[str, object], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        Corpus(table(**columns), "mini")


def test_missing_column_is_named() -> None:
    with pytest.raises(CorpusError, match=r"lacks the columns \['speaker'\]"):
        Corpus(table().drop(columns="speaker"), "mini")


def test_only_keeps_order_and_takes_aliases() -> None:
    corpus = Corpus(table(), "mini")
    kept = corpus.only(emotions=["anger", "Happiness"])
    assert list(kept.table["path"]) == ["/data/0.wav", "/data/3.wav", "/data/4.wav"]
    assert list(kept.table.index) == [0, 1, 2]
    assert kept.emotions == ("happy", "angry")
    assert len(corpus.only(channel="song")) == 1
    assert len(corpus.only(channel="all")) == len(corpus.only()) == len(corpus) == 5


def test_only_refuses_what_is_not_there() -> None:
    corpus = Corpus(table(), "mini")
    with pytest.raises(CorpusError, match="mini has no clip of emotion 'boredom'; it has: angry, happy, neutral, sad"):
        corpus.only(emotions=["happy", "boredom"])
    with pytest.raises(CorpusError, match="has no clip of emotion 'angry'"):  # the angry clip is sung
        corpus.only(emotions=["angry"], channel="speech")
    with pytest.raises(CorpusError, match="unknown emotion 'hapy'"):
        corpus.only(emotions=["hapy"])
    with pytest.raises(CorpusError, match="expected several names"):
        corpus.only(emotions="happy")
    with pytest.raises(CorpusError, match="no emotion is asked for"):
        corpus.only(emotions=[])


def test_union_has_one_vocabulary_and_both_lists_of_rejected() -> None:
    one = Corpus(table(2), "one", [Rejected("a", "b")])
    two = Corpus(table(3, corpus="two", emotion="fearful"), "two", [Rejected("c", "d")])
    union = Corpus.union([two, one])
    assert (union.name, len(union), union.emotions) == ("two+one", 5, ("neutral", "happy", "fearful"))
    assert list(union.table["corpus"]) == ["two"] * 3 + ["mini"] * 2
    assert union.rejected == (Rejected("c", "d"), Rejected("a", "b"))


def test_union_of_equal_names_would_merge_speakers() -> None:
    with pytest.raises(CorpusError, match="two corpora are called 'mini'"):
        Corpus.union([Corpus(table(), "a"), Corpus(table(), "b")])
    with pytest.raises(CorpusError, match="a union of no corpora"):
        Corpus.union([])


def plant(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"RIFF")


@pytest.mark.parametrize("folder", ["emodb", "EmoDB", "EMO-DB", "emo_db", "."])
@pytest.mark.parametrize("name", ["emodb", "EMO-DB"])
def test_data_holds_the_corpus_by_name_or_is_it(tmp_path: Path, folder: str, name: str) -> None:
    plant(tmp_path / folder, "wav/03a01Wa.wav")
    corpus = load([name], tmp_path)
    assert (corpus.name, list(corpus.table["path"])) == ("emodb", [str(tmp_path / folder / "wav/03a01Wa.wav")])


def test_the_folder_of_the_exact_name_comes_first(tmp_path: Path) -> None:
    plant(tmp_path, "emodb/03a01Wa.wav", "EMO-DB/03a01Fa.wav", "03a01Na.wav")
    assert load(["emodb"], tmp_path).emotions == ("angry",)


def test_rows_are_sorted_by_path_whatever_the_order_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path / "emodb", *(f"{folder}/{n:02}a01Wa.wav" for folder, n in [("b", 3), ("B", 8), ("a", 16), ("a", 9)]))
    plain = [Path(path).name for path in load(["emodb"], tmp_path).table["path"]]
    assert plain == ["08a01Wa.wav", "09a01Wa.wav", "16a01Wa.wav", "03a01Wa.wav"]
    walk = os.walk

    def backwards(*args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        for folder, subfolders, files in walk(*args, **kwargs):  # type: ignore[call-overload]
            subfolders.reverse()
            yield folder, subfolders, files[::-1]

    monkeypatch.setattr(os, "walk", backwards)
    assert [Path(path).name for path in load(["emodb"], tmp_path).table["path"]] == plain


def test_relative_data_folder_gives_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path / "emodb", "03a01Wa.wav")
    monkeypatch.chdir(tmp_path)
    assert list(load(["emodb"], Path(".")).table["path"]) == [str(tmp_path / "emodb/03a01Wa.wav")]


def test_links_are_followed_and_a_circle_of_them_ends(tmp_path: Path) -> None:
    plant(tmp_path, "elsewhere/03a01Wa.wav", "data/emodb/03a01Fa.wav")
    (tmp_path / "data/emodb/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/emodb/circle").symlink_to(tmp_path / "data/emodb")
    corpus = load(["emodb"], tmp_path / "data")
    assert [Path(path).name for path in corpus.table["path"]] == ["03a01Fa.wav", "03a01Wa.wav"]
    assert corpus.rejected == ()


def test_several_corpora_and_a_manifest_make_one(tmp_path: Path) -> None:
    plant(tmp_path, "emodb/03a01Wa.wav", "emodb/03a01La.wav", "tess/OAF_back_ps.wav", "calls/x.wav")
    (tmp_path / "calls/calls.csv").write_text("file,emotion,speaker,gender\nx.wav,joy,anna,f\n")
    corpus = load(["tess", "emodb", "calls/calls.csv"], tmp_path)
    assert corpus.name == "tess+emodb+calls"
    assert corpus.emotions == ("happy", "angry", "surprised", "boredom")
    assert corpus.speakers == ("calls-anna", "emodb-03", "tess-OAF")
    # An emotion that only one of them has may be asked for; one that none has may not.
    assert len(load(["tess", "emodb"], tmp_path, emotions=["boredom", "ps"])) == 2
    with pytest.raises(CorpusError, match="has no clip of emotion 'calm'"):
        load(["tess", "emodb"], tmp_path, emotions=["calm", "ps"])
    with pytest.raises(CorpusError, match="two corpora are called 'emodb'"):
        load(["emodb", "EMO-DB"], tmp_path)


def test_missing_corpus_says_where_what_and_how(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        load(["ravdess"], tmp_path)
    text = str(caught.value)
    assert f"no clip of ravdess in '{tmp_path}'" in text
    assert "there is no recording" in text
    assert "03-01-05-02-01-01-01.wav" in text
    assert f"emotone fetch ravdess --to {tmp_path}" in text
    (tmp_path / "tess.zip").write_bytes(b"")
    plant(tmp_path, "talk.wav")
    with pytest.raises(CorpusError, match=r"1 recordings do not fit \(talk.wav: .*unpack tess.zip.*CC BY-NC-ND 4.0"):
        load(["tess"], tmp_path)
    with pytest.raises(CorpusError, match="no folder '.*absent' to read emodb from"):
        load(["emodb"], tmp_path / "absent")


def test_unknown_corpus_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"unknown corpus 'ravdes': .*ravdess, tess, nemo.*did you mean 'ravdess'\?"):
        load(["ravdes"], tmp_path)
    with pytest.raises(CorpusError, match="no corpus is named"):
        load([], tmp_path)


@pytest.fixture
def recordings(tmp_path: Path, make_voice: Callable[..., np.ndarray]) -> Path:
    """A manifest of five clips: 0 and 3 sound alike in two containers, 1 and 4 are the same half second of one file."""
    soundfile = pytest.importorskip("soundfile")
    first, second = make_voice(seed=1), make_voice(seed=2, pitch_hz=200)
    soundfile.write(tmp_path / "a.wav", first, 16_000, subtype="PCM_16")
    soundfile.write(tmp_path / "d.flac", soundfile.read(tmp_path / "a.wav")[0], 16_000, subtype="PCM_16")
    soundfile.write(tmp_path / "b.wav", second, 16_000, subtype="PCM_16")
    soundfile.write(tmp_path / "e.wav", second[4000:12000], 16_000, subtype="PCM_16")
    path = tmp_path / "clips.csv"
    path.write_text(
        "file,start,end,emotion\na.wav,,,sad\nb.wav,0.25,0.75,sad\nb.wav,0.5,,happy\nd.flac,,,sad\ne.wav,,,happy\n"
    )
    return path


def test_duplicates_are_found_by_sound(recordings: Path) -> None:
    corpus = load([str(recordings)], recordings.parent)
    told: list[tuple[int, int, str]] = []
    digests = content_digests(corpus, progress=lambda done, total, what: told.append((done, total, what)))
    assert find_duplicates(corpus, digests) == ((0, 3), (1, 4))
    assert [(done, total) for done, total, _ in told] == [(done, 5) for done in range(1, 6)]
    assert content_digests(corpus, workers=1) == digests


def test_silence_around_a_voice_makes_another_recording(recordings: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    voice, rate = soundfile.read(recordings.parent / "a.wav")
    for name, n_silent in (("a.wav", 8000), ("d.flac", 16_000)):
        soundfile.write(recordings.parent / name, np.concatenate([np.zeros(n_silent), voice]), rate, subtype="PCM_16")
    corpus = load([str(recordings)], recordings.parent)
    assert find_duplicates(corpus, content_digests(corpus)) == ((1, 4),)


def test_groups_come_in_order_of_their_first_row() -> None:
    corpus = Corpus(table(), "mini")
    assert find_duplicates(corpus, list("abcba")) == ((0, 4), (1, 3))
    assert find_duplicates(corpus, list("aabaa")) == ((0, 1, 3, 4),)
    assert find_duplicates(corpus, list("abcde")) == ()


def test_digests_must_match_the_corpus() -> None:
    with pytest.raises(CorpusError, match="4 digests for 5 clips of mini"):
        find_duplicates(Corpus(table(), "mini"), list("abcd"))
    with pytest.raises(CorpusError, match="0 workers; expected at least 1"):
        content_digests(Corpus(table(), "mini"), workers=0)
    with pytest.raises(AudioError):
        content_digests(Corpus(table(), "mini"))


def test_a_file_whose_name_is_no_text_is_rejected_with_the_remedy(tmp_path, make_voice):
    for number, emotion in enumerate(("happy", "sad")):
        (tmp_path / emotion).mkdir()
        audio.write_wav(tmp_path / emotion / "clip.wav", make_voice(seed=number))
    named = Path(os.fsdecode(os.fsencode(tmp_path / "sad") + b"/\xe9.wav"))
    audio.write_wav(named, make_voice(seed=2))
    corpus = load([str(tmp_path)], tmp_path)
    assert len(corpus) == 2
    (rejected,) = corpus.rejected
    assert rejected.path == "sad/\\udce9.wav" and "rename it" in rejected.reason
