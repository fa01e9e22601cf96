"""The picture of UAR over the number of clips of the speaker and of the source."""

import numpy as np
import pytest

from emotone.report.figures.adaptation import adaptation_picture

SPEAKER = {"0": 0.50, "1": 0.52, "3": 0.55, "5": 0.60, "10": 0.62, "30": 0.70, "neutral": 0.58, "all": 0.75}
SOURCE = {"source-5": 0.53, "source-20": 0.56, "source-100": 0.57, "5 in source-20": 0.64}


def points(**values):
    exact = ("0", "neutral", "all")
    return [
        {
            "level": level,
            "uar": value,
            "uar_low": value - (0 if level in exact else 0.01),
            "uar_high": value + (0 if level in exact else 0.02),
        }
        for level, value in values.items()
    ]


def lines_of(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def test_picture_shows_every_level_at_its_place():
    (axes,) = adaptation_picture(points(**SPEAKER, **SOURCE), title="adaptive, speaker-6fold").axes
    assert axes.get_title(loc="left") == "adaptive, speaker-6fold"
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["0", "1", "3", "5", "10", "20", "30", "100", "all, with the\nclip itself"]
    assert axes.get_xticks().tolist() == list(range(9))
    lines = lines_of(axes)
    speaker, source = lines["clips of the speaker"], lines["clips of the source"]
    np.testing.assert_allclose(speaker.get_xydata().T, [[0, 1, 2, 3, 4, 6], [50, 52, 55, 60, 62, 70]])
    np.testing.assert_allclose(source.get_xydata().T, [[0, 3, 5, 7], [50, 53, 56, 57]])
    np.testing.assert_allclose(lines["all neutral clips of the speaker: 58.0"].get_ydata(), 58)
    (both,) = lines["5 of the speaker and 20 of the source: 64.0"].get_xydata()
    assert both == pytest.approx([3, 64], abs=0.5)
    (last,) = [line for name, line in lines.items() if name.startswith("_")]
    np.testing.assert_allclose(last.get_xydata(), [[8, 75]])
    assert last.get_linestyle() == "None"  # what includes the clip itself is no part of the line
    above, below = (
        {text.get_text() for text in axes.texts if (text.xyann[1] > 0) == is_above} for is_above in (True, False)
    )
    assert above == {"52.0", "55.0", "60.0", "62.0", "70.0", "75.0"} and below == {"50.0", "53.0", "56.0", "57.0"}
    band, _ = axes.collections
    corners = band.get_paths()[0].vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == pytest.approx((50, 72))
    assert sorted(corners[corners[:, 0] == 3][:, 1].round(6)) == pytest.approx([59, 62])
    low, high = axes.get_ylim()
    assert low < 50 and high > 75
    assert axes.get_ylabel() == "UAR, %"


def test_numbers_of_the_better_line_are_above_it():
    (axes,) = adaptation_picture(points(**SPEAKER, **SOURCE | {"source-5": 0.63}), title="any").axes
    offsets = {text.get_text(): text.xyann[1] for text in axes.texts}
    assert offsets["63.0"] > 0 > offsets["60.0"]


def test_picture_without_neutral_clips_and_sources_has_one_line():
    rows = points(**{level: uar for level, uar in SPEAKER.items() if level != "neutral"})
    (axes,) = adaptation_picture(rows, title="any").axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["clips of the speaker"]
