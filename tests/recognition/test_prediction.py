"""Predictions: ranking and labels."""

import numpy as np
import pytest

from emotone.recognition.prediction import Prediction


def test_ranking_is_by_probability():
    prediction = Prediction("sad", 0.6, {"neutral": 0.1, "happy": 0.3, "sad": 0.6}, 0.0, 1.0)
    assert prediction.ranking == ("sad", "happy", "neutral")


@pytest.mark.parametrize(
    ("threshold", "speech", "label", "emotion"),
    [
        (0.5, None, "sad", "sad"),
        (0.6, 0.5, "sad", "sad"),
        (0.7, 0.9, "unsure", None),
        (0.5, 0.4, "no speech", None),
    ],
)
def test_threshold_and_speech_decide_the_label(threshold, speech, label, emotion):
    prediction = Prediction.from_scores(
        ("happy", "sad"), np.array([0.4, 0.6]), start_s=1.0, end_s=2.0, speech=speech, threshold=threshold
    )
    assert (prediction.label, prediction.emotion, prediction.confidence) == (label, emotion, 0.6)
    assert prediction.scores == {"happy": 0.4, "sad": 0.6}
