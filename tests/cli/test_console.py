"""The progress bar: where it is drawn, and when."""

import io
import sys

import pytest

from emotone.cli import console as output


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "quiet", "drawn"), [(Terminal(), False, True), (Terminal(), True, False), (io.StringIO(), False, False)]
)
def test_bar_is_drawn_on_terminals_alone(monkeypatch, stream, quiet, drawn):
    monkeypatch.setattr(sys, "stderr", stream)
    with output.ProgressBar(quiet=quiet) as progress:
        progress(1, 2, "fold [1] of 2")
    assert ("fold [1] of 2" in stream.getvalue()) == drawn
    assert (stream.getvalue() == "") != drawn


def test_bar_waits_for_its_delay(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with output.ProgressBar(delay_s=60.0) as progress:
        progress(1, 2, "quick")
    assert stream.getvalue() == ""


def test_a_log_gets_a_line_every_thirty_seconds(monkeypatch):
    stream, now = io.StringIO(), [100.0]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("emotone.cli.console.time.monotonic", lambda: now[0])
    with output.ProgressBar() as progress, output.ProgressBar(quiet=True) as silent:
        for second in range(65):
            now[0] = 100.0 + second
            progress(second, 100, f"fold\n{second}")
            silent(second, 100, "quiet")
    assert stream.getvalue() == "30 %: fold 30\n60 %: fold 60\n"


def test_names_in_lines_are_no_commands_to_a_terminal(capsys):
    output.print_lines("Page: a\x1b[2J[bold]b\nc/explore.html", "Model: d")
    assert capsys.readouterr().out == "Page: a\\x1b[2J[bold]b c/explore.html\nModel: d\n"


def test_rows_of_csv_are_no_formulas_and_no_commands_to_a_terminal(capsys):
    output.print_csv([["file", "score"], ["=1+1", -0.5], ["a\x1b[2J.wav", 0.5]])
    assert capsys.readouterr().out == "file,score\n'=1+1,-0.5\na\\x1b[2J.wav,0.5\n"
