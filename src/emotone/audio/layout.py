"""Read the layout of a file without decoding it: its format, where joined recordings begin, and whether it is whole.

Decoders stop at the end of the first of several joined recordings, estimate lengths, and read truncated files without
an error.  What is found here decides which decoder gets which bytes.
"""

import math
import os
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from emotone.audio import mpeg_layout
from emotone.errors import AudioError

KNOWN_FORMATS = "WAV, FLAC, MP3, Ogg, Opus, AIFF, M4A, WebM or MP4"

# Sizes in headers that were written before the length was known (a pipe): 0, 0xFFFFFFFF, or just below 2 GiB.
_PLACEHOLDER_BYTES = 0x7FFFF000
# If more than this share of the size in the header is missing, the recording was truncated.
_TRUNCATED_SHARE = 0.01
_LARGEST_BYTES = 1 << 50
#: Chunks of a WAV or AIFF file before its sound; a file with more is damaged, and slow to search.
_MAX_CHUNKS = 1000
#: Chunks that hold sound or another recording.
_MORE_SOUND = (b"data", b"RIFF", b"RIFX", b"RF64", b"BW64")
_FLAC_START = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_MATROSKA_START = re.compile(rb"\x1aE\xdf\xa3.{0,56}?B\x82[\x84-\x88](?:webm|matroska)", re.DOTALL)
_BLOCK = 1 << 20
LFE_BIT = 3
#: Numbers of channels that are 5.1 and 7.1 sound where the file does not say.
SURROUND = (6, 8)


class Samples16(NamedTuple):
    """Where the 16-bit samples of a WAV file are: first byte, samples per channel, channels, samples a second."""

    begin: int
    n_frames: int
    channels: int
    rate: int


@dataclass(frozen=True)
class Layout:
    """The layout of a file.

    Attributes
    ----------
    by_libsndfile
        Whether libsndfile can read the format.
    links
        Begin and end in bytes of each recording in the file: one, unless several were joined.
    lfe
        Indices of channels with low-frequency effects, which hold no voice.
    samples
        Of a WAV file of 16 bits that is complete and holds nothing else but notes, else None.
    """

    by_libsndfile: bool
    links: tuple[tuple[int, int], ...]
    lfe: tuple[int, ...] = ()
    samples: Samples16 | None = None


def layout_of(file: BinaryIO, name: str) -> Layout:
    """Return the layout of a seekable file.

    Raises
    ------
    AudioError
        The file is truncated, or its header is damaged.
    """
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(36)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"):
        return _chunked(file, head, n_bytes, name)
    if head[:4] == b"fLaC":
        return Layout(True, _split(file, _FLAC_START, n_bytes))
    if head[:4] == b"OggS":
        return Layout(False, _ogg_links(file, n_bytes, name))
    if head[:4] == b"\x1aE\xdf\xa3":
        links = _split(file, _MATROSKA_START, n_bytes)
        _check_matroska_length(file, links[-1][0], n_bytes, name)
        return Layout(False, links)
    if head[4:8] == b"ftyp":
        _check_boxes(file, n_bytes, name)
        return Layout(False, ((0, n_bytes),))
    whole = ((0, n_bytes),)
    # Sun AU, Core Audio, Sony Wave64, NIST SPHERE.  libsndfile's other formats print to stdout; of Creative Voice, it
    # takes the header of each further block for samples.
    if head.startswith((b".snd", b"dns.", b"caff", b"riff\x2e\x91\xcf\x11", b"NIST_1A")):
        begin, size = _sound_of(file, head)
        if 0 < size < _LARGEST_BYTES:
            _check_whole(n_bytes - begin, size, name)
            _check_end(file, begin + size, head[:4], name)
        return Layout(True, whole)
    begin = mpeg_layout.audio_start(file, head, n_bytes)
    if stated := mpeg_layout.stated_bytes(file, begin):
        _check_whole(n_bytes - stated[0], stated[1], name)
    return Layout(False, ((begin, n_bytes),))


def describe(start: bytes) -> str:
    """Say what a file that no decoder reads is, from its first bytes, and what to do about it."""
    if start[4:8] == b"ftyp":
        return "the index of this MP4 or M4A is missing or damaged, it was cut short; record or copy it again"
    if start[:2] == b"PK":
        return "this is a zip archive or an office document, not a recording; unpack it first"
    if start[:4] == b"PAR1":
        return (
            "this is a Parquet table, not a recording; 'emotone annotate TABLE --out DIR' predicts the recordings that "
            "a table lists"
        )
    known = start[:4] in (b"RIFF", b"RIFX", b"FORM", b"fLaC", b"OggS")
    if not known and start.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        text = start.decode("ascii").strip()
        return f"this is text, not a recording (it begins with {text!r}); give the audio file itself"
    what = "this recording's header is damaged" if known else "this is no recording in a known format"
    remedy = "copy it again, or " if known else ""
    raw = "" if known else "; sound without a header needs its format (--raw s16le:16000:1)"
    return f"{what} (it begins with {start!r}); {remedy}convert it to {KNOWN_FORMATS}{raw}"


