"""Long recordings: where somebody speaks, what it sounds like from moment to moment, and the formats it is told in."""

import csv
import io
import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from emotone.audio import write_wav
from emotone.audio.speech_detector import VadSettings
from emotone.cli.main import app
from emotone.errors import AudioError, ConfigError
from emotone.recognition.prediction import Prediction
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.timeline import ENVELOPE_STEP_S, Timeline, TimelineSettings, timeline
from emotone.recognition.timeline_formats import FORMATS
from support import handmade

RATE = 16_000
EMOTIONS = ("happy", "sad", "angry")


def loud(frame):
    """A detector that can be worked out: what is not silent is speech."""
    return 0.9 if np.sqrt(np.mean(frame**2)) > 0.005 else 0.1


def by_level(sound):
    """A model that can be worked out: 0.1 is happy, 0.2 sad, 0.4 angry, and in between it is in between."""
    near = np.exp(-np.abs(np.array([0.1, 0.2, 0.4]) - np.abs(sound).mean()) * 40)
    return (near / near.sum()).astype(np.float32), 1.0


def level(value, seconds):
    return np.full(round(seconds * RATE), value, np.float32)


def told(*parts, answer=by_level, threshold=0.5, block_s=10.0, checks_speech=False, pad_s=0.0, **settings):
    sound = np.concatenate([level(*part) for part in parts])
    size = round(block_s * RATE)
    blocks = [sound[at : at + size] for at in range(0, len(sound), size)]
    settings = TimelineSettings(vad=VadSettings(pad_s=pad_s), **settings)
    given = {"emotions": EMOTIONS, "threshold": threshold, "checks_speech": checks_speech}
    return timeline(blocks, answer, settings=settings, probability=loud, **given)


def spans(found):
    return [(one.label, round(one.start_s, 1), round(one.end_s, 1)) for one in found.segments]


# ---- segments ----


def test_each_stretch_of_speech_is_a_segment_where_it_is():
    found = told((0, 2.0), (0.1, 2.0), (0, 2.0), (0.4, 5.0), (0, 1.0))
    assert [label for label, _, _ in spans(found)] == ["happy", "angry"]
    for (_, start, end), (first, last) in zip(spans(found), [(2, 4), (6, 11)], strict=True):
        assert (start, end) == pytest.approx((first, last), abs=0.1)
    assert found.duration_s == 12.0 and found.spoken_s == pytest.approx(7.0, abs=0.2)
    assert found.shares() == pytest.approx({"angry": 5 / 7, "happy": 2 / 7}, abs=0.02)
    assert list(found.shares()) == ["angry", "happy"]


def test_a_change_within_speech_parts_it_about_where_it_is():
    found = told((0.1, 8.0), (0.4, 8.0), window_s=2.0, step_s=0.5)
    assert [label for label, *_ in spans(found)][0] == "happy" and [label for label, *_ in spans(found)][-1] == "angry"
    last_happy = max(end for label, _, end in spans(found) if label == "happy")
    first_angry = min(start for label, start, _ in spans(found) if label == "angry")
    assert last_happy == pytest.approx(8.0, abs=1.0) and first_angry == pytest.approx(8.0, abs=1.0)
    starts, ends = [one.start_s for one in found.segments], [one.end_s for one in found.segments]
    assert starts[1:] == ends[:-1]  # nothing between them is left out


def test_windows_that_overlap_are_averaged():
    """Single windows that disagree don't cut a segment: that one in three is angry makes no moment angry."""
    calls = []

    def flickering(sound):
        calls.append(len(sound))
        scores = [0.2, 0.0, 0.8] if len(calls) % 3 == 2 else [0.9, 0.0, 0.1]
        return np.array(scores, np.float32), 1.0

    found = told((0.1, 20.0), answer=flickering, window_s=3.0, step_s=1.0)
    assert set(calls) == {3 * RATE} and len(calls) == 18
    assert [label for label, *_ in spans(found)] == ["happy"]
    assert found.segments[0].scores["happy"] == pytest.approx((0.9 + 0.9 + 0.2) / 3, abs=0.03)


def test_every_second_of_speech_is_in_one_segment_and_probabilities_sum_to_one():
    rng = np.random.default_rng(0)
    parts = [
        (value, float(seconds)) for value, seconds in zip([0.1, 0.2, 0.4] * 5, rng.uniform(0.5, 6, 15), strict=True)
    ]
    found = told(*parts, threshold=0.0)
    ends = [one.end_s for one in found.segments]
    assert [one.start_s for one in found.segments][1:] == ends[:-1]
    assert found.segments[0].start_s == 0 and ends[-1] == pytest.approx(found.duration_s, abs=0.2)
    for one in found.segments:
        assert sum(one.scores.values()) == pytest.approx(1, abs=1e-6)
        assert one.confidence == pytest.approx(one.scores[one.emotion], abs=1e-9)


