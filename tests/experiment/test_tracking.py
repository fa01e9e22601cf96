"""Finished runs in MLflow: a real store in a file, what it holds, and what happens if it fails."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import emotone
from emotone.errors import TrackingError
from emotone.experiment import run, tracking
from emotone.experiment.tracking import Tracker
from support import toy_experiment as toy
from support.command_line import run as command

pytestmark = pytest.mark.slow  # MLflow is large, and makes its tables in seconds

CURVES = """fold,fit,member,epoch,train_loss,train_accuracy,valid_loss,valid_accuracy,valid_uar,learning_rate,seconds,\
best
1,validation,1,1,1.1,0.3,1.2,0.25,0.2,0.01,0.5,False
1,validation,1,2,0.9,0.5,1.0,0.5,0.4,0.01,0.5,True
0,final,1,1,1.0,0.4,,,,0.01,0.5,True
"""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    return toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice)


@pytest.fixture(scope="module")
def finished(manifest, tmp_path_factory):
    """The folder of a finished run, with the training curves of a network."""
    folder = tmp_path_factory.mktemp("runs") / "knn"
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        run(toy.config(manifest, folder))
    (folder / "curves.csv").write_text(CURVES)
    return folder


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A store without runs: MLflow takes seconds to make its tables."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        Tracker(f"sqlite:///{folder / 'runs.db'}")
    return folder / "runs.db"


@pytest.fixture
def uri(empty, tmp_path, monkeypatch):
    """The address of a store without runs."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty, tmp_path / "runs.db")
    return f"sqlite:///{tmp_path / 'runs.db'}"


def client(uri):
    import mlflow

    return mlflow.MlflowClient(tracking_uri=uri)


def logged(uri):
    there = client(uri)
    experiment = there.get_experiment_by_name(tracking.EXPERIMENT)
    return there.search_runs([experiment.experiment_id])


def artifacts(uri, run_id, path=None):
    return {item.path for item in client(uri).list_artifacts(run_id, path)}


