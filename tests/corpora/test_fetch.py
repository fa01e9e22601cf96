"""`emotone fetch` against a local server with Zenodo's addresses that cuts, lies and forgets."""

import hashlib
import io
import json
import os
import re
import shutil
import stat
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emotone.corpora import load
from emotone.corpora.fetch import download, fetch
from emotone.corpora.fetch.fetch import Archive, Source
from emotone.corpora.fetch.unpack import unpack
from emotone.errors import FetchError

SPEECH = "Audio_Speech_Actors_01-24.zip"
CLIPS = [f"Actor_{actor:02}/03-01-0{emotion}-01-01-01-{actor:02}.wav" for actor in (1, 2) for emotion in (1, 5)]


def pack(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


GOOD = pack({clip: bytes(range(256)) * 400 + clip.encode() for clip in CLIPS})


class Zenodo:
    """One record with one zip, and what the server does wrong with it."""

    def __init__(self) -> None:
        self.content = GOOD
        self.checksum = "md5:" + md5(GOOD)
        self.size = len(GOOD)
        self.etag = '"v1"'
        self.ranges = True
        self.cuts: list[int] = []  # the n-th answer with the zip stops after so many bytes
        self.statuses: list[int] = []  # the first answers to anything are these errors
        self.retry_after = "soon"
        self.seen: list[tuple[str, str | None, str | None]] = []  # path, Range, If-Range

    @property
    def zips(self) -> list[tuple[str | None, str | None]]:
        """Range and If-Range of the requests for the zip."""
        return [seen[1:] for seen in self.seen if "/files/" in seen[0]]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked, condition = request.headers.get("Range"), request.headers.get("If-Range")
        self.seen.append((request.path, asked, condition))
        if self.statuses:
            request.send_response(self.statuses.pop(0))
            request.send_header("Retry-After", self.retry_after)
            request.end_headers()
        elif request.path == "/api/records/1188976":
            listing = {"files": [{"key": SPEECH, "size": self.size, "checksum": self.checksum}]}
            self.send(request, json.dumps(listing).encode(), 200, {})
        elif request.path == f"/records/1188976/files/{SPEECH}?download=1":
            self.send_zip(request, asked, condition)
        else:
            request.send_error(404)

    def send_zip(self, request: BaseHTTPRequestHandler, asked: str | None, condition: str | None) -> None:
        headers = {"ETag": self.etag} if self.etag else {}
        if asked is None or not self.ranges or condition not in (None, self.etag):
            self.send(request, self.content, 200, headers, cut=True)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(self.content):
            request.send_error(416)
            return
        headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        self.send(request, self.content[start:], 206, headers, cut=True)

    def send(
        self, request: BaseHTTPRequestHandler, body: bytes, status: int, headers: dict[str, str], *, cut: bool = False
    ) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        for header in headers.items():
            request.send_header(*header)
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if cut and self.cuts else body)
        request.close_connection = True


@pytest.fixture
def zenodo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zenodo]:
    state = Zenodo()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  (the name that http.server calls)
            state.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("no_proxy", "*")
    waits: list[float] = []
    monkeypatch.setattr(download.time, "sleep", waits.append)
    archive = Archive(file=SPEECH, channel="speech", n_clips=len(CLIPS), max_unpacked_bytes=1_000_000, md5=md5(GOOD))
    monkeypatch.setitem(fetch.SOURCES, "ravdess", Source(record="1188976", archives=(archive,)))
    state.url = f"http://127.0.0.1:{server.server_address[1]}/"  # type: ignore[attr-defined]
    state.waits = waits  # type: ignore[attr-defined]
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def get(zenodo: Zenodo, to: Path, **options: object) -> Path:
    return fetch.fetch("ravdess", to=to, base_url=zenodo.url, **options)  # type: ignore[attr-defined, arg-type]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expected_tree() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(GOOD)) as archive:
        return {f"Audio_Speech_Actors_01-24/{name}": archive.read(name) for name in archive.namelist()}


