"""The limits of the service."""

import pytest

from emotone.errors import ConfigError
from emotone.serve import ServeSettings


def test_settings_are_checked():
    for given in (
        {"workers": 0},
        {"workers": True},
        {"max_seconds": float("nan")},
        {"key": ""},
        {"key": "ä"},
        {"key": " a"},
        {"origins": ("example.org",)},
        {"origins": ("https://example.org/",)},
        {"origins": "https://example.org"},
        {"max_upload_bytes": 0},
        {"max_jobs": -1},
        {"max_jobs": 1.5},
        {"keep_jobs_s": 0.0},
        {"max_job_duration_s": float("nan")},
        {"max_job_seconds": 1e9},
        {"max_job_upload_bytes": 2_000_000, "max_jobs_bytes": 1_999_999},
    ):
        with pytest.raises(ConfigError, match="expected"):
            ServeSettings(**given)
