"""Train a recogniser that has never met certain speakers, for the benchmarks on real recordings.

    python benchmarks/held_out.py --data DIR --out runs/held-out

The built-in model is trained on every speaker of its corpora.  This one has the same settings, and leaves out the
speakers of `DEVELOPMENT`, on which settings are chosen, and of `TEST`, on which the figures of docs/results.md are
taken.
"""

import argparse
from pathlib import Path

import pandas as pd
from flagship import _trained_sounds

from emotone import corpora, experiment
from emotone.cli.console import ProgressBar

#: Speakers whose recordings settings are chosen on.
DEVELOPMENT = (*(f"ravdess-{n:02}" for n in (1, 2, 7, 8, 13, 14)), "nemo-EB0", "emodb-16", "emodb-10", "emodb-11")
#: Speakers of the figures.
TEST = (*(f"ravdess-{n:02}" for n in (5, 6, 11, 12, 19, 20)), "nemo-WR0", "emodb-03", "emodb-08", "emodb-15")
CORPORA = ("ravdess", "tess", "nemo", "emodb")
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def table(data: Path) -> pd.DataFrame:
    """Return every clip of the four corpora: path, emotion, speaker."""
    return pd.concat([corpora.load(name, data).table for name in CORPORA], ignore_index=True)


def main() -> None:
    """Write the manifest and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the corpora")
    parser.add_argument("--out", type=Path, default=Path("runs/held-out"), help="where the run directory is written")
    parser.add_argument("--networks", type=int, default=3, help="networks of the recogniser")
    chosen = parser.parse_args()
    clips = table(chosen.data)
    kept = clips[~clips["speaker"].isin([*DEVELOPMENT, *TEST]) & clips["emotion"].isin(EMOTIONS)]
    chosen.out.mkdir(parents=True, exist_ok=True)
    manifest = chosen.out / "clips.csv"
    frame = kept.rename(columns={"path": "file"}).drop(columns=["start_s", "end_s"])
    frame["file"] = frame["file"].map(lambda path: str(Path(path).resolve()))
    frame.to_csv(manifest, index=False)
    settings = experiment.Config(
        corpora=(str(manifest),),
        data=chosen.out,
        out=chosen.out / "run",
        model="adaptive",
        protocol="random-70-15-15",
        emotions=EMOTIONS,
        networks=chosen.networks,
        augment=("scene",),
        copies=3,
        sounds=_trained_sounds(chosen.data, chosen.out / "sounds"),
        trim="speech",
    )
    with ProgressBar(quiet=False) as progress:
        summary = experiment.run(settings, progress=progress)
    print(f"bundle: {summary.folder / 'model'}")


if __name__ == "__main__":
    main()
