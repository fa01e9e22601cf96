"""Scores of fine-tuned networks on clips of unknown speakers, and after adaptation to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from finetune_clips import DeviceClips, Packed
from finetune_network import FineTuned
from numpy.typing import NDArray

from emotone import files, metrics
from emotone.augment import conditions
from emotone.errors import ConfigError
from emotone.experiment.analyses.adaptation import ALL, EmbeddedClips, steps_by_level
from emotone.models.deep.adaptive_network import as_affine
from emotone.recognition.adaptation import fitted
from emotone.recognition.temperature import Temperature

#: Known clips of the speaker: none, five, all.
LEVELS = ("0", "5", ALL)
#: Conditions of sound in which unknown speakers are tested too.
CONDITIONS = ("noise-10", "telephone")
_BATCH = 64

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """Clips to train on, and clips to test.

    Attributes
    ----------
    name
        Of its files.
    train, test
        Rows of the packed clips.
    """

    name: str
    train: Rows
    test: Rows


def folds(packed: Packed, *, corpora: Sequence[str], numbers: Sequence[int], development: bool) -> list[Task]:
    """Return the tasks of ``speaker-6fold`` of RAVDESS.

    Parameters
    ----------
    corpora
        Corpora to train on.
    numbers
        Numbers of folds, from 1; none: all.
    development
        Test the speakers of the next fold instead, without training on those of either fold: for choices, which must
        not be made on tests.

    Raises
    ------
    ConfigError
        There is no such fold.
    """
    known = np.unique(packed.folds[packed.folds > 0]).tolist()
    if not known or not set(numbers) <= set(known):
        raise ConfigError(f"folds {list(numbers)} are asked for; expected some of {known}: pack ravdess to have them")
    used = np.isin(packed.corpora, corpora)
    tasks = []
    for number in numbers or known:
        tested = known[(known.index(number) + 1) % len(known)] if development else number
        train = np.flatnonzero(used & ~np.isin(packed.folds, [number, tested]))
        test = np.flatnonzero((packed.channels == "speech") & (packed.folds == tested))
        tasks.append(Task(f"development-{number}" if development else f"fold-{number}", train, test))
    return tasks


def left_out(packed: Packed, *, corpora: Sequence[str], names: Sequence[str]) -> list[Task]:
    """Return a task for each of these corpora: train on the others, test the emotions that both have.

    Raises
    ------
    ConfigError
        A corpus is not packed, or shares no two emotions with the others.
    """
    tasks = []
    for name in names:
        inside, others = packed.corpora == name, np.isin(packed.corpora, [other for other in corpora if other != name])
        common = np.intersect1d(packed.emotions[inside], packed.emotions[others])
        if len(common) < 2:
            raise ConfigError(
                f"{name!r} shares {len(common)} emotions with the corpora of the training; expected two at least: "
                "name and pack more corpora"
            )
        shared = np.isin(packed.emotions, common)
        test = np.flatnonzero(inside & shared & (packed.channels == "speech"))
        tasks.append(Task(f"leave-out-{name}", np.flatnonzero(others & shared), test))
    return tasks


def classes(packed: Packed, task: Task, order: Sequence[str]) -> tuple[str, ...]:
    """Return the emotions of the training clips, in this order."""
    there = set(packed.emotions[task.train].tolist())
    return tuple(name for name in order if name in there)


@torch.inference_mode()
def embedded(models: Sequence[FineTuned], clips: DeviceClips, rows: Rows) -> NDArray[np.float32]:
    """Return the embeddings (r, members * e) of clips, member after member, in full precision."""
    order = np.argsort(clips.lengths[rows], kind="stable")
    width = sum(model.adaptive.centre.numel() for model in models)
    result = np.zeros((len(rows), width), dtype=np.float32)
    for first in range(0, len(rows), _BATCH):
        part = order[first : first + _BATCH]
        batch = clips.batch(rows[part])
        result[part] = torch.cat([model.embed(*batch) for model in models], dim=1).cpu().numpy()
    return result


def heads(models: Sequence[FineTuned], centre: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    """Return the heads of trained networks, which are moved to the CPU, as `Adapter` needs them."""
    networks = [model.cpu().adaptive for model in models]
    result: dict[str, NDArray[Any]] = {"centre": centre}
    for name, parts in (("plain", [n.head for n in networks]), ("adapted", [n.adapted_head for n in networks])):
        weights, biases = zip(*(as_affine(part) for part in parts), strict=True)
        result |= {f"{name}_weight": np.stack(weights), f"{name}_bias": np.stack(biases)}
    return result


def predicted(
    models: Sequence[FineTuned], clips: DeviceClips, packed: Packed, task: Task, *, emotions: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Return the probabilities (draws, r, k) of the tested clips, not calibrated; networks are moved to the CPU.

    Names are numbers of known clips of the speaker, and `CONDITIONS` of sound, with unknown speakers.  Adaptation is
    that of the package: from clips without labels, whose composition is estimated, with the draws of
    `emotone.experiment.analyses.adaptation`.
    """
    speech = task.train[packed.channels[task.train] == "speech"]
    known, tested = embedded(models, clips, speech), embedded(models, clips, task.test)
    worse = {name: embedded(models, *_in_condition(packed, task.test, name, clips.device)) for name in CONDITIONS}
    voices = packed.speakers[speech]
    centre = np.mean([known[voices == name].mean(axis=0) for name in np.unique(voices)], axis=0)
    adapter = fitted(
        heads(models, centre),
        known,
        labels=numbers(packed, speech, emotions),
        speakers=voices.tolist(),
        corpora=packed.corpora[speech].tolist(),
    )
    table = pd.DataFrame({name: getattr(packed, column)[task.test].astype(object) for name, column in _COLUMNS.items()})
    steps = steps_by_level(table, rng=np.random.default_rng([0, len(task.test)]))
    held_out = EmbeddedClips(adapter=adapter, embedding=tested, emotions=emotions, temperature=Temperature())
    scores = {"0": held_out.after([])[None]}
    scores |= {level: np.array([held_out.after(draw) for draw in steps[level]]) for level in LEVELS[1:]}
    return scores | {name: adapter.scores(rows, None, temperature=Temperature())[None] for name, rows in worse.items()}


