"""Folds of several models at the same time: the scores of one process, and nothing is computed twice."""

import json
import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotone.errors import CorpusError
from emotone.experiment import compare, folds, run, tasks
from emotone.experiment.fold_result import FoldResult
from emotone.features.kept_files import keep
from emotone.parallel import LocalPool, open_pool
from support import toy_experiment as toy
from support.ray_cluster import ray_cluster

pytestmark = pytest.mark.slow

#: Among them those that could add up in the order of their threads, or draw from a generator that threads share.
MODELS = ("svm", "linear-svm", "knn", "extra-trees")
EMOTIONS = {"neutral": 140.0, "happy": 152.0, "angry": 300.0}  # they overlap, so that models err

__all__ = ["ray_cluster"]


@pytest.fixture(autouse=True)
def _toy(monkeypatch: pytest.MonkeyPatch) -> None:
    toy.install(monkeypatch)
    monkeypatch.setattr("emotone.parallel.local.n_cores", lambda: 2)  # so that a single worker has two threads


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice) -> Path:
    return toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice, pitch_hz=EMOTIONS)


def compared(manifest: Path, folder: Path, **options) -> dict[str, str]:
    """The metrics of every model, each comparison with features of its own, as text: equal to the last digit."""
    config = toy.config(manifest, folder, cache=folder.with_name(f"{folder.name}-cache"))
    with open_pool(**options) as pool:
        compare(config, MODELS, pool=pool)
    assert not list(folder.glob("*/.work"))
    return {name: (folder / name / "metrics.json").read_text() for name in MODELS}


@pytest.fixture(scope="module")
def alone(manifest, tmp_path_factory) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        monkeypatch.setattr("emotone.parallel.local.n_cores", lambda: 2)
        return compared(manifest, tmp_path_factory.mktemp("alone") / "run", workers=1)


def test_two_processes_give_the_scores_of_one_to_the_last_digit(manifest, alone, tmp_path):
    assert len({json.loads(text)["test"]["uar"] for text in alone.values()}) > 1  # the models differ
    assert compared(manifest, tmp_path / "run", workers=2) == alone


def test_ray_gives_the_scores_of_one_process_to_the_last_digit(manifest, alone, tmp_path, ray_cluster):
    assert compared(manifest, tmp_path / "run", engine="ray", workers=2) == alone


@pytest.mark.parametrize("protocol", ["speaker-6fold", "random-70-15-15"])  # six folds, and one: fewer than workers
def test_a_search_gives_the_same_settings_wherever_it_runs(manifest, tmp_path, protocol):
    tables = []
    for workers in (1, 2):
        config = toy.config(
            manifest, tmp_path / f"{workers}", model="logistic-regression", tune=True, protocol=protocol
        )
        metrics = run(config, pool=LocalPool(workers)).metrics
        tables.append((metrics, pd.read_csv(config.out / "tuning.csv").drop(columns="fit_s").to_csv()))
    assert tables[0] == tables[1]


def test_folds_in_other_processes_read_the_clips_under_conditions(manifest, tmp_path):
    """From the store, without the extractor, which is registered in this process alone."""
    settings = {"conditions": ("noise-0",), "protocol": "random-70-15-15", "model": "svm"}
    alone, others = (toy.config(manifest, tmp_path / f"{workers}", **settings) for workers in (1, 2))
    graph = manifest.parent / "cache" / "graphs" / f"bands-{toy.Bands().digest[:32]}.graph"
    keep(graph, toy.bands_graph())  # the store of another process does not have the one that `toy` puts in place
    metrics = run(alone, pool=LocalPool(1)).metrics
    assert metrics["conditions"][0]["uar"] > metrics["conditions"][1]["uar"]
    compare(replace(others, protocol="speaker-6fold"), ["knn", "svm"], pool=LocalPool(2))
    single = run(replace(alone, protocol="speaker-6fold", out=tmp_path / "six"), pool=LocalPool(1)).metrics
    assert json.loads((others.out / "svm" / "metrics.json").read_text()) == single


