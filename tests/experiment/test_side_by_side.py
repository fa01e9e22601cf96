"""Several protocols side by side: the leak is what the predictions say, and nothing is trained in vain."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from sklearn.metrics import balanced_accuracy_score

from emotone import metrics
from emotone.cli import train
from emotone.errors import ConfigError, ProtocolError
from emotone.experiment import folds, side_by_side
from emotone.experiment.side_by_side import _words
from emotone.report.figures import style
from emotone.report.pages import side_by_side as report
from support import toy_experiment as toy

MODELS = ("knn", "linear-svm")
DISJOINT, RANDOM = "speaker-6fold", "random-70-15-15"


@pytest.fixture(autouse=True)
def _toy(monkeypatch):
    toy.install(monkeypatch)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory, make_voice):
    pitch_hz = {"neutral": 140.0, "happy": 152.0, "angry": 300.0}
    return toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice, pitch_hz=pitch_hz)


@pytest.fixture(scope="module")
def compared(manifest, tmp_path_factory):
    """The configuration and folder of two models under two protocols; the leaking one is named first."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        config = toy.config(manifest, tmp_path_factory.mktemp("runs") / "compared")
        steps = []
        folder = side_by_side(config, MODELS, protocols=(RANDOM, DISJOINT), progress=lambda *step: steps.append(step))
    assert [step[0] for step in steps] == sorted(step[0] for step in steps)
    assert steps[-1][:2] == (1000, 1000)
    assert any(what.startswith(f"{RANDOM}: knn: ") for _, _, what in steps)
    return config, folder


@pytest.fixture(scope="module")
def told(compared):
    return json.loads((compared[1] / "comparison.json").read_text())


def answers(folder, protocol, model):
    table = pd.read_parquet(folder / protocol / model / "predictions.parquet")
    return table[table["subset"] == "test"]


def uar(table):
    return balanced_accuracy_score(table["emotion"], table["predicted"])


def test_rows_go_by_the_speaker_disjoint_protocol_whatever_is_named_first(told):
    assert (told["reference"], told["leaking"]) == (DISJOINT, RANDOM)
    assert [one["name"] for one in told["protocols"]] == [RANDOM, DISJOINT]
    scores = [row["protocols"][DISJOINT]["uar"] for row in told["rows"]]
    assert scores == sorted(scores, reverse=True)
    assert told["chance"] == pytest.approx(1 / 3)
    assert {(row["family"], row["extractor"]) for row in told["rows"]} == {("classic", "bands")}


def test_what_is_told_of_each_protocol_is_what_its_own_comparison_found(compared, told):
    for protocol in (RANDOM, DISJOINT):
        own = json.loads((compared[1] / protocol / "comparison.json").read_text())
        rows = {row["model"]: row for row in own["rows"]}
        for row in told["rows"]:
            found, expected = row["protocols"][protocol], rows[row["model"]]
            assert found["intervals"] == expected["test"]["intervals"]
            assert [found[name] for name in ("uar", "paired", "best")] == [
                expected[name] for name in ("uar", "paired", "best")
            ]
            if protocol == DISJOINT:
                costs = ("fit_s", "bundle_mb", "recognition_ms")
                assert [row[name] for name in costs] == [expected[name] for name in costs]


def test_the_leak_is_that_of_the_predictions(compared, told):
    _, folder = compared
    for row in told["rows"]:
        known, unknown = (answers(folder, protocol, row["model"]) for protocol in (RANDOM, DISJOINT))
        assert (len(known), len(unknown)) == (9, 54)
        assert row["leak"]["uar"] == pytest.approx(uar(known) - uar(unknown))
        both = known.merge(unknown, on="path", suffixes=("", "_unknown"))
        same = row["leak"]["same_clips"]
        expected = uar(both) - balanced_accuracy_score(both["emotion"], both["predicted_unknown"])
        assert (same["n_clips"], same["difference"]) == (9, pytest.approx(expected))
        assert same["low"] <= same["difference"] <= same["high"]