def _in_condition(packed: Packed, rows: Rows, name: str, device: torch.device) -> tuple[DeviceClips, Rows]:
    """Return clips (r,) in a condition of `emotone.augment.conditions`, and their rows."""
    waveforms = [packed.waveform(row) for row in rows.tolist()]
    changed = [
        conditions.CONDITIONS[name](waveform, rng=np.random.default_rng([0, row]))
        for row, waveform in zip(rows.tolist(), waveforms, strict=True)
    ]
    return DeviceClips(packed.of_waveforms(rows, changed), device), np.arange(len(rows))


_COLUMNS = {"speaker": "speakers", "corpus": "corpora", "emotion": "emotions"}


def numbers(packed: Packed, rows: Rows, emotions: Sequence[str]) -> Rows:
    """Return the class numbers (r,) of clips."""
    return np.array([list(emotions).index(name) for name in packed.emotions[rows]], dtype=np.int64)


def write(
    folder: Path, packed: Packed, task: Task, scores: dict[str, NDArray[np.float64]], **described: Any
) -> dict[str, Any]:
    """Write predictions and scores of a task, atomically, and return the scores."""
    emotions = described["emotions"]
    labels = numbers(packed, task.test, emotions)
    arrays = {f"scores_{level}": values.astype(np.float32) for level, values in scores.items()}
    arrays |= {"labels": labels, "rows": task.test, "speakers": packed.speakers[task.test]}
    files.write_arrays(folder / f"{task.name}.npz", arrays)
    right = scores["0"][0].argmax(axis=1) == labels
    recall = {emotions[label]: float(right[labels == label].mean()) for label in np.unique(labels).tolist()}
    result = {
        "task": task.name,
        "clips": len(task.test),
        "training_clips": len(task.train),
        "speakers": sorted(set(packed.speakers[task.test].tolist())),
        "uar": {level: uar(labels, values) for level, values in scores.items()},
        "recall": recall,
        **described,
    }
    files.write_json(folder / f"{task.name}.json", result)
    return result


def uar(labels: Rows, scores: NDArray[np.floating[Any]]) -> float:
    """Return the mean over draws of the unweighted average recall of (draws, r, k) probabilities."""
    return float(np.mean([metrics.unweighted_average_recall(labels, draw.argmax(axis=1)) for draw in scores]))
