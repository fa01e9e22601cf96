"""What clients do wrong against the service as a process: what they get for it, and that others don't notice.

The faults are those of benchmarks/load_faults.py, which commits them at full size against the built-in model.
"""

import asyncio
import io
import json
import os
import re
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import soundfile

from emotone.recognition.recognizer import Recognizer
from emotone.serve.timeouts import MIN_BYTES_PER_S
from support import handmade, hostile_graphs
from support.serving import until

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import load_client  # noqa: E402
import load_faults  # noqa: E402
import load_sounds  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory and open files are read from /proc"),
]
PATIENCE_S = 1.0
SETTINGS = {
    "max_upload_bytes": 4_000_000,
    "max_duration_s": 900.0,
    "workers": 2,
    "queue": 6,
    "idle_stream_s": PATIENCE_S,
    "drain_s": 0.5,
}
SCALE = load_faults.Scale(
    upload_bytes=20_000_000,
    hours=0.5,
    wide_s=4.0,
    sockets=100,
    drips=12,
    form_bytes=3_900_000,
    patience_s=PATIENCE_S,
)


def service_of(folder, **changes):
    given = ", ".join(f"{name}={value!r}" for name, value in (SETTINGS | changes).items())
    script = "import emotone.serve as s; from emotone import Recognizer; "
    script += f"s.serve(Recognizer({str(folder)!r}), port={{port}}, settings=s.ServeSettings({given}))"
    return load_client.Service([sys.executable, "-c", script])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return handmade.write(tmp_path_factory.mktemp("bundle") / "loudness")


@pytest.fixture(scope="module")
def service(folder):
    with service_of(folder) as one:
        yield one


@pytest.fixture
def unharmed(folder, service):
    """An ordinary request is answered rightly before and after; gives the memory before, MiB."""
    told = Recognizer(folder).predict(load_sounds.voice(kind="WAV"))
    expected = {name: pytest.approx(score, abs=1e-6) for name, score in told.scores.items()}

    def check():
        answer = service.predict(load_sounds.voice(kind="WAV"))
        assert (answer.status, answer.content["emotion"]) == (200, told.emotion)
        assert answer.content["scores"] == expected

    check()
    files, mib = service.n_files(), service.rss_mib()
    yield mib
    check()
    assert load_faults.settled(service)
    end = time.monotonic() + 20  # what a connection had is closed after it
    while service.n_files() > files + 2 and time.monotonic() < end:
        time.sleep(0.1)
    assert service.process.poll() is None and service.n_files() <= files + 2
    metrics = service.text("/metrics")
    assert not re.search(r'status="5(?!03)', metrics)


@pytest.mark.parametrize("name", load_faults.FAULTS)
def test_a_fault_is_answered_and_harms_nobody_else(service, unharmed, name):
    fault = load_faults.FAULTS[name]
    service.forget_peak()
    assert fault.commit(service, SCALE) in fault.expected
    # twenty streams, each with a detector of its own, take most; no recording or upload may take what it claims
    assert service.peak_mib() < unharmed + (250 if "stream" in name else 120)


def test_uploads_a_byte_at_a_time_leave_room_in_the_end(service, unharmed):
    # all the room there is, and no more: each is given up for its slowness, though something comes all the time
    assert load_faults.drips(service, load_faults.Scale(drips=8, patience_s=PATIENCE_S)) == "408 idle"


def test_an_upload_that_is_slow_enough_is_taken(service, unharmed):
    data = load_sounds.voice(kind="WAV", seconds=1.0)
    body = load_client.form(data)
    with service.connect() as line:
        line.sendall(load_client.head(n_bytes=len(body)))
        for at in range(0, len(body), 2000):  # twice as long as nothing may come for, and faster than it must be
            line.sendall(body[at : at + 2000])
            time.sleep(2000 / len(body) * 2 * PATIENCE_S)
        assert load_client.answer_of(line).status == 200
    assert MIN_BYTES_PER_S < len(body) / (2 * PATIENCE_S)


@pytest.mark.slow
def test_a_connection_is_kept_while_it_is_used(service, unharmed):
    body = load_client.form(load_sounds.voice(kind="WAV"))
    with service.connect() as line:
        for _ in range(4):  # longer, all in all, than the first head may take
            line.sendall(load_client.head(n_bytes=len(body)) + body)
            assert load_client.answer_of(line).status == 200
            time.sleep(0.4 * PATIENCE_S)
        line.sendall(b"GET /healthz HTTP/1.1\r\n")  # and half a head after an answer ends it
        assert load_client.read_all(line) == b""


def test_streams_outlast_the_patience_for_heads(service, unharmed):
    with load_faults.dial(service) as line:
        line.send(load_faults.HELLO)
        for _ in range(4):
            line.send(bytes(3200))
            time.sleep(0.4 * PATIENCE_S)
        line.send('{"end": true}')
        assert list(line) == [] and line.close_code == 1000


@pytest.mark.slow
def test_sigterm_under_load_answers_what_runs_and_exits_0(folder):
    held = io.BytesIO()
    soundfile.write(held, handmade.tone(0.02, seconds=60), 16_000, format="WAV")
    with service_of(folder) as service:
        ended = load_faults.ended_under_load(service, held.getvalue(), clients=12, within_s=10)
        assert service.process.stderr.read() == b""
    assert set(ended.statuses) <= {200, 503} and ended.statuses[200] >= 6
    assert ended.exit_code == 0 and ended.after >= 2 and ended.seconds < 10


@pytest.mark.slow
def test_refused_clients_come_back_when_they_were_told_to(folder):
    with service_of(folder, workers=1, queue=0, drain_s=0.0) as service:
        data = load_sounds.voice(kind="WAV", seconds=5.0)
        told = asyncio.run(load_client.ask(service.port, data, clients=4, seconds=1.5))
        assert set(told.statuses) == {200, 503} and len(told.answers) == 1
        # each of the four is refused once a second at most: Retry-After says 1
        assert told.statuses[503] <= 4 * 3 and told.statuses[200] > told.statuses[503]
        assert json.loads(told.answers.pop())["emotion"] == "sad"
        service.process.terminate()  # without a time to drain, too, that is an orderly end
        assert service.process.wait(10) == 0


def children(pid):
    return [int(text) for path in Path(f"/proc/{pid}/task").glob("*/children") for text in path.read_text().split()]


def computed_s(pid):
    """Return the seconds that the children of a process have computed."""
    times = [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11] for child in children(pid)]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_sigterm_ends_a_service_whose_graph_never_ends(tmp_path):
    content = hostile_graphs.endless_when_loud().SerializeToString()
    folder = handmade.write(tmp_path / "endless", content=content)
    held = io.BytesIO()
    soundfile.write(held, handmade.tone(0.4), 16_000, format="WAV")
    with service_of(folder, drain_s=0.0, max_seconds=2.0) as service:
        address = f"http://127.0.0.1:{service.port}/v1/predict"
        answers = []

        def send():
            answers.append(httpx.post(address, files={"file": held.getvalue()}, timeout=60, trust_env=False))

        sending = threading.Thread(target=send, daemon=True)
        sending.start()
        until(lambda: computed_s(service.process.pid) > 1, seconds=30)  # the graph runs
        graphs = children(service.process.pid)
        service.process.terminate()
        assert service.process.wait(45) in (0, 1)
        sending.join(10)
        assert [answer.status_code for answer in answers] == [503]
        until(lambda: graphs and not any(Path(f"/proc/{pid}").exists() for pid in graphs))
