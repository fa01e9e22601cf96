"""Decode recordings of unknown origin in child processes: a decoder that crashes costs one recording.

FFmpeg is given bytes that anybody may have made, and a fault in it ends the process.  Plain WAV and FLAC are decoded
here, by libsndfile; everything else by a child, which is started when it is first needed and started anew when it has
died.  A child serves one request after the other.  Each request is a header in JSON and the recording's bytes, if it is
not a path; the replies are blocks of samples, and an end or an error.
"""

import atexit
import json
import os
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import soundfile

from emotone.audio.channels import Channel
from emotone.audio.layout import layout_of
from emotone.audio.reader import Waveform, reason
from emotone.audio.reading import Recording, check_sound, open_recording
from emotone.audio.soundfile_reader import SoundFileReader
from emotone.audio.sources import AudioSource, open_file
from emotone.errors import AudioError, EmotoneError

#: Seconds after which a decoder is stopped.
TIMEOUT_S = 600.0
_PLAIN_CONTAINERS, _PLAIN_CODECS = ("wav", "wavex", "rf64", "flac"), ("pcm_", "float", "double")
#: Sizes of a request's header and bytes; kind and size of a reply.
_REQUEST, _REPLY = struct.Struct("<IQ"), struct.Struct("<cQ")
_SAMPLES, _END, _ERROR = b"s", b"e", b"x"
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from emotone.audio.isolated import serve; serve()"


class End(NamedTuple):
    """What is known of a recording at its end: its name in error messages, and `Recording.has_two_people`."""

    name: str
    has_two_people: bool


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
            if not layout.by_libsndfile or len(layout.links) > 1:
                return False
            file.seek(0)
            reader = SoundFileReader(file, name=name, stack=stack)
            return reader.container in _PLAIN_CONTAINERS and reader.codec.startswith(_PLAIN_CODECS)
    except AudioError:  # reported before anything is decoded
        return True
    except (soundfile.LibsndfileError, RuntimeError, OSError):
        return False


class DecoderPool:
    """Child processes that decode, as many as there are requests at the same time."""

    def __init__(self) -> None:
        self._idle: list[_Child] = []
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
                return _end_of(recording)
        child = self._take()
        try:
            end = yield from child.decode(held, block_s, options, timeout_s)
        finally:
            if child.is_ready:
                with self._lock:
                    self._idle.append(child)
            else:  # it died, or the caller wants no more blocks
                child.kill()
        return end

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

    def _take(self) -> "_Child":
        with self._lock:
            while self._idle:
                child = self._idle.pop()
                if child.process.poll() is None:
                    return child
                child.kill()
        return _Child()


class _Child:
    """A child process that decodes a recording at a time.

    Attributes
    ----------
    is_ready
        Whether it is alive and waits for a request.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-I", "-c", _START, json.dumps([str(folder) for folder in sys.path])]
        # its own session: Ctrl-C is for the parent, which then closes the pipe
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.is_ready = True

    def decode(
        self, source: str | bytes, block_s: float, options: dict[str, Any], timeout_s: float
    ) -> Generator[Waveform, None, End]:
        self.is_ready = False
        name = source if isinstance(source, str) else f"the {len(source)} bytes given"
        path, data = (source, b"") if isinstance(source, str) else (None, source)
        header = json.dumps({"path": path, "folder": os.getcwd(), "block_s": block_s, "options": options}).encode()
        is_late = False

        def stop() -> None:
            nonlocal is_late
            is_late = True
            self.process.kill()

        timer = threading.Timer(timeout_s, stop)
        timer.daemon = True
        timer.start()
        try:
            self._send(header, data)
            while True:
                kind, content = self._receive()
                if kind == _SAMPLES:
                    yield np.frombuffer(content, np.float32)
                    continue
                self.is_ready = True
                if kind == _END:
                    return End(*json.loads(content))
                raise _error_of(content)
        except (OSError, EOFError) as error:
            raise AudioError(f"{name}: {self._cause(timeout_s if is_late else None)}") from error
        finally:
            timer.cancel()

    def _cause(self, timeout_s: float | None) -> str:
        if timeout_s is not None:
            return f"decoding took longer than {timeout_s:g} s; convert it to WAV or FLAC, or send it in parts"
        code = self.process.wait()
        end = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"the decoder crashed on this recording ({end}); copy it again, or convert it to WAV or FLAC"

    def kill(self) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:  # bytes of a request that were not sent
                pass
        self.process.wait()

    def _send(self, header: bytes, data: bytes) -> None:
        pipe = self.process.stdin
        assert pipe is not None
        pipe.write(_REQUEST.pack(len(header), len(data)) + header)
        pipe.write(data)
        pipe.flush()

    def _receive(self) -> tuple[bytes, bytes]:
        pipe = self.process.stdout
        assert pipe is not None
        kind, n_bytes = _REPLY.unpack(_exactly(pipe, _REPLY.size))
        return kind, _exactly(pipe, n_bytes)


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


def _end_of(recording: Recording) -> End:
    return End(recording.name, recording.has_two_people)


def _error_of(content: bytes) -> Exception:
    import emotone.errors

    reply = json.loads(content)
    kind = getattr(emotone.errors, reply["kind"], AudioError)
    return MemoryError(reply["message"]) if reply["kind"] == "MemoryError" else kind(reply["message"])


def _exactly(pipe: Any, n_bytes: int) -> bytes:
    content: bytes = pipe.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError
    return content


def serve() -> None:
    """Decode what the parent asks for, until it closes the pipe: the main function of a child."""
    # Libraries print to stdout, which is not theirs here.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    try:
        while head := requests.read(_REQUEST.size):
            n_header, n_data = _REQUEST.unpack(head)
            _serve_request(json.loads(requests.read(n_header)), requests.read(n_data), replies)
    except OSError:  # the parent has ended
        return


def _serve_request(header: dict[str, Any], data: bytes, replies: BinaryIO) -> None:
    def reply(kind: bytes, content: Any) -> None:
        view = memoryview(content).cast("B")
        replies.write(_REPLY.pack(kind, len(view)))
        replies.write(view)
        replies.flush()

    try:
        os.chdir(header["folder"])
        with open_recording(header["path"] or data, **header["options"]) as recording:
            for block in recording.blocks(header["block_s"]):
                try:
                    reply(_SAMPLES, np.ascontiguousarray(block, np.float32))
                except OSError as error:
                    raise SystemExit from error
            reply(_END, json.dumps(_end_of(recording)).encode())
    except (EmotoneError, MemoryError) as error:
        reply(_ERROR, json.dumps({"kind": type(error).__name__, "message": str(error)}).encode())
    except Exception as error:
        name = header["path"] or f"the {len(data)} bytes given"
        message = f"{name}: the recording can't be decoded ({reason(error)}); copy it again, or convert it to WAV"
        reply(_ERROR, json.dumps({"kind": "AudioError", "message": message}).encode())


_shared = DecoderPool()
atexit.register(_shared.close)


def _forget_children() -> None:
    """Leave the children to the process that started them."""
    global _shared
    _shared = DecoderPool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_children)
