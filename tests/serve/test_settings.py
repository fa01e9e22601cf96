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
        {"max_uploads": 0},
        {"max_uploads_per_client": 1.5},
        {"max_uploads_bytes_per_client": 2e9},
        {"max_uploads_bytes_per_client": 100_000_000},
        {"max_uploads_bytes_per_client": 0},
        {"allowed_hosts": "example.org"},
        {"allowed_hosts": ("https://example.org",)},
        {"allowed_hosts": ("example.org:80",)},
        {"allowed_hosts": ("",)},
        {"trusted_proxies": "10.0.0.1"},
        {"trusted_proxies": ("proxy",)},
        {"trusted_proxies": ("10.0.0.1/8",)},
        {"max_jobs": -1},
        {"max_jobs": 1.5},
        {"keep_jobs_s": 0.0},
        {"max_job_duration_s": float("nan")},
        {"max_job_seconds": 1e9},
        {"max_job_upload_bytes": 2_000_000, "max_jobs_bytes": 1_999_999},
    ):
        with pytest.raises(ConfigError, match="expected"):
            ServeSettings(**given)


def test_one_address_has_half_of_the_memory_for_uploads_unless_it_is_raised():
    usual = ServeSettings()
    assert usual.most_uploads_bytes_per_client == usual.max_uploads_bytes // 2 > usual.max_job_upload_bytes
    assert ServeSettings(max_uploads_bytes_per_client=400_000_000).most_uploads_bytes_per_client == 400_000_000
    # what the guide and the help name can be given, and no more than there is
    assert ServeSettings(max_uploads_bytes_per_client=251_000_000).most_uploads_bytes_per_client >= 251_000_000
    least = ServeSettings(max_uploads_bytes_per_client=usual.max_job_upload_bytes)
    assert least.most_uploads_bytes_per_client > usual.max_job_upload_bytes  # an upload with its form
    with pytest.raises(ConfigError, match="--max-uploads-mb-per-client.* is 8000000000; expected 250000000"):
        ServeSettings(max_uploads_bytes_per_client=8_000_000_000)


def test_the_largest_upload_fits_into_the_memory_for_uploads():
    assert ServeSettings().max_uploads_bytes >= 500_000_000
    for name in ("max_upload_bytes", "max_job_upload_bytes"):
        large = ServeSettings(**{name: 600_000_000, "max_jobs_bytes": 600_000_000})
        assert large.max_uploads_bytes >= 1_200_000_000
