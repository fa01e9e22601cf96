"""Open any source of sound as a `Reader`, which yields blocks of (n, channels) float32 at the source's sample rate.

libsndfile (through soundfile) reads WAV, FLAC, Ogg, MP3 and AIFF; FFmpeg (through PyAV, imported only then) reads other
formats.  The content decides, never the suffix.  Both libraries therefore get file objects: libsndfile would read text
named ``.au`` as sound, and FFmpeg would follow a name such as ``http://...``.
"""

import io
import math
import operator
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from emotone.errors import AudioError

#: A path, the bytes of a file, an open binary file, or (samples (n,) or (n, channels), rate in Hz).
AudioSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | tuple[npt.NDArray[Any], int]
Waveform: TypeAlias = npt.NDArray[np.float32]

RATES_HZ = (1_000, 384_000)
MAX_CHANNELS = 64
KNOWN_FORMATS = "WAV, FLAC, MP3, Ogg, Opus, AIFF, M4A, WebM or MP4"
_CONVERT = f"convert it to {KNOWN_FORMATS}"
# Sizes in headers that were written before the length was known (a pipe): 0, 0xFFFFFFFF, or just below 2 GiB.
_PLACEHOLDER_BYTES = 0x7FFFF000
# If more than this share of the size in the header is missing, the recording was truncated.
_TRUNCATED_SHARE = 0.01
# FFmpeg's demuxers that may open a file; none of them follows references to other files or to the network.
_DEMUXERS = "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,aac,amr,avi,flv,asf,mpegts,mpeg,ogg,wav,w64,caf,wv,ape,tta,ac3,eac3"


class Reader(Protocol):
    """An open recording: the properties in its header, and its samples in blocks."""

    name: str
    sample_rate: int
    channels: int
    container: str
    codec: str

    @property
    def n_frames(self) -> int | None:
        """Samples per channel; None if the header does not say."""

    def count(self) -> int:
        """Count the samples per channel by reading the recording."""

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        """Yield blocks (about ``size``, channels) from sample ``start`` to the end."""


def _check_channels(channels: int, *, name: str) -> None:
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(
            f"{name}: the recording has {channels} channels, expected 1 to {MAX_CHANNELS}; convert it to mono or stereo"
        )


class _ArrayReader:
    def __init__(self, samples: npt.NDArray[Any], rate: int, *, name: str) -> None:
        self.name, self.sample_rate, self.container = name, rate, "array"
        self._samples = samples[:, None] if samples.ndim == 1 else samples
        self.n_frames, self.channels = self._samples.shape
        self.codec = str(samples.dtype)

    def count(self) -> int:
        return len(self._samples)

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        for begin in range(start, self.n_frames, size):
            yield _to_float32(self._samples[begin : begin + size])


def _to_float32(samples: npt.NDArray[Any]) -> Waveform:
    """Scale integers to [-1, 1) by the range of their type, as in a WAV file (unsigned: centred); keep floats."""
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which is reported later
            return samples.astype(np.float32)
    half = float(2 ** (8 * samples.dtype.itemsize - 1))
    offset = half if samples.dtype.kind == "u" else 0.0
    return ((samples.astype(np.float64) - offset) / half).astype(np.float32)


def _array_reader(source: tuple[Any, ...]) -> _ArrayReader:
    name = "the array"
    if len(source) != 2:
        raise AudioError(f"a tuple of {len(source)} was given as a recording; give (samples, rate)")
    samples, rate = source
    if isinstance(rate, np.ndarray) and rate.ndim:
        raise AudioError(f"{name}: the rate comes first in this tuple; give (samples, rate)")
    if not isinstance(samples, np.ndarray):
        raise AudioError(
            f"{name}: samples are of type {type(samples).__name__}; give a numpy array of int16 or float32"
        )
    try:
        rate_hz = operator.index(int(rate) if isinstance(rate, float) and rate.is_integer() else rate)
    except TypeError:
        raise AudioError(f"{name}: the rate is {rate!r}; give a whole number of samples a second") from None
    if samples.dtype.kind not in "iuf" or samples.dtype.itemsize > 8 or samples.dtype in (np.int64, np.uint64):
        raise AudioError(f"{name}: samples are {samples.dtype}; give int16, int32, uint8 or floating point")
    if samples.ndim not in (1, 2):
        raise AudioError(f"{name}: its shape is {samples.shape}; give (n,) or (n, channels)")
    if samples.ndim == 2 and not 1 <= samples.shape[1] <= MAX_CHANNELS:
        raise AudioError(
            f"{name}: shape {samples.shape} has {samples.shape[1]} channels, at most {MAX_CHANNELS} are read; "
            "give (n, channels), which is samples.T if yours is (channels, n)"
        )
    return _ArrayReader(samples, rate_hz, name=name)


