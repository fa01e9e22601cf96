"""Ray Data runs the same job: the same rows, also when an actor or a node is killed, and errors that can be read."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from emotone.bulk.annotate import annotate
from emotone.bulk.engines import LocalEngine
from emotone.bulk.settings import AnnotateSettings
from emotone.errors import ConfigError, EmotoneError, MissingExtraError
from support.annotated import check_each_once, failures, rows

ray = pytest.importorskip("ray")
from emotone.bulk.engines.ray import RayEngine  # noqa: E402

pytestmark = pytest.mark.slow

N_MANY = 320


@pytest.fixture(scope="module")
def cluster():
    """A head, with one core; the tests connect to it, and add nodes."""
    from ray.cluster_utils import Cluster

    # a dead node is noticed in two seconds, not in fifteen
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 3, "health_check_initial_delay_ms": 0}
    small = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(True, head_node_args={"num_cpus": 1, "_system_config": quick, **small})
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def two_nodes(cluster):
    if len(cluster.list_all_nodes()) < 2:
        cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)
    return cluster


@pytest.fixture(autouse=True)
def disconnected():
    """Every engine ends what it has begun, so that the next can connect."""
    yield
    was_connected = ray.is_initialized()
    ray.shutdown()
    assert not was_connected


@pytest.fixture(scope="module")
def many(archive, tmp_path_factory):
    """Links to the twelve clips and to a text, by turns."""
    clips = sorted([*archive.glob("anna/*.wav"), *archive.glob("ben/*.wav"), archive / "text.wav"])
    folder = tmp_path_factory.mktemp("many") / "clips"
    folder.mkdir()
    for number in range(N_MANY):
        (folder / f"{number:04d}.wav").symlink_to(clips[number % len(clips)])
    return folder


@pytest.fixture(scope="module")
def undisturbed(many, bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    annotate(many, out, settings=AnnotateSettings(model=bundle, part_files=8), engine=LocalEngine(1))
    return rows(out)


def processes_under(pid):
    """Return the processes below another: process -> its command line."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            commands[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
    below, new = set(), {pid}
    while new:
        below |= new
        new = {child for child, parent in parents.items() if parent in new} - below
    return {child: commands[child] for child in below - {pid}}


def actors_under(pid):
    return [child for child, command in processes_under(pid).items() if command.startswith("ray::MapWorker")]


def working_actors_under(pid):
    """Return the actors that have started the child which has the model."""
    return [
        actor for actor in actors_under(pid) if any("bulk.supervised" in c for c in processes_under(actor).values())
    ]


class OnceWhenBegun:
    """A progress callback that calls a function when the first parts are done, until it returns true."""

    def __init__(self, disturb):
        self._disturb, self.is_done = disturb, False

    def __call__(self, done, total, what):
        if 0 < done < total / 2 and not self.is_done:
            self.is_done = self._disturb()


def annotate_disturbed(many, out, bundle, address, disturb):
    disturbance = OnceWhenBegun(disturb)
    annotate(
        many,
        out,
        settings=AnnotateSettings(model=bundle, part_files=8),
        engine=RayEngine(2, address=address),
        progress=disturbance,
    )
    assert disturbance.is_done


def test_rows_are_those_of_the_local_engine(archive, adaptive_bundle, tmp_path):
    """Both jobs, the speakers' profiles and the rows, on a cluster that the engine starts and ends."""
    settings = AnnotateSettings(model=adaptive_bundle, part_files=4, speaker_from="parent-folder")
    ticks = {"local": [], "ray": []}
    before = signal.getsignal(signal.SIGTERM)
    for engine in (LocalEngine(1), RayEngine(2)):
        n_ticks = ticks[engine.name]
        annotate(
            archive,
            tmp_path / engine.name,
            settings=settings,
            engine=engine,
            progress=lambda done, total, what, n_ticks=n_ticks: n_ticks.append((done, total)),
        )
    assert rows(tmp_path / "ray") == rows(tmp_path / "local")
    assert failures(tmp_path / "ray") == failures(tmp_path / "local")
    assert ticks["ray"][-1] == ticks["local"][-1]
    assert not [command for command in processes_under(os.getpid()).values() if "raylet" in command]
    assert signal.getsignal(signal.SIGTERM) is before  # Ray replaces it


def test_killed_actor(many, bundle, two_nodes, undisturbed, tmp_path):
    def disturb():
        actors = working_actors_under(os.getpid())
        if len(actors) == 2:
            os.kill(actors[0], signal.SIGKILL)
        return len(actors) == 2

    annotate_disturbed(many, tmp_path / "out", bundle, two_nodes.address, disturb)
    check_each_once(tmp_path / "out", N_MANY)
    assert rows(tmp_path / "out") == undisturbed


def test_killed_node(many, bundle, two_nodes, undisturbed, tmp_path, monkeypatch):
    """The other node has no core to spare: its actor must do the parts of the dead one after its own.

    Here the parts are streamed, as those of a large archive.
    """
    monkeypatch.setattr("emotone.bulk.engines.ray._FEW", 4)
    node = two_nodes.worker_nodes.copy().pop()

    def disturb():
        is_working = bool(working_actors_under(node.all_processes["raylet"][0].process.pid))
        if is_working:
            node.kill_raylet(check_alive=False)  # SIGKILL; its actors end with it
        return is_working

    try:
        annotate_disturbed(many, tmp_path / "out", bundle, two_nodes.address, disturb)
    finally:
        two_nodes.remove_node(node, allow_graceful=False)
    check_each_once(tmp_path / "out", N_MANY)
    assert rows(tmp_path / "out") == undisturbed


