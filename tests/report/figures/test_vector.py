"""Pictures as SVG: their size, their colours on a dark page, and the same bytes every time."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import rc_context

from emotone.report.figures import vector
from emotone.report.figures.style import ACCENT, INK, ON_FILLED, ON_LIGHT, STYLE, canvas, headline


def figure(*, n_points=0):
    with rc_context(STYLE):
        drawn = canvas(width_inch=4, height_inch=3)
        axes = drawn.add_subplot()
        axes.plot([0, 1], [0, 1], color=ACCENT)
        axes.text(0, 1, "light", color=ON_LIGHT)
        axes.text(1, 0, "filled", color=ON_FILLED)
        axes.scatter(*np.random.default_rng(0).random((2, n_points)))
        headline(drawn, "A headline")
    return drawn


@pytest.fixture(scope="module")
def svg():
    return vector.svg(figure())


def test_svg_is_whole_has_its_size_and_refers_to_nothing_outside(svg):
    root = ElementTree.fromstring(svg)
    assert root.tag.endswith("svg") and vector.size(svg) == (384, 288)
    hrefs = [value for node in root.iter() for name, value in node.attrib.items() if name.endswith("href")]
    assert hrefs and all(value.startswith("#") for value in hrefs)
    assert not re.search(rb"<metadata|@import|<text|dc:date", svg)


def test_same_figure_gives_the_same_bytes(svg):
    assert vector.svg(figure()) == svg


def test_colours_follow_a_dark_page_but_those_of_letters_on_filled_cells_stay(svg):
    text = svg.decode()
    style = re.search(r"<style>(.*?)</style>", text)[1]
    light, _, dark = style.partition("@media (prefers-color-scheme:dark)")
    rest = text.replace(style, "")
    for colour in (INK, ACCENT):
        name = re.search(rf"(--c\d+):{colour.lower()};", light)[1]
        assert f"var({name})" in rest and colour.lower() not in rest.lower()
        assert re.search(rf"{name}:(#\w+);", dark)[1] != colour.lower()
    assert ON_LIGHT.lower() in rest and ON_FILLED.lower() in rest


def test_many_points_are_an_image_inside():
    assert b"<image" not in vector.svg(figure(n_points=100))
    many = vector.svg(figure(n_points=5000))
    assert b"<image" in many and len(many) < 200_000


def test_pair_is_a_png_and_an_svg(tmp_path):
    assert vector.save_pair(figure(), tmp_path / "figures" / "a.png") == tmp_path / "figures" / "a.png"
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == ["a.png", "a.svg"]
    vector.save_pair(figure(), tmp_path / "again" / "a.png")
    for name in ("a.png", "a.svg"):
        assert (tmp_path / "figures" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert vector.size((tmp_path / "figures" / "a.svg").read_bytes()) == (384, 288)


def test_svg_without_a_size_is_refused():
    with pytest.raises(ValueError, match="no size in points"):
        vector.size(b"<svg/>")
