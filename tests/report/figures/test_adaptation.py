"""The picture of UAR over the number of clips of the speaker."""

import numpy as np
import pytest

from emotone.report.figures.adaptation import adaptation_picture


def points(**changes):
    uar = {"0": 0.50, "1": 0.52, "3": 0.55, "5": 0.60, "10": 0.62, "30": 0.70, "neutral": 0.58, "all": 0.75}
    width = {"0": 0.0, "neutral": 0.0, "all": 0.0}
    return [
        {
            "level": level,
            "uar": value,
            "uar_low": value - width.get(level, 0.01),
            "uar_high": value + width.get(level, 0.02),
        }
        for level, value in (uar | changes).items()
    ]


def test_picture_shows_every_level_at_its_place():
    (axes,) = adaptation_picture(points(), title="adaptive, speaker-6fold").axes
    assert axes.get_title(loc="left") == "adaptive, speaker-6fold"
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["0", "1", "3", "5", "10", "30", "all, with the\nclip itself"]
    assert axes.get_xticks().tolist() == list(range(7))
    lines = {line.get_label(): line for line in axes.get_lines()}
    curve_line = lines["mean over the draws"]
    np.testing.assert_allclose(curve_line.get_ydata(), [50, 52, 55, 60, 62, 70])
    assert list(curve_line.get_xdata()) == list(range(6))
    across = lines["all neutral clips of the speaker: 58.0"]
    np.testing.assert_allclose(across.get_ydata(), 58)
    (last,) = [line for name, line in lines.items() if name.startswith("_")]
    np.testing.assert_allclose(last.get_xydata(), [[6, 75]])
    assert last.get_linestyle() == "None"  # what includes the clip itself is no part of the line
    assert [text.get_text() for text in axes.texts] == ["50.0", "52.0", "55.0", "60.0", "62.0", "70.0", "75.0"]
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == pytest.approx((50, 72))
    assert sorted(corners[corners[:, 0] == 3][:, 1].round(6)) == pytest.approx([59, 62])
    low, high = axes.get_ylim()
    assert low < 50 and high > 75
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("unlabelled clips of the speaker", "UAR, %")


def test_picture_without_neutral_clips_has_no_line_for_them():
    rows = [row for row in points() if row["level"] != "neutral"]
    (axes,) = adaptation_picture(rows, title="any").axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "lowest to highest of the draws",
        "mean over the draws",
    ]
