"""The picture of a confusion matrix: its numbers, and their contrast."""

import numpy as np
import pytest
from matplotlib import colors

from emotone.errors import ConfigError
from emotone.report.figures import confusion, style
from support.figure_words import has_white_edges, words
from support.results import DISJOINT, LEAKING, result


def test_confusion_picture_shows_shares_and_clips():
    counts = [[8, 2, 0], [0, 3, 1], [0, 0, 0]]
    figure = confusion.confusion_picture(result(counts), protocol=DISJOINT)
    axes = figure.axes[0]
    shares = [[0.8, 0.2, 0], [0, 0.75, 0.25], [0, 0, 0]]
    np.testing.assert_allclose(axes.images[0].get_array(), shares)
    cells = {}
    for note in axes.texts:
        cells.setdefault((round(note.xy[1]), round(note.xy[0])), []).append(note.get_text())
    assert cells == {(0, 0): ["80 %", "8"], (0, 1): ["20 %", "2"], (1, 1): ["75 %", "3"], (1, 2): ["25 %", "1"]}
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "neutral\n10 clips",
        "calm\n4 clips",
        "happy\n0 clips",
    ]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["neutral", "calm", "happy"]
    assert "UAR 77.5 %" in words(figure) and "Protocol: speaker-6fold, speaker-disjoint" in words(figure)
    assert "Validation" not in words(figure)
    validation = confusion.confusion_picture(result(counts), protocol=DISJOINT, subset="validation")
    assert "Validation: UAR 77.5 %" in words(validation)


@pytest.mark.parametrize("protocol", [DISJOINT, LEAKING], ids=["disjoint", "leaking"])
@pytest.mark.slow
def test_no_text_of_a_confusion_picture_is_cut_off(tmp_path, protocol):
    counts = 120 * np.eye(8, dtype=int) + 10
    picture = confusion.confusion_picture(result(counts, speakers=10), protocol=protocol, subset="validation")
    assert has_white_edges(style.save(picture, tmp_path / "picture.png"))


def test_cell_texts_stand_out_from_their_cells():
    k = 8
    counts = 3 * np.eye(k, dtype=int) * np.arange(k)[:, None] ** 2 + 2  # shares from 1 to 91 %
    axes = confusion.confusion_picture(result(counts), protocol=DISJOINT).axes[0]
    shares = axes.images[0].get_array()

    def luminance(colour):  # relative luminance of WCAG 2
        rgb = np.array(colors.to_rgb(colour))
        return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    for note in axes.texts:
        column, row = map(round, note.xy)
        light, dark = sorted([luminance(axes.images[0].cmap(shares[row, column])), luminance(note.get_color())])[::-1]
        assert (light + 0.05) / (dark + 0.05) > 3


def test_a_matrix_that_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="expected \\(k, k\\)"):
        confusion.row_shares([[1, 2, 3], [4, 5, 6]])
    broken = result([[8, 2], [5, 5]]) | {"confusion": [[1]]}
    with pytest.raises(ConfigError, match="for 2 emotions"):
        confusion.confusion_picture(broken, protocol=DISJOINT)
