"""Training of a network.

A skorch net masks and mixes its batches, keeps a running mean of its weights, stops early on held-out clips, and can
continue after an interruption.  Every epoch draws from generators seeded by the member's seed and the epoch's number,
and the learning rate is a function of the step.  So weights, optimiser and history are the whole state, and a training
that was interrupted and continued ends with the same weights as an uninterrupted training.
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

from emotone import files
from emotone.metrics import unweighted_average_recall
from emotone.models.deep.batch import Mixup, cross_entropy, mask_frequency, mask_time
from emotone.models.deep.clips import Batches, Clips
from emotone.models.deep.networks import FrameNetwork
from emotone.progress import Progress

_WARM_UP = 0.1  # of all steps


@dataclass(frozen=True)
class Recipe:
    """Settings of a training."""

    n_classes: int
    max_epochs: int  # unless early stopping ends it; the learning rate falls to zero over them
    patience: int  # epochs without a lower loss on held-out clips before it stops
    batch_size: int  # clips per step
    learning_rate: float  # the maximum, of AdamW
    weight_decay: float  # of AdamW
    label_smoothing: float  # share of the target that is spread over all classes, in [0, 1)
    mixup: float  # alpha of the Beta distribution of mixing shares (Zhang et al., ICLR 2018); 0: no mixing
    n_time_masks: int  # masks over time per clip (SpecAugment, Park et al., Interspeech 2019)
    max_time_share: float  # maximum width of a time mask, as a share of the clip
    n_frequency_masks: int  # masks over bands per clip
    max_bands: int  # maximum width of a frequency mask, bands
    window: int  # maximum number of frames of a training clip, at a random place
    averaging: float  # decay per step of the running mean of the weights, which makes the predictions
    seed: int
    device: str  # "cpu" or "cuda"
    precision: str  # "float32" or "bfloat16" (mixed)
    epoch_size: int | None = None  # clips in an epoch, drawn anew each time; None: all
    stride: int = 1  # use every n-th frame of a clip, from the first, or in training from a random frame

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context of mixed precision, or of none."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device, dtype=getattr(torch, self.precision))

    def average(self, mean: Tensor, current: Tensor, n_averaged: Tensor | int) -> Tensor:
        """Move the running mean of a weight towards its current value.

        The decay after n steps is at most (1 + n) / (10 + n), so that a short training drops its first weights.
        """
        if not mean.is_floating_point():  # batch norm's count of batches
            return current
        n = int(n_averaged)
        return torch.lerp(mean, current, 1 - min(self.averaging, (1 + n) / (10 + n)))

    def learning_rate_at(self, step: int, *, n_steps: int) -> float:
        """Return a rate that rises linearly over a tenth of all steps, then falls to zero along half a cosine."""
        warm_up = max(1, round(_WARM_UP * n_steps))
        if step < warm_up:
            return self.learning_rate * (step + 1) / warm_up
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up)))


class Net(NeuralNetClassifier):  # type: ignore[misc]  # skorch has no types
    """A skorch classifier of frames, for `train`; ``class_weights`` (k,) are those of the loss."""

    def __init__(self, module: FrameNetwork, *args: Any, recipe: Recipe, class_weights: Any = None, **kwargs: Any):
        super().__init__(module, *args, **kwargs)
        self.recipe = recipe
        self.class_weights = class_weights

    def epoch_rng(self) -> np.random.Generator:
        """Return the generator of the current epoch, the same after each interruption."""
        return np.random.default_rng([self.recipe.seed, len(self.history)])

    def get_iterator(self, dataset: Clips, training: bool = False) -> Batches:
        """Batches in place of torch's loader: clips differ in length."""
        recipe = self.recipe
        if not training:
            return Batches(dataset, size=4 * recipe.batch_size, stride=recipe.stride)
        return Batches(
            dataset,
            size=recipe.batch_size,
            n_clips=recipe.epoch_size,
            window=recipe.window,
            stride=recipe.stride,
            rng=self.epoch_rng,
        )

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Tensor]:
        """Mask and mix a batch, and compute the gradients."""
        self._set_training(True)
        inputs, labels = batch
        frames, lengths, targets = self.augmented(inputs, labels)
        with self.recipe.autocast():
            loss, logits = self.losses({**inputs, "frames": frames, "lengths": lengths}, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return {"loss": loss.detach(), "y_pred": logits.detach().float()}

    def losses(self, inputs: dict[str, Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss that a step minimises, and the logits (b, k), of a masked and mixed batch."""
        logits: Tensor = self.infer({name: inputs[name] for name in ("frames", "lengths")})
        return self.weighed_loss(logits, targets), logits

    def weighed_loss(self, logits: Tensor, targets: Tensor, *, possible: Tensor | None = None) -> Tensor:
        """Return the cross entropy with class weights, over the ``possible`` classes (b, k), by default all."""
        weighed = targets * self.class_weights.to(targets.device)
        return cross_entropy(logits.float(), weighed, smoothing=self.recipe.label_smoothing, possible=possible)

    def augmented(self, inputs: dict[str, Tensor], labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mask and mix a batch: frames (b, T, d), lengths (b,), targets (b, k) that sum to 1."""
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
        """Return loss and logits of held-out clips, by the running mean of the weights."""
        inputs, labels = batch
        with torch.no_grad():
            tensors = {name: inputs[name].to(self.recipe.device) for name in ("frames", "lengths")}
            logits = self.course.averaged.module(**tensors).float().cpu()
        targets = functional.one_hot(labels, self.recipe.n_classes).float() * self.class_weights
        return {"loss": cross_entropy(logits, targets, smoothing=0.0), "y_pred": logits}


class _Stop(Exception):  # noqa: N818  # not an error
    """Leaves skorch's loop: the held-out loss has not fallen for ``patience`` epochs."""


class _Course(Callback):  # type: ignore[misc]  # skorch has no types
    """Sets the learning rate, averages the weights, keeps scores and best weights, writes checkpoints."""

    def __init__(
        self, *, n_steps_an_epoch: int, checkpoint: Path | None, progress: Progress | None, rows: list[dict[str, Any]]
    ) -> None:
        self.n_steps_an_epoch = n_steps_an_epoch
        self.checkpoint = checkpoint
        self.progress = progress
        self.rows = rows
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
        # NaN counts as the worst loss
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
        with files.replacing(path) as temporary:
            torch.save(state, temporary)

    def load(self, net: Net, path: Path) -> None:
        """Restore the state that `_save` wrote; without a file, or with a damaged file, training starts anew."""
        parts = {"module": net.module_, "averaged": self.averaged, "optimizer": net.optimizer_}
        fresh = {name: deepcopy(kept.state_dict()) for name, kept in parts.items()}
        try:
            state = torch.load(path, map_location=net.recipe.device, weights_only=True)
            best, rows = state["best"], state["rows"]
            for name, kept in parts.items():
                kept.load_state_dict(state[name])
        except (OSError, RuntimeError, KeyError, TypeError, ValueError, EOFError, AttributeError, UnpicklingError):
            for name, kept in parts.items():
                kept.load_state_dict(
                    fresh[name]
                )  # if only a part of the weights fitted, that part has been overwritten
            return
        self.best, self.rows[:] = best, rows
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
    """Train a network.

    Parameters
    ----------
    network
        The initialised network; it is changed in place.
    class_weights
        (k,) weight of each class in the loss.
    held_out
        Clips whose loss decides when to stop and which epoch's weights are kept; without them the last are kept.
    checkpoint
        File to write after every epoch, and to continue from if it exists.
    progress
        Called after each epoch with its scores.
    net_type
        Class with the loss of a step.

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
    batches = Batches(clips, size=recipe.batch_size, n_clips=recipe.epoch_size, rng=np.random.default_rng)
    rows: list[dict[str, Any]] = []
    course = _Course(n_steps_an_epoch=len(batches), checkpoint=checkpoint, progress=progress, rows=rows)
    net = net_type(
        network,
        recipe=recipe,
        class_weights=class_weights,
        criterion=nn.CrossEntropyLoss,  # skorch needs it; the steps compute their loss from mixed targets
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
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        net.initialize()
        # not an attribute of the net, which would pass its weights to the optimiser
        course.averaged = AveragedModel(net.module_, avg_fn=recipe.average, use_buffers=True).eval()
        net.course = course
        if checkpoint is not None:
            course.load(net, checkpoint)
        _loop(net, clips, course)
    kept = course.averaged.module
    if course.best is not None:
        kept.load_state_dict(course.best)
    return kept.cpu().eval(), rows, course.best_epoch()


def _loop(net: Net, clips: Clips, course: _Course) -> None:
    """Train for the epochs that are left.

    skorch's ``fit`` would treat an interruption from the keyboard as the end of training, and return a network that was
    trained for too few epochs; its ``fit_loop`` raises the interruption.
    """
    done = len(course.rows)
    stopped = done and course.rows[-1]["valid_loss"] is not None and done - course.best_epoch() >= net.recipe.patience
    if stopped or done >= net.recipe.max_epochs:
        return
    try:
        net.fit_loop(clips, None, epochs=net.recipe.max_epochs - done)
    except _Stop:
        return
