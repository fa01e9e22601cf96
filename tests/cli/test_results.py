"""Tables of scores."""

import io

import numpy as np
import pytest
from rich.console import Console

from emotone import metrics
from emotone.cli import console as output
from emotone.cli import results


def test_table_of_an_adaptive_model_shows_which_clips_were_used():
    levels = {
        "0": "none",
        "30": "30 of the speaker",
        "neutral": "all neutral ones of the speaker",
        "all": "all of the speaker, and the clip itself",
        "source-20": "20 of the source",
        "5 in source-20": "5 of the speaker, 20 of the source",
    }
    rows = [{"level": level, "uar": 0.5 + 0.01 * n, "accuracy": 0.62} for n, level in enumerate(levels)]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(*results.adapted({"adapted": {"validation": [], "test": rows}}))
    head, *lines = console.export_text().rstrip().splitlines()
    assert head.split() == "adapted to clips UAR % accuracy %".split()
    assert [line.split() for line in lines] == [
        [*words.split(), f"{50 + n}.0", "62.0"] for n, words in enumerate(levels.values())
    ]
    assert results.adapted({}) == results.under_conditions({}) == []


@pytest.mark.parametrize(("n_clips", "is_few"), [(3, True), (49, True), (50, False)])
def test_scores_of_few_clips_are_said_to_be(n_clips, is_few):
    truth = np.arange(n_clips) % 2
    result = metrics.summary(truth, np.eye(2)[truth], emotions=("happy", "sad"), speakers=None, n_resamples=20)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(*results.scores(result))
    assert (f"Test clips: {n_clips}. These are few, so" in console.export_text()) == is_few


ROW = {"uar": 0.611, "low": 0.5, "high": 0.7, "accuracy": 0.622, "macro_f1": 0.593, "bundle_mb": 2.5}
NUMBERS = ["61.1", "50.0", "to", "70.0", "62.2", "59.3", "2.5", "21"]


def test_piped_tables_have_every_column_in_one_line(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    name = "a-model-with-a-long-name-" * 4
    output.console().print(results.comparison([{"model": name, "recognition_ms": 21.4, **ROW}]))
    head, row = capsys.readouterr().out.splitlines()
    assert row.split() == [name, *NUMBERS] and head.split()[-1] == "ms"


def test_long_names_do_not_cut_numbers_on_a_terminal():
    console = Console(width=80, record=True, file=io.StringIO(), force_terminal=True)
    console.print(results.comparison([{"model": "a-model-with-a-long-name-" * 2, "recognition_ms": 21.4, **ROW}]))
    _, row, *rest = console.export_text().splitlines()
    assert row.split()[1:] == NUMBERS and row.split()[0] + "".join(rest).replace(" ", "") == (
        "a-model-with-a-long-name-" * 2
    )
