"""Tables of scores."""

import io

from rich.console import Console

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
