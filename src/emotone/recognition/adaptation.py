"""Adapt a model's answers to a source and to a voice, from clips without labels.

A model that adapts has two linear heads on the embedding of a clip.  The first takes the embedding itself, the second
takes it minus the mean embedding of other clips of the same source or voice.  The mean also holds the emotions of those
clips: if all of them are angry, it takes anger for normal.  So the composition of the clips is estimated, and the mean
is moved towards where it would be if all emotions were equally frequent; the less even they look, the further.

The coefficients were chosen on corpora that were left out of training, see ``benchmarks/adaptation.py`` and
docs/tried.md.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from emotone.errors import BundleError, ConfigError
from emotone.files import MOST_BYTES, read_regular
from emotone.recognition.profile import Profile, SourceProfile, SpeakerProfile
from emotone.recognition.temperature import Temperature

Array = NDArray[np.float64]
AnyProfile = TypeVar("AnyProfile", bound=Profile)

#: With this number of clips, the mean of a voice or of a source counts as much as what was known before.
PRIOR_CLIPS = {SpeakerProfile.kind: 3.0, SourceProfile.kind: 12.0}
#: With this number of clips, the second head counts as much as the first; as in training.
PRIOR_ANSWERS = 2.0
#: Clips of each emotion together that are added to a composition: half a clip for each of eight emotions.
PRIOR_COMPOSITION = 4.0
#: How even a composition looks, from 0 to 1: a linear function of the entropy of the plain answers (share of its
#: maximum) and of the spread of the clips (in deviations within an emotion), least squares on simulated compositions.
_BY_ENTROPY, _BY_SPREAD, _OFFSET = 0.73, 0.48, -0.81
#: Below the first value all clips seem to have one emotion, above the second every emotion is there.  Everyday speech
#: of a source is mostly neutral, so that a source must look more even.
EVENNESS = {SpeakerProfile.kind: (0.3, 0.6), SourceProfile.kind: (0.5, 0.85)}
#: Clips that are enough for a source, and the fewest: a hundred give half a point more, where the model is not lost.
SOURCE_CLIPS, FEWEST_CLIPS = 20, 8
_N_ITERATIONS = 3
_LEAST_VARIANCE = 1e-3  # of a direction of the embedding, as a share of the largest
_LARGEST = 1e9  # of the values in a bundle
_FLOOR = 1e-12  # lower limit of a probability before its logarithm, as in the graph


@dataclass(frozen=True, eq=False)
class Adapter:
    """The heads of a model that adapts, and how emotions move its embeddings.

    A model is an ensemble of members; each has its own part of the embedding and its own heads, for k emotions.

    Attributes
    ----------
    plain_weight, plain_bias
        (members, k, e / members), (members, k): the head that takes the embedding.
    adapted_weight, adapted_bias
        The same of the head that takes the embedding minus the mean of other clips.
    centre
        (e,) the mean embedding over voices.
    offsets
        (k, members * k) how each emotion moves the logits of the second head, on average over speakers and corpora.
    within
        Root mean square deviation of the logits, averaged over members, within the clips of a speaker and emotion.
    usual, whitener
        (w,), (w, w) for `distance`: mean and whitening of the embedding of training clips, of the first member.  None
        in bundles of older versions.
    """

    plain_weight: Array
    plain_bias: Array
    adapted_weight: Array
    adapted_bias: Array
    centre: Array
    offsets: Array
    within: Array
    usual: Array | None = None
    whitener: Array | None = None

    @property
    def n_emotions(self) -> int:
        """The number k of emotions."""
        return int(self.plain_bias.shape[1])

    @property
    def width(self) -> int:
        """The width e of the embedding."""
        return int(self.centre.size)

    def scores(self, embedding: NDArray[Any], profile: Profile | None, *, temperature: Temperature) -> Array:
        """Return the probabilities (n, k) of clips with embeddings (n, e), adapted to this profile."""
        mean, share = (self.centre_logits, 0.0) if profile is None else self.shift(profile)
        divisor = temperature.at(self.distance(embedding), share=share)
        return self._probabilities(*self._logits(embedding), mean, share, temperature=divisor)

    def distance(self, embedding: NDArray[Any]) -> Array:
        """Return the distance (n,) of embeddings (n, e) from those of training clips, whose mean is 1."""
        if self.usual is None or self.whitener is None:
            return np.ones(len(embedding))
        away = (np.asarray(embedding, np.float64)[:, : self.usual.size] - self.usual) @ self.whitener
        return np.asarray(np.sqrt(np.mean(away**2, axis=1)))

    @cached_property
    def centre_logits(self) -> Array:
        """(members * k,) logits of the centre by the second head, without its bias."""
        return np.asarray(self._moved(self.centre[None])[0])

    def shift(self, profile: Profile) -> tuple[Array, float]:
        """Return the usual logits (members * k,) of a source or voice, and the share of the second head, in [0, 1]."""
        known, share = self.centre_logits, 0.0
        if isinstance(profile, SpeakerProfile) and profile.source is not None:
            known, share = self.shift(profile.source)
        n = profile.n_clips
        if n == 0:
            return known, share
        usual = self._moved(np.asarray(profile.mean)[None])[0]
        if profile.composition:
            k = self.n_emotions
            shares = np.array([value for _, value in profile.composition])
            composition = (n * shares + PRIOR_COMPOSITION / k) / (n + PRIOR_COMPOSITION)
            usual = usual - (1 - self.evenness(profile)) * (composition - 1 / k) @ self.offsets
        usual = known + n / (n + PRIOR_CLIPS[profile.kind]) * (usual - known)
        return usual, max(share, n / (n + PRIOR_ANSWERS))

    def evenness(self, profile: Profile) -> float:
        """Return 0 if the clips of a profile seem to have one emotion, 1 if they seem to have all; else between."""
        answers = np.array([value for _, value in profile.answers])
        n, low_high = profile.n_clips, EVENNESS[profile.kind]
        if n < 2 or not profile.answers:
            return 0.0
        entropy = -float(np.sum(answers * np.log(np.maximum(answers, _FLOOR)))) / np.log(self.n_emotions)
        mean = self._over_members(self._moved(np.asarray(profile.mean)[None]))[0]
        variance = max(0.0, profile.power - float(np.mean(mean**2))) * n / (n - 1)
        spread = np.sqrt(variance) / float(self.within)
        looks = _BY_ENTROPY * entropy + _BY_SPREAD * spread + _OFFSET
        return float(np.clip((looks - low_high[0]) / (low_high[1] - low_high[0]), 0, 1))

    def extended(
        self, profile: AnyProfile, embedding: NDArray[Any], *, emotions: Sequence[str], temperature: Temperature
    ) -> AnyProfile:
        """Return the profile with more clips, from their embeddings (n, e).

        Parameters
        ----------
        emotions
            Names of the k emotions, for the composition.
        """
        n_new, n = len(embedding), profile.n_clips + len(embedding)
        if not n_new or (profile.n_clips and not profile.composition):  # of an older version: only its mean is known
            for row in embedding:
                profile = profile.updated(row)
            return profile
        moved, plain = self._logits(embedding)

        def joined(before: Any, new: Array) -> Array:
            return np.asarray((profile.n_clips * np.asarray(before) + new.sum(axis=0)) / n)

        def named(values: Array) -> tuple[tuple[str, float], ...]:
            return tuple(zip(emotions, np.clip(values, 0, 1).tolist(), strict=True))

        before = {name: np.array([value for _, value in getattr(profile, name)] or [0.0]) for name in _ANSWERS}
        distance = self.distance(embedding)
        divisor = temperature.at(distance, share=0.0)
        answers = self._probabilities(moved, plain, self.centre_logits, 0.0, temperature=divisor)
        result = replace(
            profile,
            mean=tuple(joined(profile.mean, np.asarray(embedding, np.float64)).tolist()),
            n_clips=n,
            answers=named(joined(before["answers"], answers)),
            composition=named(joined(before["composition"], answers)),
            power=float(joined(profile.power, np.mean(self._over_members(moved) ** 2, axis=1))),
        )
        for _ in range(_N_ITERATIONS - 1):
            divisor = temperature.at(distance, share=1.0)
            adapted = self._probabilities(moved, plain, self.shift(result)[0], 1.0, temperature=divisor)
            result = replace(result, composition=named(joined(before["composition"], (answers + adapted) / 2)))
        return result

    def _logits(self, embedding: NDArray[Any]) -> tuple[Array, Array]:
        """Return the logits of both heads (n, members * k): of the second without bias, of the first with it."""
        rows = np.asarray(embedding, np.float64)
        return self._moved(rows), _heads(rows, self.plain_weight) + _centred(self.plain_bias).ravel()

    def _moved(self, embedding: Array) -> Array:
        return _heads(embedding, self.adapted_weight)

    def _over_members(self, logits: Array) -> Array:
        return np.asarray(logits.reshape(len(logits), -1, self.n_emotions).mean(axis=1))

    def _probabilities(self, moved: Array, plain: Array, mean: Array, share: float, *, temperature: Array) -> Array:
        """(n, members * k) logits of both heads, (n,) -> (n, k) calibrated probabilities, as in the graph."""
        adapted = moved - mean + _centred(self.adapted_bias).ravel()
        mixed = (plain + share * (adapted - plain)).reshape(len(plain), -1, self.n_emotions)
        return _softmax(np.log(np.maximum(_softmax(mixed).mean(axis=1), _FLOOR)) / temperature[:, None])

    def save(self, path: Path) -> str:
        """Write the arrays as NPZ with float32, and return the SHA-256 of the file."""
        content = io.BytesIO()
        arrays = {item.name: getattr(self, item.name) for item in fields(self)}
        np.savez(content, **{name: array.astype(np.float32) for name, array in arrays.items() if array is not None})
        path.write_bytes(content.getvalue())
        return hashlib.sha256(content.getvalue()).hexdigest()


#: Fields for the distance, which bundles of older versions lack.
_DISTANCE = {"usual", "whitener"}
#: Fields of a profile with a share for each emotion.
_ANSWERS = ("answers", "composition")


def load(path: Path, card: Mapping[str, Any], *, width: int) -> Adapter | None:
    """Read the adapter of a bundle whose embeddings have this width; None if its card names none, as an older one.

    Raises
    ------
    BundleError
        The file is missing, altered or damaged, or does not fit the card.
    """
    stated = card.get("adaptation")
    if stated is None:
        return None
    remedy = "get the bundle again, or train it again"
    try:
        content = read_regular(path)
    except OSError as error:
        raise BundleError(f"{path} can't be read ({error}); {remedy}") from error
    digest = hashlib.sha256(content).hexdigest()
    if not isinstance(stated, dict) or digest != stated.get("sha256"):
        raise BundleError(f"{path} was altered or is damaged: its SHA-256 is not that in its card; {remedy}")
    names = [item.name for item in fields(Adapter)]
    try:
        _check_size(content)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            # bundles of older versions lack the last two
            stored = {name: arrays[name] for name in names if name in arrays or name not in _DISTANCE}
    except Exception as error:  # a damaged archive raises errors of many kinds
        raise BundleError(f"{path} can't be read ({error}); {remedy}") from error
    k = len(card["emotions"])
    members = stored["plain_bias"].shape[0] if stored["plain_bias"].ndim == 2 else 0
    shapes = {
        **{f"{head}_weight": (members, k, width // max(members, 1)) for head in ("plain", "adapted")},
        **{f"{head}_bias": (members, k) for head in ("plain", "adapted")},
        **{"centre": (width,), "offsets": (k, members * k), "within": ()},
    }
    if _DISTANCE & set(stored):
        shapes |= {"usual": (width // max(members, 1),), "whitener": (width // max(members, 1),) * 2}
    for name, shape in shapes.items():
        if name not in stored:
            raise BundleError(f"{path} lacks {name}, which it should hold with {sorted(_DISTANCE)}; {remedy}")
        array = stored[name]
        # NaN compares false
        is_right = array.shape == shape and array.dtype.kind == "f" and bool((np.abs(array) <= _LARGEST).all())
        if not is_right or not members:
            raise BundleError(
                f"{path}: {name} is {array.dtype} of shape {array.shape}, expected finite floating point of shape "
                f"{shape}, up to {_LARGEST:g}; {remedy}"
            )
    if stored["within"] <= 0:
        raise BundleError(f"{path}: within is {stored['within']}, expected a number above 0; {remedy}")
    return Adapter(**{name: np.asarray(array, np.float64) for name, array in stored.items()})


def _check_size(content: bytes) -> None:
    """Raise ValueError if an archive holds more than a file may hold: zeros can be packed to a thousandth."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        n_bytes = sum(entry.file_size for entry in archive.infolist())
    if n_bytes > MOST_BYTES:
        raise ValueError(f"it holds {n_bytes:,} bytes, expected at most {MOST_BYTES:,}")