def test_workers_are_the_cores_of_the_cluster_and_their_children_stay(two_nodes, archive, bundle, tmp_path):
    """A child that ended with each part would load the model for each part."""
    children = set()

    def note(done, total, what):
        if done:
            children.update(
                child for child, command in processes_under(os.getpid()).items() if "bulk.supervised" in command
            )

    engine = RayEngine(address=two_nodes.address)
    assert engine.workers == 0
    annotate(
        archive, tmp_path / "out", settings=AnnotateSettings(model=bundle, part_files=1), engine=engine, progress=note
    )
    assert engine.workers == 2
    assert 1 <= len(children) <= 2


class StopError(Exception):
    pass


class StoppedEngine(LocalEngine):
    def run(self, job, numbers, *, tick):
        raise StopError


def test_unwritable_part_is_an_os_error(cluster, archive, bundle, tmp_path):
    """The rows of the parts can't be written, since there are folders of these names."""
    out, settings = tmp_path / "out", AnnotateSettings(model=bundle, part_files=50)
    with pytest.raises(StopError):
        annotate(archive, out, settings=settings, engine=StoppedEngine(1))
    for number in range(8):
        (out / "segments" / f"part-{number:07d}.parquet" / "full").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        annotate(archive, out, settings=settings, engine=RayEngine(address=cluster.address))


def test_error_of_a_worker_keeps_its_type_and_message(cluster, archive, bundle, tmp_path):
    """A model that is gone when the worker opens it; the message is that of the local engine."""
    import shutil

    model = tmp_path / "model"
    shutil.copytree(bundle, model)

    def forget(done, total, what):
        if what == "starting the workers":
            shutil.rmtree(model, ignore_errors=True)

    messages = []
    for engine in (RayEngine(address=cluster.address), LocalEngine(1)):
        shutil.copytree(bundle, model, dirs_exist_ok=True)
        with pytest.raises(EmotoneError) as caught:
            annotate(
                archive,
                tmp_path / engine.name,
                settings=AnnotateSettings(model=str(model)),
                engine=engine,
                progress=forget,
            )
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert "\n" not in messages[0]


def test_connection_of_this_process_is_used_and_stays(cluster, many, bundle, tmp_path):
    """A run that is given up ends its actors, although Ray goes on."""
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
    try:

        def stop(done, total, what):
            if done:
                raise StopError

        settings = AnnotateSettings(model=bundle, part_files=8)
        with pytest.raises(StopError):
            annotate(many, tmp_path / "out", settings=settings, engine=RayEngine(1), progress=stop)
        assert ray.is_initialized()
        deadline = time.monotonic() + 20
        while actors_under(os.getpid()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not actors_under(os.getpid())
        with pytest.raises(ConfigError, match="call ray.shutdown"):
            annotate(many, tmp_path / "out", settings=settings, engine=RayEngine(1, "127.0.0.1:9"))
    finally:
        ray.shutdown()


@contextlib.contextmanager
def answering(reply):
    """A port that answers something, or nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.sendall(reply)

        threading.Thread(target=answer, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_address_of_something_else(archive, bundle, tmp_path, reply, monkeypatch):
    monkeypatch.setattr("emotone.parallel.ray_connection._ANSWER_S", 1.0)
    begun_at = time.monotonic()
    with answering(reply) as address, pytest.raises(ConfigError) as caught:
        annotate(archive, tmp_path / "out", settings=AnnotateSettings(model=bundle), engine=RayEngine(1, address))
    assert address in str(caught.value) and "ray start --head" in str(caught.value)
    assert time.monotonic() - begun_at < 20  # Ray itself tries for two minutes


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1:99999", "ray://127.0.0.1:10001", "nowhere"])
def test_wrong_address(archive, bundle, tmp_path, address):
    with pytest.raises(ConfigError, match=r"expected HOST:PORT of the head") as caught:
        annotate(archive, tmp_path / "out", settings=AnnotateSettings(model=bundle), engine=RayEngine(1, address))
    assert address in str(caught.value)


def test_address_of_the_environment(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9"):
        list(RayEngine().run(None, [0], tick=print))


def test_missing_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="'ray'"):
        RayEngine()


@pytest.mark.parametrize("workers", [0, -1])
def test_number_of_workers_is_checked(workers):
    with pytest.raises(ConfigError, match="workers"):
        RayEngine(workers)


def test_ctrl_c_ends_all_and_the_terminal_is_clean(many, bundle, tmp_path):
    """Ctrl-C reaches all processes of a terminal; the run goes on afterwards, and nothing of Ray is printed."""
    script = f"""
        import sys
        sys.path[:0] = {sys.path!r}
        from emotone.bulk.annotate import annotate
        from emotone.bulk.engines.ray import RayEngine
        from emotone.bulk.settings import AnnotateSettings
        settings = AnnotateSettings(model={bundle!r}, part_files=8)
        def progress(done, total, what):
            if done:
                print("working", flush=True)
        inputs, out = {str(many)!r}, {str(tmp_path / "out")!r}
        try:
            annotate(inputs, out, settings=settings, engine=RayEngine(1), progress=progress)
        except KeyboardInterrupt:
            print("stopped")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a job in the background inherits SIG_IGN
    )
    assert process.stdout.readline() == "working\n"
    below = set(processes_under(process.pid))
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert output.endswith("stopped\n")
    assert errors == ""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in below):
        time.sleep(0.1)
    assert not [pid for pid in below if Path(f"/proc/{pid}").exists()]
    annotate(many, tmp_path / "out", settings=AnnotateSettings(model=bundle, part_files=8), engine=LocalEngine(1))
    check_each_once(tmp_path / "out", N_MANY)
