"""The picture of a comparison: each dot and interval is at its value, and the leak is visible."""

import re

import pytest

from emotone.errors import ConfigError
from emotone.report.figures import style
from emotone.report.figures.comparison import comparison_picture
from support.figure_words import has_white_edges, words
from support.results import DISJOINT, LEAKING, comparison, comparison_of_protocols, entry, result, row_of_protocols

KNOWN, UNSEEN = LEAKING["name"], DISJOINT["name"]


@pytest.fixture
def handmade():
    return comparison_of_protocols()


def test_nothing_to_compare_is_refused(handmade):
    for nothing in (comparison({}), {**handmade, "rows": []}):
        with pytest.raises(ConfigError, match="at least one model"):
            comparison_picture(nothing)


def test_comparison_picture_has_each_dot_and_interval_at_its_value():
    results = {"better": result([[10, 0], [1, 9]]), "worse": result([[8, 2], [5, 5]])}
    axes = comparison_picture(comparison(results)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["better", "worse"]
    top, bottom = axes.get_ylim()[1], axes.get_ylim()[0]
    assert top < 0 < 1 < bottom  # the first is on top
    drawn = [line.get_xdata() for line in axes.lines]
    for y, name in enumerate(("better", "worse")):
        interval = results[name]["interval"]
        assert list(drawn[2 * y]) == pytest.approx([100 * interval["low"], 100 * interval["high"]])
        assert list(drawn[2 * y + 1]) == pytest.approx([100 * results[name]["uar"]])
    assert list(drawn[-1]) == [50, 50]  # chance
    left, right = axes.get_xlim()
    assert left < 50 and right > 100 * results["better"]["interval"]["high"]
    assert "Best of 2 models: better, UAR 95.0 %" in words(axes.figure)
    assert "over clips" in words(axes.figure)


def test_networks_have_a_marker_of_their_own():
    results = {"trees": result([[10, 0], [1, 9]]), "net": result([[8, 2], [5, 5]])}
    figure = comparison_picture(comparison(results, deep=["net"]))
    markers = [line.get_marker() for line in figure.axes[0].lines if line.get_marker() not in ("None", "")]
    assert markers == ["o", "D"]  # the best first, which is no network
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["classic model", "network"]
    assert comparison_picture(comparison(results)).legends == []


def test_the_picture_has_each_dot_and_interval_at_its_value(handmade):
    figure = comparison_picture(handmade)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    drawn = [(line.get_marker(), list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines]
    dots = [(marker, x[0], round(y[0])) for marker, x, y in drawn if marker not in ("None", "")]
    assert dots == [
        ("o", pytest.approx(60), 0),
        ("o", pytest.approx(90), 0),
        ("D", pytest.approx(50), 1),
        ("D", pytest.approx(80), 1),
    ]
    ends = [x for marker, x, _ in drawn if marker in ("None", "") and len(x) == 2]
    for y, one in enumerate(handmade["rows"]):
        assert ends[3 * y] == pytest.approx([[60, 90], [50, 80]][y])  # the bar of the leak
        for place, name in enumerate((UNSEEN, KNOWN)):
            interval = one["protocols"][name]["intervals"]["uar"]
            assert ends[3 * y + 1 + place] == pytest.approx([100 * interval["low"], 100 * interval["high"]])
    heights = [y[0] for marker, _, y in drawn if marker in ("o", "D")]
    assert heights[0] < 0 < heights[1] and heights[2] < 1 < heights[3]  # intervals never cover one another
    beside = [note.get_text() for note in axes.texts]
    assert [text for text in beside if re.fullmatch(r"[+\d.]+", text)] == ["60.0", "50.0", "90.0", "80.0"] + [
        "+30.0",
        "+30.0",
    ]


def test_the_picture_says_which_protocol_leaks(handmade):
    figure = comparison_picture(handmade)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        f"{UNSEEN}: unseen speakers",
        f"{KNOWN}: NOT speaker-disjoint, 24 of 24 speakers also in training",
        "classic model",
        "network",
    ]
    title = " ".join(figure._suptitle.get_text().split())
    assert title.startswith(f"Best of 2 models on unseen speakers: a, UAR 60.0 % ({UNSEEN})")
    assert title.endswith(f"Leak: {KNOWN}, with known speakers, gives the same models +30.0 points of UAR")
    classic = comparison_picture({**handmade, "rows": handmade["rows"][:1]})
    assert len(classic.legends[0].get_texts()) == 2


@pytest.mark.slow
def test_no_text_of_the_picture_is_cut_off(tmp_path, handmade):
    names = ["leave-one-speaker-out", "statement-disjoint", UNSEEN, "cross-corpus"]
    rows = [row_of_protocols(f"logistic-regression-{n}", dict.fromkeys(names, 0.95), best=not n) for n in range(14)]
    protocols = [entry((LEAKING if place % 2 else DISJOINT) | {"name": name}) for place, name in enumerate(names)]
    told = {**handmade, "reference": names[0], "leaking": names[1], "rows": rows, "protocols": protocols}
    for name, one in (("few", handmade), ("many", told)):
        assert has_white_edges(style.save(comparison_picture(one), tmp_path / f"{name}.png"))
