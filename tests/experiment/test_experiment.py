"""Experiments: no model sees what it is asked about, and an interrupted run ends like one that was not."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import Pipeline

from emotone import corpora, metrics, protocols
from emotone.errors import ConfigError, CorpusError, LeakError
from emotone.experiment import Config, calibration, folds, outputs, run
from emotone.experiment.fold_result import FoldResult
from emotone.experiment.training_set import gather, gather_balance
from emotone.features.encoders import names
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.models.classic import pipelines
from emotone.recognition.recognizer import Recognizer
from support import toy_experiment as toy

EMOTIONS = ("neutral", "happy", "angry")


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy.install(monkeypatch)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    return toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice)


@pytest.fixture(scope="module")
def finished(manifest, tmp_path_factory):
    """A run that went through, and its configuration."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        config = toy.config(manifest, tmp_path_factory.mktemp("runs") / "run", model="svm", features="csv")
        told = []
        summary = run(config, lambda *step: told.append(step))
    return config, summary, told


# configuration


def test_a_configuration_survives_toml(tmp_path):
    config = Config(
        corpora=("ravdess", 'a "quoted" \\ name.csv'),
        data=tmp_path,
        out=tmp_path / "out",
        emotions=("very stressed", "sad", "anger"),
        labels={"Wut": "anger", 'a "b", c': "very stressed"},
        train_also=("song", "song"),
        augment=("noise", "mixup", "gain"),
        balance="augment",
        copies=0,
        tune=True,
        seed=7,
        cache=tmp_path / "cache",
    )
    assert Config.from_toml(config.to_toml()) == config
    assert config.emotions == ("sad", "angry", "very stressed")
    assert config.labels == {"Wut": "angry", 'a "b", c': "very stressed"}
    assert config.train_also == ("song",)
    assert ([transform.name for transform in config.transforms], config.mixup) == (["noise", "gain"], True)


def test_every_extractor_of_frames_is_known_without_torch():
    """The configuration goes by names alone, since the registry of extractors brings torch."""
    own = {spec.extractor for spec in registry.MODELS.values() if spec.family == "deep"}
    assert {name for name in own if not names.is_encoder(name)} == names.SEQUENCES
    assert all(names.is_sequence(name) for name in own)
    assert not any(names.is_sequence(spec.extractor) for spec in registry.MODELS.values() if spec.family == "classic")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"modle": "svm"}, "unknown setting 'modle'; the nearest known one is 'model'"),
        ({"model": "svn"}, "model is 'svn'; did you mean 'svm'"),
        ({"protocol": "speaker-6-fold"}, "did you mean 'speaker-6fold'"),
        ({"channel": "talk"}, "channel is 'talk'"),
        ({"emotions": ["happy"]}, "expected at least two"),
        ({"emotions": ["happy", "unsure"]}, "'unsure' can't be the name of a class"),
        ({"labels": {"gioia": "hapy"}}, "which is no emotion (did you mean 'happy'"),
        ({"labels": {"gioia": "stressed"}}, "labels map 'gioia' to 'stressed', which is no emotion; expected neutral"),
        ({"labels": ["happy=gioia"]}, "expected a table of texts, such as {'gioia': 'happy'}"),
        ({"corpora": []}, "no corpus is named"),
        ({"corpora": "ravdess"}, "expected a list of names"),
        ({"augment": ["echo"]}, "unknown transform 'echo'"),
        ({"balance": "augment"}, "augment names no transform"),
        ({"balance": "augment", "augment": ["mixup"]}, "augment names no transform"),
        ({"augment": ["noise", "noise"]}, "named 2 times"),
        ({"train_also": "song"}, "train_also is 'song'; expected a list of names"),
        ({"train_also": ["sung"]}, "train_also is 'sung'; did you mean 'song'?"),
        ({"train_also": ["speech"]}, "train_also is 'speech'; expected song, since channel is 'speech'"),
        ({"train_also": ["song"], "channel": "all"}, "channel is 'all', which includes it"),
        ({"train_also": ["song"], "protocol": "statement-disjoint"}, "training speakers say the tested statements"),
        ({"extractor": "log-mel"}, "extractor is 'log-mel', and the model 'svm' is trained on one row of features"),
        ({"extractor": "egemaps", "model": "lstm"}, "'egemaps', and the model 'lstm' is trained on frames (log-mel, "),
        ({"model": "lstm", "features": "csv"}, "which are not written to a file; set features to 'none'"),
        ({"augment": ["noise"], "copies": 0}, "copies is 0; expected 1 or more"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": "1"}, "seed is '1'; expected a whole number"),
        ({"tune": 1}, "tune is 1; expected true or false"),
        ({"features": "xlsx"}, "features is 'xlsx'"),
    ],
)
def test_a_wrong_setting_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        Config.from_dict({"corpora": ["ravdess"], "data": "data", "out": "out"} | settings)


