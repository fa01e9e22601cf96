"""Train a network with skorch: masks, mixup, a running mean of the weights, early stopping, resuming.

Every epoch draws from generators that are seeded with the member's seed and the number of the epoch, and the learning
rate is a function of the step.  So weights, optimiser and history are the whole state: a training that is interrupted
and resumed ends with the same weights as an uninterrupted training.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, GradientNormClipping
from skorch.helper import predefined_split
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from emotone.files import replacing
from emotone.metrics import unweighted_average_recall
from emotone.models.deep.batch import Mixup, cross_entropy, mask_frequency, mask_time
from emotone.models.deep.clips import Batches, Clips
from emotone.models.deep.networks import FrameNetwork
from emotone.progress import Progress

_WARM_UP = 0.1  # of all steps


@dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Attributes
    ----------
    n_classes
        k.
    max_epochs
        Largest number of epochs; the learning rate falls to zero over them.
    patience
        Stop after this many epochs without a lower loss on held-out clips.
    batch_size
        Clips per step.
    learning_rate, weight_decay
        Of AdamW; the learning rate is the highest.
    label_smoothing
        Share of the target that is spread over all classes, in [0, 1).
    mixup
        alpha of the Beta distribution of mixing shares (H. Zhang et al., mixup, ICLR 2018); 0: no mixing.
    n_time_masks, max_time_share
        Number of masks over time per clip, and the largest share of the clip that a mask covers (D. S. Park et al.,
        SpecAugment, Interspeech 2019).
    n_frequency_masks, max_bands
        Number of masks over bands per clip, and the largest width of a mask.
    window
        Largest number of frames of a training clip; longer clips are cropped at a random place.
    averaging
        Decay per step of the running mean of the weights, reached gradually; prediction uses this mean.
    seed
        Random seed.
    device
        ``"cpu"`` or ``"cuda"``.
    precision
        ``"float32"`` or ``"bfloat16"`` (mixed).
    epoch_size
        Clips per epoch, drawn anew each time; None: all.
    stride
        Use every ``stride``-th frame of a clip: from the first frame, in training from a random one.  For networks
        that don't look at neighbouring frames, where these differ little.
    training_stride
        In training, use every ``training_stride``-th of these frames, so that a step takes less time.
    """

    n_classes: int
    max_epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    label_smoothing: float
    mixup: float
    n_time_masks: int
    max_time_share: float
    n_frequency_masks: int
    max_bands: int
    window: int
    averaging: float
    seed: int
    device: str
    precision: str
    epoch_size: int | None = None
    stride: int = 1
    training_stride: int = 1

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context of mixed precision, if the recipe asks for it."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device, dtype=getattr(torch, self.precision))

    def average(self, mean: Tensor, current: Tensor, n_averaged: Tensor | int) -> Tensor:
        """Move the running mean of a weight towards its current value.

        The decay after n steps is at most (1 + n) / (10 + n), so that a short training forgets the first weights.
        """
        if not mean.is_floating_point():  # batch norm's count of batches
            return current
        n = int(n_averaged)
        return torch.lerp(mean, current, 1 - min(self.averaging, (1 + n) / (10 + n)))

    def learning_rate_at(self, step: int, *, n_steps: int) -> float:
        """Rise linearly over a tenth of all steps, then fall to zero along half a cosine."""
        warm_up = max(1, round(_WARM_UP * n_steps))
        if step < warm_up:
            return self.learning_rate * (step + 1) / warm_up
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up)))