@pytest.mark.parametrize("block_s", [0.3, 1.0, 7.7, 1000.0])
def test_how_the_recording_is_read_changes_nothing(block_s):
    parts = [(0, 1.3), (0.1, 4.0), (0, 0.9), (0.4, 3.3), (0.2, 2.0), (0, 2.0), (0.1, 0.7)]
    assert told(*parts, block_s=block_s) == told(*parts)
    np.testing.assert_array_equal(told(*parts, block_s=block_s).envelope, told(*parts).envelope)


def test_under_the_threshold_it_is_unsure_and_without_speech_no_speech():
    assert {label for label, *_ in spans(told((0.15, 5.0), threshold=0.9))} == {"unsure"}
    music = told((0.1, 5.0), answer=lambda sound: (by_level(sound)[0], 0.1), checks_speech=True)
    assert {label for label, *_ in spans(music)} == {"no speech"} and music.segments[0].speech == pytest.approx(0.1)
    assert music.segments[0].emotion is None


def test_where_nobody_speaks_there_are_no_segments():
    found = told((0, 5.0))
    assert found.segments == () and found.shares() == {} and found.spoken_s == 0 and found.duration_s == 5.0
    assert told((0.1, 5.0), answer=lambda sound: None).segments == ()  # too soft for any answer


def test_hours_take_no_more_memory_than_minutes():
    """What is kept of the sound is bounded; speech without an end is cut."""
    import tracemalloc

    def blocks(minutes):
        return (level(0.1, 10.0) for _ in range(6 * minutes))

    def peak(minutes):
        tracemalloc.start()
        timeline(
            blocks(minutes), by_level, emotions=EMOTIONS, threshold=0.5, checks_speech=False, probability=lambda _: 0.9
        )
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(12) < 1.2 * peak(3)


def test_the_envelope_has_the_peak_of_each_moment():
    found = told((0.1, 1.0), (0.4, 0.5), (0, 0.02))
    assert len(found.envelope) == round(1.5 / ENVELOPE_STEP_S) + 1
    np.testing.assert_allclose(found.envelope, [0.1] * 20 + [0.4] * 10 + [0.0], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"window_s": 0.1}, "window_s is 0.1"), ({"step_s": 4.0}, "step_s is 4.0"), ({"step_s": 0.0}, "step_s is 0.0")],
)
def test_settings_are_checked(settings, why):
    with pytest.raises(ConfigError, match=why):
        TimelineSettings(**settings)


# ---- formats ----


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
    assert set(found) == {"duration_s", "spoken_s", "shares", "segments"}
    assert found["duration_s"] == 4000.0 and found["spoken_s"] == 63.25
    first, second = found["segments"]
    assert first == {
        **{"start_s": 0.5, "end_s": 2.25, "emotion": "happy", "label": "happy", "confidence": 0.8, "speech": None},
        "scores": pytest.approx({"happy": 0.8, "sad": 0.1, "angry": 0.1}),
    }
    assert (second["emotion"], second["label"]) == (None, "unsure")


def test_csv_has_a_row_for_each_segment(made):
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"].write(made))))
    assert [row["label"] for row in rows] == ["happy", "unsure"]
    assert list(rows[0]) == ["start_s", "end_s", "label", "confidence", *EMOTIONS]
    assert float(rows[0]["happy"]) == 0.8


def test_webvtt_is_what_players_read(made):
    assert FORMATS["vtt"].write(made) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.250\nhappy 80 %\n\n01:00:00.000 --> 01:01:01.500\nunsure\n"
    )


def test_audacity_reads_its_labels(made):
    assert FORMATS["audacity"].write(made) == "0.500000\t2.250000\thappy 80 %\n3600.000000\t3661.500000\tunsure\n"


# ---- recognizer and command line ----


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


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_recognizer_tells_a_recordings_timeline(bundle, recording):
    heard = []
    found = Recognizer(bundle).timeline(recording, progress=lambda *told: heard.append(told[:2]))
    assert [label for label, *_ in spans(found)] == ["sad", "angry"]
    assert heard[-1] == (13, 13)
    with pytest.raises(AudioError):
        Recognizer(bundle).timeline(recording.with_name("none.wav"))