def test_the_extractor_is_the_models_own_unless_another_of_its_kind_is_named():
    found = {
        (model, extractor): Config(("ravdess",), "data", "out", model=model, extractor=extractor).extractor_name
        for model, extractor in (("svm", "auto"), ("svm", "egemaps"), ("cnn2d", "auto"), ("cnn2d", "mfcc-frames"))
    }
    assert list(found.values()) == ["functionals", "egemaps", "log-mel", "mfcc-frames"]


def test_mixup_alone_makes_no_copies():
    made = [Config(("ravdess",), "data", "out", augment=names, copies=2) for names in ((), ("mixup",), ("gain",))]
    assert [config.n_copies for config in made] == [0, 0, 2]
    assert [config.mixup for config in made] == [False, True, False]


def test_a_missing_setting_is_named():
    with pytest.raises(ConfigError, match="lack data, out"):
        Config.from_dict({"corpora": ["ravdess"]})


# a whole run


def test_metrics_json_has_the_agreed_shape(finished):
    config, summary, _ = finished
    told = json.loads((config.out / "metrics.json").read_text())
    assert told == summary.metrics
    assert list(told) == ["protocol", "validation", "test", "folds", "left_out", "unsure", "groups"]
    wanted = {"accuracy", "uar", "macro_f1", "per_class", "confusion", "ece", "interval"}
    assert wanted <= told["validation"].keys() & told["test"].keys()
    assert told["protocol"]["name"] == "speaker-6fold"
    assert told["protocol"]["speaker_disjoint"] is True
    assert told["protocol"]["shared_speakers"] == [0] * 6
    assert "no voice is both learnt from and held out" in told["protocol"]["validation"]
    assert sorted(speaker for fold in told["folds"] for speaker in fold["test_speakers"]) == [
        f"toy-s{number}" for number in range(6)
    ]


def test_separable_emotions_are_told_apart_and_the_table_gives_the_same_scores(finished):
    config, summary, _ = finished
    table = pd.read_parquet(config.out / "predictions.parquet")
    test, validation = (table[table["subset"] == subset] for subset in ("test", "validation"))
    # each clip is tested once and held out once
    assert sorted(test["row"]) == list(range(54))
    assert (validation.groupby("row").size() == 1).all()
    assert summary.metrics["test"]["uar"] > 0.9
    for name, part in (("test", test), ("validation", validation)):
        assert summary.metrics[name]["uar"] == pytest.approx(
            balanced_accuracy_score(part["emotion"], part["predicted"])
        )
    scores = table[[f"score_{emotion}" for emotion in EMOTIONS]].to_numpy()
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_array_equal(scores.max(axis=1), table["confidence"])
    np.testing.assert_array_equal(np.asarray(EMOTIONS)[scores.argmax(axis=1)], table["predicted"])
    assert (test.groupby("fold")["speaker"].nunique() == 1).all()


def test_the_run_directory_holds_what_it_should(finished, manifest):
    config, _, told = finished
    assert {path.name for path in config.out.iterdir()} == {
        "config.toml",
        "folds.json",
        "predictions.parquet",
        "metrics.json",
        "classification_report.txt",
        "figures",
        "scaler.json",
        "features.csv",
        "timing.csv",
        "groups.csv",
        "risk_coverage.csv",
        "importance.csv",
        "errors",
        "report.html",
        "model",
    }
    assert Config.from_toml((config.out / "config.toml").read_text()) == config
    protocol = protocols.Protocol.from_dict(json.loads((config.out / "folds.json").read_text()))
    assert [fold.test.size for fold in protocol.folds] == [9] * 6
    features = pd.read_csv(config.out / "features.csv")
    assert list(features)[:4] == ["path", "speaker", "emotion", "band0_mean"]
    scaler = json.loads((config.out / "scaler.json").read_text())
    assert scaler["features"] == list(toy.Bands().feature_names)
    # the final model is fitted on every clip, and so is its scaler
    np.testing.assert_allclose(scaler["mean"], features[scaler["features"]].mean(), rtol=1e-3, atol=1e-4)
    report = (config.out / "classification_report.txt").read_text()
    assert report.index("Validation") < report.index("Test\n====")
    assert [step[0] for step in told] == sorted(step[0] for step in told)
    assert told[-1][:2] == (1000, 1000)