def test_the_table_has_one_line_a_model_and_the_columns_of_each_protocol(compared, told):
    table = pd.read_csv(compared[1] / "comparison.csv").set_index("model")
    assert list(table.index) == [row["model"] for row in told["rows"]]
    for row in told["rows"]:
        line = table.loc[row["model"]]
        for protocol, found in row["protocols"].items():
            for score in ("uar", "accuracy", "macro_f1"):
                interval = found["intervals"][score]
                values = [line[f"{protocol}_{score}{end}"] for end in ("", "_low", "_high")]
                assert values == pytest.approx([found[score], interval["low"], interval["high"]])
            p = np.nan if found["paired"] is None else found["paired"]["p_holm"]
            assert line[f"{protocol}_p_holm"] == pytest.approx(p, nan_ok=True)
        assert line["leak"] == pytest.approx(row["leak"]["uar"])
        assert line["leak_same_clips"] == pytest.approx(row["leak"]["same_clips"]["difference"])


def test_the_words_count_what_the_folds_hold(compared, told):
    random, disjoint, leak = told["words"]
    assert disjoint == (
        f"{DISJOINT}: each of 6 folds learns from 45 of 54 clips (83 %); every clip is tested once; no tested speaker "
        "is heard in training."
    )
    (fold,) = json.loads((compared[1] / RANDOM / "knn" / "folds.json").read_text())["folds"]
    n_train, n_dev, n_test = (len(fold[side]) for side in ("train", "dev", "test"))
    heard = set(fold["test_speakers"]) & set(fold["train_speakers"])
    assert n_train + n_dev + n_test == 54
    assert random == (
        f"{RANDOM}: one fold learns from {n_train} of 54 clips ({100 * n_train / 54:.0f} %), and keeps {n_dev} for "
        f"validation; {n_test} are tested; {len(heard)} of {len(set(fold['test_speakers']))} tested speakers are also "
        "heard in training."
    )
    assert leak.startswith(f"What is called leak is {RANDOM} minus {DISJOINT}: ")


def test_the_words_say_what_else_a_model_learns_from(manifest, tmp_path, told):
    settings = {"augment": ("speed", "noise", "mixup"), "copies": 2, "train_also": ("song",), "tune": True}
    config = toy.config(manifest, tmp_path, **settings)
    deep = {**told, "rows": [told["rows"][0], {**told["rows"][1], "family": "deep"}]}
    _, _, _, copies, mixed, also, searched, epochs = _words(config, deep)
    assert copies.endswith("the clips, and 2 altered copies of each training clip (speed, noise).")
    assert "mixed" in mixed and "song clips of the training speakers" in also and "4 inner folds" in searched
    assert epochs.startswith(f"Networks ({told['rows'][1]['model']}) choose their number of epochs on validation clips")
    assert epochs.endswith(f"Under {RANDOM} those are clips of tested speakers too.")


def test_what_is_finished_is_not_fitted_again_and_models_and_protocols_can_change(compared, monkeypatch):
    config, folder = compared
    fitted = []
    fit = folds.fit
    monkeypatch.setattr(folds, "fit", lambda *args, **more: fitted.append(args[2].protocol) or fit(*args, **more))
    # another model and protocol in the configuration itself: they do not count
    side_by_side(replace(config, model="svm", protocol="random-80-20"), MODELS, protocols=(RANDOM, DISJOINT))
    assert fitted == []
    side_by_side(config, ["knn"], protocols=(DISJOINT, "random-80-20"))
    assert set(fitted) == {"random-80-20"}
    told = json.loads((folder / "comparison.json").read_text())
    assert [one["name"] for one in told["protocols"]] == [DISJOINT, "random-80-20"]
    assert (len(told["rows"]), told["leaking"]) == (1, "random-80-20")
    side_by_side(config, MODELS, protocols=(RANDOM, DISJOINT))


def test_what_can_not_be_compared_is_refused_before_any_work(manifest, tmp_path):
    config = toy.config(manifest, tmp_path / "out")
    both = (DISJOINT, RANDOM)
    with pytest.raises(
        ConfigError, match="extractor is 'bands'.*the model 'cnn1d' learns from.*set extractor to 'auto'"
    ):
        side_by_side(config, ["knn", "cnn1d"], protocols=both)
    with pytest.raises(ConfigError, match="unknown model 'svn'"):
        side_by_side(config, ["knn", "svn"], protocols=both)
    with pytest.raises(ConfigError, match="at least two to set side by side"):
        side_by_side(config, ["knn"], protocols=(RANDOM, RANDOM))
    with pytest.raises(ConfigError, match="did you mean 'random-80-20'"):
        side_by_side(config, ["knn"], protocols=(DISJOINT, "random-80-21"))
    with pytest.raises(ConfigError, match="are called 'mine'"):
        side_by_side(config, ["knn"], protocols=("a/mine.json", "b/mine.json"))
    with pytest.raises(ProtocolError, match="mine.json can't be read"):
        side_by_side(config, ["knn"], protocols=(DISJOINT, str(tmp_path / "mine.json")))
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_refused(compared, manifest):
    config, folder = compared
    with pytest.raises(ConfigError, match="seed is 0 there and 1 here"):
        side_by_side(replace(config, seed=1), MODELS, protocols=(RANDOM, DISJOINT))
    with pytest.raises(ConfigError, match="a comparison under one protocol, and several are named"):
        side_by_side(replace(config, out=folder / RANDOM), MODELS, protocols=(RANDOM, DISJOINT))


