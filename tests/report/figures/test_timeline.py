"""The picture of a timeline."""

import numpy as np
import pytest

from emotone.audio import write_wav
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.timeline import Timeline
from support import handmade

RATE = 16_000


EMOTIONS = ("happy", "sad", "angry")


def loud(frame):
    """A detector that can be worked out: what is not silent is speech."""
    return 0.9 if np.sqrt(np.mean(frame**2)) > 0.005 else 0.1


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle") / "loudness")


@pytest.fixture(autouse=True)
def _loud(monkeypatch):
    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: loud)


@pytest.fixture
def recording(tmp_path):
    silence = np.zeros(2 * RATE, np.float32)
    sound = [silence, handmade.tone(0.02, seconds=4.0), silence, handmade.tone(0.2, seconds=3.0), silence]
    write_wav(tmp_path / "call.wav", np.concatenate(sound))
    return tmp_path / "call.wav"


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