def fitted(
    heads: Mapping[str, NDArray[Any]],
    embedding: NDArray[Any],
    *,
    labels: NDArray[np.integer[Any]],
    speakers: Sequence[str],
    corpora: Sequence[str],
) -> Adapter:
    """Measure how emotions move the embeddings of training clips.

    Parameters
    ----------
    heads
        The first five arrays of `Adapter`, by name.
    embedding
        (n, e) of clips.
    labels
        (n,) number of each clip's emotion, from 0.
    speakers, corpora
        (n,) names.  Speakers of fewer than three emotions are left out.

    Raises
    ------
    ConfigError
        No speaker is left.
    """
    k = heads["plain_bias"].shape[1]
    arrays = {name: np.asarray(value, np.float64) for name, value in heads.items()}
    moved = _heads(np.asarray(embedding, np.float64), arrays["adapted_weight"])
    voices = np.array([f"{corpus}|{speaker}" for corpus, speaker in zip(corpora, speakers, strict=True)])
    offsets: dict[str, list[Array]] = {}
    squares, n_squares = 0.0, 0
    for voice in np.unique(voices):
        own = voices == voice
        means = {label: moved[own & (labels == label)].mean(axis=0) for label in np.unique(labels[own])}
        if len(means) < 3:
            continue
        row = np.full((k, moved.shape[1]), np.nan)
        for label, mean in means.items():
            row[label] = mean - np.mean(list(means.values()), axis=0)
            away = (moved[own & (labels == label)] - mean).reshape(-1, moved.shape[1] // k, k).mean(axis=1)
            squares, n_squares = squares + float(np.sum(away**2)), n_squares + away.size
        offsets.setdefault(voice.split("|")[0], []).append(row)
    if not offsets:
        raise ConfigError("no speaker has clips of three emotions; expected one at least, to measure adaptation")
    by_corpus = np.array([_mean_of_known(np.array(rows)) for rows in offsets.values()])
    mean = np.nan_to_num(_mean_of_known(by_corpus))
    within = np.sqrt(np.float64(squares / max(n_squares, 1)))
    usual, whitener = _whitening(
        np.asarray(embedding, np.float64)[:, : embedding.shape[1] // len(arrays["plain_bias"])]
    )
    return Adapter(**arrays, offsets=mean - mean.mean(axis=0), within=within, usual=usual, whitener=whitener)


def _whitening(embedding: Array) -> tuple[Array, Array]:
    """Return mean (w,) and whitening (w, w) of embeddings (n, w), such that their distances have the mean 1."""
    usual = embedding.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(embedding - usual, rowvar=False))
    # Where few clips leave directions without any variance, these say nothing.
    whitener = vectors / np.sqrt(np.maximum(values, _LEAST_VARIANCE * values.max()))
    distances = np.sqrt(np.mean(((embedding - usual) @ whitener) ** 2, axis=1))
    return usual, np.asarray(whitener / distances.mean())


def _mean_of_known(rows: Array) -> Array:
    """Mean over the first axis of what is not NaN; NaN where nothing is known."""
    known = ~np.isnan(rows)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, rows, 0).sum(axis=0) / np.maximum(count, 1), np.nan)


def _heads(embedding: Array, weight: Array) -> Array:
    """(n, e), (members, k, e / members) -> logits (n, members * k), with mean 0 over the emotions of a member."""
    parts = embedding.reshape(len(embedding), weight.shape[0], -1)
    return _centred(np.einsum("nme,mke->nmk", parts, weight)).reshape(len(embedding), -1)


def _centred(logits: Array) -> Array:
    """Subtract the mean over emotions, the last axis, which softmax ignores."""
    return np.asarray(logits - logits.mean(axis=-1, keepdims=True))


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
