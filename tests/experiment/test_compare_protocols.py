"""Comparing models under several protocols: the leak is what the predictions say, and nothing is trained in vain."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from emotone.cli import results
from emotone.errors import ConfigError, ProtocolError
from emotone.experiment import compare, folds
from emotone.experiment.compare import _words
from support import toy_experiment as toy
from support.html_page import Page

pytestmark = pytest.mark.slow

MODELS = ("knn", "linear-svm")


DISJOINT, RANDOM = "speaker-6fold", "random-70-15-15"


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy.install(monkeypatch)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    pitch_hz = {"neutral": 140.0, "happy": 152.0, "angry": 300.0}
    return toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice, pitch_hz=pitch_hz)


@pytest.fixture(scope="module")
def compared(manifest, tmp_path_factory):
    """The configuration and folder of two models under two protocols; the leaking one is named first."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        config = toy.config(manifest, tmp_path_factory.mktemp("runs") / "compared")
        steps = []
        folder = compare(config, MODELS, protocols=(RANDOM, DISJOINT), progress=lambda *step: steps.append(step))
    assert [step[0] for step in steps] == sorted(step[0] for step in steps)
    assert steps[-1][:2] == (1000, 1000)
    assert any(what.startswith(f"{RANDOM}: knn: ") for _, _, what in steps)
    return config, folder


@pytest.fixture(scope="module")
def told(compared):
    return json.loads((compared[1] / "comparison.json").read_text())


def answers(folder, protocol, model):
    table = pd.read_parquet(folder / protocol / model / "predictions.parquet")
    return table[table["subset"] == "test"]


def uar(table):
    return balanced_accuracy_score(table["emotion"], table["predicted"])


def test_the_speaker_disjoint_protocol_sorts_the_rows_wherever_it_is_named(told):
    assert (told["reference"], told["leaking"]) == (DISJOINT, RANDOM)
    assert [one["name"] for one in told["protocols"]] == [RANDOM, DISJOINT]
    scores = [row["protocols"][DISJOINT]["uar"] for row in told["rows"]]
    assert scores == sorted(scores, reverse=True)
    assert told["chance"] == pytest.approx(1 / 3)
    assert {(row["family"], row["extractor"]) for row in told["rows"]} == {("classic", "bands")}


def test_the_result_of_each_protocol_is_that_of_its_own_comparison(compared, told):
    for protocol in (RANDOM, DISJOINT):
        own = json.loads((compared[1] / protocol / "comparison.json").read_text())
        rows = {row["model"]: row for row in own["rows"]}
        for row in told["rows"]:
            found, expected = row["protocols"][protocol], rows[row["model"]]
            assert found["intervals"] == expected["test"]["intervals"]
            assert [found[name] for name in ("uar", "paired", "best")] == [
                expected[name] for name in ("uar", "paired", "best")
            ]
            if protocol == DISJOINT:
                costs = ("fit_s", "bundle_mb", "recognition_ms")
                assert [row[name] for name in costs] == [expected[name] for name in costs]


def test_the_leak_is_that_of_the_predictions(compared, told):
    _, folder = compared
    for row in told["rows"]:
        known, unknown = (answers(folder, protocol, row["model"]) for protocol in (RANDOM, DISJOINT))
        assert (len(known), len(unknown)) == (9, 54)
        assert row["leak"]["uar"] == pytest.approx(uar(known) - uar(unknown))
        both = known.merge(unknown, on="path", suffixes=("", "_unknown"))
        same = row["leak"]["same_clips"]
        expected = uar(both) - balanced_accuracy_score(both["emotion"], both["predicted_unknown"])
        assert (same["n_clips"], same["difference"]) == (9, pytest.approx(expected))
        assert same["low"] <= same["difference"] <= same["high"]


def test_the_table_has_one_line_a_model_and_the_columns_of_each_protocol(compared, told):
    table = pd.read_csv(compared[1] / "comparison.csv").set_index("model")
    assert list(table.index) == [row["model"] for row in told["rows"]]
    for row in told["rows"]:
        line = table.loc[row["model"]]
        for protocol, found in row["protocols"].items():
            for score in ("uar", "accuracy", "macro_f1"):
                interval = found["intervals"][score]
                values = [line[f"{protocol}_{score}{end}"] for end in ("", "_low", "_high")]
                assert values == pytest.approx([found[score], interval["low"], interval["high"]])
            p = np.nan if found["paired"] is None else found["paired"]["p_holm"]
            assert line[f"{protocol}_p_holm"] == pytest.approx(p, nan_ok=True)
        assert line["leak"] == pytest.approx(row["leak"]["uar"])
        assert line["leak_same_clips"] == pytest.approx(row["leak"]["same_clips"]["difference"])


def test_the_words_count_what_the_folds_hold(compared, told):
    random, disjoint, leak = told["words"]
    assert disjoint == (
        f"{DISJOINT}: each of 6 folds trains on 45 of 54 clips (83 %); every clip is tested once; no test speaker "
        "is in training."
    )
    (fold,) = json.loads((compared[1] / RANDOM / "knn" / "folds.json").read_text())["folds"]
    n_train, n_dev, n_test = (len(fold[side]) for side in ("train", "dev", "test"))
    heard = set(fold["test_speakers"]) & set(fold["train_speakers"])
    assert n_train + n_dev + n_test == 54
    assert random == (
        f"{RANDOM}: one fold trains on {n_train} of 54 clips ({100 * n_train / 54:.0f} %), and keeps {n_dev} for "
        f"validation; {n_test} are tested; {len(heard)} of {len(set(fold['test_speakers']))} test speakers are also "
        "in training."
    )
    assert leak.startswith(f"The leak is the UAR under {RANDOM} minus the UAR under {DISJOINT}. ")