def _chunked(file: BinaryIO, head: bytes, n_bytes: int, name: str) -> Layout:
    """Read the chunks of a WAV or AIFF file up to its sound.

    libsndfile reads a truncated file without an error, so the size of the data chunk is compared with the file's.  It
    finds no samples where the header says 0 bytes, as that of a stream does: FFmpeg reads those.
    """
    order = ">" if head[:4] in (b"RIFX", b"FORM") else "<"
    if head[8:12] == b"AVI " and 0 < (size := struct.unpack_from("<I", head, 4)[0]) < _PLACEHOLDER_BYTES:
        _check_whole(n_bytes - 8, size, name)
    if head[:4] == b"FORM":
        _check_end(file, 8 + struct.unpack_from(">I", head, 4)[0], b"FORM", name)
    by_libsndfile, at = True, 12
    forms: list[bytes] = []
    samples = None
    for _ in range(_MAX_CHUNKS):
        if at + 8 > n_bytes:
            break
        file.seek(at)
        kind, size = file.read(4), struct.unpack(order + "I", file.read(4))[0]
        at += 8
        if kind == b"fmt ":
            forms.append(file.read(min(size, 40)))
        if kind in (b"data", b"SSND"):
            there = n_bytes - at
            by_libsndfile = size > 0 or not there
            if size < _PLACEHOLDER_BYTES:
                _check_whole(there, size, name)
                if size and head[:4] == b"RIFF" and head[8:12] == b"WAVE" and _notes_follow(file, at + size, name):
                    samples = _samples_of_wav(forms[0], at, size) if len(forms) == 1 and there >= size else None
            break
        at += size + size % 2
    else:
        raise AudioError(
            f"{name}: its first {_MAX_CHUNKS} chunks hold no sound, expected a chunk 'data'; copy it again, or convert "
            f"it to {KNOWN_FORMATS}"
        )
    lfe = _lfe_of_wav(forms[0], order) if forms else ()  # decoders ignore a second one
    return Layout(by_libsndfile, ((0, n_bytes),), lfe, samples)


def _notes_follow(file: BinaryIO, at: int, name: str) -> bool:
    """Say whether what follows the sound of a WAV file is notes, such as LIST; more sound raises `AudioError`."""
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(9)
        if at % 2 and head[:4] not in _MORE_SOUND:  # chunks begin at even places, unless a program forgot the padding
            head, at = head[1:], at + 1
        if head[:4] in _MORE_SOUND:
            raise _joined(name)
        if len(head) < 8 or head[:4] == b"fmt ":
            return len(head) < 8
        at += 8 + int.from_bytes(head[4:8], "little")
    return False


def _check_end(file: BinaryIO, at: int, start: bytes, name: str) -> None:
    """Raise `AudioError` if another recording begins where one ends, also behind a byte of padding."""
    file.seek(at)
    if start in file.read(5):
        raise _joined(name)


def _joined(name: str) -> AudioError:
    return AudioError(
        f"{name}: more sound follows the end of the recording, as in files that were joined byte by byte; give the "
        "recordings one by one, or join them with a program for sound"
    )