@pytest.fixture(scope="module")
def store(finished, empty, tmp_path_factory):
    """A store with the finished run: its address, and what `Tracker.log` returned."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        shutil.copy(empty, folder / "runs.db")
        address = f"sqlite:///{folder / 'runs.db'}"
        return address, Tracker(address).log(finished)


def test_a_run_is_logged_with_its_settings_and_scores(store, finished):
    uri, (run_id, is_new) = store
    (made,) = logged(uri)
    assert is_new and (made.info.run_id, made.info.status, made.info.run_name) == (run_id, "FINISHED", "knn")
    assert made.data.params["model"] == "knn" and made.data.params["corpora"] == "toy"
    assert made.data.params["seed"] == "0" and not {"out", "data", "cache"} & made.data.params.keys()
    measured = json.loads((finished / "metrics.json").read_text())
    metrics = made.data.metrics
    for subset in ("test", "validation"):
        for score in ("uar", "accuracy", "macro_f1"):
            assert metrics[f"{subset}_{score}"] == measured[subset][score]
            for end in ("low", "high"):
                assert metrics[f"{subset}_{score}_{end}"] == measured[subset]["intervals"][score][end]
        assert metrics[f"{subset}_recall_happy"] == measured[subset]["per_class"]["recall"]["happy"]


def test_the_curves_of_a_network_have_a_value_for_each_epoch(store):
    uri, (run_id, _) = store
    history = client(uri).get_metric_history(run_id, "fold1-validation-network1/valid_uar")
    assert [(point.step, point.value) for point in history] == [(1, 0.2), (2, 0.4)]
    assert [p.value for p in client(uri).get_metric_history(run_id, "final-network1/train_loss")] == [1.0]
    assert "final-network1/valid_loss" not in client(uri).get_run(run_id).data.metrics


def test_report_and_pictures_are_logged_and_neither_recordings_nor_their_paths(store, finished):
    uri, (run_id, _) = store
    assert artifacts(uri, run_id) == {"config.toml", "metrics.json", "report.html", "figures"}
    pictures = {f"figures/{path.name}" for path in (finished / "figures").glob("*.png")}
    assert artifacts(uri, run_id, "figures") == pictures and "figures/confusion_test.png" in pictures


def test_the_logged_model_loads_again_and_predicts_as_the_bundle(store, finished, manifest, monkeypatch, tmp_path):
    import mlflow

    monkeypatch.chdir(tmp_path)
    uri, (run_id, _) = store
    table = pd.read_csv(manifest)[:4]
    paths = [str(manifest.parent / name) for name in table["file"]]
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    finally:
        mlflow.set_tracking_uri(before)
    recognizer = emotone.Recognizer(finished / "model")
    expected = [recognizer.predict(path) for path in paths]
    for answers in (model.predict(paths), model.predict(pd.DataFrame({"path": paths}))):
        assert list(answers["emotion"].fillna("")) == [one.emotion or "" for one in expected]
        assert list(answers["label"]) == [one.label for one in expected]
        scores = answers[[f"score_{emotion}" for emotion in recognizer.emotions]].to_numpy()
        assert np.array_equal(scores, [list(one.scores.values()) for one in expected])


def test_a_run_is_logged_once_and_another_one_beside_it(store, finished, tmp_path):
    uri, (run_id, _) = store
    assert Tracker(uri).log(finished) == (run_id, False)
    shutil.copytree(finished, tmp_path / "moved")
    assert Tracker(uri).log(tmp_path / "moved") == (run_id, False)
    card = json.loads((tmp_path / "moved" / "model" / "card.json").read_text())
    card["created"] = "another day"
    (tmp_path / "moved" / "model" / "card.json").write_text(json.dumps(card))
    other = Tracker(uri).log(tmp_path / "moved")
    assert other.is_new and other.run_id != run_id and len(logged(uri)) == 2


def test_a_failure_leaves_the_run_and_says_how_to_log_it(uri, finished, monkeypatch):
    tracker = Tracker(uri)

    def fail(*_, **more):
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(tracker._client, "log_artifact", fail)
        before = sorted(path.name for path in finished.iterdir())
        with pytest.raises(TrackingError, match="no space left .* is complete: .*run the same command again"):
            tracker.log(finished)
    assert sorted(path.name for path in finished.iterdir()) == before
    assert [made.info.status for made in logged(uri)] == ["FAILED"]
    assert tracker.log(finished).is_new
    assert sorted(made.info.status for made in logged(uri)) == ["FAILED", "FINISHED"]


def test_a_store_that_can_not_be_opened_is_an_error_before_the_training(manifest, tmp_path):
    with pytest.raises(TrackingError, match="nothing was trained yet: check the address, such as sqlite:///runs.db"):
        emotone.train(manifest, data=manifest.parent, out=tmp_path / "run", model="knn", mlflow="nodatabase://runs")
    assert not (tmp_path / "run").exists()


def test_no_error_shows_the_password_of_an_address(monkeypatch):
    with pytest.raises(TrackingError) as caught:
        Tracker("nodatabase://anna:secret@127.0.0.1/runs")
    assert "secret" not in str(caught.value) and "nodatabase://***@127.0.0.1/runs" in str(caught.value)
    assert caught.value.__suppress_context__


def test_without_mlflow_the_extra_is_named_before_the_training(monkeypatch, manifest, tmp_path):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    result = command("train", manifest, "--data", manifest.parent, "--out", tmp_path / "run", "--mlflow", "runs")
    assert result.exit_code == 1 and "logging to MLflow needs the extra 'mlflow'" in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_command_and_the_function_log_the_same_run_once(manifest, finished, uri, monkeypatch):
    toy.install(monkeypatch)
    arguments = ["train", manifest, "--data", manifest.parent, "--out", finished, "--model", "knn"]
    arguments += ["--extractor", "bands", "--cache", manifest.parent / "cache", "--mlflow", uri]
    first, second = command(*arguments), command(*arguments)
    assert first.exit_code == second.exit_code == 0, first.output
    (made,) = logged(uri)
    assert first.stdout.splitlines()[-1] == f"MLflow: run {made.info.run_id}"
    assert second.stdout.splitlines()[-1] == f"MLflow: run {made.info.run_id}, logged before"
    settings = {"model": "knn", "extractor": "bands", "cache": manifest.parent / "cache"}
    trained = emotone.train(manifest, data=manifest.parent, out=finished, mlflow=uri, **settings)
    assert trained.folder == finished and len(logged(uri)) == 1


@pytest.mark.parametrize("protocols", [("speaker-6fold",), ("speaker-6fold", "random-70-15-15")])
def test_a_comparison_logs_a_run_for_each_model_and_protocol(manifest, uri, monkeypatch, tmp_path, protocols):
    toy.install(monkeypatch)
    out, models = tmp_path / "two", ("knn", "logistic-regression")
    arguments = ["compare", manifest, "--data", manifest.parent, "--out", out, "--models", ",".join(models)]
    arguments += ["--protocol", ",".join(protocols), "--extractor", "bands", "--cache", manifest.parent / "cache"]
    first, second = (command(*arguments, "--mlflow", uri) for _ in range(2))
    assert first.exit_code == second.exit_code == 0, first.output
    folders = {f"two/{name}": out / name for name in models}
    if len(protocols) > 1:
        folders = {f"two/{protocol}/{name}": out / protocol / name for protocol in protocols for name in models}
    made = {entry.info.run_name: entry for entry in logged(uri)}
    assert made.keys() == folders.keys() and len(logged(uri)) == len(folders)
    lines = {f"MLflow: run {entry.info.run_id} is {name}" for name, entry in made.items()}
    assert set(first.stdout.splitlines()[-len(folders) :]) == lines
    assert set(second.stdout.splitlines()[-len(folders) :]) == {f"{line}, logged before" for line in lines}
    for name, folder in folders.items():
        run_id, told = made[name].info.run_id, made[name].data
        measured = json.loads((folder / "metrics.json").read_text())
        assert told.metrics["test_uar"] == measured["test"]["uar"]
        assert (told.params["model"], told.params["protocol"]) == (folder.name, measured["protocol"]["name"])
        assert "figures/confusion_test.png" in artifacts(uri, run_id, "figures")
        (model,) = client(uri).search_logged_models(
            [made[name].info.experiment_id], filter_string=f"source_run_id = '{run_id}'"
        )
        (card,) = Path(model.artifact_location.removeprefix("file://")).rglob("card.json")
        assert card.read_bytes() == (folder / "model" / "card.json").read_bytes()


def test_a_comparison_opens_the_store_before_it_trains(manifest, tmp_path):
    arguments = ("compare", manifest, "--data", manifest.parent, "--out", tmp_path / "two", "--models", "knn")
    result = command(*arguments, "--mlflow", "nodatabase://runs")
    assert result.exit_code == 1 and "nothing was trained yet" in result.stderr
    assert not (tmp_path / "two").exists()


_TELEMETRY = """
from emotone.experiment.tracking import Tracker
Tracker({uri!r})
from mlflow.telemetry.client import get_telemetry_client
print(get_telemetry_client() is None)
"""


_RESPECTED = """
import os, sys
from emotone.experiment import tracking
sys.modules["mlflow"] = None
try:
    tracking._library()
