"""The UMAP that is made in another process."""

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

from emotone.errors import EmotoneError, StoreWarning
from emotone.explore.feature_analysis import FeatureTable, plane, projection, umap_job, umap_worker


def _table(seed):
    rng = np.random.default_rng(seed)
    labels = np.array(["sad", "happy"] * 15)
    return FeatureTable(rng.standard_normal((30, 3)).astype(np.float32), ("a", "b", "c"), labels, labels)


@pytest.mark.parametrize("cores", [1, 2])
def test_umap_is_made_aside_once_and_kept_for_its_table_and_seed(monkeypatch, tmp_path, cores):
    made = []

    def umap(components, *, seed):
        made.append(seed)
        return np.column_stack([np.arange(len(components)), np.full(len(components), seed)]).astype(float)

    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr(plane, "has_umap", lambda: True)
    monkeypatch.setattr(plane, "_umap", umap)
    monkeypatch.setattr(umap_worker, "version", lambda _: "1")
    monkeypatch.setattr(umap_worker, "ProcessPoolExecutor", lambda n, *_, **__: ThreadPoolExecutor(n))

    def finding(table, seed):
        with umap_job(tmp_path) as umap:
            umap.begin(table.values, seed=seed)
            return projection(table, method="umap", seed=seed, points=umap.points())

    found = finding(_table(0), 7)
    assert (found.name, found.table["x"].iloc[-1], set(found.table["y"])) == ("projection-umap", 29, {7})
    again = finding(_table(0), 7)
    assert made == [7] and again.table.equals(found.table) and again.text == found.text
    finding(_table(0), 8)
    finding(_table(1), 7)
    assert made == [7, 8, 7]
    for path in (tmp_path / "umap").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(StoreWarning, match="is damaged: its content is made again"):
        assert finding(_table(0), 7).table.equals(found.table) and made == [7, 8, 7, 7]


def test_umap_that_was_not_begun_or_died_or_is_not_installed(monkeypatch, tmp_path):
    class Dead:
        def submit(self, *_):
            future = Future()
            future.set_exception(BrokenProcessPool())
            return future

        def shutdown(self, **_):
            pass

    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(plane, "has_umap", lambda: True)
    monkeypatch.setattr(umap_worker, "version", lambda _: "1")
    monkeypatch.setattr(umap_worker, "ProcessPoolExecutor", lambda *_, **__: Dead())
    with umap_job(tmp_path) as umap:
        with pytest.raises(EmotoneError, match="begin"):
            umap.points()
        umap.begin(_table(0).values, seed=0)
        with pytest.raises(EmotoneError, match="died"):
            umap.points()
    assert not list(tmp_path.rglob("*.points*"))
    monkeypatch.setattr(plane, "has_umap", lambda: False)
    with umap_job(tmp_path) as umap:
        assert umap is None
