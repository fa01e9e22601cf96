"""Adaptation to speakers: which clips are used, the curve, and the files of a run."""

import json
from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from emotone import corpora, protocols
from emotone.errors import ConfigError
from emotone.experiment import folds, run
from emotone.experiment.analyses import adaptation
from emotone.experiment.analyses.adaptation import (
    COUNTS,
    LEVELS,
    N_DRAWS,
    SOURCE_COUNTS,
    adapted_scores,
    as_table,
    curve,
    steps_by_level,
)
from emotone.experiment.training_set import gather
from emotone.export.networks import SPEAKER_INPUTS
from emotone.features.frames import MfccFrames
from emotone.features.graph import extractor_graph
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.recognition.adaptation import load as load_adapter
from emotone.recognition.profile import SpeakerProfile
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.temperature import Temperature
from support import toy_experiment as toy
from support import toy_speakers

N_CLIPS = {"a": 40, "b": 4, "c": 1, "": 6}


SPEAKERS = [name for name, n in N_CLIPS.items() for _ in range(n)]


EMOTIONS = ("neutral", "happy", "angry")


CORPORA = {"a": "first", "b": "first", "c": "second", "": "second"}


@cache
def table():
    """Clips of speakers with 40, 4 and 1 clips, and six of nobody known, in two corpora."""
    speakers = [SPEAKERS[place] for place in np.random.default_rng(0).permutation(len(SPEAKERS))]
    named = [EMOTIONS[number % len(EMOTIONS)] for number in range(len(speakers))]
    return pd.DataFrame({"emotion": named, "speaker": speakers, "corpus": [CORPORA[name] for name in speakers]})


def known_by(level: str, *, seed=0):
    """Of each draw: row -> the clips of its speaker and those of its source that are known."""
    draws = steps_by_level(table(), rng=np.random.default_rng(seed))[level]
    assert len(draws) == (1 if level in ("neutral", "all") else N_DRAWS)
    return [
        {row: (frozenset(step.speaker), frozenset(step.source)) for step in steps for row in step.predicted}
        for steps in draws
    ]


@cache
def others(column: str):
    """Row -> the other clips of the same speaker or corpus."""
    values = table()[column].to_numpy()
    return [set(np.flatnonzero(values == value)) - {row} for row, value in enumerate(values)]


@pytest.mark.parametrize("count", COUNTS)
def test_so_many_other_clips_of_the_same_speaker_are_known(count):
    speakers, draws = table()["speaker"], known_by(str(count))
    for draw in draws:
        assert set(draw) == {row for row, speaker in enumerate(speakers) if speaker}  # nobody has no voice
        for row, (voice, source) in draw.items():
            assert len(voice) == min(count, N_CLIPS[speakers[row]] - 1) and not source
            assert voice <= others("speaker")[row]


@pytest.mark.parametrize("count", SOURCE_COUNTS)
def test_so_many_other_clips_of_the_corpus_are_known_whosever_they_are(count):
    for draw in known_by(f"source-{count}"):
        assert len(draw) == len(SPEAKERS)
        for row, (voice, source) in draw.items():
            assert len(source) == min(count, len(others("corpus")[row])) and not voice
            assert source <= others("corpus")[row]


def test_within_a_source_both_are_known_and_of_nobody_the_source():
    speakers = table()["speaker"]
    for draw in known_by("5 in source-20"):
        assert len(draw) == len(SPEAKERS)
        for row, (voice, source) in draw.items():
            n_voice = min(5, N_CLIPS[speakers[row]] - 1) if speakers[row] else 0
            assert (len(voice), len(source)) == (n_voice, min(20, len(others("corpus")[row])))
            assert voice <= others("speaker")[row] and source <= others("corpus")[row]


def test_draws_are_shared_by_halves_differ_and_go_by_the_seed():
    rows = [row for row, speaker in enumerate(table()["speaker"]) if speaker == "a"]

    def sets(**settings):
        return [[draw[row] for row in rows] for draw in known_by("5", **settings)]

    draws = sets()
    assert [len(set(draw)) for draw in draws] == [2] * 5
    assert len({known for draw in draws for known in draw}) == 10
    assert sets() == draws and sets(seed=1) != draws


