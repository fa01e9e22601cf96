"""Windows of long recordings, and the buffer of recent samples."""

import numpy as np
import pytest

from emotone.errors import SilenceError
from emotone.recognition.windows import RecentSamples, blocks, windows
from support import handmade

RATE = 16_000


def test_blocks_report_the_seconds_that_are_done():
    steps = []
    lengths = [
        len(block) for block in blocks((handmade.tone(0.1, seconds=25.0), RATE), lambda *step: steps.append(step))
    ]
    assert lengths == [10 * RATE, 10 * RATE, 5 * RATE]
    assert steps == [(10, 25, "listening"), (20, 25, "listening"), (25, 25, "listening")]


def test_silent_windows_are_empty_and_keep_their_length():
    sound = np.concatenate([handmade.tone(0.1, seconds=10.0), np.zeros(10 * RATE, np.float32)])
    sizes = [(len(samples), length) for samples, length in windows((sound, RATE), lambda window: window[:99])]
    assert sizes == [(99, 10 * RATE), (0, 10 * RATE)]
    with pytest.raises(SilenceError, match="20 s is silent throughout"):
        list(windows((np.zeros(20 * RATE, np.float32), RATE), lambda window: window))


def test_recent_samples_keep_their_numbers_when_older_ones_are_dropped():
    recent = RecentSamples()
    for start in (0, 4, 8):
        recent.append(np.arange(start, start + 4, dtype=np.float32))
    recent.drop_before(5)
    recent.drop_before(3)
    assert (len(recent), recent.end) == (7, 12)
    np.testing.assert_array_equal(recent.between(6, 9), [6, 7, 8])
