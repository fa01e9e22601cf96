"""Measure who speaks when, and with which emotion, in conversations composed from voices that no model was trained on.

    python benchmarks/conversations.py --data DIR [--out runs/conversations]

Conversations are composed of the clips of RAVDESS, nEMO, SAVEE and TESS (`conversation_sounds.compose`).  The emotion
model of each corpus was trained without it: a recogniser of a single network for RAVDESS, nEMO and TESS, trained on at
most 900 clips of RAVDESS and 600 of each other corpus; the built-in model for SAVEE.  The projection of voices is
fitted without the corpus as well.  The tables go between the marks of docs/results.md.
"""

import argparse
from pathlib import Path

import pandas as pd

from emotone import corpora, experiment
from emotone.cli.console import ProgressBar

CORPORA = ("ravdess", "nemo", "savee", "tess")
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
#: Corpora that the models are trained on, less the one that is left out, and the most clips of each.
TRAINED_ON, MOST_CLIPS = ("ravdess", "tess", "nemo", "emodb"), {"ravdess": 900}
#: The corpus that the built-in model was not trained on.
FOREIGN = "savee"


def model_without(corpus: str, *, data: Path, out: Path) -> str:
    """Return the bundle of a recogniser that was not trained on a corpus; it is trained if it is not there."""
    if corpus == FOREIGN:
        return "default"
    folder = out / f"without-{corpus}"
    if not (folder / "run" / "model").is_dir():
        _train(corpus, data, folder)
    return str(folder / "run" / "model")


def _train(corpus: str, data: Path, folder: Path) -> None:
    tables = [corpora.load(name, data).table for name in TRAINED_ON if name != corpus]
    tables = [table[table["emotion"].isin(EMOTIONS)] for table in tables]
    drawn = [
        table.sample(min(len(table), MOST_CLIPS.get(table["corpus"].iloc[0], 600)), random_state=0) for table in tables
    ]
    clips = pd.concat(drawn, ignore_index=True).rename(columns={"path": "file"}).drop(columns=["start_s", "end_s"])
    clips["file"] = clips["file"].map(lambda path: str(Path(path).resolve()))
    folder.mkdir(parents=True, exist_ok=True)
    clips.to_csv(folder / "clips.csv", index=False)
    settings = experiment.Config(
        corpora=(str(folder / "clips.csv"),),
        data=folder,
        out=folder / "run",
        model="adaptive",
        protocol="random-70-15-15",
        emotions=tuple(name for name in EMOTIONS if name in set(clips["emotion"])),
        networks=1,
        augment=("speed",),
    )
    with ProgressBar(quiet=False) as progress:
        experiment.run(settings, progress=progress)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the corpora")
    parser.add_argument("--out", type=Path, default=Path("runs/conversations"), help="where models are kept")
    chosen = parser.parse_args()
    for corpus in CORPORA:
        print(corpus, model_without(corpus, data=chosen.data, out=chosen.out), flush=True)


if __name__ == "__main__":
    main()
