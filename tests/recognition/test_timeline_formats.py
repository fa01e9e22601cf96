"""File formats of timelines, read by the libraries that know them; RTTM, TextGrid and ELAN have tests of their own."""

import csv
import html
import io
import json

import audformat
import numpy as np
import pandas as pd
import pysrt
import pytest
import webvtt
from hypothesis import example, given, settings

from emotone.errors import ConfigError
from emotone.formatting import csv_cell
from emotone.recognition.prediction import Prediction
from emotone.recognition.speaker_names import written_names
from emotone.recognition.timeline import Timeline
from emotone.recognition.timeline_formats import FORMATS, format_for
from support.timelines import EMOTIONS, conversation, odd_conversation, segment, timeline, timelines

few = settings(max_examples=60, deadline=None)


@pytest.fixture
def made():
    def one(emotion, start_s, end_s, share):
        rest = (1 - share) / 2
        scores = {name: share if name == (emotion or "sad") else rest for name in EMOTIONS}
        return Prediction(emotion, share, scores, start_s, end_s)

    segments = (one("happy", 0.5, 2.25, 0.8), one(None, 3600.0, 3661.5, 0.4))
    return Timeline(segments, 4000.0, EMOTIONS, np.zeros(10, np.float32))


def test_json_has_every_segment(made):
    found = json.loads(FORMATS["json"].write(made))
    assert set(found) == {
        *("duration_s", "spoken_s", "shares", "notes", "adapted", "speakers", "overlaps", "segments"),
    }
    assert found["duration_s"] == 4000.0 and found["spoken_s"] == 63.25
    first, second = found["segments"]
    assert first == {
        **{"start_s": 0.5, "end_s": 2.25, "emotion": "happy", "label": "happy", "confidence": 0.8, "speech": None},
        **{"notes": [], "adapted": {"source": 0, "speaker": 0}, "speaker": None},
        "scores": pytest.approx({"happy": 0.8, "sad": 0.1, "angry": 0.1}),
    }
    assert (second["emotion"], second["label"]) == (None, "unsure")


def test_csv_has_a_row_for_each_segment(made):
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"].write(made))))
    assert [row["label"] for row in rows] == ["happy", "unsure"]
    assert list(rows[0]) == ["start_s", "end_s", "emotion", "confidence", "label", "speech", *EMOTIONS, "speaker"]
    assert float(rows[0]["happy"]) == 0.8
    assert [row["emotion"] for row in rows] == ["happy", ""] and rows[0]["speech"] == ""
    assert [row["speaker"] for row in rows] == ["", ""]


def test_webvtt_is_what_players_read(made):
    assert FORMATS["vtt"].write(made) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.250\nhappy 80 %\n\n01:00:00.000 --> 01:01:01.500\nunsure\n"
    )


def test_srt_is_what_players_read(made):
    assert FORMATS["srt"].write(made) == (
        "1\n00:00:00,500 --> 00:00:02,250\nhappy 80 %\n\n2\n01:00:00,000 --> 01:01:01,500\nunsure\n"
    )


def test_audacity_reads_its_labels(made):
    assert FORMATS["audacity"].write(made) == "0.500000\t2.250000\thappy 80 %\n3600.000000\t3661.500000\tunsure\n"


def test_subtitles_and_labels_name_the_speaker():
    talk = conversation()
    vtt = FORMATS["vtt"].write(talk)
    assert "\n00:00:02.250 --> 00:00:03.000\n<v Anna>angry 71 %\n" in vtt
    assert "\n00:00:05.000 --> 00:00:06.000\nsad 80 %\n" in vtt  # an unknown voice has no tag
    srt = FORMATS["srt"].write(talk)
    assert "\n00:00:02,250 --> 00:00:03,000\nAnna: angry 71 %\n" in srt
    assert "\n00:00:05,000 --> 00:00:06,000\nsad 80 %\n" in srt
    labels = FORMATS["audacity"].write(talk).splitlines()
    assert labels[1] == "2.250000\t3.000000\tAnna: angry 71 %" and labels[3] == "5.000000\t6.000000\tsad 80 %"
    tagged = FORMATS["vtt"].write(timeline([segment("R&D <b>", 0, 1)], duration_s=1.0))
    assert tagged.endswith("\n<v R&amp;D &lt;b&gt;>happy 80 %\n")


def _lasting(made):
    """What a format in milliseconds holds: begin, end and the segment."""
    times = [(round(1000 * each.start_s), round(1000 * each.end_s), each) for each in made.segments]
    return [(begin, end, each) for begin, end, each in times if begin < end]


