"""Downloads continue where they stopped, try again what may succeed, and keep only verified files."""

import shutil
from pathlib import Path

import pytest

from emotone.corpora.fetch import fetch
from emotone.errors import FetchError
from support.zenodo import GOOD, SPEECH, Zenodo, expected_tree, get, md5, tree


def test_cut_connection_goes_on_where_it_stopped(zenodo: Zenodo, tmp_path: Path) -> None:
    zenodo.cuts = [100_000, 50_000]
    assert tree(get(zenodo, tmp_path)) == expected_tree()
    assert zenodo.zips == [(None, None), ("bytes=100000-", '"v1"'), ("bytes=150000-", '"v1"')]
    assert zenodo.waits == [1.0, 1.0]  # type: ignore[attr-defined]


def test_next_call_goes_on_after_one_that_gave_up(zenodo: Zenodo, tmp_path: Path) -> None:
    zenodo.cuts = [100_000, 0, 0, 0, 0]
    with pytest.raises(FetchError, match=rf"failed 5 times in a row: .*100000 of {len(GOOD)} bytes are kept in"):
        get(zenodo, tmp_path)
    assert zenodo.waits == [1.0, 2.0, 4.0, 8.0]  # type: ignore[attr-defined]
    assert (tmp_path / "ravdess" / f"{SPEECH}.part").read_bytes() == GOOD[:100_000]
    zenodo.seen.clear()
    assert tree(get(zenodo, tmp_path)) == expected_tree()
    assert zenodo.zips == [("bytes=100000-", '"v1"')]


def test_server_without_ranges_starts_again(zenodo: Zenodo, tmp_path: Path) -> None:
    zenodo.ranges = False
    zenodo.cuts = [100_000]
    assert tree(get(zenodo, tmp_path)) == expected_tree()
    assert zenodo.zips == [(None, None), ("bytes=100000-", '"v1"')]


def test_server_without_ranges_that_always_cuts_is_given_up(zenodo: Zenodo, tmp_path: Path) -> None:
    zenodo.ranges = False
    zenodo.cuts = [100_000, 50_000] * 50
    with pytest.raises(FetchError, match="failed 5 times in a row"):
        get(zenodo, tmp_path)
    assert len(zenodo.zips) == 5


def test_file_that_changed_meanwhile_is_sent_whole(zenodo: Zenodo, tmp_path: Path) -> None:
    folder = tmp_path / "ravdess"
    folder.mkdir()
    (folder / f"{SPEECH}.part").write_bytes(b"old" * 1000)
    (folder / f"{SPEECH}.part.etag").write_text('"v0"')
    assert tree(get(zenodo, tmp_path)) == expected_tree()
    assert zenodo.zips == [("bytes=3000-", '"v0"')]


@pytest.mark.parametrize("etag", ["", 'W/"v1"'])
def test_without_strong_etag_a_wrong_beginning_is_found_by_checksum(zenodo: Zenodo, tmp_path: Path, etag: str) -> None:
    zenodo.etag = etag
    (tmp_path / "ravdess").mkdir()
    (tmp_path / "ravdess" / f"{SPEECH}.part").write_bytes(b"old" * 1000)
    zenodo.cuts = [50_000]
    assert tree(get(zenodo, tmp_path)) == expected_tree()
    assert zenodo.zips == [("bytes=3000-", None), ("bytes=53000-", None), (None, None)]


def test_range_that_the_server_refuses_starts_again(zenodo: Zenodo, tmp_path: Path) -> None:
    zenodo.content = GOOD[:1000]  # shorter than what the part holds: 416
    (tmp_path / "ravdess").mkdir()
    (tmp_path / "ravdess" / f"{SPEECH}.part").write_bytes(GOOD[:2000])
    zenodo.cuts = [0] * 5
    with pytest.raises(FetchError, match="failed 5 times"):
        get(zenodo, tmp_path)
    assert zenodo.zips == [("bytes=2000-", None)] + [(None, None)] * 5


@pytest.mark.parametrize("extra", [b"", b"more"])
def test_complete_or_too_long_part(zenodo: Zenodo, tmp_path: Path, extra: bytes) -> None:
    (tmp_path / "ravdess").mkdir()
    (tmp_path / "ravdess" / f"{SPEECH}.part").write_bytes(GOOD + extra)
    assert tree(get(zenodo, tmp_path)) == expected_tree()
    assert zenodo.zips == ([(None, None)] if extra else [])


def test_wrong_bytes_are_removed(zenodo: Zenodo, tmp_path: Path) -> None:
    zenodo.content = GOOD[:-1] + b"?"
    with pytest.raises(FetchError, match=rf"has the MD5 {md5(zenodo.content)}, expected {md5(GOOD)}"):
        get(zenodo, tmp_path)
    assert tree(tmp_path) == {}
    assert len(zenodo.zips) == 1


def test_passing_errors_are_tried_again_and_others_are_not(zenodo: Zenodo, tmp_path: Path) -> None:
    zenodo.statuses = [503, 429]
    assert tree(get(zenodo, tmp_path)) == expected_tree()
    assert zenodo.waits == [1.0, 2.0]  # type: ignore[attr-defined]
    shutil.rmtree(tmp_path / "ravdess")
    zenodo.seen.clear()
    zenodo.statuses = [404]
    with pytest.raises(FetchError, match="/api/records/1188976 answered 404 Not Found"):
        get(zenodo, tmp_path)
    assert len(zenodo.seen) == 1
    zenodo.statuses = [500] * 9
    with pytest.raises(FetchError, match="failed 5 times: the server answered 500"):
        get(zenodo, tmp_path)


@pytest.mark.parametrize(("asked", "waited"), [("20", 20.0), ("86400", 60.0), ("0", 1.0)])
def test_server_that_asks_for_a_pause_gets_it(zenodo: Zenodo, tmp_path: Path, asked: str, waited: float) -> None:
    zenodo.statuses, zenodo.retry_after = [429], asked
    assert tree(get(zenodo, tmp_path)) == expected_tree()
    assert zenodo.waits == [waited]  # type: ignore[attr-defined]


def test_server_that_is_not_there(zenodo: Zenodo, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="failed 5 times: the server can't be reached"):
        fetch.fetch("ravdess", to=tmp_path, base_url="http://127.0.0.1:9")
    with pytest.raises(FetchError, match="'file:///etc/api/records/1188976' is not an address"):
        fetch.fetch("ravdess", to=tmp_path, base_url="file:///etc")
