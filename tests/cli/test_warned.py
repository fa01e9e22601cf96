"""Warnings of libraries: one note at the end of a command, also for those of worker processes."""

import subprocess
import sys
import warnings

import pytest

from emotone.cli import train, warned
from emotone.errors import CorpusWarning, StoreWarning
from support.command_line import run


def test_many_warnings_are_one_note_at_the_end(experiment, monkeypatch):
    done = train.experiment.run

    def warn(config, progress=None, *, pool):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            for _ in range(5):
                warnings.warn("did not\nconverge", UserWarning, stacklevel=1)
            warnings.warn("constant data", RuntimeWarning, stacklevel=1)
        return done(config, progress, pool=pool)

    monkeypatch.setattr("emotone.experiment.run", warn)
    result = run("train", "my.csv", "--data", "d", "--out", "o")
    assert result.exit_code == 0 and result.stderr.splitlines() == [
        "warning: did not converge (5 times); and 1 other warning: constant data"
    ]


def test_without_warnings_there_is_no_note(capsys):
    shown = warnings.showwarning
    with warned.gathered():
        pass
    assert capsys.readouterr().err == "" and warnings.showwarning is shown


@pytest.mark.slow
def test_warnings_of_scikit_learn_in_a_process_are_one_note():
    script = """
import warnings
from sklearn.exceptions import ConvergenceWarning
from emotone.cli import warned
with warned.gathered():
    for fold in range(4):
        warnings.warn_explicit("it did not converge", ConvergenceWarning, "mlp.py", 1)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: it did not converge (4 times)\n"


def test_what_happens_to_the_store_is_a_note_of_its_own(capsys):
    with warned.gathered():
        warnings.warn("features.sqlite\x1b is damaged", StoreWarning, stacklevel=1)
        assert capsys.readouterr().err == "note: features.sqlite\\x1b is damaged\n"
    assert capsys.readouterr().err == ""


def test_what_is_left_out_of_a_corpus_is_noted_at_once_in_two_lines(capsys):
    with warned.gathered():
        warnings.warn("Left out 2 clips\nSay what they mean", CorpusWarning, stacklevel=1)
        assert capsys.readouterr().err == "note: Left out 2 clips\nnote: Say what they mean\n"
    assert capsys.readouterr().err == ""
