"""The child process that decodes recordings: its requests and its replies.

A child serves one request after the other.  Each request is a header in JSON and the recording's bytes, if it is not a
path; the replies are blocks of samples, and an end or an error.  A request for frames, as the recording holds them, is
replied to with its properties first; then the parent says which frames it wants.
"""

import json
import os
import struct
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from emotone.audio.decoding import open_reader
from emotone.audio.reader import reason
from emotone.audio.reading import Recording, open_recording
from emotone.errors import EmotoneError
from emotone.processes import own_pipes

#: Sizes of a request's header and bytes; kind and size of a reply.
REQUEST, REPLY = struct.Struct("<IQ"), struct.Struct("<cQ")
#: First frame and size of the blocks, which a request for frames says second; a size of 0: no frames.
SPAN = struct.Struct("<QQ")
FORMAT, SAMPLES, END, ERROR = b"f", b"s", b"e", b"x"
#: Properties of a `Reader` that a child says of a recording.
READER_PROPERTIES = ("name", "sample_rate", "channels", "container", "codec", "lfe", "n_frames")


class End(NamedTuple):
    """What is known of a recording at its end: its name in error messages, and `Recording.has_two_people`."""

    name: str
    has_two_people: bool


def name_of(data: bytes) -> str:
    """Return the name of bytes in errors, as `emotone.audio.read` has it."""
    return f"the {len(data)} bytes given"


def end_of(recording: Recording) -> End:
    """Return what is known at the end of a recording."""
    return End(recording.name, recording.has_two_people)


def serve() -> None:
    """Decode what the parent asks for, until it closes the pipe: the main function of a child."""
    requests, replies = own_pipes()
    try:
        while head := requests.read(REQUEST.size):
            n_header, n_data = REQUEST.unpack(head)
            _serve_request(json.loads(requests.read(n_header)), requests.read(n_data), requests, replies)
    except OSError:  # the parent has ended
        return


def _serve_request(header: dict[str, Any], data: bytes, requests: BinaryIO, replies: BinaryIO) -> None:
    def reply(kind: bytes, content: Any) -> None:
        view = memoryview(content).cast("B")
        try:
            replies.write(REPLY.pack(kind, len(view)))
            replies.write(view)
            replies.flush()
        except OSError as error:  # the parent wants no more
            raise SystemExit from error

    path = header.get("path")
    try:
        if header["folder"] is not None:
            os.chdir(header["folder"])
        if "track" in header:
            _serve_frames(path or data, header["track"], requests, reply)
            return
        with open_recording(path or data, **header["options"]) as recording:
            for block in recording.blocks(header["block_s"]):
                reply(SAMPLES, np.ascontiguousarray(block, np.float32))
            reply(END, json.dumps(end_of(recording)).encode())
    except (EmotoneError, MemoryError) as error:
        reply(ERROR, json.dumps({"kind": type(error).__name__, "message": str(error)}).encode())
    except Exception as error:
        name = path or name_of(data)
        message = f"{name}: the recording can't be decoded ({reason(error)}); copy it again, or convert it to WAV"
        reply(ERROR, json.dumps({"kind": "AudioError", "message": message}).encode())


def _serve_frames(
    source: str | bytes, track: int | None, requests: BinaryIO, reply: Callable[[bytes, Any], None]
) -> None:
    with open_reader(source, track=track) as reader:
        reply(FORMAT, json.dumps({name: getattr(reader, name) for name in READER_PROPERTIES}).encode())
        span = requests.read(SPAN.size)
        if len(span) < SPAN.size:  # the parent has ended
            raise SystemExit
        start, size = SPAN.unpack(span)
        for block in filter(len, reader.chunks(start, size) if size else ()):
            reply(SAMPLES, np.ascontiguousarray(block, np.float32))
    reply(END, b"")
