"""Bundles of networks that adapt: the graph gives the network's scores, and the README explains the inputs."""

from dataclasses import replace

import numpy as np
import pytest

from emotone.errors import ExportError
from emotone.export import bundle as export
from emotone.export import pipelines as export_pipelines
from emotone.export.bundle import write_bundle as write_bundle
from emotone.features.frames import LogMel
from emotone.features.runner import GraphRunner
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.recognition import adaptation, model_card
from emotone.recognition import card as cards
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.temperature import Temperature
from support import handmade

pytestmark = pytest.mark.slow

RATE = 16_000


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("plain") / "loudness")


def shares(prediction):
    return list(prediction.scores.values())


@pytest.fixture(scope="module")
def log_mel(request):
    """Extractor and its graph, kept between runs of the tests, since the export takes a while."""
    extractor = LogMel()
    return extractor, FeatureStore(request.config.cache.mkdir("features")).graph(extractor)


@pytest.fixture(scope="module")
def voices(make_voice):
    """Forty clips of four voices, 0.4 to 0.8 s."""
    return [
        make_voice(seconds=0.4 + 0.01 * number, pitch_hz=100 + 50 * (number % 4) + 9 * (number // 4 % 4), seed=number)
        for number in range(40)
    ]


@pytest.fixture(scope="module")
def pipeline(log_mel, voices):
    frames, X = GraphRunner(log_mel[1]), np.empty(40, dtype=object)
    X[:] = [frames(one) for one in voices]
    built = registry.get("adaptive").build(seed=0, n_jobs=1, class_weight=True)
    built.set_params(classifier__n_members=2, classifier__max_epochs=3)
    number = np.arange(40)
    return built.fit(X, number // 4 % 4, classifier__extras={"speakers": number % 4})


CARD = {
    "name": "a test",
    "emotions": handmade.EMOTIONS,
    "model": "adaptive",
    "protocol": {"name": "none", "words": "none", "speaker_disjoint": True},
    "scores": {},
    "training": {"corpora": []},
}


@pytest.fixture(scope="module")
def network(log_mel, pipeline, tmp_path_factory):
    out = tmp_path_factory.mktemp("network") / "model"
    return write_bundle(pipeline, log_mel[0], card=CARD, out=out, temperature=1.3, graph=log_mel[1])


def test_with_a_profile_the_graph_answers_as_the_fitted_network(network, pipeline, log_mel, voices, make_voice):
    recognizer, classifier = Recognizer(network), pipeline[-1]
    frames = GraphRunner(log_mel[1])
    own = classifier.embed([frames(one) for one in voices[::4]])
    profile = recognizer.adapt([(one, RATE) for one in voices[::4]])
    np.testing.assert_allclose(profile.mean, own.mean(axis=0), rtol=1e-3, atol=1e-3)
    changes = []
    for number in range(4):
        samples = make_voice(seconds=0.5 + 0.4 * number, pitch_hz=120 + 30 * number, seed=100 + number)
        embedding = classifier.embed([frames(samples)])
        for heard in (0, profile.n_clips):
            told = SpeakerProfile(mean=profile.mean, n_clips=heard, model=profile.model)
            p = classifier.adapted_proba(embedding, mean=own.mean(axis=0)[None], n_clips=np.array([heard]))[0]
            expected = p ** (1 / 1.3) / (p ** (1 / 1.3)).sum()
            found = recognizer.predict((samples, RATE), profile=told)
            np.testing.assert_allclose(shares(found), expected, atol=1e-4)
        plain = shares(recognizer.predict((samples, RATE)))
        assert plain == shares(recognizer.predict((samples, RATE), profile=recognizer.new_profile()))
        changes.append(np.abs(np.subtract(shares(found), plain)).max())
    assert min(changes) > 1e-3  # the profile is heard of


def test_card_and_readme_of_a_bundle_that_adapts_say_so(network, plain):
    card = cards.read(network)
    assert card["adapts"] is True and card["embedding"] == 512
    use = (network / "README.md").read_text().split("## Use")[1].split("## Facts")[0]
    assert "--adapt-to DIR" in use and "`speaker` [1, 512]" in use and "`heard` [1]" in use
    assert "adapt" not in model_card.readme(cards.read(plain))


def test_graph_that_adapts_otherwise_than_the_network_is_not_written(log_mel, pipeline, tmp_path, monkeypatch):
    real = export_pipelines.to_onnx

    def deaf(pipeline, n_features):
        """The graph, which takes a speaker's mean for another one."""
        model = real(pipeline, n_features)
        for node in model.graph.node:
            node.input[:] = ["doubled" if name == "speaker" else name for name in node.input]
        model.graph.node.insert(0, export.onnx.helper.make_node("Add", ["speaker", "speaker"], ["doubled"], name="d"))
        return model

    monkeypatch.setattr(export, "to_onnx", deaf)
    with pytest.raises(ExportError, match=r"differs by 0\.\d+"):
        write_bundle(pipeline, log_mel[0], card=CARD, out=tmp_path / "b", graph=log_mel[1])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def adapter(pipeline, log_mel, voices):
    """As training measures it, with labels of four emotions per voice."""
    frames, number = GraphRunner(log_mel[1]), np.arange(40)
    embedding = pipeline[-1].embed([frames(one) for one in voices])
    speakers = [str(voice) for voice in number % 4]
    return adaptation.fitted(
        pipeline[-1].heads(), embedding, labels=number // 10, speakers=speakers, corpora=["a"] * 40
    )


def test_bundle_has_what_adaptation_needs_and_its_scores_are_those_of_the_graph(
    network, pipeline, log_mel, adapter, voices, tmp_path
):
    made = {"card": CARD, "temperature": 1.3, "graph": log_mel[1], "adaptation": adapter}
    out = write_bundle(pipeline, log_mel[0], out=tmp_path / "model", **made)
    assert "adaptation" not in cards.read(network) and not (network / "adaptation.npz").exists()
    read = adaptation.load(out / "adaptation.npz", cards.read(out), width=adapter.width)
    np.testing.assert_allclose(read.offsets, adapter.offsets, atol=1e-5)
    recognizer, before = Recognizer(out), Recognizer(network)
    profile = recognizer.adapt([(one, RATE) for one in voices[::4]])
    assert sum(dict(profile.composition).values()) == pytest.approx(1)
    blind = replace(profile, composition=(), answers=())
    as_before = replace(blind, model=before.card["sha256"])
    np.testing.assert_allclose(
        recognizer.run(voices[1], profile=blind)[0], before.run(voices[1], profile=as_before)[0], atol=1e-4
    )
    write_bundle(pipeline, log_mel[0], out=out, **made)  # over the file too
    write_bundle(pipeline, log_mel[0], out=out, **made | {"adaptation": None})
    assert not (out / "adaptation.npz").exists()


@pytest.mark.parametrize("name", ["plain_bias", "adapted_bias"])
def test_adaptation_with_other_scores_than_the_graph_is_not_written(name, log_mel, pipeline, adapter, tmp_path):
    other = replace(adapter, **{name: getattr(adapter, name) + np.arange(4)})
    with pytest.raises(ExportError, match=r"differs by 0\.\d+"):
        write_bundle(pipeline, log_mel[0], card=CARD, out=tmp_path / "b", graph=log_mel[1], adaptation=other)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_measured", [True, False])
def test_temperature_that_rises_is_in_graph_and_card(is_measured, log_mel, pipeline, adapter, voices, tmp_path):
    rising = Temperature(1.4, 0.5, 0.6)
    made = {"card": CARD, "temperature": rising, "graph": log_mel[1], "adaptation": adapter if is_measured else None}
    out = write_bundle(pipeline, log_mel[0], out=tmp_path / "model", **made)
    assert Temperature.from_card(cards.read(out)["calibration"]) == rising
    recognizer, loud = Recognizer(out), np.clip(3 * voices[1][::-1], -1, 1).astype(np.float32)
    profile = recognizer.adapt([(one, RATE) for one in voices[::4]])
    for known in (None, profile):
        found = recognizer.run(loud, profile=known)[0]
        if is_measured:
            expected = adapter.scores(recognizer.run(loud)[1][None], known, temperature=rising)[0]
            np.testing.assert_allclose(found, expected, atol=1e-4)
        assert found.sum() == pytest.approx(1, abs=1e-5)
