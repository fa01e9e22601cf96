"""The picture of a timeline with speakers."""

import warnings

import pytest
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_hex

from emotone.palette import colour_of
from emotone.report.figures.style import save
from emotone.report.figures.timeline import timeline_picture
from support.figure_words import has_white_edges, words
from support.timelines import EMOTIONS, ODD_NAMES, conversation, segment, timeline

pytestmark = pytest.mark.slow


def lanes(figure):
    """Name -> axes of each lane, from the top."""
    found = {}
    for axes in figure.axes:
        if any(isinstance(each, PatchCollection) for each in axes.collections):
            found[axes.texts[0].get_text()] = axes
    return found


def bars(axes):
    """Begin, end, height and colour of each bar of a lane."""
    (boxes,) = (each for each in axes.collections if isinstance(each, PatchCollection))
    corners = [path.vertices for path in boxes.get_paths()]
    colours = [to_hex(colour).upper() for colour in boxes.get_facecolors()]
    return [
        (*(box[:, 0].min(), box[:, 0].max(), box[:, 1].max()), colour)
        for box, colour in zip(corners, colours, strict=True)
    ]


def meeting(speakers, *, duration_s, segment_s):
    """The speakers in turn, each with the next emotion."""
    n = int(duration_s / segment_s)
    return timeline(
        [
            segment(
                speakers[number % len(speakers)],
                number * segment_s,
                (number + 0.9) * segment_s,
                emotion=(*EMOTIONS, None)[number // len(speakers) % 4],
                confidence=0.4 + 0.6 * (number % 7) / 7,
            )
            for number in range(n)
        ],
        duration_s=duration_s,
        overlaps=[((number + 0.92) * segment_s, (number + 0.98) * segment_s) for number in range(0, n, 5)],
    )


def test_each_speaker_has_a_lane_with_emotion_as_colour_and_confidence_as_height():
    talk = conversation()
    figure = timeline_picture(talk, name="call.wav")
    found = lanes(figure)
    assert list(found) == ["Anna", "Ben", "unknown"]
    for name, speaker in (("Anna", "Anna"), ("Ben", "Ben"), ("unknown", None)):
        own = [each for each in talk.segments if each.speaker == speaker and (speaker or each.is_speech)]
        least_s = talk.duration_s / 1000
        expected = [
            (each.start_s, max(each.end_s, each.start_s + least_s), each.confidence, colour_of(each.label).upper())
            for each in own
        ]
        assert bars(found[name]) == [(*map(pytest.approx, each[:3]), each[3]) for each in expected]
        assert found[name].get_xlim() == (0, 12.0) and found[name].get_ylim() == (0, 1)
        (hatched,) = found[name].patches
        assert hatched.get_hatch() and (hatched.get_x(), hatched.get_width()) == (6.25, 0.5)


def test_the_summary_is_beside_the_lanes():
    shown = words(timeline_picture(conversation(), name="call.wav"))
    for text in ("call.wav: happy 42 %", "0:04 (70 %), 2 turns", "happy 79 %, angry 21 %", "unsure 100 %"):
        assert text in shown


@pytest.mark.parametrize(
    ("duration_s", "segment_s", "n_speakers", "said"),
    [
        (3.0, 0.5, 2, "minutes:seconds"),
        (60.0, 2.5, 8, "minutes:seconds"),
        (7200.0, 30.0, 8, "hours:minutes:seconds"),
        (7200.0, 4.0, 8, "hours:minutes:seconds; each bar is the main emotion in 40 s"),
    ],
)
def test_short_and_long_recordings_are_readable(duration_s, segment_s, n_speakers, said, tmp_path):
    speakers = [f"A long name of speaker {number}" for number in range(n_speakers)]
    figure = timeline_picture(meeting(speakers, duration_s=duration_s, segment_s=segment_s), name="meeting.wav")
    save(figure, tmp_path / "a.png")
    assert has_white_edges(tmp_path / "a.png")  # no name is cut off
    found = lanes(figure)
    assert list(found) == [f"A long na…peaker {number}" for number in range(n_speakers)]
    assert said == figure.axes[-2].get_xlabel()
    ticks = [tick.get_text() for tick in figure.axes[-2].get_xticklabels()]
    assert 4 <= len(ticks) <= 13 and len(set(ticks)) == len(ticks)
    widths = [(end - begin) / duration_s for lane in found.values() for begin, end, *_ in bars(lane)]
    assert min(widths) >= 1 / 1000 - 1e-9 and max(map(len, map(bars, found.values()))) <= 250
    renderer = figure.canvas.get_renderer()
    right = max(text.get_window_extent(renderer).x1 for axes in figure.axes for text in axes.texts)
    assert right <= figure.bbox.x1


def test_a_bar_of_a_long_recording_is_the_main_emotion_of_its_time():
    talk = timeline(
        [
            segment("A", 0, 10, emotion="sad", confidence=0.5),
            segment("A", 10, 13, emotion="angry", confidence=0.9),
            segment("A", 14, 24, emotion="sad", confidence=0.7),
            segment("A", 3000, 3001, emotion="happy", confidence=0.9),
        ],
        duration_s=7200.0,
    )
    first, second = bars(lanes(timeline_picture(talk, name="call.wav"))["A"])
    assert first == (0, pytest.approx(23), pytest.approx(0.6), colour_of("sad").upper())
    assert second == (3000, pytest.approx(3020), pytest.approx(0.9), colour_of("happy").upper())


def test_odd_names_are_drawn(tmp_path):
    figure = timeline_picture(meeting([*ODD_NAMES, None], duration_s=120.0, segment_s=2.0), name="a\nb.wav")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # letters that no font has draw a box, and say nothing
        save(figure, tmp_path / "a.png")
    assert len(lanes(figure)) == len(ODD_NAMES) + 1
