"""RTTM: what other programs write is read, and what is written is read by them."""

import io

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pyannote.core import Annotation, Segment
from pyannote.database.util import load_rttm

from emotone.errors import ConfigError
from emotone.recognition.rttm import Turn, parse, read, recording_id, recording_ids, to_rttm
from support.timelines import ODD_NAMES, conversation, odd_conversation, segment, timeline, timelines

NEMO = (
    "SPEAKER call 1   0.500   1.250 <NA> <NA> speaker_0 <NA> <NA>\n"
    "SPEAKER call 1   1.500   2.000 <NA> <NA> speaker_1 <NA> <NA>\n"
)
TURNS = (Turn("speaker_0", 0.5, 1.75), Turn("speaker_1", 1.5, 3.5))
#: Words that pandas, with which pyannote reads RTTM, takes for missing values.
PANDAS_MISSING = {"NA", "nan", "NaN", "null", "NULL", "None", "N/A", "n/a", "#N/A", "<NA>", "-nan", "-NaN", "#NA"}


def test_touching_segments_are_one_line_and_unknown_voices_have_a_name():
    assert to_rttm(conversation()) == (
        "SPEAKER my_call 1 0.500 2.500 <NA> <NA> Anna <NA> <NA>\n"
        "SPEAKER my_call 1 3.500 1.500 <NA> <NA> Ben <NA> <NA>\n"
        "SPEAKER my_call 1 5.000 1.000 <NA> <NA> unknown <NA> <NA>\n"
        "SPEAKER my_call 1 7.000 1.000 <NA> <NA> Anna <NA> <NA>\n"
    )


PATHS = st.lists(st.text("ab ./_", min_size=1, max_size=8), unique=True, max_size=6)


@settings(max_examples=200, deadline=None)
@given(files=PATHS)
@example(files=["a/a_b.wav", "b.wav", "a/b.wav", "c/b.wav", "a/b.mp3"])
@example(files=["a b.wav", "a_b.wav"])
@example(files=["a.b.wav", "./a.b.wav"])
def test_ids_of_several_recordings_are_never_the_same(files):
    """Two of the same id would be read as one recording with the turns of both."""
    ids = recording_ids(files)
    assert set(ids) == set(files) and len(set(ids.values())) == len(files)
    assert all(len(id.split()) == 1 for id in ids.values())


def test_recordings_of_the_same_name_are_read_back_by_their_paths():
    files = ["x/call.wav", "y/call.wav", "talk.wav"]
    ids = recording_ids(files)
    text = "".join(to_rttm(conversation(), recording=ids[file]) for file in files)
    text = text.replace("y_call 1 0.500", "y_call 1 0.250")
    assert [parse(text, recording=file)[0].start_s for file in files] == [0.5, 0.25, 0.5]
    with pytest.raises(ConfigError, match=r"x_call, y_call, talk"):
        parse(text, recording="z/call.wav")


def test_pyannote_reads_what_is_written(tmp_path):
    conversation().save(tmp_path / "call.rttm")
    annotation = load_rttm(str(tmp_path / "call.rttm"))["my_call"]
    assert annotation.labels() == ["Anna", "Ben", "unknown"]
    assert annotation.label_timeline("Anna") == Annotation.from_records(
        [(Segment(0.5, 3.0), 0, "Anna"), (Segment(7.0, 8.0), 1, "Anna")]
    ).label_timeline("Anna")


def test_pyannote_reads_odd_names():
    names = [name for name in ODD_NAMES if name != "<NA>"]
    made = timeline([segment(name, n, n + 1.0) for n, name in enumerate(names)], duration_s=100.0, file='"a b".wav')
    (annotation,) = load_rttm(io.StringIO(to_rttm(made))).values()
    assert annotation.uri == "'a_b'" and len(annotation.labels()) == len(names)
    assert {"Anna_B.", "Anna_B._2", "Anna_'A'", "v_Bob", "Zoë", "アンナ"} <= set(annotation.labels())


@settings(max_examples=60, deadline=None)
@given(timelines())
@example(odd_conversation())
@pytest.mark.slow
def test_written_turns_are_read_again(made):
    text = to_rttm(made)
    turns = parse(text, recording=made.file)
    again = timeline(
        [segment(turn.speaker, turn.start_s, turn.end_s) for turn in turns], duration_s=1.0, file=made.file
    )
    assert to_rttm(again) == text
    spoken = [each for each in made.segments if each.is_speech]
    lasting = [each for each in spoken if round(1000 * each.start_s) < round(1000 * each.end_s)]
    assert len({turn.speaker for turn in turns}) == len({each.speaker for each in lasting})
    assert sum(turn.end_s - turn.start_s for turn in turns) == pytest.approx(
        sum(each.end_s - each.start_s for each in lasting), abs=0.001 * len(lasting) + 1e-9
    )
    assume(turns and not PANDAS_MISSING & {turn.speaker for turn in turns} and recording_id(made.file) != "NA")
    (annotation,) = load_rttm(io.StringIO(text)).values()
    assert annotation.uri == recording_id(made.file)
    assert set(annotation.labels()) == {turn.speaker for turn in turns}


