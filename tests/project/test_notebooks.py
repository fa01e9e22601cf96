"""The notebooks: stored without outputs, and executed on generated voices."""

import hashlib
import json
import re

import numpy as np
import pytest

import emotone
from emotone import audio
from support import shared_graphs
from support.notebooks import MACHINE, METADATA, NAMES, ROOT, outputs_of, rendering, run_notebook, source

#: Code of RAVDESS -> pitch of the generated voice, Hz.
EMOTIONS = {"01": 110.0, "03": 260.0, "04": 150.0, "05": 360.0}  # neutral, happy, sad, angry
#: Mean pitch in openSMILE's eGeMAPS.  Its features need no graph; exporting a graph takes 20 s.
PITCH = "F0semitoneFrom27.5Hz_sma3nz_amean"
ACTORS = (1, 2, 3, 4, 8, 13)  # one of each published fold

# As they are stored.


def test_there_are_four_and_the_readme_names_them():
    assert sorted(path.stem for path in rendering.NOTEBOOKS.glob("*.ipynb")) == list(NAMES)
    readme = (rendering.NOTEBOOKS / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"({name}.ipynb)" in readme and f"(../docs/notebooks/{name}.md)" in readme


@pytest.mark.parametrize("name", NAMES)
def test_stored_without_outputs_and_private_metadata(name):
    text = source(name).read_text(encoding="utf-8")
    notebook = json.loads(text)
    assert notebook["metadata"] == METADATA
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert 8 <= len(notebook["cells"]) <= 15
    for cell in notebook["cells"]:
        assert cell["metadata"] in ({}, {"tags": ["parameters"]})
        assert re.fullmatch(r"[a-z0-9-]+", cell["id"])
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            assert len(cell["source"]) <= 16
            assert max(len(line.rstrip("\n")) for line in cell["source"]) <= 120
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    # one way to write it, so that a diff shows only what changed
    assert text == json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_names_no_folder_of_a_machine_and_nothing_private(name):
    written = "\n".join(cell.source for cell in rendering.read(source(name)).cells)
    assert MACHINE.search(written) is None
    assert re.search(r"\bemotone[\w.]*\._|\bimport _|, _\w", written) is None
    linked = re.findall(r"\]\((?!https://)([^)]+)\)", written)
    assert all((rendering.NOTEBOOKS / target).exists() for target in linked)


# On a small corpus.


@pytest.fixture(scope="module")
def small(tmp_path_factory, make_voice):
    """Generated voices in files named as in RAVDESS; pitch depends on the emotion, and a little on the speaker."""
    data = tmp_path_factory.mktemp("corpus")
    for actor in ACTORS:
        for code, pitch_hz in EMOTIONS.items():
            for intensity, statement in (("01", "01"), ("01", "02"), ("02", "01"))[: 2 if code == "01" else 3]:
                name = f"03-01-{code}-{intensity}-{statement}-01-{actor:02d}.wav"
                seed = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
                sound = make_voice(seconds=0.5, pitch_hz=pitch_hz * (0.9 + 0.01 * actor), seed=seed)
                path = data / "ravdess" / f"Actor_{actor:02d}" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                audio.write_wav(path, sound)
    return data


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return shared_graphs.share(tmp_path_factory.mktemp("cache"))


@pytest.mark.slow
def test_explore_on_a_small_corpus(small, cache):
    ask = {
        "clips": "len(corpus)",
        "durations": "measured.clips['duration_s'].round(3).unique().tolist()",
        "speakers": "list(corpus.speakers)",
        "counts": "overview.counts_by_emotion(measured).table.set_index('emotion')['clips'].to_dict()",
        "examples": "{emotion: str(measured.clips['path'][row])[-24:] for emotion, row in example.rows.items()}",
    }
    values, notebook = run_notebook("01_explore", ask, cache=cache, DATA=str(small))
    n = len(ACTORS)
    assert values["clips"] == 11 * n
    assert values["durations"] == [0.5]
    assert values["speakers"] == sorted(f"ravdess-{actor:02d}" for actor in ACTORS)
    assert values["counts"] == {"neutral": 2 * n, "happy": 3 * n, "sad": 3 * n, "angry": 3 * n}
    codes = dict(zip(("neutral", "happy", "sad", "angry"), EMOTIONS, strict=True))
    assert values["examples"] == {emotion: f"03-01-{code}-01-02-01-01.wav" for emotion, code in codes.items()}
    for cell_id, title in (("counts-by-emotion", "Clips by emotion"), ("spectrograms", "Spectrogram")):
        (output,) = outputs_of(notebook, cell_id)
        assert output["text/html"].startswith(f"<h4>{title}</h4>")
        assert output["text/html"].count("<img ") == 1


@pytest.mark.slow
def test_features_on_a_small_corpus(small, cache):
    ask = {
        "shape": "list(table.values.shape)",
        "pitch": f"separating.table.set_index('feature').loc['{PITCH}'].to_dict()",
        "n_shown": "int(separating.table['shown'].sum())",
        "emotions": "sorted(set(table.emotions))",
    }
    values, notebook = run_notebook("02_features_happy_sad", ask, cache=cache, DATA=str(small), EXTRACTOR="egemaps")
    assert values["shape"] == [11 * len(ACTORS), 88]
    assert values["emotions"] == ["angry", "happy", "neutral", "sad"]
    pitch = values["pitch"]  # for every speaker, happy voices were made much higher than sad ones
    assert pitch["g_within"] > 5 and pitch["auc_within"] == 1.0 and pitch["q_within"] < 1e-6
    assert values["n_shown"] >= 1
    assert len(outputs_of(notebook, "pictures")) == 3


@pytest.mark.slow
def test_training_on_a_small_corpus(small, cache, tmp_path):
    models = ["knn"]  # others are trained in test_notebooks_ravdess.py
    ask = {
        "leak": "scores['leak'].to_dict()",
        "tried": "len(tried)",
        "settings": "[name for name in tried.columns if '__' in name]",
        "tuned": "tuned.metrics['test']['uar']",
        "plain": "plain.metrics['test']['uar']",
        "files": "sorted(path.name for path in run_folder.iterdir() if not path.name.startswith('.'))",
        "best": "best",
    }
    out = tmp_path / "runs"
    parameters = {"EXTRACTOR": "egemaps", "OUT": str(out), "MODELS": models, "TUNED": "knn"}
    values, notebook = run_notebook("03_train_tune_compare", ask, cache=cache, DATA=str(small), **parameters)

    def tested(protocol, model):
        return json.loads((out / "compared" / protocol / model / "metrics.json").read_text())["test"]

    for model in models:
        both = [tested(protocol, model)["uar"] for protocol in ("random-70-15-15", "speaker-6fold")]
        assert values["leak"][model] == pytest.approx(both[0] - both[1], abs=1e-12)
    assert values["best"] == "knn"
    assert values["tried"] == 6 * 6  # settings of the grid, for each of six folds
    assert values["settings"] == ["classifier__n_neighbors", "components__n_components"]
    assert values["plain"] == tested("speaker-6fold", "knn")["uar"]
    assert values["tuned"] == json.loads((out / "tuned" / "metrics.json").read_text())["test"]["uar"]
    assert {"model", "report.html", "metrics.json", "predictions.parquet"} <= set(values["files"])
    for cell_id in ("compare", "confusion", "speakers"):
        assert [sorted(kinds) for kinds in outputs_of(notebook, cell_id)] == [["image/png", "text/plain"]]


@pytest.mark.slow
def test_your_voice_gives_the_predictions_of_the_recognizer(cache):
    ask = {
        "scores": "prediction.scores",
        "label": "prediction.label",
        "adapted": "adapted.scores",
        "n_clips": "profile.n_clips",
        "noise": "heard.label",
        "segments": "[[segment.start_s, segment.end_s] for segment in timeline.segments]",
        "events": "[event.kind for event in events]",
        "last": "events[-1].prediction.scores",
    }
    values, notebook = run_notebook("04_your_voice", ask, cache=cache)
    samples = ROOT / "samples"
    recognizer = emotone.Recognizer()
    expected = recognizer.predict(samples / "woman_lively.wav")
    assert values["scores"] == pytest.approx(expected.scores, abs=1e-6)
    assert values["label"] == expected.label
    profile = recognizer.adapt([samples / "woman_plain.wav", samples / "woman_subdued.wav"])
    assert values["n_clips"] == profile.n_clips == 2
    expected = recognizer.predict(samples / "woman_lively.wav", profile=profile)
    assert values["adapted"] == pytest.approx(expected.scores, abs=1e-6)
    assert max(abs(values["adapted"][emotion] - score) for emotion, score in values["scores"].items()) > 0.01
    assert values["noise"] == "no speech"
    # six turns; two without a pause between them may be detected as one
    assert values["events"].count("speech_start") == values["events"].count("speech_end")
    assert 4 <= values["events"].count("speech_end") <= 6
    assert values["events"][0] == "speech_start" and values["events"][-1] == "speech_end"
    assert sum(values["last"].values()) == pytest.approx(1, abs=1e-5)
    starts_and_ends = np.array(values["segments"])
    assert (np.diff(starts_and_ends.ravel()) >= 0).all()
    assert len(outputs_of(notebook, "timeline")) == 1