except ImportError:
    print(os.environ["MLFLOW_DISABLE_TELEMETRY"])
"""


@pytest.mark.parametrize(("named", "is_off"), [({}, True), ({"MLFLOW_DISABLE_TELEMETRY": "false"}, False)])
def test_mlflow_reports_to_nobody_unless_the_user_decided_so(uri, named, is_off):
    """In a process that is neither a test nor CI, where MLflow reports nothing anyway."""
    left_out = ("CI", "PYTEST_CURRENT_TEST", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "GITHUB_ACTIONS")
    environment = {name: value for name, value in os.environ.items() if name not in left_out} | named
    # where the variable is respected, nothing is imported, and so nothing sent
    code = _TELEMETRY.format(uri=uri) if is_off else _RESPECTED
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.strip() == ("True" if is_off else "false"), done.stderr


@pytest.mark.parametrize(
    "uri",
    [
        "nodatabase://anna:pa/SECRET@127.0.0.1/runs",
        "nodatabase://anna:pa@SECRET@127.0.0.1/runs",
        "nodatabase://127.0.0.1/runs?user=anna&password=SECRET",
        "nodatabase://SECRET@127.0.0.1",
        f"nodatabase://anna:{'x' * 400}SECRET@127.0.0.1/runs",
    ],
)
def test_no_kind_of_secret_in_an_address_is_shown(uri):
    with pytest.raises(TrackingError) as caught:
        Tracker(uri)
    assert "SECRET" not in str(caught.value) and "xxxx" not in str(caught.value)
