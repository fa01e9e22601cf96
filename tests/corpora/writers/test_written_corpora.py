"""What holds for a written corpus of any format: every name comes back, and what fails leaves nothing behind."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from emotone.corpora import Corpus, load, write_audformat, write_audiofolder
from emotone.corpora.writers import _places
from emotone.errors import CorpusError
from support.corpus_files import plant, table

FORMATS = pytest.mark.parametrize("write", [write_audformat, write_audiofolder])
#: Names that tables, spreadsheets, Windows and libraries take for something else.
NAMES = (
    *("a.wav ", " b.wav", "\tc.wav", "\u00a0d.wav\u3000", "sub /e.wav", " sub/f.wav", "g\\h.wav", "C:\\i.wav", "j\\"),
    *("k,l.wav", "m;n.wav", 'o"p.wav', "q\nr.wav", "s\rt.wav", "u\x85v.wav", "w\u2028x.wav", "y\x1b[31m.wav"),
    *("\ufeffz.wav", "'=a.wav", "=b.wav", "'c.wav", "-1.wav", "#d.wav", "%41.wav", "e\u0301.wav", "..f.wav"),
    *("NA", "nan", "null", "1"),
)


def corpus_of(folder: Path, *names: str, **columns: object) -> Corpus:
    plant(folder, *names)
    paths = [str(folder / name) for name in names]
    return Corpus(table(len(names), path=paths, channel="speech", **columns), "mini")


@FORMATS
@pytest.mark.parametrize("copy", [True, False])
def test_every_name_comes_back(write: Callable, copy: bool, tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "mini", *NAMES)
    folder = tmp_path / "copy" if copy else tmp_path / "mini"
    write(corpus, folder, copy=copy)
    again = load(folder)
    start = folder / "audio" if copy else folder
    assert dict(zip(again.table["path"], again.table["emotion"], strict=True)) == {
        str(start / name): emotion for name, emotion in zip(NAMES, corpus.table["emotion"], strict=True)
    }
    assert again.rejected == ()


@FORMATS
def test_texts_that_libraries_take_for_missing_ones_come_back(write: Callable, tmp_path: Path) -> None:
    texts = ["NA", "nan", "null", "None", "a\rb", "c\nd", "=e", "'f", "\x1b[31m"]
    names = [f"{number}.wav" for number in range(len(texts))]
    known = {"statement": texts, "speaker": [f"mini-{text}" for text in texts], "intensity": [*map(str.lower, texts)]}
    corpus = corpus_of(tmp_path / "mini", *names, **known)
    write(corpus, tmp_path / "mini")
    again = load(tmp_path / "mini").table
    assert {column: again[column].tolist() for column in known} == known


@FORMATS
def test_channels_come_back(write: Callable, tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "mini", "a.wav", "b.wav", "c.wav", audio_channel=["1", "2", ""])
    write(corpus, tmp_path / "mini")
    assert load(tmp_path / "mini").table["audio_channel"].tolist() == ["1", "2", ""]


def test_channels_of_the_same_sound_are_refused_where_they_can_not_be_written(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "mini", "a.wav", "a.wav", audio_channel=["1", "2"])
    with pytest.raises(CorpusError, match="1 clips are further channels of a recording, such as .*write_audiofolder"):
        write_audformat(corpus, tmp_path / "mini")
    write_audiofolder(corpus, tmp_path / "mini")
    assert load(tmp_path / "mini").table["audio_channel"].tolist() == ["1", "2"]


@FORMATS
@pytest.mark.parametrize("is_new", [True, False])
def test_a_copy_that_fails_leaves_nothing(
    write: Callable, is_new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = corpus_of(tmp_path / "mini", "a.wav", "b/c.wav", "d.wav")
    copyfile = shutil.copyfile
    folder = tmp_path / "far/away"
    if not is_new:
        plant(folder, "notes.txt")
    before = sorted(tmp_path.rglob("*"))

    def fail(source: str, target: str) -> None:
        if str(source).endswith("d.wav"):
            raise OSError(28, "No space left on device")
        copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(CorpusError, match="d.wav' can't be copied to 'audio/d.wav': No space left on device"):
        write(corpus, folder, copy=True)
    assert sorted(tmp_path.rglob("*")) == before
    monkeypatch.undo()
    write(corpus, folder, copy=True)
    assert len(load(folder)) == 3


@FORMATS
@pytest.mark.parametrize("n_moved", [0, 1])
def test_a_corpus_that_can_not_be_put_in_place_leaves_nothing(
    write: Callable, n_moved: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = corpus_of(tmp_path / "mini", "a.wav", "b/c.wav")
    before = sorted(tmp_path.rglob("*"))
    move, moved = _places._move_new, []

    def fail(source: Path, target: Path) -> None:
        if len(moved) == n_moved:
            raise OSError(5, "Input/output error")
        moved.append(target)
        move(source, target)

    monkeypatch.setattr(_places, "_move_new", fail)
    with pytest.raises(CorpusError, match="can't be written to .*: Input/output error"):
        write(corpus, tmp_path / "copy", copy=True)
    assert sorted(tmp_path.rglob("*")) == before


@FORMATS
def test_the_list_comes_last_and_a_copy_that_was_killed_is_removed_by_the_next(
    write: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = corpus_of(tmp_path / "mini", "a.wav", "b/c.wav")
    left = tmp_path / "copy/.emotone-corpus-abcdefgh.temporary"
    plant(left, "audio/a.wav")
    left.chmod(0o700)
    order = []
    move = _places._move_new
    monkeypatch.setattr(_places, "_move_new", lambda source, to: (order.append(to.name), move(source, to))[1])
    path = write(corpus, tmp_path / "copy", copy=True)
    assert order[-1] == path.name and "audio" in order[:-1] and not left.exists()
    assert (tmp_path / "copy/audio").stat().st_mode & 0o055 or os.umask(os.umask(0)) & 0o055


@FORMATS
def test_a_folder_that_is_below_a_file_is_an_error(write: Callable, tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "mini", "a.wav")
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="can't be written to .*: Not a directory"):
        write(corpus, tmp_path / "file/below", copy=True)


@FORMATS
def test_what_somebody_else_has_written_meanwhile_stays(
    write: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, folder = corpus_of(tmp_path / "mini", "a.wav"), tmp_path / "copy"
    move = _places._move_new

    def late(source: Path, to: Path) -> None:
        if to.name != "audio":
            to.write_text("of somebody else")
        move(source, to)

    monkeypatch.setattr(_places, "_move_new", late)
    with pytest.raises(CorpusError, match="has been made meanwhile"):
        write(corpus, folder, copy=True)
    (left,) = folder.iterdir()
    assert left.read_text() == "of somebody else"
