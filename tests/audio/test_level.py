"""The offset that is removed from a recording before speech is detected."""

import numpy as np

from emotone.audio.level import RunningOffset


def test_the_offset_of_digital_silence_is_exactly_zero():
    offset, frame = RunningOffset(), np.full(512, 0.1, np.float32)
    assert offset.removed(frame).max() < 1e-6
    silence = np.zeros(512, np.float32)
    rest = [float(np.abs(offset.removed(silence)).max()) for _ in range(1500)]  # 48 s
    assert rest[0] > 0.05 and rest[20] < rest[10] < rest[0] and rest[-1] == 0.0
    # subnormal numbers would be ten times as slow in a model
    assert not any(0 < value < np.finfo(np.float32).tiny for value in rest)


def test_an_offset_is_removed_after_silence_too():
    offset = RunningOffset()
    for _ in range(1000):
        offset.removed(np.zeros(512, np.float32))
    for _ in range(200):
        last = offset.removed(np.full(512, 0.1, np.float32))
    np.testing.assert_allclose(last, 0, atol=1e-6)
