"""Upload to prediction: decode within limits, predict, and report errors under the client's file name."""

import contextlib
import re
from collections.abc import Generator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone import audio
from emotone.audio import isolated
from emotone.errors import AudioError, FeatureError, SilenceError
from emotone.recognition.recognizer import Recognizer
from emotone.serve.problems import ProblemError
from emotone.serve.settings import ServeSettings
from emotone.serve.work_queue import Deadline

#: The deadline is checked after each block of so many decoded seconds.
_BLOCK_S = 10.0


def predict_json(
    recognizer: Recognizer, data: bytes, name: str, *, as_timeline: bool, deadline: Deadline, settings: ServeSettings
) -> dict[str, Any]:
    """Return the JSON of an upload's prediction or timeline; raise `ProblemError` if that fails."""
    read = decode if as_timeline else decode_utterance
    source = (read(data, name, max_duration_s=settings.max_duration_s, deadline=deadline), audio.SAMPLE_RATE)
    with as_problem(name, data):
        if as_timeline:
            return recognizer.timeline(source, progress=deadline.check).to_dict()
        return {"file": name, **recognizer.predict(source, progress=deadline.check).to_dict()}


def shown_name(filename: str | None) -> str:
    """Return the last part of a client's file name, without characters that can't be printed."""
    last = re.split(r"[/\\]", filename or "")[-1]
    return "".join(letter for letter in last if letter.isprintable())[-255:].strip() or "the upload"


def decode(data: bytes, name: str, *, max_duration_s: float, deadline: Deadline) -> NDArray[np.float32]:
    """Decode an upload up to the limit, whatever length its header claims.

    Parameters
    ----------
    data
        Content of the file.
    name
        Name of the file in errors.
    max_duration_s, deadline
        Limits of the recording's length and of the time for decoding.

    Returns
    -------
    (n,) float32 at 16 kHz, n >= 1, as `emotone.audio.read` without trimming.

    Raises
    ------
    ProblemError
        not_audio, silent, too_long or timeout.
    """
    if not data:
        raise ProblemError("not_audio", f"{name}: the file is empty (0 bytes); send a recording")
    limit = round(max_duration_s * audio.SAMPLE_RATE)
    samples = np.empty(limit, np.float32)  # the system provides memory page by page, as samples are written
    n = 0
    deadline.check()
    with contextlib.closing(_blocks(data, name, deadline)) as blocks:
        for block in blocks:
            if n + len(block) > limit:
                raise ProblemError("too_long", f"{name} is longer than {max_duration_s:g} s; send it in parts")
            samples[n : n + len(block)] = block
            n += len(block)
            deadline.check()
    return samples[:n]


def decode_utterance(data: bytes, name: str, *, max_duration_s: float, deadline: Deadline) -> NDArray[np.float32]:
    """Decode an upload as `decode` does, and refuse one that is too short to predict (too_short)."""
    samples = decode(data, name, max_duration_s=max_duration_s, deadline=deadline)
    if len(samples) < audio.MIN_SAMPLES:
        raise ProblemError(
            "too_short",
            f"{name}: {len(samples) / audio.SAMPLE_RATE:.3f} s of sound are too short, expected at least "
            f"{audio.MIN_DURATION_S} s; record a longer utterance",
        )
    return samples


def _blocks(data: bytes, name: str, deadline: Deadline) -> Generator[NDArray[np.float32], None, None]:
    with as_problem(name, data):
        try:
            yield from isolated.blocks(data, block_s=_BLOCK_S, timeout_s=deadline.left_s)
        except AudioError:
            deadline.check()  # the decoder was stopped
            raise


@contextlib.contextmanager
def as_problem(name: str, data: bytes) -> Iterator[None]:
    """Raise errors of a recording as `ProblemError`, with the client's file name."""
    try:
        yield
    except (AudioError, FeatureError) as error:
        detail = str(error)
        for subject in (f"the {len(data)} bytes given", "the array"):
            detail = detail.replace(subject, name, 1) if detail.startswith(subject) else detail
        code = "not_audio" if isinstance(error, AudioError) else "unanswerable"
        raise ProblemError("silent" if isinstance(error, SilenceError) else code, detail) from error
