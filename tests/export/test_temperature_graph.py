"""The temperature inside the graph: what `Adapter.scores` gives, at any distance and number of known clips."""

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from emotone.export.compose import compose
from emotone.export.pipelines import to_onnx
from emotone.recognition import adaptation
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.runtime import open_session
from emotone.recognition.temperature import Temperature
from support.toy_speakers import N_COLUMNS, classifier, given_of, toy

pytestmark = pytest.mark.slow

RISING = Temperature(1.6, 0.7, 0.5)


@pytest.fixture(scope="module")
def fitted():
    """Two members, their graph, and the adapter of their training clips."""
    X, y, speakers = toy(96)
    model = classifier(n_members=2).fit(X, y, extras={"speakers": speakers})
    names = [str(name) for name in speakers]
    adapter = adaptation.fitted(model.heads(), model.embed(X), labels=y, speakers=names, corpora=["a"] * 96)
    return model, to_onnx(Pipeline([("classifier", model)]), N_COLUMNS), adapter


def session(graph, temperature, adapter):
    model = compose(None, graph, temperature=temperature, n_features=N_COLUMNS, properties={}, adapter=adapter)
    return model, open_session(model.SerializeToString())


def clips_at_distances():
    """Clips that are more and more unlike those of training."""
    clip = toy(96)[0][0]
    return [(clip + away).astype(np.float32) for away in (0.0, 3.0, 6.0, 12.0)]


def test_scores_are_those_of_the_adapter(fitted):
    model, graph, adapter = fitted
    _, opened = session(graph, RISING, adapter)
    distances, differences = [], []
    for clip in clips_at_distances():
        embedding = model.embed([clip])
        distances += list(adapter.distance(embedding))
        mean = model.embed(toy(8, seed=5)[0]).mean(axis=0)
        for n_clips in (0, 1, 3, 20, 5000):
            profile = SpeakerProfile(mean=tuple(mean.tolist()), n_clips=n_clips, model="0" * 64)
            inputs = {"features": clip[None], **(profile.inputs() if n_clips else {})}
            (found,) = opened.run(["scores"], inputs)
            expected = adapter.scores(embedding, profile if n_clips else None, temperature=RISING)
            np.testing.assert_allclose(found, expected, atol=2e-5)
            plain = adapter.scores(embedding, profile if n_clips else None, temperature=Temperature())
            differences.append(np.abs(found - plain).max())
    assert distances == sorted(distances) and distances[-1] > 2 * distances[0]
    assert np.median(differences) > 0.01  # the temperature makes a difference


def test_constant_temperature_needs_no_distance(fitted):
    model, graph, adapter = fitted
    constant, opened = session(graph, Temperature(0.7, adapted=0.7), adapter)
    assert "temperature/whitener" not in {each.name for each in constant.graph.initializer}
    for clip in clips_at_distances():
        (found,) = opened.run(["scores"], {"features": clip[None]})
        powers = model.predict_proba([clip]) ** (1 / 0.7)
        np.testing.assert_allclose(found, powers / powers.sum(), atol=2e-5)


def test_without_an_adapter_it_goes_by_the_known_clips_alone(fitted):
    model, graph, _ = fitted
    _, opened = session(graph, RISING, None)
    for clip in clips_at_distances():
        embedding = model.embed([clip])
        for n_clips in (0, 2, 50):
            known = {"speaker": np.ones_like(embedding), "heard": np.array([n_clips], np.float32)}
            (found,) = opened.run(["scores"], {"features": clip[None], **known})
            divisor = RISING.at(np.ones(1), share=n_clips / (n_clips + 2))
            powers = model.adapted_proba(embedding, **given_of(np.ones(embedding.shape[1]), n_clips, 1)) ** (
                1 / divisor
            )
            np.testing.assert_allclose(found, powers / powers.sum(), atol=2e-5)