def test_each_fold_is_saved_as_it_arrives_and_is_not_run_again(manifest, tmp_path, monkeypatch):
    """The first process is stopped after some folds; the second run does the others alone."""
    config = toy.config(manifest, tmp_path / "run")

    class StopError(Exception):
        pass

    def stop(done: int, total: int, what: str, /) -> None:
        if "done" in what and len(list(config.out.glob(".work/fold-*.npz"))) >= 2:
            raise StopError

    with pytest.raises(StopError):
        run(config, stop, pool=LocalPool(2))
    saved = {path.name for path in config.out.glob(".work/fold-*.npz")}
    assert 2 <= len(saved) < 6
    numbers, real = [], folds.run_fold
    monkeypatch.setattr(folds, "run_fold", lambda plan, *a, **k: numbers.append(plan.number) or real(plan, *a, **k))
    resumed = run(config, pool=LocalPool(1))
    assert sorted(numbers) == sorted(set(range(1, 7)) - {int(name[5:7]) for name in saved})
    whole = run(replace(config, out=tmp_path / "whole"), pool=LocalPool(1))
    assert resumed.metrics == whole.metrics


def test_a_search_that_is_done_is_not_repeated(manifest, tmp_path, monkeypatch):
    """The settings of a fold are stored before its models are fitted."""
    config = toy.config(manifest, tmp_path / "run", model="logistic-regression", tune=True, protocol="random-70-15-15")
    with monkeypatch.context() as failing:
        failing.setattr(FoldResult, "save", None)
        with pytest.raises(TypeError):
            run(config, pool=LocalPool(2))
    (stored,) = config.out.glob(".work/search-*.json")
    monkeypatch.setattr(tasks._SearchPlace, "__call__", None)  # it is not called
    assert run(config, pool=LocalPool(2)).metrics["test"]["n_clips"] > 0
    assert not stored.exists()


def test_progress_names_model_and_fold_and_never_goes_back(manifest, tmp_path):
    steps: list[tuple[int, int, str]] = []
    config = toy.config(manifest, tmp_path / "run")
    compare(config, ["knn", "linear-svm"], pool=LocalPool(2), progress=lambda *step: steps.append(step))
    assert [step[0] for step in steps] == sorted(step[0] for step in steps)
    texts = [step[2] for step in steps]
    assert sum(text.endswith(f"({number} of 12 of all models)") for number in range(1, 13) for text in texts) == 12
    assert any(text.startswith("linear-svm: fold 3 of 6 done") for text in texts)


def test_an_error_of_a_worker_is_the_error_of_the_run(manifest, tmp_path):
    table = pd.read_csv(manifest)
    few = manifest.parent / "few.csv"
    table[table["speaker"].isin(["s0", "s1"])].to_csv(few, index=False)
    with pytest.raises(CorpusError, match=r"'knn' can't learn fold [12] from 9 clips.*n_neighbors = 7"):
        run(toy.config(few, tmp_path / "run"), pool=LocalPool(2))


def test_frames_of_clips_are_shared_and_come_back_equal(manifest, tmp_path):
    """Of a network's features, that are many small arrays; a process gets one, which it maps into its memory."""
    rng = np.random.default_rng(0)
    frames = np.empty(4, dtype=object)
    frames[:] = [rng.normal(size=(length, 3)).astype(np.float16) for length in (5, 1, 9, 2)]
    training_set = replace(toy.training_set(manifest), values=frames)
    with closing(LocalPool(2).map(_Sums(training_set), [0, 1, 2, 3], share=LocalPool(2).share(4))) as results:
        sums = dict(results)
    assert sums == {number: (clip.shape, str(clip.dtype), clip.tobytes(), True) for number, clip in enumerate(frames)}


class _Sums:
    """Describe the frames of a clip."""

    def __init__(self, training_set) -> None:
        self.training_set = training_set

    def __reduce__(self):
        from support.pool_work import Describe

        return Describe, (self.training_set, os.getpid())

    def __call__(self, row: int) -> None:
        raise AssertionError("in another process")
