"""Folds: no model is tested on a clip that it was trained on, and an interrupted run continues."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from emotone import corpora, protocols
from emotone.experiment import folds, run
from emotone.experiment.fold_result import FoldResult
from emotone.experiment.training_set import gather, gather_balance
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.models.classic import pipelines
from emotone.models.tune import grid_search
from support import toy_experiment as toy

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy.install(monkeypatch)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    return toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice)


class Spy(Pipeline):
    """Logistic regression that remembers its training rows and, where strict, refuses to be asked about one of them."""

    fits: list = []
    strict = False

    def fit(self, X, y):
        self.rows_seen = {row.tobytes() for row in X}
        Spy.fits.append((self.rows_seen, y))
        return super().fit(X, y)

    def predict_proba(self, X):
        assert not (self.strict and self.rows_seen & {row.tobytes() for row in X})
        return super().predict_proba(X)


def spy(*, seed, n_jobs=1, class_weight=False):
    return Spy(pipelines.logistic_regression(seed=seed, n_jobs=n_jobs, class_weight=class_weight).steps)


@pytest.fixture
def spied(monkeypatch):
    spec = registry.ModelSpec(name="spy", build=spy, description="spy", grid={"classifier__C": (0.01, 0.1)})
    monkeypatch.setitem(registry.MODELS, "spy", spec)
    Spy.fits = []


@pytest.fixture
def unbalanced(tmp_path, make_voice):
    """A corpus of which half the happy clips are missing, with a quick cache."""
    manifest = toy.write_corpus(tmp_path, make_voice)
    table = pd.read_csv(manifest)
    kept = (table["emotion"] != "happy") | (table.index % 3 == 0)
    table[kept].to_csv(manifest, index=False)
    return manifest


@pytest.mark.parametrize("protocol", ["speaker-6fold", "random-70-15-15"])
def test_no_held_out_clip_nor_copy_of_one_is_in_a_fit_of_its_fold(spied, unbalanced, tmp_path, monkeypatch, protocol):
    monkeypatch.setattr(Spy, "strict", True)
    config = toy.config(
        unbalanced, tmp_path / "run", model="spy", protocol=protocol, augment=("gain",), balance="augment", tune=True
    )
    corpus = corpora.load(config.corpora, config.data)
    store, extractor = FeatureStore(config.cache), toy.Bands()
    training_set = gather(corpus, extractor, config, store=store)
    built = protocols.build(protocol, training_set.corpus)
    plans = folds.plan(built, training_set, config)
    sets = [rows for plan in plans for rows in plan.training_sets()]
    training_set = gather_balance(training_set, extractor, config, training_sets=sets, store=store)
    assert training_set.copy.max() >= 3  # one copy of all, and more to balance
    origin = {
        row.tobytes(): int(made_from) for row, made_from in zip(training_set.values, training_set.origin, strict=True)
    }
    assert len(origin) == len(training_set.values)  # so that a row tells what it was made from
    speakers = np.asarray(training_set.speakers)
    for plan in plans:
        for train, held_out in plan.inner:
            common = set(speakers[train]) & set(speakers[held_out])
            assert bool(common) == (not built.speaker_disjoint)
        Spy.fits = []
        result = folds.run_fold(plan, training_set, config)
        allowed = [set(plan.fold.train.tolist()), *(set(train.tolist()) for train, _ in plan.inner)]
        if plan.validated is not None:
            allowed.append(set(plan.validated[0].tolist()))
            assert not allowed[-1] & set(plan.validated[1].tolist())
            assert set(plan.validated[1].tolist()) <= allowed[0]
        # a search of 2 settings, the fold's own fit, and validation where there is no development part
        assert len(Spy.fits) == 2 * len(plan.inner) + 1 + (0 if plan.fold.dev.size else 1)
        for rows, labels in Spy.fits:
            learnt = {origin[row] for row in rows}
            assert learnt in allowed
            assert not learnt & set(plan.fold.test.tolist())
            assert not learnt & set(plan.fold.dev.tolist())
            assert len(set(np.bincount(labels))) == 1  # balanced
        held_out = plan.fold.dev if plan.validated is None else plan.validated[1]
        assert sorted(result.validation_rows) == held_out.tolist()


class PowerCutError(Exception):
    """Stands for what ends a process."""


@pytest.mark.slow
def test_an_interrupted_run_goes_on_and_ends_like_one_that_was_not(spied, manifest, tmp_path):
    settings = {"model": "spy", "tune": True}
    whole = run(toy.config(manifest, tmp_path / "whole", **settings))
    n_whole = len(Spy.fits)

    def power_cut(done, total, what, /):
        if what.startswith("fold 3 of"):
            raise PowerCutError

    config = toy.config(manifest, tmp_path / "cut", **settings)
    Spy.fits = []
    with pytest.raises(PowerCutError):
        run(config, power_cut)
    n_first = len(Spy.fits)
    assert not (config.out / "metrics.json").exists()
    Spy.fits = []
    resumed = run(config)
    # 3 of 6 folds were done; every fold has as many fits, and there is one more of the final model
    assert n_first == (n_whole - 1) / 2
    assert len(Spy.fits) == n_whole - n_first
    assert resumed.metrics == whole.metrics
    first, second = (pd.read_parquet(run.folder / "predictions.parquet") for run in (whole, resumed))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    for name in ("tuning.csv", "scaler.json", "classification_report.txt"):
        texts = [(tmp_path / folder / name).read_text() for folder in ("whole", "cut")]
        if name == "tuning.csv":
            texts = [
                pd.read_csv(tmp_path / folder / name).drop(columns="fit_s").to_csv() for folder in ("whole", "cut")
            ]
        assert texts[0] == texts[1], name
    assert not (config.out / ".work").exists()


def test_a_fold_on_disk_is_used_for_no_other_data(manifest, tmp_path):
    config = toy.config(manifest, tmp_path / "run")
    training_set = gather(
        corpora.load(config.corpora, config.data), toy.Bands(), config, store=FeatureStore(config.cache)
    )
    plan, other, *_ = folds.plan(protocols.build("speaker-6fold", training_set.corpus), training_set, config)
    relabelled = training_set.corpus.table.assign(emotion="happy")
    changed = replace(training_set, corpus=corpora.Corpus(relabelled, "toy"))
    keys = [
        folds.fingerprint(plan, training_set, config, extractor_digest="a"),
        folds.fingerprint(other, training_set, config, extractor_digest="a"),
        folds.fingerprint(plan, training_set, config, extractor_digest="b"),
        folds.fingerprint(plan, changed, config, extractor_digest="a"),
        folds.fingerprint(plan, training_set, replace(config, seed=1), extractor_digest="a"),
        folds.fingerprint(plan, training_set, replace(config, model="svm"), extractor_digest="a"),
        folds.fingerprint(plan, replace(training_set, digests=("0",) * 54), config, extractor_digest="a"),
    ]
    assert len(set(keys)) == len(keys)
    assert folds.fingerprint(plan, training_set, replace(config, out=tmp_path), extractor_digest="a") == keys[0]


def test_balancing_gives_every_clip_a_copy_before_any_gets_two(unbalanced, tmp_path):
    config = toy.config(unbalanced, tmp_path / "run", augment=("gain",), balance="augment", copies=0)
    corpus = corpora.load(config.corpora, config.data)
    store, every = FeatureStore(config.cache), np.arange(len(corpus))
    training_set = gather(corpus, toy.Bands(), config, store=store)
    training_set = gather_balance(training_set, toy.Bands(), config, training_sets=[every], store=store)
    rows = training_set.training_rows(every, balanced=True)
    assert np.bincount(training_set.labels[training_set.origin[rows]]).tolist() == [18, 18, 18]
    happy = training_set.origin[rows][training_set.labels[training_set.origin[rows]] == 1]
    assert set(np.bincount(happy)[np.unique(happy)]) == {3}  # 6 clips: each itself and two copies
    assert training_set.training_rows(every).tolist() == every.tolist()


def result(settings, uar_means, *, classes=(0, 1), temperature=1.0):
    search = [{"C": c, "uar_mean": uar} for c, uar in uar_means.items()]
    empty = np.zeros(0, dtype=np.int64)
    return FoldResult(
        empty, np.zeros((0, 3)), empty, np.zeros((0, 3)), np.asarray(classes), temperature, settings, search
    )


def test_the_final_settings_are_those_of_most_folds_then_of_the_best_mean():
    a, b, c = {"C": 1.0}, {"C": 2.0}, {"C": (3, 3)}
    uar = {1.0: 0.5, 2.0: 0.6, (3, 3): 0.9}
    assert folds.best_settings([result(a, uar), result(b, uar), result(a, uar)]) == a
    assert folds.best_settings([result(a, uar), result(b, uar)]) == b
    assert folds.best_settings([result(a, uar), result(c, uar)]) == c


class Recording:
    """An estimator that keeps what its fits are told."""

    fits: list = []

    def set_params(self, **settings):
        return self

    def fit(self, X, y, **given):
        self.classes_ = np.unique(y)
        self.fits.append((X.tolist(), given))

    def predict_proba(self, X):
        return np.full((len(X), self.classes_.size), 0.5)


def test_the_search_hands_each_fold_its_own(monkeypatch):
    monkeypatch.setattr(Recording, "fits", [])
    spec = registry.ModelSpec("recording", lambda **given: Recording(), "none", grid={"C": (1, 2)})
    rows, y = np.arange(4), np.asarray([0, 1, 0, 1])
    pairs = [(rows[:2], rows[2:]), (rows[2:], rows[:2])]
    grid_search(spec, rows, y, folds=pairs, fit_arguments=[{"who": "first"}, {"who": "second"}])
    assert Recording.fits == 2 * [([0, 1], {"who": "first"}), ([2, 3], {"who": "second"})]
    Recording.fits.clear()
    grid_search(spec, rows, y, folds=pairs)
    assert [given for _, given in Recording.fits] == [{}] * 4
