"""Fit the projection of voice embeddings that the package uses to count speakers.

    python scripts/make_voice_projection.py --data DIR

It is fitted on acted speech of six corpora, so that it keeps what speakers differ in rather than emotions.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotone import audio, corpora, files
from emotone.cli.console import ProgressBar
from emotone.errors import EmotoneError
from emotone.recognition.voices import PROJECTION, Projection, encoder, fitted

CORPORA = ("ravdess", "tess", "nemo", "emodb", "savee", "ased")
#: Clips of each emotion of a speaker.
_MOST_CLIPS = 8
#: Directions and ridge, chosen on EMO-DB and ASED, each with a projection fitted without it.
_WIDTH, _RIDGE = 16, 2.0

Clips = dict[str, dict[str, list[NDArray[np.float32]]]]


def embedded(data: Path, names: Iterable[str] = CORPORA) -> Clips:
    """Return corpus -> speaker -> the mean embedding (256,) of each clip."""
    result: Clips = {}
    with ProgressBar(quiet=False) as progress:
        for name in names:
            table = corpora.load(name, data).table
            table = table.groupby(["speaker", "emotion"]).head(_MOST_CLIPS)
            voices = result.setdefault(name, {})
            for number, (path, speaker) in enumerate(zip(table["path"], table["speaker"], strict=True)):
                try:
                    samples = audio.trim_silence(audio.read(path))
                except EmotoneError:
                    continue
                voices.setdefault(str(speaker), []).append(encoder()(samples)[1].mean(axis=0))
                progress(number + 1, len(table), name)
    return result


def projection_without(clips: Clips, corpus: str | None = None) -> Projection:
    """Fit the projection on all corpora but one."""
    kept = {
        name: {speaker: rows for speaker, rows in speakers.items() if len(rows) >= 4}
        for name, speakers in clips.items()
        if name != corpus
    }
    return fitted(kept, width=_WIDTH, ridge=_RIDGE)


def main() -> None:
    """Write the projection into the package."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds the corpora")
    chosen = parser.parse_args()
    made = projection_without(embedded(chosen.data))
    with files.replacing(PROJECTION) as path:
        made.save(path)
    print(f"{PROJECTION}: variance between speakers {np.round(made.between, 2)}")


if __name__ == "__main__":
    main()