def test_all_includes_the_clip_itself():
    (draw,) = known_by("all")
    for row, (voice, source) in draw.items():
        assert voice == others("speaker")[row] | {row} and not source
    assert len(draw) == len(SPEAKERS) - N_CLIPS[""]


def test_neutral_clips_are_all_other_neutral_ones():
    neutral = set(np.flatnonzero(table()["emotion"] == "neutral"))
    (draw,) = known_by("neutral")
    for row, (voice, source) in draw.items():
        assert voice == others("speaker")[row] & neutral and not source


def toy_set(*, emotions=("neutral", "happy", "sad", "angry")):
    X, y, speakers = toy_speakers.toy(160)
    table = pd.DataFrame({"emotion": np.take(emotions, y), "speaker": speakers.astype(str), "corpus": "toy"})
    return SimpleNamespace(values=X, labels=y, corpus=SimpleNamespace(table=table), emotions=emotions)


def fit(toys, rows):
    """A model of these clips, their speakers numbered from 0."""
    speakers = {"speakers": rows % toy_speakers.N_SPEAKERS}
    model = Pipeline([("classifier", toy_speakers.classifier(n_members=2, max_epochs=1))])
    return model.fit(toys.values[rows], toys.labels[rows], classifier__extras=speakers)


@pytest.mark.slow
def test_scores_are_those_of_the_adapter():
    toys, train, rows = toy_set(), np.arange(80), np.arange(80, 160)
    train = train[toys.labels[train] != 1]
    model = fit(toys, train)
    found = adapted_scores(model, rows, toys, train=train, temperature=1.7, seed=0)
    assert {level: scores.shape for level, scores in found.items()} == {
        level: (1 if level in ("neutral", "all") else N_DRAWS, 80, 4) for level in LEVELS
    }
    for scores in found.values():
        assert (scores[..., 1] == 0).all()  # no clip of this emotion was trained on
        np.testing.assert_allclose(scores.sum(axis=-1), 1)
    own = np.flatnonzero(toys.corpus.table["speaker"][rows] == "3")
    embedding = model[-1].embed(list(toys.values[rows]))[own]
    adapter = adaptation.fitted_adapter(model, train, toys)
    empty = SpeakerProfile(mean=(0.0,) * embedding.shape[1], n_clips=0, model="0" * 64)
    profile = adapter.extended(
        empty, embedding, emotions=("neutral", "sad", "angry"), temperature=Temperature(1.7, adapted=1.7)
    )
    expected = adapter.scores(embedding, profile, temperature=Temperature())
    np.testing.assert_allclose(found["all"][0][own][:, [0, 2, 3]], expected)


@pytest.mark.slow
def test_with_two_emotions_there_are_no_sources_and_the_scores_are_those_of_the_graph():
    toys, rows = toy_set(emotions=("happy", "sad", "angry", "fearful")), np.arange(80, 160)
    train = np.flatnonzero(toys.labels[:80] < 2)
    model = fit(toys, train)
    assert adaptation.fitted_adapter(model, train, toys) is None
    found = adapted_scores(model, rows, toys, train=train, temperature=1.7, seed=0)
    assert tuple(found) == (*map(str, COUNTS), "all")
    own = np.flatnonzero(toys.corpus.table["speaker"][rows] == "3")
    embedding = model[-1].embed(list(toys.values[rows]))[own]
    mean = toy_speakers.given_of(embedding.mean(axis=0), len(own), len(own))
    np.testing.assert_allclose(found["all"][0][own][:, :2], model[-1].adapted_proba(embedding, **mean), atol=1e-5)


def sure(*predicted, confidence=1.0):
    """(n, 2) probabilities of these answers."""
    rest = 1 - confidence
    return np.asarray([[confidence, rest] if one == 0 else [rest, confidence] for one in predicted])


