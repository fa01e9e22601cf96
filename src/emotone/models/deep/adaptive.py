"""A network on the states of a speech encoder that adapts to a speaker.

States are projected to a few hundred columns, and their mean and deviation over time are the embedding of a clip.  Two
heads classify it.  The first gets the embedding itself; the second gets it minus the speaker's mean embedding, which
removes most of the difference between voices.  Both are trained together on the same clips.  Without a clip of the
speaker only the first counts; the more clips are known, the larger is the weight of the second.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from emotone.errors import ConfigError
from emotone.features.encoders.quantize import quantize_int8
from emotone.models.deep.adaptive_network import Adaptive, AdaptiveInferenceModule, as_affine, shrunk
from emotone.models.deep.classifier import NeuralClassifier, threads
from emotone.models.deep.clips import Clips, Frames, padded
from emotone.models.deep.networks import FrameNetwork
from emotone.models.deep.speech_gate import Gate
from emotone.models.deep.training import Net

_SIMULATED_CLIPS = (3.0, 5.0, 10.0, 30.0, float("inf"))  # known clips of the speaker, simulated in training
_BATCH = 64
_EXTRAS = {"speakers": np.int64, "possible": np.bool_, "own": np.bool_}


class AdaptiveNet(Net):
    """Train both heads of `Adaptive` together.

    The second head gets a simulated mean of n clips of the speaker; n is drawn for each clip.  It is the running mean
    plus noise: the deviation of another clip of the batch from its speaker's mean, divided by sqrt(n).

    The training loss is the mean over both heads.  The loss on held-out clips is that of the first head, since their
    speakers are unknown.
    """

    def losses(self, inputs: dict[str, Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss of both heads, and the logits (b, k) of the first."""
        network = cast("Adaptive", self.module_)
        frames = inputs["frames"].to(self.recipe.device)
        speakers = inputs["speakers"].to(self.recipe.device)
        embedding = network.embed(frames, inputs["lengths"].to(self.recipe.device)).float()
        seen = embedding.detach()
        network.update(seen, speakers)
        logits = network.head(embedding)
        adapted = network.adapted_head(embedding - self._simulated_mean(seen, speakers, network))
        if "weight" in inputs:
            targets = targets * inputs["weight"].to(targets)[:, None]
        possible = inputs.get("possible")
        first, second = (self.weighted_loss(each, targets, possible=possible) for each in (logits, adapted))
        return (first + second) / 2, logits

    def _simulated_mean(self, embedding: Tensor, speakers: Tensor, network: Adaptive) -> Tensor:
        """Return the speakers' means as estimated from a random number of clips, (b, e)."""
        n_clips = torch.from_numpy(self.step_rng.choice(_SIMULATED_CLIPS, size=(len(embedding), 1))).to(embedding)
        own = network.memory[speakers]
        away = (embedding - own)[torch.from_numpy(self.step_rng.permutation(len(embedding))).to(embedding.device)]
        centre = network.memory[network.n_seen > 0].mean(0)
        return shrunk(own + away / n_clips.sqrt(), centre, n_clips)


