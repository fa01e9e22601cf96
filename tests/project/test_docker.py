"""The container's files: what hadolint says of them, and that they keep what they promise."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from emotone.audio import SAMPLE_RATE
from emotone.serve import ServeSettings
from emotone.serve.server import _SHUTDOWN_S

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from run_docker_steps import Step, is_ignored, mapped, read_ignored, read_stages  # noqa: E402

DOCKERFILE = (ROOT / "Dockerfile").read_text()
STAGES = read_stages(DOCKERFILE)
LAST = STAGES[-1]
BASE = STAGES[0].base


@pytest.fixture(scope="module")
def service():
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())
    assert list(composed) == ["services"]
    (only_service,) = composed["services"].values()
    return only_service


def lint(path):
    return subprocess.run(
        [Path(sys.executable).parent / "hadolint", "--no-color", path], capture_output=True, text=True, timeout=60
    )


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m)", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def size(text):
    number, unit = re.fullmatch(r"(\d+)([mg])", text).groups()
    return int(number) * {"m": 2**20, "g": 2**30}[unit]


def options(step):
    return dict(re.findall(r"--([\w-]+)=(\S+)", step.rest))


def test_hadolint_finds_nothing_and_nothing_is_ignored(tmp_path):
    checked = lint(ROOT / "Dockerfile")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    assert "hadolint ignore" not in DOCKERFILE and not list(ROOT.glob(".hadolint*"))
    (tmp_path / "Dockerfile").write_text(DOCKERFILE.replace(BASE, "python:latest"))
    assert "DL3007" in lint(tmp_path / "Dockerfile").stdout  # it does look


def test_parser_joins_lines_and_drops_comments():
    stages = read_stages("FROM a AS b\nRUN x \\\n# why\n    && y\nFROM b\n\nUSER 1:1\nUSER 2:2\n")
    assert [(stage.base, stage.name) for stage in stages] == [("a", "b"), ("b", "")]
    assert stages[0].steps == [Step("RUN", "x && y")] and stages[1].only("USER").rest == "2:2"
    with pytest.raises(ValueError, match="no EXPOSE"):
        stages[1].only("EXPOSE")


def test_paths_are_mapped_and_addresses_are_not():
    line = "pip --python /opt/venv dist/*.whl PATH=/opt/venv/bin:/tmp:/usr/bin http://a/tmp x/build /optional"
    expected = "pip --python /a/opt/venv dist/*.whl PATH=/a/opt/venv/bin:/a/tmp:/usr/bin http://a/tmp x/build /optional"
    assert mapped(line, Path("/a")) == expected


def test_stages_have_one_pinned_base():
    names = {stage.name for stage in STAGES}
    outside = [stage.base for stage in STAGES if stage.base not in names]
    assert len(outside) == 1
    minor = re.fullmatch(r"python:3\.(\d+)-slim-[a-z]+", outside[0]).group(1)
    assert int(minor) >= 12


def test_last_stage_installs_nothing_and_copies_the_environment_alone():
    assert not [step for step in LAST.steps if step.word in ("RUN", "ADD")]
    assert [step.rest for step in LAST.steps if step.word == "COPY"] == ["--from=builder /opt/venv /opt/venv"]


def test_last_stage_says_how_it_is_run():
    user, group = LAST.only("USER").rest.split(":")
    assert int(user) > 999 and int(group) > 999
    assert LAST.only("EXPOSE").rest == "8000" and LAST.only("STOPSIGNAL").rest == "SIGTERM"
    assert LAST.only("ENTRYPOINT").as_list() == ["emotone", "serve", "--host", "0.0.0.0"]
    assert not [step for step in LAST.steps if step.word == "CMD"]


def test_nothing_is_downloaded_by_add_and_no_secret_is_inside():
    steps = [step for stage in STAGES for step in stage.steps]
    assert "ADD" not in {step.word for step in steps} and "ARG" not in {step.word for step in steps}
    named = re.findall(r"(\w+)=", " ".join(step.rest for step in steps if step.word == "ENV"))
    assert len(named) >= 4 and not [name for name in named if re.search("KEY|TOKEN|SECRET|PASSWORD", name)]


def test_pip_obeys_the_constraints_and_leaves_no_cache():
    runs = " && ".join(step.rest for stage in STAGES for step in stage.steps if step.word == "RUN")
    commands = [part.strip() for part in runs.split("&&") if re.search(r"\bpip\b.*\b(install|wheel)\b", part)]
    assert len(commands) == 3 and all("--no-cache-dir" in command for command in commands)
    for command in commands:
        assert "-c constraints.txt" in command or "--no-deps" in command


def checks(service):
    yield LAST.only("HEALTHCHECK").as_list(), "/healthz", options(LAST.only("HEALTHCHECK"))
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    yield check["test"][1:], "/readyz", {name.replace("_", "-"): str(value) for name, value in check.items()}


def test_health_checks_are_python_and_give_up_in_time(service):
    for line, path, check in checks(service):
        assert line[:3] == ["python", "-I", "-c"] and len(line) == 4
        ast.parse(line[3])
        assert f"http://127.0.0.1:8000{path}" in line[3] and "ProxyHandler({})" in line[3]
        own_s = float(re.search(r"timeout=(\d+)", line[3]).group(1))
        assert own_s < seconds(check["timeout"]) < seconds(check["interval"])
        assert int(check["retries"]) == 3 and seconds(check["start-period"]) >= 30


@pytest.mark.parametrize(("status", "expected"), [(200, 0), (503, 1)])
@pytest.mark.slow
def test_health_checks_follow_the_answer(service, status, expected, monkeypatch):
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    asked = []
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing listens there
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for line, path, _ in checks(service):
            code = line[3].replace(":8000", f":{server.server_port}")
            done = subprocess.run([sys.executable, *line[1:3], code], capture_output=True, timeout=30)
            assert done.returncode == expected and asked[-1] == path
        server.shutdown()


def test_compose_is_closed_but_for_one_port_of_this_machine(service):
    assert service["ports"] == ["127.0.0.1:${EMOTONE_PORT:-8000}:8000"]
    assert service["read_only"] is True and service["init"] is True
    assert service["cap_drop"] == ["ALL"] and service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "volumes", "network_mode", "pid", "user", "env_file"} & set(service)


def test_compose_asks_for_the_key_and_holds_none(service):
    assert list(service["environment"]) == ["EMOTONE_KEY", "EMOTONE_ALLOWED_HOSTS", "EMOTONE_TRUSTED_PROXIES"]
    assert service["environment"]["EMOTONE_ALLOWED_HOSTS"] == "${EMOTONE_ALLOWED_HOSTS:-}"
    assert service["environment"]["EMOTONE_TRUSTED_PROXIES"] == "${EMOTONE_TRUSTED_PROXIES:-127.0.0.1,::1}"
    value = service["environment"]["EMOTONE_KEY"]
    assert value.startswith("${EMOTONE_KEY:?") and value.endswith("}")


def test_compose_waits_for_what_runs(service):
    settings = ServeSettings()
    longest_s = settings.drain_s + round(settings.max_seconds) + 5 + _SHUTDOWN_S  # emotone.serve.server
    assert longest_s < seconds(service["stop_grace_period"]) < longest_s + 30


def test_compose_has_memory_for_what_the_settings_let_in(service):
    settings = ServeSettings()
    uploads = (settings.workers + settings.queue) * settings.max_upload_bytes + settings.max_uploads_bytes
    sound = settings.workers * settings.max_duration_s * SAMPLE_RATE * 4
    jobs = settings.max_jobs_bytes + 2 * settings.max_job_upload_bytes
    (mount,) = service["tmpfs"]
    path, flags = mount.split(":")
    assert path == "/tmp" and {"nosuid", "nodev", "noexec"} < set(flags.split(","))
    temporary = size(re.search(r"size=(\w+)", flags).group(1))
    assert uploads + sound + jobs + temporary + 700e6 < size(service["mem_limit"])
    assert service["cpus"] == settings.workers and 64 <= service["pids_limit"] <= 1024


def test_context_is_what_the_dockerfile_copies():
    patterns = read_ignored((ROOT / ".dockerignore").read_text())
    for path in (
        ".git/config",
        ".venv/bin/python",
        "runs/flagship/model.onnx",
        "tests/test_docker.py",
        "data/ravdess/a.wav",
        ".env",
        "compose.yaml",
        "src/emotone/__pycache__/cli.pyc",
        "src/emotone/cli.pyc",
    ):
        assert is_ignored(path, patterns), path
    sources = [
        source
        for stage in STAGES
        for step in stage.steps
        if step.word == "COPY" and not step.rest.startswith("--from")
        for source in step.rest.split()[:-1]
    ]
    assert "src" in sources and "constraints.txt" in sources
    for source in sources:
        whole = ROOT / source
        files = [whole] if whole.is_file() else [path for path in whole.rglob("*") if path.is_file()]
        sent = [path for path in files if "__pycache__" not in path.parts]
        assert sent and not [path for path in sent if is_ignored(path.relative_to(ROOT).as_posix(), patterns)]
    assert not is_ignored("src/emotone/data/default/model.onnx", patterns)
