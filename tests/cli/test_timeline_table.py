"""Timelines as tables in the terminal."""

import re

import pytest
from rich.cells import cell_len

from emotone.cli.timeline_table import print_tables
from support.timelines import conversation, segment, timeline


@pytest.fixture
def printed(capsys, monkeypatch):
    """Print a timeline on so many columns, and return the lines."""

    def of(made, *, columns):
        monkeypatch.setattr("emotone.cli.console.console", lambda *, width=None: _console(columns))
        print_tables([("call.wav", made)], threshold=0.44, is_automatic=False)
        return capsys.readouterr().out.splitlines()

    return of


def _console(columns):
    from rich.console import Console

    return Console(width=columns, highlight=False)


def test_segments_and_summaries_name_the_speakers(printed):
    lines = printed(conversation(), columns=100)
    assert lines[1].split() == ["from", "to", "speaker", "emotion", "confidence"]
    rows = [re.split(r" {2,}", line.strip()) for line in lines]
    assert rows[3][:4] == ["0:02.2", "0:03.0", "Anna", "angry"]
    assert rows[5][:4] == ["0:05.0", "0:06.0", "unknown", "sad"]
    assert rows[8] == ["0:09.0", "0:09.5", "no speech"]
    assert "and for 0:00.5 several people speak at once: happy 42 %" in lines[9].replace("\xa0", " ")
    summary = lines.index(next(line for line in lines if line.startswith("speaker")))
    assert rows[summary] == ["speaker", "talk time", "share", "turns", "main emotions", "adapted to"]
    found = [[cell.replace("\xa0", " ") for cell in row] for row in rows[summary + 1 : summary + 4]]
    assert found == [
        ["Anna", "0:03.5", "70 %", "2", "happy 79 %, angry 21 %", "4 s"],
        ["Ben", "0:01.5", "30 %", "2", "unsure 100 %"],
        ["unknown", "0:01.0", "sad 100 %"],
    ]


def test_nothing_is_said_of_speakers_where_there_are_none(printed):
    lines = printed(timeline([segment(None, 0.5, 2.0)], duration_s=3.0), columns=100)
    assert lines[1].split() == ["from", "to", "emotion", "confidence"]
    assert not any("speaker" in line or "unknown" in line for line in lines)
    assert any("no speech" in line for line in printed(timeline([], duration_s=3.0), columns=100))


def test_long_wide_and_odd_names_fit_into_80_columns(printed):
    speakers = [
        "A long name with a number 1",
        "A long name with a number 2",
        "アンナ・マリア・フェルナンデス",
        "[b]\x1b[31m",
        "",
    ]
    made = timeline(
        [
            segment(speaker, 3600 + 100 * number + 10 * part, 3600 + 100 * number + 10 * part + 10, emotion=emotion)
            for number, speaker in enumerate(speakers)
            for part, emotion in enumerate(["happy", "sad", "angry", None])
        ],
        duration_s=7200.0,
        adapted_s={speakers[0]: 30.0},
    )
    lines = printed(made, columns=80)
    assert max(map(cell_len, lines)) <= 80
    text = "\n".join(lines)
    for name in ("A long na…number 1", "A long na…number 2", "アンナ", "[b] [31m", "unnamed"):
        assert len(re.findall(re.escape(name), text)) >= 5  # four segments, and the summary
    assert "\x1b[31m" not in text
    assert not any(line.rstrip().endswith("…") for line in lines)


def test_adaptation_to_the_recording_is_counted_in_windows_and_that_to_profiles_in_utterances(monkeypatch, capsys):
    monkeypatch.setattr("emotone.cli.console.console", lambda *, width=None: _console(100))
    one = timeline([segment(None, 0.5, 2.0)], duration_s=3.0)
    many = conversation()
    for made, is_automatic, expected in (
        (one, True, "adapted to 13 windows of the source; --adapt none leaves it out"),
        (one, False, "adapted to 13 utterances of the source"),
        (many, True, "adapted to 13 windows of the source and to each speaker; --adapt none leaves it out"),
    ):
        counts = {"source": 13, "speaker": 2 if made is many else 0}
        print_tables([("a.wav", made.with_adapted(counts))], threshold=0.4, is_automatic=is_automatic)
        assert expected in capsys.readouterr().out.splitlines()
