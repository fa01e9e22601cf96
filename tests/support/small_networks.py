"""Small networks, their clips and recipe, for tests of training."""

import numpy as np
import torch
from torch import nn

from emotone.models.deep import networks
from emotone.models.deep.clips import Clips, padded
from emotone.models.deep.training import Recipe, train

N_COLUMNS, N_CLASSES = 6, 3
PLAIN = {"mixup": 0.0, "n_time_masks": 0, "n_frequency_masks": 0, "label_smoothing": 0.0}


class Small(networks.FrameNetwork):
    """Mean over time, one hidden layer; as much as has dropout and a batch norm."""

    def __init__(self, n_columns: int = N_COLUMNS, n_classes: int = N_CLASSES, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.first = nn.Linear(n_columns, 8)
        self.head = nn.Sequential(nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, n_classes))

    def embed(self, frames, lengths=None):
        mask = networks.frame_mask(frames, lengths)[:, :, None]
        return self.first((frames * mask).sum(1) / mask.sum(1))


class Linear(networks.FrameNetwork):
    """Mean over time, and a layer; no chance in it, so losses can be computed by hand."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.head = nn.Linear(N_COLUMNS, N_CLASSES)
        nn.init.normal_(self.head.weight, generator=torch.Generator().manual_seed(5))

    def embed(self, frames, lengths=None):
        mask = networks.frame_mask(frames, lengths)[:, :, None]
        return self.scale * (frames * mask).sum(1) / mask.sum(1)


class Watched(Linear):
    """Keeps the batches that it is asked about, in training and else."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[bool, list[list[np.ndarray]]] = {True: [], False: []}

    def __deepcopy__(self, memo):
        copied = Linear()
        copied.load_state_dict(self.state_dict())
        copied.__class__, copied.seen = Watched, self.seen  # the running mean of the weights writes into the same list
        return copied

    def embed(self, frames, lengths=None):
        clips = [clip[:length].detach().numpy().copy() for clip, length in zip(frames, lengths, strict=True)]
        self.seen[self.training].append(clips)
        return super().embed(frames, lengths)


def clips(n=40, *, seed=0, spread=1.0, first=0) -> Clips:
    """Classes that differ in their mean, 13 to 40 frames; a clip's number stands in the first column of each frame."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % N_CLASSES
    frames = []
    for number, label in enumerate(labels, start=first):
        clip = rng.standard_normal((int(rng.integers(13, 41)), N_COLUMNS)) * spread + 0.5 * np.eye(N_COLUMNS)[label + 1]
        clip[:, 0] = number
        frames.append(clip.astype(np.float32))
    return Clips(frames, labels)


def without_numbers(some: Clips) -> Clips:
    for frames in some.frames:
        frames[:, 0] = 0
    return some


def recipe(**changes) -> Recipe:
    settings = {
        "n_classes": N_CLASSES,
        "max_epochs": 4,
        "patience": 99,
        "batch_size": 8,
        "learning_rate": 0.02,
        "weight_decay": 0.05,
        "label_smoothing": 0.05,
        "mixup": 0.3,
        "n_time_masks": 2,
        "max_time_share": 0.15,
        "n_frequency_masks": 1,
        "max_bands": 2,
        "window": 30,
        "averaging": 0.9,
        "seed": 7,
        "device": "cpu",
        "precision": "float32",
    }
    return Recipe(**settings | changes)


def trained(network=None, some=None, *, seed=3, weights=(1.0, 1.0, 1.0), **given):
    """Train a network that is initialised the same each time: network, rows, epoch."""
    changes = {name: given.pop(name) for name in list(given) if name in Recipe.__dataclass_fields__}
    torch.manual_seed(seed)
    network = Small() if network is None else network() if isinstance(network, type) else network
    some = without_numbers(clips()) if some is None else some
    return train(network, some, recipe(**changes), class_weights=torch.tensor(weights), **given)


def state(network) -> dict[str, np.ndarray]:
    return {name: values.numpy().copy() for name, values in network.state_dict().items()}


def assert_same(first, second) -> None:
    """Bit by bit, weights and history; but not how long it took."""
    for name, values in state(first[0]).items():
        np.testing.assert_array_equal(values, state(second[0])[name], err_msg=name)
    rows = [
        [{key: value for key, value in row.items() if key != "seconds"} for row in one[1]] for one in (first, second)
    ]
    assert rows[0] == rows[1]
    assert first[2] == second[2]


def log_p(network, some: Clips) -> np.ndarray:
    with torch.inference_mode():
        logits = [network(**padded([frames]))[0] for frames in some.frames]
    return torch.log_softmax(torch.stack(logits).double(), dim=1).numpy()


def overfitted(**changes):
    """Held-out labels that are wrong: the better it learns, the worse they get."""
    held_out = without_numbers(clips(30, seed=1))
    held_out.labels = (held_out.labels + 1) % N_CLASSES
    settings = {"max_epochs": 12, "patience": 3, "averaging": 0.5, **PLAIN} | changes
    return held_out, trained(held_out=held_out, **settings)
