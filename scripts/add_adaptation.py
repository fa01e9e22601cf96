"""Add what adaptation needs to a bundle that an earlier version exported: ``adaptation.npz``.

    python scripts/add_adaptation.py BUNDLE --data DIR

The heads come from the bundle's graph.  How emotions move the embeddings is measured on the corpora that the bundle was
trained on.  New bundles get the file when they are exported.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
from numpy.typing import NDArray
from onnx import numpy_helper

from emotone import corpora, files
from emotone.cli.console import ProgressBar
from emotone.errors import EmotoneError
from emotone.recognition import adaptation, card, model_card
from emotone.recognition.recognizer import Recognizer

_PREFIX = "classifier/deployed.members."
_EPSILON = 1e-5  # of torch's BatchNorm1d


def heads(graph: bytes) -> dict[str, NDArray[np.float64]]:
    """Read the heads of an adaptive model's members from its graph."""
    constants = {
        item.name.removeprefix(_PREFIX): np.asarray(numpy_helper.to_array(item), np.float64)
        for item in onnx.load_from_string(graph).graph.initializer
        if item.name.startswith(_PREFIX)
    }
    n_members = sum(name.endswith(".centre") for name in constants)
    result = {"centre": np.concatenate([constants[f"{member}.centre"] for member in range(n_members)])}
    for kind, name in (("plain", "head"), ("adapted", "adapted_head")):
        pairs = [_affine(constants, f"{member}.{name}") for member in range(n_members)]
        result[f"{kind}_weight"] = np.stack([weight for weight, _ in pairs])
        result[f"{kind}_bias"] = np.stack([bias for _, bias in pairs])
    return result


def _affine(constants: dict[str, NDArray[np.float64]], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scale = constants[f"{name}.0.weight"] / np.sqrt(constants[f"{name}.0.running_var"] + _EPSILON)
    offset = constants[f"{name}.0.bias"] - constants[f"{name}.0.running_mean"] * scale
    weight = constants[f"{name}.2.weight"]
    return weight * scale, constants[f"{name}.2.bias"] + weight @ offset


def embeddings(recognizer: Recognizer, clips: pd.DataFrame) -> tuple[NDArray[np.float32], list[int]]:
    """Return the embeddings of clips, and the rows of those that could be read."""
    result, rows = [], []
    with ProgressBar(quiet=False) as progress:
        for row, path in enumerate(clips["path"]):
            try:
                result.append(recognizer.embedding(path))
                rows.append(row)
            except EmotoneError as error:
                print(error)
            progress(row + 1, len(clips), "embedding")
    return np.array(result), rows


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the corpora")
    chosen = parser.parse_args()
    recognizer = Recognizer(chosen.bundle)
    names = [corpus["name"] for corpus in recognizer.card["training"]["corpora"]]
    clips = pd.concat([corpora.load(name, chosen.data).table for name in names], ignore_index=True)
    clips = clips[clips["emotion"].isin(recognizer.emotions)].reset_index(drop=True)
    values, rows = embeddings(recognizer, clips)
    clips = clips.iloc[rows]
    adapter = adaptation.fitted(
        heads((chosen.bundle / card.GRAPH).read_bytes()),
        values,
        labels=np.array([recognizer.emotions.index(emotion) for emotion in clips["emotion"]]),
        speakers=list(clips["speaker"]),
        corpora=list(clips["corpus"]),
    )
    described = json.loads((chosen.bundle / card.CARD).read_text(encoding="utf-8"))
    described["adaptation"] = {"sha256": adapter.save(chosen.bundle / card.ADAPTATION)}
    files.write_json(chosen.bundle / card.CARD, described)
    files.write_text(chosen.bundle / card.README, model_card.readme(described))
    print(f"written: {chosen.bundle / card.ADAPTATION}")


if __name__ == "__main__":
    main()
