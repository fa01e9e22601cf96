"""The summary of a run: score with its scope, leak, what was left out, worst confusions, confidence."""

from types import SimpleNamespace

import numpy as np
import pytest

from emotone.metrics import summary
from emotone.recognition import trust
from emotone.report.pages.brief import brief
from support import other_corpora

EMOTIONS = ["happy", "sad", "angry"]
DISJOINT = {"name": "speaker-6fold", "description": "words", "speaker_disjoint": True, "warning": ""}
LEAKING = {**DISJOINT, "speaker_disjoint": False, "warning": "WARNING: random split: 5 of 5 speakers are known"}


def metrics(confusion, *, protocol=DISJOINT, ece=0.03, **more):
    pairs = [(a, b) for a, row in enumerate(confusion) for b, clips in enumerate(row) for _ in range(clips)]
    truth, predicted = np.array(pairs).T
    scores = 0.1 + 0.7 * np.eye(3)[predicted]
    test = summary(truth, scores, emotions=EMOTIONS, speakers=[f"s{n % 5}" for n in range(len(truth))])
    return {"test": test | {"ece": ece}, "protocol": protocol, **more}


def texts(content):
    run = SimpleNamespace(metrics=content)
    return dict(brief(run, trust.of_run(content, where="metrics.json")))


ROWS = [[8, 1, 1], [0, 6, 4], [3, 0, 7]]


def test_the_summary_names_what_matters():
    found = texts(metrics(ROWS))
    assert list(found) == ["Score", "Leak", "Left out", "Worst confusions", "Confidence"]
    assert found["Score"].startswith("UAR 70.0 % (") and "guessing gives 33.3 %" in found["Score"]
    assert "on new speakers of the corpora it was trained on" in found["Score"]
    assert found["Score"].endswith("On corpora it was not trained on: not measured.")
    assert found["Leak"].startswith("None found")
    assert found["Left out"] == "Nothing: every clip of the chosen emotions and channel could be used."
    assert found["Worst confusions"] == "40 % of sad predicted as angry; 30 % of angry predicted as happy."


def test_a_leak_and_clips_that_were_left_out_are_named():
    left_out = [{"reason": "labelled 'fed up'", "clips": 20}, {"reason": "whose file is missing", "clips": 14}]
    found = texts(metrics(ROWS, protocol=LEAKING, left_out=left_out))
    assert found["Leak"] == "Yes: random split: 5 of 5 speakers are known. The score is too high for new speakers."
    assert found["Left out"] == "34 clips: 20 labelled 'fed up', 14 whose file is missing."
    assert "on speakers that may be in its training data" in found["Score"]


@pytest.mark.parametrize(
    ("ece", "verdict"),
    [(0.05, "Can be trusted"), (0.051, "A rough guide"), (0.1, "A rough guide"), (0.2, "Misleading")],
)
def test_confidence_is_judged_by_its_difference_from_accuracy(ece, verdict):
    text = texts(metrics(ROWS, ece=ece))["Confidence"]
    assert text.startswith(f"{verdict}: it differs from accuracy by {100 * ece:.1f} points")
    assert text.endswith("On corpora it was not trained on: not measured.")


def test_scores_on_other_corpora_are_given_where_they_were_measured():
    found = texts(metrics(ROWS, elsewhere=other_corpora.figures()))
    assert "On corpora it was not trained on: UAR 55" in found["Score"]
    assert "not measured" not in found["Score"] + found["Confidence"]


def test_without_an_error_there_is_no_confusion():
    assert texts(metrics([[9, 0, 0], [0, 9, 0], [0, 0, 9]]))["Worst confusions"].startswith("None")
