"""The worst errors of a run, kept so that they can be looked at and heard without the corpus.

The worst are the wrong answers on test clips that the model was surest of, by the calibrated confidence.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotone import audio, files
from emotone.errors import AudioError
from emotone.experiment.training_set import TrainingSet

FOLDER, TABLE = "errors", "errors.csv"
N_ERRORS = 10
#: Of a longer clip, this much is kept; and at this rate, as MP3, which every browser plays: 24 kB for three seconds.
MOST_S, KBIT_S = 15.0, 64
COLUMNS = (
    *("rank", "file", "fold", "row", "path", "corpus", "speaker", "gender", "intensity", "statement"),
    *("labelled", "predicted", "confidence", "labelled_score", "seconds"),
)


def worst(table: pd.DataFrame, *, n_most: int = N_ERRORS) -> pd.DataFrame:
    """Take the most confident wrong answers on test clips, the surest first, among equals by row.

    Parameters
    ----------
    table
        What `emotone.experiment.outputs.predictions` returns.
    n_most
        How many at most.
    """
    wrong = table[(table["subset"] == "test") & (table["predicted"] != table["emotion"])]
    order = np.lexsort((wrong["row"].to_numpy(), -wrong["confidence"].to_numpy()))
    return wrong.iloc[order[:n_most]].reset_index(drop=True)


def write(folder: Path, table: pd.DataFrame, training_set: TrainingSet) -> pd.DataFrame:
    """Write ``errors/``: the recordings of the worst errors as MP3, mono at 16 kHz, and ``errors.csv``.

    Parameters
    ----------
    folder
        The run directory.
    table
        What `emotone.experiment.outputs.predictions` returns.

    Returns
    -------
    What ``errors.csv`` holds: `COLUMNS`, no row where no test answer is wrong.  ``file`` is in ``errors/``, and empty
    where a recording can't be read any more; ``seconds`` is of the clip before it was cut to `MOST_S`.
    """
    rows = []
    for rank, (_, one) in enumerate(worst(table).iterrows(), start=1):
        clip = training_set.corpus.table.iloc[int(one["row"])]
        name = f"{rank:02d}.mp3"
        seconds = _keep(folder / FOLDER / name, clip)
        rows.append(
            {
                "rank": rank,
                "file": "" if seconds is None else name,
                **{column: one[column] for column in ("fold", "row", "path", "corpus", "speaker")},
                **{column: clip[column] for column in ("gender", "intensity", "statement")},
                "labelled": one["emotion"],
                **{column: one[column] for column in ("predicted", "confidence")},
                "labelled_score": one[f"score_{one['emotion']}"],
                "seconds": seconds,
            }
        )
    told = pd.DataFrame(rows, columns=list(COLUMNS))
    files.write_table(folder / FOLDER / TABLE, told)
    return told


def _keep(path: Path, clip: "pd.Series[Any]") -> float | None:
    """Write a clip's sound, and tell its seconds; None where it can't be read."""
    try:
        samples = audio.read(clip["path"], start_s=clip["start_s"], end_s=clip["end_s"])
        content = audio.encode_mp3(
            samples[: int(MOST_S * audio.SAMPLE_RATE)] / max(1.0, np.abs(samples).max()), kbit_s=KBIT_S
        )
    except AudioError:
        return None
    with files.replacing(path) as temporary:
        temporary.write_bytes(content)
    return float(samples.size / audio.SAMPLE_RATE)
