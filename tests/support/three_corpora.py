"""Three corpora of frames for adaptive models: the training set and configuration of an experiment without sound."""

import numpy as np
import pandas as pd

from emotone.corpora import Corpus
from emotone.experiment import Config
from emotone.experiment.training_set import TrainingSet
from emotone.features.columns import plain
from support import toy_speakers

#: In the order of the classes.
EMOTIONS = ("calm", "happy", "sad", "angry")
SETTINGS = {
    f"classifier__{name}": value
    for name, value in {"max_epochs": 2, "batch_size": 16, "learning_rate": 0.01, "precision": "float32"}.items()
}


def training_set(*, names="aaabbbcc", n=200, only=None, n_copies=1, change=None) -> TrainingSet:
    """Speakers 0 to 7 in corpora of these names; calm in corpus a alone, and speaker 5 of corpus b is unknown.

    With ``only``, corpus name -> emotions, a corpus has these alone.  Each clip has copies, which follow the clips.
    ``change`` is a column and its value for the first clip.
    """
    X, y, speakers = toy_speakers.toy(n, speaker_spread=1.0)
    corpora = np.array([names[number] for number in speakers])
    wanted = {"a": EMOTIONS, "b": ("angry", "happy", "sad"), "c": ("angry", "happy", "sad")} | (only or {})
    kept = np.flatnonzero([EMOTIONS[label] in wanted[corpus] for label, corpus in zip(y, corpora, strict=True)])
    table = pd.DataFrame(
        {
            "path": [f"{row}.wav" for row in kept],
            "start_s": 0.0,
            "end_s": np.nan,
            "emotion": np.take(EMOTIONS, y[kept]),
            "speaker": [
                "" if speaker == 5 else f"{name}-{speaker}"
                for speaker, name in zip(speakers[kept], corpora[kept], strict=True)
            ],
            **{column: "" for column in ("gender", "intensity", "statement")},
            "channel": "speech",
            "corpus": corpora[kept],
            "language": "",
        }
    )
    if change is not None:
        table.loc[0, change[0]] = change[1]
    values = np.empty((1 + n_copies) * len(kept), dtype=object)
    values[: len(kept)] = X[kept]
    for number in range(len(kept), len(values)):
        values[number] = values[number % len(kept)] + np.float32(0.1)
    return TrainingSet(
        corpus=Corpus(table, "three", ()),
        n_own=len(kept),
        columns=plain(*(f"column {number}" for number in range(toy_speakers.N_COLUMNS))),
        digests=tuple(f"digest {row}" for row in kept),
        values=values,
        origin=np.arange(len(values)) % len(kept),
        copy=np.arange(len(values)) // len(kept),
        copies=n_copies,
        left_out=(),
    )


def config(out, **changes) -> Config:
    """The configuration of a run that leaves corpora out."""
    chosen = {"corpora": ("a", "b", "c"), "data": out, "out": out, "model": "adaptive", "elsewhere": True}
    return Config(**chosen | changes)
