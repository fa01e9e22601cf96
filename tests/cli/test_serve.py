"""The command ``serve``: what its options set."""

import pytest

from emotone.serve import ServeSettings
from support import handmade
from support.command_line import run

JOBS = {
    **{"max_jobs": 3, "keep_jobs_s": 60.0, "max_job_duration_s": 7200.0, "max_job_seconds": 1800.0},
    **{"max_job_upload_bytes": 100_000_000, "max_jobs_bytes": 300_000_000},
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {}),
        (("--learn-source",), {"learn_source": True}),
        ([part for name, value in JOBS.items() for part in (f"--{name.replace('_', '-')}", str(value))], JOBS),
    ],
)
def test_options_are_settings_of_the_service(monkeypatch, tmp_path, options, expected):
    started = []
    monkeypatch.setattr("emotone.serve.serve", lambda recognizer, **given: started.append(given["settings"]))
    result = run("serve", "--model", handmade.write(tmp_path / "b"), *options)
    assert result.exit_code == 0, result.stderr
    assert started == [ServeSettings(**expected)]
