"""What all readers share: the order of files, copies, and files that are no recordings."""

import os
from pathlib import Path

import pytest

from emotone import audio
from emotone.corpora import load
from support.corpus_files import names, plant


def test_rows_are_sorted_by_path_whatever_the_order_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path / "emodb", *(f"{folder}/{n:02}a01Wa.wav" for folder, n in [("b", 3), ("B", 8), ("a", 16), ("a", 9)]))
    plain = [Path(path).name for path in load("emodb", tmp_path).table["path"]]
    assert plain == ["08a01Wa.wav", "09a01Wa.wav", "16a01Wa.wav", "03a01Wa.wav"]
    walk = os.walk

    def backwards(*args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        for folder, subfolders, files in walk(*args, **kwargs):  # type: ignore[call-overload]
            subfolders.reverse()
            yield folder, subfolders, files[::-1]

    monkeypatch.setattr(os, "walk", backwards)
    assert [Path(path).name for path in load("emodb", tmp_path).table["path"]] == plain


def test_links_are_followed_and_a_circle_of_them_ends(tmp_path: Path) -> None:
    plant(tmp_path, "elsewhere/03a01Wa.wav", "data/emodb/03a01Fa.wav")
    (tmp_path / "data/emodb/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/emodb/circle").symlink_to(tmp_path / "data/emodb")
    corpus = load("emodb", tmp_path / "data")
    assert [Path(path).name for path in corpus.table["path"]] == ["03a01Fa.wav", "03a01Wa.wav"]
    assert corpus.rejected == ()


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


def test_junk_is_neither_clip_nor_rejected(tmp_path: Path) -> None:
    clip = "03-01-01-01-01-01-01.wav"
    data = plant(
        tmp_path / "ravdess",
        f"Actor_01/{clip}",
        f"Actor_01/._{clip}",
        f"__MACOSX/Actor_01/{clip}",
        f".cache/{clip}",
        "Actor_01/.DS_Store",
        "Actor_01/Thumbs.db",
        "Actor_01/desktop.ini",
        "README.txt",
    )
    corpus = load("ravdess", data)
    assert (names(corpus), corpus.rejected) == ([clip], ())


@pytest.mark.parametrize("suffix", [".wav", ".WAV", ".Flac", ".ogg", ".mp3", ".m4a", ".opus", ".aiff"])
def test_any_audio_suffix_in_any_case(tmp_path: Path, suffix: str) -> None:
    assert names(load("emodb", plant(tmp_path / "emodb", f"03a01Wa{suffix}"))) == [f"03a01Wa{suffix}"]


def test_second_copy_of_every_actor_is_left_out(tmp_path: Path) -> None:
    clips = [f"Actor_{actor:02}/03-01-0{emotion}-01-01-01-{actor:02}.wav" for actor in (1, 2) for emotion in (1, 5)]
    data = plant(tmp_path / "ravdess", *clips, *(f"audio_speech_actors_01-24/{clip}" for clip in clips))
    corpus = load("ravdess", data)
    assert [Path(path).relative_to(data / "ravdess").as_posix() for path in corpus.table["path"]] == clips
    assert [(rejected.path, rejected.reason) for rejected in corpus.rejected] == [
        (f"audio_speech_actors_01-24/{clip}", f"a copy of {clip}") for clip in clips
    ]


def test_of_two_formats_the_lossless_one_is_kept(tmp_path: Path) -> None:
    data = plant(tmp_path / "cremad", "AudioMP3/1001_DFA_ANG_XX.mp3", "AudioWAV/1001_DFA_ANG_XX.wav")
    corpus = load("cremad", data)
    assert names(corpus) == ["1001_DFA_ANG_XX.wav"]
    assert corpus.rejected[0].reason == "a copy of AudioWAV/1001_DFA_ANG_XX.wav"


def test_files_that_are_no_recordings_are_rejected(tmp_path: Path) -> None:
    plant(tmp_path / "cremad", "1001_DFA_ANG_XX.wav")
    plant(tmp_path / "cremad", "1002_DFA_ANG_XX.wav", content=b"")
    data = plant(
        tmp_path / "cremad",
        "1003_DFA_ANG_XX.wav",
        content=b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    )
    corpus = load("cremad", data)
    assert names(corpus) == ["1001_DFA_ANG_XX.wav"]
    assert [rejected.path for rejected in corpus.rejected] == ["1002_DFA_ANG_XX.wav", "1003_DFA_ANG_XX.wav"]
    assert "empty (0 bytes)" in corpus.rejected[0].reason
    assert "git lfs pull" in corpus.rejected[1].reason


def test_empty_copy_does_not_hide_the_whole_one(tmp_path: Path) -> None:
    plant(tmp_path / "emodb", "a/03a01Wa.wav", content=b"")
    corpus = load("emodb", plant(tmp_path / "emodb", "b/03a01Wa.wav"))
    assert [Path(path).parent.name for path in corpus.table["path"]] == ["b"]
