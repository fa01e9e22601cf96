"""Text of results: its numbers are those of the metrics, and a leak is named."""

import subprocess
import sys

import pytest

from emotone.report import text
from support.results import DISJOINT, LEAKING, WARNING, comparison_of_protocols, entry, result, row_of_protocols


def test_report_has_each_figure_and_the_protocol():
    told = text.classification_report(result([[8, 2], [5, 5]], speakers=10), protocol=DISJOINT)
    lines = told.splitlines()
    assert lines[0] == f"Protocol: {DISJOINT['description']}"
    assert "WARNING" not in told
    assert lines[2].startswith("UAR 65.0 % (95 % interval ") and lines[2].endswith("over speakers)")
    assert lines[3].startswith("Accuracy 65.0 %") and lines[4].startswith("Macro F1 64.2 %")
    assert lines[5] == "Expected calibration error 25.0 %, 20 clips"
    rows = [line.split() for line in lines[8:]]
    assert rows == [["neutral", "61.5", "80.0", "69.6", "10"], ["calm", "71.4", "50.0", "58.8", "10"]]


def test_report_warns_once_of_a_leak_on_a_line_of_its_own():
    told = text.classification_report(result([[8, 2], [5, 5]]), protocol=LEAKING)
    assert told.splitlines()[:2] == ["Protocol: random-80-20: 1 fold. Folds: drawn.", f"{WARNING}."]
    assert told.count("WARNING") == 1
    assert "over clips, so too narrow where speakers differ" in told


def test_report_says_which_emotion_is_not_counted():
    told = text.classification_report(result([[9, 0, 1], [0, 8, 2], [0, 0, 0]]), protocol=DISJOINT)
    assert "Not counted in the UAR, since the test has no clip of them: happy." in told
    assert ["happy", "-", "-", "-", "0"] in [line.split() for line in told.splitlines()]
    assert "UAR 85.0 %" in told


@pytest.mark.slow
def test_text_imports_no_plotting_and_plots_no_pyplot():
    code = (
        "import sys, emotone.report.text; assert 'matplotlib' not in sys.modules and 'pandas' not in sys.modules;"
        "import emotone.report.figures.style; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_headlines_name_the_best_model_and_the_leak_if_there_is_any():
    comparison = comparison_of_protocols()
    known, unseen = LEAKING["name"], DISJOINT["name"]
    assert text.headlines(comparison) == [
        f"Best of 2 models on unseen speakers: a, UAR 60.0 % ({unseen})",
        f"Leak: {known}, with known speakers, gives the same models +30.0 points of UAR",
    ]
    rows = [row_of_protocols("a", {unseen: 0.6}, best=True)]
    alone = {**comparison, "leaking": None, "rows": rows, "protocols": comparison["protocols"][:1]}
    assert text.headlines(alone) == [f"One model on unseen speakers: a, UAR 60.0 % ({unseen})"]


def test_voices_say_whether_training_contains_the_test_speakers():
    assert text.voices(entry(DISJOINT)) == "unseen speakers"
    assert text.voices(entry(LEAKING)) == "NOT speaker-disjoint, 24 of 24 speakers also in training"
    assert text.voices(entry(LEAKING, n_speakers=0)) == "NOT speaker-disjoint, speakers not named"