@few
@given(timelines())
@example(odd_conversation())
def test_webvtt_py_reads_the_voices(made):
    captions = webvtt.from_string(FORMATS["vtt"].write(made)).captions
    names = written_names(each.speaker for each in made.segments)
    times = [(_milliseconds(each.start), _milliseconds(each.end)) for each in captions]
    assert times == [(begin, end) for begin, end, _ in _lasting(made)]
    voices = [None if each.voice is None else html.unescape(each.voice) for each in captions]
    assert voices == [names.get(each.speaker) for _, _, each in _lasting(made)]
    assert [each.text.split(" ")[0] for each in captions] == [each.label.split()[0] for *_, each in _lasting(made)]


def _milliseconds(text):
    hours, minutes, seconds = text.split(":")
    return round(1000 * (3600 * int(hours) + 60 * int(minutes) + float(seconds)))


@few
@given(timelines())
@example(odd_conversation())
def test_pysrt_reads_the_subtitles(made):
    items = pysrt.from_string(FORMATS["srt"].write(made))
    names = written_names(each.speaker for each in made.segments)
    times = [(each.start.ordinal, each.end.ordinal) for each in items]
    assert times == [(begin, end) for begin, end, _ in _lasting(made)]
    for item, (*_, each) in zip(items, _lasting(made), strict=True):
        name = names.get(each.speaker)
        assert item.text.startswith((f"{name}: " if name else "").replace("<", "‹").replace(">", "›") + each.label)
        assert "<" not in item.text and "\n" not in item.text


@few
@given(timelines())
@example(odd_conversation())
def test_csv_and_audacity_have_a_line_for_each_segment(made):
    names = written_names(each.speaker for each in made.segments)
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"].write(made), newline="")))
    assert [row["speaker"] for row in rows] == [csv_cell(names.get(each.speaker, "")) for each in made.segments]
    assert FORMATS["csv"].write(made).count("\n") == 1 + len(rows)
    labels = FORMATS["audacity"].write(made).split("\n")[:-1]
    assert [line.count("\t") for line in labels] == [2] * len(made.segments)


def test_audformat_reads_its_table(tmp_path):
    made = conversation()
    made.save(tmp_path / "call.audformat.csv")
    table = audformat.utils.read_csv(tmp_path / "call.audformat.csv")
    assert audformat.is_segmented_index(table.index)
    assert list(table.columns) == ["speaker", "emotion", "label", "confidence"]
    assert table.index[1] == ("calls/my call.wav", pd.Timedelta(2.25, "s"), pd.Timedelta(3, "s"))
    assert table["speaker"].tolist()[:3] == ["Anna", "Anna", "Ben"] and pd.isna(table["speaker"].iloc[3])
    assert pd.isna(table["emotion"].iloc[2]) and table["label"].iloc[2] == "unsure"
    assert table["confidence"].iloc[1] == 0.71
    assert audformat.utils.duration(table) == pd.Timedelta(made.spoken_s, "s").round("us")


def test_audformat_has_days():
    made = timeline([segment("Anna", 90_000.5, 172_800.25)], duration_s=200_000.0)
    ((_, start, end),) = audformat.utils.read_csv(io.StringIO(FORMATS["audformat"].write(made))).index
    assert (start.total_seconds(), end.total_seconds()) == (90_000.5, 172_800.25)


@few
@given(timelines())
@example(odd_conversation())
@pytest.mark.slow
def test_audformat_reads_odd_names(made):
    text = FORMATS["audformat"].write(made)
    table = audformat.utils.read_csv(
        io.StringIO(text), as_dataframe=True, keep_default_na=False, dtype={"speaker": str}
    )
    assert audformat.is_segmented_index(table.index) and len(table) == len(made.segments)
    names = written_names(each.speaker for each in made.segments)
    assert table["speaker"].tolist() == [csv_cell(names.get(each.speaker, "")) for each in made.segments]
    starts = table.index.get_level_values("start").total_seconds()
    assert starts.tolist() == pytest.approx([each.start_s for each in made.segments], abs=1e-6)
    ends = table.index.get_level_values("end").total_seconds()
    assert ends.tolist() == pytest.approx([each.end_s for each in made.segments], abs=1e-6)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_every_format_writes_a_recording_without_speech(form, tmp_path):
    for duration_s in (0.0, 3.0):
        nothing = Timeline((), duration_s, EMOTIONS, np.zeros(0, np.float32))
        nothing.save(tmp_path / f"nothing{form.suffix}")
        assert (tmp_path / f"nothing{form.suffix}").read_bytes().decode("utf-8") == form.write(nothing)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_every_format_has_a_suffix_of_its_own(form):
    assert form.suffix.startswith(".") and "/" in form.media_type and form.label
    for path in (f"call{form.suffix}", f"a.b/call.csv{form.suffix}", f"CALL{form.suffix.upper()}"):
        assert format_for(path) is form
    with pytest.raises(ConfigError, match=r"call\.mp3: no timeline format has this suffix; expected \.json, .*\.eaf"):
        format_for("call.mp3")
