"""How a speaker usually sounds: the mean embedding of some clips of one person.

A model that adapts judges a clip against it.  The profile is small, holds no recording, and is kept as JSON.
"""

import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emotone.errors import BundleError, ConfigError
from emotone.recognition.card import HEARD, SPEAKER

#: Of profiles written by this version; a reader takes this one and older ones.
FORMAT_VERSION = 1

_MOST_CLIPS = 10**9
_REMEDY = "adapt to clips of the speaker again, and save that profile"


@dataclass(frozen=True)
class SpeakerProfile:
    """What a model knows of a speaker.

    Parameters
    ----------
    mean
        (e,) mean embedding of the clips, finite as float32.  Kept in double precision: the order of the clips
        makes no difference.
    n_clips
        How many clips that were, from 0; with 0 nothing is known, and a model answers as without a profile.
    model
        SHA-256 of the graph that gave the embeddings; they mean nothing to another one.
    skipped
        Why `Recognizer.adapt` left clips out; neither saved nor compared.

    Raises
    ------
    ConfigError
        A value is out of its range.

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
        if type(self.n_clips) is not int or not 0 <= self.n_clips <= _MOST_CLIPS:
            raise ConfigError(f"n_clips is {self.n_clips!r:.40}, expected a whole number from 0 to {_MOST_CLIPS}")
        if not isinstance(self.model, str) or not re.fullmatch("[0-9a-f]{64}", self.model):
            raise ConfigError(f"model is {self.model!r:.80}, expected the SHA-256 of a graph, 64 hexadecimal digits")

    def __repr__(self) -> str:
        return f"SpeakerProfile({self.n_clips} clips, {len(self.mean)} values, model {self.model[:12]})"

    def updated(self, embedding: Sequence[float] | npt.NDArray[np.floating[Any]]) -> "SpeakerProfile":
        """Take one more clip into the mean.

        Parameters
        ----------
        embedding
            (e,) of a clip of the same speaker, as `Recognizer.run` and ``embedding`` return it.

        Raises
        ------
        ConfigError
            It is of another width, or not finite.
        """
        new, mean = np.array(_finite(embedding)), np.array(self.mean)
        if len(new) != len(mean):
            raise ConfigError(
                f"the embedding has {len(new)} values, and the profile {len(mean)}: take both from one model"
            )
        n_clips = self.n_clips + 1
        return replace(self, mean=tuple((mean + (new - mean) / n_clips).tolist()), n_clips=n_clips)

    def inputs(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the optional inputs of the graph: `card.SPEAKER` (1, e) and `card.HEARD` (1,), float32."""
        return {SPEAKER: np.array([self.mean], dtype=np.float32), HEARD: np.array([self.n_clips], dtype=np.float32)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile as JSON; the file appears whole or not at all.

        Parameters
        ----------
        path
            The file.  A profile that is there is replaced; anything else is not.

        Raises
        ------
        ConfigError
            The file is there and no profile, or can't be written.
        """
        target = Path(path)
        if target.exists():
            try:
                SpeakerProfile.load(target)
            except BundleError as error:
                raise ConfigError(
                    f"{str(target)!r} is there and no speaker profile, and would be lost; choose another name"
                ) from error
        told = {
            "format_version": FORMAT_VERSION,
            "model": self.model,
            "n_clips": self.n_clips,
            "mean": self.mean,
        }
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            part.write_text(json.dumps(told, allow_nan=False) + "\n", encoding="utf-8")
            os.replace(part, target)
        except OSError as error:
            raise ConfigError(
                f"the profile can't be written to {str(target)!r} ({error}); check the folder and space"
            ) from error
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "SpeakerProfile":
        """Read a profile that `save` wrote.

        Raises
        ------
        BundleError
            The file is missing, damaged, of a newer format, or no profile.
        """
        try:
            told = json.loads(Path(path).read_bytes())
        except OSError as error:
            raise BundleError(f"the profile {str(path)!r} can't be read ({error}); check the name") from error
        except (ValueError, RecursionError) as error:
            raise BundleError(f"the profile {str(path)!r} is no JSON ({error}); {_REMEDY}") from error
        if not isinstance(told, dict):
            raise BundleError(f"{str(path)!r} holds a {type(told).__name__}, expected a speaker profile; {_REMEDY}")
        missing = [key for key in ("format_version", "model", "n_clips", "mean") if key not in told]
        if missing:
            raise BundleError(f"{str(path)!r} is no speaker profile: it lacks {', '.join(missing)}; {_REMEDY}")
        version = told["format_version"]
        if type(version) is not int or version < 1:
            raise BundleError(f"{str(path)!r}: format_version is {version!r:.40}, expected a number from 1; {_REMEDY}")
        if version > FORMAT_VERSION:
            raise BundleError(
                f"{str(path)!r}: the profile has format {version}, and this version of Emotone reads up to "
                f"{FORMAT_VERSION}: pip install --upgrade emotone"
            )
        try:
            if not isinstance(told["mean"], list) or not all(type(one) in (int, float) for one in told["mean"]):
                raise ConfigError(f"mean is {told['mean']!r:.40}, expected a list of numbers")
            return cls(mean=tuple(told["mean"]), n_clips=told["n_clips"], model=told["model"])
        except ConfigError as error:
            raise BundleError(f"{str(path)!r}: {error}; {_REMEDY}") from error


def _finite(values: Sequence[float] | npt.NDArray[np.floating[Any]]) -> tuple[float, ...]:
    """Make (e,) numbers, e >= 1, Python's own; each must stay finite as float32, in which the graph takes them."""
    try:
        array = np.asarray(values, dtype=np.float64)
        with np.errstate(over="ignore"):
            is_finite = bool(np.isfinite(array.astype(np.float32)).all())
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"an embedding can't be made of {values!r:.40} ({error}); expected (e,) numbers") from error
    if array.ndim != 1 or not array.size:
        raise ConfigError(f"an embedding has the shape {array.shape}, expected (e,) with e of at least 1")
    if not is_finite:
        raise ConfigError("an embedding holds a value that is not finite as float32; expected finite numbers")
    return tuple(array.tolist())
