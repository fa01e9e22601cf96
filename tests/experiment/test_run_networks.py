"""Experiments with networks: who chooses the number of epochs, what the curves tell, and being taken up again."""

import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from emotone import corpora
from emotone.experiment import Config, fold_result, run
from emotone.experiment import folds as experiment_folds
from emotone.features.frames import MfccFrames
from emotone.features.graph import extractor_graph
from emotone.features.store import FeatureStore
from emotone.models import registry
from emotone.models.deep import training
from emotone.models.deep.classifier import NeuralClassifier
from emotone.parallel import LocalPool
from emotone.recognition.recognizer import Recognizer
from support import toy_experiment as toy

pytestmark = pytest.mark.slow

N_EPOCHS, N_FOLDS = 4, 3
QUICK = {"max_epochs": N_EPOCHS, "batch_size": 16, "learning_rate": 0.005, "averaging": 0.0, "precision": "float32"}
COLUMNS = [
    *("fold", "fit", "member", "epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "valid_uar"),
    *("learning_rate", "seconds", "best"),
]


@pytest.fixture(scope="module")
def graph() -> bytes:
    return extractor_graph(MfccFrames()).SerializeToString()


@pytest.fixture(scope="module", autouse=True)
def _quick(graph):
    """A network of few epochs, and the extractor's graph exported once."""
    spec = registry.MODELS["cnn1d"]

    def build(*, seed, n_jobs, class_weight):
        settings = {f"classifier__{name}": value for name, value in QUICK.items()}
        return spec.build(seed=seed, n_jobs=1, class_weight=class_weight).set_params(**settings)

    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        monkeypatch.setitem(registry.MODELS, "cnn1d", replace(spec, build=build))
        monkeypatch.setattr(FeatureStore, "graph", lambda self, extractor: graph)
        yield


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    """Six speakers whose pitch is their emotion."""
    return toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice)


@pytest.fixture(scope="module")
def mislabelled(tmp_path_factory, make_voice):
    """The same with labels of no sense, and beside it a file of who is tested in which of three folds."""
    path = toy.write_corpus(tmp_path_factory.mktemp("mislabelled"), make_voice, shuffled=True)
    protocol = {"corpus": "toy", "channel": "speech", "source": "the tests", "test_speakers": speakers()}
    path.with_name("three.json").write_text(json.dumps(protocol))
    return path


def speakers() -> list[list[str]]:
    return [["s0", "s1"], ["s2", "s3"], ["s4", "s5"]]


def config(manifest, out, **settings) -> Config:
    protocol = str(manifest.with_name("three.json"))
    return toy.config(manifest, out, **{"model": "cnn1d", "extractor": "auto", "protocol": protocol} | settings)


@contextmanager
def different_choices():
    """Held-out losses that are least in an epoch which the labels decide, so that each fold chooses another one."""
    real = training.Net.validation_step

    def step(self, batch, **given):
        labels = batch[1].numpy()
        best = 1 + (labels @ np.arange(labels.size) ** 2 + 1) % N_EPOCHS
        return real(self, batch, **given) | {"loss": torch.tensor(1.0 + abs(len(self.history) - int(best)))}

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(training.Net, "validation_step", step)
        yield monkeypatch


@pytest.fixture(scope="module")
def finished(mislabelled, tmp_path_factory):
    """A run that went through: its configuration, and what each fit was given (clips, held-out clips, settings)."""
    fits = []
    real = NeuralClassifier.fit

    def fit(self, X, y, *, held_out=None, **given):
        fits.append((list(X), [] if held_out is None else list(held_out[0]), self.max_epochs, given["epoch_size"]))
        return real(self, X, y, held_out=held_out, **given)

    chosen = config(mislabelled, tmp_path_factory.mktemp("runs") / "run")
    with different_choices() as monkeypatch:
        monkeypatch.setattr(NeuralClassifier, "fit", fit)
        run(chosen)
    return chosen, fits


@pytest.fixture(scope="module")
def with_development(manifest, tmp_path_factory):
    """A run under a protocol that has development rows."""
    chosen = config(manifest, tmp_path_factory.mktemp("runs") / "run", protocol="random-70-15-15")
    run(chosen)
    return chosen


def curves(chosen: Config) -> pd.DataFrame:
    return pd.read_csv(chosen.out / "curves.csv")


def kept(table: pd.DataFrame, *, fold: int, fit: str) -> int:
    (epoch,) = table[(table["fold"] == fold) & (table["fit"] == fit) & table["best"]]["epoch"]
    return int(epoch)


