"""The deep models: networks over frames, with the same interface as the classic pipelines.

`NeuralClassifier` is the estimator.  The builders at the end of this module are listed in `emotone.models.registry`.
The networks are in `emotone.models.deep.networks`, their training in `emotone.models.deep.training`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from emotone.errors import ConfigError, CorpusError, FeatureError
from emotone.models.deep import networks
from emotone.models.deep.clips import Clips, Frames, padded
from emotone.models.deep.training import Net, Recipe, train
from emotone.progress import Progress

_PREDICTION_BATCH = 32


class NeuralClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Networks of one kind, trained with different seeds, whose probabilities are averaged.

    Parameters
    ----------
    network
        A class of `emotone.models.deep.networks`.
    n_members
        Number of networks; each is trained separately, with a different seed.
    max_epochs, patience, batch_size, learning_rate, weight_decay, label_smoothing
        See `emotone.models.deep.training.Recipe`.
    dropout
        Share of values that dropout sets to zero, in [0, 1).
    mixup, n_time_masks, max_time_share, n_frequency_masks, max_bands, window, stride, training_stride, averaging
        See `emotone.models.deep.training.Recipe`.
    class_weight
        "balanced": every emotion has the same weight; None: every clip has.
    precision
        "float32", "bfloat16" (mixed), or "auto": mixed if the processor has instructions for it.  Predictions are
        always float32.
    device
        "cpu", "cuda", or "auto": a GPU if there is one.
    seed
        Random seed.
    n_jobs
        Threads of torch in training and prediction.

    Attributes
    ----------
    classes_
        (k,) labels.
    n_features_in_
        d.
    mean_, scale_
        (d,) of the training frames; the networks get (frame - mean) / scale.
    members_
        The networks.
    n_epochs_
        (members,) the epoch whose weights were kept.
    history_
        A row per epoch and member: member (from 1), best, and the row of `emotone.models.deep.training.train`.
    """

    net_type: ClassVar[type[Net]] = Net

    def __init__(
        self,
        network: type[networks.FrameNetwork] = networks.ResNet,
        *,
        n_members: int = 1,
        max_epochs: int = 40,
        patience: int = 15,
        batch_size: int = 32,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.05,
        label_smoothing: float = 0.05,
        dropout: float = 0.3,
        mixup: float = 0.0,
        n_time_masks: int = 2,
        max_time_share: float = 0.15,
        n_frequency_masks: int = 2,
        max_bands: int = 20,
        window: int = 160,
        stride: int = 1,
        training_stride: int = 1,
        averaging: float = 0.99,
        class_weight: str | None = "balanced",
        precision: str = "auto",
        device: str = "auto",
        seed: int = 0,
        n_jobs: int = 1,
    ) -> None:
        self.network = network
        self.n_members = n_members
        self.max_epochs = max_epochs
        self.patience = patience
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.dropout = dropout
        self.mixup = mixup
        self.n_time_masks = n_time_masks
        self.max_time_share = max_time_share
        self.n_frequency_masks = n_frequency_masks
        self.max_bands = max_bands
        self.window = window
        self.stride = stride
        self.training_stride = training_stride
        self.averaging = averaging
        self.class_weight = class_weight
        self.precision = precision
        self.device = device
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(
        self,
        X: Sequence[Frames],
        y: np.ndarray,
        *,
        held_out: tuple[Sequence[Frames], np.ndarray] | None = None,
        epoch_size: int | None = None,
        extras: Mapping[str, np.ndarray] | None = None,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train the networks.

        Parameters
        ----------
        X, y
            n clips, each (T, d) float32 or float16, of any T; and their labels (n,) int.
        held_out
            Clips and labels for early stopping; clips of a class that y lacks are ignored.  Never test clips.
        epoch_size
            Number of clips per epoch, drawn anew each time, so that augmented copies don't make epochs longer.  None:
            all of X.
        extras
            Name -> (n, ...), further data that the training of this kind of network needs, a row per clip.
        checkpoint
            File to write after each epoch and to resume from; each member appends its number.

        Raises
        ------
        CorpusError
            There are fewer than two classes, or too few clips.
        ConfigError
            A setting is out of range.
        FeatureError
            Clips differ in their number of columns.
        """
        self.classes_, encoded, counts = np.unique(y, return_inverse=True, return_counts=True)
        self._check(len(X))
        self.n_features_in_ = int(X[0].shape[1])
        self._check_columns(X)
        self.mean_, self.scale_ = _mean_and_scale(X)
        self._prepare(X)
        clips = self._clips(X, encoded, extras=extras)
        arguments = {
            "class_weights": torch.as_tensor(self._class_weights(counts), dtype=torch.float32),
            "held_out": None if held_out is None else self._held_out(*held_out),
        }
        self.members_: list[networks.FrameNetwork] = []
        self.n_epochs_: list[int] = []
        self.history_: list[dict[str, Any]] = []
        for member in range(1, self.n_members + 1):
            recipe = self._recipe(member, epoch_size)
            self._train_member(member, clips, recipe, checkpoint=checkpoint, progress=progress, **arguments)
        return self

    def _check(self, n_clips: int) -> None:
        if self.classes_.size < 2 or n_clips < 4:
            raise CorpusError(
                f"{n_clips} clips of {self.classes_.size} emotion(s); a network needs two emotions and four clips or "
                "more: add clips"
            )
        if self.n_members < 1 or self.max_epochs < 1:
            raise ConfigError(
                f"n_members is {self.n_members} and max_epochs {self.max_epochs}; expected 1 or more of each"
            )

    def _check_columns(self, X: Sequence[Frames]) -> None:
        for row, clip in enumerate(X):
            if clip.ndim != 2 or clip.shape[1] != self.n_features_in_:
                raise FeatureError(
                    f"clip {row} has the shape {clip.shape}; expected (frames, {self.n_features_in_}), as the clips of "
                    "the training have: use the same extractor"
                )

    def _train_member(
        self,
        member: int,
        clips: Clips,
        recipe: Recipe,
        *,
        checkpoint: Path | None,
        progress: Progress | None,
        **arguments: Any,
    ) -> None:
        with threads(self.n_jobs), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(recipe.seed)
            network, rows, epoch = train(
                self._network(clips),
                clips,
                recipe,
                checkpoint=None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}-{member}.pt"),
                progress=None if progress is None else _of_member(progress, member, n_members=self.n_members),
                net_type=self.net_type,
                **arguments,
            )
            self._finish(network, clips)
        self.members_.append(network)
        self.n_epochs_.append(epoch)
        self.history_ += [{"member": member, **row, "best": row["epoch"] == epoch} for row in rows]

    def predict_proba(self, X: Sequence[Frames]) -> np.ndarray:
        """Compute the probabilities (n, k) float32 of n clips, each (T, d) float32 or float16."""
        check_is_fitted(self)
        self._check_columns(X)
        module = self.inference_module()
        order = np.argsort([len(clip) for clip in X], kind="stable").tolist()
        result = np.zeros((len(X), self.classes_.size), dtype=np.float32)
        with threads(self.n_jobs), torch.inference_mode():
            for start in range(0, len(order), _PREDICTION_BATCH):
                rows = order[start : start + _PREDICTION_BATCH]
                result[rows] = module(**padded([X[row] for row in rows]))[0].numpy()
        return result

    def predict(self, X: Sequence[Frames]) -> np.ndarray:
        """Return the most probable class of each clip, (n,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def inference_module(self) -> "InferenceModule":
        """Return everything that prediction needs as a single torch module."""
        check_is_fitted(self)
        mean, scale = torch.from_numpy(self.mean_), torch.from_numpy(self.scale_)
        return InferenceModule(self.members_, mean, scale, stride=self.stride).eval()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        return tags

    def _held_out(self, X: Sequence[Frames], y: np.ndarray) -> Clips | None:
        known = np.flatnonzero(np.isin(y, self.classes_))
        if not known.size:
            return None
        labels = np.searchsorted(self.classes_, np.asarray(y)[known])
        return self._clips([X[int(row)] for row in known], labels)

    def _prepare(self, X: Sequence[Frames]) -> None:
        """Measure more of the training clips than mean and scale; the base class does nothing."""

    def _clips(
        self, X: Sequence[Frames], labels: np.ndarray, *, extras: Mapping[str, np.ndarray] | None = None
    ) -> Clips:
        """Return clips as the networks get them in training."""
        return Clips(X, labels, mean=self.mean_, scale=self.scale_, extras=extras)

    def _class_weights(self, counts: np.ndarray) -> np.ndarray:
        """Return the weight of each class in the loss, (k,), from its number of clips."""
        return np.ones(counts.size) if self.class_weight is None else counts.sum() / counts.size / counts

    def _network(self, clips: Clips) -> networks.FrameNetwork:
        """Build a network for these clips."""
        build: Any = self.network
        network: networks.FrameNetwork = build(clips.frames[0].shape[1], self.classes_.size, dropout=self.dropout)
        return network

    def _finish(self, network: networks.FrameNetwork, clips: Clips) -> None:
        """Process a trained network further; the base class does nothing."""

    def _recipe(self, member: int, epoch_size: int | None) -> Recipe:
        device = self.device if self.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        settings = {field.name: getattr(self, field.name) for field in fields(Recipe) if hasattr(self, field.name)}
        settings |= {
            "n_classes": self.classes_.size,
            "seed": self.seed * 1009 + member,
            "device": device,
            "precision": self.precision if self.precision != "auto" else _precision(device),
            "epoch_size": epoch_size,
        }
        return Recipe(**settings)


def _mean_and_scale(X: Sequence[Frames]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of every column over all frames, each (d,) float32."""
    n_frames = sum(len(clip) for clip in X)
    mean = sum(clip.sum(axis=0, dtype=np.float64) for clip in X) / n_frames
    variance = sum(np.square(clip - mean).sum(axis=0) for clip in X) / n_frames
    return mean.astype(np.float32), np.maximum(np.sqrt(variance), 1e-6).astype(np.float32)


class InferenceModule(nn.Module):
    """From frames to probabilities and embedding: standardisation, networks, mean of their probabilities."""

    mean: Tensor
    scale: Tensor

    def __init__(
        self, members: Sequence[networks.FrameNetwork], mean: Tensor, scale: Tensor, *, stride: int = 1
    ) -> None:
        super().__init__()
        self.stride = stride
        self.members = nn.ModuleList(members)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(b, T, d), (b,) -> probabilities (b, k), and the input of the heads, (b, members * e)."""
        standard, lengths = standardised(frames, lengths, mean=self.mean, scale=self.scale, stride=self.stride)
        networks_ = [cast("networks.FrameNetwork", member) for member in self.members]
        embeddings = [network.embed(standard, lengths) for network in networks_]
        scores = [
            torch.softmax(network.head(embedding), dim=1)
            for network, embedding in zip(networks_, embeddings, strict=True)
        ]
        return torch.stack(scores).mean(dim=0), torch.cat(embeddings, dim=1)


def standardised(
    frames: Tensor, lengths: Tensor | None, *, mean: Tensor, scale: Tensor, stride: int
) -> tuple[Tensor, Tensor | None]:
    """Standardise every ``stride``-th of the frames (b, T, d), from the first; adjust the lengths (b,)."""
    if stride > 1:
        frames = frames[:, ::stride]
        lengths = None if lengths is None else (lengths + stride - 1) // stride
    return (frames - mean) / scale, lengths


def _precision(device: str) -> str:
    """Return bfloat16 where it is computed natively; elsewhere it would be slower than float32."""
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    capabilities = torch.cpu.get_capabilities()
    return "bfloat16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "float32"


@contextmanager
def threads(n_jobs: int) -> Iterator[None]:
    """Let torch use this number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_jobs)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _of_member(progress: Progress, member: int, *, n_members: int) -> Progress:
    """Report the epochs of a member as a part of all members' epochs."""
    which = f"network {member} of {n_members}, " if n_members > 1 else ""

    def report(done: int, total: int, what: str, /) -> None:
        progress((member - 1) * total + done, n_members * total, f"{which}{what}")

    return report


def _pipeline(
    network: type[networks.FrameNetwork], *, seed: int, n_jobs: int, class_weight: bool, **settings: Any
) -> Pipeline:
    weight = "balanced" if class_weight else None
    classifier = NeuralClassifier(network, seed=seed, n_jobs=n_jobs, class_weight=weight, **settings)
    return Pipeline([("classifier", classifier)])


# Neighbouring columns of MFCCs and their derivatives are not related as neighbouring bands are: none are masked.
cnn_bilstm = partial(_pipeline, networks.CnnBiLstm, max_epochs=40, n_frequency_masks=0, window=130)
lstm = partial(_pipeline, networks.Lstm, max_epochs=20, n_frequency_masks=0, window=130)
cnn1d = partial(_pipeline, networks.Cnn1d, max_epochs=40, n_frequency_masks=0, window=130)
# It is trained slowly: lighter masks, less dropout and a higher learning rate than the others.
cnn2d = partial(
    _pipeline,
    networks.Cnn2d,
    max_epochs=30,
    window=128,
    learning_rate=6e-3,
    dropout=0.2,
    n_time_masks=1,
    n_frequency_masks=1,
    max_bands=12,
)
resnet = partial(_pipeline, networks.ResNet, max_epochs=20)
