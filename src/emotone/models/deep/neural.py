"""The deep models: networks over frames, with the same interface as the classic pipelines.

`NeuralClassifier` is the estimator; the functions under it build the pipelines that `emotone.models.registry` lists.
The networks are in `emotone.models.deep.networks`, their training in `emotone.models.deep.training`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from emotone.errors import ConfigError, CorpusError
from emotone.models.deep import networks
from emotone.models.deep.clips import Clips, Frames, padded
from emotone.models.deep.training import Net, Recipe, train
from emotone.progress import Progress

_PREDICTED_AT_ONCE = 32


class NeuralClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Networks of one kind, trained with different seeds, whose probabilities are averaged.

    Parameters
    ----------
    network
        The class, one of `emotone.models.deep.networks`.
    n_members
        Networks; each is trained by itself, with a seed of its own.
    max_epochs, patience, batch_size, learning_rate, weight_decay, label_smoothing
        See `emotone.models.deep.training.Recipe`.
    dropout
        Share of values that dropout zeroes, in [0, 1).
    mixup
        Strength of mixing two clips of a batch, the alpha of H. Zhang et al., mixup: Beyond empirical risk
        minimization, ICLR 2018; 0 for none.
    n_time_masks, max_time_share, n_frequency_masks, max_bands
        Masks of every clip of every batch, D. S. Park et al., SpecAugment, Interspeech 2019.
    window
        Frames that a training clip shows at most.
    stride
        Of a clip one frame in so many is looked at: from the first one, or in training from one that each batch draws
        anew.  For frames that differ little from the next, and networks that don't look at neighbours.
    averaging
        Decay of the running mean of the weights.
    class_weight
        "balanced": every emotion counts the same; None: every clip does.
    precision
        "float32", "bfloat16" (mixed), or "auto": mixed where the processor has instructions for it.  Predictions are
        always float32.
    device
        "cpu", "cuda", or "auto": a GPU if there is one.
    seed
        Of everything drawn.
    n_jobs
        Threads of torch while it trains and predicts.

    Attributes
    ----------
    classes_
        (k,) labels.
    mean_, scale_
        (d,) of the training frames; what the networks see is (frame - mean) / scale.
    members_
        The networks.
    n_epochs_
        (members,) the epoch whose weights were kept.
    history_
        One row an epoch and member: member (from 1), best, and what `emotone.models.deep.training.train` tells.
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
        X
            (n,) clips, each (T, d) float32 or float16; T may differ.
        y
            (n,) int.
        held_out
            Clips and labels to stop early by; those of a class that y lacks are passed over.  Never a test.
        epoch_size
            Clips that an epoch shows, drawn anew each time: with augmented copies among X, an epoch need not show every
            copy of every clip.  None: all of X.
        extras
            Name -> (n, ...) of what else the training of this kind of network takes, one row a clip.
        checkpoint
            A file to write after each epoch and to go on from; each member appends its number.
        progress
            Told of each epoch.

        Raises
        ------
        CorpusError
            There are fewer than two classes, or too few clips.
        ConfigError
            A setting is out of range.
        """
        self.classes_, encoded, counts = np.unique(y, return_inverse=True, return_counts=True)
        if self.classes_.size < 2 or len(X) < 4:
            raise CorpusError(
                f"{len(X)} clips of {self.classes_.size} emotion(s); a network needs two emotions and four clips or "
                "more: add clips"
            )
        if self.n_members < 1 or self.max_epochs < 1:
            raise ConfigError(
                f"n_members is {self.n_members} and max_epochs {self.max_epochs}; expected 1 or more of each"
            )
        self.mean_, self.scale_ = _mean_and_scale(X)
        clips = Clips(X, encoded, mean=self.mean_, scale=self.scale_, extras=extras)
        others = None if held_out is None else self._held_out(*held_out)
        weights = self._class_weights(counts)
        self.members_, self.n_epochs_, self.history_ = [], [], []
        for member in range(1, self.n_members + 1):
            told = None if progress is None else _of_member(progress, member, n_members=self.n_members)
            with threads(self.n_jobs), torch.random.fork_rng(devices=range(torch.cuda.device_count())):
                torch.manual_seed(self.seed * 1009 + member)
                network, rows, epoch = train(
                    self._network(clips),
                    clips,
                    self._recipe(member, epoch_size),
                    class_weights=torch.as_tensor(weights, dtype=torch.float32),
                    held_out=others,
                    checkpoint=None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}-{member}.pt"),
                    progress=told,
                    net_type=self.net_type,
                )
                self._finish(network, clips)
            self.members_.append(network)
            self.n_epochs_.append(epoch)
            self.history_ += [{"member": member, **row, "best": row["epoch"] == epoch} for row in rows]
        return self

    def predict_proba(self, X: Sequence[Frames]) -> np.ndarray:
        """Compute the probabilities (n, k) float32 of n clips, each (T, d) float32 or float16."""
        check_is_fitted(self)
        whole = self.deployed()
        order = np.argsort([len(clip) for clip in X], kind="stable").tolist()
        result = np.zeros((len(X), self.classes_.size), dtype=np.float32)
        with threads(self.n_jobs), torch.inference_mode():
            for start in range(0, len(order), _PREDICTED_AT_ONCE):
                rows = order[start : start + _PREDICTED_AT_ONCE]
                result[rows] = whole(**padded([X[row] for row in rows]))[0].numpy()
        return result

    def predict(self, X: Sequence[Frames]) -> np.ndarray:
        """Give the most probable class (n,) of n clips."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def deployed(self) -> "InferenceModule":
        """All that prediction takes, as one torch module."""
        check_is_fitted(self)
        mean, scale = torch.from_numpy(self.mean_), torch.from_numpy(self.scale_)
        return InferenceModule(self.members_, mean, scale, stride=self.stride).eval()

    def _held_out(self, X: Sequence[Frames], y: np.ndarray) -> Clips | None:
        known = np.flatnonzero(np.isin(y, self.classes_))
        if not known.size:
            return None
        labels = np.searchsorted(self.classes_, np.asarray(y)[known])
        return Clips([X[int(row)] for row in known], labels, mean=self.mean_, scale=self.scale_)

    def _class_weights(self, counts: np.ndarray) -> np.ndarray:
        """Weight (k,) of each class in the loss, from how many clips it has."""
        return np.ones(counts.size) if self.class_weight is None else counts.sum() / counts.size / counts

    def _network(self, clips: Clips) -> networks.FrameNetwork:
        """Build a network for these clips."""
        build: Any = self.network
        network: networks.FrameNetwork = build(clips.frames[0].shape[1], self.classes_.size, dropout=self.dropout)
        return network

    def _finish(self, network: networks.FrameNetwork, clips: Clips) -> None:
        """Do to a trained network what else it needs."""

    def _recipe(self, member: int, epoch_size: int | None) -> Recipe:
        device = self.device if self.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        precision = self.precision if self.precision != "auto" else _precision(device)
        shared = {name: getattr(self, name) for name in _RECIPE_SETTINGS}
        seed = self.seed * 1009 + member
        return Recipe(
            n_classes=self.classes_.size,
            seed=seed,
            device=device,
            precision=precision,
            epoch_size=epoch_size,
            **shared,
        )


_RECIPE_SETTINGS = (
    "max_epochs",
    "patience",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "label_smoothing",
    "mixup",
    "n_time_masks",
    "max_time_share",
    "n_frequency_masks",
    "max_bands",
    "window",
    "stride",
    "averaging",
)


def _mean_and_scale(X: Sequence[Frames]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of every column over all frames, each (d,) float32."""
    n_frames = sum(len(clip) for clip in X)
    mean = sum(clip.sum(axis=0, dtype=np.float64) for clip in X) / n_frames
    variance = sum(np.square(clip - mean).sum(axis=0) for clip in X) / n_frames
    return mean.astype(np.float32), np.maximum(np.sqrt(variance), 1e-6).astype(np.float32)