def test_curves_have_a_row_an_epoch_of_every_fit(finished):
    table = curves(finished[0])
    assert list(table.columns) == COLUMNS
    fits = list(dict.fromkeys(zip(table["fold"], table["fit"], strict=True)))
    assert fits == [(fold, fit) for fold in (1, 2, 3) for fit in ("validation", "test")] + [(0, "final")]
    for _, rows in table.groupby(["fold", "fit"]):
        assert rows["epoch"].tolist() == list(range(1, len(rows) + 1))
        assert rows["best"].sum() == 1
    assert (finished[0].out / "figures" / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_model_that_does_not_adapt_tells_nothing_of_adaptation(finished):
    folder = finished[0].out
    assert "adapted" not in json.loads((folder / "metrics.json").read_text())
    assert not (folder / "adaptation.csv").exists() and not (folder / "figures" / "adaptation.png").exists()


def test_only_the_fit_that_chooses_has_held_out_scores(finished):
    table = curves(finished[0])
    held_out = table[["valid_loss", "valid_accuracy", "valid_uar"]].notna()
    chooses = table["fit"] == "validation"
    assert held_out[chooses].all(axis=None)
    assert not held_out[~chooses].any(axis=None)
    for fold in (1, 2, 3):
        rows = table[(table["fold"] == fold) & chooses]
        assert kept(table, fold=fold, fit="validation") == rows["epoch"].iloc[rows["valid_loss"].argmin()]


def test_the_tested_model_is_trained_for_the_epochs_that_validation_chose(finished):
    table = curves(finished[0])
    chosen = [kept(table, fold=fold, fit="validation") for fold in (1, 2, 3)]
    assert chosen == [1, 3, 2]
    for fold, epochs in zip((1, 2, 3), chosen, strict=True):
        rows = table[(table["fold"] == fold) & (table["fit"] == "test")]
        assert rows["epoch"].max() == epochs == kept(table, fold=fold, fit="test")
    final = table[table["fit"] == "final"]
    assert final["epoch"].max() == int(np.median(chosen))
    assert [max_epochs for _, _, max_epochs, _ in finished[1]] == [
        number for epochs in chosen for number in (N_EPOCHS, epochs)
    ] + [int(np.median(chosen))]


def test_no_fit_sees_a_clip_that_is_tested_and_none_learns_from_one_that_it_holds_out(finished):
    """By the frames themselves, whatever the experiment's own row numbers say."""
    chosen, fits = finished
    corpus = corpora.load(chosen.corpora, chosen.data)
    features = FeatureStore(chosen.cache).compute(corpus, MfccFrames(), pool=LocalPool(1)).values
    row_of = {frames.tobytes(): row for row, frames in enumerate(features)}
    assert len(row_of) == len(corpus) == 54
    named = np.asarray(corpus.table["speaker"].str.removeprefix("toy-"))
    rows = [[[row_of[clip.tobytes()] for clip in clips] for clips in fit[:2]] for fit in fits]
    for number, tested in enumerate(speakers()):
        (train, held_out), (whole, nothing) = rows[2 * number], rows[2 * number + 1]
        assert set(named[train + held_out]) == set(named[whole]) == set(named) - set(tested)
        assert set(named[held_out]) == set(speakers()[(number + 1) % N_FOLDS])
        assert not set(named[train]) & set(named[held_out])
        assert nothing == []
        assert sorted(train + held_out) == sorted(whole)
    assert sorted(rows[-1][0]) == list(range(54)) and rows[-1][1] == []
    assert [fit[3] for fit in fits] == [18, 36] * 3 + [54]


def test_validation_is_told_of_in_words(finished, with_development):
    for chosen in (finished[0], with_development):
        told = json.loads((chosen.out / "metrics.json").read_text())
        assert "its number of epochs was chosen on them" in told["protocol"]["validation"]
    assert told["test"]["uar"] > 0.6  # a third by chance


def test_with_development_rows_one_fit_chooses_and_is_tested(with_development):
    table = curves(with_development)
    fits = list(dict.fromkeys(zip(table["fold"], table["fit"], strict=True)))
    assert fits == [(1, "test"), (0, "final")]
    rows = table[table["fit"] == "test"]
    assert rows["valid_loss"].notna().all()
    epochs = kept(table, fold=1, fit="test")
    assert epochs == rows["epoch"].iloc[rows["valid_loss"].argmin()]
    assert table[table["fit"] == "final"]["epoch"].max() == epochs
    assert table[table["fit"] == "final"]["valid_loss"].isna().all()


def test_the_best_epochs_own_predictions_are_the_validation_predictions(with_development):
    table = curves(with_development)
    (best,) = table[(table["fit"] == "test") & table["best"]].to_dict("records")
    predictions = pd.read_parquet(with_development.out / "predictions.parquet")
    development = predictions[predictions["subset"] == "validation"]
    (fold,) = json.loads((with_development.out / "folds.json").read_text())["folds"]
    assert development["row"].tolist() == sorted(fold["dev"])
    assert not set(fold["dev"]) & {*fold["train"], *fold["test"]}
    right = development["predicted"] == development["emotion"]
    assert best["valid_accuracy"] == pytest.approx(right.mean())
    assert best["valid_uar"] == pytest.approx(right.groupby(development["emotion"]).mean().mean())


def test_the_bundle_answers_from_the_waveform_on(with_development, make_voice):
    recognizer = Recognizer(with_development.out / "model")
    assert (recognizer.card["model"], recognizer.card["extractor"]["name"]) == ("cnn1d", "mfcc-frames")
    found = {
        emotion: recognizer.run(make_voice(seconds=0.4, pitch_hz=pitch, seed=7))[0]
        for emotion, pitch in toy.PITCH_HZ.items()
    }
    right = [recognizer.emotions[scores.argmax()] == emotion for emotion, scores in found.items()]
    assert sum(right) >= 2


def test_the_card_says_how_long_and_how_many(finished):
    chosen, fits = finished
    parameters = Recognizer(chosen.out / "model").card["parameters"]
    assert (parameters["classifier__max_epochs"], parameters["classifier__n_members"]) == (fits[-1][2], 1)


def test_history_survives_the_disk(tmp_path):
    rows = np.arange(3)
    history = [{"fit": "test", "member": 1, "epoch": 1, "valid_loss": None, "train_loss": 0.25, "best": True}]
    result = fold_result.FoldResult(
        test_rows=rows,
        test_scores=np.full((3, 2), 0.5),
        validation_rows=rows,
        validation_scores=np.full((3, 2), 0.5),
        classes=np.arange(2),
        temperature=1.5,
        epochs=[7, 9],
        history=history,
    )
    result.save(tmp_path / "fold.npz")
    found = fold_result.FoldResult.load(tmp_path / "fold.npz")
    assert (found.history, found.epochs, found.temperature) == (history, [7, 9], 1.5)


@pytest.mark.parametrize(("epochs", "expected"), [([], {}), ([7], 7), ([3, 9, 4], 4), ([4, 9], 6)])
def test_the_final_number_of_epochs_is_the_middle_one(epochs, expected):
    setting = experiment_folds.epochs_setting(epochs)
    assert setting == ({"classifier__max_epochs": expected} if epochs else expected)


def interrupting(words: str, heard: list[str]):
    """A progress that is interrupted from the keyboard when it is told what begins with these words."""

    def told(done, total, what):
        if "epoch" in what:
            heard.append(what.partition(",")[0])
        if what.startswith(words):
            raise KeyboardInterrupt

    return told


def test_a_run_that_is_interrupted_within_fits_ends_like_one_that_was_not(finished, mislabelled, tmp_path):
    whole, _ = finished
    table = curves(whole)
    chosen = config(mislabelled, tmp_path / "run")
    # in the first fit of fold 2, in the tested model of fold 3, which has two epochs, and in the final one
    heard = []
    with different_choices():
        for words in ("fold 2: epoch 3 of 4", "fold 3: epoch 2 of 2", "epoch 2 of 2"):
            heard.append([])
            with pytest.raises(KeyboardInterrupt):
                run(chosen, interrupting(words, heard[-1]))
            assert not (chosen.out / "metrics.json").exists()
        heard.append([])
        run(chosen, interrupting("nothing is", heard[-1]))
    # what was done is not done again
    assert [again[0] for again in heard[1:]] == ["fold 2: epoch 3 of 4", "fold 3: epoch 2 of 2", "epoch 2 of 2"]
    assert heard[3] == ["epoch 2 of 2"]
    pd.testing.assert_frame_equal(
        curves(chosen).drop(columns="seconds"), table.drop(columns="seconds"), check_exact=True
    )
    for name in ("predictions.parquet", "metrics.json"):
        assert (chosen.out / name).read_bytes() == (whole.out / name).read_bytes()
    assert not (chosen.out / ".work").exists()
    digests = [Recognizer(one.out / "model").card["sha256"] for one in (chosen, whole)]
    assert digests[0] == digests[1]
