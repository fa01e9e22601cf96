"""The buffer of recent samples; windows are tested with the recognizer, in test_recognizer_long.py."""

import numpy as np

from emotone.recognition.windows import RecentSamples


def test_recent_samples_keep_their_numbers_when_older_ones_are_dropped():
    recent = RecentSamples()
    for start in (0, 4, 8):
        recent.append(np.arange(start, start + 4, dtype=np.float32))
    recent.drop_before(5)
    recent.drop_before(3)
    assert (len(recent), recent.end) == (7, 12)
    np.testing.assert_array_equal(recent.between(6, 9), [6, 7, 8])
