"""Fixtures of the service's tests: a small model, its client, and a speech detector that goes by loudness."""

import numpy as np
import pytest

from emotone.recognition.recognizer import Recognizer
from support import handmade
from support.serving import client_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    scores = {"accuracy": 0.5, "uar": 0.4, "confusion": [[1]]}
    corpora = [{"name": "toy", "title": "Toy", "licence": "CC0", "url": "https://example.org", "commercial_use": True}]
    at = tmp_path_factory.mktemp("bundle") / "loudness"
    return handmade.write(at, scores=scores, training={"corpora": corpora, "note": ""})


@pytest.fixture(scope="module")
def recognizer(folder):
    return Recognizer(folder)


@pytest.fixture(scope="module")
def client(recognizer):
    with client_of(recognizer) as one:
        yield one


@pytest.fixture
def detector(monkeypatch):
    def loud(frame):
        return 0.9 if np.sqrt(np.mean(frame**2)) > 0.005 else 0.1

    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: loud)
