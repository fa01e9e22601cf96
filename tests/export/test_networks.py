"""Bundles of networks give the probabilities of their pipelines."""

import numpy as np
import pytest
import torch
from sklearn.pipeline import Pipeline

from emotone import metrics
from emotone.errors import ExportError
from emotone.export import bundle as export
from emotone.export.pipelines import to_onnx
from emotone.features.base import Extractor
from emotone.features.columns import FeatureColumn, plain
from emotone.features.graph import extractor_graph
from emotone.models.deep.classifier import NeuralClassifier
from emotone.recognition.recognizer import Recognizer
from support.toy_frames import N_COLUMNS, built, classifier, toy

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair() -> NeuralClassifier:
    """Two members, labels with gaps."""
    return classifier(n_members=2).fit(*toy(labels=(2, 5, 7)))


class Bands(Extractor):
    """Log energies of 24 bands, as many frames as real extractors give; quick to export."""

    name = "bands"
    is_sequence = True

    def __init__(self) -> None:
        super().__init__()
        phase = 2 * np.pi * np.geomspace(80, 3000, N_COLUMNS)[:, None] / 16_000 * np.arange(400)
        kernels = np.stack([np.cos(phase), np.sin(phase)], axis=1) * np.hanning(400)
        self.register_buffer("kernels", torch.tensor(kernels.reshape(-1, 1, 400), dtype=torch.float32))

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        return plain(*(f"band{band}" for band in range(N_COLUMNS)))

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        filtered = torch.nn.functional.conv1d(waveform[:, None] / waveform.std(), self.kernels, stride=256, padding=200)
        return torch.log(filtered.reshape(1, N_COLUMNS, 2, -1).square().sum(2) + 1e-4).transpose(1, 2)


@pytest.fixture(scope="module")
def bands() -> tuple[Bands, bytes]:
    extractor = Bands()
    return extractor, extractor_graph(extractor).SerializeToString()


@pytest.fixture(scope="module")
def voices(make_voice):
    """Forty-eight clips of 0.2 to 1.2 s whose class is their pitch, as frames, and their classes."""
    extractor, X = Bands(), np.empty(48, dtype=object)
    for number in range(48):
        voice = make_voice(seconds=0.2 + number / 48, pitch_hz=110 + 90 * (number % 3), seed=number)
        X[number] = extractor.extract(torch.from_numpy(voice)).numpy()
    assert min(len(frames) for frames in X) == 13
    return X, np.arange(48) % 3


def told(**changes):
    corpus = {
        "name": "toy",
        "title": "Toy",
        "clips": 48,
        "speakers": 1,
        "licence": "not known",
        "commercial_use": False,
    }
    return {
        "name": "a test",
        "emotions": ("neutral", "happy", "angry"),
        "model": "any",
        "protocol": {"name": "none", "words": "none", "speaker_disjoint": False},
        "scores": {"uar": 0.5, "intervals": {"uar": {"low": 0.4, "high": 0.6}}},
        "training": {"corpora": [corpus], "note": "all clips"},
        **changes,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n_members", "width"),
    [("cnn-bilstm", 1, 384), ("lstm", 1, 128), ("cnn1d", 2, 2 * 512), ("cnn2d", 1, 128 * 3), ("resnet", 1, 256)],
)
def test_a_bundle_gives_the_pipelines_probabilities_for_any_length(
    tmp_path, bands, voices, make_voice, name, n_members, width
):
    extractor, graph = bands
    pipeline = built(name, n_members=n_members, averaging=0.5).fit(*voices)
    out = export.write_bundle(
        pipeline, extractor, card=told(model=name), out=tmp_path / "bundle", temperature=1.7, graph=graph
    )
    recognizer = Recognizer(out)
    answers = []
    for number, seconds in enumerate((0.2, 1.01, 3.3)):
        voice = make_voice(seconds=seconds, pitch_hz=130 + 60 * number, seed=100 + number)
        frames = extractor.extract(torch.from_numpy(voice)).numpy()
        expected = metrics.apply_temperature(pipeline.predict_proba([frames]), 1.7)[0]
        scores, embedding = recognizer.run(voice)
        np.testing.assert_allclose(scores, expected, atol=1e-4)
        with torch.inference_mode():
            seen = pipeline[-1].inference_module()(torch.from_numpy(frames)[None])[1][0].numpy()
        np.testing.assert_allclose(embedding, seen, atol=1e-3)
        answers.append(scores)
    assert np.ptp(answers, axis=0).max() > 1e-3
    card = recognizer.card
    assert card["embedding"] == width == embedding.size
    assert (card["features"], card["extractor"]["sequence"], card["model"]) == (N_COLUMNS, True, name)
    assert card["calibration"]["greatest_difference"] < 1e-4
    prediction = recognizer.predict((voice, 16_000))
    assert list(prediction.scores) == ["neutral", "happy", "angry"]
    assert recognizer.embedding((voice, 16_000)).shape == (width,)


def test_networks_are_exported_with_their_own_extractor_only(pair):
    with pytest.raises(ExportError, match="frames of 24 values, not of 120"):
        to_onnx(Pipeline([("classifier", pair)]), 120)
