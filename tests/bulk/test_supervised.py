"""Children that crash and hang: one unit fails, and all others have their results."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from emotone.bulk.supervised import Supervised, new_child
from emotone.bulk.units import Failure
from emotone.errors import EmotoneError
from support.bulk_workers import Moody

pytestmark = pytest.mark.slow


@pytest.fixture
def moody(tmp_path):
    supervised = Supervised(Moody(str(tmp_path)), limit_s=60)
    yield supervised
    supervised.close()


def test_results_come_in_order_from_the_same_child(moody):
    assert list(moody.results([1, 2, 3])) == [2, 4, 6]
    assert list(moody.results([])) == []
    assert len({*moody.results(["pid", "pid"]), *moody.results(["pid"])}) == 1


@pytest.mark.parametrize(("unit", "end"), [("crash", "signal 11"), ("exit", "exit code 3")])
def test_unit_that_ends_the_child_twice_is_a_failure_of_its_own(moody, unit, end):
    results = list(moody.results([1, unit, 2, unit, unit, 3]))
    assert [results[at] for at in (0, 2, 5)] == [2, 4, 6]
    for failure in (results[1], results[3], results[4]):
        assert isinstance(failure, Failure) and failure.code == "crashed" and end in failure.message


def test_unit_whose_child_was_killed_once_is_tried_again(moody):
    assert list(moody.results([1, "crash once", 2])) == [2, "crash once", 4]


def test_child_that_is_killed_between_parts_starts_again(moody):
    (pid,) = moody.results(["pid"])
    os.kill(pid, signal.SIGKILL)
    assert list(moody.results([1, 2])) == [2, 4]


def test_unit_without_progress_is_given_up_at_once(tmp_path):
    supervised = Supervised(Moody(str(tmp_path)), limit_s=1)
    begun_at = time.monotonic()
    first, late, last = supervised.results([1, "hang", 2])
    supervised.close()
    assert (first, last) == (2, 4)
    assert late.code == "timeout" and "1 s" in late.message
    assert time.monotonic() - begun_at < 60


def test_progress_keeps_a_slow_unit_alive(tmp_path):
    supervised = Supervised(Moody(str(tmp_path)), limit_s=2)  # the unit takes 3 s
    assert list(supervised.results(["slow"])) == ["slow"]
    supervised.close()


def test_reader_may_take_longer_than_the_limit(tmp_path):
    supervised = Supervised(Moody(str(tmp_path)), limit_s=0.5)
    results = []
    for result in supervised.results([1, 2]):
        results.append(result)
        time.sleep(1.2)
    supervised.close()
    assert results == [2, 4]


def test_what_libraries_print_is_no_reply(moody):
    assert list(moody.results(["print", 1])) == ["print", 2]


def test_child_that_can_not_start_ends_the_work_with_its_reason(tmp_path):
    supervised = Supervised(Moody(str(tmp_path), starts=False), limit_s=60)
    with pytest.raises(EmotoneError, match="the model is missing"):
        list(supervised.results([1]))


def test_close_from_another_thread_stops_the_work(moody):
    import threading

    timer = threading.Timer(1.0, moody.close)
    timer.start()
    with pytest.raises(EmotoneError, match="stopped"):
        list(moody.results([1, "hang", 2]))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_child_that_hangs_ends_with_its_parent(tmp_path):
    script = f"""
        import sys
        sys.path[:0] = {sys.path!r}
        from emotone.bulk.supervised import Supervised
        from support.bulk_workers import Moody
        supervised = Supervised(Moody({str(tmp_path)!r}), limit_s=600)
        for result in supervised.results(["pid", "hang"]):
            print(result, flush=True)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and Path(f"/proc/{child}").exists() and not _is_zombie(child):
        time.sleep(0.1)
    assert not Path(f"/proc/{child}").exists() or _is_zombie(child)


def _is_zombie(pid):
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_system_that_can_start_no_process_ends_the_work(moody, monkeypatch):
    """It is not the fault of any unit."""

    def no_fork(*arguments, **options):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", no_fork)
    with pytest.raises(EmotoneError, match="can't start .*Resource temporarily unavailable"):
        list(moody.results([1, 2]))


def test_child_that_was_killed_while_it_waited_is_replaced(tmp_path):
    waiting = new_child()
    waiting.kill()
    waiting.wait()
    supervised = Supervised(Moody(str(tmp_path)), limit_s=60, child=waiting)
    assert list(supervised.results([1])) == [2]
    supervised.close()


@pytest.mark.skipif(not hasattr(os, "setsid"), reason="needs signals that stop a process")
def test_driver_that_is_suspended_blames_no_unit(tmp_path):
    """As after Ctrl-Z, or on a machine that sleeps; the limit is 2 s, and it sleeps for 4."""
    script = f"""
        import sys
        sys.path[:0] = {sys.path!r}
        from emotone.bulk.supervised import Supervised
        from support.bulk_workers import Moody
        supervised = Supervised(Moody({str(tmp_path)!r}), limit_s=2)
        for result in supervised.results(["pid", "slow", 1]):
            print(result, flush=True)
        supervised.close()
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    time.sleep(0.5)
    for pid in (parent.pid, child):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(4)
    for pid in (parent.pid, child):
        os.kill(pid, signal.SIGCONT)
    assert parent.communicate(timeout=60)[0] == "slow\n2\n"
