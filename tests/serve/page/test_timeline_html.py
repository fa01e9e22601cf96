"""A timeline as HTML."""

import base64
import re
from dataclasses import replace

import numpy as np
import pytest

from emotone.recognition.timeline import Timeline
from emotone.recognition.timeline_formats import FORMATS
from emotone.serve.page.timeline_html import timeline_html
from support import timelines
from support.html_page import Page
from support.serving import prediction


def test_a_timeline_of_nothing_and_of_hours():
    nothing = timeline_html(Timeline((), 0.0, ("sad",), np.zeros(0, np.float32)), name="a")
    assert "No speech" in nothing and "data-seek" not in nothing
    segments = tuple(prediction("sad", {"sad": 1.0}) for _ in range(3))
    hours = Timeline(segments, 7200.0, ("sad",), np.full(144_000, 0.5, np.float32))
    shown = timeline_html(hours, name='"><b>')
    assert "2:00:00" in shown and '"><b>' not in shown and 'aria-label="Play &#34;&gt;&lt;b&gt;"' in shown
    assert len(re.search(r' d="(.*?)"', shown)[1]) < 40_000
    assert re.findall(r'left: ([\d.]+)%">([\d:]+)<', shown) == [
        ("0.00", "0:00"), ("25.00", "30:00"), ("50.00", "1:00:00"), ("75.00", "1:30:00"),
    ]  # fmt: skip


def test_every_format_can_be_saved_under_the_name_of_the_upload():
    segments = (prediction("sad", {"sad": 1.0}),)
    made = Timeline(segments, 7200.0, ("sad",), np.zeros(1, np.float32), file="/tmp/upload_17")
    shown = timeline_html(made, name="my call.wav")
    links = re.findall(r'download="([^"]+)" href="data:([^;]+);base64,([^"]+)"', shown)
    assert [(name, kind) for name, kind, _ in links] == [
        (f"my call.emotions{form.suffix}", form.media_type) for form in FORMATS.values()
    ]
    saved = {name: base64.b64decode(content).decode("utf-8") for name, _, content in links}
    assert saved["my call.emotions.rttm"].startswith("SPEAKER my_call 1 ")
    assert "my call.wav,0 days" in saved["my call.emotions.audformat.csv"]
    assert not any("upload_17" in text for text in saved.values())


def test_a_timeline_without_speakers_has_no_lanes():
    alone = timelines.timeline([timelines.segment(None, 0.0, 1.0)], duration_s=2.0)
    one = timelines.timeline([timelines.segment("Anna", 0.0, 1.0)], duration_s=2.0)
    for shown in (timeline_html(alone, name="a"), timeline_html(one, name="a", has_lanes=False)):
        assert "<rect" in shown and "em-lane" not in shown and "Anna" not in shown and shown.count("data-seek") == 1
    assert "<rect" not in timeline_html(one, name="a")


def test_a_lane_has_the_segments_of_its_speaker():
    shown = timeline_html(timelines.conversation(), name="call.wav")
    lanes = re.findall(r'<div class="em-lane.*?</div>', shown, re.DOTALL)
    assert len(lanes) == 3 and [lane.count("<button") for lane in lanes] == [3, 2, 1]
    assert [lane.count('tabindex="0"') for lane in lanes] == [1, 1, 1]  # the arrow keys reach the others
    second = re.findall(r"<button[^>]*>", lanes[0])[1]
    assert 'data-seek="2.250" data-end="3.000"' in second and "--em-tall: 71%; --em-colour: #882255" in second
    assert "left: 18.750%; width: 6.250%" in second
    assert 'aria-label="0:02.2 – 0:03.0, Anna: angry, 71 % sure"' in second
    assert "Ben: unsure, at best 40 % sure" in lanes[1] and "Unknown voice: sad, 80 % sure" in lanes[2]
    assert 'left: 52.083%; width: 4.167%" title="0:06.2 – 0:06.8: several at once"' in shown
    assert re.findall(r'value="([^"]*)" data-lane-name="(\d)"', shown) == [("Anna", "0"), ("Ben", "1")]