def test_fetched_corpus_can_be_loaded(zenodo: Zenodo, tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    folder = get(zenodo, tmp_path, progress=lambda *step: told.append(step))
    assert folder == tmp_path / "ravdess"
    assert tree(folder) == expected_tree()  # the zip and all helpers are gone
    assert load(["ravdess"], tmp_path).speakers == ("ravdess-01", "ravdess-02")
    downloaded = [done for done, total, what in told if what == f"downloading {SPEECH}" and total == len(GOOD)]
    assert downloaded == sorted(downloaded)
    assert downloaded[-1] == len(GOOD)
    unpacked = sum(map(len, expected_tree().values()))
    assert told[-1] == (unpacked, unpacked, "unpacking Audio_Speech_Actors_01-24")
    mode = stat.S_IMODE((folder / "Audio_Speech_Actors_01-24").stat().st_mode)
    assert mode == stat.S_IMODE(folder.stat().st_mode)


def test_what_is_there_is_not_fetched_again(zenodo: Zenodo, tmp_path: Path) -> None:
    get(zenodo, tmp_path)
    zenodo.seen.clear()
    told: list[tuple[int, int, str]] = []
    assert get(zenodo, tmp_path, progress=lambda *step: told.append(step)) == tmp_path / "ravdess"
    assert zenodo.seen == []
    assert told == [(1, 1, f"already there: {tmp_path / 'ravdess'}")]


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


def test_changed_record_is_not_downloaded(zenodo: Zenodo, tmp_path: Path) -> None:
    zenodo.checksum = "md5:" + "0" * 32
    with pytest.raises(FetchError, match=rf"lists {SPEECH} with MD5 0+, expected {md5(GOOD)}"):
        get(zenodo, tmp_path)
    assert (zenodo.zips, tree(tmp_path)) == ([], {})


def test_checksum_of_the_record_counts_where_none_is_known_here(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = Archive(file=SPEECH, channel="speech", n_clips=len(CLIPS), max_unpacked_bytes=1_000_000)
    monkeypatch.setitem(fetch.SOURCES, "ravdess", Source(record="1188976", archives=(archive,)))
    zenodo.checksum = "md5:" + "0" * 32
    with pytest.raises(FetchError, match=f"has the MD5 {md5(GOOD)}, expected 0+"):
        get(zenodo, tmp_path)
    zenodo.checksum = "sha256:" + "0" * 64
    with pytest.raises(FetchError, match=r"with checksum 'sha256:0+', \d+ bytes; expected 'md5:...'"):
        get(zenodo, tmp_path)
    zenodo.checksum = "md5:" + md5(GOOD)
    assert tree(get(zenodo, tmp_path)) == expected_tree()


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


@pytest.mark.parametrize("name", ["tess", "nemo", "EMO-DB", "crema-d", "savee", "emovo"])
def test_corpora_without_download_say_where_to_get_them(tmp_path: Path, name: str) -> None:
    with pytest.raises(FetchError, match=r"get it at http\S+ \(licence: .+\), unpack it into .* knows: ravdess"):
        fetch.fetch(name, to=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unknown_corpus(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"unknown corpus 'radvess'.*did you mean 'ravdess'\?.*can be downloaded"):
        fetch.fetch("radvess", to=tmp_path)


def test_published_archives_of_ravdess() -> None:
    speech, song = fetch.SOURCES["ravdess"].archives
    assert (speech.folder, speech.channel, speech.n_clips) == ("Audio_Speech_Actors_01-24", "speech", 1440)
    assert speech.md5 == "bc696df654c87fed845eb13823edef8a"
    assert (song.folder, song.channel, song.n_clips) == ("Audio_Song_Actors_01-24", "song", 1012)


def link(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return member


def encrypted(content: bytes) -> bytes:
    """Set the encryption flag of the only member, in its local header and in the directory."""
    changed = bytearray(content)
    changed[6] |= 1
    changed[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("member", "fault"),
    [
        ("../escaped.txt", "a path out of its folder"),
        ("Actor_01/../../escaped.txt", "a path out of its folder"),
        ("Actor_01\\..\\..\\escaped.txt", "a path out of its folder"),
        ("/escaped.txt", "an absolute path"),
        ("\\\\host\\share\\escaped.txt", "an absolute path"),
        ("C:\\escaped.txt", "an absolute path"),
        ("c:escaped.txt", "an absolute path"),
        ("Actor_01/x:stream", "a name with a colon"),
        (link("Actor_01/link"), "a link or device"),
    ],
    ids=str,
)
def test_zip_that_would_leave_its_folder(tmp_path: Path, member: str | zipfile.ZipInfo, fault: str) -> None:
    packed = tmp_path / "in" / "bad.zip"
    packed.parent.mkdir()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Actor_01/good.wav", b"good")
        archive.writestr(member, str(tmp_path))
    with pytest.raises(FetchError, match=rf"bad.zip holds .*, {fault}.*it was not unpacked"):
        unpack(packed, to=tmp_path / "in" / "out", max_bytes=10_000)
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "bad.zip"]


def test_zip_through_fetch_that_tries_to_escape(
    zenodo: Zenodo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zenodo.content = pack({clip: b"x" for clip in CLIPS} | {"../../escaped.wav": b"x"})
    zenodo.size, zenodo.checksum = len(zenodo.content), "md5:" + md5(zenodo.content)
    archive = Archive(file=SPEECH, channel="speech", n_clips=len(CLIPS), max_unpacked_bytes=1_000_000)
    monkeypatch.setitem(fetch.SOURCES, "ravdess", Source(record="1188976", archives=(archive,)))
    with pytest.raises(FetchError, match=re.escape("'../../escaped.wav', a path out of its folder")):
        get(zenodo, tmp_path / "data")
    assert [path.name for path in (tmp_path / "data/ravdess").iterdir()] == [SPEECH]
    assert os.listdir(tmp_path) == ["data"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (GOOD[: len(GOOD) // 2], "damaged or no zip"),
        (b"<html>busy</html>", "damaged or no zip"),
        (GOOD.replace(bytes(range(256)), bytes(256), 1), "damaged or no zip: Bad CRC-32"),
        (encrypted(pack({"a.wav": b"x"})), "holds 'a.wav', an encrypted file"),
        (pack({"a.wav": bytes(2_000_000)}), "would unpack to 2 MB, expected at most 1 MB"),
        (pack({"a": b"x", "a/b.wav": b"x"}), "can't be unpacked into"),
    ],
    ids=["cut", "html", "bits", "encrypted", "bomb", "clash"],
)
def test_bad_zip_leaves_nothing_behind(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "bad.zip").write_bytes(content)
    with pytest.raises(FetchError, match=fault):
        unpack(tmp_path / "bad.zip", to=tmp_path / "out", max_bytes=1_000_000)
    assert os.listdir(tmp_path) == ["bad.zip"]


def test_zip_that_lies_about_its_size_gives_no_more_than_it_declares(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.wav", bytes(3_000_000))
    changed = bytearray(buffer.getvalue())
    directory = changed.index(b"PK\x01\x02")
    changed[22:26] = changed[directory + 24 : directory + 28] = (1000).to_bytes(4, "little")
    (tmp_path / "bad.zip").write_bytes(changed)
    with pytest.raises(FetchError, match="damaged or no zip"):
        unpack(tmp_path / "bad.zip", to=tmp_path / "out", max_bytes=1_000_000)
    assert os.listdir(tmp_path) == ["bad.zip"]