class _UnseekableSoundFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file that can't seek: soundfile seeks after every read, which in MP3 gives errors as large as the signal."""

    def seekable(self) -> bool:
        return False


class _SoundFileReader:
    def __init__(self, file: soundfile.SoundFile, *, name: str) -> None:
        self.name, self.sample_rate, self.channels = name, int(file.samplerate), int(file.channels)
        self.container, self.codec = file.format.lower(), file.subtype.lower()
        self._file = file
        # A FLAC that came through a pipe has no length: libsndfile says 2**63 - 1.
        self.n_frames = int(file.frames) if file.frames < 2**60 else None

    def count(self) -> int:
        return sum(len(block) for block in self.chunks(0, 30 * self.sample_rate))

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        skip = start
        with _reading(self.name):
            if start and self.container != "mp3":  # libsndfile's seek in MP3 is not exact; decoding is fast
                self._file.seek(start)
                skip = 0
            left = float("inf") if self.n_frames is None else self.n_frames - (start - skip)
            while left > 0:  # libsndfile would fill reads beyond the end with zeros
                block = self._file.read(int(min(size, left)), dtype="float32", always_2d=True)
                if not len(block):
                    return
                left -= len(block)
                if skip < len(block):
                    yield block[skip:]
                skip = max(0, skip - len(block))


def _plain(error: Exception) -> str:
    """Return the decoder's message without the repr of the file object that libsndfile puts before it."""
    words = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(words).removeprefix("Error : ").strip().rstrip(".") or type(error).__name__


