"""Find the frames of MPEG audio (MP3) in a file, behind tags and rubbish."""

import struct
from typing import BinaryIO

#: Bytes that are searched for the first frame.
_MPEG_SEARCH = 1 << 20
#: Bit rates of layer III by their number in a header: MPEG 1, and MPEG 2 and 2.5.
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)


def audio_start(file: BinaryIO, head: bytes, n_bytes: int) -> int:
    """Return where the frames of an MP3 file begin; 0 unless rubbish or a tag of a wrong size stands before them."""
    if head[4:8] == b"ftyp" or head[:4] == b"FLV\x01":
        return 0
    begin = 0
    if head[:3] == b"ID3" and len(head) >= 10:
        file.seek(min(10 + _tag_size(head), n_bytes))
        if _frame_size(file.read(4)):
            return 0
        begin = 10
    file.seek(begin)
    text = file.read(_MPEG_SEARCH)
    if begin == 0 and _frame_size(text[:4]):
        return 0
    at = text.find(b"\xff")
    while 0 <= at < len(text) - 4:
        if _are_frames(text, at):
            return begin + at
        at = text.find(b"\xff", at + 1)
    return 0


def stated_bytes(file: BinaryIO, begin: int) -> tuple[int, int] | None:
    """Return where the sound of an MP3 file begins, and its bytes by the header (Xing, Info); None without one."""
    file.seek(begin)
    head = file.read(10)
    if head[:3] == b"ID3" and len(head) == 10:
        begin += 10 + _tag_size(head)
        file.seek(begin)
        head = file.read(10)
    if not _frame_size(head[:4]):
        return None
    head += file.read(54)
    at = max(head.find(b"Xing"), head.find(b"Info"))
    if at < 0 or not head[at + 7] & 2:
        return None
    return begin, struct.unpack_from(">I", head, at + (12 if head[at + 7] & 1 else 8))[0]


def _tag_size(head: bytes) -> int:
    """Return the size of an ID3v2 tag, without its header of 10 bytes: 7 bits a byte."""
    return sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))


def _are_frames(text: bytes, at: int, n_frames: int = 4) -> bool:
    """Say whether frames of MPEG audio follow one another."""
    for _ in range(n_frames):
        if not (size := _frame_size(text[at : at + 4])):
            return False
        at += size
    return True


def _frame_size(header: bytes) -> int:
    """Return the bytes of a frame of MPEG audio, layer III, from its header; 0 if this is no header (ISO 11172-3)."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2 or header[1] & 0x18 == 0x08:
        return 0
    is_version_1 = header[1] & 0x18 == 0x18
    kbits = (_KBITS_1 if is_version_1 else _KBITS_2)[header[2] >> 4]
    rate = (44100, 48000, 32000, 0)[header[2] >> 2 & 3] >> (0 if is_version_1 else 1 if header[1] & 0x10 else 2)
    if not kbits or not rate:
        return 0
    return (144 if is_version_1 else 72) * kbits * 1000 // rate + (header[2] >> 1 & 1)