def test_a_corpus_that_changed_between_two_protocols_is_noticed(compared, manifest, tmp_path, make_voice):
    other = toy.write_corpus(tmp_path, make_voice)
    config = toy.config(other, tmp_path / "out")
    side_by_side(config, ["knn"], protocols=(DISJOINT, RANDOM))
    path = tmp_path / "out" / RANDOM / "knn" / "predictions.parquet"
    table = pd.read_parquet(path)
    table["path"] = table["path"].str.replace("neutral", "changed")
    table.to_parquet(path)
    with pytest.raises(ConfigError, match="different clips under the same numbers"):
        side_by_side(config, ["knn"], protocols=(DISJOINT, RANDOM))


# picture and page


def entry(name, *, disjoint, n_speakers=24):
    warning = "" if disjoint else f"WARNING: {name}: 24 of 24 test speakers are also in training"
    facts = {"n_speakers": n_speakers, "n_shared": 0 if disjoint else n_speakers}
    header = {"name": name, "description": name, "warning": warning, "speaker_disjoint": disjoint}
    return {"name": name, "best": "a", "protocol": header, "facts": facts}


def row(model, shares, *, family="classic", best=False):
    """A row of comparison.json: name of a protocol -> share of right answers."""
    under = {}
    for name, share in shares.items():
        truth = np.repeat([0, 1], 50)
        predicted = np.where(np.arange(100) % 50 < 50 * share, truth, 1 - truth)
        scores = metrics.summary(truth, np.eye(2)[predicted], emotions=["happy", "sad"], speakers=None, n_resamples=50)
        paired = None if best else {"difference": 0.1, "low": 0.02, "high": 0.2, "p_holm": 0.0004}
        under[name] = {**scores, "best": best, "significant": None if best else True, "paired": paired, "fit_s": 1.0}
    leak = None
    if len(shares) > 1:
        first, second = list(shares)[:2]
        same = {"difference": 0.15, "low": -0.05, "high": 0.25, "n_clips": 80}
        leak = {"uar": under[second]["uar"] - under[first]["uar"], "same_clips": same}
    told = {"model": model, "description": "<b>bold</b>", "family": family, "extractor": "functionals"}
    costs = {"fit_s": 0.5, "bundle_mb": 2.0, "recognition_ms": 20.0}
    return {**told, **costs, "leak": leak, "protocols": under}


@pytest.fixture
def handmade():
    """Two models, a speaker-disjoint and a leaking protocol; the UARs are 60, 90 % and 50, 80 %."""
    rows = [row("a", {DISJOINT: 0.6, RANDOM: 0.9}, best=True), row("b", {DISJOINT: 0.5, RANDOM: 0.8}, family="deep")]
    protocols = [entry(DISJOINT, disjoint=True), entry(RANDOM, disjoint=False)]
    words = ["Words & <more>."]
    names = {"reference": DISJOINT, "leaking": RANDOM}
    return {**names, "level": 0.05, "protocols": protocols, "rows": rows, "chance": 0.5, "words": words}


def test_the_picture_has_each_dot_and_interval_at_its_value(handmade):
    figure = report.picture(handmade)
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
        for place, name in enumerate((DISJOINT, RANDOM)):
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
    figure = report.picture(handmade)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        f"{DISJOINT}: speakers never heard",
        f"{RANDOM}: NOT speaker-disjoint, 24 of 24 speakers heard in training",
        "classic model",
        "network",
    ]
    title = " ".join(figure._suptitle.get_text().split())
    assert title.startswith(f"Best of 2 models on speakers never heard: a, UAR 60.0 % ({DISJOINT})")
    assert title.endswith(f"Leak: {RANDOM}, with known speakers, gives the same models +30.0 points of UAR")
    classic = report.picture({**handmade, "rows": handmade["rows"][:1]})
    assert len(classic.legends[0].get_texts()) == 2