@contextmanager
def _reading(name: str, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn exceptions of a decoder (libsndfile raises RuntimeError, FFmpeg those and its own) into AudioError."""
    kinds: tuple[type[Exception], ...] = (RuntimeError, ValueError, OSError, EOFError, *also)
    try:
        yield
    except AudioError:
        raise
    except kinds as error:
        raise AudioError(f"{name}: the recording is damaged ({_plain(error)}); copy or download it again") from error


class _AvReader:
    def __init__(self, container: Any, *, name: str) -> None:
        stream = container.streams.audio[0]
        if stream.codec_context is None:  # a damaged format tag
            raise AudioError(f"{name}: no decoder knows how its sound is coded; copy it again, or convert it to WAV")
        self._container, self._stream, self.name = container, stream, name
        self.sample_rate, self.channels = int(stream.rate or 0), int(stream.channels or 0)
        self.container, self.codec = container.format.name, getattr(stream.codec_context, "name", "unknown")
        _check_channels(self.channels, name=name)  # before anything is decoded
        self.n_frames = self._claimed()

    def _claimed(self) -> int | None:
        """Return the length in the header; None for containers where FFmpeg would estimate it from the bit rate."""
        stream, container = self._stream, self._container
        if not self.container.startswith(("mov,", "matroska,", "wav")):
            return None
        if stream.duration:
            return int(round(float(stream.duration * stream.time_base) * self.sample_rate))
        if container.duration and len(container.streams) == 1:  # with video it is the longest stream's
            return int(round(container.duration / 1e6 * self.sample_rate))
        return None

    def count(self) -> int:
        """Count from the times of the packets, without decoding: a WebM with an unfinished header has no length."""
        import av

        begin = end = self._stream.start_time or 0
        with _reading(self.name, (av.FFmpegError,)):
            for packet in self._container.demux(self._stream):
                if packet.pts is not None:
                    end = max(end, packet.pts + (packet.duration or 0))
        return round(float((end - begin) * self._stream.time_base) * self.sample_rate)

    def chunks(self, start: int, size: int) -> Iterator[Waveform]:
        blocks: list[Waveform] = []
        n_samples = 0
        for block in self._decoded(start):
            blocks.append(block)
            n_samples += len(block)
            if n_samples >= size:
                yield np.concatenate(blocks)
                blocks, n_samples = [], 0
        if blocks:
            yield np.concatenate(blocks)

    def _decoded(self, start: int) -> Iterator[Waveform]:
        """Yield the decoded packets (n, channels) from sample ``start`` on."""
        import av

        stream, rate = self._stream, self.sample_rate
        # Packed, all channels in one plane: PyAV reads beyond its array of planes if a planar frame has 8 or more.
        resampler = av.AudioResampler(format="flt", layout=stream.layout, rate=rate)
        position = 0
        with _reading(self.name, (av.FFmpegError,)):
            if start:
                # Times count from the first audible frame (encoder delay is skipped), not from the first packet.
                first = next(self._container.decode(stream), None)
                origin = float(first.time or 0.0) if first is not None else 0.0
                # A codec needs some packets before its output is correct: 0.2 s covers the pre-roll of AAC and Opus.
                wanted_s = origin + max(0.0, start / rate - 0.2)
                self._container.seek(int(wanted_s / stream.time_base), stream=stream)
            for n, frame in enumerate(self._container.decode(stream)):
                if start and n == 0:
                    position = round((float(frame.time or 0.0) - origin) * rate)
                for part in resampler.resample(frame):
                    samples = part.to_ndarray().reshape(-1, self.channels).astype(np.float32, copy=False)
                    skip = min(len(samples), max(0, start - position))
                    position += len(samples)
                    if skip < len(samples):
                        yield samples[skip:]


@contextmanager
def open_reader(source: AudioSource) -> Iterator[Reader]:
    """Open a source: path, bytes, binary file (read from its beginning, left open), or (samples, rate).

    Raises
    ------
    AudioError
        The source can't be read as a recording; the message gives the source, the finding and the remedy.
    """
    with ExitStack() as stack:
        reader: Reader
        if isinstance(source, tuple):
            reader = _array_reader(source)
        else:
            file, name = _open_file(source, stack)
            reader = _file_reader(file, name, stack)
        low, high = RATES_HZ
        if not low <= reader.sample_rate <= high:
            raise AudioError(
                f"{reader.name}: the sample rate is {reader.sample_rate} Hz, expected {low} to {high}; "
                "record or resample it at 16000 Hz or more"
            )
        if reader.n_frames == 0:
            raise AudioError(f"{reader.name}: the recording holds no samples; record it again")
        yield reader


def _open_file(source: str | os.PathLike[str] | bytes | BinaryIO, stack: ExitStack) -> tuple[BinaryIO, str]:
    """Return a seekable binary file, and its name for error messages."""
    if isinstance(source, str | os.PathLike):
        return _open_path(source, stack)
    if isinstance(source, bytes | bytearray | memoryview):
        if not len(source):
            raise AudioError("the bytes given as a recording are empty (0 bytes); give the content of an audio file")
        return io.BytesIO(source), f"the {len(source)} bytes given"
    if not hasattr(source, "read"):
        raise AudioError(
            f"a {type(source).__name__} was given as a recording; give a path, bytes, a binary file or (samples, rate)"
        )
    name = str(getattr(source, "name", "")) or "the open file"
    try:
        file = source if source.seekable() else io.BytesIO(source.read())
        file.seek(0)
        first = file.read(1)
        file.seek(0)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise AudioError(f"{name}: the open file can't be read ({error}); open it with open(path, 'rb')") from error
    if isinstance(first, str):
        raise AudioError(f"{name}: the file was opened as text; open it with open(path, 'rb')")
    if not first:
        raise AudioError(f"{name}: the file is empty (0 bytes); copy or record it again")
    return file, name


def _open_path(path: str | os.PathLike[str], stack: ExitStack) -> tuple[BinaryIO, str]:
    name = os.fspath(path)
    try:
        file = stack.enter_context(open(path, "rb"))
        n_bytes = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise AudioError(f"{name}: there is no such file; check the path") from None
    except IsADirectoryError:
        raise AudioError(f"{name}: this is a folder, not a recording; give a file in it") from None
    except (OSError, ValueError) as error:
        what = "this is a folder, not a recording" if os.path.isdir(name) else f"can't be opened ({_plain(error)})"
        raise AudioError(f"{name}: {what}; give a file that you may read") from error
    if not n_bytes:
        raise AudioError(f"{name}: the file is empty (0 bytes); copy or record it again")
    return file, name


def _file_reader(file: BinaryIO, name: str, stack: ExitStack) -> Reader:
    streamed = _check_length(file, name)
    try:
        if streamed:
            raise RuntimeError("libsndfile finds no samples where the header says 0")
        # Only the methods are passed on: for a name that ends in .raw, soundfile would expect headerless sound.
        methods = {name: getattr(file, name) for name in ("read", "readinto", "seek", "tell") if hasattr(file, name)}
        opened = stack.enter_context(_UnseekableSoundFile(SimpleNamespace(**methods)))
        if opened.frames > 0 or opened.format not in ("OGG",):
            return _SoundFileReader(opened, name=name)
    except (soundfile.LibsndfileError, RuntimeError, OSError):
        pass  # FFmpeg may read it; otherwise its error is reported
    return _av_reader(file, name, stack)


def _av_reader(file: BinaryIO, name: str, stack: ExitStack) -> Reader:
    import av

    file.seek(0)
    start = file.read(16)
    file.seek(0)
    try:
        options = {"format_whitelist": _DEMUXERS}
        container = stack.enter_context(av.open(file, mode="r", options=options, metadata_errors="replace"))
    except (av.FFmpegError, ValueError, OSError) as error:
        raise AudioError(f"{name}: {_describe(start)}") from error
    if not container.streams.audio:
        tracks = ", ".join(stream.type for stream in container.streams) or "nothing"
        raise AudioError(f"{name}: the file has no sound track (it holds {tracks}); give a recording with sound")
    return _AvReader(container, name=name)


def _describe(start: bytes) -> str:
    """Say what a file that no decoder reads is, from its first bytes, and what to do about it."""
    if start[4:8] == b"ftyp":
        return "the index of this MP4 or M4A is missing or damaged, it was cut short; record or copy it again"
    if start[:2] == b"PK":
        return "this is a zip archive or an office document, not a recording; unpack it first"
    known = start[:4] in (b"RIFF", b"RIFX", b"FORM", b"fLaC", b"OggS")
    if not known and start.isascii() and all(byte >= 32 or byte in b"\t\r\n" for byte in start):
        text = start.decode("ascii").strip()
        return f"this is text, not a recording (it begins with {text!r}); give the audio file itself"
    what = "this recording's header is damaged" if known else "this is no recording in a known format"
    return f"{what} (it begins with {start!r}); {'copy it again, or ' if known else ''}{_CONVERT}"


def _check_length(file: BinaryIO, name: str) -> bool:
    """Refuse a truncated WAV or AIFF; return True if its header says 0 bytes, as that of a stream does.

    libsndfile reads a truncated file without an error, so the size of the data chunk is compared with the file's.
    """
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    layout = {b"RIFF": "<I", b"RIFX": ">I", b"FORM": ">I"}.get(head[:4])
    streamed = False
    if layout and len(head) == 12:
        at, n_chunks = 12, 0
        while at + 8 <= n_bytes and n_chunks < 1000:  # a file of zeros would be a chunk every 8 bytes
            n_chunks += 1
            file.seek(at)
            kind, size = file.read(4), struct.unpack(layout, file.read(4))[0]
            at += 8
            if kind in (b"data", b"SSND"):
                there = n_bytes - at
                streamed = size == 0 and there > 0
                if there < size * (1 - _TRUNCATED_SHARE) and size < _PLACEHOLDER_BYTES:
                    raise AudioError(
                        f"{name}: the recording was cut short, {there} of {size} bytes of sound are there "
                        f"({math.floor(100 * there / size)} %); copy or download it again"
                    )
                break
            at += size + size % 2
    file.seek(0)
    return streamed
