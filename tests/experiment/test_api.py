"""`emotone.train` and `emotone.evaluate` on a user's own labels and classes, from the manifest to the page."""

import json
import shutil

import pandas as pd
import pytest

import emotone
from emotone.errors import ConfigError, CorpusWarning, FeatureError
from emotone.palette import colour_of
from emotone.report.figures.timeline import timeline_picture
from support import toy_experiment as toy
from support.command_line import run as command

pytestmark = pytest.mark.slow

CLASSES = {"relaxed": 110.0, "sad": 190.0, "stressed": 300.0}
LEFT_OUT = [
    {"reason": "labelled 'frustrated' (not in the vocabulary; see --labels)", "clips": 2},
    {"reason": "whose file is missing", "clips": 1},
]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    """Return a table with the classes relaxed, sad (as "triste") and stressed, and rows that can't be used."""
    path = toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice, pitch_hz=CLASSES)
    table = pd.read_csv(path).replace({"emotion": {"sad": "triste"}})
    for number in range(2):
        shutil.copy(path.parent / table["file"][0], path.parent / f"more-{number}.wav")
        table.loc[len(table)] = [f"more-{number}.wav", "frustrated", "s0", "f"]
    table.loc[len(table)] = ["gone.wav", "relaxed", "s0", "f"]
    table.to_csv(path, index=False, sep=";")
    return path


@pytest.fixture(scope="module")
def settings(manifest, tmp_path_factory):
    return {
        "data": manifest.parent,
        "out": tmp_path_factory.mktemp("runs") / "run",
        "model": "linear-svm",
        "extractor": "bands",
        "cache": manifest.parent / "cache",
        "emotions": ("stressed", "sad", "relaxed"),
        "labels": {"triste": "sadness"},
    }


@pytest.fixture(scope="module")
def trained(manifest, settings):
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        yield emotone.train(manifest, **settings)


def test_own_classes_and_labels_go_from_the_table_to_every_result(manifest, trained):
    names = ["sad", "relaxed", "stressed"]
    card = json.loads((trained.bundle / "card.json").read_text())
    assert card["emotions"] == names
    assert list(trained.test.details["per_class"]["recall"]) == names
    assert trained.test.uar > 0.8
    recognizer = emotone.Recognizer(trained.bundle)
    assert recognizer.emotions == tuple(names)
    assert recognizer.predict(manifest.parent / "0-stressed-0.wav").top(1)[0][0] == "stressed"
    assert list(emotone.Recognizer(trained.bundle, emotions=["relaxed", "stressed"]).emotions) == names[1:]
    timeline = recognizer.timeline(manifest.parent / "0-stressed-0.wav")
    assert timeline.emotions == tuple(names)
    assert timeline_picture(timeline, name="x.wav") is not None
    assert (trained.folder / "figures/confusion_test.png").stat().st_size > 1000
    page = (trained.folder / "report.html").read_text()
    assert "triste = sad" in page
    assert all(colour_of(name, names) in page for name in names)
    assert len({colour_of(name, names) for name in names}) == 3


def test_a_bundle_of_own_classes_is_evaluated_on_them(manifest, trained, tmp_path):
    told = emotone.evaluate(
        trained.bundle, manifest, data=manifest.parent, labels={"triste": "sad"}, out=tmp_path / "scores"
    )
    assert told.details["emotions"] == ["sad", "relaxed", "stressed"]
    assert told.details["left_out"] == LEFT_OUT
    assert (tmp_path / "scores/figures/confusion_test.png").is_file()
    without = emotone.evaluate(trained.bundle, manifest, data=manifest.parent)
    assert without.details["emotions"] == ["relaxed", "stressed"]
    assert without.details["left_out"][0] == {
        "reason": "labelled 'triste' (not in the vocabulary; if it means sad: --labels sad=triste)",
        "clips": 18,
    }


def test_what_was_left_out_is_in_the_metrics_the_page_and_the_terminal(manifest, trained, settings):
    assert json.loads((trained.folder / "metrics.json").read_text())["left_out"] == LEFT_OUT
    text = "Left out 3 clips: 2 labelled 'frustrated' (not in the vocabulary; see --labels), 1 whose file is missing"
    page = (trained.folder / "report.html").read_text().replace("&#39;", "'")
    assert text in page
    assert len(pd.read_csv(trained.folder / "rejected.csv")) == 3
    result = command("train", "--config", trained.folder / "config.toml")
    assert result.exit_code == 0, result.stderr
    assert f"{text}.  Each file: {trained.folder / 'rejected.csv'}" in result.stdout


def test_what_is_left_out_is_said_before_features_are_computed(manifest, settings, tmp_path, monkeypatch):
    def compute(self, *arguments, **options):
        raise FeatureError("the work begins")

    monkeypatch.setattr("emotone.features.store.FeatureStore.compute", compute)
    with pytest.warns(CorpusWarning, match="Left out 3 clips: 2 labelled 'frustrated' .*clips are used\nSay what"):
        with pytest.raises(FeatureError, match="the work begins"):
            emotone.train(manifest, **(settings | {"out": tmp_path / "other"}))


def test_other_labels_are_another_experiment(manifest, trained, settings):
    again = emotone.train(manifest, **(settings | {"labels": {"triste": "sad"}}))
    assert again.folder == trained.folder
    with pytest.raises(ConfigError, match=r"labels is \{'triste': 'sad'\} there and None here"):
        emotone.train(manifest, **(settings | {"labels": None}))
