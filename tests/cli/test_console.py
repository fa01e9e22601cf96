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
