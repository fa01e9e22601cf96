"""Text and pictures of results: the numbers in them are those of the metrics, and leaks are told."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import colors, image
from matplotlib.figure import Figure

from emotone import metrics, palette
from emotone.emotions import EMOTIONS
from emotone.errors import ConfigError
from emotone.report import text
from emotone.report.figures import comparison as plots_comparison
from emotone.report.figures import confusion, curves
from emotone.report.figures import style as plots

WARNING = "WARNING: random split: 24 of 24 test speakers are also in training; a score under it says little"
DISJOINT = {
    "name": "speaker-6fold",
    "description": "speaker-6fold: speaker-disjoint: no test speaker is heard in training. Folds: EmoBox.",
    "warning": "",
    "speaker_disjoint": True,
}
LEAKING = {
    "name": "random-80-20",
    "description": f"random-80-20: 1 fold. Folds: drawn. {WARNING}.",
    "warning": WARNING,
    "speaker_disjoint": False,
}


def result(counts, *, speakers=None):
    """The summary of predictions that have this confusion matrix, each with probability 0.9."""
    counts = np.asarray(counts)
    k = len(counts)
    truth, predicted = (axis.repeat(counts.ravel()) for axis in np.divmod(np.arange(k * k), k))
    scores = np.full((truth.size, k), 0.1 / (k - 1))
    scores[np.arange(truth.size), predicted] = 0.9
    names = None if speakers is None else [f"s{i % speakers}" for i in range(truth.size)]
    return metrics.summary(truth, scores, emotions=EMOTIONS[:k], speakers=names, n_resamples=200)


def texts(figure):
    """Every text that a figure shows."""
    found = list(figure.texts) + [t for t in (figure._suptitle, figure._supxlabel) if t is not None]
    for axes in figure.axes:
        found += [*axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
    return [t.get_text() for t in found]


def words(figure):
    return " ".join(" ".join(texts(figure)).split())


def test_report_has_each_figure_and_the_protocol():
    told = text.classification_report(result([[8, 2], [5, 5]], speakers=10), protocol=DISJOINT)
    lines = told.splitlines()
    assert lines[0] == f"Protocol: {DISJOINT['description']}"
    assert "WARNING" not in told
    assert lines[2].startswith("UAR 65.0 % (95 % interval ") and lines[2].endswith("over speakers)")
    assert lines[3].startswith("Accuracy 65.0 %") and lines[4].startswith("Macro F1 64.2 %")
    assert lines[5] == "Expected calibration error 25.0 %, 20 clips"
    rows = [line.split() for line in lines[8:]]
    assert rows == [["neutral", "61.5", "80.0", "69.6", "10"], ["calm", "71.4", "50.0", "58.8", "10"]]


def test_report_warns_once_of_a_leak_on_a_line_of_its_own():
    told = text.classification_report(result([[8, 2], [5, 5]]), protocol=LEAKING)
    assert told.splitlines()[:2] == ["Protocol: random-80-20: 1 fold. Folds: drawn.", f"{WARNING}."]
    assert told.count("WARNING") == 1
    assert "over clips, so too narrow where speakers differ" in told


def test_report_says_which_emotion_is_not_counted():
    told = text.classification_report(result([[9, 0, 1], [0, 8, 2], [0, 0, 0]]), protocol=DISJOINT)
    assert "Not counted in the UAR, for want of a clip in the test: happy." in told
    assert ["happy", "-", "-", "-", "0"] in [line.split() for line in told.splitlines()]
    assert "UAR 85.0 %" in told


def test_comparison_is_sorted_and_complete():
    results = {"b": result([[8, 2], [5, 5]]), "a": result([[8, 2], [5, 5]]), "best": result([[10, 0], [1, 9]])}
    tests = {"a": metrics.PairedResult(0.3, 0.1, 0.5, 0.0005, 0.01, "clip")}
    lines = text.comparison_table(results, protocol=LEAKING, tests=tests).splitlines()
    assert lines[1] == f"{WARNING}."
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    assert [row[0] for row in cells] == ["model", "best", "a", "b"]
    assert {len(row) for row in cells} == {7}
    interval = results["best"]["interval"]
    span = f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f}"
    assert cells[1] == ["best", "95.0", span, "95.0", "95.0", "5.0", ""]
    assert cells[2][-1] == "+30.0 (p < 0.001)" and cells[3][-1] == ""
    assert lines[-1] == "Chance UAR 50.0 %. Intervals are over clips."


def test_a_name_can_not_break_the_table():
    assert text.markdown(["m", "n"], [["a|b\nc", "1"]])[-1] == "| a\\|b c | 1 |"


def test_nothing_to_compare_is_refused():
    with pytest.raises(ConfigError, match="at least one model"):
        text.comparison_table({}, protocol=DISJOINT)
    with pytest.raises(ConfigError, match="at least one model"):
        plots_comparison.comparison_picture({}, protocol=DISJOINT)


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
def test_no_text_of_a_confusion_picture_is_cut_off(tmp_path, protocol):
    counts = 120 * np.eye(8, dtype=int) + 10
    picture = confusion.confusion_picture(result(counts, speakers=10), protocol=protocol, subset="validation")
    pixels = image.imread(plots.save(picture, tmp_path / "picture.png"))
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    assert all((edge == 1).all() for edge in edges)  # white: nothing goes on beyond


@pytest.mark.parametrize(
    "draw",
    [
        confusion.confusion_picture,
        lambda r, protocol: plots_comparison.comparison_picture({"svm": r}, protocol=protocol),
    ],
)
def test_a_picture_of_a_leaking_protocol_says_so(draw):
    counts = [[8, 2], [5, 5]]
    assert WARNING in words(draw(result(counts), protocol=LEAKING))
    assert "NOT speaker-disjoint" in words(draw(result(counts), protocol=LEAKING))
    assert "WARNING" not in words(draw(result(counts), protocol=DISJOINT))


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


def test_comparison_picture_has_each_dot_and_interval_at_its_value():
    results = {"worse": result([[8, 2], [5, 5]]), "better": result([[10, 0], [1, 9]])}
    axes = plots_comparison.comparison_picture(results, protocol=DISJOINT).axes[0]
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
    results = {"net": result([[8, 2], [5, 5]]), "trees": result([[10, 0], [1, 9]])}
    figure = plots_comparison.comparison_picture(results, protocol=DISJOINT, deep=["net"])
    markers = [line.get_marker() for line in figure.axes[0].lines if line.get_marker() not in ("None", "")]
    assert markers == ["o", "D"]  # the best first, which is no network
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["classic model", "network"]
    assert plots_comparison.comparison_picture(results, protocol=DISJOINT).legends == []


def test_chance_counts_the_emotions_that_the_test_has():
    assert text.chance_uar(result([[9, 0, 1], [0, 8, 2], [0, 0, 0]])) == 0.5


def test_a_matrix_that_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="expected \\(k, k\\)"):
        confusion.row_shares([[1, 2, 3], [4, 5, 6]])
    broken = result([[8, 2], [5, 5]]) | {"confusion": [[1]]}
    with pytest.raises(ConfigError, match="for 2 emotions"):
        confusion.confusion_picture(broken, protocol=DISJOINT)


def test_every_emotion_has_a_colour_of_its_own():
    assert tuple(palette.COLOURS) == EMOTIONS
    rgb = np.array([colors.to_rgb(colour) for colour in palette.COLOURS.values()])
    apart = np.linalg.norm(rgb[:, None] - rgb[None], axis=-1)[np.triu_indices(len(rgb), 1)]
    assert apart.min() > 0.15


def test_saved_pictures_are_whole_and_the_same_each_time(tmp_path):
    figure, again = (
        plots_comparison.comparison_picture({"svm": result([[8, 2], [5, 5]])}, protocol=DISJOINT) for _ in range(2)
    )
    path = plots.save(figure, tmp_path / "figures" / "a.png")
    first = path.read_bytes()
    pixels = image.imread(path)
    assert pixels.shape[:2] == tuple(round(side * 150) for side in figure.get_size_inches()[::-1])
    plots.save(again, path)
    assert path.read_bytes() == first
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


def test_a_failed_save_keeps_what_was_there(tmp_path):
    class Broken(Figure):
        def draw(self, renderer):
            raise OSError("disk full")

    (tmp_path / "a.png").write_bytes(b"old")
    figure = Broken(dpi=70)
    with pytest.raises(OSError, match="disk full"):
        plots.save(figure, tmp_path / "a.png")
    assert figure.dpi == 70
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.png", b"old")]


def test_text_imports_no_plotting_and_plots_no_pyplot():
    code = (
        "import sys, emotone.report.text; assert 'matplotlib' not in sys.modules and 'pandas' not in sys.modules;"
        "import emotone.report.figures.style; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# curves of training


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
    pictures = [plots.save(curves.curves_picture(t, title="t"), tmp_path / f"{n}.png").read_bytes()
                for n, t in enumerate([table, pd.read_csv(tmp_path / "curves.csv")])]  # fmt: skip
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("n_fits", [1, 24])
def test_no_text_of_the_curves_is_cut_off(tmp_path, n_fits):
    whole = pd.concat([history([60] * n_fits), history([60] * n_fits, held_out=False, fit="test")])
    pixels = image.imread(plots.save(curves.curves_picture(whole, title="cnn-bilstm: training"), tmp_path / "a.png"))
    assert all((edge == 1).all() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))


def test_curves_of_nothing_are_refused():
    with pytest.raises(ConfigError, match="has no epoch"):
        curves.curves_picture(history([2]).iloc[:0], title="")
    with pytest.raises(ConfigError, match="lacks member, best"):
        curves.curves_picture(history([2]).drop(columns=["best", "member"]), title="")
    with pytest.raises(ConfigError, match="has no epoch"):
        curves.curves_picture(pd.DataFrame(columns=curves.COLUMNS), title="")