@pytest.mark.parametrize(
    "text",
    [
        NEMO,
        "\ufeff" + NEMO.replace("\n", "\r\n"),
        ";; made by hand\n\n" + NEMO.replace(" <NA>\n", "\n"),  # nine fields, as in the first edition of the format
        "SPKR-INFO call 1 <NA> <NA> <NA> unknown speaker_0 <NA> <NA>\n"
        + NEMO
        + "LEXEME call 1 0.5 0.2 oh lex Ann 0.9\n",
        NEMO + "SPEAKER call 1 9 0 <NA> <NA> speaker_2 <NA> <NA>\n",
        "".join(reversed(NEMO.splitlines(keepends=True))).replace(" ", "\t").replace("0.500", "5e-1"),
    ],
    ids=["nemo", "bom and crlf", "comments and nine fields", "other records", "no duration", "tabs, unordered"],
)
def test_files_of_other_programs_are_read(text, tmp_path):
    (tmp_path / "a.rttm").write_bytes(text.encode("utf-8"))
    assert read(tmp_path / "a.rttm", recording="other.wav") == TURNS == parse(text)


def test_pyannotes_own_files_are_read(tmp_path):
    annotation = Annotation(uri="call")
    annotation[Segment(0.5, 1.75)] = "speaker_0"
    annotation[Segment(1.5, 3.5)] = "speaker_1"
    with open(tmp_path / "a.rttm", "w", encoding="utf-8") as file:
        annotation.write_rttm(file)
    assert read(str(tmp_path / "a.rttm")) == TURNS


@pytest.mark.parametrize("text", ["", "\n", ";; nobody\n", "SPKR-INFO call 1 <NA> <NA> <NA> unknown A <NA> <NA>\n"])
def test_nobody_speaks(text):
    assert parse(text) == ()


def test_the_recording_is_chosen_by_its_name():
    text = NEMO + NEMO.replace("call", "my_call").replace("speaker", "s") + NEMO.replace("call", "Zo\u00eb.wav")
    assert parse(text, recording="/calls/call.wav") == TURNS
    assert {turn.speaker for turn in parse(text, recording="my call.flac")} == {"s_0", "s_1"}
    assert parse(text, recording="Zoe\u0308.wav") == TURNS
    for recording, why in (("third.wav", "not exactly one of them is named 'third'"), ("", "none was chosen")):
        with pytest.raises(ConfigError, match=rf"3 recordings \(call, my_call, Zoë\.wav\), and {why}.*rename"):
            parse(text, recording=recording)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("SPEAKER call 1 0.5", r"line 2 has 4 fields; expected 10.*add what is missing"),
        ("SPEAKER call 1 0.5 1 <NA> <NA> Anna Maria B. <NA> <NA>", r"line 2 has 12 fields.*names without spaces"),
        ("SPEAKER call 1 0,5 1 <NA> <NA> A <NA> <NA>", r"line 2: the start is '0,5'; expected seconds.*decimal point"),
        ("SPEAKER call 1 0.5 -1 <NA> <NA> A <NA> <NA>", r"line 2: the duration is '-1'; expected seconds from 0"),
        ("SPEAKER call 1 nan 1 <NA> <NA> A <NA> <NA>", r"line 2: the start is 'nan'"),
        ("SPEAKER call 1 1 1e999 <NA> <NA> A <NA> <NA>", r"line 2: the duration is '1e999'"),
        ("SPEAKER call 1 1_0 1 <NA> <NA> A <NA> <NA>", r"line 2: the start is '1_0'"),
        ("SPEAKER call 1 0.5 1 <NA> <NA> <NA> <NA> <NA>", r"line 2: the name of the speaker is <NA>.*add it"),
        ("speaker,start,end", r"line 2 begins with 'speaker,start,end', and no line begins with SPEAKER.*Give an RTTM"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(line, why, tmp_path):
    (tmp_path / "a.rttm").write_text(f";; comment\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"a\.rttm(:|,) {why}"):
        read(tmp_path / "a.rttm")


def test_files_that_are_no_text_are_an_error(tmp_path):
    (tmp_path / "a.rttm").write_bytes(b"SPEAKER \xff")
    with pytest.raises(ConfigError, match=r"not UTF-8 text \(byte 8\).*save the file as UTF-8"):
        read(tmp_path / "a.rttm")
    for path in (tmp_path / "missing.rttm", tmp_path):
        with pytest.raises(ConfigError, match=r"can't be read .*; give an RTTM file"):
            read(path)


@pytest.mark.parametrize(
    ("file", "expected"),
    [("a/b/my call.tar.wav", "my_call.tar"), ("", "recording"), ("-", "-"), ("<NA>.wav", "NA"), ("\n", "recording")],
)
def test_a_recording_has_an_id(file, expected):
    assert recording_id(file) == expected
