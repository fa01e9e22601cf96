"""The engine of a cluster: Ray Data spreads the parts over actors, each of which has a process with a model."""

import contextlib
import os
import pickle
import socket
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from emotone._version import __version__
from emotone.bulk.engines.base import Job, Tick, run_part
from emotone.bulk.supervised import Supervised
from emotone.bulk.units import Report
from emotone.errors import ConfigError, EmotoneError
from emotone.parallel import n_cores
from emotone.parallel.ray_connection import connected, ray_modules
from emotone.validation import check_range

#: Most parts that become blocks before the first is worked on; a block takes 1 ms.
_FEW = 500
_NUMBER, _REPORT = "number", "report"


class RayEngine:
    """Work in the actors of Ray Data, one part at a time in each, on one machine or on the nodes of a cluster.

    Each actor takes one core.  It reads a part, works on it in a supervised child process, and writes it: only the
    number of the part and its report pass through Ray.  Ray Data hands out the numbers as actors become free, places
    the actors on all nodes, and does a part again elsewhere whose actor or node has ended.

    Every node needs the same versions of Python, Ray and Emotone.  It reads the model, the recordings and the output
    under the same paths or addresses as this process: a folder that all nodes share, or an address such as
    ``s3://bucket/calls``.  This process must run on a node of the cluster; without cores, it can be
    ``ray start --address HOST:PORT --num-cpus 0``.

    Parameters
    ----------
    workers
        Number of actors, from 1; None: one for each core of the cluster at the start.  Actors beyond its cores wait
        for further nodes.
    address
        HOST:PORT of the head of a running cluster, or "auto": the one that this machine is a node of.  None: that of
        the environment variable RAY_ADDRESS; without it, a cluster of this machine, which ends with the run.  If this
        process is connected to Ray already, this connection is used, and stays open.

    Attributes
    ----------
    workers
        As above; 0 until the number of cores of the cluster is known.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    """

    name = "ray"

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        ray_modules()
        self._address = address or os.environ.get("RAY_ADDRESS") or None
        self._is_sized = workers is None
        self.workers = workers if workers is not None else 0 if self._address else n_cores()
        if workers is not None:
            check_range("workers", workers, 1, 100_000)

    def prepare(self) -> None:
        """Do nothing: Ray starts processes on its nodes."""

    def close(self) -> None:
        """Do nothing."""

    def run(self, job: Job, numbers: Iterable[int], *, tick: Tick) -> Iterator[Report]:
        """Work on parts; see `emotone.bulk.engines.base.Engine`.

        ``tick`` is called once for each part.

        Raises
        ------
        ConfigError
            There is no cluster at the address, it has no cores, or a node lacks what every node needs.
        EmotoneError
            Ray failed; or a worker can't start.
        OSError
            A part can't be written.
        """
        missing = list(numbers)
        if not missing:
            return
        with connected(self._address, workers=self.workers) as n_cores:
            if self._is_sized:
                self.workers = n_cores
            reports = _reports(job, missing, n_actors=min(self.workers, len(missing)))
            try:
                for content in reports:
                    result = pickle.loads(content)
                    if isinstance(result, Exception):
                        raise result
                    report, n_units = result
                    tick(n_units)
                    yield report
            finally:
                reports.close()


