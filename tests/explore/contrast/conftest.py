"""A table of features with known differences, and recordings."""

import numpy as np
import pandas as pd
import pytest

from emotone import audio
from emotone.corpora.table import COLUMNS
from emotone.explore.feature_analysis import FeatureTable
from support.exploring import pair_design


@pytest.fixture(scope="module")
def known():
    """A table in which it is known what tells happy and sad apart; angry clips have nothing to say here."""
    rng = np.random.default_rng(1)
    is_first, speakers = pair_design()
    level = np.where(is_first, 1.0, -1.0)
    offset = np.asarray([int(name[2:]) for name in speakers]) * 40.0
    noise = rng.standard_normal((len(level), 20))
    columns = [1.2 * level + noise[:, 0], 4 * level + offset + noise[:, 1], -6 * level - 5 * noise[:, 0], noise[:, 2:]]
    values = np.column_stack([*columns, np.full(len(level), 0.1)])
    names = ("open", "hidden", "copy", *(f"noise{number}" for number in range(18)), "constant")
    emotions = np.where(is_first, "happy", "sad")
    angry = rng.standard_normal((8, len(names))) + 100
    return FeatureTable(
        np.concatenate([values, angry]).astype(np.float32),
        names,
        np.concatenate([emotions, ["angry"] * 8]),
        np.concatenate([speakers, [f"x-{number:02d}" for number in range(8)]]),
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, make_voice):
    """Eight clips of two speakers: happy ones 12 dB louder; and their features."""
    folder = tmp_path_factory.mktemp("pair")
    rows = []
    for number, (speaker, emotion, words) in enumerate(
        (speaker, emotion, words) for speaker in ("x-1", "x-2") for emotion in ("happy", "sad") for words in ("a", "b")
    ):
        gain = 0.4 if emotion == "happy" else 0.1
        samples = make_voice(seconds=0.8, pitch_hz=120 if speaker == "x-1" else 220, seed=0 if words == "a" else 1)
        path = folder / f"{number}.wav"
        audio.write_wav(path, samples / np.abs(samples).max() * gain)
        rows.append([str(path), 0.0, np.nan, emotion, speaker, "", "normal", words, "speech", "x", "en", ""])
    clips = pd.DataFrame(rows, columns=list(COLUMNS))
    values = np.random.default_rng(0).standard_normal((8, 6)) + (clips["emotion"] == "happy").to_numpy()[:, None]
    emotions, speakers = clips["emotion"].to_numpy(str), clips["speaker"].to_numpy(str)
    return clips, FeatureTable(values.astype(np.float32), tuple("abcdef"), emotions, speakers)
