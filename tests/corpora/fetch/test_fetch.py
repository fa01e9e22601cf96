"""`fetch` downloads what is missing, refuses what it does not know, and leaves copies of users alone."""

import os
import re
import shutil
import stat
from pathlib import Path

import pytest

from emotone.corpora import CORPORA, load
from emotone.corpora.fetch import fetch
from emotone.errors import FetchError
from support.zenodo import CLIPS, GOOD, SPEECH, Zenodo, expected_tree, get, md5, pack, tree, use_archive


def test_fetched_corpus_can_be_loaded(zenodo: Zenodo, tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    folder = get(zenodo, tmp_path, progress=lambda *step: steps.append(step))
    assert folder == tmp_path / "ravdess"
    assert tree(folder) == expected_tree()  # the zip and all helpers are gone
    assert load(["ravdess"], tmp_path).speakers == ("ravdess-01", "ravdess-02")
    downloaded = [done for done, total, what in steps if what == f"downloading {SPEECH}" and total == len(GOOD)]
    assert downloaded == sorted(downloaded)
    assert downloaded[-1] == len(GOOD)
    unpacked = sum(map(len, expected_tree().values()))
    assert steps[-1] == (unpacked, unpacked, "unpacking Audio_Speech_Actors_01-24")
    mode = stat.S_IMODE((folder / "Audio_Speech_Actors_01-24").stat().st_mode)
    assert mode == stat.S_IMODE(folder.stat().st_mode)


def test_what_is_there_is_not_fetched_again(zenodo: Zenodo, tmp_path: Path) -> None:
    get(zenodo, tmp_path)
    zenodo.seen.clear()
    steps: list[tuple[int, int, str]] = []
    assert get(zenodo, tmp_path, progress=lambda *step: steps.append(step)) == tmp_path / "ravdess"
    assert zenodo.seen == []
    assert steps == [(1, 1, f"already there: {tmp_path / 'ravdess'}")]


def test_copy_made_by_hand_in_another_layout_is_there(zenodo: Zenodo, tmp_path: Path) -> None:
    for clip in CLIPS:
        (tmp_path / "ravdess" / Path(clip).name).parent.mkdir(exist_ok=True)
        (tmp_path / "ravdess" / Path(clip).name).write_bytes(b"RIFF")
    assert get(zenodo, tmp_path) == tmp_path / "ravdess"
    assert zenodo.seen == []


def test_half_a_copy_is_refused_and_left_alone(zenodo: Zenodo, tmp_path: Path) -> None:
    folder = get(zenodo, tmp_path) / "Audio_Speech_Actors_01-24"
    (folder / CLIPS[0]).unlink()
    before = tree(folder)
    with pytest.raises(
        FetchError, match="holds 3 clips of speech, expected 4: move its folder 'Audio_Speech.*' away and fetch again"
    ):
        get(zenodo, tmp_path)
    assert tree(folder) == before


def test_changed_record_is_not_downloaded(zenodo: Zenodo, tmp_path: Path) -> None:
    zenodo.checksum = "md5:" + "0" * 32
    with pytest.raises(FetchError, match=rf"lists {SPEECH} with MD5 0+, expected {md5(GOOD)}"):
        get(zenodo, tmp_path)
    assert (zenodo.zips, tree(tmp_path)) == ([], {})


def test_checksum_of_the_record_counts_where_none_is_known_here(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_archive(monkeypatch)
    zenodo.checksum = "md5:" + "0" * 32
    with pytest.raises(FetchError, match=f"has the MD5 {md5(GOOD)}, expected 0+"):
        get(zenodo, tmp_path)
    zenodo.checksum = "sha256:" + "0" * 64
    with pytest.raises(FetchError, match=r"with checksum 'sha256:0+', \d+ bytes; expected 'md5:...'"):
        get(zenodo, tmp_path)
    zenodo.checksum = "md5:" + md5(GOOD)
    assert tree(get(zenodo, tmp_path)) == expected_tree()


def test_no_room_on_the_disk(zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, len(GOOD)))  # type: ignore[attr-defined]
    with pytest.raises(FetchError, match=r"fetching ravdess .* needs 2 MB, and the disk of .* has 0 MB free"):
        get(zenodo, tmp_path)
    assert zenodo.zips == []


def test_zip_left_by_an_interrupted_unpacking_is_used(zenodo: Zenodo, tmp_path: Path) -> None:
    (tmp_path / "ravdess").mkdir()
    (tmp_path / "ravdess" / SPEECH).write_bytes(GOOD)
    assert tree(get(zenodo, tmp_path)) == expected_tree()
    assert zenodo.zips == []


def test_zip_of_a_run_that_was_killed_after_unpacking_is_removed_and_that_of_a_user_is_not(
    zenodo: Zenodo, tmp_path: Path
) -> None:
    get(zenodo, tmp_path)
    left = tmp_path / "ravdess" / SPEECH
    left.write_bytes(GOOD)
    get(zenodo, tmp_path)
    assert left.exists()
    left.with_name(f".{SPEECH}.fetched").touch()
    get(zenodo, tmp_path)
    assert tree(tmp_path / "ravdess") == expected_tree()


def test_what_a_killed_unpacking_left_is_removed(zenodo: Zenodo, tmp_path: Path) -> None:
    """By the run that completes the corpus, and by one that has nothing to do."""
    left = tmp_path / "ravdess" / ".unpacking-ab_12345.temporary"
    for _ in range(2):
        (left / "Audio_Speech_Actors_01-24").mkdir(parents=True)
        left.chmod(0o700)
        get(zenodo, tmp_path)
        assert not left.exists() and tree(tmp_path / "ravdess") == expected_tree()


@pytest.mark.parametrize("name", ["tess", "nemo", "EMO-DB", "crema-d", "savee", "emovo", "ased"])
def test_corpora_without_download_say_where_to_get_them(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        FetchError, match=r"get it at http\S+ \(licence: .+\) and unpack it into .* can download: ravdess"
    ):
        fetch.fetch(name, to=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unknown_corpus(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"unknown corpus 'radvess'.*did you mean 'ravdess'\?.*can be downloaded"):
        fetch.fetch("radvess", to=tmp_path)


def test_published_archives_of_ravdess() -> None:
    source = CORPORA["ravdess"].source
    assert source is not None and source.record == "1188976"
    speech, song = source.archives
    assert (speech.folder, speech.channel, speech.n_clips) == ("Audio_Speech_Actors_01-24", "speech", 1440)
    assert speech.md5 == "bc696df654c87fed845eb13823edef8a"
    assert (song.folder, song.channel, song.n_clips) == ("Audio_Song_Actors_01-24", "song", 1012)


def test_zip_through_fetch_that_tries_to_escape(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zenodo.content = pack({clip: b"x" for clip in CLIPS} | {"../../escaped.wav": b"x"})
    zenodo.size, zenodo.checksum = len(zenodo.content), "md5:" + md5(zenodo.content)
    use_archive(monkeypatch)
    with pytest.raises(FetchError, match=re.escape("'../../escaped.wav', a path out of its folder")):
        get(zenodo, tmp_path / "data")
    assert [path.name for path in (tmp_path / "data/ravdess").iterdir()] == [SPEECH]
    assert os.listdir(tmp_path) == ["data"]
