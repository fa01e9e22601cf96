"""Pools: the same results in one process, in several and on Ray; errors, processes that die, and early ends."""

import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotone import errors
from emotone.errors import ConfigError, CorpusError, MissingExtraError, WorkerError
from emotone.parallel import LocalPool, Pool, Share, limited, open_pool
from support import pool_work
from support.ray_cluster import ray_cluster

__all__ = ["ray_cluster"]

slow = pytest.mark.slow


@pytest.fixture(params=["local", "ray"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    """Two workers of each engine."""
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    with open_pool(request.param, workers=2) as opened:
        yield opened


def mapped(pool: Pool, work: Any, items: list[Any]) -> list[Any]:
    """The results in the order of the items."""
    with closing(pool.map(work, items, share=pool.share(len(items)))) as results:
        return [result for _, result in sorted(results, key=lambda pair: pair[0])]


def test_one_worker_works_in_this_process_and_is_asked_for_one_item_at_a_time() -> None:
    pool, called = LocalPool(1), []
    assert pool.runs_in_process(pool.share(9))
    for number, result in pool.map(lambda item: called.append(item) or -item, [5, 6, 7], share=pool.share(3)):
        assert (result, called) == (-[5, 6, 7][number], [5, 6, 7][: number + 1])


@slow
def test_several_workers_give_each_result_once_from_other_processes(pool: Pool) -> None:
    work = pool_work.Times(np.arange(1_000_001))
    results = mapped(pool, work, list(range(40)))
    assert [number for number, _ in results] == [1_000_000 * item for item in range(40)]
    assert os.getpid() not in {process for _, process in results}
    assert mapped(pool, work, []) == []


@slow
def test_an_error_keeps_its_type_and_what_it_holds(pool: Pool) -> None:
    with pytest.raises(CorpusError, match="^three$"):
        mapped(pool, pool_work.fail, [1, 2, 3])
    with pytest.raises(MissingExtraError, match="four needs the extra 'hub'") as caught:
        mapped(pool, pool_work.fail, [1, 4])
    assert caught.value.extra == "hub"
    assert mapped(pool, pool_work.fail, [1, 2]) == [1, 2]  # it works on


@slow
def test_a_process_that_dies_is_an_error_with_a_remedy(pool: Pool) -> None:
    with pytest.raises(WorkerError, match="died .* what was finished is kept: run again, with fewer workers"):
        mapped(pool, pool_work.fail, [1, 5])
    assert mapped(pool, pool_work.fail, [1, 2]) == [1, 2]


@slow
def test_a_map_that_is_left_early_ends_what_runs(pool: Pool) -> None:
    started = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with closing(pool.map(pool_work.fail, [1, 6, 6], share=pool.share(3))) as results:
            assert next(results) == (0, 1)
    assert time.monotonic() - started < 60  # each 6 would take ten minutes
    assert mapped(pool, pool_work.fail, [1, 2]) == [1, 2]


@slow
def test_a_process_of_a_pool_starts_no_others(pool: Pool) -> None:
    assert {share.workers for share in mapped(pool, pool_work.nested, [0, 1])} == {1}


@slow
@pytest.mark.parametrize("threads", [1, 2])
def test_processes_have_their_share_of_threads(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setattr("emotone.parallel.local.n_cores", lambda: 2 * threads)
    assert [found["torch"] for found in mapped(LocalPool(2), pool_work.threads_of, [0, 1])] == [threads, threads]


@slow
def test_a_machine_without_what_is_needed_is_an_error_with_a_remedy(ray_cluster: None) -> None:
    class Missing:
        def __reduce__(self) -> Any:
            return _load, ()

    def _load() -> Any:  # of this test alone, so it is sent as it is
        import no_such_module  # noqa: F401

    with (
        open_pool("ray", workers=2) as pool,
        pytest.raises(WorkerError, match="no_such_module.*expected the same packages on every machine"),
    ):
        mapped(pool, Missing(), [1, 2])


def test_cores_are_shared_among_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotone.parallel.local.n_cores", lambda: 8)
    assert LocalPool().share(6) == Share(6, 1)
    assert LocalPool().share(100) == Share(8, 1)
    assert LocalPool().share(1) == LocalPool(1).share(6) == Share(1, 8)
    assert LocalPool(4).share(100) == Share(4, 2)
    # a network has all cores, unless several are asked for
    assert LocalPool().share(6, networks=True) == Share(1, 8)
    assert LocalPool(2).share(6, networks=True) == Share(2, 4)
    assert LocalPool(16).share(100) == Share(16, 1)


def test_a_cluster_is_shared_by_its_machines() -> None:
    """No item may want more cores than a machine has: Ray would wait for it for ever."""
    from emotone.parallel.cluster import RayPool

    def share(*args: int, workers: int | None = None, networks: bool = False) -> Share:
        pool = object.__new__(RayPool)
        pool._cpus, pool.workers = [16, 4, 16], workers
        return pool.share(*args, networks=networks)

    assert share(100) == Share(36, 1)
    assert share(9) == Share(9, 4)
    assert share(2) == Share(2, 4)
    assert share(6, networks=True) == Share(3, 4)
    assert share(6, networks=True, workers=6) == Share(6, 4)


def test_linear_algebra_has_one_thread_where_results_must_not_depend_on_them() -> None:
    import threadpoolctl

    np.ones((2, 2)) @ np.ones((2, 2))
    with limited(2):
        assert {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"} == {1}


def test_a_pool_that_can_t_be_is_refused() -> None:
    for options, message in (
        ({"engine": "dask"}, "engine is 'dask'; expected local, ray"),
        ({"address": "10.0.0.1:6379"}, "address is '10.0.0.1:6379', and the engine 'local' has none"),
        ({"workers": 0}, "workers is 0; expected 1 or more"),
    ):
        with pytest.raises(ConfigError, match=message), open_pool(**options):
            pass


def test_an_address_without_a_cluster_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # other tests of this file have a cluster
    with pytest.raises(ConfigError, match="127.0.0.1:1: nothing answers there .*refused"):
        with open_pool("ray", address="127.0.0.1:1"):
            pass


def test_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match="the engine ray needs the extra 'ray'"), open_pool("ray"):
        pass


def test_every_error_can_be_sent_to_another_process() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    for kind in classes:
        error = kind("what", extra="hub") if kind is MissingExtraError else kind("what")
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (kind, str(error), vars(error))


@slow
def test_warnings_of_processes_are_issued_here_and_not_on_their_stderr(pool: Pool, capfd: Any) -> None:
    with pytest.warns(RuntimeWarning, match="it did not converge") as caught:
        assert mapped(pool, pool_work.warn, [1, 2, 3]) == [-1, -2, -3]
    assert {str(each.message) for each in caught} == {"it did not converge"}
    assert "did not converge" not in capfd.readouterr().err


_ASLEEP = """
from emotone.parallel import LocalPool
from support.pool_work import sleep

list(LocalPool(2).map(sleep, ["one", "two"], share=LocalPool(2).share(2)))
"""


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are read from /proc")
def test_processes_of_a_killed_one_end_and_the_next_pool_removes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [tmp_path / "one", tmp_path / "two"]
    tests, source = Path(__file__).parents[1], Path(errors.__file__).parents[1]
    places = {"TMPDIR": str(tmp_path), "PYTHONPATH": f"{tests}{os.pathsep}{source}"}
    with subprocess.Popen([sys.executable, "-c", _ASLEEP], cwd=tmp_path, env=os.environ | places) as first:
        end = time.monotonic() + 120
        while not all(name.exists() and name.read_text() for name in names) and time.monotonic() < end:
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
    workers = [int(name.read_text()) for name in names]
    end = time.monotonic() + 30
    while any(map(_is_alive, workers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(_is_alive, workers))
    assert list(tmp_path.glob("emotone-pool-*"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with open_pool("local", workers=1):
        pass
    assert not list(tmp_path.glob("emotone-pool-*"))
