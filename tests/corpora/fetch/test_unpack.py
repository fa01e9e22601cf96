"""`unpack` on zips that would escape, are damaged, or are too large."""

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from emotone.corpora.fetch.unpack import unpack
from emotone.errors import FetchError
from support.zenodo import GOOD, pack


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
