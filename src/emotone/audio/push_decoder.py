"""Decode live sound that arrives as bytes: raw samples, and the containers that browsers record (WebM and Ogg).

The borders of the chunks do not change the samples.  Memory is bounded: a decoder continues only when its last block
was taken.
"""

import contextlib
import queue
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol, cast

import numpy as np

from emotone.audio.av_reader import LONGEST_LIVE_GAP_S, AvReader
from emotone.audio.channels import Channel, channel_number
from emotone.audio.raw import ENCODINGS, RawFormat
from emotone.audio.reader import Waveform
from emotone.audio.resampling import SAMPLE_RATE, LiveResampler, peak_of
from emotone.errors import AudioError

#: Name of a container format -> FFmpeg's demuxer and the container's first bytes.
_CONTAINERS = {"webm-opus": ("matroska", b"\x1aE\xdf\xa3"), "ogg-opus": ("ogg", b"OggS")}
#: Formats that `push_decoder` knows.
LIVE_FORMATS = (*ENCODINGS, *_CONTAINERS)

#: First bytes -> the kind of file.
_HEADERS = {
    **{b"RIFF": "WAV", b"RIFX": "WAV", b"RF64": "WAV", b"FORM": "AIFF", b"fLaC": "FLAC", b"ID3": "MP3"},
    **{b"OggS": "Ogg", b"\x1aE\xdf\xa3": "WebM"},
}
_HEADER_BYTES = 12
#: Floating point above this is not sound but another encoding; a gain of 40 dB is accepted.
_LARGEST_FLOAT = 100.0
#: Seconds after which a caller that waits for the thread sees that the decoder was closed.
_CLOSE_CHECK_S = 0.5


class PushDecoder(Protocol):
    """Bytes in, samples out.

    Attributes
    ----------
    rate, channels
        Sample rate in Hz, and number of channels, of the samples.
    """

    rate: int
    channels: int

    def push(self, data: bytes) -> Iterator[Waveform]:
        """Decode the next bytes, and yield blocks (n, channels) of up to about a second.

        Raises
        ------
        AudioError
            The bytes are not of the declared format.
        """

    def finish(self) -> Iterator[Waveform]:
        """Decode the rest at the end of the stream; yields and errors as in `push`."""

    def close(self) -> None:
        """Release the decoder, also before the end."""


def push_decoder(name: str, *, rate: int | None = None, channels: int = 1, channel: Channel = "mix") -> PushDecoder:
    """Return the decoder of a format.

    Parameters
    ----------
    name
        A name in `LIVE_FORMATS`.
    rate, channels
        Of raw samples; a container has its own.
    channel
        "mix" keeps the channels of raw samples; "left", "right" or a number from 1 chooses one.

    Raises
    ------
    AudioError
        The format is unknown, or its rate is missing, or a value is out of range, or raw samples lack the channel.
    """
    number = channel_number(channel)
    if name in _CONTAINERS:
        return ContainerDecoder(name, channel=channel)
    if name not in ENCODINGS:
        raise AudioError(f"the format is {name!r}; expected {', '.join(LIVE_FORMATS)}")
    if rate is None:
        raise AudioError(f"the format {name} has no rate; expected the sample rate in Hz, such as 16000")
    raw = RawFormat(name, rate, channels)
    if number is not None and number > channels:
        raise AudioError(f"channel is {channel!r}, and the sound has {channels}; expected 1 to {channels}")
    return RawDecoder(raw, only=number)


class RawDecoder:
    """Decode raw samples, which keep their rate, and their channels or the one with the number ``only``.

    See `PushDecoder`.
    """

    def __init__(self, raw: RawFormat, *, only: int | None = None) -> None:
        self.format, self.rate = raw, raw.rate
        self.channels = raw.channels if only is None else 1
        self._chosen = slice(None) if only is None else slice(only - 1, only)
        self._rest, self._begun = b"", False

    def push(self, data: bytes) -> Iterator[Waveform]:
        """Decode the next bytes; see `PushDecoder.push`."""
        held = self._rest + data
        if not self._begun and len(held) < _HEADER_BYTES:
            self._rest = held
            return
        yield from self._decoded(held)

    def finish(self) -> Iterator[Waveform]:
        """Decode the rest, and raise `AudioError` if a part of a sample is left."""
        yield from self._decoded(self._rest)
        if self._rest:
            raise AudioError(
                f"the stream ends with {len(self._rest)} of the {self.format.frame_bytes} bytes of a sample "
                f"({self.format.encoding}, channels: {self.format.channels}); name the encoding and channels that are "
                "sent"
            )

    def close(self) -> None:
        """Do nothing."""

    def _decoded(self, held: bytes) -> Iterator[Waveform]:
        if not self._begun:
            _check_raw_start(held, self.format.encoding)
            self._begun = True
        size = self.format.frame_bytes
        whole = len(held) - len(held) % size
        self._rest = held[whole:]
        for at in range(0, whole, size * self.rate):
            samples = self.format.decode(held[at : min(whole, at + size * self.rate)])[:, self._chosen]
            if self.format.encoding in ("f32le", "f64le"):
                self._check_floats(samples)
            yield samples

    def _check_floats(self, samples: Waveform) -> None:
        peak = peak_of(samples)
        if not peak <= _LARGEST_FLOAT:  # NaN compares false
            raise AudioError(
                f"the stream has a sample of {peak:g} as {self.format.encoding}, expected floating point in [-1, 1]; "
                "if the sound is 16-bit integers, name the format s16le"
            )