def test_no_text_of_the_picture_is_cut_off(tmp_path, handmade):
    names = ["leave-one-speaker-out", "statement-disjoint", DISJOINT, "cross-corpus"]
    rows = [row(f"logistic-regression-{n}", dict.fromkeys(names, 0.95), best=not n) for n in range(14)]
    protocols = [entry(name, disjoint=place % 2 == 0) for place, name in enumerate(names)]
    told = {**handmade, "reference": names[0], "leaking": names[1], "rows": rows, "protocols": protocols}
    for name, one in (("few", handmade), ("many", told)):
        pixels = image.imread(style.save(report.picture(one), tmp_path / f"{name}.png"))
        assert all((edge == 1).all() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))


def test_without_a_leak_none_is_told(handmade):
    rows = [row("a", {DISJOINT: 0.6}, best=True)]
    told = {**handmade, "leaking": None, "rows": rows, "protocols": handmade["protocols"][:1]}
    assert report.headlines(told) == [f"One model on speakers never heard: a, UAR 60.0 % ({DISJOINT})"]
    html = report.page(told, comparison_png=b"1")
    assert "Leak" not in html and 'class="warning"' not in html
    unnamed = entry(RANDOM, disjoint=False, n_speakers=0)
    assert report.voices(unnamed) == "NOT speaker-disjoint, speakers not named"
    with pytest.raises(ConfigError, match="at least one model"):
        report.page({**told, "rows": []}, comparison_png=b"")
    with pytest.raises(ConfigError, match="at least one model"):
        report.picture({**told, "rows": []})


class Page(HTMLParser):
    """Collects every address that a browser would fetch, every link, and the cells of each line of the table."""

    def __init__(self, html):
        super().__init__()
        self.fetched, self.links, self.cells, self.tags = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        named = dict(attributes)
        self.fetched += [named[name] for name in ("src", "srcset", "data", "action") if name in named]
        self.links += [named["href"]] if "href" in named else []
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th") and self.cells:
            self.cells[-1].append("")

    def handle_data(self, data):
        if self.cells and self.cells[-1] and "table" in self.tags:
            self.cells[-1][-1] += data.strip()


def test_the_page_has_every_number_and_needs_no_network(handmade):
    html = report.page(handmade, comparison_png=b"1")
    page = Page(html)
    assert page.fetched == ["data:image/png;base64,MQ=="]
    assert page.links == [f"{DISJOINT}/comparison.html", f"{RANDOM}/comparison.html"]
    assert "script" not in page.tags and "link" not in page.tags
    assert not re.search(r"https?://|url\(|@import", html)
    assert "Words &amp; &lt;more&gt;." in html and "<b>bold" not in html
    assert f"{handmade['protocols'][1]['protocol']['warning']}." in html
    first, second = page.cells[-2:]
    assert len(first) == len(second) == 1 + 4 + 4 + 2 + 3
    interval = handmade["rows"][1]["protocols"][RANDOM]["intervals"]["uar"]
    assert second[5] == f"80.0{100 * interval['low']:.1f} to {100 * interval['high']:.1f}"
    assert first[4] == "best" and second[4] == "below+10.0, p < 0.001"
    assert first[9:11] == ["+30.0", "+15.0\N{MINUS SIGN}5.0 to +25.0"]
    assert second[0].startswith("bnetwork") and "network" not in first[0]


def test_the_written_page_and_table_of_the_terminal_repeat_the_comparison(compared, told):
    _, folder = compared
    html = (folder / "comparison.html").read_text()
    for link in Page(html).links:
        assert (folder / link).is_file()
    table = train.side_by_side(told)
    assert [column.header for column in table.columns] == [
        "model",
        f"UAR %, {RANDOM}",
        f"UAR %, {DISJOINT}",
        "leak",
        "ms",
    ]
    leaks = list(table.columns[3].cells)
    assert leaks == [f"{100 * one['leak']['uar']:+.1f}" for one in told["rows"]]
    found = told["rows"][0]["protocols"][DISJOINT]
    low, high = (100 * found["intervals"]["uar"][end] for end in ("low", "high"))
    assert next(iter(table.columns[2].cells)) == f"{100 * found['uar']:.1f} ({low:.1f} to {high:.1f})"
