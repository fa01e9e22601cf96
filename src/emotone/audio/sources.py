"""Open a path, bytes or a binary file as a seekable binary file.

Pipes are read to their end first, with a time limit: a pipe without a writer would block for ever.
"""

import io
import os
import select
import stat
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, ExitStack
from time import monotonic
from typing import Any, BinaryIO, TypeAlias

import numpy.typing as npt

from emotone.errors import AudioError, EmotoneError


class DecodedElsewhere(ABC):
    """The base of `emotone.audio.isolated_source.IsolatedSource`, for the type of sources."""

    @abstractmethod
    def open(
        self, *, start_s: float = 0.0, end_s: float | None = None, channel: str | int = "mix", track: int | None = None
    ) -> AbstractContextManager[Any]:
        """Open the recording, or a segment of it, as `emotone.audio.open_recording` does."""


#: A path, the bytes of a file, an open binary file, or (samples (n,) or (n, channels), rate in Hz).  A recogniser takes
#: an `IsolatedSource` as well.
AudioSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | tuple[npt.NDArray[Any], int] | DecodedElsewhere

#: Seconds to wait for the next bytes of a pipe.
PIPE_TIMEOUT_S = 30.0
#: Slowest pipe that is read, bytes per second in the mean; the slowest speech codecs send 700 bits/s.
PIPE_MIN_BYTES_PER_S = 80.0
#: Most bytes that are read from a pipe, 2 GiB.
PIPE_MAX_BYTES = 2**31
_PIPE_BLOCK = 1 << 16


def open_file(
    source: str | os.PathLike[str] | bytes | BinaryIO | DecodedElsewhere, stack: ExitStack
) -> tuple[BinaryIO, str]:
    """Return a seekable binary file, and its name for error messages.

    Parameters
    ----------
    source
        A path, the bytes of a file, or an open binary file, which is read from its beginning if it can seek.
    stack
        Closes what is opened here.

    Raises
    ------
    AudioError
        The source does not exist, is empty, is a folder or text, or is a pipe that stays silent or is too slow.
    """
    if isinstance(source, str | os.PathLike):
        file, name = _open_path(source, stack)
    elif isinstance(source, bytes | bytearray | memoryview):
        if not len(source):
            raise AudioError("the bytes given as a recording are empty (0 bytes); give the content of an audio file")
        return io.BytesIO(source), f"the {len(source)} bytes given"
    elif not isinstance(source, DecodedElsewhere) and hasattr(source, "read"):
        file, name = source, str(getattr(source, "name", "")) or "the open file"
    else:
        raise AudioError(
            f"a {type(source).__name__} was given as a recording; give a path, bytes, a binary file or (samples, rate)"
        )
    is_pipe = False
    try:
        is_pipe = not file.seekable()
        file = io.BytesIO(_pipe_bytes(file, name)) if is_pipe else file
        file.seek(0)
        first = file.read(1)
        file.seek(0)
    except EmotoneError:
        raise
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise AudioError(f"{name}: the open file can't be read ({error}); open it with open(path, 'rb')") from error
    if isinstance(first, str):
        raise AudioError(f"{name}: the file was opened as text; open it with open(path, 'rb')")
    if not first:
        what = "nothing came through this pipe; check the program that writes to it"
        raise AudioError(f"{name}: {what if is_pipe else 'the file is empty (0 bytes); copy or record it again'}")
    return file, name


def read_once(source: AudioSource) -> AudioSource:
    """Return a source that can be read several times: the content of a pipe, and everything else as it is."""
    if isinstance(source, str | os.PathLike):
        try:
            if not stat.S_ISFIFO(os.stat(source).st_mode):
                return source
        except (OSError, ValueError):
            return source
    elif isinstance(source, bytes | bytearray | memoryview | tuple) or not hasattr(source, "read"):
        return source
    elif getattr(source, "seekable", lambda: True)():
        return source
    with ExitStack() as stack:
        return open_file(source, stack)[0].read()


def _open_path(path: str | os.PathLike[str], stack: ExitStack) -> tuple[BinaryIO, str]:
    name = os.fspath(path)
    try:
        # Without O_NONBLOCK, opening a named pipe waits for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        file = stack.enter_context(open(descriptor, "rb", buffering=0 if _is_pipe(descriptor) else -1))
    except FileNotFoundError:
        raise AudioError(f"{name}: {_not_there(name)}") from None
    except IsADirectoryError:
        raise AudioError(f"{name}: this is a folder, not a recording; give a file in it") from None
    except (OSError, ValueError) as error:
        what = "this is a folder, not a recording" if os.path.isdir(name) else f"can't be opened ({_reason(error)})"
        raise AudioError(f"{name}: {what}; give a file that you may read") from error
    return file, name


def _not_there(name: str | bytes) -> str:
    """Say why a path names no file, and what to do.

    Examples
    --------
    >>> _not_there("https://example.org/clip.wav")
    'this is an address, and only files are read; download it first: curl -LO https://example.org/clip.wav'
    """
    path = os.fsdecode(name)
    scheme, separator, _ = path.lower().partition("://")
    if not separator or not scheme.isidentifier():
        return "there is no such file; check the path"
    what = "this is an address, and only files are read"
    if scheme == "file":
        return f"{what}; leave out 'file://'"
    if scheme in ("http", "https", "ftp"):
        import shlex

        return f"{what}; download it first: curl -LO {shlex.quote(path)}"
    return f"{what}; copy it to this machine first ('emotone annotate' also reads s3:// and the like)"


def _is_pipe(descriptor: int) -> bool:
    return not stat.S_ISREG(os.fstat(descriptor).st_mode)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).rstrip(".")


def _pipe_bytes(file: BinaryIO, name: str) -> bytes:
    """Read a pipe, socket or terminal to its end.

    Raises
    ------
    AudioError
        Nothing comes for `PIPE_TIMEOUT_S`, it is slower than `PIPE_MIN_BYTES_PER_S` after that time, or more than
        `PIPE_MAX_BYTES` come.
    """
    try:
        descriptor = file.fileno()
    except (AttributeError, OSError):
        return file.read()  # an object that only looks like a file
    if not hasattr(select, "poll"):
        return file.read()
    pipe = select.poll()
    pipe.register(descriptor, select.POLLIN)
    held, start_s = bytearray(), monotonic()
    while len(held) <= PIPE_MAX_BYTES:
        if not pipe.poll(PIPE_TIMEOUT_S * 1000):
            raise AudioError(
                f"{name}: no bytes came through this pipe for {PIPE_TIMEOUT_S:g} s; start the program that writes to "
                "it, or name a file"
            )
        block = os.read(descriptor, _PIPE_BLOCK)
        if not block:
            return bytes(held)
        held += block
        passed_s = monotonic() - start_s
        if passed_s > PIPE_TIMEOUT_S + len(held) / PIPE_MIN_BYTES_PER_S:
            raise AudioError(
                f"{name}: only {len(held)} bytes came through this pipe in {passed_s:.0f} s, expected at least "
                f"{PIPE_MIN_BYTES_PER_S:g} bytes/s; write the recording to a file and name it"
            )
    raise AudioError(f"{name}: the pipe gave more than {PIPE_MAX_BYTES} bytes; write them to a file and name it")