class ContainerDecoder:
    """Decode WebM or Ogg with Opus to 16 kHz mono; see `PushDecoder`.

    FFmpeg asks for bytes when it needs them, so it runs in a thread, which takes turns with the caller: it works only
    while `push` or `finish` waits for it.  Gaps between time stamps become silence.

    Parameters
    ----------
    name
        "webm-opus" or "ogg-opus".
    channel
        "mix", "left", "right", or the number of a channel, from 1.
    """

    def __init__(self, name: str, *, channel: Channel = "mix") -> None:
        self.rate, self.channels, self._channel = SAMPLE_RATE, 1, channel
        self._name, (self._demuxer, self._start) = name, _CONTAINERS[name]
        self._bytes: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()  # None ends the stream
        self._blocks: queue.Queue[Waveform | None | _End] = queue.Queue(maxsize=1)  # None asks for bytes
        self._pipe = _Pipe(self)
        self._held, self._begun, self._over, self._closed = b"", False, False, False
        self._ready: list[Waveform] = []

    def push(self, data: bytes) -> Iterator[Waveform]:
        """Decode the next bytes; see `PushDecoder.push`."""
        if self._over and data:
            raise AudioError("the recording in the stream has ended, and more bytes came; open another stream for them")
        if not self._begun:
            data = self._held + data
            self._held = data if len(data) < _HEADER_BYTES else b""
            if self._held:
                return
            self._begin(data)
        if data:
            self._bytes.put(data)
            yield from self._taken()

    def finish(self) -> Iterator[Waveform]:
        """Decode the rest; raise `AudioError` if not even the header has come."""
        if not self._begun:
            if not self._held:
                return
            self._begin(self._held)
            self._bytes.put(self._held)
            yield from self._taken()
        if not self._over:
            self._bytes.put(None)
            yield from self._taken()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._bytes.put(None)
        with contextlib.suppress(queue.Empty):
            while True:  # room for the block that the thread may be about to hand over
                self._blocks.get_nowait()

    def _begin(self, data: bytes) -> None:
        if not data.startswith(self._start):
            kind = _kind_of(data)
            what = f"like {kind}" if kind else f"with {data[:4]!r}"
            raise AudioError(
                f"the sound begins {what}, and the format is {self._name}, which begins with {self._start!r}; name the "
                f"format that is sent ({', '.join(LIVE_FORMATS)}), and send it from its beginning"
            )
        self._begun = True
        threading.Thread(target=self._run, name="emotone-push-decoder", daemon=True).start()
        for _ in self._taken():  # until FFmpeg asks for its first bytes
            pass

    def _taken(self) -> Iterator[Waveform]:
        """Yield the blocks of the thread until it asks for bytes or ends."""
        while not self._closed:
            try:
                block = self._blocks.get(timeout=_CLOSE_CHECK_S)
            except queue.Empty:
                continue
            if block is None:
                return
            if isinstance(block, _End):
                self._over = True
                if block.error is not None:
                    raise block.error
                return
            yield block

    def _run(self) -> None:
        error: Exception | None = None
        try:
            with ExitStack() as stack:
                file = cast(Any, self._pipe)
                reader = AvReader(
                    file, name="the stream", stack=stack, demuxer=self._demuxer, longest_gap_s=LONGEST_LIVE_GAP_S
                )
                if "opus" not in reader.codec:
                    raise AudioError(
                        f"the sound of the stream is coded as {reader.codec}, and the format is {self._name}; send Opus"
                    )
                live = LiveResampler(reader.sample_rate, reader.channels, channel=self._channel)
                for block in reader.chunks(0, reader.sample_rate // 50):
                    self._keep(live.push(block))
                self._keep(live.finish())
                self.flush()
        except Exception as failure:  # the caller raises it
            error = failure
        if not self._closed:
            self._blocks.put(_End(error))

    def _keep(self, block: Waveform) -> None:
        if len(block):
            self._ready.append(block[:, None])
        if sum(map(len, self._ready)) >= SAMPLE_RATE:
            self.flush()

    def flush(self) -> None:
        """Hand the decoded samples to the caller; the thread waits until the block before them was taken."""
        if self._ready:
            self._hand_over(np.concatenate(self._ready))
            self._ready = []

    def more(self) -> bytes | None:
        """Wait for the next bytes of the caller; None at the end."""
        self.flush()
        self._hand_over(None)
        return self._bytes.get()

    def _hand_over(self, block: Waveform | None) -> None:
        if self._closed:  # blocks are taken no more
            raise AudioError("the stream was closed")
        self._blocks.put(block)


class _End:
    """The thread has ended, with or without an error."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error


class _Pipe:
    """The bytes of a caller as a binary file that can't seek, except to its beginning after the first read."""

    def __init__(self, decoder: ContainerDecoder) -> None:
        self._decoder, self._held, self._first, self._ended = decoder, b"", b"", False

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0) -> int:
        self._held, self._first = self._first + self._held, b""
        return 0

    def read(self, n_bytes: int) -> bytes:
        while not self._held and not self._ended:
            data = self._decoder.more()
            self._held, self._ended = data or b"", data is None
        block, self._held = self._held[:n_bytes], self._held[n_bytes:]
        self._first = block if n_bytes <= 16 else b""
        return block


def _kind_of(start: bytes) -> str | None:
    """Return the kind of file that begins like this; None if it is unknown."""
    if start[4:8] == b"ftyp":
        return "MP4"
    return next((kind for header, kind in _HEADERS.items() if start.startswith(header)), None)


def _check_raw_start(start: bytes, encoding: str) -> None:
    kind = _kind_of(start)
    if kind is not None:
        raise AudioError(
            f"the sound begins like {kind} ({start[:4]!r}), and the format is {encoding}, which has no header; send "
            f"samples alone, or name the format {' or '.join(_CONTAINERS)}"
        )
