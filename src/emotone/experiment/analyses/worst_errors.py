"""The worst errors of a run, with their recordings, so that they can be examined without the corpus.

These are the wrong test predictions with the highest calibrated confidence.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotone import audio, files
from emotone.corpora import segments_of
from emotone.errors import AudioError
from emotone.experiment.training_set import TrainingSet

FOLDER, TABLE = "errors", "errors.csv"
N_ERRORS = 10
#: Longer clips are cut to this length; bit rate of the MP3, which every browser plays: 24 kB for three seconds.
MOST_S, KBIT_S = 15.0, 64
COLUMNS = (
    *("rank", "file", "fold", "row", "path", "corpus", "speaker", "gender", "intensity", "statement"),
    *("labelled", "predicted", "confidence", "labelled_score", "seconds"),
)


def worst(table: pd.DataFrame, *, n_most: int = N_ERRORS) -> pd.DataFrame:
    """Select the most confident wrong test predictions from a table of `outputs.predictions`; ties by row."""
    wrong = table[(table["subset"] == "test") & (table["predicted"] != table["emotion"])]
    order = np.lexsort((wrong["row"].to_numpy(), -wrong["confidence"].to_numpy()))
    return wrong.iloc[order[:n_most]].reset_index(drop=True)


def write(folder: Path, table: pd.DataFrame, training_set: TrainingSet) -> pd.DataFrame:
    """Write the recordings of the worst errors as MP3, mono at 16 kHz, and ``errors.csv``, which is returned.

    ``file`` is the name in ``errors/``, and empty if the recording can't be read any more; ``seconds`` is the length
    before the cut to `MOST_S`.
    """
    rows = []
    for rank, (_, error) in enumerate(worst(table).iterrows(), start=1):
        clip = training_set.corpus.table.iloc[int(error["row"])]
        name = f"{rank:02d}.mp3"
        seconds = _keep(folder / FOLDER / name, clip)
        rows.append(
            {
                "rank": rank,
                "file": "" if seconds is None else name,
                **{column: error[column] for column in ("fold", "row", "path", "corpus", "speaker")},
                **{column: clip[column] for column in ("gender", "intensity", "statement")},
                "labelled": error["emotion"],
                **{column: error[column] for column in ("predicted", "confidence")},
                "labelled_score": error[f"score_{error['emotion']}"],
                "seconds": seconds,
            }
        )
    errors = pd.DataFrame(rows, columns=list(COLUMNS))
    files.write_table(folder / FOLDER / TABLE, errors)
    return errors


def _keep(path: Path, clip: "pd.Series[Any]") -> float | None:
    """Write a clip as MP3, and return its seconds, or None if it can't be read."""
    try:
        samples = segments_of(clip.to_frame().T)[0].read()
        content = audio.encode_mp3(
            samples[: int(MOST_S * audio.SAMPLE_RATE)] / max(1.0, np.abs(samples).max()), kbit_s=KBIT_S
        )
    except AudioError:
        return None
    with files.replacing(path) as temporary:
        temporary.write_bytes(content)
    return float(samples.size / audio.SAMPLE_RATE)