def _reports(job: Job, numbers: Sequence[int], *, n_actors: int) -> Generator[bytes, None, None]:
    """Yield what `_Actor` returns for each part, as soon as it is done."""
    _, data = ray_modules()
    parts = _blocks(numbers)
    done = parts.map_batches(
        _Actor,
        fn_constructor_args=(__version__, pickle.dumps(job)),
        batch_size=1,
        # no part waits behind another while a further actor is free
        compute=data.ActorPoolStrategy(size=n_actors, max_tasks_in_flight_per_actor=1),
        num_cpus=1,
    )
    _set_up(done.context)
    # without prefetching: it would hold each report back until the next
    batches = iter(done.iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow"))
    try:
        while True:
            with _ray_errors():
                batch = next(batches, None)
            if batch is None:
                return
            yield from batch.column(_REPORT).to_pylist()
    finally:
        with contextlib.suppress(AttributeError):
            batches.close()


def _blocks(numbers: Sequence[int]) -> Any:
    """Return a data set with a block for each number, since Ray Data hands out blocks and repeats them."""
    ray, data = ray_modules()
    items = [{_NUMBER: number} for number in numbers]
    if len(items) <= _FEW:
        parts = data.from_items(items, override_num_blocks=len(items))
        _set_up(parts.context)
        return parts
    # They are made as they are needed, so that the first part starts at once, and memory does not depend on the number
    # of parts; and on this node, whose end is the end of the run in any case.
    parts = data.from_items(items, override_num_blocks=1)
    _set_up(parts.context)
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    return parts.map_batches(_singly, batch_size=None, num_cpus=0, label_selector=here)


def _set_up(context: Any) -> None:
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.target_max_block_size = 1  # bytes: every part is a block
    context.execution_options.preserve_order = False
    # By default a run ends if no block is done for 30 minutes; a part with long recordings can take longer.
    context.execution_no_progress_timeout_s = -1


@contextlib.contextmanager
def _ray_errors() -> Iterator[None]:
    """Turn an error of Ray, whose text is a traceback of many lines, into one of Emotone."""
    ray, data = ray_modules()
    try:
        yield
    except (ray.exceptions.RayError, data.exceptions.SystemException) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        text = next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "")
        name = type(error).__name__
        if "No module named" in str(error):
            raise ConfigError(
                f"a node of the cluster lacks a package ({text}); install the same version of Emotone on every node"
            ) from None
        raise EmotoneError(
            f"Ray can't go on ({name}: {text}); run the same command again, which continues where this run stopped. "
            "Ray's files of messages, in /tmp/ray on each node, say more"
        ) from error


def _singly(batch: dict[str, Any]) -> Iterator[dict[str, list[int]]]:
    """Yield the numbers one by one, and in the same order in each try, since Ray counts them."""
    for number in batch[_NUMBER]:
        yield {_NUMBER: [int(number)]}


class _Actor:
    """Work on parts, on any node; an error is returned, because Ray would put its traceback around it."""

    def __init__(self, version: str, job: bytes) -> None:
        self._version, self._pickled = version, job
        self._job: Job | None = None
        self._supervised: Supervised | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {_REPORT: [_packed(self._done(int(number))) for number in batch[_NUMBER]]}

    def _done(self, number: int) -> tuple[Report, int] | Exception:
        n_units = 0

        def count(n: int) -> None:
            nonlocal n_units
            n_units += n

        try:
            job, supervised = self._opened()
            return run_part(job, supervised, number, count), n_units
        except Exception as error:
            return error

    def _opened(self) -> tuple[Job, Supervised]:
        if self._job is None or self._supervised is None:
            node = socket.gethostname()
            if self._version != __version__:
                raise ConfigError(
                    f"the node {node} has Emotone {__version__}, the command Emotone {self._version}; install the same "
                    "version on every node"
                )
            try:
                self._job = pickle.loads(self._pickled)
            except Exception as error:
                raise ConfigError(
                    f"the node {node} can't read the list of recordings ({error}); the output must be a folder that "
                    "all nodes share under the same path, or an address such as s3://bucket/folder"
                ) from error
            self._supervised = Supervised(self._job.opener, limit_s=self._job.limit_s)
        return self._job, self._supervised

    def __del__(self) -> None:
        if getattr(self, "_supervised", None) is not None:
            self._supervised.close()  # type: ignore[union-attr]


def _packed(result: tuple[Report, int] | Exception) -> bytes:
    """Pickle a result; an error that can't be pickled becomes a plain one with its message."""
    try:
        content = pickle.dumps(result)
        pickle.loads(content)
        return content
    except Exception:
        kind = "" if isinstance(result, EmotoneError) else f"{type(result).__name__}: "
        return pickle.dumps(EmotoneError(f"{kind}{result}"))
