"""A recording in, its answer as JSON out."""

import contextlib
import re
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import audio
from emotone.errors import AudioError, FeatureError, SilenceError
from emotone.recognition.recognizer import Recognizer
from emotone.serve.problems import ProblemError
from emotone.serve.settings import ServeSettings
from emotone.serve.work_queue import _BLOCK_S, Deadline


def answer_for(
    recognizer: Recognizer, data: bytes, name: str, *, as_timeline: bool, deadline: Deadline, settings: ServeSettings
) -> dict[str, Any]:
    """Answer for an upload, as it is told in JSON; `ProblemError` if there is no answer."""
    decode = decoded if as_timeline else utterance
    source = (decode(data, name, max_duration_s=settings.max_duration_s, deadline=deadline), audio.SAMPLE_RATE)
    with as_problem(name, data):
        if as_timeline:
            return recognizer.timeline(source, progress=deadline.check).to_dict()
        return {"file": name, **recognizer.predict(source, progress=deadline.check).to_dict()}


def shown_name(filename: str | None) -> str:
    """Reduce a client's file name to its last part, as far as it can be printed."""
    last = re.split(r"[/\\]", filename or "")[-1]
    return "".join(letter for letter in last if letter.isprintable())[-255:].strip() or "the upload"


def decoded(data: bytes, name: str, *, max_duration_s: float, deadline: Deadline) -> NDArray[np.float32]:
    """Decode an upload: what its header claims is not believed, and no more than the limit is decoded.

    Parameters
    ----------
    data
        Content of the file.
    name
        How errors call it.
    max_duration_s, deadline
        When it is given up.

    Returns
    -------
    (n,) float32 at 16 kHz, n >= 1, as `emotone.audio.read` without trimming.

    Raises
    ------
    ProblemError
        not_audio, too_long or timeout.
    """
    if not data:
        raise ProblemError("not_audio", f"{name}: the file is empty (0 bytes); send a recording")
    most = round(max_duration_s * audio.SAMPLE_RATE)
    whole = np.empty(most, np.float32)  # memory is taken page by page, as it is written to
    n = 0
    deadline.check()
    with contextlib.closing(_blocks(data, name)) as pieces:
        for piece in pieces:
            if n + len(piece) > most:
                raise ProblemError("too_long", f"{name} is longer than {max_duration_s:g} s; send it in parts")
            whole[n : n + len(piece)] = piece
            n += len(piece)
            deadline.check()
    return whole[:n]


def utterance(data: bytes, name: str, *, max_duration_s: float, deadline: Deadline) -> NDArray[np.float32]:
    """Decode an upload as `decoded` does, and refuse one that is too short to be answered for (too_short)."""
    samples = decoded(data, name, max_duration_s=max_duration_s, deadline=deadline)
    if len(samples) < audio.MIN_SAMPLES:
        raise ProblemError(
            "too_short",
            f"{name}: {len(samples) / audio.SAMPLE_RATE:.3f} s of sound are too short, expected at least "
            f"{audio.MIN_DURATION_S} s; record a longer utterance",
        )
    return samples


def _blocks(data: bytes, name: str) -> Generator[NDArray[np.float32], None, None]:
    with as_problem(name, data):
        yield from audio.blocks(data, block_s=_BLOCK_S)


@contextlib.contextmanager
def as_problem(name: str, data: bytes) -> Iterator[None]:
    """Turn errors of a recording into problems that call it by the client's name of it."""
    try:
        yield
    except (AudioError, FeatureError) as error:
        words = str(error)
        for ours in (f"the {len(data)} bytes given", "the array"):
            words = words.replace(ours, name, 1) if words.startswith(ours) else words
        code = "not_audio" if isinstance(error, AudioError) else "unanswerable"
        raise ProblemError("silent" if isinstance(error, SilenceError) else code, words) from error
