"""Saving and the colours of pictures."""

import numpy as np
import pytest
from matplotlib import colors, image
from matplotlib.figure import Figure

from emotone import palette
from emotone.emotions import EMOTIONS
from emotone.report.figures import style
from emotone.report.figures.comparison import comparison_picture
from emotone.report.figures.confusion import confusion_picture
from support.figure_words import words
from support.results import DISJOINT, LEAKING, WARNING, comparison, result


@pytest.mark.parametrize(
    "draw",
    [
        confusion_picture,
        lambda r, protocol: comparison_picture(comparison({"svm": r}, protocol=protocol)),
    ],
)
def test_a_picture_of_a_leaking_protocol_says_so(draw):
    counts = [[8, 2], [5, 5]]
    assert WARNING in words(draw(result(counts), protocol=LEAKING))
    assert "NOT speaker-disjoint" in words(draw(result(counts), protocol=LEAKING))
    assert "WARNING" not in words(draw(result(counts), protocol=DISJOINT))


def test_every_emotion_has_a_colour_of_its_own():
    assert tuple(palette.COLOURS) == EMOTIONS
    rgb = np.array([colors.to_rgb(colour) for colour in palette.COLOURS.values()])
    apart = np.linalg.norm(rgb[:, None] - rgb[None], axis=-1)[np.triu_indices(len(rgb), 1)]
    assert apart.min() > 0.15


def test_saved_pictures_are_whole_and_the_same_each_time(tmp_path):
    figure, again = (comparison_picture(comparison({"svm": result([[8, 2], [5, 5]])})) for _ in range(2))
    path = style.save(figure, tmp_path / "figures" / "a.png")
    first = path.read_bytes()
    pixels = image.imread(path)
    assert pixels.shape[:2] == tuple(round(side * 150) for side in figure.get_size_inches()[::-1])
    style.save(again, path)
    assert path.read_bytes() == first
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


def test_a_failed_save_keeps_what_was_there(tmp_path):
    class Broken(Figure):
        def draw(self, renderer):
            raise OSError("disk full")

    (tmp_path / "a.png").write_bytes(b"old")
    figure = Broken(dpi=70)
    with pytest.raises(OSError, match="disk full"):
        style.save(figure, tmp_path / "a.png")
    assert figure.dpi == 70
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.png", b"old")]