class AdaptiveClassifier(NeuralClassifier):
    """`NeuralClassifier` of `Adaptive` networks.

    `fit` takes these ``extras``, all optional:

    speakers
        (n,) int from 0, the speakers; by default a single speaker.
    possible
        (n, labels) bool, column l for label l: the classes that are possible for a clip; by default all.  If a corpus
        has no calm clips, "calm" is no error there.  With ``class_weight="balanced"``, classes get a weight among the
        clips with the same possible classes: otherwise a class that only a small corpus has would get a large weight
        and be predicted everywhere.
    own
        (n,) bool, whether the clip's speaker is like those of the application: the centre is the mean over these
        clips; by default all.
    """

    net_type: ClassVar[type[Net]] = AdaptiveNet
    #: Training reads this number of principal components of the frames: half of the time, and about as good on corpora
    #: that are left out.  Fewer are worse on new speakers of a known corpus (docs/tried.md).  None: the frames.
    n_components: int | None = 512
    #: Detects speech, see `emotone.models.deep.speech_gate`; set it after the fit.
    gate: Gate | None = None
    _frames: Sequence[Frames] = ()  # during the fit, the training clips

    def fit(
        self, X: Sequence[Frames], y: np.ndarray, *, extras: Mapping[str, np.ndarray] | None = None, **arguments: Any
    ) -> Self:
        """Train the networks; see `NeuralClassifier.fit`.

        Raises
        ------
        ConfigError
            There is mixup, the network can't adapt, or the extras don't fit the clips.
        """
        if self.mixup > 0:
            raise ConfigError(
                f"mixup is {self.mixup}; expected 0, since a mixed clip has two voices, and an adaptive network needs "
                "the mean of each voice: leave mixup out"
            )
        if not issubclass(self.network, Adaptive):
            raise ConfigError(f"network is {self.network.__name__}; expected Adaptive, which can adapt to a speaker")
        known = _checked_extras(extras or {}, np.asarray(y))
        self._weighs_clips = self.class_weight is not None and "possible" in known
        if self._weighs_clips:
            known["weight"] = _balanced_weights(np.unique(y, return_inverse=True)[1], known["possible"])
        super().fit(X, y, extras=known, **arguments)
        self._frames = ()  # only `_finish` needs the clips
        return self

    def _class_weights(self, counts: np.ndarray) -> np.ndarray:
        """Return ones if each clip has its own weight; see ``possible``."""
        return np.ones(counts.size) if self._weighs_clips else super()._class_weights(counts)

    def _prepare(self, X: Sequence[Frames]) -> None:
        """Set the scale of the columns, and find the principal components of the training frames.

        The scale is the root of the standard deviation.  With the standard deviation itself, columns that hardly vary
        in training weigh as much as all others, and in these an unknown voice or room is far away (docs/tried.md).
        """
        self._frames = X
        self.scale_ = np.sqrt(self.scale_)
        self._components = None
        if self.n_components is not None and X[0].shape[1] > self.n_components:
            self._components = _principal_components(X, self.mean_, self.scale_, self.n_components)

    def _clips(
        self, X: Sequence[Frames], labels: np.ndarray, *, extras: Mapping[str, np.ndarray] | None = None
    ) -> Clips:
        """Return the principal components of the clips' frames, which is all that training reads."""
        if self._components is None:
            return super()._clips(X, labels, extras=extras)
        projected = [(((clip - self.mean_) / self.scale_) @ self._components).astype(np.float16) for clip in X]
        return Clips(projected, labels, extras=extras)

    def _network(self, clips: Clips) -> FrameNetwork:
        network = cast("Adaptive", super()._network(clips))
        network.remember(int(clips.extras["speakers"].max()) + 1)
        return network

    def _finish(self, network: FrameNetwork, clips: Clips) -> None:
        """Let the projection read whole frames, in the 8 bits that bundles store; set the centre; delete speakers."""
        adaptive = cast("Adaptive", network)
        if self._components is not None:
            weight = adaptive.project.weight.detach() @ torch.from_numpy(self._components).T
            whole = nn.Linear(weight.shape[1], weight.shape[0])
            whole.weight.data, whole.bias.data = weight, adaptive.project.bias.detach()
            adaptive.project = whole
        rounded, scale_of_weights = quantize_int8(adaptive.project.weight.detach().numpy(), axis=0)
        adaptive.project.weight.data = torch.from_numpy(rounded * scale_of_weights)
        speakers = clips.extras["speakers"]
        own = np.flatnonzero(clips.extras.get("own", np.ones(len(clips), dtype=bool)))
        embedding = np.concatenate(
            [
                _embedded(
                    adaptive, [self._frames[row][:: self.stride] for row in rows], mean=self.mean_, scale=self.scale_
                )
                for rows in np.split(own, range(_BATCH, len(own), _BATCH))
            ]
        )
        means = [embedding[speakers[own] == speaker].mean(axis=0) for speaker in np.unique(speakers[own])]
        adaptive.centre.copy_(torch.from_numpy(np.mean(means, axis=0)))
        adaptive.remember(0)

    def embed(self, X: Sequence[Frames]) -> np.ndarray:
        """Return the embeddings (n, members * e) of clips (T, d), member after member."""
        module = self.inference_module()
        result = np.zeros((len(X), module.width), dtype=np.float32)
        with threads(self.n_jobs), torch.inference_mode():
            for start in range(0, len(X), _BATCH):
                part = X[start : start + _BATCH]
                result[start : start + len(part)] = module(**padded(part))[1].numpy()
        return result

    def adapted_proba(self, embedding: np.ndarray, *, mean: np.ndarray, n_clips: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, k) of clips of known speakers.

        Parameters
        ----------
        embedding
            (n, members * e) of the clips, from `embed`.
        mean
            (n, members * e) mean embedding of other clips of the same speaker; finite, also without any clip.
        n_clips
            (n,) number of these clips, from 0; infinity to use the mean unchanged.

        Raises
        ------
        ConfigError
            A number of clips is negative.
        """
        if not np.all(np.asarray(n_clips) >= 0):
            raise ConfigError(f"n_clips goes down to {np.min(n_clips)}; expected numbers of clips, 0 or more")
        with threads(self.n_jobs), torch.inference_mode():
            tensors = [torch.from_numpy(np.asarray(array, dtype=np.float32)) for array in (embedding, mean, n_clips)]
            result: np.ndarray = self.inference_module().probabilities(*tensors).numpy()
        return result

    def heads(self) -> dict[str, np.ndarray]:
        """Return the heads of the members and the centre, as arrays by name; see `recognition.adaptation.Adapter`."""
        check_is_fitted(self)
        members = [cast("Adaptive", member) for member in self.members_]
        result = {"centre": np.concatenate([member.centre.numpy() for member in members])}
        for name, heads in (
            ("plain", [member.head for member in members]),
            ("adapted", [member.adapted_head for member in members]),
        ):
            weights, biases = zip(*(as_affine(cast("nn.Sequential", head)) for head in heads), strict=True)
            result |= {f"{name}_weight": np.stack(weights), f"{name}_bias": np.stack(biases)}
        return result

    def inference_module(self) -> AdaptiveInferenceModule:  # type: ignore[override]  # the same call
        """Return everything that prediction needs as a single torch module."""
        check_is_fitted(self)
        mean, scale = torch.from_numpy(self.mean_), torch.from_numpy(self.scale_)
        return AdaptiveInferenceModule(self.members_, mean, scale, stride=self.stride, gate=self.gate).eval()


def _checked_extras(extras: Mapping[str, np.ndarray], y: np.ndarray) -> dict[str, np.ndarray]:
    """Check the extras of clips and return them for the networks, with the columns of ``possible`` that occur in y."""
    for name, values in extras.items():
        if name not in _EXTRAS:
            raise ConfigError(f"unknown extra {name!r}; known: {', '.join(_EXTRAS)}")
        if len(values) != len(y):
            raise ConfigError(f"{name} has {len(values)} rows and there are {len(y)} clips; expected one row per clip")
    known: dict[str, np.ndarray] = {"speakers": np.zeros(len(y), dtype=np.int64)}
    known |= {name: np.asarray(values, dtype=_EXTRAS[name]) for name, values in extras.items()}
    if (known["speakers"] < 0).any():
        raise ConfigError(f"speakers go down to {known['speakers'].min()}; expected numbers from 0")
    if "own" in known and not known["own"].any():
        raise ConfigError("own is true of no clip; expected some clips, those with speakers like in the application")
    if "possible" in known:
        wrong = np.flatnonzero(~known["possible"][np.arange(len(y)), y])
        if wrong.size:
            raise ConfigError(f"clip {wrong[0]} is of class {y[wrong[0]]}, which possible says it can't be of")
        known["possible"] = known["possible"][:, np.unique(y)]
    return known


def _principal_components(X: Sequence[Frames], mean: np.ndarray, scale: np.ndarray, n_components: int) -> np.ndarray:
    """Return the first principal components (d, n_components) of standardised frames, of every fifth frame."""
    second = np.zeros((len(mean), len(mean)))
    for start in range(0, len(X), _BATCH):
        frames = np.concatenate([clip[::5] for clip in X[start : start + _BATCH]]).astype(np.float32)
        standard = (frames - mean) / scale
        second += standard.T @ standard
    _, vectors = np.linalg.eigh(second)  # in ascending order
    return np.asarray(vectors[:, : -n_components - 1 : -1], dtype=np.float32)


def _balanced_weights(classes: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """Return clip weights (n,), with mean 1, for classes among the clips with the same possible classes.

    Clips of the same class and the same possible classes, which come from the same kind of corpus, share a weight: one
    over the square root of their number.  So neither a large corpus nor a rare emotion decides alone.
    """
    weights = np.zeros(len(classes), dtype=np.float32)
    _, groups = np.unique(possible, axis=0, return_inverse=True)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups.ravel() == group)
        weights[rows] = np.bincount(classes[rows])[classes[rows]] ** -0.5
    return np.asarray(weights / weights.mean())


def _embedded(network: Adaptive, clips: Sequence[Frames], *, mean: Frames, scale: Frames) -> np.ndarray:
    with torch.inference_mode():
        embedding: np.ndarray = network.embed(**padded(clips, mean=mean, scale=scale)).numpy()
    return embedding


def adaptive(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Build the pipeline of `Adaptive`, on whole clips."""
    classifier = AdaptiveClassifier(
        Adaptive,
        seed=seed,
        n_jobs=n_jobs,
        class_weight="balanced" if class_weight else None,
        max_epochs=12,
        label_smoothing=0.1,
        n_time_masks=0,
        n_frequency_masks=0,
        window=100_000,
        training_stride=2,
    )
    return Pipeline([("classifier", classifier)])
