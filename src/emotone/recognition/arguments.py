"""Check arguments of `emotone.recognition.recognizer.Recognizer`."""

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone.audio import MIN_SAMPLES, AudioSource, Channel, Recording, open_recording
from emotone.errors import AudioError, ConfigError


def chosen_emotions(names: Iterable[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the emotions that a recognizer can answer, in the order of the bundle; names can be in any case."""
    if names is None:
        return known
    if not isinstance(names, Iterable):
        raise ConfigError(f"emotions are {names!r}; expected a list of two or more of {', '.join(known)}")
    wanted = [_known_name(name, known) for name in ([names] if isinstance(names, str) else names)]
    unknown = [name for name in wanted if name not in known]
    if unknown or len(set(wanted)) < 2:
        problem = f"{unknown[0]!r} is not an emotion of this model" if unknown else f"emotions are {wanted}"
        raise ConfigError(f"{problem}; expected two or more of {', '.join(known)}")
    return tuple(name for name in known if name in wanted)


def _known_name(name: Any, known: tuple[str, ...]) -> Any:
    """Return the known name that equals ``name`` except for case; without it, or with several, ``name`` itself."""
    alike = [emotion for emotion in known if isinstance(name, str) and emotion.casefold() == name.casefold()]
    return alike[0] if len(alike) == 1 else name


def open_checked(
    source: AudioSource,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    channel: Channel = "mix",
    track: int | None = None,
) -> AbstractContextManager[Recording]:
    """Check the segment and the track, then open the recording; see `emotone.audio.open_recording`.

    Raises
    ------
    AudioError
        A time is not a number, ``track`` is not a whole number from 1, or an array has no such track.
    """
    for name, seconds in (("start_s", start_s), ("end_s", 0 if end_s is None else end_s)):
        if not isinstance(seconds, Real) or isinstance(seconds, bool):
            raise AudioError(f"{name} is {seconds!r}; expected a number of seconds")
    if track is not None and (not isinstance(track, Integral) or isinstance(track, bool) or track < 1):
        raise AudioError(f"track is {track!r}; expected a number from 1")
    if track not in (None, 1) and isinstance(source, tuple):
        raise AudioError(f"track is {track}, and an array is a single track; leave out track")
    return open_recording(source, start_s=start_s, end_s=end_s, channel=channel, track=track)


def file_of(source: AudioSource) -> str:
    """Return the path of a recording as text; "" if the source is no path."""
    return os.fsdecode(source) if isinstance(source, str | os.PathLike) else ""


def check_several(sources: object, *, name: str) -> None:
    """Raise `ConfigError` if the argument is a single recording, or not iterable."""
    is_array = isinstance(sources, tuple) and any(isinstance(part, np.ndarray) for part in sources)  # (samples, rate)
    is_single = is_array or isinstance(sources, str | bytes | os.PathLike | np.ndarray) or hasattr(sources, "read")
    if is_single or not isinstance(sources, Iterable):
        raise ConfigError(f"{name} has the type {type(sources).__name__}; expected several recordings: give a list")


def check_switch(name: str, value: object) -> None:
    """Raise `ConfigError` unless the argument is True or False: a word such as "none" would be taken for True."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r:.80}; expected True or False")


def check_samples(samples: Any) -> None:
    """Raise `AudioError` unless the argument is an array (n,) that a model can run on."""
    shape = samples.shape if isinstance(samples, np.ndarray) else None
    if shape is None or len(shape) != 1 or len(samples) < MIN_SAMPLES:
        problem = f"shape {shape}" if shape is not None else f"type {type(samples).__name__}"
        raise AudioError(
            f"samples have the {problem}; expected a numpy array (n,) with n from {MIN_SAMPLES}; "
            "use predict for a recording"
        )


def restricted(scores: NDArray[np.float32], columns: list[int]) -> NDArray[np.float32]:
    """Return the probabilities of the emotions in these columns, which sum to one."""
    if len(columns) == len(scores):
        return scores
    chosen = scores[columns]
    total = float(chosen.sum())
    return chosen / total if total > 0 else np.full_like(chosen, 1 / len(chosen))