def test_curve_by_hand():
    labels = np.asarray([0, 0, 1, 1, 0, 1])
    first, second = np.asarray([5, 0, 1]), np.asarray([3, 2, 4])  # truth: 1 0 0, 1 1 0
    only = {"source-5": sure(1, 0, 0)[None]}  # a level that another fold lacks
    folds_found = [
        (first, only | {"1": np.stack([sure(1, 0, 0), sure(1, 0, 1)]), "all": sure(1, 0, 0)[None]}),
        (second, {"1": np.stack([sure(1, 0, 0), sure(0, 0, 1)]), "all": sure(1, 1, 0, confidence=0.75)[None]}),
    ]
    plain = sure(1, 1, 1, 1, 1, 0)
    rows = curve(folds_found, plain=plain, labels=labels)
    assert [row["level"] for row in rows] == ["0", "1", "all"]
    assert [row["draws"] for row in rows] == [1, 2, 1]
    zero, one, every = rows
    assert (zero["accuracy"], zero["uar"]) == pytest.approx((4 / 6, (1 + 1 / 3) / 2))
    assert zero["uar_low"] == zero["uar_high"] == zero["uar"]
    assert zero["ece"] == pytest.approx(1 / 3)  # always sure, twice wrong
    # of class 1 two of three right and of class 0 all; then of each one of three
    assert one["accuracy"] == pytest.approx((5 / 6 + 2 / 6) / 2)
    assert (one["uar_low"], one["uar_high"]) == pytest.approx((1 / 3, 5 / 6))
    assert one["uar"] == pytest.approx((1 / 3 + 5 / 6) / 2)
    assert one["ece"] == pytest.approx((1 / 6 + 4 / 6) / 2)
    assert (every["accuracy"], every["uar"]) == (1.0, 1.0)
    assert every["ece"] == pytest.approx(0.25 * 3 / 6)
    table = as_table({"validation": rows[:2], "test": rows})
    assert list(table["subset"]) == ["validation"] * 2 + ["test"] * 3
    assert list(table.columns) == ["subset", "level", "draws", "accuracy", "uar", "uar_low", "uar_high", "ece"]


@pytest.fixture(scope="module")
def graph() -> bytes:
    return extractor_graph(MfccFrames()).SerializeToString()


@pytest.fixture(scope="module")
def quick(graph):
    """A model of few epochs over MFCCs, and the extractor's graph exported once."""
    spec = registry.MODELS["adaptive"]
    settings = {"max_epochs": 4, "batch_size": 16, "learning_rate": 0.01, "averaging": 0.5, "precision": "float32"}

    def build(*, seed, n_jobs, class_weight):
        named = {f"classifier__{name}": value for name, value in settings.items()}
        return spec.build(seed=seed, n_jobs=1, class_weight=class_weight).set_params(**named)

    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        monkeypatch.setitem(registry.MODELS, "adaptive", replace(spec, build=build))
        monkeypatch.setattr(FeatureStore, "graph", lambda self, extractor: graph)
        yield


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    path = toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice)
    named = [["s0", "s1"], ["s2", "s3"], ["s4", "s5"]]
    protocol = {"corpus": "toy", "channel": "speech", "source": "the tests", "test_speakers": named}
    path.with_name("three.json").write_text(json.dumps(protocol))
    return path


def config(manifest, out, **settings):
    chosen = {"model": "adaptive", "extractor": "mfcc-frames", "protocol": str(manifest.with_name("three.json"))}
    return toy.config(manifest, out, **chosen | settings)


@pytest.fixture(scope="module")
def finished(manifest, tmp_path_factory, quick):
    """A run, and of each model that answers: the rows of the corpus that it is asked about."""
    asked = []
    real = adaptation.adapted_scores

    def watched(model, rows, training_set, *, train, **settings):
        assert not set(train) & set(rows)
        asked.append(rows.tolist())
        return real(model, rows, training_set, train=train, **settings)

    chosen = config(manifest, tmp_path_factory.mktemp("runs") / "run")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(folds, "adapted_scores", watched)
        run(chosen)
    return chosen, asked


