"""Experiments under conditions: every model is also tested on degraded test clips."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from emotone import audio, protocols
from emotone.augment import Noise, conditions, seed_for
from emotone.augment.conditions import CONDITIONS
from emotone.cli.main import app
from emotone.corpora import load
from emotone.errors import AudioError, ConfigError, FeatureError
from emotone.experiment import Config, folds, run
from emotone.experiment.analyses.conditions import gather_conditions
from emotone.experiment.fold_result import FoldResult
from emotone.experiment.training_set import gather
from emotone.features.store import FeatureStore
from emotone.preprocessing import DEFAULT as PREPROCESSING
from support import toy_experiment as toy

pytestmark = pytest.mark.slow

UNDER = ("noise-0", "gain-20")


def test_configuration_keeps_settled_names():
    config = Config(("ravdess",), "data", "out", conditions=["gain-20", "noise-0"])
    assert config.conditions == UNDER
    assert Config.from_toml(config.to_toml()) == config
    assert Config(("ravdess",), "data", "out", conditions=("all",)).conditions == tuple(CONDITIONS)
    with pytest.raises(ConfigError, match="unknown condition 'rain'"):
        Config(("ravdess",), "data", "out", conditions=("rain",))
    with pytest.raises(ConfigError, match="conditions is 'noise-0'; expected a list of names"):
        Config(("ravdess",), "data", "out", conditions="noise-0")


# ---- an experiment ----


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy.install(monkeypatch)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    return toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice)


@pytest.fixture(scope="module")
def finished(manifest, tmp_path_factory):
    """A run under two conditions, and the steps that it told of."""
    steps = []
    with pytest.MonkeyPatch.context() as patch:
        toy.install(patch)
        config = toy.config(manifest, tmp_path_factory.mktemp("runs") / "run", conditions=UNDER[::-1])
        summary = run(config, lambda *step: steps.append(step))
    return config, summary, steps


@pytest.fixture
def gathered(manifest, tmp_path):
    """TrainingSet with two conditions, and what it is of."""
    config = toy.config(manifest, tmp_path / "run", conditions=UNDER)
    store, extractor = FeatureStore(config.cache), toy.Bands()
    plain = gather(load(config.corpora, config.data), extractor, config, store=store)
    return gather_conditions(plain, extractor, config, store=store), extractor, config


@pytest.mark.slow
def test_run_is_scored_under_every_condition(finished):
    config, summary, _ = finished
    told = json.loads((config.out / "metrics.json").read_text())
    assert told == summary.metrics
    table = pd.read_csv(config.out / "conditions.csv")
    assert list(table) == ["condition", "accuracy", "uar", "ece"]
    assert table.to_dict("records") == [pytest.approx(row) for row in told["conditions"]]
    assert list(table["condition"]) == ["none", *UNDER]
    none, noisy, soft = told["conditions"]
    for key in ("accuracy", "uar", "ece"):
        assert none[key] == pytest.approx(told["test"][key], abs=1e-12)
        assert soft[key] == pytest.approx(none[key], abs=0.02)  # the features know of no level, but for the rounding
    assert none["uar"] > 0.8 > noisy["uar"]


@pytest.mark.slow
def test_conditions_change_no_other_score(finished, manifest, tmp_path):
    _, summary, _ = finished
    plain = run(toy.config(manifest, tmp_path / "plain"))
    assert "conditions" not in plain.metrics
    assert not (plain.folder / "conditions.csv").exists()
    assert plain.metrics == {key: value for key, value in summary.metrics.items() if key != "conditions"}


@pytest.mark.slow
def test_progress_tells_of_the_conditions_and_never_goes_back(finished):
    _, _, steps = finished
    done = [step[0] for step in steps]
    assert done == sorted(done)
    assert {"features under noise-0", "features under gain-20"} <= {step[2] for step in steps}


@pytest.mark.slow
def test_progress_never_goes_back_with_balance_either(manifest, tmp_path):
    steps = []
    table = pd.read_csv(manifest)
    rare = manifest.parent / "rare.csv"
    table[(table["emotion"] != "happy") | (table.index % 3 == 0)].to_csv(rare, index=False)
    settings = {"conditions": UNDER, "augment": ("gain",), "balance": "augment"}
    run(toy.config(rare, tmp_path / "run", **settings), lambda *step: steps.append(step))
    done = [step[0] for step in steps]
    assert done == sorted(done)


def test_every_clip_is_asked_about_as_the_condition_changes_it(gathered):
    training_set, extractor, config = gathered
    rows = np.array([40, 3, 17])
    for name in UNDER:
        found = training_set.conditions[name](rows)
        for row, features in zip(rows, found, strict=True):
            path = training_set.corpus.table["path"][row]
            rng = seed_for(config.seed, digest=audio.content_digest(audio.read(path)), copy_index=1)
            samples = CONDITIONS[name](PREPROCESSING.apply(audio.read(path)), rng=rng)
            np.testing.assert_allclose(features, extractor.extract(torch.from_numpy(samples)), atol=1e-4)


def test_conditions_are_read_from_the_store_and_not_computed_again(gathered, monkeypatch):
    training_set, _, _ = gathered
    before = {name: training_set.conditions[name](np.arange(54)) for name in UNDER}
    monkeypatch.setattr("emotone.features.worker.GraphRunner", None)
    for name in UNDER:
        np.testing.assert_array_equal(training_set.conditions[name](np.array([5, 2])), before[name][[5, 2]])


def test_scores_are_of_the_models_of_the_test_and_survive_the_disk(gathered, tmp_path):
    training_set, _, config = gathered
    plan = folds.plan(protocols.build("speaker-6fold", training_set.own), training_set, config)[1]
    result = folds.run_fold(plan, training_set, config)
    model = folds.fit(plan.fold.train, training_set, config, settings={}).model
    for name in UNDER:
        expected = model.predict_proba(training_set.conditions[name](plan.fold.test))
        np.testing.assert_array_equal(result.test_conditions[name], expected)
    assert np.abs(result.test_conditions["noise-0"] - result.test_scores).max() > 0.1
    result.save(tmp_path / "fold.npz")
    found = FoldResult.load(tmp_path / "fold.npz").test_conditions
    assert list(found) == list(UNDER)
    for name in UNDER:
        np.testing.assert_array_equal(found[name], result.test_conditions[name])


def test_fold_on_disk_is_used_under_the_same_conditions_alone(gathered, monkeypatch):
    training_set, _, config = gathered
    (plan, *_) = folds.plan(protocols.build("speaker-6fold", training_set.own), training_set, config)

    def key(names):
        changed = toy.config(config.data / "toy.csv", config.out, conditions=names)
        return folds.fingerprint(plan, training_set, changed, extractor_digest="a")

    keys = [key(()), key(("noise-0",)), key(UNDER)]
    monkeypatch.setitem(conditions.CONDITIONS, "noise-0", Noise(1.0, 1.0))
    assert len({*keys, key(("noise-0",))}) == 4


class PowerCutError(Exception):
    """Stands for what ends a process."""


@pytest.mark.slow
def test_interrupted_run_goes_on_and_ends_alike(finished, manifest, tmp_path, monkeypatch):
    whole, summary, _ = finished

    def power_cut(done, total, what, /):
        if what.startswith("fold 3 of"):
            raise PowerCutError

    config = toy.config(manifest, tmp_path / "cut", conditions=UNDER)
    with pytest.raises(PowerCutError):
        run(config, power_cut)
    assert not (config.out / "conditions.csv").exists()
    numbers = []
    real = folds.run_fold
    monkeypatch.setattr(folds, "run_fold", lambda plan, *a, **k: numbers.append(plan.number) or real(plan, *a, **k))
    assert run(config).metrics == summary.metrics
    assert numbers == [4, 5, 6]
    assert (config.out / "conditions.csv").read_text() == (whole.out / "conditions.csv").read_text()


@pytest.mark.slow
def test_finished_run_of_before_there_were_conditions_stays_valid(manifest, tmp_path, monkeypatch):
    config = toy.config(manifest, tmp_path / "run")
    told = run(config).metrics
    settings = (config.out / "config.toml").read_text()
    older = "".join(line for line in settings.splitlines(keepends=True) if not line.startswith("conditions"))
    assert len(older) < len(settings)
    (config.out / "config.toml").write_text(older)
    monkeypatch.setattr(sys.modules["emotone.experiment.run"], "gather", None)  # nothing is computed again
    assert run(config).metrics == told
    with pytest.raises(
        ConfigError, match=r"a run with other settings .conditions is None there and \['noise-0'\] here"
    ):
        run(toy.config(manifest, config.out, conditions=("noise-0",)))


def test_clip_that_a_condition_makes_unreadable_is_named_before_any_fold(manifest, tmp_path, monkeypatch):
    class Broken(Noise):
        def _change(self, waveform, *, rng):
            raise AudioError("nothing is left of it")

    path = load((str(manifest),), manifest.parent).table["path"][0]
    monkeypatch.setitem(CONDITIONS, "noise-5", Broken(3.0, 3.0))
    store_compute = FeatureStore.compute

    def one_broken(self, corpus, extractor, *, augmentation=None, rows=None, **given):
        """All clips but the first can still be read."""
        found = store_compute(self, corpus, extractor, rows=rows, **given)
        if augmentation is not None:
            found.rejected[0] = "nothing is left of it"
        return found

    config = toy.config(manifest, tmp_path / "run", conditions=("noise-5",))
    with pytest.raises(FeatureError, match="none of 54 clips could be read; the first: nothing is left of it"):
        run(config)
    monkeypatch.setattr(FeatureStore, "compute", one_broken)
    with pytest.raises(FeatureError, match=f"{path} can't be tested under 'noise-5': nothing is left of it; leave"):
        run(config)
    assert not config.out.exists()


@pytest.mark.slow
def test_command_prints_a_table(manifest, tmp_path, finished):
    out = tmp_path / "run"
    command = ["train", manifest, "--data", manifest.parent, "--model", "knn", "--extractor", "bands"]
    command += ["--cache", manifest.parent / "cache", "--conditions", "gain-20, noise-0", "--out", out]
    result = CliRunner().invoke(app, [str(word) for word in command])
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    at = lines.index(["condition", "UAR", "%", "accuracy", "%"])
    _, summary, _ = finished
    for (*name, uar, accuracy), row in zip(lines[at + 1 : at + 4], summary.metrics["conditions"], strict=True):
        assert " ".join(name) == row["condition"].replace("none", "as recorded")
        assert (float(uar), float(accuracy)) == pytest.approx((100 * row["uar"], 100 * row["accuracy"]), abs=0.0501)
    assert lines[at + 4] == [] != lines[at + 5]
    result = CliRunner().invoke(app, [str(word) for word in command[:-4] + ["--conditions", "rain", "--out", out]])
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("error: unknown condition 'rain'; known: noise-20, ")
