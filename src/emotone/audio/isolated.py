"""Decode recordings of unknown origin in child processes: a decoder that crashes costs one recording.

FFmpeg is given bytes that anybody may have made, and a fault in it ends the process.  Plain WAV and FLAC are decoded
here, by libsndfile; everything else by a child, which is started when it is first needed and started anew when it has
died.  `emotone.audio.isolated_child` has the child's side.
"""

import atexit
import json
import os
import stat
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any, BinaryIO

import numpy as np

from emotone import processes
from emotone.audio.channels import Channel
from emotone.audio.isolated_child import END, ERROR, REPLY, REQUEST, SPAN, End, end_of, name_of
from emotone.audio.layout import layout_of
from emotone.audio.reader import Waveform
from emotone.audio.reading import check_sound, open_recording
from emotone.audio.sources import AudioSource, open_file
from emotone.errors import AudioError, EmotoneError
from emotone.processes import read_exactly

#: Seconds after which a decoder is stopped.
TIMEOUT_S = 600.0
#: Most seconds and bytes to take what a caller left of a recording.
_REST_S, _REST_BYTES = 0.3, 8 << 20
_PLAIN_CONTAINERS, _PLAIN_CODECS = ("wav", "wavex", "rf64", "flac"), ("pcm_", "float", "double")