def test_the_table_names_the_speaker_of_each_segment():
    shown = timeline_html(timelines.conversation(), name="call.wav")
    listed = shown[shown.index('<ol class="em-segments"') :]
    rows = [Page(row).words for row in re.findall(r"<li>.*?</li>", listed, re.DOTALL)]
    assert len(rows) == 7 and "Anna" in rows[0] and "Ben" in rows[2] and "unknown" in rows[3]
    assert "unknown" not in rows[6] and "no speech" in rows[6]


def test_the_summary_says_how_each_speaker_sounds():
    made = timelines.conversation()
    shown = timeline_html(made, name="call.wav")
    summary = shown[shown.index('<ol class="em-speakers"') : shown.index('<ul class="em-legend"')]
    words = Page(summary).words
    anna = made.speakers[0]
    assert (
        f"speaks 0:04, {100 * anna.talk_share:.0f} % of all speech, in 2 turns" in words
        and "adapted to 4 s of this voice" in words
    )
    assert words.count("adapted to") == 1
    assert (
        'aria-label="79 % of it happy, 21 % of it angry"' in summary and "79 % of it happy, 21 % of it angry" in words
    )
    assert (
        'title="First third: 70 % of it happy, 30 % of it angry"' in summary
        and 'title="Last third: does not speak"' in summary
    )
    assert summary.count("em-course") == 1  # Ben's two segments are no course


def test_what_a_recording_was_adapted_to():
    adapted = replace(timelines.conversation(), adapted={"source": 9, "speaker": 2})
    own = timeline_html(adapted, name="a")
    assert "Adapted to what this recording has in common, and to each voice in it." in own
    known = timeline_html(adapted, name="a", knows_source=True)
    assert "Knows this source from 9 utterances." in known and "has in common" not in known
    assert "has in common" not in timeline_html(timelines.conversation(), name="a")


def test_names_are_text_and_never_markup():
    name = '<b>"x"\'&amp;<script>'
    made = timelines.timeline(
        [timelines.segment(name, 0.0, 1.0), timelines.segment("Ben", 1.0, 2.0)], duration_s=2.0, file=""
    )
    page = Page(timeline_html(made, name="a.wav"))
    assert "script" not in page.tags and page.words.count(name) == 2  # the table and the summary
    everyone = timeline_html(timelines.odd_conversation(), name="a.wav")
    assert everyone.encode() and "script" not in Page(everyone).tags


@pytest.mark.slow
def test_two_hours_of_eight_speakers_stay_small():
    segments = [timelines.segment(f"speaker {n % 8}", 2.4 * n, 2.4 * n + 2.3) for n in range(3000)]
    shown = timeline_html(timelines.timeline(segments, duration_s=7200.0), name="a")
    links = sum(map(len, re.findall(r'data-content="([^"]+)"', shown)))
    assert len(shown) - links < 3_000_000


def test_a_long_timeline_lists_a_few_segments_until_a_person_asks_for_all():
    segments = [timelines.segment("Anna", 1.0 * n, 1.0 * n + 0.9) for n in range(13)]
    shown = timeline_html(timelines.timeline(segments, duration_s=13.0), name="a")
    rows = re.findall(r"<li( hidden)?><button", shown)
    assert rows == [""] * 12 + [" hidden"] and "Show all 13 segments" in shown
    assert "Show all" not in timeline_html(timelines.timeline(segments[:12], duration_s=13.0), name="a")


def test_shares_and_confidences_never_look_alike():
    shown = timeline_html(timelines.conversation(), name="call.wav")
    values = [Page(value).words for value in re.findall(r'<span class="em-value">.*?</span>', shown)]
    assert len(values) == 7 and {value for value in values if value} >= {"71 % sure", "80 % sure"}
    assert all(value.endswith("% sure") for value in values if value)
    legend = shown[shown.index('<ul class="em-legend"') : shown.index("</ul>", shown.index('<ul class="em-legend"'))]
    shares = [Page(item).words for item in re.findall(r"<li>.*?</li>", legend, re.DOTALL)]
    assert shares and all(re.search(r"\d:\d\d, [<\d ]+ % of the speech$", share) for share in shares)
