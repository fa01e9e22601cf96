"""The progress bar: where it is drawn, and when."""

import io
import sys
import warnings

import pytest

from emotone.cli import console as output
from emotone.errors import StoreWarning


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


def test_what_happens_to_the_store_is_a_note_and_other_warnings_are_as_before(capsys):
    with pytest.warns(UserWarning, match="another") as others, output.warnings_as_notes():
        warnings.warn("features.sqlite\x1b is damaged", StoreWarning, stacklevel=1)
        warnings.warn("another", UserWarning, stacklevel=1)
    assert capsys.readouterr().err == "note: features.sqlite\\x1b is damaged\n"
    assert [str(warning.message) for warning in others] == ["another"]
