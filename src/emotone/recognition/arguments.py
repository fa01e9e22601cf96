"""Check arguments of `emotone.recognition.recognizer.Recognizer`."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotone.audio import MIN_SAMPLES
from emotone.errors import AudioError, ConfigError


def chosen_emotions(names: Iterable[str] | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the emotions that a recognizer can answer, in the order of the bundle."""
    if names is None:
        return known
    wanted = [names] if isinstance(names, str) else list(names)
    unknown = [name for name in wanted if name not in known]
    if unknown or len(set(wanted)) < 2:
        problem = f"{unknown[0]!r} is not an emotion of this model" if unknown else f"emotions are {wanted}"
        raise ConfigError(f"{problem}; expected two or more of {', '.join(known)}")
    return tuple(name for name in known if name in wanted)


def check_several(sources: object, *, name: str) -> None:
    """Raise `ConfigError` if the argument is a single recording, or not iterable."""
    is_array = isinstance(sources, tuple) and any(isinstance(part, np.ndarray) for part in sources)  # (samples, rate)
    is_single = is_array or isinstance(sources, str | bytes | os.PathLike | np.ndarray) or hasattr(sources, "read")
    if is_single or not isinstance(sources, Iterable):
        raise ConfigError(f"{name} has the type {type(sources).__name__}; expected several recordings: give a list")


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
