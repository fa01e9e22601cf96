"""Train a `FineTuned` network on altered sound, with checkpoints from which an interrupted training continues.

Every epoch draws from generators that are seeded with seed and epoch, and the learning rate is a function of the step:
a training that is continued ends with the same weights as one without interruption, except for the order of sums on a
GPU.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from finetune_clips import DeviceClips, Packed
from finetune_network import FineTuned
from finetune_sound import Chances, altered
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from emotone.audio import SAMPLE_RATE
from emotone.errors import ConfigError
from emotone.files import replacing
from emotone.models.deep.adaptive import _balanced_weights
from emotone.models.deep.batch import cross_entropy

_WARM_UP = 0.1  # of all steps
_WINDOW = 6 * SAMPLE_RATE  # longest clip in training
_N_STANDARD = 512  # clips for mean and scale of the states
_CLIPPED_NORM = 2.0

Report = Callable[[int, float | None], None]


@dataclass(frozen=True)
class Settings:
    """Settings of a training.

    Attributes
    ----------
    encoder
        See `finetune_network.load`.
    train_blocks
        Number of upper blocks that train; 0: the encoder stays as it is.
    epochs, batch_size
        Epochs, and clips per step.
    learning_rate, weight_decay
        Of the heads; the learning rate is the highest.
    block_share
        Learning rate of the blocks, as a share of that of the heads.
    pull
        Strength with which blocks are drawn to their initial weights (L2-SP, decoupled from the gradients as weight
        decay is in AdamW); 0: not at all.
    smoothing, dropout
        Label smoothing, and dropout of the columns of states.
    averaging
        Decay per step of the running mean of the weights, reached gradually; scores use this mean.
    chances
        Chances of the alterations of sound.
    networks
        Networks that are trained with different seeds and averaged.
    seed
        Random seed.
    precision
        "float32" or "bfloat16" (mixed).
    """

    encoder: str = "whisper-base@2,3"
    train_blocks: int = 1
    epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    block_share: float = 0.05
    pull: float = 0.0
    smoothing: float = 0.1
    dropout: float = 0.3
    averaging: float = 0.99
    chances: Chances = field(default_factory=Chances)
    networks: int = 1
    seed: int = 0
    precision: str = "float32"

    def __post_init__(self) -> None:
        wrong = {
            "train_blocks": self.train_blocks < 0,
            "epochs": self.epochs < 1,
            "batch_size": self.batch_size < 2,  # batch norm can't train on a single clip
            "networks": self.networks < 1,
            "pull": not 0 <= self.pull <= 1 / max(self.learning_rate * self.block_share, 1e-12),
            "precision": self.precision not in ("float32", "bfloat16"),
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise ConfigError(f"{name} is {getattr(self, name)!r}; expected a value in the range that --help gives")

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as JSON values."""
        return asdict(self)

    def rate_at(self, step: int, n_steps: int) -> float:
        """Rise linearly over a tenth of all steps, then fall to zero along half a cosine, as `Recipe` does."""
        warm_up = max(1, round(_WARM_UP * n_steps))
        if step < warm_up:
            return self.learning_rate * (step + 1) / warm_up
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up)))

    def n_steps_an_epoch(self, n_clips: int) -> int:
        """Return the number of batches; a last batch of a single clip is left out."""
        whole, rest = divmod(n_clips, self.batch_size)
        return whole + (rest > 1)


class TrainingClips:
    """What a training needs of its clips.

    Parameters
    ----------
    packed, rows
        All clips, and the (r,) numbers of those of the training.
    emotions
        The k classes.
    device
        Where the arrays are.

    Attributes
    ----------
    rows
        (r,) numbers of the clips.
    labels, speakers, possible, weights
        (r,), (r,), (r, k), (r,) tensors on the device: class, speaker (per corpus and channel), the emotions of the
        clips of the same corpus and channel, and weights that balance the classes among these.
    n_speakers
        Number of speakers.
    """

    def __init__(
        self, packed: Packed, rows: NDArray[np.int64], *, emotions: tuple[str, ...], device: torch.device
    ) -> None:
        self.rows = rows
        labels = np.array([emotions.index(name) for name in packed.emotions[rows]], dtype=np.int64)
        sources = np.char.add(np.char.add(packed.corpora[rows], "|"), packed.channels[rows])
        voices = np.char.add(np.char.add(sources, "|"), packed.speakers[rows])
        _, source = np.unique(sources, return_inverse=True)
        names, speakers = np.unique(voices, return_inverse=True)
        by_source = np.zeros((int(source.max()) + 1, len(emotions)), dtype=bool)
        by_source[source, labels] = True
        possible = by_source[source]
        arrays = {
            "labels": labels,
            "speakers": speakers.astype(np.int64),
            "possible": possible,
            "weights": _balanced_weights(labels, possible),
        }
        self.labels, self.speakers, self.possible, self.weights = (
            torch.from_numpy(values).to(device) for values in arrays.values()
        )
        self.n_speakers = len(names)


