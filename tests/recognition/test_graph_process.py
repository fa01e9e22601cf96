"""Graphs in child processes: the same answers, children that end, and who ends them."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from emotone.errors import BundleError, ConfigError
from emotone.recognition import session
from emotone.recognition.graph_process import Limits
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.runtime import LocalGraph, open_session
from support import handmade, hostile_graphs

pytestmark = pytest.mark.slow

LOUD = handmade.tone(0.4)
NAMES = ["scores", "embedding"]


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory):
    opened = Recognizer(handmade.write(tmp_path_factory.mktemp("bundle") / "b"))
    yield opened
    opened.close()


def children(recognizer):
    """The child processes of a recogniser of another bundle than the built-in one."""
    return recognizer._model._graph._graph._all


def test_the_same_values_to_the_last_bit(recognizer):
    here = LocalGraph(open_session(handmade.graph()))
    assert recognizer._model._graph.interface == here.interface
    for seconds in (0.2, 1.0, 3.7, 31.0):
        inputs = {"waveform": handmade.tone(0.05, seconds=seconds)[None]}
        for ours, theirs in zip(recognizer._model._graph.run(NAMES, inputs), here.run(NAMES, inputs), strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype == np.float32


def test_one_child_serves_one_prediction_after_the_other(recognizer):
    recognizer.run(LOUD)
    (child,) = children(recognizer)
    recognizer.run(handmade.tone(0.02))
    assert children(recognizer) == {child}


def test_threads_share_a_recognizer(recognizer):
    sounds = [handmade.tone(level) for level in np.linspace(0.01, 0.3, 40)]
    alone = [recognizer.run(sound)[0] for sound in sounds]
    with ThreadPoolExecutor(4) as pool:
        np.testing.assert_array_equal(list(pool.map(lambda sound: recognizer.run(sound)[0], sounds)), alone)
    assert 1 <= len(children(recognizer)) <= 4


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_a_child_that_was_killed_is_replaced(recognizer):
    before = recognizer.run(LOUD)[0]
    for child in list(children(recognizer)):
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    np.testing.assert_array_equal(recognizer.run(LOUD)[0], before)


def test_after_close_the_next_prediction_starts_another_child(recognizer):
    recognizer.run(LOUD)
    before = set(children(recognizer))
    recognizer.close()
    assert children(recognizer) == set() and all(child.poll() is not None for child in before)
    recognizer.run(LOUD)
    assert len(children(recognizer)) == 1


def test_the_child_ends_with_its_recognizer(tmp_path):
    own = Recognizer(handmade.write(tmp_path / "b"))
    (child,) = children(own)
    del own
    gc.collect()
    assert child.poll() is not None


def test_close_ends_a_prediction_that_does_not_end(tmp_path):
    content = hostile_graphs.endless_when_loud().SerializeToString()
    own = Recognizer(handmade.write(tmp_path / "b", content=content), limits=Limits(run_s=3600))
    assert own.predict((handmade.tone(0.02), 16_000)).scores
    errors = []

    def predict():
        try:
            own.run(LOUD)
        except BundleError as error:
            errors.append(str(error))

    thread = threading.Thread(target=predict)
    thread.start()
    while thread.is_alive():
        own.close()
        thread.join(0.2)
    assert len(errors) == 1 and "ended the process that runs it" in errors[0]


def test_a_graph_that_computes_too_long_is_stopped_and_the_next_sound_is_predicted(tmp_path):
    content = hostile_graphs.endless_when_loud().SerializeToString()
    own = Recognizer(handmade.write(tmp_path / "b", content=content), limits=Limits(run_s=0.3))
    with pytest.raises(BundleError, match=r"computed for longer than 0\.3 s.*raise its limits"):
        own.run(LOUD)
    assert own.run(handmade.tone(0.02))[0] == pytest.approx([0.25] * 4)


def test_the_built_in_model_has_no_child(monkeypatch, tmp_path):
    monkeypatch.setattr(session, "DEFAULT_FOLDER", handmade.write(tmp_path / "default"))
    own = Recognizer()
    assert isinstance(own._model._graph, LocalGraph)
    own.close()
    assert own.predict((handmade.tone(0.02), 16_000)).emotion == "sad"


def test_limits_are_checked_and_kept_by_copies(tmp_path):
    for wrong in ({"open_s": 0}, {"run_s": float("nan")}, {"memory_mb": 5}, {"memory_mb": "1"}):
        with pytest.raises(ConfigError, match=f"{next(iter(wrong))} is .*; expected"):
            Limits(**wrong)
    own = Recognizer(handmade.write(tmp_path / "b"), limits=Limits(run_s=7))
    assert pickle.loads(pickle.dumps(own))._limits == Limits(run_s=7)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_children_of_its_own_and_leaves_those_of_its_parent(tmp_path):
    code = f"""
import os, sys
from emotone.recognition.recognizer import Recognizer
import numpy as np
own = Recognizer({str(handmade.write(tmp_path / "b"))!r})
sound = np.sin(np.arange(16_000) / 8).astype(np.float32)
before = own.run(sound)[0]
pid = os.fork()
if pid == 0:
    same = np.array_equal(own.run(sound)[0], before)
    own.close()
    sys.exit(0 if same else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
(child,) = own._model._graph._graph._all
assert child.poll() is None and np.array_equal(own.run(sound)[0], before)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers of POSIX")
def test_a_parent_that_ignores_signals_does_not_lift_the_limit(tmp_path):
    content = hostile_graphs.endless_when_loud().SerializeToString()
    folder = handmade.write(tmp_path / "b", content=content)
    code = f"""
import signal
for number in (signal.SIGALRM, signal.SIGPROF):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGPROF])
import numpy as np
from emotone.errors import BundleError
from emotone.recognition.graph_process import Limits
from emotone.recognition.recognizer import Recognizer
own = Recognizer({str(folder)!r}, limits=Limits(run_s=0.3))
try:
    own.run(np.full(16_000, 0.9, np.float32))
except BundleError as error:
    assert "computed for longer" in str(error)
else:
    raise AssertionError("it went on")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_graph_that_changes_on_the_disk_is_not_run(tmp_path):
    own = Recognizer(handmade.write(tmp_path / "b"))
    (tmp_path / "b" / "model.onnx").write_bytes(handmade.graph(nan=True))
    own.run(LOUD)  # it is in the memory of the child
    own.close()
    with pytest.raises(BundleError, match="was altered or is damaged"):
        own.run(LOUD)