@pytest.mark.slow
def test_a_run_scores_every_level(finished):
    chosen, asked = finished
    told = json.loads((chosen.out / "metrics.json").read_text())
    assert list(told["adapted"]) == ["validation", "test", "folds"]
    by_fold = told["adapted"].pop("folds")
    assert len(by_fold) == len(told["folds"])
    for rows, fold in zip(by_fold, told["folds"], strict=True):
        assert rows[0]["uar"] == pytest.approx(fold["uar"]) and rows[0]["level"] == "0"
        assert [row["level"] for row in rows] == ["0", *LEVELS]
    for subset, rows in told["adapted"].items():
        assert [row["level"] for row in rows] == ["0", *LEVELS]
        assert [row["draws"] for row in rows] == [1, 5, 5, 5, 5, 5, 1, 1, 5, 5, 5, 5]
        by_level = {row["level"]: row for row in rows}
        for score in ("accuracy", "uar", "ece"):
            assert by_level["0"][score] == pytest.approx(told[subset][score])
        # a speaker has nine clips and the source eighteen: all others are known where more are asked for
        assert by_level["10"] | {"level": "30"} == by_level["30"]
        assert by_level["source-20"] | {"level": "source-100"} == by_level["source-100"]
        assert by_level["10"]["uar_low"] == by_level["10"]["uar_high"]
    table = pd.read_csv(chosen.out / "adaptation.csv", dtype={"level": str})
    expected = as_table(told["adapted"])
    pd.testing.assert_frame_equal(table, expected, check_exact=False, rtol=1e-9)
    assert (chosen.out / "figures" / "adaptation.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert [len(rows) for rows in asked] == [18] * 6  # validation and test of three folds
    assert [sorted(sum(asked[start::2], [])) for start in (0, 1)] == [list(range(54))] * 2


@pytest.mark.slow
def test_the_bundle_takes_a_speaker_and_adapts_to_sources(finished, make_voice):
    path = finished[0].out / "model" / "model.onnx"
    session = onnxruntime.InferenceSession(path.read_bytes())
    assert [value.name for value in session.get_inputs()] == ["waveform"]
    shapes = {value.name: value.shape for value in session.get_overridable_initializers()}
    assert shapes == dict(zip(SPEAKER_INPUTS, ([1, 256], [1]), strict=True))
    card = json.loads((path.parent / "card.json").read_text())
    assert (card["model"], card["embedding"]) == ("adaptive", 256)
    recognizer = Recognizer(path.parent)
    adapter = load_adapter(path.parent / "adaptation.npz", recognizer.card, width=recognizer.card["embedding"])
    assert adapter.within > 0 and np.abs(adapter.offsets).max() > 0
    sounds = [(make_voice(seconds=0.5, pitch_hz=200 + 10 * n, seed=n), 16_000) for n in range(3)]
    profile = recognizer.adapt_source(sounds)
    assert dict(profile.composition).keys() == set(EMOTIONS)


@pytest.mark.slow
def test_development_clips_and_two_emotions_are_enough(quick, manifest, tmp_path):
    chosen = config(manifest, tmp_path / "run", protocol="random-70-15-15", emotions=("happy", "angry"))
    told = run(chosen).metrics["adapted"]
    for rows in (told["validation"], told["test"], *told["folds"]):
        assert [row["level"] for row in rows] == ["0", *map(str, COUNTS), "all"]
    assert not (chosen.out / "model" / "adaptation.npz").exists()  # two emotions are not enough


class SearchedError(Exception):
    """The search is over."""


def searched(*rows, **settings):
    raise SearchedError


@pytest.mark.slow
def test_the_search_passes_each_fit_the_inputs_of_its_clips(quick, manifest, tmp_path, monkeypatch):
    chosen, heard = config(manifest, tmp_path / "run", tune=True), {}

    def search(spec, X, y, *, folds, fit_arguments, **settings):
        heard.update(folds=folds, given=fit_arguments)
        return {}, []

    monkeypatch.setattr("emotone.models.tune.grid_search", search)
    training_set = gather(
        corpora.load(chosen.corpora, chosen.data), MfccFrames(), chosen, store=FeatureStore(chosen.cache)
    )
    plans = folds.plan(protocols.build(chosen.protocol, training_set.own), training_set, chosen)
    monkeypatch.setattr(folds, "fit", searched)
    with pytest.raises(SearchedError):
        folds.run_fold(plans[0], training_set, chosen)
    assert len(heard["given"]) == len(heard["folds"]) == 4
    for (train, _), given in zip(heard["folds"], heard["given"], strict=True):
        (told,) = given.values()
        assert list(given) == ["classifier__extras"]
        for name, values in training_set.speaker_inputs(train).items():
            np.testing.assert_array_equal(told[name], values)


def test_mixed_voices_are_refused_before_any_work(manifest, tmp_path):
    with pytest.raises(ConfigError, match="augment names 'mixup', and the model 'adaptive' learns the usual sound"):
        config(manifest, tmp_path / "run", augment=("mixup",))
    assert config(manifest, tmp_path / "run", augment=("noise",)).mixup is False
