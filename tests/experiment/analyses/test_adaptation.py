"""Adaptation to speakers: which clips are used, the curve, and the files of a run."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from emotone import corpora, protocols
from emotone.errors import ConfigError
from emotone.experiment import folds, run
from emotone.experiment.analyses import adaptation
from emotone.experiment.analyses.adaptation import COUNTS, LEVELS, N_DRAWS, adapted_scores, as_table, curve
from emotone.experiment.training_set import gather
from emotone.export.networks import SPEAKER_INPUTS
from emotone.features.frames import MfccFrames
from emotone.features.graph import extractor_graph
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.recognition.adaptation import load as load_adapter
from emotone.recognition.recognizer import Recognizer
from support import toy_experiment as toy

N_CLIPS = {"a": 40, "b": 4, "c": 1, "": 6}


SPEAKERS = [name for name, n in N_CLIPS.items() for _ in range(n)]


EMOTIONS = ("neutral", "happy", "angry")


class Told:
    """A classifier that keeps what it is told; a clip's embedding has a one in the column of its row of the corpus."""

    def __init__(self, classes=(0, 1, 2)):
        self.classes_, self.named_steps, self.heard = np.asarray(classes), {"classifier": self}, []

    def embed(self, X):
        return np.asarray([np.eye(100, dtype=np.float32)[clip] for clip in X])

    def adapted_proba(self, embedding, *, mean, n_clips):
        self.heard.append((embedding, mean, n_clips))
        answers = np.arange(1, 1 + len(self.classes_)) + np.minimum(n_clips, 50)[:, None]
        return answers / answers.sum(axis=1, keepdims=True)


def toy_training_set(emotions=EMOTIONS):
    """Clips whose values are their row numbers, of speakers with 40, 4 and 1 clips, and six of nobody known."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(SPEAKERS))
    speakers = [SPEAKERS[place] for place in order]
    named = [emotions[number % len(emotions)] for number in range(len(speakers))]
    values = np.arange(len(speakers)).astype(object)
    table = pd.DataFrame({"emotion": named})
    return SimpleNamespace(values=values, speakers=speakers, corpus=SimpleNamespace(table=table), emotions=emotions)


def heard_by(level: str, *, seed=0, rows=None, training_set=None):
    """Of each draw the set of rows that each clip's mean was taken from, by the means alone, and how many were said."""
    model, training_set = Told(), toy_training_set() if training_set is None else training_set
    rows = np.arange(len(training_set.speakers)) if rows is None else rows
    adapted_scores(model, rows, training_set, seed=seed)
    counts = [N_DRAWS] * len(COUNTS) + [1] * (len(LEVELS) - len(COUNTS))
    first = sum(counts[: LEVELS.index(level)])
    found = []
    for embedding, mean, heard in model.heard[first : first + counts[LEVELS.index(level)]]:
        np.testing.assert_array_equal(embedding, model.embed(training_set.values[rows]))
        sets = [frozenset(np.flatnonzero(one).tolist()) for one in mean]
        for one, rest in zip(mean, sets, strict=True):
            np.testing.assert_allclose(one[sorted(rest)], 1 / len(rest), rtol=1e-5)  # a mean, each clip once
        found.append((sets, heard))
    return found


@pytest.mark.parametrize("count", COUNTS)
def test_so_many_other_clips_of_the_same_speaker_are_heard(count):
    training_set = toy_training_set()
    draws = heard_by(str(count), training_set=training_set)
    assert len(draws) == N_DRAWS == 5
    for sets, heard in draws:
        for row, (rows, n) in enumerate(zip(sets, heard, strict=True)):
            speaker = training_set.speakers[row]
            n_others = N_CLIPS[speaker] - 1 if speaker else 0
            assert n == min(count, n_others)
            if n:
                assert len(rows) == n and row not in rows
                assert {training_set.speakers[other] for other in rows} == {speaker}


def test_draws_differ_from_clip_to_clip_and_from_draw_to_draw_and_go_by_the_seed():
    training_set = toy_training_set()
    rows = [row for row, speaker in enumerate(training_set.speakers) if speaker == "a"]
    draws = [[sets[row] for row in rows] for sets, _ in heard_by("5")]
    assert len(set(draws[0])) > 30
    assert len({tuple(draw) for draw in draws}) == 5
    assert frozenset.union(*draws[0]) == set(rows)
    assert [[sets[row] for row in rows] for sets, _ in heard_by("5")] == draws
    assert [[sets[row] for row in rows] for sets, _ in heard_by("5", seed=1)] != draws


