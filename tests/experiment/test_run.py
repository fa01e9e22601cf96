"""Whole runs: their files, scores and errors."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import Pipeline

from emotone import corpora, protocols
from emotone.errors import ConfigError, CorpusError, LeakError
from emotone.experiment import Config, outputs, run
from emotone.experiment.training_set import gather
from emotone.features.store import FeatureStore
from emotone.recognition.recognizer import Recognizer
from support import toy_experiment as toy

pytestmark = pytest.mark.slow

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


def test_metrics_json_has_the_agreed_shape(finished):
    config, summary, _ = finished
    told = json.loads((config.out / "metrics.json").read_text())
    assert told == summary.metrics
    assert list(told) == ["protocol", "validation", "test", "folds", "unsure", "groups"]
    wanted = {"accuracy", "uar", "macro_f1", "per_class", "confusion", "ece", "interval"}
    assert wanted <= told["validation"].keys() & told["test"].keys()
    assert told["protocol"]["name"] == "speaker-6fold"
    assert told["protocol"]["speaker_disjoint"] is True
    assert told["protocol"]["shared_speakers"] == [0] * 6
    assert "no speaker is in both parts" in told["protocol"]["validation"]
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
        "clips.json",
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
    assert "trained on all clips" in card["training"]["note"]
    assert "or on clips of their speakers" in card["training"]["note"]
    assert card["calibration"]["n_predictions"] == 54
    assert recognizer.predict(manifest.parent / clips["file"][0]).emotion == "neutral"  # and not unsure
    assert recognizer.threshold == card["calibration"]["threshold"]


def test_a_finished_run_returns_at_once(finished, monkeypatch):
    config, summary, _ = finished
    monkeypatch.setattr(sys.modules["emotone.experiment.run"], "_run_group", None)  # not called
    assert run(replace(config, cache=None)) == summary


def test_other_settings_are_refused_by_name_and_nothing_is_touched(finished):
    config, _, _ = finished
    before = {path: path.stat().st_mtime_ns for path in config.out.rglob("*")}
    with pytest.raises(ConfigError, match=r"model is 'svm' there and 'knn' here; seed is 0 there and 3 here.*--out"):
        run(replace(config, model="knn", seed=3))
    assert {path: path.stat().st_mtime_ns for path in config.out.rglob("*")} == before


def test_a_folder_of_something_else_is_refused(manifest, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"'thesis.txt' and no config.toml"):
        run(toy.config(manifest, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
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
    training_set = gather(
        corpora.load(config.corpora, config.data), toy.Bands(), config, store=FeatureStore(config.cache)
    )
    outputs.write_features(tmp_path, training_set, kind="parquet")
    found = pd.read_parquet(tmp_path / "features.parquet")
    assert (found[list(training_set.names)].to_numpy() == training_set.values).all()
    pd.testing.assert_frame_equal(found, pd.read_csv(config.out / "features.csv"), check_dtype=False, rtol=1e-6)
    outputs.write_scaler(tmp_path, Pipeline([("classifier", "passthrough")]), training_set)
    assert not (tmp_path / "scaler.json").exists()


def test_a_recording_on_both_sides_of_a_split_is_refused(tmp_path, make_voice):
    manifest = toy.write_corpus(tmp_path, make_voice)
    shutil.copy(tmp_path / "0-happy-0.wav", tmp_path / "1-happy-0.wav")
    config = toy.config(manifest, tmp_path / "run")
    with pytest.raises(LeakError, match=r"0-happy-0.wav.*1-happy-0.wav|1-happy-0.wav.*0-happy-0.wav"):
        run(config)
    assert not config.out.exists()


@pytest.mark.slow
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
