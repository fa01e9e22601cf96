"""Profiles of voices and of sources: the mean embedding of some clips, to which a model that adapts compares new clips.

A source is all that recordings of one kind have in common: microphone, room, language, way of acting.  A voice can be
known within its source.  A profile is small, contains no recording, and is saved as JSON.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from emotone import files
from emotone.errors import BundleError, ConfigError
from emotone.recognition.card import HEARD, SPEAKER
from emotone.recognition.prediction import NOT_ADAPTED
from emotone.recognition.versioned_json import check_object, parse, short

#: Format version of new profiles.  Profiles of this and older versions can be read.
FORMAT_VERSION = 2

#: Most clips of a profile.
MAX_CLIPS = 10**9
_KEYS = ("format_version", "model", "n_clips", "mean")
_REMEDY = "adapt to clips again, and save the new profile"

Numbers = Sequence[float] | npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Profile:
    """The mean embedding of some clips, and what their emotions seemed to be.

    Parameters
    ----------
    mean
        (e,) mean embedding of the clips, finite as float32.  It has double precision, so that the order of the clips
        makes no difference.
    n_clips
        Number of clips, from 0; with 0, predictions are the same as without a profile.
    model
        SHA-256 of the graph that computed the embeddings; no other model can use them.
    composition
        Emotion -> share of the clips that seem to have it, in [0, 1], as pairs; empty if it is not known.  A mean of
        mostly angry clips is corrected by it, see `emotone.recognition.adaptation`.
    answers
        Emotion -> mean probability of the clips without adaptation, as pairs; known together with ``composition``.
    power
        Mean square of the clips' logits, at least 0; known together with ``composition``.
    skipped
        Reasons why `Recognizer.adapt` skipped clips; neither saved nor compared.

    Raises
    ------
    ConfigError
        A value is invalid.
    """

    mean: tuple[float, ...]
    n_clips: int
    model: str
    composition: tuple[tuple[str, float], ...] = ()
    answers: tuple[tuple[str, float], ...] = ()
    power: float = 0.0
    skipped: tuple[str, ...] = field(default=(), compare=False)
    kind: ClassVar[str] = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", _finite(self.mean))
        for name in ("composition", "answers"):
            object.__setattr__(self, name, _shares(getattr(self, name), name=name))
        if [name for name, _ in self.composition] != [name for name, _ in self.answers]:
            raise ConfigError("composition and answers name different emotions, expected the same, in the same order")
        if not isinstance(self.power, int | float) or isinstance(self.power, bool) or not 0 <= self.power < 1e30:
            raise ConfigError(f"power is {short(self.power)}, expected a number from 0")
        if type(self.n_clips) is not int or not 0 <= self.n_clips <= MAX_CLIPS:
            raise ConfigError(f"n_clips is {short(self.n_clips)}, expected a whole number from 0 to {MAX_CLIPS}")
        if not isinstance(self.model, str) or not re.fullmatch("[0-9a-f]{64}", self.model):
            raise ConfigError(f"model is {short(self.model)}, expected the SHA-256 of a graph, 64 hexadecimal digits")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_clips} clips, {len(self.mean)} values, model {self.model[:12]})"

    @property
    def adapted(self) -> dict[str, int]:
        """Number of clips that are known of the "source" and of the "speaker"."""
        return NOT_ADAPTED | {self.kind: self.n_clips}

    def updated(self, embedding: Numbers) -> Self:
        """Return the profile with one more clip, of which only the embedding is known; `Recognizer.adapt` uses more.

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
        mean = mean + (new - mean) / n_clips
        return replace(self, mean=tuple(mean.tolist()), n_clips=n_clips, composition=(), answers=(), power=0.0)

    def check_model(self, model: str, width: int, *, emotions: Sequence[str] | None = None) -> None:
        """Raise `ConfigError` unless the profile belongs to the model of this SHA-256, with this many values.

        With ``emotions``, its composition must name them, in their order.
        """
        if (self.model, len(self.mean)) != (model, width):
            raise ConfigError(
                f"the profile belongs to the model {self.model[:12]} and has {len(self.mean)} values, and this "
                f"model is {model[:12]} and needs {width}; adapt to the clips again"
            )
        names = [emotion for emotion, _ in self.composition]
        if emotions is not None and names and names != list(emotions):
            raise ConfigError(
                f"the profile's composition names {', '.join(names)}, and the model {', '.join(emotions)}: the profile "
                "was altered; adapt to the clips again"
            )

    def inputs(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the optional inputs of the graph: `card.SPEAKER` (1, e) and `card.HEARD` (1,), float32."""
        return {SPEAKER: np.array([self.mean], dtype=np.float32), HEARD: np.array([self.n_clips], dtype=np.float32)}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the JSON file."""
        return {
            "format_version": FORMAT_VERSION,
            "kind": self.kind,
            "model": self.model,
            "n_clips": self.n_clips,
            "composition": dict(self.composition),
            "answers": dict(self.answers),
            "power": self.power,
            "mean": list(self.mean),
        }

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
                Profile.load(target)
            except BundleError as error:
                raise ConfigError(
                    f"{str(target)!r} exists and is no profile, and would be lost; choose another name"
                ) from error
        try:
            target.parent.stat()  # a misspelt folder is an error, and is not created
            files.write_text(target, json.dumps(self.to_dict(), allow_nan=False) + "\n")
        except OSError as error:
            raise ConfigError(
                f"the profile can't be written to {str(target)!r} ({error}); check the folder and the free space"
            ) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a profile that `save` wrote.

        Raises
        ------
        BundleError
            The file is missing, damaged, of a newer format, or not such a profile.
        """
        name = repr(str(path))
        try:
            content = files.read_regular(Path(path))
        except OSError as error:
            raise BundleError(f"the profile {name} can't be read ({error}); check the name") from error
        return cls.from_dict(parse(content, where=name, remedy=_REMEDY), where=name)

    @classmethod
    def from_dict(cls, content: object, *, where: str) -> Self:
        """Return the profile that `to_dict` wrote; `BundleError` with ``where`` in it if it is no such profile."""
        profile = _parsed(content, where=where)
        if not isinstance(profile, cls):
            raise BundleError(f"{where} is the profile of a {profile.kind}, expected that of a {cls.kind}")
        return profile


@dataclass(frozen=True, repr=False)
class SourceProfile(Profile):
    """The profile of a source: of clips from one microphone, room, programme or corpus, with any number of speakers.

    See `Profile` for the parameters.
    """

    kind: ClassVar[str] = "source"


@dataclass(frozen=True, repr=False)
class SpeakerProfile(Profile):
    """The profile of a voice; see `Profile` for the other parameters.

    Parameters
    ----------
    source
        The source within which the voice was recorded, if it is known.

    Examples
    --------
    >>> SpeakerProfile(mean=(0.0, 0.0), n_clips=0, model="0" * 64).updated([1.0, 3.0]).updated([2.0, 5.0])
    SpeakerProfile(2 clips, 2 values, model 000000000000)
    """

    source: SourceProfile | None = None
    kind: ClassVar[str] = "speaker"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source is not None:
            if not isinstance(self.source, SourceProfile):
                raise ConfigError(f"source is {short(self.source)}, expected a SourceProfile")
            self.source.check_model(self.model, len(self.mean))

    def check_model(self, model: str, width: int, *, emotions: Sequence[str] | None = None) -> None:
        """Check the profile and its source; see `Profile.check_model`."""
        super().check_model(model, width, emotions=emotions)
        if self.source is not None:
            self.source.check_model(model, width, emotions=emotions)

    @property
    def adapted(self) -> dict[str, int]:
        """Number of clips that are known of the "source" and of the "speaker"."""
        return {"source": 0 if self.source is None else self.source.n_clips, "speaker": self.n_clips}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the JSON file."""
        return super().to_dict() | ({} if self.source is None else {"source": self.source.to_dict()})


def _parsed(content: object, *, where: str) -> Profile:
    """Return the profile of a parsed file; see `Profile.load`."""
    saved = check_object(content, where=where, kind="a profile", keys=_KEYS, newest=FORMAT_VERSION, remedy=_REMEDY)
    kind, mean = saved.get("kind", "speaker"), saved["mean"]
    shares = {name: saved.get(name, {}) for name in ("composition", "answers")}
    try:
        if kind not in ("speaker", "source"):
            raise ConfigError(f"kind is {short(kind)}, expected speaker or source")
        if not isinstance(mean, list) or not all(type(value) in (int, float) for value in mean):
            raise ConfigError(f"mean is {short(mean)}, expected a list of numbers")
        for name, pairs in shares.items():
            if not isinstance(pairs, dict):
                raise ConfigError(f"{name} is {short(pairs)}, expected an object with a share for each emotion")
        values: dict[str, Any] = {
            **{"mean": tuple(mean), "n_clips": saved["n_clips"], "model": saved["model"]},
            **{name: tuple(pairs.items()) for name, pairs in shares.items()},
            "power": saved.get("power", 0.0),
        }
        if kind == "source":
            return SourceProfile(**values)
        source = saved.get("source")
        if source is not None and (not isinstance(source, dict) or source.get("kind") != "source"):
            raise ConfigError(f"source is {short(source)}, expected the profile of a source")
        known = None if source is None else _parsed(source, where=f"{where}, source")
        return SpeakerProfile(**values, source=known)  # type: ignore[arg-type]  # its kind is that of a source
    except ConfigError as error:
        raise BundleError(f"{where}: {error}; {_REMEDY}") from error


def _shares(pairs: Any, *, name: str) -> tuple[tuple[str, float], ...]:
    """Return pairs of emotion and share, checked."""
    try:
        pairs = [(emotion, share) for emotion, share in pairs]
    except (TypeError, ValueError):
        raise ConfigError(f"{name} is {short(pairs)}, expected pairs of an emotion and its share") from None
    for emotion, share in pairs:
        is_share = isinstance(share, int | float) and not isinstance(share, bool) and 0 <= share <= 1
        if not isinstance(emotion, str) or not is_share:
            raise ConfigError(f"{name} has {short(emotion)}: {short(share)}, expected a share from 0 to 1")
    return tuple((emotion, float(share)) for emotion, share in pairs)


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
