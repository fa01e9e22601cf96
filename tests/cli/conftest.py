"""What the tests of several commands share."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import emotone.experiment
from emotone.audio import write_wav
from support import handmade
from support.command_line import metrics


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle") / "loudness")


@pytest.fixture
def loud(monkeypatch):
    """A speech detector that can be worked out: what is not silent is speech."""

    def probability(frame):
        return 0.9 if np.sqrt(np.mean(frame**2)) > 0.005 else 0.1

    monkeypatch.setattr("emotone.audio.speech_detector.silero", lambda: probability)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A sad, an unsure and an angry clip, a file that is no recording, and a subfolder."""
    folder = tmp_path_factory.mktemp("clips")
    for name, level in (("a_sad", 0.02), ("b_unsure", 0.1), ("c_angry", 0.18), ("more/d_sad", 0.03)):
        (folder / name).parent.mkdir(exist_ok=True)
        write_wav(folder / f"{name}.wav", handmade.tone(level))
    (folder / "e_text.wav").write_text("this is no recording")
    (folder / "notes.txt").write_text("not looked at")
    return folder


@pytest.fixture
def experiment(monkeypatch, tmp_path):
    """The layer below, replaced by functions that remember their arguments."""
    monkeypatch.delenv("EMOTONE_DATA", raising=False)
    calls = {}

    def run(config, progress=None, *, pool):
        calls.update(config=config, pool=pool)
        progress(1, 2, "half")
        return SimpleNamespace(folder=tmp_path / "my run", metrics=metrics(shared=config.protocol == "random-80-20"))

    def compare(config, models, *, protocols, pool, progress=None):
        calls.update(config=config, models=tuple(models), protocols=protocols, pool=pool)
        comparison = several(models, protocols) if len(protocols) > 1 else single(models)
        (tmp_path / "comparison.json").write_text(json.dumps(comparison), encoding="utf-8")
        return tmp_path

    def evaluate(bundle, corpora, data, *, channel="speech", labels=None, adapt, out, progress):
        calls.update(bundle=bundle, corpora=tuple(corpora), data=data, channel=channel)
        calls.update(labels=labels, adapt=adapt, out=out)
        more = {"unknown": {"calm": 3}, "unsure": 0.125, "rejected": [{"path": "x.wav", "reason": "damaged"}]}
        more["trust"] = ["On new speakers: 73 %.", "On other corpora: [55] %."]
        more["left_out"] = [{"reason": "that can't be read", "clips": 1}]
        return metrics()["test"] | {"protocol": metrics()["protocol"]} | more

    for function in (run, compare, evaluate):
        monkeypatch.setattr(emotone.experiment, function.__name__, function)
    return calls


def single(models):
    row = {"uar": 0.61, "low": 0.5, "high": 0.7, "accuracy": 0.6, "macro_f1": 0.59}
    rows = [{"model": name, **row, "bundle_mb": 2.5, "recognition_ms": 21.4} for name in models]
    return {"protocol": metrics()["protocol"], "rows": rows}


def several(models, protocols):
    entries = [{"name": name, "protocol": metrics(shared=name.startswith("r"))["protocol"]} for name in protocols]
    result = {"uar": 0.61, "intervals": {"uar": {"low": 0.5, "high": 0.7}}}
    row = {"leak": {"uar": -0.012}, "recognition_ms": 21.4, "protocols": dict.fromkeys(protocols, result)}
    return {"protocols": entries, "leaking": protocols[1], "rows": [{"model": name, **row} for name in models]}