def train(
    model: FineTuned,
    clips: DeviceClips,
    training: TrainingClips,
    settings: Settings,
    *,
    seed: int,
    checkpoint: Path | None = None,
    report: Report | None = None,
) -> FineTuned:
    """Train a network in place.

    Parameters
    ----------
    model
        With initial weights, on the device of the clips.
    seed
        Of this network.
    checkpoint
        File to write after every epoch, and to continue from if it exists.
    report
        Called after every step with the number of steps done, and after every epoch also with its mean loss.

    Returns
    -------
    The model with the running mean of its weights, in evaluation mode.

    Raises
    ------
    ConfigError
        The loss is not finite, or the checkpoint is of another training.
    """
    model.adaptive.remember(training.n_speakers)
    model.to(clips.device)
    course = _Course(model, clips, training, settings, seed=seed)
    course.start(checkpoint)
    for epoch in range(course.n_epochs, settings.epochs):
        loss = course.epoch(epoch, report)
        if not math.isfinite(loss):
            raise ConfigError(
                f"the loss of epoch {epoch + 1} is {loss}; expected a finite number: lower --learning-rate, or use "
                "--precision float32"
            )
        if checkpoint is not None:
            course.save(checkpoint)
        if report is not None:
            report((epoch + 1) * course.n_steps, loss)
    model.load_state_dict(course.averaged, strict=False)
    model.adaptive.remember(0)
    return model.to(clips.device).eval()