def blocks(
    source: AudioSource,
    *,
    block_s: float = 30.0,
    channel: Channel = "mix",
    track: int | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Generator[Waveform, None, End]:
    """Yield the blocks of a recording as `emotone.audio.blocks` does; a crash of the decoder is an `AudioError`.

    Parameters
    ----------
    source, block_s, channel, track
        As in `emotone.audio.blocks`.
    timeout_s
        Most seconds for the recording, including what the caller does between two blocks.

    Returns
    -------
    What is known at the end.

    Raises
    ------
    AudioError
        As in `emotone.audio.blocks`, or the decoder crashes or takes too long.
    """
    return (yield from _shared.blocks(source, block_s, {"channel": channel, "track": track}, timeout_s))


def read(
    source: AudioSource,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    channel: Channel = "mix",
    track: int | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Waveform:
    """Read a recording as `emotone.audio.read` does; a crash of the decoder is an `AudioError`.

    Parameters
    ----------
    source, start_s, end_s, channel, track
        As in `emotone.audio.read`.
    timeout_s
        Most seconds for the recording.

    Raises
    ------
    AudioError
        As in `emotone.audio.read`, or the decoder crashes or takes too long.
    """
    options = {"start_s": start_s, "end_s": end_s, "channel": channel, "track": track}
    parts: list[Waveform] = []
    recording = _shared.blocks(source, 30.0, options, timeout_s)
    while True:
        try:
            parts.append(next(recording))
        except StopIteration as end:
            return check_sound(np.concatenate(parts), end.value.name)


def is_plain(source: AudioSource) -> bool:
    """Return whether the source is an array, or WAV or FLAC with linear samples, which no other decoder gets to see."""
    if isinstance(source, tuple):
        return True
    try:
        with ExitStack() as stack:
            file, name = open_file(source, stack)
            layout = layout_of(file, name)
            if layout.samples is not None:
                return True
            return layout.by_libsndfile and len(layout.links) == 1 and _is_linear(file, name, stack)
    except AudioError:  # reported before anything is decoded
        return True
    except OSError:
        return False


def _is_linear(file: BinaryIO, name: str, stack: ExitStack) -> bool:
    """Return whether libsndfile reads linear samples of WAV or FLAC."""
    from emotone.audio.soundfile_reader import UNREADABLE, SoundFileReader, knows_channels

    try:
        file.seek(0)
        reader = SoundFileReader(file, name=name, stack=stack)
    except UNREADABLE:
        return False
    is_linear = reader.container in _PLAIN_CONTAINERS and reader.codec.startswith(_PLAIN_CODECS)
    return is_linear and knows_channels(reader)


class DecoderPool:
    """Child processes that decode, as many as there are requests at the same time."""

    def __init__(self) -> None:
        self._idle: list[Child] = []
        self._lock = threading.Lock()

    def blocks(
        self, source: AudioSource, block_s: float, options: dict[str, Any], timeout_s: float
    ) -> Generator[Waveform, None, End]:
        """Yield the blocks of a recording; see `emotone.audio.isolated.blocks`.

        ``options`` are those of `emotone.audio.reading.open_recording`.
        """
        held = _file_or_bytes(source)
        if is_plain(held):
            with open_recording(held, **options) as recording:
                yield from recording.blocks(block_s)
                return end_of(recording)
        with self.child() as child:
            return (yield from child.decode(held, block_s, options, timeout_s))

    @contextmanager
    def child(self) -> Iterator["Child"]:
        """Lend a child; it ends if it is not ready for another request afterwards, nor soon."""
        child = self._take()
        try:
            yield child
        finally:
            child.take_rest()
            if child.is_ready:
                with self._lock:
                    self._idle.append(child)
            else:  # it died, or the caller wants no more blocks of a long recording
                child.kill()

    def close(self) -> None:
        """End the idle children."""
        with self._lock:
            children, self._idle = self._idle, []
        for child in children:
            child.kill()

    @property
    def pids(self) -> list[int]:
        """Process numbers of the idle children."""
        return [child.process.pid for child in self._idle]

    def _take(self) -> "Child":
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.process.poll() is None:
                    return child
                child.kill()
        return Child()


class Child:
    """A child process that decodes a recording at a time.

    Attributes
    ----------
    is_ready
        Whether it is alive and waits for a request.
    """

    def __init__(self) -> None:
        self.process = processes.start("emotone.audio.isolated_child")
        self.is_ready = True
        self._waits_for_span = False
        self._is_between = True  # messages: an interrupt within one leaves the rest of it in the pipe

    def decode(
        self, source: str | bytes, block_s: float, options: dict[str, Any], timeout_s: float
    ) -> Generator[Waveform, None, End]:
        """Yield the blocks of a recording as 16 kHz mono."""
        request = _request({"block_s": block_s, "options": options}, source)
        with self._timed(_name(source), timeout_s):
            self._send(*request)
            while True:
                kind, content = self._reply()
                if kind == END:
                    return End(*json.loads(content))
                yield np.frombuffer(content, np.float32)

    def open_frames(self, source: str | bytes, *, track: int | None, timeout_s: float) -> dict[str, Any]:
        """Return the properties of a recording's `Reader`."""
        request = _request({"track": track}, source)
        with self._timed(_name(source), timeout_s):
            self._send(*request)
            properties: dict[str, Any] = json.loads(self._reply()[1])
            self._waits_for_span = True
            return properties

    def ask_for_frames(self, start: int, size: int, *, name: str) -> None:
        """Ask for blocks of about ``size`` frames from frame ``start`` on, after `open_frames`."""
        pipe = self.process.stdin
        assert pipe is not None
        with self._timed(name, TIMEOUT_S):
            self._waits_for_span = False
            pipe.write(SPAN.pack(start, size))
            pipe.flush()

    def next_frames(self, *, name: str, timeout_s: float) -> Waveform | None:
        """Return the next block, all channels in one row; None at the end."""
        with self._timed(name, timeout_s):
            kind, content = self._reply()
            return None if kind == END else np.frombuffer(content, np.float32)

    def take_rest(self) -> None:
        """Take the blocks that the caller does not want, if they are few: another process starts in 0.4 s."""
        if self.is_ready or not self._is_between or self.process.poll() is not None:
            return
        ends, n_bytes = time.monotonic() + _REST_S, 0
        with suppress(EmotoneError, MemoryError), self._timed("the rest of a recording", 2 * _REST_S):
            if self._waits_for_span:
                self.ask_for_frames(0, 0, name="the rest of a recording")
            while not self.is_ready and n_bytes < _REST_BYTES and time.monotonic() < ends:
                n_bytes += len(self._reply()[1])
        if time.monotonic() >= ends:  # it may have been killed just now, and must not get another recording
            self.is_ready = False

    @contextmanager
    def _timed(self, name: str, timeout_s: float) -> Iterator[None]:
        """Kill the child after ``timeout_s``; report its end as `AudioError`."""
        is_late = False

        def stop() -> None:
            nonlocal is_late
            is_late = True
            self.process.kill()

        timer = threading.Timer(timeout_s, stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (OSError, EOFError) as error:
            raise AudioError(f"{name}: {self._cause(timeout_s if is_late else None)}") from error
        finally:
            timer.cancel()

    def _cause(self, timeout_s: float | None) -> str:
        if timeout_s is not None:
            return f"decoding took longer than {timeout_s:g} s; convert it to WAV or FLAC, or cut it into parts"
        if self.process.poll() is None:  # it lives, and its pipe is broken
            self.kill()
        code = self.process.wait()
        end = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"the decoder crashed on this recording ({end}); copy it again, or convert it to WAV or FLAC"

    def kill(self) -> None:
        """End the process."""
        processes.end(self.process)

    def _send(self, text: bytes, data: bytes) -> None:
        pipe = self.process.stdin
        assert pipe is not None
        self.is_ready = self._is_between = False
        pipe.write(REQUEST.pack(len(text), len(data)) + text)
        pipe.write(data)
        pipe.flush()
        self._is_between = True

    def _reply(self) -> tuple[bytes, bytes]:
        """Return kind and content of a reply; raise the error that it is."""
        pipe = self.process.stdout
        assert pipe is not None
        self._is_between = False
        kind, n_bytes = REPLY.unpack(read_exactly(pipe, REPLY.size))
        content = read_exactly(pipe, n_bytes)
        self._is_between = True
        self.is_ready = kind in (END, ERROR)
        if kind == ERROR:
            raise _error_of(content)
        return kind, content


def _request(header: dict[str, Any], source: str | bytes) -> tuple[bytes, bytes]:
    """Return header and content of a request.

    A relative path is sent with the folder that it is relative to, so that errors name it as it was given.

    Raises
    ------
    AudioError
        The working folder no longer exists.
    """
    if isinstance(source, bytes):
        return json.dumps({**header, "path": None, "folder": None}).encode(), source
    try:
        folder = None if os.path.isabs(source) else os.getcwd()
    except OSError as error:
        raise AudioError(f"{source}: the working folder is gone ({error.strerror}); give the whole path") from error
    return json.dumps({**header, "path": source, "folder": folder}).encode(), b""


def _file_or_bytes(source: AudioSource) -> Any:
    """Return the path of a regular file, or the content of everything else that is no array."""
    if isinstance(source, tuple | bytes):
        return source
    if isinstance(source, str | os.PathLike):
        path = os.fsdecode(source)
        try:
            if stat.S_ISREG(os.stat(path).st_mode) and not path.startswith(("/dev/", "/proc/")):
                return path
        except (OSError, ValueError):
            pass  # `open_file` names the cause
    with ExitStack() as stack:
        return open_file(source, stack)[0].read()


def _name(source: str | bytes) -> str:
    return source if isinstance(source, str) else name_of(source)


def _error_of(content: bytes) -> Exception:
    import emotone.errors

    reply = json.loads(content)
    kind = getattr(emotone.errors, reply["kind"], AudioError)
    return MemoryError(reply["message"]) if reply["kind"] == "MemoryError" else kind(reply["message"])


_shared = DecoderPool()
atexit.register(_shared.close)


def lent_child() -> AbstractContextManager[Child]:
    """Lend a child of this process, see `DecoderPool.child`."""
    return _shared.child()


def _forget_children() -> None:
    """Leave the children to the process that started them."""
    global _shared
    _shared = DecoderPool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_children)
