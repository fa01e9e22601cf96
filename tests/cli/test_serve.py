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
        (
            ("--max-upload-mb", "80", "--max-minutes", "5", "--timeout", "20", "--max-uploads-per-client", "4"),
            {
                **{"max_upload_bytes": 80_000_000, "max_duration_s": 300.0, "max_seconds": 20.0},
                "max_uploads_per_client": 4,
            },
        ),
        (
            ("--allowed-hosts", "a.example, b.example", "--trusted-proxies", "10.0.0.0/8"),
            {"allowed_hosts": ("a.example", "b.example"), "trusted_proxies": ("10.0.0.0/8",)},
        ),
        ([part for name, value in JOBS.items() for part in (f"--{name.replace('_', '-')}", str(value))], JOBS),
    ],
)
def test_options_are_settings_of_the_service(monkeypatch, tmp_path, options, expected):
    started = []
    monkeypatch.setattr("emotone.serve.serve", lambda recognizer, **given: started.append(given["settings"]))
    result = run("serve", "--model", handmade.write(tmp_path / "b"), *options)
    assert result.exit_code == 0, result.stderr
    assert started == [ServeSettings(**expected)]


@pytest.mark.parametrize(
    "options",
    [
        ("--max-upload-mb", "nan"),
        ("--max-upload-mb", "0"),
        ("--max-minutes", "nan"),
        ("--timeout", "-1"),
        ("--max-uploads-per-client", "0"),
        ("--allowed-hosts", "http://a.example"),
        ("--trusted-proxies", "proxy"),
    ],
)
def test_values_that_are_no_limits_are_named(monkeypatch, tmp_path, options):
    monkeypatch.setattr("emotone.serve.serve", pytest.fail)
    result = run("serve", "--model", handmade.write(tmp_path / "b"), *options)
    assert result.exit_code in (1, 2) and options[1] in result.stderr and "Traceback" not in result.stderr
