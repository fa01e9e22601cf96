"""Upload to prediction: decode within limits, predict, and report errors under the client's file name."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from emotone import audio
from emotone.audio import Channel, isolated
from emotone.errors import AudioError, FeatureError, SelectionError, SilenceError, TooShortError
from emotone.recognition.prediction import CHANNELS_NOTE, SPEAKERS_NOTE, Prediction
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.timeline import Timeline
from emotone.serve.own_source import OwnSource
from emotone.serve.problems import ProblemError
from emotone.serve.settings import ServeSettings
from emotone.serve.work_queue import Deadline

#: The deadline is checked after each block of so many decoded seconds.
_BLOCK_S = 10.0
_Result = TypeVar("_Result", Prediction, Timeline)


@dataclass(frozen=True)
class Sound:
    """A decoded upload.

    Attributes
    ----------
    samples
        (n,) float32 at 16 kHz, n >= 1, as `emotone.audio.read` without trimming.
    has_two_people
        Whether two channels that were mixed seem to hold different people.
    """

    samples: NDArray[np.float32]
    has_two_people: bool = False

    @property
    def source(self) -> tuple[NDArray[np.float32], int]:
        """Samples and rate, for a recognizer."""
        return self.samples, audio.SAMPLE_RATE

    def with_note(self, result: _Result) -> _Result:
        """Return a result of these samples with the note on the channels, which the recognizer does not see."""
        note = SPEAKERS_NOTE if isinstance(result, Timeline) else CHANNELS_NOTE
        return replace(result, notes=(*result.notes, note)) if self.has_two_people else result


def predict_json(
    recognizer: Recognizer,
    data: bytes,
    name: str,
    *,
    as_timeline: bool,
    deadline: Deadline,
    settings: ServeSettings,
    source: OwnSource | None = None,
    channel: Channel = "mix",
    track: int | None = None,
) -> dict[str, Any]:
    """Return the JSON of an upload's prediction or timeline; raise `ProblemError` if that fails.

    With a source, both are predicted within it, and a prediction extends it.
    """
    sound = decode(
        data,
        name,
        min_samples=0 if as_timeline else audio.MIN_SAMPLES,
        max_duration_s=settings.max_duration_s,
        deadline=deadline,
        channel=channel,
        track=track,
    )
    with as_problem(name, data):
        if as_timeline:
            profile = None if source is None else source.profile
            timeline = recognizer.timeline(sound.source, profile=profile, progress=deadline.check)
            return sound.with_note(timeline).to_dict()
        prediction = (recognizer if source is None else source).predict(sound.source, progress=deadline.check)
        return {"file": name, **sound.with_note(prediction).to_dict()}


def decode(
    data: bytes,
    name: str,
    *,
    max_duration_s: float,
    deadline: Deadline,
    min_samples: int = audio.MIN_SAMPLES,
    channel: Channel = "mix",
    track: int | None = None,
) -> Sound:
    """Decode an upload up to the limit, whatever length its header claims.

    Parameters
    ----------
    data
        Content of the file.
    name
        Name of the file in errors.
    max_duration_s, deadline
        Limits of the recording's length and of the time for decoding.
    min_samples
        Shortest recording that is accepted; by default, the shortest that can be predicted.
    channel, track
        As in `emotone.audio.read`.

    Raises
    ------
    ProblemError
        not_audio, no_channel, silent, too_short, too_long or timeout.
    """
    check_not_empty(data, name)
    limit = round(max_duration_s * audio.SAMPLE_RATE)
    samples = np.empty(limit, np.float32)  # the system provides memory page by page, as samples are written
    n = 0
    deadline.check()
    blocks = isolated.blocks(data, block_s=_BLOCK_S, channel=channel, track=track, timeout_s=deadline.left_s)
    with as_problem(name, data), contextlib.closing(blocks):
        while True:
            try:
                block = next(blocks)
            except StopIteration as end:
                return Sound(_long_enough(samples[:n], min_samples, name), end.value.has_two_people)
            except AudioError:
                deadline.check()  # the decoder was stopped
                raise
            if n + len(block) > limit:
                raise ProblemError("too_long", f"{name} is longer than {max_duration_s:g} s; send it in parts")
            samples[n : n + len(block)] = block
            n += len(block)
            deadline.check()


def check_not_empty(data: bytes, name: str) -> None:
    """Raise `ProblemError` not_audio for an upload without content."""
    if not data:
        raise ProblemError("not_audio", f"{name}: the file is empty (0 bytes); send a recording")


def _long_enough(samples: NDArray[np.float32], min_samples: int, name: str) -> NDArray[np.float32]:
    if len(samples) < min_samples:
        raise ProblemError(
            "too_short",
            f"{name}: {len(samples) / audio.SAMPLE_RATE:.3f} s of sound are too short, expected at least "
            f"{min_samples / audio.SAMPLE_RATE:g} s; record a longer utterance",
        )
    return samples


@contextlib.contextmanager
def as_problem(name: str, data: bytes) -> Iterator[None]:
    """Raise errors of a recording as `ProblemError`, with the client's file name; others pass (`problem_of`)."""
    try:
        yield
    except (AudioError, FeatureError) as error:
        detail = str(error)
        for subject in (f"the {len(data)} bytes given", "the array"):
            detail = detail.replace(subject, name, 1) if detail.startswith(subject) else detail
        kinds = {
            SilenceError: "silent",
            TooShortError: "too_short",
            SelectionError: "no_channel",
            AudioError: "not_audio",
        }
        code = next((code for kind, code in kinds.items() if isinstance(error, kind)), "unanswerable")
        raise ProblemError(code, detail) from error