def test_all_includes_the_clip_itself_and_needs_no_shrinking():
    training_set = toy_training_set()
    ((sets, heard),) = heard_by("all", training_set=training_set)
    for row, (rows, n) in enumerate(zip(sets, heard, strict=True)):
        speaker = training_set.speakers[row]
        if not speaker:
            assert n == 0  # clips of nobody known are not of one voice
            continue
        assert n == np.inf
        assert rows == {other for other, name in enumerate(training_set.speakers) if name == speaker}


def test_neutral_clips_are_all_other_neutral_ones():
    training_set = toy_training_set()
    neutral = [emotion == "neutral" for emotion in training_set.corpus.table["emotion"]]
    ((sets, heard),) = heard_by("neutral", training_set=training_set)
    for row, (rows, n) in enumerate(zip(sets, heard, strict=True)):
        speaker = training_set.speakers[row]
        others = {
            other
            for other, name in enumerate(training_set.speakers)
            if name == speaker and neutral[other] and other != row
        }
        assert n == (len(others) if speaker else 0)
        assert rows == (others if n else {row})


def test_only_held_out_clips_are_heard():
    rows = np.arange(0, len(SPEAKERS), 2)
    for level in LEVELS:
        for sets, _ in heard_by(level, rows=rows):
            assert frozenset.union(*sets) <= set(rows.tolist())


def test_answers_stand_in_the_columns_of_their_classes():
    found = adapted_scores(Told(classes=(0, 2)), np.arange(10), toy_training_set(), seed=0)
    assert tuple(found) == LEVELS
    assert {level: answers.shape for level, answers in found.items()} == {
        **{str(count): (N_DRAWS, 10, 3) for count in COUNTS},
        "neutral": (1, 10, 3),
        "all": (1, 10, 3),
    }
    for answers in found.values():
        assert (answers[..., 1] == 0).all() and (answers[..., 2] > answers[..., 0]).all()
        np.testing.assert_allclose(answers.sum(axis=-1), 1)


def test_without_the_emotion_there_is_no_neutral_level():
    found = adapted_scores(Told(classes=(0, 1)), np.arange(10), toy_training_set(("happy", "angry")), seed=0)
    assert tuple(found) == tuple(level for level in LEVELS if level != "neutral")


def sure(*predicted, confidence=1.0):
    """(n, 2) probabilities of these answers."""
    rest = 1 - confidence
    return np.asarray([[confidence, rest] if one == 0 else [rest, confidence] for one in predicted])


def test_curve_by_hand():
    labels = np.asarray([0, 0, 1, 1, 0, 1])
    first, second = np.asarray([5, 0, 1]), np.asarray([3, 2, 4])  # truth: 1 0 0, 1 1 0
    folds_found = [
        (first, {"1": np.stack([sure(1, 0, 0), sure(1, 0, 1)]), "all": sure(1, 0, 0)[None]}),
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

    def watched(model, rows, training_set, *, seed):
        asked.append(rows.tolist())
        return real(model, rows, training_set, seed=seed)

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
        assert [row["draws"] for row in rows] == [1, 5, 5, 5, 5, 5, 1, 1]
        by_level = {row["level"]: row for row in rows}
        for score in ("accuracy", "uar", "ece"):
            assert by_level["0"][score] == pytest.approx(told[subset][score])
        # a speaker has nine clips, so the other eight are heard where ten or thirty are asked for
        assert by_level["10"] | {"level": "30"} == by_level["30"]
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
    adapter = load_adapter(path.parent / "adaptation.npz", recognizer.card)
    assert adapter.within > 0 and np.abs(adapter.offsets).max() > 0
    sounds = [(make_voice(seconds=0.5, pitch_hz=200 + 10 * n, seed=n), 16_000) for n in range(3)]
    profile = recognizer.adapt_source(sounds)
    assert dict(profile.composition).keys() == set(EMOTIONS)


@pytest.mark.slow
def test_development_clips_and_two_emotions_are_enough(quick, manifest, tmp_path):
    chosen = config(manifest, tmp_path / "run", protocol="random-70-15-15", emotions=("happy", "angry"))
    told = run(chosen).metrics["adapted"]
    for rows in (told["validation"], told["test"], *told["folds"]):
        assert [row["level"] for row in rows] == ["0", *(level for level in LEVELS if level != "neutral")]
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
