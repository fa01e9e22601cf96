"""The peer of the full feature set computes the same columns."""

import numpy as np
import pytest

from emotone import audio
from emotone.features import registry

pytest.importorskip("librosa")


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"separately": True}, {}, {"keep_filters": True}])
def test_nearly_all_columns_equal_those_of_emotone(settings):
    from emotone.benchmark.librosa_functionals import LibrosaFunctionals

    samples = audio.trim_silence(audio.read("samples/woman_plain.wav"))
    ours, theirs = registry.get("functionals").compute(samples), LibrosaFunctionals(**settings)(samples)
    assert theirs.shape == ours.shape == (2022,)
    # frames whose troughs are equally deep, or at the threshold of voicing, may differ
    assert np.mean(np.abs(ours - theirs) < 1e-2 * np.maximum(1, np.abs(ours))) > 0.95
