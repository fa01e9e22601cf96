"""A recogniser over the states of a speech encoder that can be told how a speaker usually sounds.

States are projected to a few hundred columns, and the mean and deviation of each over time are the embedding of a clip.
Two heads read it: one as it is, and one after the speaker's mean embedding is subtracted, which takes away most of what
belongs to the voice rather than to the emotion.  Both learn at once from the same clips; with no clip of a speaker the
first answers alone, and the more there are, the more the second one counts.
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
from emotone.models.deep.clips import Clips, Frames, padded
from emotone.models.deep.networks import FrameNetwork, frame_mask, mean_and_deviation
from emotone.models.deep.neural import InferenceModule, NeuralClassifier, threads
from emotone.models.deep.speech_gate import Gate
from emotone.models.deep.training import Net

#: So many clips weigh as much as all that is known of other voices: in the mean of the speaker, and in the answer.
PRIOR_CLIPS, PRIOR_ANSWERS = 3.0, 2.0
_MOMENTUM = 0.1  # of a speaker's running mean, a clip
_HEARD = (3.0, 5.0, 10.0, 30.0, float("inf"))  # clips of the speaker that training pretends to know
_AT_ONCE = 64
_EXTRAS = {"speakers": np.int64, "possible": np.bool_, "own": np.bool_}


def share(heard: Tensor, prior: float) -> Tensor:
    """n / (n + prior), in a form that is 1 for an infinite n."""
    return 1 - prior / (heard + prior)


def shrunk(mean: Tensor, centre: Tensor, heard: Tensor) -> Tensor:
    """Draw the mean embedding of a speaker's n clips towards the one of all voices: (n mean + 3 centre) / (n + 3)."""
    return centre + share(heard, PRIOR_CLIPS) * (mean - centre)


