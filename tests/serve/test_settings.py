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
    ):
        with pytest.raises(ConfigError, match="expected"):
            ServeSettings(**given)
