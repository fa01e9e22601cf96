"""Fitted pipelines into bundles: the same probabilities from the waveform on, written whole or not at all."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from emotone import audio, corpora
from emotone.errors import BundleError, ExportError, MissingExtraError
from emotone.export import bundle as export
from emotone.export import compose
from emotone.export.bundle import write_bundle
from emotone.export.pipelines import to_onnx
from emotone.features import registry as extractors
from emotone.features.base import Extractor
from emotone.features.columns import plain
from emotone.features.functionals import Functionals
from emotone.features.graph import extractor_graph
from emotone.features.runner import GraphRunner
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.preprocessing import DEFAULT as PREPROCESSING
from emotone.preprocessing import Preprocessing
from emotone.recognition import card as cards
from emotone.recognition import model_card
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.temperature import Temperature

pytestmark = pytest.mark.slow

EMOTIONS = ("neutral", "happy", "sad", "angry")
TEMPERATURE = 1.7


class Tiny(Extractor):
    """Ten band energies, their mean and spread in decibels: an extractor that is exported in seconds."""

    name = "tiny"

    def __init__(self):
        super().__init__()
        kernels = np.random.default_rng(0).standard_normal((10, 1, 400)) * np.hanning(400)
        self.register_buffer("kernels", torch.from_numpy(kernels).float())

    @property
    def columns(self):
        return plain(*(f"band{number}_{statistic}" for statistic in ("mean", "std") for number in range(10)))

    def forward(self, waveform):
        energies = torch.log(nn.functional.conv1d(waveform[None], self.kernels, stride=160)[0].square() + 1e-6)
        return torch.cat([energies.mean(1), energies.std(1)])[None]


class Outside(Extractor):
    """An extractor that can't be a graph, as openSMILE's."""

    name = "outside"
    is_graph = False

    @property
    def columns(self):
        return plain("level", "peak", "crossings")

    def compute(self, samples):
        crossings = np.mean(np.diff(np.sign(samples)) != 0)
        return np.array([np.sqrt(np.mean(samples**2)), np.abs(samples).max(), crossings], np.float32)


@pytest.fixture(scope="module")
def tiny():
    """The extractor and its graph."""
    extractor = Tiny()
    return extractor, extractor_graph(extractor).SerializeToString()


@pytest.fixture(scope="module")
def voices(make_voice):
    """Sixty clips, 0.3 to 1.5 s; the class decides the pitch."""
    return [
        make_voice(seconds=0.3 + 0.02 * number, pitch_hz=100 + 60 * (number % 4) + number / 4, seed=number)
        for number in range(60)
    ]


@pytest.fixture(scope="module")
def fresh(make_voice):
    """Twelve clips that no model was fitted on."""
    return [
        make_voice(seconds=0.25 + 0.3 * n, pitch_hz=90 + 25 * n, seed=100 + n, gain=0.02 * (n + 1)) for n in range(12)
    ]


def table(samples, compute):
    return np.stack([compute(one) for one in samples])


@pytest.fixture(scope="module")
def learned(tiny, voices):
    """Fit a model by name, once."""
    X, y, fitted = table(voices, GraphRunner(tiny[1])), np.arange(60) % 4, {}

    def get(name):
        if name not in fitted:
            fitted[name] = registry.get(name).build(seed=0, n_jobs=1, class_weight=True).fit(X, y)
        return fitted[name]

    return get


def told(**changes):
    corpus = {"name": "ravdess", "title": "RAVDESS", "clips": 60, "speakers": 4, "licence": "CC BY-NC-SA 4.0"}
    return {
        "name": "a test",
        "emotions": EMOTIONS,
        "model": "any",
        "protocol": {"name": "speaker-5fold", "words": "five folds, speaker-disjoint", "speaker_disjoint": True},
        "scores": {"uar": np.float64(0.5), "intervals": {"uar": {"low": 0.4, "high": 0.6}}},
        "training": {"corpora": [{**corpus, "commercial_use": False}], "note": "all clips"},
        **changes,
    }


def scaled(probabilities, temperature):
    """The temperature again, worked out another way: p^(1/T), made to sum to one."""
    powers = np.maximum(probabilities, 1e-12) ** (1 / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def answers(recognizer, samples):
    scores, embeddings = zip(*(recognizer.run(one) for one in samples), strict=True)
    return np.stack(scores), np.stack(embeddings)


@pytest.mark.filterwarnings("ignore:Got `batch_size`")  # sixty clips are few for the perceptron
@pytest.mark.parametrize("name", [name for name, spec in registry.MODELS.items() if spec.family == "classic"])
def test_graph_gives_the_pipelines_probabilities_on_clips_it_was_not_checked_on(name, tiny, learned, fresh, tmp_path):
    extractor, graph = tiny
    pipeline = learned(name)
    out = write_bundle(pipeline, extractor, card=told(), out=tmp_path / "b", temperature=TEMPERATURE, graph=graph)
    scores, embeddings = answers(Recognizer(out), fresh)
    X = table(fresh, GraphRunner(graph))
    np.testing.assert_array_equal(embeddings, X)
    np.testing.assert_allclose(scores, scaled(pipeline.predict_proba(X), TEMPERATURE), atol=1e-4)
    assert len(set(scores.argmax(axis=1))) > 1  # clips that all have one answer would show little


def test_embedding_is_what_the_torch_module_gives(tiny, learned, fresh, tmp_path):
    extractor, graph = tiny
    recognizer = Recognizer(write_bundle(learned("svm"), extractor, card=told(), out=tmp_path / "b", graph=graph))
    for samples in fresh:
        direct = extractor.extract(torch.from_numpy(samples)).numpy()
        np.testing.assert_allclose(recognizer.run(samples)[1], direct, rtol=1e-4, atol=1e-4)


def test_graph_carries_its_interface(tiny, learned, tmp_path):
    out = write_bundle(learned("xgboost"), tiny[0], card=told(), out=tmp_path / "b", graph=tiny[1])
    model = onnx.load(out / "model.onnx")
    onnx.checker.check_model(model, full_check=True)

    def shape(value):
        return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]

    assert [(one.name, shape(one)) for one in model.graph.input] == [("waveform", [1, "n"])]
    assert [(one.name, shape(one)) for one in model.graph.output] == [("scores", [1, 4]), ("embedding", [1, 20])]
    properties = {one.key: json.loads(one.value) for one in model.metadata_props}
    assert properties == {"emotions": list(EMOTIONS), "sample_rate": 16_000, "extractor": "tiny"}
    assert {entry.domain for entry in model.opset_import} == {"", "ai.onnx.ml"}


def test_graph_is_exactly_as_large_as_its_different_constants(tiny, learned):
    parts = onnx.load_from_string(tiny[1]), to_onnx(learned("knn"), 20)
    model = compose.compose(*parts, temperature=Temperature(), n_features=20, properties={})
    content = [
        (one.data_type, tuple(one.dims), numpy_helper.to_array(one).tobytes()) for one in model.graph.initializer
    ]
    before = {
        (one.data_type, tuple(one.dims), numpy_helper.to_array(one).tobytes())
        for part in parts
        for one in part.graph.initializer
    }
    assert len(content) == len(set(content))
    assert before - set(content) == set()  # nothing that was read is lost


def test_opensmile_bundle_starts_at_the_features(voices, fresh, tmp_path, monkeypatch):
    outside = Outside()
    X, y = table(voices, outside.compute), np.arange(60) % 4
    pipeline = registry.get("logistic-regression").build(seed=0, n_jobs=1, class_weight=True).fit(X, y)
    out = write_bundle(pipeline, outside, card=told(), out=tmp_path / "b", temperature=TEMPERATURE)
    assert [one.name for one in onnx.load(out / "model.onnx").graph.input] == ["features"]
    monkeypatch.setitem(extractors.EXTRACTORS, "outside", Outside)
    scores, embeddings = answers(Recognizer(out), fresh)
    np.testing.assert_array_equal(embeddings, table(fresh, outside.compute))
    np.testing.assert_allclose(scores, scaled(pipeline.predict_proba(embeddings), TEMPERATURE), atol=1e-4)

    def without_package():
        raise MissingExtraError("the feature set", extra="opensmile")

    monkeypatch.setitem(extractors.EXTRACTORS, "outside", without_package)
    with pytest.raises(MissingExtraError, match=r"extra 'opensmile'.*pip install"):
        Recognizer(out)
    monkeypatch.delitem(extractors.EXTRACTORS, "outside")
    with pytest.raises(BundleError, match="unknown extractor 'outside'"):
        Recognizer(out)
    monkeypatch.setitem(extractors.EXTRACTORS, "outside", type("Changed", (Outside,), {"digest": "f" * 64}))
    with pytest.raises(BundleError, match=r"another version \(digest .*, here ffff"):
        Recognizer(out)


def test_graph_that_gives_other_probabilities_is_not_written(tiny, learned, tmp_path, monkeypatch):
    other = learned("logistic-regression")
    monkeypatch.setattr(export, "to_onnx", lambda pipeline, n_features: to_onnx(other, n_features))
    with pytest.raises(ExportError, match=r"differs by 0\.\d+, expected at most 0\.0001"):
        write_bundle(learned("svm"), tiny[0], card=told(), out=tmp_path / "b", graph=tiny[1])
    assert list(tmp_path.iterdir()) == []


def test_every_check_waveform_counts(tiny, learned, voices, tmp_path, monkeypatch):
    """A graph that errs on the last clip alone is found."""
    real, calls = GraphRunner(tiny[1]), []

    def wrong_at_the_end(samples):
        calls.append(samples)
        return real(samples) + (5.0 if len(calls) == 10 else 0.0)

    monkeypatch.setattr(export, "GraphRunner", lambda graph: wrong_at_the_end)
    with pytest.raises(ExportError, match="check clip 9 of 10"):
        write_bundle(
            learned("svm"), tiny[0], card=told(), out=tmp_path / "b", graph=tiny[1], check_waveforms=tuple(voices[:10])
        )


def test_card_says_what_the_bundle_is(tiny, learned, tmp_path):
    given = told(calibration={"coverage": 0.9}, parameters={"C": np.float32(0.5)})
    out = write_bundle(
        learned("svm"), tiny[0], card=given, out=tmp_path / "b", temperature=2, threshold=0.3, graph=tiny[1]
    )
    card = cards.read(out)
    content = (out / "model.onnx").read_bytes()
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "card.json", "model.onnx"]
    assert list(card) == [*cards.KEYS, "embedding", "adapts", "checks_speech"]
    assert card["adapts"] is False
    assert (card["sha256"], card["size_bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert card["extractor"] == {"name": "tiny", "digest": tiny[0].digest, "graph": True, "sequence": False}
    assert card["embedding"] == 20
    assert (card["features"], card["sample_rate"], card["format_version"]) == (20, 16_000, 1)
    assert card["calibration"].pop("greatest_difference") < 1e-4
    assert card["calibration"] == {"coverage": 0.9, "temperature": 2.0, "threshold": 0.3}
    assert card["parameters"] == {"C": 0.5} and card["scores"]["uar"] == 0.5
    assert card["preprocessing"] == PREPROCESSING.to_dict()
    assert {"emotone", "python", "onnxruntime", "scikit-learn"} <= set(card["versions"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"card": {"name": "x"}}, "the card lacks emotions, model, protocol, scores, training"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"threshold": 1.2}, "threshold is 1.2"),
        ({"card": told(emotions=EMOTIONS[:3])}, r"classes \[0, 1, 2, 3\], and the card names 3 emotions"),
        ({"card": told(emotions=(*EMOTIONS[:3], "unsure"))}, "the card can't be written.*'unsure'"),
        ({"card": told(scores={"uar": float("nan")})}, "the card can't be written"),
        ({"card": told(training={"note": object()})}, "object is no JSON value"),
        (
            {"card": told(preprocessing={"trim_db": 20.0})},
            r"preprocessing trim_db 20\.0, and the argument .* has 40\.0",
        ),
        ({"preprocessing": Preprocessing(trim_db=None), "card": told(preprocessing={"trim_db": 40.0})}, "has None"),
    ],
)
def test_wrong_arguments_are_refused_and_nothing_is_written(tiny, learned, tmp_path, changes, said):
    arguments = {"card": told(), "out": tmp_path / "b", "graph": tiny[1], **changes}
    with pytest.raises(ExportError, match=said):
        write_bundle(learned("svm"), tiny[0], **arguments)
    assert list(tmp_path.iterdir()) == []


def test_bundle_replaces_a_bundle_and_nothing_else(tiny, learned, tmp_path):
    def write(name):
        return write_bundle(learned(name), tiny[0], card=told(model=name), out=tmp_path / "b", graph=tiny[1])

    write("svm")
    write("linear-svm")
    assert cards.read(tmp_path / "b")["model"] == "linear-svm"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    (tmp_path / "b" / "thesis.txt").write_text("years of work")
    with pytest.raises(ExportError, match="contains 'thesis.txt'; expected a new folder"):
        write("svm")
    assert (tmp_path / "b" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(ExportError, match="is a file or a link"):
        write_bundle(learned("svm"), tiny[0], card=told(), out=tmp_path / "b" / "thesis.txt", graph=tiny[1])


@pytest.mark.parametrize("failing", ["readme", "second move"])
def test_failure_while_writing_keeps_the_old_bundle(tiny, learned, tmp_path, monkeypatch, failing):
    out = write_bundle(learned("svm"), tiny[0], card=told(), out=tmp_path / "b", graph=tiny[1])
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    real, moves = export.os.replace, []

    def full_disk(*_):
        raise OSError("no space left")

    def replace(source, target):
        moves.append(target)
        full_disk() if len(moves) == 2 else real(source, target)

    if failing == "readme":
        monkeypatch.setattr(model_card, "readme", full_disk)
    else:
        monkeypatch.setattr(export.os, "replace", replace)
    with pytest.raises(ExportError, match="no space left"):
        write_bundle(learned("linear-svm"), tiny[0], card=told(), out=out, graph=tiny[1])
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_readme_warns_of_the_licence_before_anything_else(tiny, learned, tmp_path):
    text = (
        write_bundle(learned("svm"), tiny[0], card=told(), out=tmp_path / "b", graph=tiny[1]) / "README.md"
    ).read_text()
    sections = [line for line in text.splitlines() if line.startswith("#")]
    assert sections[:2] == ["# a test", "## Licence of the training recordings"]
    assert "> **No commercial use.** RAVDESS" in text
    assert "| UAR | 50.0 | 40.0 to 60.0 |" in text and "five folds, speaker-disjoint" in text
    assert "Not speaker-disjoint" not in text


def test_readme_of_a_leaking_protocol_and_of_a_free_corpus(tiny, learned, tmp_path):
    corpus = {"name": "cremad", "title": "CREMA-D | all", "clips": 7, "licence": "ODbL", "commercial_use": True}
    card = told(protocol={"name": "random-80-20"}, training={"corpora": [corpus]})
    text = (
        write_bundle(learned("svm"), tiny[0], card=card, out=tmp_path / "b", graph=tiny[1]) / "README.md"
    ).read_text()
    assert "No commercial use" not in text and "- CREMA-D \\| all: 7 clips; ODbL" in text
    assert "Not speaker-disjoint" in text


def test_lines_of_the_readme_give_the_recognizers_scores(tiny, learned, make_voice, tmp_path):
    out = write_bundle(learned("svm"), tiny[0], card=told(), out=tmp_path / "b", temperature=2.0, graph=tiny[1])
    silence = np.zeros(7_777, np.float32)
    audio.write_wav(out / "clip.wav", np.concatenate([silence, make_voice(seconds=0.8), silence]))
    lines = (out / "README.md").read_text().split("```python\n")[1].split("```")[0]
    done = subprocess.run([sys.executable, "-c", lines], cwd=out, capture_output=True, text=True, check=True)
    assert len(lines.splitlines()) <= 7
    expected = Recognizer(out).predict(out / "clip.wav").scores
    assert json.loads(done.stdout.replace("'", '"')) == pytest.approx(expected, abs=1e-6)


@pytest.fixture(scope="module")
def functionals(request):
    """The standard extractor and its graph, kept between runs of the tests, since the export takes a while."""
    extractor = Functionals()
    return extractor, FeatureStore(request.config.cache.mkdir("features")).graph(extractor)


@pytest.mark.slow
def test_standard_extractor(functionals, voices, fresh, tmp_path):
    extractor, graph = functionals
    X, y = table(voices[::3], GraphRunner(graph)), np.arange(0, 60, 3) % 4
    pipeline = registry.get("random-forest").build(seed=0, n_jobs=1, class_weight=True).fit(X, y)
    out = write_bundle(pipeline, extractor, card=told(), out=tmp_path / "b", check_waveforms=fresh[:3], graph=graph)
    scores, embeddings = answers(Recognizer(out), fresh)
    np.testing.assert_allclose(scores, pipeline.predict_proba(embeddings), atol=1e-4)
    np.testing.assert_array_equal(embeddings, table(fresh, GraphRunner(graph)))


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.parametrize("name", ["logistic-regression", "random-forest"])
def test_hundred_real_clips(name, functionals, data, tmp_path):
    extractor, graph = functionals
    clips = corpora.load(["ravdess"], data).table
    samples = [PREPROCESSING.apply(audio.read(path)) for path in clips["path"].iloc[::14][:100]]
    emotions = corpora.load(["ravdess"], data).emotions
    y = np.array([emotions.index(emotion) for emotion in clips["emotion"].iloc[::14][:100]])
    X = table(samples, GraphRunner(graph))
    assert len({len(one) for one in samples}) > 50
    pipeline = registry.get(name).build(seed=0, n_jobs=1, class_weight=True).fit(X[:60], y[:60])
    card = told(emotions=emotions)
    out = write_bundle(pipeline, extractor, card=card, out=tmp_path / "b", temperature=TEMPERATURE, graph=graph)
    recognizer = Recognizer(out)
    expected = scaled(pipeline.predict_proba(X), TEMPERATURE)
    for path, row in zip(clips["path"].iloc[::14][:100], expected, strict=True):
        np.testing.assert_allclose(list(recognizer.predict(path).scores.values()), row, atol=1e-4)
