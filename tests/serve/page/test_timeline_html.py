"""A timeline as HTML."""

import re

import numpy as np

from emotone.recognition.timeline import Timeline
from emotone.serve.page.timeline_html import timeline_html
from support.serving import prediction


def test_a_timeline_of_nothing_and_of_hours():
    nothing = timeline_html(Timeline((), 0.0, ("sad",), np.zeros(0, np.float32)), name="a", path="/x")
    assert "No speech" in nothing and "data-seek" not in nothing
    segments = tuple(prediction("sad", {"sad": 1.0}) for _ in range(3))
    hours = Timeline(segments, 7200.0, ("sad",), np.full(144_000, 0.5, np.float32))
    shown = timeline_html(hours, name='"><b>', path="/a b/c#d.wav")
    assert "2:00:00" in shown and '"><b>' not in shown and 'data-from="gradio_api/file=/a%20b/c%23d.wav"' in shown
    assert len(re.search(r' d="(.*?)"', shown)[1]) < 40_000
    assert re.findall(r'left: ([\d.]+)%">([\d:]+)<', shown) == [
        ("0.00", "0:00"), ("25.00", "30:00"), ("50.00", "1:00:00"), ("75.00", "1:30:00"),
    ]  # fmt: skip
