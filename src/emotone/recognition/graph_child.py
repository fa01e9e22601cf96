"""The child process that runs the graph of a bundle: its limits, its requests and its replies.

A graph is a program: it can run for ever, and ask for any amount of memory.  So the system ends a child that works for
too long, and gives it no more than its memory, whatever the graph does.
"""

import contextlib
import hashlib
import json
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from emotone.errors import BundleError, EmotoneError
from emotone.files import read_regular
from emotone.processes import own_pipes
from emotone.recognition.onnx_file import check_whole
from emotone.recognition.runtime import LocalGraph, open_session, reason_of

#: Size of a request's header; kind and size of a reply.
REQUEST, REPLY = struct.Struct("<I"), struct.Struct("<cQ")
RESULT, ERROR, MEMORY = b"r", b"x", b"m"
#: Largest graph, in bytes.  With it, a child stays below a gigabyte until it knows that the file is an ONNX model.
MOST_GRAPH_BYTES = 768 << 20
#: Signals that end a child that works for too long.
LATE = {getattr(signal, name) for name in ("SIGPROF", "SIGALRM") if hasattr(signal, name)}
#: Seconds by the clock for a second of computing.
_MOST_WAIT = 60
#: Most values of an output of a clip.
MOST_VALUES = 65_536
_OUT_OF_MEMORY = ("bad_alloc", "bad allocation", "Failed to allocate", "out of memory")
_REMEDY = "get the bundle again, or train it again"


def serve() -> None:
    """Open a graph and run it until the parent closes the pipe: the main function of a child."""
    requests, replies = own_pipes()
    with contextlib.suppress(OSError, EOFError):  # the parent has ended
        graph = _answered(_opened, _header(requests), requests, replies)
        while graph is not None:
            _answered(graph, _header(requests), requests, replies)


def _header(requests: BinaryIO) -> dict[str, Any]:
    head = requests.read(REQUEST.size)
    if len(head) < REQUEST.size:
        raise EOFError
    header: dict[str, Any] = json.loads(requests.read(REQUEST.unpack(head)[0]))
    return header


def _answered(work: Callable[..., Any], header: dict[str, Any], requests: BinaryIO, replies: BinaryIO) -> Any:
    """Do what a request asks for, within its limits, and reply; return what `_opened` returns, None after an error."""
    arrays = _arrays(header, requests)
    result: Any = None
    with _limits(header["memory_bytes"], header["limit_s"]):
        try:
            result, content = work(header, arrays)
            kind = RESULT
        except EmotoneError as error:
            kind, content = ERROR, str(error).encode(errors="replace")
        except MemoryError:
            kind, content = MEMORY, b""
        except Exception as error:  # onnxruntime's exceptions have no other common base class
            is_memory = any(word in str(error) for word in _OUT_OF_MEMORY)
            kind, content = (MEMORY if is_memory else ERROR), f"the graph failed ({reason_of(error)})".encode()
    replies.write(REPLY.pack(kind, len(content)) + content)
    replies.flush()
    return result


def _arrays(header: dict[str, Any], requests: BinaryIO) -> dict[str, NDArray[np.float32]]:
    """Read the arrays that follow a header."""
    arrays = {}
    for name, shape in header.get("inputs", {}).items():
        content = bytearray(4 * int(np.prod(shape)))
        if requests.readinto(content) < len(content):  # type: ignore[attr-defined]
            raise EOFError
        arrays[name] = np.frombuffer(content, np.float32).reshape(shape)
    return arrays


def _opened(header: dict[str, Any], _: object) -> tuple[Callable[..., Any], bytes]:
    """Return the function that runs the graph, and its interface in JSON."""
    path = Path(header["path"])
    try:
        model = read_regular(path, most_bytes=MOST_GRAPH_BYTES)
    except OSError as error:
        raise BundleError(f"{path} can't be read ({error}); {_REMEDY}") from error
    digest = hashlib.sha256(model).hexdigest()
    if digest != header["sha256"]:
        raise altered(path, digest, header["sha256"])
    try:
        check_whole(model)
        graph = LocalGraph(open_session(model, threads=header["threads"]))
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error

    def run(request: dict[str, Any], inputs: dict[str, NDArray[np.float32]]) -> tuple[None, bytes]:
        outputs = graph.run(request["names"], inputs, is_long=request["is_long"])
        named = zip(request["names"], outputs, strict=True)
        rows = [_row(name, output) for name, output in named]
        widths = np.array([row.size for row in rows], np.uint32)
        return None, widths.tobytes() + b"".join(row.tobytes() for row in rows)

    return run, json.dumps(graph.interface).encode()


def altered(path: Path, digest: str, stated: str) -> BundleError:
    """Return the error of a graph that is not the one of its card."""
    return BundleError(
        f"{path} was altered or is damaged: its SHA-256 is {digest}, and its card says {stated}; {_REMEDY}"
    )


def _row(name: str, output: object) -> NDArray[np.float32]:
    """Return the values of an output of a clip, [1, d] float32; raise `BundleError` if it is anything else."""
    if isinstance(output, np.ndarray) and output.dtype == np.float32:
        if output.ndim == 2 and len(output) == 1 and output.size <= MOST_VALUES:
            return np.ascontiguousarray(output[0])
        kind = f"float32 of shape {output.shape}"
    else:
        kind = str(output.dtype) if isinstance(output, np.ndarray) else f"a {type(output).__name__}"
    raise BundleError(f"the graph returns for {name} {kind}, expected float32 of shape [1, d], d up to {MOST_VALUES}")


@contextlib.contextmanager
def _limits(memory_bytes: int, limit_s: float) -> Iterator[None]:
    """Let the system end this process after these seconds of computing, and refuse it more memory than these bytes.

    A machine with much to do lets it wait, so that the clock may say more.  Neither needs Python, which waits while a
    graph runs or is opened.  Only Linux limits the memory of a process.
    """
    try:
        import resource
    except ImportError:  # not of Windows, which has no such limits
        yield
        return
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    most = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number in LATE:  # a parent may ignore or block them, and a child inherits that
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, LATE)
    signal.setitimer(signal.ITIMER_PROF, limit_s)
    signal.setitimer(signal.ITIMER_REAL, _MOST_WAIT * limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