def test_the_bundle_is_the_final_model_and_its_card_says_how_it_was_scored(finished, manifest):
    config, summary, _ = finished
    recognizer = Recognizer(config.out / "model")
    clips = pd.read_csv(manifest)
    found = [recognizer.predict(manifest.parent / file).ranking[0] for file in clips["file"][::5]]
    assert found == list(clips["emotion"][::5])  # clips that it was fitted on
    card = recognizer.card
    assert card["scores"]["uar"] == summary.metrics["test"]["uar"]
    assert card["protocol"] == summary.metrics["protocol"]
    (corpus,) = card["training"]["corpora"]
    assert (corpus["name"], corpus["clips"], corpus["speakers"], corpus["commercial_use"]) == ("toy", 54, 6, False)
    assert "fitted on all clips" in card["training"]["note"]
    assert "nor their speakers" in card["training"]["note"]
    assert card["calibration"]["n_predictions"] == 54
    assert recognizer.predict(manifest.parent / clips["file"][0]).emotion == "neutral"  # and not unsure
    assert recognizer.threshold == card["calibration"]["threshold"]


def test_a_finished_run_returns_at_once(finished, monkeypatch):
    config, summary, _ = finished
    monkeypatch.setattr(corpora, "load", None)  # not called
    assert run(replace(config, cache=None)) == summary


def test_other_settings_are_refused_by_name_and_nothing_is_touched(finished):
    config, _, _ = finished
    before = {path: path.stat().st_mtime_ns for path in config.out.rglob("*")}
    with pytest.raises(ConfigError, match=r"model is 'svm' there and 'knn' here; seed is 0 there and 3 here.*--out"):
        run(replace(config, model="knn", seed=3))
    assert {path: path.stat().st_mtime_ns for path in config.out.rglob("*")} == before