class Net(NeuralNetClassifier):  # type: ignore[misc]  # skorch has no types
    """A skorch classifier of frames; `train` creates and runs it.

    Parameters
    ----------
    module
        The network.
    recipe
        Settings of the training.
    class_weights
        (k,) weight of each class in the loss.
    """

    def __init__(self, module: FrameNetwork, *args: Any, recipe: Recipe, class_weights: Any = None, **kwargs: Any):
        super().__init__(module, *args, **kwargs)
        self.recipe = recipe
        self.class_weights = class_weights

    def epoch_rng(self) -> np.random.Generator:
        """Return the generator of the current epoch; a resumed epoch draws the same numbers."""
        return np.random.default_rng([self.recipe.seed, len(self.history)])

    def get_iterator(self, dataset: Clips, training: bool = False) -> Batches:
        """Return batches instead of torch's loader, since clips differ in length."""
        recipe, size = self.recipe, self.recipe.batch_size
        if not training:
            return Batches(dataset, size=4 * size, stride=recipe.stride)
        stride, n_clips = recipe.stride * recipe.training_stride, recipe.epoch_size
        return Batches(dataset, size=size, n_clips=n_clips, window=recipe.window, stride=stride, rng=self.epoch_rng)

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Tensor]:
        """Mask and mix a batch, and do a step on it."""
        self._set_training(True)
        inputs, labels = batch
        frames, lengths, targets = self.augmented(inputs, labels)
        with self.recipe.autocast():
            loss, logits = self.losses({**inputs, "frames": frames, "lengths": lengths}, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach(), "y_pred": logits.detach().float()}

    def losses(self, inputs: dict[str, Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the logits (b, k) of a masked and mixed batch."""
        logits: Tensor = self.infer({name: inputs[name] for name in ("frames", "lengths")})
        return self.weighted_loss(logits, targets), logits

    def weighted_loss(self, logits: Tensor, targets: Tensor, *, possible: Tensor | None = None) -> Tensor:
        """Return the cross entropy with class weights among the ``possible`` classes (b, k), by default all."""
        weighted = targets * self.class_weights.to(targets.device)
        return cross_entropy(logits.float(), weighted, smoothing=self.recipe.label_smoothing, possible=possible)

    def augmented(self, inputs: dict[str, Tensor], labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mask and mix a batch; return frames (b, T, d), lengths (b,), targets (b, k) that sum to 1."""
        recipe, rng = self.recipe, self.step_rng
        frames, lengths = inputs["frames"], inputs["lengths"]
        if recipe.n_time_masks:
            frames = mask_time(frames, lengths, n_masks=recipe.n_time_masks, max_share=recipe.max_time_share, rng=rng)
        if recipe.n_frequency_masks:
            frames = mask_frequency(frames, n_masks=recipe.n_frequency_masks, max_bands=recipe.max_bands, rng=rng)
        targets = functional.one_hot(labels, recipe.n_classes).float()
        if recipe.mixup > 0:
            partner, share = Mixup(recipe.mixup).draw(len(labels), rng)
            other = torch.from_numpy(partner)
            frames = share * frames + (1 - share) * frames[other]
            targets = share * targets + (1 - share) * targets[other]
            lengths = torch.maximum(lengths, lengths[other])
        return frames, lengths, targets.to(recipe.device)

    def validation_step(self, batch: Any, **fit_params: Any) -> dict[str, Tensor]:
        """Compute loss and logits of held-out clips with the running mean of the weights."""
        inputs, labels = batch
        with torch.no_grad():
            logits = self.course.averaged.module(
                **{name: inputs[name].to(self.recipe.device) for name in ("frames", "lengths")}
            )
        logits = logits.float().cpu()
        targets = functional.one_hot(labels, self.recipe.n_classes).float() * self.class_weights
        return {"loss": cross_entropy(logits, targets, smoothing=0.0), "y_pred": logits}


class _Stop(Exception):  # noqa: N818  # not an error, but the way to leave skorch's loop
    """Raised when the held-out loss has not fallen for ``patience`` epochs."""


class _Course(Callback):  # type: ignore[misc]  # skorch has no types
    """Set the learning rate, average the weights, keep scores and the best weights, write checkpoints."""

    def __init__(self, *, n_steps_an_epoch: int, checkpoint: Path | None, progress: Progress | None) -> None:
        self.n_steps_an_epoch = n_steps_an_epoch
        self.checkpoint = checkpoint
        self.progress = progress
        self.rows: list[dict[str, Any]] = []
        self.best: dict[str, Tensor] | None = None
        self.averaged: Any = None

    def on_epoch_begin(self, net: Net, **kwargs: Any) -> None:
        torch.manual_seed(net.recipe.seed * 100_003 + len(net.history))  # dropout
        net.step_rng = np.random.default_rng([net.recipe.seed, len(net.history), 1])
        self.step = (len(net.history) - 1) * self.n_steps_an_epoch
        self.seen: dict[bool, list[tuple[float, NDArray[np.int64], NDArray[np.int64]]]] = {True: [], False: []}

    def on_batch_begin(self, net: Net, training: bool = False, **kwargs: Any) -> None:
        if training:
            self.rate = net.recipe.learning_rate_at(self.step, n_steps=net.recipe.max_epochs * self.n_steps_an_epoch)
            for group in net.optimizer_.param_groups:
                group["lr"] = self.rate
            self.step += 1

    def on_batch_end(self, net: Net, batch: Any = None, training: bool = False, **step: Any) -> None:
        if training:
            self.averaged.update_parameters(net.module_)
        predicted = step["y_pred"].argmax(dim=1).cpu().numpy()
        self.seen[training].append((float(step["loss"]), batch[1].numpy(), predicted))

    def on_epoch_end(self, net: Net, **kwargs: Any) -> None:
        row: dict[str, Any] = {"epoch": len(net.history), **self._scores("train", self.seen[True])}
        row |= self._scores("valid", self.seen[False])
        row |= {"learning_rate": self.rate, "seconds": float(net.history[-1]["dur"])}
        self.rows.append(row)
        if row["valid_loss"] is not None and row["epoch"] == self.best_epoch():
            self.best = {name: value.clone() for name, value in self.averaged.module.state_dict().items()}
        self._report(net, row)
        if self.checkpoint is not None:
            self._save(net, self.checkpoint)
        if row["valid_loss"] is not None and row["epoch"] - self.best_epoch() >= net.recipe.patience:
            raise _Stop

    @staticmethod
    def _scores(name: str, seen: list[tuple[float, NDArray[np.int64], NDArray[np.int64]]]) -> dict[str, float | None]:
        if not seen:
            return {"valid_loss": None, "valid_accuracy": None, "valid_uar": None}
        truth, predicted = (np.concatenate([batch[column] for batch in seen]) for column in (1, 2))
        loss = float(np.average([batch[0] for batch in seen], weights=[len(batch[1]) for batch in seen]))
        scores: dict[str, float | None] = {f"{name}_loss": loss, f"{name}_accuracy": float(np.mean(truth == predicted))}
        if name == "valid":
            scores["valid_uar"] = float(unweighted_average_recall(truth, predicted))
        return scores

    def best_epoch(self) -> int:
        """Return the epoch of the lowest held-out loss; without held-out clips the last."""
        losses = [row["valid_loss"] for row in self.rows]
        # NaN is worse than any number
        return len(losses) if losses[-1] is None else int(np.argmin(np.nan_to_num(losses, nan=math.inf))) + 1

    def _report(self, net: Net, row: dict[str, Any]) -> None:
        if self.progress is None:
            return
        words = f"epoch {row['epoch']} of {net.recipe.max_epochs}, loss {row['train_loss']:.2f}"
        if row["valid_uar"] is not None:
            words += f", held out: loss {row['valid_loss']:.2f}, UAR {100 * row['valid_uar']:.1f} %"
        self.progress(row["epoch"], net.recipe.max_epochs, words)

    def _save(self, net: Net, path: Path) -> None:
        state = {
            "module": net.module_.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "best": self.best,
            "rows": self.rows,
        }
        with replacing(path) as temporary:
            torch.save(state, temporary)

    def load(self, net: Net, path: Path) -> None:
        """Resume from the file of `_save`; if it is missing or damaged, training starts from the beginning."""
        parts = {"module": net.module_, "averaged": self.averaged, "optimizer": net.optimizer_}
        fresh = {name: deepcopy(kept.state_dict()) for name, kept in parts.items()}
        try:
            state = torch.load(path, map_location=net.recipe.device, weights_only=True)
            best, rows = state["best"], state["rows"]
            for name, kept in parts.items():
                kept.load_state_dict(state[name])
        except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, AttributeError, UnpicklingError):
            for name, kept in parts.items():
                kept.load_state_dict(fresh[name])  # if the weights fit in part, some have been replaced
            return
        self.best, self.rows = best, rows
        for row in self.rows:
            net.history.new_epoch()
            net.history.record("dur", row["seconds"])


def train(
    network: FrameNetwork,
    clips: Clips,
    recipe: Recipe,
    *,
    class_weights: Tensor,
    held_out: Clips | None = None,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    net_type: type[Net] = Net,
) -> tuple[FrameNetwork, list[dict[str, Any]], int]:
    """Train a network with initial weights, in place.

    Parameters
    ----------
    class_weights
        (k,) weight of each class in the loss.
    held_out
        Their loss decides which epoch's weights are kept and when to stop; without them the last weights are kept.
    checkpoint
        File to write after every epoch, and to resume from if it exists.
    net_type
        Defines the loss of a step.

    Returns
    -------
    network
        With the running mean of the weights, in evaluation mode, on the CPU.
    rows
        A row per epoch: epoch, train_loss, train_accuracy (on masked and mixed batches), valid_loss, valid_accuracy,
        valid_uar, learning_rate, seconds.
    epoch
        The epoch whose weights were kept.
    """
    n_steps = len(Batches(clips, size=recipe.batch_size, n_clips=recipe.epoch_size, rng=np.random.default_rng))
    course = _Course(n_steps_an_epoch=n_steps, checkpoint=checkpoint, progress=progress)
    net = _net(net_type, network, recipe, course, class_weights=class_weights, held_out=held_out)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        net.initialize()
        # an attribute of the course: the net would pass its weights to the optimiser too
        course.averaged = AveragedModel(net.module_, avg_fn=recipe.average, use_buffers=True).eval()
        net.course = course
        if checkpoint is not None:
            course.load(net, checkpoint)
        _loop(net, clips, course)
    kept = course.averaged.module
    if course.best is not None:
        kept.load_state_dict(course.best)
    return kept.cpu().eval(), course.rows, course.best_epoch()


def _net(
    net_type: type[Net],
    network: FrameNetwork,
    recipe: Recipe,
    course: _Course,
    *,
    class_weights: Tensor,
    held_out: Clips | None,
) -> Net:
    return net_type(
        network,
        recipe=recipe,
        class_weights=class_weights,
        criterion=nn.CrossEntropyLoss,  # required by skorch; the steps compute the loss of mixed targets themselves
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=recipe.weight_decay,
        optimizer__betas=(0.9, 0.99),
        lr=recipe.learning_rate,
        max_epochs=recipe.max_epochs,
        train_split=None if held_out is None else predefined_split(held_out),
        callbacks=[("clipping", GradientNormClipping(2.0)), ("course", course)],
        callbacks__print_log=None,
        classes=np.arange(recipe.n_classes),
        device=recipe.device,
        verbose=0,
    )


def _loop(net: Net, clips: Clips, course: _Course) -> None:
    """Train for the remaining epochs.

    skorch's ``fit`` ends normally on an interruption from the keyboard, and would return a network that was not trained
    to the end; its ``fit_loop`` passes the interruption on.
    """
    done = len(course.rows)
    stopped = done and course.rows[-1]["valid_loss"] is not None and done - course.best_epoch() >= net.recipe.patience
    if stopped or done >= net.recipe.max_epochs:
        return
    try:
        net.fit_loop(clips, None, epochs=net.recipe.max_epochs - done)
    except _Stop:
        return