class Adaptive(FrameNetwork):
    """Projection, statistics over time, two heads; see the module.

    Attributes
    ----------
    memory
        (speakers, e) running mean of each training speaker's embeddings; only training needs it.
    n_seen
        (speakers,) clips that it was taken from.
    centre
        (e,) mean over speakers, in place of the mean of a speaker who is not known.
    """

    memory: Tensor
    n_seen: Tensor
    centre: Tensor

    def __init__(self, n_columns: int, n_classes: int, *, dropout: float = 0.3, width: int = 128) -> None:
        super().__init__()
        # Of whole columns: drawing for every value of wide frames would take most of a step (docs/tried.md).
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(n_columns, width)
        self.head = _head(2 * width, n_classes, dropout=dropout)
        self.adapted_head = _head(2 * width, n_classes, dropout=dropout)
        self.register_buffer("centre", torch.zeros(2 * width))
        self.remember(0)

    def remember(self, n_speakers: int) -> None:
        """Make room for the means of training speakers, or, with 0, forget them."""
        self.register_buffer("memory", torch.zeros(n_speakers, self.centre.numel()))
        self.register_buffer("n_seen", torch.zeros(n_speakers))

    def embed(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(b, T, d), (b,) -> (b, 2 * width)."""
        mask = frame_mask(frames, lengths)
        if self.training:
            frames = frames * self.dropout(torch.ones_like(frames[:, :1]))
        values = self.project(frames).float().transpose(1, 2)  # (b, width, T)
        weights = torch.ones_like(values[:, :1]) if mask is None else mask[:, None].float()
        return mean_and_deviation(values, weights / weights.sum(-1, keepdim=True))

    @torch.no_grad()
    def update(self, embedding: Tensor, speakers: Tensor) -> None:
        """Move the running means of the speakers (b,) of a batch; the first clips of one count fully."""
        for speaker in torch.unique(speakers):
            own = embedding[speakers == speaker]
            self.n_seen[speaker] += len(own)
            step = max(len(own) / float(self.n_seen[speaker]), 1 - (1 - _MOMENTUM) ** len(own))
            self.memory[speaker] = torch.lerp(self.memory[speaker], own.mean(0), step)


def _head(width: int, n_classes: int, *, dropout: float) -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(width), nn.Dropout(dropout), nn.Linear(width, n_classes))


class AdaptiveNet(Net):
    """Trains both heads of `Adaptive` at once.

    The second one is given the speaker's mean as so many clips would tell it, a number drawn anew for each clip: the
    running mean, and the deviation of some other clip of the batch from its own speaker's mean, scaled down, for noise.

    The loss that training tells is the mean over both heads; the one on held-out clips, of whose speakers nothing is
    known, is the first head's.
    """

    def losses(self, given: dict[str, Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss of both heads, and the logits (b, k) of the first."""
        network = cast("Adaptive", self.module_)
        frames = given["frames"].to(self.recipe.device)
        speakers = given["speakers"].to(self.recipe.device)
        embedding = network.embed(frames, given["lengths"].to(self.recipe.device)).float()
        seen = embedding.detach()
        network.update(seen, speakers)
        logits = network.head(embedding)
        adapted = network.adapted_head(embedding - self._pretended(seen, speakers, network))
        if "weight" in given:
            targets = targets * given["weight"].to(targets)[:, None]
        possible = given.get("possible")
        both = [self.weighed_loss(one, targets, possible=possible) for one in (logits, adapted)]
        return (both[0] + both[1]) / 2, logits

    def _pretended(self, embedding: Tensor, speakers: Tensor, network: Adaptive) -> Tensor:
        """What the speakers' means would be taken for after some clips, (b, e)."""
        heard = torch.from_numpy(self.step_rng.choice(_HEARD, size=(len(embedding), 1))).to(embedding)
        own = network.memory[speakers]
        away = (embedding - own)[torch.from_numpy(self.step_rng.permutation(len(embedding))).to(embedding.device)]
        centre = network.memory[network.n_seen > 0].mean(0)
        return shrunk(own + away / heard.sqrt(), centre, heard)


class AdaptiveClassifier(NeuralClassifier):
    """`NeuralClassifier` of `Adaptive` networks.

    `fit` takes, as ``extras``, whatever is known of

    speakers
        (n,) int from 0, who speaks; all the same voice if not given.
    possible
        (n, labels) bool, column l for the label l: which a clip can be of.  In a corpus without calm voices, calm is no
        wrong answer.  All of them if not given.  With ``class_weight="balanced"``, classes are balanced among the clips
        that can be of the same ones: a class that one small corpus alone knows is not rare there, and a weight of its
        rarity among all clips would have it found everywhere.
    own
        (n,) bool, whether the clip's speaker is like those that will be met: the centre is the mean over these; all of
        them if not given.
    """

    net_type: ClassVar[type[Net]] = AdaptiveNet
    #: Tells whether there is speech, see `emotone.models.deep.speech_gate`; set it once the networks are fitted.
    gate: Gate | None = None

    def fit(
        self, X: Sequence[Frames], y: np.ndarray, *, extras: Mapping[str, np.ndarray] | None = None, **given: Any
    ) -> Self:
        """Train the networks; see `NeuralClassifier.fit`.

        Raises
        ------
        ConfigError
            Mixup is asked for, the network is none that adapts, or the extras don't fit the clips.
        """
        if self.mixup > 0:
            raise ConfigError(
                f"mixup is {self.mixup}, and a mixed clip would be of two voices, of which an adaptive network learns "
                "each one's mean; leave mixup out"
            )
        if not issubclass(self.network, Adaptive):
            raise ConfigError(f"network is {self.network.__name__}; expected Adaptive, which can adapt to a speaker")
        known = _settled(extras or {}, np.asarray(y))
        self._weighs_clips = self.class_weight is not None and "possible" in known
        if self._weighs_clips:
            known["weight"] = _balanced_weights(np.unique(y, return_inverse=True)[1], known["possible"])
        return super().fit(X, y, extras=known, **given)

    def _class_weights(self, counts: np.ndarray) -> np.ndarray:
        """Ones where each clip has a weight of its own; see ``possible``."""
        return np.ones(counts.size) if self._weighs_clips else super()._class_weights(counts)

    def _network(self, clips: Clips) -> FrameNetwork:
        network = cast("Adaptive", super()._network(clips))
        network.remember(int(clips.extras["speakers"].max()) + 1)
        return network

    def _finish(self, network: FrameNetwork, clips: Clips) -> None:
        """Round the projection to the 8 bits that bundles store, set the centre, and forget the training speakers."""
        adaptive = cast("Adaptive", network)
        rounded, scale_of_weights = quantize_int8(adaptive.project.weight.detach().numpy(), axis=0)
        adaptive.project.weight.data = torch.from_numpy(rounded * scale_of_weights)
        speakers = clips.extras["speakers"]
        own = np.flatnonzero(clips.extras.get("own", np.ones(len(clips), dtype=bool)))
        embedding = np.concatenate(
            [
                _embedded(
                    adaptive, [clips.frames[row][:: self.stride] for row in rows], mean=self.mean_, scale=self.scale_
                )
                for rows in np.split(own, range(_AT_ONCE, len(own), _AT_ONCE))
            ]
        )
        means = [embedding[speakers[own] == speaker].mean(axis=0) for speaker in np.unique(speakers[own])]
        adaptive.centre.copy_(torch.from_numpy(np.mean(means, axis=0)))
        adaptive.remember(0)

    def embed(self, X: Sequence[Frames]) -> np.ndarray:
        """Compute the embeddings (n, members * e) of clips (T, d), members side by side."""
        whole = self.deployed()
        result = np.zeros((len(X), whole.width), dtype=np.float32)
        with threads(self.n_jobs), torch.inference_mode():
            for start in range(0, len(X), _AT_ONCE):
                part = X[start : start + _AT_ONCE]
                result[start : start + len(part)] = whole(**padded(part))[1].numpy()
        return result

    def adapted_proba(self, embedding: np.ndarray, *, mean: np.ndarray, heard: np.ndarray) -> np.ndarray:
        """Compute the probabilities (n, k) of clips whose speakers are known a little.

        Parameters
        ----------
        embedding
            (n, members * e) of the clips, from `embed`.
        mean
            (n, members * e) mean embedding of clips of the same speaker; finite, also where none was heard.
        heard
            (n,) how many clips those were, from 0; infinity for the speaker's mean as it is.

        Raises
        ------
        ConfigError
            Fewer clips than none were heard.
        """
        if not np.all(np.asarray(heard) >= 0):
            raise ConfigError(f"heard goes down to {np.min(heard)}; expected numbers of clips, 0 or more")
        with threads(self.n_jobs), torch.inference_mode():
            given = [torch.from_numpy(np.asarray(one, dtype=np.float32)) for one in (embedding, mean, heard)]
            result: np.ndarray = self.deployed().answer(*given).numpy()
        return result

    def deployed(self) -> "DeployedAdaptive":
        """All that prediction takes, as one torch module."""
        check_is_fitted(self)
        mean, scale = torch.from_numpy(self.mean_), torch.from_numpy(self.scale_)
        return DeployedAdaptive(self.members_, mean, scale, stride=self.stride, gate=self.gate).eval()


def _settled(extras: Mapping[str, np.ndarray], y: np.ndarray) -> dict[str, np.ndarray]:
    """Check what is known of the clips, and give it as the networks take it: ``possible`` has their classes alone."""
    for name, values in extras.items():
        if name not in _EXTRAS:
            raise ConfigError(f"unknown extra {name!r}; known: {', '.join(_EXTRAS)}")
        if len(values) != len(y):
            raise ConfigError(f"{name} has {len(values)} rows and there are {len(y)} clips; expected one a clip")
    known: dict[str, np.ndarray] = {"speakers": np.zeros(len(y), dtype=np.int64)}
    known |= {name: np.asarray(values, dtype=_EXTRAS[name]) for name, values in extras.items()}
    if (known["speakers"] < 0).any():
        raise ConfigError(f"speakers go down to {known['speakers'].min()}; expected numbers from 0")
    if "own" in known and not known["own"].any():
        raise ConfigError("own is true of no clip; expected some, whose speakers are like those that will be met")
    if "possible" in known:
        wrong = np.flatnonzero(~known["possible"][np.arange(len(y)), y])
        if wrong.size:
            raise ConfigError(f"clip {wrong[0]} is of class {y[wrong[0]]}, which possible says it can't be of")
        known["possible"] = known["possible"][:, np.unique(y)]
    return known


def _balanced_weights(classes: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """Weight (n,) of each clip: of its class among the clips for which the same classes are possible, mean 1 there."""
    weights = np.zeros(len(classes), dtype=np.float32)
    _, groups = np.unique(possible, axis=0, return_inverse=True)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups.ravel() == group)
        counts = np.bincount(classes[rows])
        weights[rows] = len(rows) / np.count_nonzero(counts) / counts[classes[rows]]
    return weights


class DeployedAdaptive(InferenceModule):
    """Frames, and what is known of the speaker, to probabilities and embedding."""

    def __init__(
        self,
        members: Sequence[FrameNetwork],
        mean: Tensor,
        scale: Tensor,
        *,
        stride: int = 1,
        gate: Gate | None = None,
    ) -> None:
        super().__init__(members, mean, scale, stride=stride)
        self.gate = None
        if gate is not None:
            self.gate = nn.Linear(len(gate.weight), 1)
            self.gate.weight.data = torch.from_numpy(gate.weight)[None].clone()
            self.gate.bias.data = torch.tensor([gate.bias], dtype=torch.float32)

    def speech(self, frames: Tensor) -> Tensor:
        """Frames of one clip (1, T, d) -> the probability (1, 1) that there is speech; 1 without a gate."""
        if self.gate is None:
            return torch.ones(1, 1)
        return torch.sigmoid(self.gate(frames.mean(1)))

    @property
    def width(self) -> int:
        """Columns of the embedding, members * e."""
        return sum(int(cast("Adaptive", member).centre.numel()) for member in self.members)

    def forward(
        self,
        frames: Tensor,
        lengths: Tensor | None = None,
        *,
        speaker: Tensor | None = None,
        heard: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Answer clips.

        Parameters
        ----------
        frames, lengths
            (b, T, d), (b,).
        speaker
            (b, members * e) mean embedding of clips of the same speaker.
        heard
            (b,) how many they were; nothing is known of the speaker without it.

        Returns
        -------
        Probabilities (b, k) and embedding (b, members * e).
        """
        standard, lengths = self.standard(frames, lengths)
        embedding = torch.cat([cast("Adaptive", member).embed(standard, lengths) for member in self.members], dim=1)
        if speaker is None or heard is None:
            speaker, heard = embedding, torch.zeros(len(embedding))
        return self.answer(embedding, speaker, heard), embedding

    def answer(self, embedding: Tensor, speaker: Tensor, heard: Tensor) -> Tensor:
        """(b, members * e), (b, members * e), (b,) -> probabilities (b, k)."""
        width = embedding.shape[1] // len(self.members)
        count = heard[:, None]
        answers = []
        for number, member in enumerate(self.members):
            network, columns = cast("Adaptive", member), slice(number * width, (number + 1) * width)
            own = embedding[:, columns]
            plain = network.head(own)
            adapted = network.adapted_head(own - shrunk(speaker[:, columns], network.centre, count))
            answers.append(torch.softmax(torch.lerp(plain, adapted, share(count, PRIOR_ANSWERS)), dim=1))
        return torch.stack(answers).mean(dim=0)


def _embedded(network: Adaptive, clips: Sequence[Frames], *, mean: Frames, scale: Frames) -> np.ndarray:
    with torch.inference_mode():
        embedding: np.ndarray = network.embed(**padded(clips, mean=mean, scale=scale)).numpy()
    return embedding


def adaptive(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """See `Adaptive`; over whole clips."""
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
        stride=3,  # states 20 ms apart are much alike: a third of them trains as well (docs/tried.md)
    )
    return Pipeline([("classifier", classifier)])