class InferenceModule(nn.Module):
    """Frames to probabilities and embedding: standardisation, the networks, the mean of their answers."""

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

    def standard(self, frames: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Take every ``stride``-th of the frames (b, T, d), from the first, and standardise them; and their numbers."""
        if self.stride > 1:
            frames = frames[:, :: self.stride]
            lengths = None if lengths is None else (lengths + self.stride - 1) // self.stride
        return (frames - self.mean) / self.scale, lengths

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(b, T, d), (b,) -> probabilities (b, k), and what the heads see, (b, members * e)."""
        standard, lengths = self.standard(frames, lengths)
        seen = [cast("networks.FrameNetwork", member).embed(standard, lengths) for member in self.members]
        heads = [cast("networks.FrameNetwork", member).head for member in self.members]
        answers = [torch.softmax(head(one), dim=1) for head, one in zip(heads, seen, strict=True)]
        return torch.stack(answers).mean(dim=0), torch.cat(seen, dim=1)


def _precision(device: str) -> str:
    """bfloat16 where it is computed natively; elsewhere it would be slower than float32, not faster."""
    if device == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    capabilities = torch.cpu.get_capabilities()
    return "bfloat16" if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") else "float32"


@contextmanager
def threads(n_jobs: int) -> Iterator[None]:
    """Let torch use so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_jobs)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _of_member(progress: Progress, member: int, *, n_members: int) -> Progress:
    """Tell of one member's epochs as a part of all members'."""
    which = f"network {member} of {n_members}, " if n_members > 1 else ""

    def told(done: int, total: int, what: str, /) -> None:
        progress((member - 1) * total + done, n_members * total, f"{which}{what}")

    return told


#: MFCCs and their differences are no picture: bands beside each other don't belong together, so none are masked.
_MFCC_RECIPE = {"n_frequency_masks": 0, "window": 130}


def _pipeline(
    network: type[networks.FrameNetwork], *, seed: int, n_jobs: int, class_weight: bool, **settings: Any
) -> Pipeline:
    classifier = NeuralClassifier(
        network, seed=seed, n_jobs=n_jobs, class_weight="balanced" if class_weight else None, **settings
    )
    return Pipeline([("classifier", classifier)])


def cnn_bilstm(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """See `networks.CnnBiLstm`; windows of (130, 120)."""
    settings = {"max_epochs": 40, **_MFCC_RECIPE}
    return _pipeline(networks.CnnBiLstm, seed=seed, n_jobs=n_jobs, class_weight=class_weight, **settings)


def lstm(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """See `networks.Lstm`; windows of (130, 120)."""
    settings = {"max_epochs": 20, **_MFCC_RECIPE}
    return _pipeline(networks.Lstm, seed=seed, n_jobs=n_jobs, class_weight=class_weight, **settings)


def cnn1d(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """See `networks.Cnn1d`; windows of (130, 120)."""
    settings = {"max_epochs": 40, **_MFCC_RECIPE}
    return _pipeline(networks.Cnn1d, seed=seed, n_jobs=n_jobs, class_weight=class_weight, **settings)


def cnn2d(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """See `networks.Cnn2d`; windows of 128 x 128.

    It learns slowly: lighter masks, less dropout and a higher learning rate than the others'.
    """
    masks = {"n_time_masks": 1, "n_frequency_masks": 1, "max_bands": 12}
    settings = {"max_epochs": 30, "window": 128, "learning_rate": 6e-3, "dropout": 0.2, **masks}
    return _pipeline(networks.Cnn2d, seed=seed, n_jobs=n_jobs, class_weight=class_weight, **settings)


def resnet(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """See `networks.ResNet`."""
    return _pipeline(networks.ResNet, seed=seed, n_jobs=n_jobs, class_weight=class_weight, max_epochs=20)