def test_the_words_say_what_else_a_model_learns_from(manifest, tmp_path, told):
    settings = {"augment": ("speed", "noise", "mixup"), "copies": 2, "train_also": ("song",), "tune": True}
    config = toy.config(manifest, tmp_path, **settings)
    deep = {**told, "rows": [told["rows"][0], {**told["rows"][1], "family": "deep"}]}
    _, _, _, copies, mixed, also, searched, epochs = _words(config, deep)
    assert copies.endswith("the clips, and 2 altered copies of each training clip (speed, noise).")
    assert "mixed" in mixed and "song clips of the training speakers" in also and "4 inner folds" in searched
    assert epochs.startswith(f"Networks ({told['rows'][1]['model']}) choose their number of epochs on validation clips")
    assert epochs.endswith(f"Under {RANDOM} these include clips of test speakers.")


def test_what_is_finished_is_not_fitted_again_and_models_and_protocols_can_change(compared, monkeypatch):
    config, folder = compared
    fitted = []
    fit = folds.fit
    monkeypatch.setattr(folds, "fit", lambda *args, **more: fitted.append(args[2].protocol) or fit(*args, **more))
    # another model and protocol in the configuration itself: they do not count
    compare(replace(config, model="svm", protocol="random-80-20"), MODELS, protocols=(RANDOM, DISJOINT))
    assert fitted == []
    compare(config, ["knn"], protocols=(DISJOINT, "random-80-20"))
    assert set(fitted) == {"random-80-20"}
    told = json.loads((folder / "comparison.json").read_text())
    assert [one["name"] for one in told["protocols"]] == [DISJOINT, "random-80-20"]
    assert (len(told["rows"]), told["leaking"]) == (1, "random-80-20")
    compare(config, MODELS, protocols=(RANDOM, DISJOINT))


def test_what_can_not_be_compared_is_refused_before_any_work(manifest, tmp_path):
    config = toy.config(manifest, tmp_path / "out")
    both = (DISJOINT, RANDOM)
    with pytest.raises(
        ConfigError, match="extractor is 'bands'.*the model 'cnn1d' is trained on.*set extractor to 'auto'"
    ):
        compare(config, ["knn", "cnn1d"], protocols=both)
    with pytest.raises(ConfigError, match="unknown model 'svn'"):
        compare(config, ["knn", "svn"], protocols=both)
    with pytest.raises(ConfigError, match="did you mean 'random-80-20'"):
        compare(config, ["knn"], protocols=(DISJOINT, "random-80-21"))
    with pytest.raises(ConfigError, match="are called 'mine'"):
        compare(config, ["knn"], protocols=("a/mine.json", "b/mine.json"))
    with pytest.raises(ProtocolError, match="mine.json can't be read"):
        compare(config, ["knn"], protocols=(DISJOINT, str(tmp_path / "mine.json")))
    assert not (tmp_path / "out").exists()


def test_a_protocol_that_is_named_twice_counts_once(manifest, tmp_path):
    config = toy.config(manifest, tmp_path / "out", protocol=DISJOINT)
    folder = compare(config, ["knn"], protocols=("random-80-20", "random-80-20"))
    comparison = json.loads((folder / "comparison.json").read_text())
    assert comparison["protocol"]["name"] == "random-80-20" and "protocols" not in comparison
    assert (folder / "comparison.toml").is_file() and (folder / "knn" / "metrics.json").is_file()


def test_a_folder_of_something_else_is_refused(compared, manifest):
    config, folder = compared
    with pytest.raises(ConfigError, match="seed is 0 there and 1 here"):
        compare(replace(config, seed=1), MODELS, protocols=(RANDOM, DISJOINT))
    with pytest.raises(ConfigError, match="a comparison under one protocol, and several are named"):
        compare(replace(config, out=folder / RANDOM), MODELS, protocols=(RANDOM, DISJOINT))


def test_a_corpus_that_changed_between_two_protocols_is_noticed(compared, manifest, tmp_path, make_voice):
    other = toy.write_corpus(tmp_path, make_voice)
    config = toy.config(other, tmp_path / "out")
    compare(config, ["knn"], protocols=(DISJOINT, RANDOM))
    path = tmp_path / "out" / RANDOM / "knn" / "predictions.parquet"
    table = pd.read_parquet(path)
    table["path"] = table["path"].str.replace("neutral", "changed")
    table.to_parquet(path)
    with pytest.raises(ConfigError, match="different clips under the same numbers"):
        compare(config, ["knn"], protocols=(DISJOINT, RANDOM))


def test_the_written_page_and_table_of_the_terminal_repeat_the_comparison(compared, told):
    _, folder = compared
    html = (folder / "comparison.html").read_text()
    for link in Page(html).links:
        assert (folder / link).is_file()
    table = results.side_by_side(told)
    assert [column.header for column in table.columns] == [
        "model",
        f"UAR %, {RANDOM}",
        f"UAR %, {DISJOINT}",
        "leak",
        "ms",
    ]
    leaks = list(table.columns[3].cells)
    assert leaks == [f"{100 * one['leak']['uar']:+.1f}" for one in told["rows"]]
    found = told["rows"][0]["protocols"][DISJOINT]
    low, high = (100 * found["intervals"]["uar"][end] for end in ("low", "high"))
    assert next(iter(table.columns[2].cells)) == f"{100 * found['uar']:.1f} ({low:.1f} to {high:.1f})"
