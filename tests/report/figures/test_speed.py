"""The picture of the benchmark."""

import pytest

from emotone.errors import ConfigError
from emotone.report.figures import speed
from support.figure_words import words

ROW = {
    "what": "file to answer",
    "peer": "another program",
    "ours_ms": 12.5,
    "theirs_ms": 650.0,
    "ratio": 52.0,
    "ratio_low": 50.0,
    "ratio_high": 54.0,
    "required": 55,
    "hoped": 80,
}


def test_a_row_has_its_ratio_its_time_and_its_peer():
    figure = speed.speed_picture({"machine": {"cpu": "a processor"}, "rows": [ROW, ROW | {"required": None}]})
    text = words(figure)
    assert "52.0 (12.5 ms)" in text and "another program, 650 ms" in text and "a processor" in text


def test_without_a_peer_there_is_no_picture():
    alone = {name: ROW[name] for name in ("what", "peer", "ours_ms", "required", "hoped")}
    with pytest.raises(ConfigError, match="nothing to draw"):
        speed.speed_picture({"machine": {"cpu": ""}, "rows": [alone | {"skipped": "not installed"}]})
