"""Clients that nobody here wrote use the service: curl, websockets, schemathesis, a reader of Prometheus's format."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from emotone import __version__, audio
from emotone.cli.recordings import Answer
from emotone.recognition.recognizer import Recognizer
from emotone.recognition.stream import Stream
from emotone.recognition.timeline_formats import FORMATS
from emotone.serve.problems import KINDS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import load_client  # noqa: E402
import load_faults  # noqa: E402
import load_sounds  # noqa: E402

pytestmark = pytest.mark.slow

SAMPLES = ROOT / "samples"
CLIP = SAMPLES / "woman_lively.wav"


@pytest.fixture(scope="module")
def service():
    jobs = ["--max-jobs", "1000", "--keep-jobs-s", "5"]  # schemathesis starts hundreds and deletes none
    with load_client.Service([*load_client.command(workers=2), *jobs]) as one:
        yield one


@pytest.fixture(scope="module")
def recognizer():
    return Recognizer()


@pytest.fixture
def curl(service):
    """Ask as people do in a shell: status, headers and body."""
    program = shutil.which("curl")
    if program is None:
        needed = os.environ.get("EMOTONE_REQUIRE_DATA", "0") not in ("", "0")
        (pytest.fail if needed else pytest.skip)("curl is not installed")

    def ask(path, *options):
        url = f"http://127.0.0.1:{service.port}{path}"
        command = [
            program,
            "--silent",
            "--show-error",
            "--include",
            "--noproxy",
            "*",
            "--max-time",
            "20",
            *options,
            url,
        ]
        done = subprocess.run(command, capture_output=True, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        while head.startswith(b"HTTP/1.1 100"):  # what it asks before it sends a large body
            head, _, body = body.partition(b"\r\n\r\n")
        status, headers = load_client.parsed(head)
        return status, headers, body.decode()

    return ask


# ---- curl ----


def told(recognizer, path):
    return Answer(path.name, recognizer.predict(path)).to_dict()


@pytest.mark.parametrize("name", ["woman_lively.wav", "man_subdued.flac", "man_tense.mp3", "conversation.ogg"])
def test_curl_predict(curl, recognizer, name):
    status, headers, body = curl("/v1/predict", "-F", f"file=@{SAMPLES / name}")
    assert (status, headers["content-type"]) == (200, "application/json")
    expected = told(recognizer, SAMPLES / name)
    assert json.loads(body) == expected and set(expected["scores"]) == set(recognizer.emotions)


def test_curl_top_and_timeline(curl, recognizer):
    expected = told(recognizer, CLIP)
    best = dict(sorted(expected["scores"].items(), key=lambda one: -one[1])[:2])
    _, _, body = curl("/v1/predict?top=2", "-F", f"file=@{CLIP}")
    assert json.loads(body) == expected | {"scores": best} and len(best) == 2
    path = SAMPLES / "conversation.ogg"
    status, _, body = curl("/v1/predict?timeline=true", "-F", f"file=@{path}")
    timeline = json.loads(body)
    assert status == 200 and timeline == recognizer.timeline(path).to_dict() and len(timeline["segments"]) >= 2


@pytest.mark.slow
def test_curl_sends_a_large_file_after_asking(curl, tmp_path):
    path = tmp_path / "long.wav"
    samples = audio.read(CLIP)
    audio.write_wav(path, np.tile(samples, 60)[: 60 * audio.SAMPLE_RATE])
    assert path.stat().st_size > 2**20  # curl sends "Expect: 100-continue" then
    status, _, body = curl("/v1/predict?timeline=1&top=1", "-F", f"file=@{path}")
    assert status == 200 and json.loads(body)["duration_s"] == 60.0


def test_curl_problems(curl, tmp_path):
    archive = tmp_path / "clip.wav"
    archive.write_bytes(load_sounds.archive())
    for code, path, *options in (
        ("not_audio", "/v1/predict", "-F", f"file=@{archive}"),
        ("bad_request", "/v1/predict", "-F", f"sound=@{CLIP}"),
        ("bad_request", "/v1/predict", "--data-binary", f"@{CLIP}"),
        ("bad_request", "/v1/predict?top=0", "-F", f"file=@{CLIP}"),
        ("method_not_allowed", "/v1/predict"),
        ("method_not_allowed", "/v1/model", "-X", "DELETE"),
        ("not_found", "/v2/predict"),
    ):
        status, headers, body = curl(path, *options)
        problem = json.loads(body)
        assert (problem["code"], status, problem["status"]) == (code, KINDS[code].status, KINDS[code].status)
        assert headers["content-type"] == "application/problem+json" and problem["title"] == KINDS[code].title
        assert str(ROOT) not in body and str(tmp_path) not in body


def test_curl_model_and_health(curl, recognizer):
    _, _, body = curl("/v1/model")
    model = json.loads(body)
    assert (model["emotions"], model["version"]) == (list(recognizer.emotions), __version__)
    assert model["sha256"] == recognizer.card["sha256"] and 0 < model["scores"]["uar"] < 1
    assert [json.loads(curl(path)[2]) for path in ("/healthz", "/readyz")] == [{"status": "ok"}, {"status": "ready"}]


# ---- Prometheus ----

_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? ([0-9.e+-]+|\+Inf|NaN)")


def families(text):
    """Samples by family: name -> (type, {sample with its labels: value}), of a text in the format 0.0.4."""
    found, name = {}, None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if head := re.fullmatch(rf"# (HELP|TYPE) ({_NAME}) (.+)", line):
            kind, name, rest = head.groups()
            assert (name in found) is (kind == "TYPE")  # a help, once, and then the type
            found[name] = (rest, {})
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample is not None, line
        suffixes = ("_bucket", "_sum", "_count") if found[name][0] == "histogram" else ("",)
        assert sample[1] in [name + one for one in suffixes], line
        key = f"{sample[1]}{{{sample[2] or ''}}}"
        assert key not in found[name][1], line
        found[name][1][key] = float(sample[3])
    return found


def test_metrics_can_be_read(curl):
    before = families(curl("/metrics")[2])
    curl("/v1/predict", "-F", f"file=@{CLIP}")
    curl("/no%22where%0A", "-X", "POST")
    status, headers, body = curl("/metrics")
    after = families(body)
    assert status == 200 and headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert {name: kind for name, (kind, _) in after.items()} == {
        "emotone_requests_total": "counter",
        "emotone_inference_seconds": "histogram",
        "emotone_queue_length": "gauge",
        "emotone_uploads_bytes": "gauge",
        "emotone_streams_open": "gauge",
        "emotone_jobs_total": "counter",
        "emotone_jobs_kept": "gauge",
        "emotone_jobs_bytes": "gauge",
    }
    histogram = after["emotone_inference_seconds"][1]
    buckets = [(re.search(r'le="([^"]+)"', name)[1], value) for name, value in histogram.items() if "_bucket" in name]
    bounds, counts = [float(bound) for bound, _ in buckets], [value for _, value in buckets]
    assert bounds == sorted(bounds) and bounds[-1] == float("inf") and counts == sorted(counts)
    assert counts[-1] == histogram["emotone_inference_seconds_count{}"]

    def more(family, sample):
        return after[family][1][sample] - before[family][1].get(sample, 0)

    assert more("emotone_requests_total", 'emotone_requests_total{path="/v1/predict",status="200"}') == 1
    assert more("emotone_requests_total", 'emotone_requests_total{path="other",status="404"}') == 1
    assert more("emotone_inference_seconds", "emotone_inference_seconds_count{}") == 1
    assert 0 < more("emotone_inference_seconds", "emotone_inference_seconds_sum{}") < 20


# ---- websockets ----


@pytest.mark.parametrize("chunk", [3200, 9999])
def test_websockets_get_the_events_of_a_stream(service, recognizer, chunk):
    samples = audio.read(SAMPLES / "conversation.ogg")[: 8 * audio.SAMPLE_RATE]
    sound = (32767 * samples.clip(-1, 1)).astype("<i2").tobytes()
    stream = Stream(recognizer)
    expected = [event.to_dict() for event in stream.push(sound) + stream.finish()]
    assert {event["kind"] for event in expected} == {"speech_start", "emotion", "speech_end"}
    assert load_faults.stream(service, sound, chunk=chunk) == expected


# ---- schemathesis ----

CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"),
    *("response_headers_conformance", "negative_data_rejection", "unsupported_method"),
)


@pytest.mark.slow
def test_schemathesis_finds_nothing(service, tmp_path):
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{service.port}/openapi.json"]
    command += ["--checks", ",".join(CHECKS), "--generation-deterministic", "--max-examples", "25", "--no-color"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 11" in done.stdout and int(re.search(r"(\d+) generated", done.stdout)[1]) >= 45


@pytest.fixture(scope="module")
def schema(service):
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{service.port}/openapi.json")
    all_checks = [not_a_server_error, checks.status_code_conformance, checks.content_type_conformance]
    all_checks += [checks.response_schema_conformance, checks.positive_data_acceptance]
    return schema, all_checks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/predict", {200}), ("/v1/timeline", {200}), ("/v1/jobs", {202})],
    ids=lambda value: str(value),
)
def test_schemathesis_takes_the_answers_for_what_the_schema_says(schema, path, status):
    schema, all_checks = schema
    asked = [one.ok() for one in schema.get_all_operations() if (one.ok().path, one.ok().method) == (path, "post")]
    statuses, kinds = [], set()

    # its own uploads are no recordings: with one, whatever it puts into the query must be answered
    @hypothesis.settings(max_examples=25, derandomize=True, deadline=None, database=None)
    @hypothesis.given(case=asked[0].as_strategy(body={"file": CLIP.read_bytes()}, media_type="multipart/form-data"))
    def ask(case):
        for name in ("channel", "track"):  # the recording need not have what they name
            (case.query or {}).pop(name, None)
        if (case.query or {}).get("speakers") == "channels":  # it has one channel
            case.query["speakers"] = "one"
        response = case.call()
        case.validate_response(response, checks=all_checks)
        statuses.append(response.status_code)
        kinds.add(b'"segments"' in response.content)

    ask()
    assert set(statuses) == status and len(statuses) >= 10
    assert kinds == ({False} if path == "/v1/jobs" else {True, False})  # and other formats of a timeline


@pytest.mark.slow
def test_schemathesis_takes_a_job_for_what_the_schema_says(schema, service):
    schema, all_checks = schema
    job = service.predict(CLIP.read_bytes(), path="/v1/jobs").content
    cases = [("GET", "/events", {}), ("GET", "", {})]  # the events end when the job is done
    cases += [("GET", "/result", {"format": format}) for format in FORMATS] + [("DELETE", "", {}), ("GET", "", {})]
    statuses = []
    for method, path, query in cases:
        case = schema[f"/v1/jobs/{{id}}{path}"][method].Case(path_parameters={"id": job["id"]}, query=query)
        statuses.append(case.call_and_validate(checks=all_checks[:-1]).status_code)
    assert statuses == [200, 200, *[200 for _ in FORMATS], 204, 404]


# ---- gradio_client ----


@pytest.fixture(scope="module")
def page():
    from gradio_client import Client

    with load_client.Service(load_client.command(workers=2, page=True)) as service:
        given = {"verbose": False, "analytics_enabled": False, "httpx_kwargs": {"trust_env": False}}
        yield Client(f"http://127.0.0.1:{service.port}", **given)


@pytest.mark.slow
def test_gradio_client_gets_the_answers_of_the_service(page, recognizer):
    from gradio_client import handle_file

    for name in ("woman_lively.wav", "man_tense.mp3"):
        assert page.predict(handle_file(SAMPLES / name), api_name="/recognise") == told(recognizer, SAMPLES / name)
    path = SAMPLES / "conversation.ogg"
    assert page.predict(handle_file(path), api_name="/timeline") == recognizer.timeline(path).to_dict()


@pytest.mark.slow
def test_gradio_client_sees_these_two_and_is_told_of_problems(page, tmp_path):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    told = page.view_api(print_info=False, return_format="dict")
    assert set(told["named_endpoints"]) == {"/recognise", "/timeline"} and not told["unnamed_endpoints"]
    archive = tmp_path / "clip.wav"
    archive.write_bytes(load_sounds.archive())
    with pytest.raises(AppError, match="^not_audio: clip.wav: .*zip archive") as error:
        page.predict(handle_file(archive), api_name="/recognise")
    assert str(tmp_path) not in str(error.value) and "site-packages" not in str(error.value)
