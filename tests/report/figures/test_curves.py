"""The picture of training curves."""

import pandas as pd
import pytest

from emotone.errors import ConfigError
from emotone.report.figures import curves, style
from support.figure_words import has_white_edges, words


def history(lengths, *, held_out=True, fit="validation"):
    """Rows of fits of these lengths: the loss of fold f in epoch e is f + 1/e, of held-out clips twice that."""
    rows = []
    for fold, length in enumerate(lengths, start=1):
        for epoch in range(1, length + 1):
            loss = fold + 1 / epoch
            row = {"fold": fold, "fit": fit, "member": 1, "epoch": epoch, "best": epoch == length - 1}
            row |= {"train_loss": loss, "train_accuracy": epoch / 100, "learning_rate": 1e-3, "seconds": 1.0}
            valid = {"valid_loss": 2 * loss, "valid_accuracy": epoch / 50, "valid_uar": epoch / 40}
            rows.append(row | (valid if held_out else dict.fromkeys(valid)))
    return pd.DataFrame(rows)


def lines(axes, colour, style="-"):
    """The lines of a panel in this colour and style, without the dots: x and y."""
    found = [line for line in axes.lines if line.get_marker() == "None" and line.get_linestyle() == style]
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in found if line.get_color() == colour]


def test_curves_have_a_line_a_fit_and_the_mean_of_what_all_reached():
    figure = curves.curves_picture(history([4, 3]), title="lstm")
    loss, accuracy = figure.axes
    first, second, mean = lines(loss, curves._TRAIN)
    assert first == ([1, 2, 3, 4], pytest.approx([2, 1.5, 4 / 3, 1.25]))
    assert second == ([1, 2, 3], pytest.approx([3, 2.5, 7 / 3]))
    assert mean == ([1, 2, 3], pytest.approx([2.5, 2, 11 / 6]))
    assert lines(loss, curves._VALID)[2] == ([1, 2, 3], pytest.approx([5, 4, 11 / 3]))
    assert lines(accuracy, curves._VALID)[1] == ([1, 2, 3], pytest.approx([2, 4, 6]))  # in per cent
    assert lines(accuracy, curves._VALID, "--")[1] == ([1, 2, 3], pytest.approx([2.5, 5, 7.5]))
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in loss.lines if line.get_marker() == "o"]
    assert dots == [(3, pytest.approx(8 / 3)), (2, pytest.approx(5))]
    assert "each of 2 fits" in words(figure) and words(figure).startswith("lstm")


def test_curves_leave_out_fits_without_held_out_clips_where_others_have_some():
    whole = pd.concat([history([4, 3]), history([4, 3], held_out=False, fit="test")])
    figure = curves.curves_picture(whole, title="lstm")
    assert len(lines(figure.axes[0], curves._TRAIN)) == 3
    assert "2 further fits without held-out clips" in words(figure)
    alone = curves.curves_picture(history([5], held_out=False), title="lstm")
    assert len(lines(alone.axes[0], curves._TRAIN)) == 1 and lines(alone.axes[0], curves._VALID) == []
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in alone.axes[0].lines if line.get_marker() == "o"]
    assert dots == [(4, pytest.approx(1.25))]
    assert [t.get_text() for t in alone.axes[1].get_legend().get_texts()] == ["training", "epoch kept"]


def test_curves_of_a_file_are_those_of_the_rows(tmp_path):
    table = pd.concat([history([4, 3]), history([4], held_out=False, fit="final")])
    table.to_csv(tmp_path / "curves.csv", index=False)
    pictures = [style.save(curves.curves_picture(t, title="t"), tmp_path / f"{n}.png").read_bytes()
                for n, t in enumerate([table, pd.read_csv(tmp_path / "curves.csv")])]  # fmt: skip
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("n_fits", [1, 24])
def test_no_text_of_the_curves_is_cut_off(tmp_path, n_fits):
    whole = pd.concat([history([60] * n_fits), history([60] * n_fits, held_out=False, fit="test")])
    picture = curves.curves_picture(whole, title="cnn-bilstm: training")
    assert has_white_edges(style.save(picture, tmp_path / "a.png"))


def test_curves_of_nothing_are_refused():
    with pytest.raises(ConfigError, match="has no epoch"):
        curves.curves_picture(history([2]).iloc[:0], title="")
    with pytest.raises(ConfigError, match="lacks member, best"):
        curves.curves_picture(history([2]).drop(columns=["best", "member"]), title="")
    with pytest.raises(ConfigError, match="has no epoch"):
        curves.curves_picture(pd.DataFrame(columns=curves.COLUMNS), title="")
