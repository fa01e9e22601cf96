"""What ``import emotone`` gives: the names, their types, the tour of the documents, and how fast it loads."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import emotone
from support import shared_graphs
from support import toy_experiment as toy

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


def blocks(document: str) -> list[str]:
    """The Python blocks of a document, in order."""
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), flags=re.DOTALL)


def needs_corpus(block: str) -> bool:
    return '"data"' in block


def test_dir_and_all_name_the_public_face() -> None:
    assert dir(emotone) == sorted(emotone.__all__)
    for name in emotone.__all__:
        assert getattr(emotone, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = emotone.nothing


def test_import_loads_nothing_heavy() -> None:
    code = "import sys, emotone; print(sorted({'numpy', 'pandas', 'onnxruntime', 'torch', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("document", ["README.md", "docs/api.md", "docs/guide.md"])
def test_python_of_the_documents_runs_on_the_samples(document, tmp_path, monkeypatch, capsys) -> None:
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    (tmp_path / "src").symlink_to(ROOT / "src")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    ran = [block for block in blocks(document) if not needs_corpus(block)]
    assert ran
    for block in ran:
        exec(compile(block, document, "exec"), names)  # noqa: S102 - the project's own documents
    if any("conversation.vtt" in block for block in ran):
        assert (tmp_path / "conversation.vtt").read_text().startswith("WEBVTT")
    assert capsys.readouterr().out


@pytest.mark.parametrize("document", ["docs/api.md", "docs/guide.md"])
def test_training_of_the_documents_runs(document, tmp_path, make_voice, monkeypatch) -> None:
    """On a small corpus in place of RAVDESS, with features that are quick to compute."""
    toy.install(monkeypatch)
    manifest = toy.write_corpus(tmp_path, make_voice)
    settings = ', extractor="bands", protocol="speaker-5fold"'
    (block,) = [block for block in blocks(document) if needs_corpus(block)]
    code = block.replace('"ravdess"', repr(str(manifest))).replace('"functionals"', '"bands"')
    code = code.replace('out="runs/lr"', f'out="runs/lr"{settings}').replace('data="data"', f"data={str(tmp_path)!r}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOTONE_CACHE", str(shared_graphs.share(tmp_path / "cache")))
    names: dict = {"emotone": emotone}
    exec(compile(code, document, "exec"), names)  # noqa: S102
    run, corpus, features = names["run"], names["corpus"], names["features"]
    low, high = run.test.interval
    assert low <= run.test.uar <= high and run.test.uar > 0.5
    assert run.test.details["confusion"] and run.protocol["speaker_disjoint"]
    assert (run.bundle / "model.onnx").is_file() and run.bundle == run.folder / "model"
    assert features.shape == (len(corpus), 2 * toy.N_BANDS) and features.attrs["rejected"] == {}
    assert list(features.columns)[0] == "band0_mean" and np.isfinite(features.to_numpy()).all()
    assert emotone.evaluate(run.bundle, str(manifest), data=tmp_path).uar > 0.5


def test_top_is_the_most_probable_first() -> None:
    prediction = emotone.Prediction("sad", 0.5, {"happy": 0.2, "sad": 0.5, "angry": 0.3}, 0.0, 1.0)
    assert prediction.top(2) == [("sad", 0.5), ("angry", 0.3)]


def test_settings_of_train_are_checked(tmp_path) -> None:
    with pytest.raises(emotone.EmotoneError, match="unknown setting 'modle'"):
        emotone.train("ravdess", data=tmp_path, out=tmp_path / "run", modle="svm")


def test_features_of_frames_are_refused(tmp_path, make_voice) -> None:
    corpus = emotone.load_corpus(str(toy.write_corpus(tmp_path, make_voice)), data=tmp_path)
    with pytest.raises(emotone.EmotoneError, match="gives a sequence of frames"):
        emotone.extract_features(corpus, "log-mel")


def test_a_corpus_may_be_a_path(tmp_path, make_voice) -> None:
    manifest = toy.write_corpus(tmp_path, make_voice)
    named = emotone.load_corpus(str(manifest), data=tmp_path)
    assert len(named) == len(emotone.load_corpus(manifest, data=tmp_path)) == 54
    assert len(emotone.load_corpus([manifest], data=tmp_path)) == 54
    with pytest.raises(emotone.EmotoneError, match="the name of a corpus is empty"):
        emotone.load_corpus("", data=tmp_path)


def test_one_recording_is_no_list_of_recordings() -> None:
    with pytest.raises(emotone.EmotoneError, match="sources has the type str"):
        next(emotone.Recognizer().predict_many("clip.wav"))


@pytest.mark.slow
def test_onnxruntime_keeps_no_record_of_what_it_does_and_sends_none(tmp_path):
    code = f"import emotone; emotone.Recognizer().timeline({str(ROOT / 'samples' / 'conversation.ogg')!r}, speakers=2)"
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment = kept | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [], done.stdout
