"""The profile of a speaker: the mean embedding of some clips, to which a model that adapts compares new clips.

A profile is small, contains no recording, and is saved as JSON.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone import files
from emotone.errors import BundleError, ConfigError
from emotone.recognition.card import HEARD, SPEAKER
from emotone.recognition.versioned_json import check_object, parse, short

#: Format version of new profiles.  Profiles of this and older versions can be read.
FORMAT_VERSION = 1

_MAX_CLIPS = 10**9
_KEYS = ("format_version", "model", "n_clips", "mean")
_REMEDY = "adapt to clips of the speaker again, and save the new profile"


@dataclass(frozen=True)
class SpeakerProfile:
    """The mean embedding of a speaker's clips.

    Parameters
    ----------
    mean
        (e,) mean embedding of the clips, finite as float32.  It has double precision, so that the order of the clips
        makes no difference.
    n_clips
        Number of clips, from 0; with 0, predictions are the same as without a profile.
    model
        SHA-256 of the graph that computed the embeddings; no other model can use them.
    skipped
        Reasons why `Recognizer.adapt` skipped clips; neither saved nor compared.

    Raises
    ------
    ConfigError
        A value is invalid.

    Examples
    --------
    >>> SpeakerProfile(mean=(0.0, 0.0), n_clips=0, model="0" * 64).updated([1.0, 3.0]).updated([2.0, 5.0])
    SpeakerProfile(2 clips, 2 values, model 000000000000)
    """

    mean: tuple[float, ...]
    n_clips: int
    model: str
    skipped: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", _finite(self.mean))
        if type(self.n_clips) is not int or not 0 <= self.n_clips <= _MAX_CLIPS:
            raise ConfigError(f"n_clips is {short(self.n_clips)}, expected a whole number from 0 to {_MAX_CLIPS}")
        if not isinstance(self.model, str) or not re.fullmatch("[0-9a-f]{64}", self.model):
            raise ConfigError(f"model is {short(self.model)}, expected the SHA-256 of a graph, 64 hexadecimal digits")

    def __repr__(self) -> str:
        return f"SpeakerProfile({self.n_clips} clips, {len(self.mean)} values, model {self.model[:12]})"

    def updated(self, embedding: Sequence[float] | npt.NDArray[np.floating[Any]]) -> "SpeakerProfile":
        """Return the profile with one more clip of the speaker.

        Parameters
        ----------
        embedding
            (e,) from `Recognizer.run` or `Recognizer.embedding`.

        Raises
        ------
        ConfigError
            The embedding has another size or a value that is not finite.
        """
        new, mean = np.array(_finite(embedding)), np.array(self.mean)
        if len(new) != len(mean):
            raise ConfigError(
                f"the embedding has {len(new)} values, and the profile {len(mean)}; use the same model for both"
            )
        n_clips = self.n_clips + 1
        return replace(self, mean=tuple((mean + (new - mean) / n_clips).tolist()), n_clips=n_clips)

    def check_model(self, model: str, width: int) -> None:
        """Raise `ConfigError` unless the profile belongs to the model of this SHA-256, with this many values."""
        if (self.model, len(self.mean)) != (model, width):
            raise ConfigError(
                f"the profile belongs to the model {self.model[:12]} and has {len(self.mean)} values, and this "
                f"model is {model[:12]} and needs {width}; adapt to the speaker's clips "
                "again"
            )

    def inputs(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the optional inputs of the graph: `card.SPEAKER` (1, e) and `card.HEARD` (1,), float32."""
        return {SPEAKER: np.array([self.mean], dtype=np.float32), HEARD: np.array([self.n_clips], dtype=np.float32)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile as JSON, atomically.

        Parameters
        ----------
        path
            The file.  An existing profile is replaced; any other file is not.

        Raises
        ------
        ConfigError
            The file exists and is not a profile, or can't be written.
        """
        target = Path(path)
        if target.exists():
            try:
                SpeakerProfile.load(target)
            except BundleError as error:
                raise ConfigError(
                    f"{str(target)!r} exists and is no speaker profile, and would be lost; choose another name"
                ) from error
        content = {key: getattr(self, key) for key in _KEYS if key != "format_version"}
        try:
            target.parent.stat()  # a misspelt folder is an error, and is not created
            files.write_text(target, json.dumps({"format_version": FORMAT_VERSION, **content}, allow_nan=False) + "\n")
        except OSError as error:
            raise ConfigError(
                f"the profile can't be written to {str(target)!r} ({error}); check the folder and the free space"
            ) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "SpeakerProfile":
        """Read a profile that `save` wrote.

        Raises
        ------
        BundleError
            The file is missing, damaged, of a newer format, or not a profile.
        """
        name = repr(str(path))
        try:
            content = files.read_regular(Path(path))
        except OSError as error:
            raise BundleError(f"the profile {name} can't be read ({error}); check the name") from error
        saved = check_object(
            parse(content, where=name, remedy=_REMEDY),
            where=name,
            kind="a speaker profile",
            keys=_KEYS,
            newest=FORMAT_VERSION,
            remedy=_REMEDY,
        )
        mean = saved["mean"]
        try:
            if not isinstance(mean, list) or not all(type(value) in (int, float) for value in mean):
                raise ConfigError(f"mean is {short(mean)}, expected a list of numbers")
            return cls(mean=tuple(mean), n_clips=saved["n_clips"], model=saved["model"])
        except ConfigError as error:
            raise BundleError(f"{name}: {error}; {_REMEDY}") from error


def _finite(values: Sequence[float] | npt.NDArray[np.floating[Any]]) -> tuple[float, ...]:
    """Return (e,) Python numbers, e >= 1, all finite as float32, the type of the graph's input."""
    try:
        array = np.asarray(values, dtype=np.float64)
        with np.errstate(over="ignore"):
            is_finite = bool(np.isfinite(array.astype(np.float32)).all())
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"{values!r:.40} is not an embedding ({error}); expected (e,) numbers") from error
    if array.ndim != 1 or not array.size:
        raise ConfigError(f"an embedding has the shape {array.shape}; expected (e,) with e of at least 1")
    if not is_finite:
        raise ConfigError("an embedding has a value that is not finite as float32; expected finite numbers")
    return tuple(array.tolist())