def test_a_folder_of_something_else_is_refused(manifest, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"'thesis.txt', and no config.toml"):
        run(toy.config(manifest, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_shuffled_labels_are_at_chance(tmp_path, make_voice):
    """A score above chance here would be a leak: a neighbour of a held-out clip is that clip."""
    manifest = toy.write_corpus(tmp_path, make_voice, shuffled=True)
    for settings in ({}, {"augment": ("gain",), "balance": "augment"}, {"tune": True}):
        config = toy.config(manifest, tmp_path / f"run{len(settings)}{'tune' in settings}", **settings)
        told = run(config).metrics
        for subset in ("validation", "test"):
            assert 0.1 < told[subset]["uar"] < 0.55, (settings, subset)


def test_a_random_split_says_that_it_shares_speakers_and_validates_on_its_development_clips(manifest, tmp_path):
    told = run(toy.config(manifest, tmp_path / "run", protocol="random-70-15-15")).metrics
    assert told["protocol"]["speaker_disjoint"] is False
    assert "also in training" in told["protocol"]["warning"]
    assert "speakers" not in told["protocol"]["validation"]
    assert told["protocol"]["shared_speakers"] == [len(told["folds"][0]["shared_speakers"])] != [0]
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    protocol = protocols.Protocol.from_dict(json.loads((tmp_path / "run" / "folds.json").read_text()))
    (fold,) = protocol.folds
    for subset, rows in (("validation", fold.dev), ("test", fold.test)):
        assert sorted(table.loc[table["subset"] == subset, "row"]) == rows.tolist()
    note = json.loads((tmp_path / "run" / "model" / "card.json").read_text())["training"]["note"]
    assert "speakers" not in note


def test_features_are_written_alike_as_parquet_and_csv(finished, manifest, tmp_path):
    config, _, _ = finished
    material = gather(corpora.load(config.corpora, config.data), toy.Bands(), config, store=FeatureStore(config.cache))
    outputs.write_features(tmp_path, material, kind="parquet")
    found = pd.read_parquet(tmp_path / "features.parquet")
    assert (found[list(material.names)].to_numpy() == material.values).all()
    pd.testing.assert_frame_equal(found, pd.read_csv(config.out / "features.csv"), check_dtype=False, rtol=1e-6)
    outputs.write_scaler(tmp_path, Pipeline([("classifier", "passthrough")]), material)
    assert not (tmp_path / "scaler.json").exists()


# leaks


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
    material = gather(corpus, extractor, config, store=store)
    built = protocols.build(protocol, material.corpus)
    plans = folds.plan(built, material, config)
    sets = [rows for plan in plans for rows in plan.training_sets()]
    material = gather_balance(material, extractor, config, training_sets=sets, store=store)
    assert material.copy.max() >= 3  # one copy of all, and more to balance
    origin = {row.tobytes(): int(made_from) for row, made_from in zip(material.values, material.origin, strict=True)}
    assert len(origin) == len(material.values)  # so that a row tells what it was made from
    speakers = np.asarray(material.speakers)
    for plan in plans:
        for train, held_out in plan.inner:
            common = set(speakers[train]) & set(speakers[held_out])
            assert bool(common) == (not built.speaker_disjoint)
        Spy.fits = []
        result = folds.run_fold(plan, material, config)
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


def test_balancing_gives_every_clip_a_copy_before_any_gets_two(unbalanced, tmp_path):
    config = toy.config(unbalanced, tmp_path / "run", augment=("gain",), balance="augment", copies=0)
    corpus = corpora.load(config.corpora, config.data)
    store, every = FeatureStore(config.cache), np.arange(len(corpus))
    material = gather(corpus, toy.Bands(), config, store=store)
    material = gather_balance(material, toy.Bands(), config, training_sets=[every], store=store)
    rows = material.training(every, balanced=True)
    assert np.bincount(material.labels[material.origin[rows]]).tolist() == [18, 18, 18]
    happy = material.origin[rows][material.labels[material.origin[rows]] == 1]
    assert set(np.bincount(happy)[np.unique(happy)]) == {3}  # 6 clips: each itself and two copies
    assert material.training(every).tolist() == every.tolist()


def test_a_recording_on_both_sides_of_a_split_is_refused(tmp_path, make_voice):
    manifest = toy.write_corpus(tmp_path, make_voice)
    shutil.copy(tmp_path / "0-happy-0.wav", tmp_path / "1-happy-0.wav")
    config = toy.config(manifest, tmp_path / "run")
    with pytest.raises(LeakError, match=r"0-happy-0.wav.*1-happy-0.wav|1-happy-0.wav.*0-happy-0.wav"):
        run(config)
    assert not config.out.exists()


def test_what_is_left_out_or_there_twice_is_listed(tmp_path, make_voice):
    manifest = toy.write_corpus(tmp_path, make_voice)
    shutil.copy(tmp_path / "0-happy-0.wav", tmp_path / "0-happy-1.wav")  # of one speaker: on one side always
    (tmp_path / "1-angry-1.wav").write_bytes(b"RIFF no sound")
    config = toy.config(manifest, tmp_path / "run")
    told = run(config).metrics
    assert told["test"]["n_clips"] == 53
    rejected = pd.read_csv(config.out / "rejected.csv")
    assert [path.rsplit("/")[-1] for path in rejected["path"]] == ["1-angry-1.wav"]
    twins = pd.read_csv(config.out / "duplicates.csv")
    assert [path.rsplit("/")[-1] for path in twins["path"]] == ["0-happy-0.wav", "0-happy-1.wav"]


def test_a_corpus_with_one_readable_emotion_is_refused(tmp_path, make_voice):
    manifest = toy.write_corpus(tmp_path, make_voice, pitch_hz={"happy": 150.0, "angry": 200.0})
    for path in tmp_path.glob("*-angry-*.wav"):
        path.write_bytes(b"RIFF no sound")
    with pytest.raises(CorpusError, match="are of happy only"):
        run(toy.config(manifest, tmp_path / "run"))


# resuming, tuning


class PowerCutError(Exception):
    """Stands for what ends a process."""


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
    material = gather(corpora.load(config.corpora, config.data), toy.Bands(), config, store=FeatureStore(config.cache))
    plan, other, *_ = folds.plan(protocols.build("speaker-6fold", material.corpus), material, config)
    relabelled = material.corpus.table.assign(emotion="happy")
    changed = replace(material, corpus=corpora.Corpus(relabelled, "toy"))
    keys = [
        folds.fingerprint(plan, material, config, extractor_digest="a"),
        folds.fingerprint(other, material, config, extractor_digest="a"),
        folds.fingerprint(plan, material, config, extractor_digest="b"),
        folds.fingerprint(plan, changed, config, extractor_digest="a"),
        folds.fingerprint(plan, material, replace(config, seed=1), extractor_digest="a"),
        folds.fingerprint(plan, material, replace(config, model="svm"), extractor_digest="a"),
        folds.fingerprint(plan, replace(material, digests=("0",) * 54), config, extractor_digest="a"),
    ]
    assert len(set(keys)) == len(keys)
    assert folds.fingerprint(plan, material, replace(config, out=tmp_path), extractor_digest="a") == keys[0]


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


def test_a_fold_result_survives_the_disk_and_a_damaged_one_is_nothing(tmp_path):
    kept = result({"C": (3, 3)}, {(3, 3): 0.9}, temperature=1.5)
    kept.save(tmp_path / "fold.npz")
    found = FoldResult.load(tmp_path / "fold.npz")
    assert (found.settings, found.temperature, found.classes.tolist()) == ({"C": (3, 3)}, 1.5, [0, 1])
    assert folds.best_settings([found]) == {"C": (3, 3)}
    (tmp_path / "fold.npz").write_bytes((tmp_path / "fold.npz").read_bytes()[:100])
    assert FoldResult.load(tmp_path / "fold.npz") is None
    assert FoldResult.load(tmp_path / "none.npz") is None


def test_the_least_certain_tenth_of_the_validation_answers_are_unsure(manifest, tmp_path):
    config = toy.config(manifest, tmp_path / "run")
    material = gather(corpora.load(config.corpora, config.data), toy.Bands(), config, store=FeatureStore(config.cache))
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 54, 20_000)
    # true probabilities, taken to the power of 3: a model too sure of itself by a temperature of 3
    probabilities = rng.dirichlet(np.ones(3), size=54)
    labels = np.array([rng.choice(3, p=probabilities[row]) for row in rows])
    sharpened = probabilities[rows] ** 3 / (probabilities[rows] ** 3).sum(axis=1, keepdims=True)
    # each validation row must be a clip of the class that was drawn
    clip_of = [np.flatnonzero(material.labels == label) for label in range(3)]
    chosen = np.array([clip_of[label][0] for label in labels])
    fold = replace(result({}, {}), validation_rows=chosen, validation_scores=sharpened)
    found = calibration.calibration([fold], material)
    assert found["temperature"] == pytest.approx(3, rel=0.05)
    assert 0.9 <= found["coverage"] < 0.93
    calibrated = metrics.apply_temperature(sharpened, found["temperature"])
    confident = calibrated.max(axis=1) >= found["threshold"]
    right = calibrated.argmax(axis=1) == labels
    assert found["accuracy_above"] == pytest.approx(right[confident].mean())
    assert found["accuracy_below"] == pytest.approx(right[~confident].mean())
    assert found["accuracy_above"] > found["accuracy_below"] + 0.1
    assert found["ece"] < 0.05


def test_calibration_gives_nothing_to_an_emotion_that_a_fold_never_met():
    fold = result({}, {}, classes=(0, 2), temperature=2.0)
    found = fold.calibrated(np.array([[0.8, 0.0, 0.2]]))
    # square roots of 0.8 and 0.2 are as 2 to 1
    np.testing.assert_allclose(found, [[2 / 3, 0, 1 / 3]])


def test_two_speakers_are_enough(manifest, tmp_path):
    """Each fold trains on one speaker, so validation holds out clips, and says so."""
    table = pd.read_csv(manifest)
    few = manifest.parent / "few.csv"
    table[table["speaker"].isin(["s0", "s1"])].to_csv(few, index=False)
    told = run(toy.config(few, tmp_path / "run", model="svm")).metrics
    assert "NOT kept apart" in told["protocol"]["validation"]
    assert told["protocol"]["shared_speakers"] == [0, 0]


def test_too_few_clips_for_a_model_are_an_error_of_the_corpus(manifest, tmp_path):
    table = pd.read_csv(manifest)
    few = manifest.parent / "few.csv"
    table[table["speaker"].isin(["s0", "s1"])].to_csv(few, index=False)
    with pytest.raises(CorpusError, match=r"'knn' can't learn fold 1 from 9 clips.*n_neighbors = 7"):
        run(toy.config(few, tmp_path / "run"))