def _samples_of_wav(form: bytes, begin: int, size: int) -> Samples16 | None:
    """Return where the samples of a WAV file are if they have 16 bits; None if they have another format."""
    if len(form) < 16:
        return None
    kind, n_channels, rate, _, row, n_bits = struct.unpack_from("<HHIIHH", form)
    if kind != 1 or n_bits != 16 or not n_channels or row != 2 * n_channels or size < row:
        return None
    return Samples16(begin, size // row, n_channels, rate)


def _lfe_of_wav(form: bytes, order: str) -> tuple[int, ...]:
    """Return the index of the low-frequency channel that the mask of WAVE_FORMAT_EXTENSIBLE names."""
    if len(form) < 24 or struct.unpack_from(order + "H", form)[0] != 0xFFFE:
        n_channels = struct.unpack_from(order + "H", form, 2)[0] if len(form) >= 4 else 0
        return (LFE_BIT,) if n_channels in SURROUND else ()
    mask = struct.unpack_from(order + "I", form, 20)[0]
    return ((mask & ((1 << LFE_BIT) - 1)).bit_count(),) if mask >> LFE_BIT & 1 else ()


def _split(file: BinaryIO, start: re.Pattern[bytes], n_bytes: int) -> tuple[tuple[int, int], ...]:
    """Return begin and end of each recording of a file whose recordings begin with a pattern."""
    begins, kept = [0], b""
    file.seek(0)
    at = 0  # where `kept` begins
    while block := file.read(_BLOCK):
        text = kept + block
        begins += [at + match.start() for match in start.finditer(text) if at + match.start() > begins[-1]]
        kept = text[-64:]
        at += len(text) - len(kept)
    return tuple(zip(begins, [*begins[1:], n_bytes], strict=True))


def _check_matroska_length(file: BinaryIO, begin: int, n_bytes: int, name: str) -> None:
    """Compare the size of a Matroska segment (RFC 9559) with the file's; live recordings do not state it."""
    file.seek(begin + 4)
    head = file.read(128)
    n, header_bytes = _vint(head, 0)
    at = n + header_bytes
    if head[at : at + 4] != b"\x18S\x80g":
        return
    n, size = _vint(head, at + 4)
    if n and size != (1 << 7 * n) - 1:  # all ones: unknown
        _check_whole(n_bytes - begin - 4 - at - 4 - n, size, name)


def _vint(text: bytes, at: int) -> tuple[int, int]:
    """Return the bytes and the value of a variable-size integer of EBML (RFC 8794); (0, 0) if it is not one."""
    if at >= len(text) or not text[at]:
        return 0, 0
    n = 9 - text[at].bit_length()
    value = int.from_bytes(text[at : at + n], "big") & ((1 << 7 * n) - 1)
    return n, value


def _check_boxes(file: BinaryIO, n_bytes: int, name: str) -> None:
    """Compare the sizes of the boxes of an MP4 file (ISO 14496-12) with the file's."""
    at = 0
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        size = int.from_bytes(head[:4], "big")
        if size == 1 and len(head) == 16:
            size = int.from_bytes(head[8:], "big")
        if size < 8:  # 0: up to the end of the file
            return
        if head[4:8] == b"mdat":
            _check_whole(n_bytes - at, size, name)
        if head[4:8] == b"ftyp" and at:
            raise _joined(name)
        at += size


def _check_whole(there: int, size: int, name: str) -> None:
    """Raise `AudioError` if over 1 % of the bytes that a header states are missing."""
    if there < size * (1 - _TRUNCATED_SHARE):
        raise AudioError(
            f"{name}: the recording was cut short, {there} of {size} bytes of sound are there "
            f"({math.floor(100 * there / size)} %); copy or download it again"
        )


def _sound_of(file: BinaryIO, head: bytes) -> tuple[int, int]:
    """Return where the samples of an AU, CAF or Wave64 file begin, and their bytes by the header; (0, 0) if unknown."""
    if head[:4] in (b".snd", b"dns."):
        begin, size = struct.unpack_from(">II" if head[:4] == b".snd" else "<II", head, 4)
        return begin, 0 if size == 0xFFFFFFFF else size
    is_caf = head[:4] == b"caff"
    if not is_caf and head[:4] != b"riff":
        return 0, 0
    at, n_kind, order, n_in_size = (8, 4, ">q", 0) if is_caf else (40, 16, "<q", 24)
    for _ in range(_MAX_CHUNKS):
        file.seek(at)
        chunk = file.read(n_kind + 8)
        if len(chunk) < n_kind + 8:
            break
        size = struct.unpack_from(order, chunk, n_kind)[0] - n_in_size
        if chunk[:4] == b"data" or size < 0:
            return at + n_kind + 8, size
        at += n_kind + 8 + size + (0 if is_caf else -size % 8)
    return 0, 0


def _ogg_links(file: BinaryIO, n_bytes: int, name: str) -> tuple[tuple[int, int], ...]:
    """Return begin and end of each link of a chained Ogg file (RFC 3533).

    Raises
    ------
    AudioError
        The last page is incomplete: the file was cut.
    """
    begins: list[int] = []
    in_header, is_last, at = False, True, 0
    while at + 27 <= n_bytes:
        file.seek(at)
        page = file.read(27)
        if page[:4] != b"OggS":
            at = _next_page(file, at + 1)
            continue
        sizes = file.read(page[26])
        end = at + 27 + len(sizes) + sum(sizes)
        if end > n_bytes or len(sizes) < page[26]:
            raise AudioError(
                f"{name}: the recording was cut short, its last Ogg page ends after {end} bytes and the file after "
                f"{n_bytes}; copy or download it again"
            )
        is_first, is_last = bool(page[5] & 2), bool(page[5] & 4)
        if is_first and not in_header:
            begins.append(at)
        in_header, at = is_first, end
    if not is_last and at < n_bytes:
        raise AudioError(
            f"{name}: the recording was cut short within the header of an Ogg page, after {n_bytes} bytes; copy or "
            "download it again"
        )
    begins = begins or [0]
    return tuple(zip(begins, [*begins[1:], n_bytes], strict=True))


def _next_page(file: BinaryIO, at: int) -> int:
    """Return the position of the next Ogg page, behind damaged bytes."""
    file.seek(at)
    kept = b""
    while block := file.read(_BLOCK):
        text = kept + block
        where = text.find(b"OggS")
        if where >= 0:
            return at - len(kept) + where
        kept = text[-3:]
        at += len(block)
    return at
