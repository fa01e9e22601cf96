"""Finished toy runs with wrong predictions, whose corpus no longer exists."""

import shutil
from dataclasses import replace
from typing import NamedTuple

import pandas as pd
import pytest

from emotone import audio
from emotone.experiment import run
from emotone.experiment.analyses import worst_errors
from support import toy_experiment as toy


class Finished(NamedTuple):
    """``folder`` holds the runs ``disjoint``, ``leaking`` and ``other``; ``sounds``: path -> samples of the errors."""

    folder: object
    sounds: dict


_made = []


def make(tmp_path_factory, make_voice):
    """Train the three runs, once for each process, on labels without sense."""
    if not _made:
        folder = tmp_path_factory.mktemp("corpus")
        manifest = toy.write_corpus(folder, make_voice, shuffled=True)
        out = tmp_path_factory.mktemp("runs")
        with pytest.MonkeyPatch.context() as monkeypatch:
            toy.install(monkeypatch)
            config = toy.config(manifest, out / "disjoint")
            run(config)
            run(replace(config, out=out / "leaking", protocol="random-80-20"))
            run(replace(config, out=out / "other", model="linear-svm", seed=0))
        worst = worst_errors.worst(pd.read_parquet(out / "disjoint" / "predictions.parquet"))
        _made.append(Finished(out, {row["path"]: audio.read(row["path"]) for _, row in worst.iterrows()}))
        shutil.rmtree(folder)
    return _made[0]
