"""Corpora of many speakers without recordings, for tests of protocols."""

import numpy as np
import pandas as pd

from emotone import protocols
from emotone.corpora.table import COLUMNS, Corpus

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def made(*, name="ravdess", speakers=None, emotions=EMOTIONS, clips=2, statements=("kids", "dogs"), channel="speech"):
    """A corpus of ``clips`` repetitions of each statement in each emotion; even-numbered speakers are women."""
    speakers = [f"{name}-{actor:02d}" for actor in range(1, 25)] if speakers is None else speakers
    rows = [
        {
            "path": f"/{name}/{channel}/{number}-{speaker}-{emotion}-{statement}-{take}.wav",
            "start_s": 0.0,
            "end_s": np.nan,
            "emotion": emotion,
            "speaker": speaker,
            "gender": ("female", "male")[number % 2],
            "intensity": "normal",
            "statement": statement,
            "channel": channel,
            "corpus": name,
            "language": "en",
        }
        for number, speaker in enumerate(speakers)
        for emotion in emotions
        for statement in statements
        for take in range(clips)
    ]
    return Corpus(table=pd.DataFrame(rows, columns=list(COLUMNS)), name=name)


def each_is_tested_once(protocol, corpus):
    return sorted(np.concatenate([fold.test for fold in protocol.folds])) == list(range(len(corpus)))


def column(corpus, name, rows):
    return set(corpus.table[name].to_numpy()[rows])


def disjoint(*folds):
    return protocols.Protocol("mine", folds, True, "by hand", 0)
