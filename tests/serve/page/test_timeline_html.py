"""A timeline as HTML."""

import base64
import re

import numpy as np

from emotone.recognition.timeline import Timeline
from emotone.recognition.timeline_formats import FORMATS
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


def test_every_format_can_be_saved_under_the_name_of_the_upload():
    segments = (prediction("sad", {"sad": 1.0}),)
    made = Timeline(segments, 7200.0, ("sad",), np.zeros(1, np.float32), file="/tmp/upload_17")
    shown = timeline_html(made, name="my call.wav", path="/x")
    links = re.findall(r'download="([^"]+)" href="data:([^;]+);base64,([^"]+)"', shown)
    assert [(name, kind) for name, kind, _ in links] == [
        (f"my call.emotions{form.suffix}", form.media_type) for form in FORMATS.values()
    ]
    saved = {name: base64.b64decode(content).decode("utf-8") for name, _, content in links}
    assert saved["my call.emotions.rttm"].startswith("SPEAKER my_call 1 ")
    assert "my call.wav,0 days" in saved["my call.emotions.audformat.csv"]
    assert not any("upload_17" in text for text in saved.values())
