"""What goes wrong in a long run: each recording is still in the rows or in the failures, exactly once."""

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from emotone.audio import write_wav
from emotone.bulk.annotate import annotate
from emotone.bulk.engines import LocalEngine
from emotone.bulk.settings import AnnotateSettings
from support import handmade
from support.annotated import check_each_once, failures, rows

pytestmark = pytest.mark.slow


def links(folder, clips, n):
    """Fill a folder with links to clips, by turns."""
    folder.mkdir()
    for number in range(n):
        (folder / f"{number:05d}.wav").symlink_to(clips[number % len(clips)])
    return folder


@pytest.fixture(scope="module")
def clips(archive):
    return sorted(archive.glob("anna/*.wav")) + sorted(archive.glob("ben/*.wav"))


def command(archive, out, bundle, *more):
    arguments = ["annotate", archive, "--out", out, "--model", bundle, "--part-files", 16, *more]
    return [sys.executable, "-m", "emotone.cli.main", *map(str, arguments)]


def children_of(pid):
    """Return the processes that a process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if int(lines["PPid"]) == pid and "Z" not in lines["State"]:
                found.append(int(status.parent.name))
    return found


def wait_for(condition, *, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def parts_in(out):
    return len(list((out / "segments").glob("part-*"))) if (out / "segments").exists() else 0


def run_script(folder, out, bundle, workers=2):
    """Annotate in another process, so that it can be killed."""
    script = f"""
        import sys
        sys.path[:0] = {sys.path!r}
        from emotone.bulk.annotate import annotate
        from emotone.bulk.engines import LocalEngine
        from emotone.bulk.settings import AnnotateSettings
        settings = AnnotateSettings(model={bundle!r}, part_files=16)
        annotate({str(folder)!r}, {str(out)!r}, settings=settings, engine=LocalEngine({workers}))
    """
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])


N_CLIPS = 1200


@pytest.fixture(scope="module")
def many(clips, tmp_path_factory):
    return links(tmp_path_factory.mktemp("many") / "clips", clips, N_CLIPS)


@pytest.fixture(scope="module")
def undisturbed(many, bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    annotate(many, out, settings=AnnotateSettings(model=bundle, part_files=16), engine=LocalEngine(2))
    return rows(out)


def test_worker_that_is_killed_costs_nothing(many, undisturbed, bundle, tmp_path):
    process = run_script(many, tmp_path / "out", bundle)
    try:
        n_killed = 0
        while n_killed < 3 and process.poll() is None:
            wait_for(lambda n=n_killed: parts_in(tmp_path / "out") > 4 * n or process.poll() is not None)
            if workers := children_of(process.pid):
                os.kill(workers[0], signal.SIGKILL)
                n_killed += 1
        assert process.wait(timeout=120) == 0
    finally:
        process.kill()
    assert n_killed == 3
    assert rows(tmp_path / "out") == undisturbed and not failures(tmp_path / "out")


def test_driver_that_is_killed_goes_on(many, undisturbed, bundle, tmp_path):
    """Killed in the middle of parts, twice; the third run ends, and repeats no part."""
    out = tmp_path / "out"
    n_before = 0
    for _ in range(2):
        process = run_script(many, out, bundle)
        wait_for(lambda: parts_in(out) > n_before + 3)  # noqa: B023
        workers = children_of(process.pid)
        process.kill()
        process.wait()
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), seconds=30)  # noqa: B023
        n_before = parts_in(out)
    times = {path: path.stat().st_mtime_ns for path in (out / "segments").glob("part-*")}
    annotate(many, out, settings=AnnotateSettings(model=bundle, part_files=16), engine=LocalEngine(2))
    assert rows(out) == undisturbed
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert not list(out.rglob(".*"))  # nothing unfinished stays


def test_ctrl_c_ends_in_order_and_the_same_command_goes_on(many, undisturbed, bundle, tmp_path):
    out = tmp_path / "out"
    arguments = [sys.executable, "-c", "from emotone.cli.main import main; main()", *command(many, out, bundle)[3:]]
    # a job in the background inherits that SIGINT is ignored
    foreground = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, preexec_fn=foreground)
    wait_for(lambda: parts_in(out) > 3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again to continue" in stderr and "Traceback" not in stderr
    again = subprocess.run(arguments, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0 and f"Recordings: {N_CLIPS:,}" in again.stdout
    assert rows(out) == undisturbed


def test_one_percent_of_damaged_files_among_5000(clips, bundle, tmp_path):
    folder = links(tmp_path / "clips", clips, 5000)
    rng = np.random.default_rng(0)
    damaged = sorted(rng.choice(5000, 50, replace=False).tolist())
    whole = clips[0].read_bytes()
    for kind, number in enumerate(damaged):
        path = folder / f"{number:05d}.wav"
        path.unlink()
        contents = (b"", b"RIFF", whole[: len(whole) // 3], rng.bytes(5000), whole[:44] + bytes(32_000))
        path.write_bytes(contents[kind % 5])
    annotate(folder, tmp_path / "out", settings=AnnotateSettings(model=bundle), engine=LocalEngine(2))
    check_each_once(tmp_path / "out", 5000)
    assert [failure["row"] for failure in failures(tmp_path / "out")] == damaged


@pytest.fixture
def bad_decoder():
    """Code that makes the decoder crash or hang, by the name of the file, in the workers too."""
    code = """
        import os, signal, time
        import emotone.audio.wav_reader as reader
        before = reader.WavReader.__init__
        def opened(self, *arguments, name, **more):
            end = os.path.basename(name)
            if "crash" in end:
                os.kill(os.getpid(), signal.SIGSEGV)
            if "hang" in end:
                time.sleep(600)
            before(self, *arguments, name=name, **more)
        reader.WavReader.__init__ = opened
    """
    return textwrap.dedent(code)


def test_recordings_that_crash_or_hang_the_decoder(clips, adaptive_bundle, tmp_path, bad_decoder, monkeypatch):
    folder = links(tmp_path / "clips", clips, 40)
    for name in ("00010", "00011", "00025"):
        (folder / f"{name}.wav").rename(folder / f"{name}-crash.wav")
    (folder / "00030.wav").rename(folder / "00030-hang.wav")
    # The decoder is changed in the workers alone.
    import emotone.bulk.supervised as supervised

    (tmp_path / "bad_worker.py").write_text(bad_decoder + "\nfrom emotone.bulk.supervised import serve\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(supervised, "_CHILD", "bad_worker")
    settings = AnnotateSettings(model=adaptive_bundle, time_limit_s=2, part_files=8)
    annotate(folder, tmp_path / "out", settings=settings, engine=LocalEngine(2))
    check_each_once(tmp_path / "out", 40)
    (adapted,) = {row["adapted_source"] for row in rows(tmp_path / "out")}
    assert adapted >= 8  # the source is estimated from the others: its reader can crash as well
    assert all("wav" in failure["message"] for failure in failures(tmp_path / "out"))
    codes = {(failure["row"], failure["code"]) for failure in failures(tmp_path / "out")}
    assert codes == {(10, "crashed"), (11, "crashed"), (25, "crashed"), (30, "timeout")}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("a file system can only be mounted as root")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(folder)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_full_disk_is_an_error_and_the_run_goes_on_when_there_is_space(many, undisturbed, bundle, small_disk):
    out = small_disk / "out"
    settings = AnnotateSettings(model=bundle, part_files=16)
    with pytest.raises(OSError) as caught:
        annotate(many, out, settings=settings, engine=LocalEngine(2))
    assert caught.value.errno == errno.ENOSPC
    assert parts_in(out) < 75
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    annotate(many, out, settings=settings, engine=LocalEngine(2))
    assert rows(out) == undisturbed


def test_full_disk_of_a_worker_without_a_mount(clips, bundle, tmp_path, monkeypatch):
    """The same where no file system can be mounted: the first part is written, the second is not."""
    from emotone.bulk.storage import Local

    write, calls = Local.write, []

    def full(self, name, content):
        calls.append(name)
        if "part-0000002" in name and not (tmp_path / "space").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, name, content)

    monkeypatch.setattr(Local, "write", full)
    folder = links(tmp_path / "clips", clips, 40)
    settings = AnnotateSettings(model=bundle, part_files=8)
    with pytest.raises(OSError, match="No space left"):
        annotate(folder, tmp_path / "out", settings=settings, engine=LocalEngine(1))
    (tmp_path / "space").touch()
    annotate(folder, tmp_path / "out", settings=settings, engine=LocalEngine(1))
    check_each_once(tmp_path / "out", 40)


def test_memory_does_not_grow_with_the_reports(clips, bundle, tmp_path):
    """The driver keeps no rows: what it holds after many parts is what it held after few."""
    write_wav(tmp_path / "tone.wav", handmade.tone(0.1, seconds=0.3))
    folder = links(tmp_path / "clips", [tmp_path / "tone.wav"], 600)
    import tracemalloc

    engine, peaks = LocalEngine(1), []
    for n_files in (150, 600):
        small = tmp_path / f"list-{n_files}.csv"
        small.write_text("file\n" + "".join(f"{folder}/{number:05d}.wav\n" for number in range(n_files)))
        tracemalloc.start()
        annotate(
            [str(small)],
            tmp_path / f"out-{n_files}",
            settings=AnnotateSettings(model=bundle, part_files=4),
            engine=engine,
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 100_000
