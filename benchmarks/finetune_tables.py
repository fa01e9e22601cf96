"""Tables of finished fine-tuning: scores of each task, and differences between two runs on the same clips."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from finetune_scores import CONDITIONS, LEVELS, uar
from numpy.typing import NDArray

from emotone.errors import ConfigError
from emotone.metrics import paired_test

_HEADS = ("speaker unknown", "5 clips known", "all clips known", *(f"unknown, {name}" for name in CONDITIONS))
_COLUMNS = (*LEVELS, *CONDITIONS)
_KINDS = ("fold", "development", "leave-out")


def table(folder: Path) -> list[str]:
    """Return the UAR of the finished tasks of a folder as a Markdown table, with a row for all folds together."""
    lines = [f"| tested | clips | {' | '.join(_HEADS)} |", "|---" * (2 + len(_HEADS)) + "|"]
    for kind in _KINDS:
        paths = sorted(folder.glob(f"{kind}-*.json"))
        for path in paths:
            result = json.loads(path.read_text(encoding="utf-8"))
            cells = [f"{100 * result['uar'][name]:.1f}" for name in _COLUMNS]
            lines.append("| " + " | ".join([result["task"], str(result["clips"]), *cells]) + " |")
        if len(paths) > 1 and kind != "leave-out":
            together = _together([_arrays(path) for path in paths])
            labels = together["labels"]
            cells = [f"{100 * uar(labels, together[f'scores_{name}']):.1f}" for name in _COLUMNS]
            lines.append("| " + " | ".join([f"{kind}s together", str(len(labels)), *cells]) + " |")
    return lines


def differences(folder: Path, other: Path) -> list[str]:
    """Return the UAR of a run minus that of another, over the tasks that both have, as a Markdown table.

    Each cell has the difference in points, its 95 % interval and the p value of `emotone.metrics.paired_test`, by
    speaker; the draws of a level count as clips of the same speaker.

    Raises
    ------
    ConfigError
        The runs have no task in common, or tested other clips.
    """
    lines = [f"| tested, difference | clips | {' | '.join(_HEADS)} |", "|---" * (2 + len(_HEADS)) + "|"]
    for kind in _KINDS:
        paths = [path for path in sorted(folder.glob(f"{kind}-*.json")) if (other / path.name).is_file()]
        groups = [[path] for path in paths] if kind == "leave-out" else [paths] if paths else []
        for group in groups:
            first, second = (_together([_arrays(root / path.name) for path in group]) for root in (folder, other))
            if any(not np.array_equal(first[name], second[name]) for name in ("labels", "rows", "speakers")):
                raise ConfigError(f"{folder} and {other} tested other clips; expected runs on the same packed clips")
            name = group[0].stem if kind == "leave-out" else f"{len(group)} of kind {kind}"
            cells = [_difference(first, second, column) for column in _COLUMNS]
            lines.append("| " + " | ".join([name, str(len(first["labels"])), *cells]) + " |")
    if len(lines) == 2:
        raise ConfigError(f"{folder} and {other} have no finished task in common; run the same folds in both")
    return lines


def _difference(first: dict[str, NDArray[Any]], second: dict[str, NDArray[Any]], name: str) -> str:
    classes = [arrays[f"scores_{name}"].argmax(axis=2) for arrays in (first, second)]
    n_draws = len(classes[0])
    truth, speakers = (np.tile(first[column], n_draws) for column in ("labels", "speakers"))
    result = paired_test(truth, classes[0].ravel(), second=classes[1].ravel(), speakers=speakers.tolist())
    points = [f"{100 * value:+.1f}" for value in (result.difference, result.low, result.high)]
    return f"{points[0]} ({points[1]} to {points[2]}), p {result.p_value:.3f}"


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path.with_suffix(".npz")) as arrays:
        return dict(arrays)


def _together(parts: Sequence[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Join clips of several tasks; scores have them along the second axis."""
    return {
        name: np.concatenate([part[name] for part in parts], axis=1 if name.startswith("scores_") else 0)
        for name in parts[0]
    }
