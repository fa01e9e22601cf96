"""The command ``report`` ends with a command to run next."""

from pathlib import Path

import pytest

from emotone.cli import report
from support.command_line import run


@pytest.mark.parametrize(
    ("corpora", "other"), [(["tess"], "ravdess"), (["ravdess", "/calls/my.csv"], "tess"), (["my.csv"], "ravdess")]
)
def test_next_is_to_test_the_model_on_a_corpus_that_it_was_not_trained_on(monkeypatch, corpora, other):
    config = {"corpora": corpora, "data": "my data"}
    monkeypatch.setattr(report, "run", lambda runs, out, progress: Path("runs.html"))
    monkeypatch.setattr("emotone.runs.folder.read", lambda folder: type("Run", (), {"config": config}))
    lines = run("report", "my run", "b").stdout.splitlines()
    assert lines == ["Page: runs.html", f"Next: emotone evaluate 'my run/model' {other} --data 'my data'"]
