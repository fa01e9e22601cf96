"""Live resampling gives the samples of a recording."""

import numpy as np
import pytest

from emotone import audio
from emotone.audio.resampling import LiveResampler


@pytest.mark.parametrize(("rate", "n"), [(48_000, 96_001), (44_100, 50_000), (8_000, 12_345), (16_000, 999)])
def test_live_sound_is_resampled_as_a_recording_is(rate, n):

    sound = 0.1 * np.random.default_rng(n).standard_normal(n).astype(np.float32)
    live = LiveResampler(rate, 1)
    pieces = [live.push(part) for part in np.array_split(sound, 17)]
    found = np.concatenate([*pieces, live.finish()])
    (expected,) = list(audio.blocks((sound, rate), block_s=60))
    np.testing.assert_allclose(found, expected, atol=1e-6)