class _Course:
    """The state of a training."""

    def __init__(
        self, model: FineTuned, clips: DeviceClips, training: TrainingClips, settings: Settings, *, seed: int
    ) -> None:
        self.model, self.clips, self.training, self.settings, self.seed = model, clips, training, settings, seed
        self.n_steps = settings.n_steps_an_epoch(len(training.rows))
        self.n_epochs = 0
        self.blocks = model.trained_blocks()
        groups = [{"params": list(model.adaptive.parameters()), "weight_decay": settings.weight_decay, "share": 1.0}]
        if self.blocks:
            groups.append({"params": self.blocks, "weight_decay": 0.0, "share": settings.block_share})
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.99))
        self.initial = [parameter.detach().clone() for parameter in self.blocks]
        self.current = dict(self._averages())
        self.averaged = {name: values.clone() for name, values in self.current.items()}

    def _state(self) -> dict[str, Tensor]:
        """Return what training changes: the adaptive network, and the blocks that train."""
        trained = {name for name, parameter in self.model.named_parameters() if parameter.requires_grad}
        fixed = ("mean", "scale")
        state = self.model.state_dict()
        return {name: state[name] for name in state if name in trained or name in fixed or name.startswith("adaptive.")}

    def _averages(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the weights whose mean over steps is kept: no counts of batches, and no means of speakers."""
        for name, values in self._state().items():
            if values.is_floating_point() and name not in ("adaptive.memory", "adaptive.n_seen", "mean", "scale"):
                yield name, values

    def start(self, checkpoint: Path | None) -> None:
        """Continue from a checkpoint, or measure mean and scale of the states."""
        if checkpoint is not None and checkpoint.is_file():
            self._load(checkpoint)
            return
        rows = np.random.default_rng([self.seed, 0]).permutation(self.training.rows)[:_N_STANDARD]
        size = self.settings.batch_size
        with self._autocast():
            batches = (self.clips.batch(rows[first : first + size]) for first in range(0, len(rows), size))
            self.model.standardise(batches)

    def epoch(self, epoch: int, report: Report | None) -> float:
        """Train for an epoch, and return its mean loss."""
        torch.manual_seed(self.seed * 100_003 + epoch)  # dropout
        rng = np.random.default_rng([self.seed, epoch, 1])
        generator = torch.Generator(self.clips.device)
        generator.manual_seed(self.seed * 100_003 + epoch)
        order = rng.permutation(len(self.training.rows))
        self.model.train()
        losses = torch.zeros((), device=self.clips.device)
        for number in range(self.n_steps):
            step = epoch * self.n_steps + number
            places = order[number * self.settings.batch_size : (number + 1) * self.settings.batch_size]
            losses += self._step(step, places, rng, generator)
            if report is not None:
                report(step + 1, None)
        self.n_epochs = epoch + 1
        return float(losses) / self.n_steps

    def _step(
        self, step: int, places: NDArray[np.int64], rng: np.random.Generator, generator: torch.Generator
    ) -> Tensor:
        rate = self.settings.rate_at(step, self.settings.epochs * self.n_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["share"]
        waveforms, lengths = self.clips.batch(self.training.rows[places], window=_WINDOW, rng=rng)
        waveforms, lengths = altered(waveforms, lengths, self.settings.chances, rng=rng, generator=generator)
        with self._autocast():
            embedding = self.model.embed(waveforms, lengths)
        loss = self._loss(embedding, torch.from_numpy(places).to(self.clips.device), rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters(), _CLIPPED_NORM)
        self.optimizer.step()
        self._after_step(step, rate * self.settings.block_share)
        return loss.detach()

    def _loss(self, embedding: Tensor, places: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the mean loss of both heads, as `AdaptiveNet` does."""
        training, network = self.training, self.model.adaptive
        speakers, possible = training.speakers[places], training.possible[places]
        targets = functional.one_hot(training.labels[places], possible.shape[1]) * training.weights[places][:, None]
        seen = embedding.detach()
        network.update(seen, speakers)
        mean = network.simulated_mean(seen, speakers, rng)
        both = network.head(embedding), network.adapted_head(embedding - mean)
        smoothing = self.settings.smoothing
        first, second = (cross_entropy(each, targets, smoothing=smoothing, possible=possible) for each in both)
        return (first + second) / 2

    @torch.no_grad()
    def _after_step(self, step: int, rate: float) -> None:
        """Draw the blocks to their initial weights, and update the running mean of the weights."""
        if self.settings.pull:
            for parameter, initial in zip(self.blocks, self.initial, strict=True):
                parameter.lerp_(initial, rate * self.settings.pull)
        weight = 1 - min(self.settings.averaging, (1 + step) / (10 + step))
        for name, values in self.current.items():
            self.averaged[name].lerp_(values, weight)

    def _parameters(self) -> list[torch.nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def _autocast(self) -> torch.autocast:
        kind = self.clips.device.type
        return torch.autocast(kind, dtype=torch.bfloat16, enabled=self.settings.precision == "bfloat16")

    def _identity(self) -> dict[str, Any]:
        """Return what a checkpoint must have in common with this training."""
        return {"settings": self.settings.to_dict(), "seed": self.seed, "n_clips": len(self.training.rows)}

    def save(self, path: Path) -> None:
        """Write the checkpoint, atomically."""
        state = {
            "identity": self._identity(),
            "n_epochs": self.n_epochs,
            "model": self._state(),
            "averaged": self.averaged,
            "optimizer": self.optimizer.state_dict(),
        }
        with replacing(path) as temporary:
            torch.save(state, temporary)

    def _load(self, path: Path) -> None:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["identity"] != self._identity():
            raise ConfigError(f"{path} is of a training with other settings or clips; delete it, or change --out")
        self.n_epochs = state["n_epochs"]
        self.model.load_state_dict(state["model"], strict=False)
        self.optimizer.load_state_dict(state["optimizer"])
        for name, values in self.averaged.items():
            values.copy_(state["averaged"][name])


class Clock:
    """Prints how far all trainings together are, at most every few seconds.

    Parameters
    ----------
    n_steps
        Steps of all trainings.
    """

    every_s = 15.0

    def __init__(self, n_steps: int) -> None:
        self.n_steps, self.n_done, self.spent_s, self.printed = n_steps, 0, 0.0, time.perf_counter()

    def of(self, what: str, *, n_epochs: int, n_steps: int) -> Report:
        """Return the report of a training of so many epochs and steps."""
        last: list[tuple[int, float]] = []

        def report(step: int, loss: float | None) -> None:
            now = time.perf_counter()
            if not last:  # the first step has the start in its time, and those of an earlier run have none
                self.n_steps -= step
            else:
                self.n_done += step - last[0][0]
                self.spent_s += now - last[0][1]
            last[:] = [(step, now)]
            if loss is None and (now - self.printed < self.every_s or not self.n_done):
                return
            self.printed = now
            a_step = self.spent_s / max(1, self.n_done)
            epoch, words = -(-step * n_epochs // n_steps), "" if loss is None else f", loss {loss:.3f}"
            left = a_step * (self.n_steps - self.n_done) / 60
            print(
                f"{what}: epoch {epoch} of {n_epochs}{words}; {1000 * a_step:.0f} ms a step, {left:.1f} min left",
                flush=True,
            )

        return report
