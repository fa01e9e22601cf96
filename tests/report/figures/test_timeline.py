"""The picture of a timeline."""

import numpy as np
import pytest

from emotone.recognition.recognizer import Recognizer
from emotone.recognition.timeline import Timeline
from support import handmade

RATE = 16_000


EMOTIONS = ("happy", "sad", "angry")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle") / "loudness")


@pytest.fixture(autouse=True)
def _loud(monkeypatch):
    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: handmade.loudness)


@pytest.fixture
def recording(tmp_path):
    return handmade.write_call(tmp_path / "call.wav")


def test_picture_has_each_segment_in_its_colour_and_place(bundle, recording):
    from matplotlib.colors import to_hex

    from emotone.palette import COLOURS
    from emotone.report.figures.timeline import timeline_picture

    found = Recognizer(bundle).timeline(recording)
    upper, lower = timeline_picture(found, name="call.wav").axes
    boxes = [(to_hex(box.get_facecolor()).upper(), box.get_x(), box.get_width()) for box in lower.patches]
    assert [colour for colour, *_ in boxes] == [COLOURS["sad"].upper(), COLOURS["angry"].upper()]
    for (_, start, width), one in zip(boxes, found.segments, strict=True):
        assert (start, start + width) == pytest.approx((one.start_s, one.end_s))
    assert "sad" in upper.get_title(loc="left")
    timeline_picture(Timeline((), 3.0, EMOTIONS, np.zeros(60, np.float32)), name="silence.wav")