def test_timeline_hears_the_profile_of_the_speaker(tmp_path, recording):
    content = handmade.graph(optional=handmade.ADAPTS)
    recognizer = Recognizer(handmade.write(tmp_path / "relative", content=content, adapts=True))
    profile = recognizer.adapt([(handmade.tone(0.2), RATE)] * 3)
    plain, adapted = (recognizer.timeline(recording, profile=one).segments[-1] for one in (None, profile))
    assert adapted.scores["angry"] < plain.scores["angry"]


def test_command_prints_a_table(bundle, recording):
    result = run("timeline", recording, "--model", bundle)
    assert result.exit_code == 0
    assert re.search(r"0:01\.\d +0:06\.\d +sad ", result.output)
    assert "is speech: sad" in result.output


@pytest.mark.parametrize("format", ["json", "csv", "vtt", "audacity"])
def test_command_prints_the_formats(bundle, recording, format):
    result = run("timeline", recording, "--model", bundle, "--format", format)
    expected = Recognizer(bundle).timeline(recording)
    assert result.exit_code == 0
    if format == "json":
        assert json.loads(result.stdout) == [{"file": str(recording), **expected.to_dict()}]
    elif format == "csv":
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
        assert [row["label"] for row in rows] == ["sad", "angry"] and rows[0]["file"] == str(recording)
    else:
        assert result.stdout == (
            FORMATS["vtt"].write(expected) if format == "vtt" else FORMATS["audacity"].write(expected)
        )


def test_one_file_that_cant_be_read_costs_the_others_nothing(bundle, recording, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    result = run("timeline", tmp_path / "broken.wav", recording, "--model", bundle, "--format", "json")
    first, second = json.loads(result.stdout)
    assert result.exit_code == 1 and "error" in first and len(second["segments"]) == 2


def test_picture_is_drawn(bundle, recording, tmp_path):
    result = run("timeline", recording, "--model", bundle, "--picture", tmp_path / "call.png")
    assert result.exit_code == 0
    assert (tmp_path / "call.png").read_bytes().startswith(b"\x89PNG")


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


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["predict", "--timeline"], "emotone timeline FILE"),
        (["timeline", "--format", "srt"], "table|json|csv|vtt|audacity"),
        (["timeline", "--out", "x.mp3"], ".json, .csv, .vtt, .txt"),
        (["timeline", "--format", "vtt", "SECOND"], "one recording"),
        (["timeline", "--out", "x.vtt", "SECOND"], "one recording"),
        (["timeline", "--picture", "x.png", "SECOND"], "one recording"),
    ],
)
def test_options_that_do_not_go_together_are_an_error(bundle, recording, words, why):
    command, *words = [str(recording) if word == "SECOND" else word for word in words]
    result = run(command, recording, *words, "--model", bundle)
    said = " ".join((result.output + str(result.exception)).replace("│", " ").split())
    assert result.exit_code != 0 and why in said


@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        (["--out", "a.csv", "--save-profile", "a.csv", "--adapt-to", "SELF"], "which is the file of --out"),
        (["--out", "a.csv", "--picture", "b.jpg"], "ends in .png"),
        (["--out", "nowhere/a.csv"], "a folder that exists"),
        (["--out", "SELF.txt"], "which is a recording"),
    ],
)
def test_outputs_that_replace_one_another_or_the_recording_are_refused_at_once(
    bundle, recording, tmp_path, monkeypatch, outputs, why
):
    monkeypatch.chdir(tmp_path)
    named = tmp_path / "SELF.txt"
    named.write_bytes(recording.read_bytes())
    words = [str(named) if word == "SELF" else word for word in outputs]
    before = sorted(path.name for path in tmp_path.iterdir())
    result = run("timeline", named, "--model", bundle, *words)
    assert result.exit_code == 2 and why in " ".join(result.output.replace("│", " ").split())
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert named.read_bytes() == recording.read_bytes()


def test_timeline_is_saved_in_the_format_of_the_suffix(bundle, recording, tmp_path):
    result = run("timeline", recording, "--model", bundle, "--out", tmp_path / "call.vtt")
    assert result.exit_code == 0, result.output
    written = (tmp_path / "call.vtt").read_text(encoding="utf-8")
    expected = Recognizer(bundle).timeline(recording)
    assert written == FORMATS["vtt"].write(expected)
    expected.save(tmp_path / "call.json")
    assert json.loads((tmp_path / "call.json").read_text(encoding="utf-8")) == expected.to_dict()
    expected.save(tmp_path / "call.srt", format="csv")
    assert (tmp_path / "call.srt").read_text(encoding="utf-8") == FORMATS["csv"].write(expected)
    with pytest.raises(ConfigError, match=r"call\.wav: no timeline format"):
        expected.save(tmp_path / "call.wav")
