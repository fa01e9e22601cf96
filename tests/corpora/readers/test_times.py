"""Times of manifests: every usual form is read, and no other is guessed."""

import math
from pathlib import Path

import pytest

from emotone.corpora.readers._table_file import read_table_file
from emotone.corpora.readers._times import Times
from emotone.errors import CorpusError


def segments(folder: Path, text: str, *, name: str = "calls.csv") -> list[tuple[float, float]]:
    """Read the segments of a table; -1 is the end of the file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    table = read_table_file(path)
    times = Times(table)
    found = [times.segment(line, cells) for line, cells in table.rows]
    return [(round(start_s, 9), -1.0 if math.isnan(end_s) else round(end_s, 9)) for start_s, end_s in found]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.5", 0.5),
        ("0,5", 0.5),
        (",5", 0.5),
        ("2", 2.0),
        ("12,75", 12.75),
        ("0,500", 0.5),
        ("1234,567", 1234.567),
        ("1.234,5", 1234.5),
        ("1,234.5", 1234.5),
        ("5e-1", 0.5),
        ("1.5 s", 1.5),
        ("1500ms", 1.5),
        ("00:00:01,500", 1.5),
        ("00:00:01.500", 1.5),
        ("1:02:03", 3723.0),
        ("01:30.25", 90.25),
        ("90:00", 5400.0),
        ("0 days 00:00:01.5", 1.5),
        ("1 day 00:00:01", 86401.0),
        ("P0DT0H0M1.500000000S", 1.5),
        ("NaT", 0.0),
        ("", 0.0),
    ],
)
def test_forms_of_a_time(tmp_path: Path, text: str, seconds: float) -> None:
    assert segments(tmp_path, f"file;start\na.wav;{text}\n") == [(seconds, -1.0)]
    assert segments(tmp_path, f'file,start\na.wav,"{text}"\n') == [(seconds, -1.0)]


@pytest.mark.parametrize(
    "text", ["soon", "inf", "1:60", "0:61:00", "1:2:3:4", "00:00:01;12", "1,5,2", "1 500", "5 min", "1'000", "1,", "-"]
)
def test_other_texts_are_an_error_with_file_line_column_and_remedy(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        CorpusError, match=r"line 3 of '.*calls.csv', column 'End': time .* is not understood; expected "
    ):
        segments(tmp_path, f'file,End\na.wav,1\na.wav,"{text}"\n')


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("start,end", "1,2", (1.0, 2.0)),
        ("begin,stop", "1,2", (1.0, 2.0)),
        ("t_start,t_end", "1,2", (1.0, 2.0)),
        ("Onset,Offset", "1,2", (1.0, 2.0)),
        ("offset,duration", "1,2", (1.0, 3.0)),
        ("start,length", "1,2", (1.0, 3.0)),
        ("duration", "2", (0.0, 2.0)),
        ("start_ms,end_ms", "1500,2000", (1.5, 2.0)),
        ("startMs,endMs", "1500,2000", (1.5, 2.0)),
        ("start (ms),duration [s]", "1500,2", (1.5, 3.5)),
        ("start_time,end_time", "1,2", (1.0, 2.0)),
        ("StartTime,EndTime", "1,2", (1.0, 2.0)),
        ("starttime,endtime", "1,2", (1.0, 2.0)),
        ("begin_time_s,segment_end", "1,2", (1.0, 2.0)),
        ("start_ms,end", "1500,2.5", (1.5, 2.5)),
        ("start_ms", "0:01.5", (1.5, -1.0)),
        ("start,end,duration", "1,3,2.01", (1.0, 3.0)),
        ("start,end,duration", "1,,2", (1.0, 3.0)),
        ("from,to", "anna,ben", (0.0, -1.0)),
        ("date,time", "x,14h", (0.0, -1.0)),
        ("gender,age", "f,30", (0.0, -1.0)),
    ],
)
def test_names_of_columns(tmp_path: Path, header: str, cells: str, expected: tuple[float, float]) -> None:
    assert segments(tmp_path, f"file,{header}\na.wav,{cells}\n") == [expected]


@pytest.mark.parametrize(
    ("header", "cells", "message"),
    [
        ("onset_frames", "100", "column 'onset_frames' of .* looks like a time .'100' in line 2.*rename the column"),
        ("start_sample", "100", "column 'start_sample' .* its name is not understood"),
        ("startframe", "100", "column 'startframe' .* its name is not understood"),
        ("time", "0:01", "column 'time' .* its name is not understood"),
        ("from,to", "1,2", "column 'from' .* its name is not understood"),
        ("offset,end", "1,2", "column 'offset' .* can be the start or the end of a segment"),
        ("start,begin", "1,2", "has two columns of starts, 'start' and 'begin'"),
        ("start,end,duration", "1,3,4", "line 2 of .*the end is 3 s, and start . duration is 5 s"),
        ("start", '"1,500"', r"line 2 of .*, column 'start': '1,500' can be 1.500 or 1500; write the number without"),
        ("start_ms", '"1,500"', "can be 1.500 or 1500"),
    ],
)
def test_what_is_not_sure_is_an_error(tmp_path: Path, header: str, cells: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        segments(tmp_path, f"file,{header}\na.wav,{cells}\n")


def test_other_numbers_of_the_table_decide_what_a_sign_means(tmp_path: Path) -> None:
    assert segments(tmp_path, 'file,start,end\na.wav,"0,5","1,500"\n') == [(0.5, 1.5)]
    assert segments(tmp_path, "file;start;end\na.wav;0,5;1,500\n") == [(0.5, 1.5)]
    assert segments(tmp_path, "file;start;end\na.wav;1,250;1,500\n") == [(1.25, 1.5)]
    assert segments(tmp_path, 'file,start,end\na.wav,0.5,"1,234.5"\nb.wav,0.5,"1,500"\n')[1] == (0.5, 1500.0)
    assert segments(tmp_path, "file,start_ms,end_ms\na.wav,250.125,500.250\n") == [(0.250125, 0.50025)]
    with pytest.raises(CorpusError, match=r"'1,500' can be"):
        segments(tmp_path, "file;start;end\na.wav;0.5;1,500\n")
    with pytest.raises(CorpusError, match=r"'1.500' can be"):
        segments(tmp_path, "file;start;end\na.wav;0,5;1.500\n")
    with pytest.raises(CorpusError, match=r"'1.500' can be"):
        segments(tmp_path, "file;start_ms\na.wav;1.500\n")
