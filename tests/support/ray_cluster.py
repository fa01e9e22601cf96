"""Ray on this machine, for the tests of a module."""

import os
import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[None]:
    """Ray with two cores, which takes seconds to start; it is ended after the tests of the module."""
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(os.environ, "RAY_USAGE_STATS_ENABLED", "0")
        # a task whose process died is repeated once, not three times: each start of a process takes seconds
        monkeypatch.setitem(os.environ, "RAY_TASK_MAX_RETRIES", "1")
        # its processes import this folder, and the package that is tested
        monkeypatch.setitem(os.environ, "PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        try:
            yield
        finally:
            ray.shutdown()
