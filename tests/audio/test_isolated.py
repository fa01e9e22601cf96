"""Decoding in a child process: the same samples and errors, and children that die, hang or are left."""

import io
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import soundfile

from emotone import audio
from emotone.audio import isolated
from emotone.errors import AudioError, SilenceError
from support.media import media, tone

pytestmark = pytest.mark.slow

DIES = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")


def file_of(samples, kind="WAV", **options):
    file = io.BytesIO()
    soundfile.write(file, samples, 48_000, format=kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def webm():
    return media([tone(1.5)], "webm", "libopus")


@pytest.fixture(scope="module")
def long():
    return file_of(np.tile(tone(1.0), 90), "MP3")  # far more samples than a pipe holds


@pytest.fixture(autouse=True, scope="module")
def end():
    yield
    isolated._shared.close()
    assert isolated._shared.pids == []


def child_pid(webm):
    isolated.read(webm)
    return isolated._shared.pids[-1]


# ---- the same as without a child ----


def test_the_same_samples(webm, tmp_path):
    path = tmp_path / "ä \udcff.webm"
    path.write_bytes(webm)
    for source in (webm, path, os.fspath(path), io.BytesIO(webm)):
        np.testing.assert_array_equal(isolated.read(source), audio.read(webm))
    part = {"start_s": 0.25, "end_s": 1.0}
    np.testing.assert_array_equal(isolated.read(path, **part), audio.read(path, **part))
    both = media([np.stack([tone(1.0), tone(1.0, hz=900)], axis=1)], "webm", "libopus")
    np.testing.assert_array_equal(isolated.read(both, channel="right"), audio.read(both, channel="right"))


def test_the_same_blocks(webm):
    for block_s in (0.4, 30.0):
        blocks, same = list(isolated.blocks(webm, block_s=block_s)), list(audio.blocks(webm, block_s=block_s))
        assert [len(block) for block in blocks] == [len(block) for block in same]
        np.testing.assert_array_equal(np.concatenate(blocks), np.concatenate(same))


@pytest.mark.parametrize("name", ["garbage", "cut", "silent", "short", "empty", "text", "missing", "folder", "track"])
def test_the_same_errors(name, webm, tmp_path):
    ogg = media([tone(1.5)], "ogg", "libopus")
    sources = {
        "garbage": np.random.default_rng(0).bytes(3000),
        "cut": ogg[: len(ogg) // 2],
        "silent": media([np.zeros(48_000, np.float32)], "webm", "libopus"),
        "short": media([tone(0.1)], "webm", "libopus"),
        "empty": b"",
        "text": b"happy,sad\n" * 9,
        "missing": tmp_path / "none.webm",
        "folder": tmp_path,
        "track": webm,
    }
    options = {"track": 7} if name == "track" else {}
    with pytest.raises(AudioError) as same:
        audio.read(sources[name], **options)
    with pytest.raises(type(same.value)) as error:
        isolated.read(sources[name], **options)
    assert str(error.value) == str(same.value)
    assert isinstance(error.value, SilenceError) == (name == "silent")


def test_relative_paths_follow_the_working_folder(webm, tmp_path, monkeypatch):
    child_pid(webm)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.webm").write_bytes(webm)
    assert len(isolated.read("a.webm")) == pytest.approx(24_000, abs=200)


def test_pipes(webm):
    reading, writing = os.pipe()
    threading.Thread(target=lambda: (os.write(writing, webm), os.close(writing))).start()
    np.testing.assert_array_equal(isolated.read(f"/dev/fd/{reading}"), audio.read(webm))
    os.close(reading)


# ---- which recordings need a child ----


@pytest.mark.parametrize(
    ("plain", "data"),
    [
        (True, file_of(tone(0.5))),
        (True, file_of(tone(0.5), subtype="FLOAT")),
        (True, file_of(tone(0.5), "FLAC")),
        (True, file_of(tone(0.5))[:1000]),  # refused before anything is decoded
        (True, b""),
        (False, file_of(tone(0.5), "FLAC") * 2),
        (False, file_of(tone(0.5), subtype="MS_ADPCM")),
        (False, file_of(tone(0.5), "AIFF")),
        (False, file_of(tone(0.5), "OGG")),
        (False, file_of(tone(0.5), "MP3")),
        (False, b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\xff\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0data\0\0\0\0"),
    ],
)
def test_plain_recordings(plain, data):
    assert isolated.is_plain(data) == plain


def test_plain_recordings_start_no_child():
    code = (
        "import numpy as np, io, soundfile, subprocess; from emotone.audio import isolated\n"
        "subprocess.Popen = None\n"
        "isolated.read((np.ones(8000), 8000)); f = io.BytesIO()\n"
        "soundfile.write(f, np.ones(8000) / 2, 8000, format='WAV')\n"
        "print(len(isolated.read(f.getvalue())), isolated._shared.pids)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "16000 []\n"


# ---- children that die ----


@DIES
@pytest.mark.parametrize("sign", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_a_child_that_dies_while_it_decodes(sign, webm, long):
    pid = child_pid(webm)
    blocks = isolated.blocks(long, block_s=5.0)
    next(blocks)
    os.kill(pid, getattr(signal, sign))
    with pytest.raises(AudioError, match="the decoder crashed on this recording .signal .*convert it to WAV or FLAC"):
        list(blocks)
    assert pid not in isolated._shared.pids
    np.testing.assert_array_equal(isolated.read(webm), audio.read(webm))


@DIES
def test_a_child_that_dies_before_its_first_block(webm):
    pid = child_pid(webm)
    os.kill(pid, signal.SIGSTOP)
    threading.Timer(0.1, os.kill, (pid, signal.SIGSEGV)).start()
    threading.Timer(0.2, os.kill, (pid, signal.SIGCONT)).start()
    with pytest.raises(AudioError, match=f"^the {len(webm)} bytes given: the decoder crashed"):
        isolated.read(webm)
    assert len(isolated.read(webm))


@DIES
def test_a_child_that_died_between_two_requests_is_not_noticed(webm):
    pid = child_pid(webm)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert len(isolated.read(webm)) and pid not in isolated._shared.pids


@DIES
def test_a_child_that_hangs_is_stopped(webm, tmp_path):
    os.kill(child_pid(webm), signal.SIGSTOP)
    with pytest.raises(AudioError, match=r"decoding took longer than 0\.2 s; convert it"):
        isolated.read(webm, timeout_s=0.2)
    assert len(isolated.read(webm))


def test_a_caller_that_wants_no_more(webm, long, monkeypatch):
    monkeypatch.setattr(isolated, "_REST_BYTES", 0)  # as of a recording that is longer than this one
    pid = child_pid(webm)
    blocks = isolated.blocks(long, block_s=1.0)
    next(blocks)
    blocks.close()
    assert pid not in isolated._shared.pids
    assert len(isolated.read(webm))


def test_the_rest_of_a_short_recording_does_not_cost_the_child(webm):
    pid, whole = child_pid(webm), isolated.read(webm)
    blocks = isolated.blocks(webm, block_s=0.1)
    np.testing.assert_array_equal(next(blocks), whole[:1600])
    blocks.close()
    with isolated.lent_child() as child:  # opened, and no frames are wanted
        assert child.open_frames(webm, track=None, timeout_s=10.0)["codec"] == "opus"
    assert isolated._shared.pids == [pid]
    np.testing.assert_array_equal(isolated.read(webm), whole)


def test_several_at_the_same_time(webm, long):
    lengths = []
    threads = [threading.Thread(target=lambda: lengths.append(len(isolated.read(webm)))) for _ in range(4)]
    first = isolated.blocks(long, block_s=1.0)
    next(first)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(lengths) == 4 and len(set(lengths)) == 1
    assert sum(map(len, first)) == 89 * 16_000


@DIES
def test_children_end_with_their_parent():
    code = (
        "import sys; from emotone.audio import isolated; data = open(sys.argv[1], 'rb').read()\n"
        "isolated.read(data); print(isolated._shared.pids[0], flush=True); sys.stdin.read()"
    )
    path = os.path.join(os.path.dirname(__file__), "..", "..", "samples", "conversation.ogg")
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    end = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and open(f"/proc/{pid}/stat").read().split()[2] != "Z":
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_process_has_its_own_children(webm):
    pid = child_pid(webm)
    code = os.fork()
    if not code:
        try:
            fine = not isolated._shared.pids and len(isolated.read(webm)) > 0
            isolated._shared.close()
        finally:
            os._exit(0 if fine else 1)
    assert os.waitpid(code, 0)[1] == 0
    assert child_pid(webm) == pid


def test_a_working_folder_that_is_gone_concerns_relative_paths_alone(webm, tmp_path, monkeypatch):
    path = tmp_path / "a.webm"
    path.write_bytes(webm)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    expected = audio.read(webm)
    assert np.array_equal(isolated.read(webm), expected) and np.array_equal(isolated.read(str(path)), expected)
    with pytest.raises(AudioError, match="the working folder is gone .*; give the whole path"):
        list(isolated.Child().decode("a.webm", 1.0, {}, 5.0))
