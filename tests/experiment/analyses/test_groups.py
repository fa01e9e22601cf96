"""Scores of groups: who is understood, told by hand-made answers, in a run, on the card and on the screen."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from emotone import metrics
from emotone.cli import results as output
from emotone.experiment import compare, run
from emotone.experiment.analyses import groups
from emotone.recognition import model_card as cards
from emotone.recognition.recognizer import Recognizer
from emotone.report.figures.groups import groups_picture
from support import handmade
from support import toy_experiment as toy

pytestmark = pytest.mark.slow

PNG = b"\x89PNG\r\n\x1a\n"
PROTOCOL = {"name": "speaker-6fold", "speaker_disjoint": True, "warning": ""}


def clips(rows):
    """(speaker, gender, intensity, truth, predicted) -> clips of one corpus, truth and predictions."""
    table = pd.DataFrame(rows, columns=["speaker", "gender", "intensity", "truth", "predicted"])
    table = table.assign(corpus="toy", language="de")
    return table, table["truth"].to_numpy(), table["predicted"].to_numpy()


ROWS = [
    ("toy-a", "female", "normal", 0, 0),
    ("toy-a", "female", "normal", 0, 1),
    ("toy-a", "female", "", 1, 1),
    ("toy-b", "female", "normal", 0, 0),
    ("toy-b", "female", "", 1, 0),
    ("toy-c", "male", "normal", 0, 0),
    ("toy-c", "male", "", 0, 0),
]


def told(rows=ROWS, **changes):
    table, truth, predicted = clips(rows)
    return groups.by_group(table.assign(**changes), truth, predicted=predicted)


def test_by_hand():
    found = told()
    assert list(found) == ["corpus", "gender", "intensity", "speaker"]  # one language: nothing to tell apart
    assert list(found["gender"]) == ["female", "male"]
    female, male = found["gender"].values()
    assert female | {"low": 0, "high": 0} == {
        "clips": 5,
        "speakers": 2,
        "emotions": 2,
        "uar": pytest.approx((2 / 3 + 1 / 2) / 2),
        "accuracy": 0.6,
        "low": 0,
        "high": 0,
    }
    # a recall of the emotion that the group has, and no interval over a single speaker
    assert male == {"clips": 2, "speakers": 1, "emotions": 1, "uar": 1.0, "accuracy": 1.0, "low": None, "high": None}
    assert list(found["intensity"]) == ["normal", "unknown"]
    assert found["intensity"]["unknown"]["uar"] == pytest.approx((1 / 2 + 1) / 2)
    assert {name: one["uar"] for name, one in found["speaker"].items()} == {"toy-a": 0.75, "toy-b": 0.5, "toy-c": 1.0}
    assert list(found["corpus"]) == ["toy"] and found["corpus"]["toy"]["clips"] == 7


def test_intervals_are_those_of_the_metrics_over_the_groups_speakers():
    rng = np.random.default_rng(0)
    rows = [
        (f"toy-{n % 6}", "fm"[n % 2], "", truth, truth if rng.random() < 0.6 else (truth + 1) % 3)
        for n, truth in enumerate(rng.integers(0, 3, 240).tolist())
    ]
    table, truth, predicted = clips(rows)
    found = groups.by_group(table, truth, predicted=predicted, seed=3)["gender"]
    for letter, one in found.items():
        part = (table["gender"] == letter).to_numpy()
        names = list(table["speaker"][part])
        expected = metrics.bootstrap_intervals(truth[part], predicted[part], speakers=names, seed=3)["uar"]
        assert (one["low"], one["high"]) == (expected["low"], expected["high"])
        assert one["low"] < one["uar"] < one["high"]
        assert one["uar"] == pytest.approx(balanced_accuracy_score(truth[part], predicted[part]))


def test_clips_of_unknown_speakers_have_no_interval_over_speakers():
    found = told([(speaker.replace("toy-b", ""), *rest) for speaker, *rest in ROWS])
    assert found["gender"]["female"]["low"] is None and found["gender"]["female"]["speakers"] == 1
    assert list(found["speaker"]) == ["toy-a", "toy-c", "unknown"]
    assert groups.for_card({"groups": found})["speaker_range"]["speakers"] == 2


def test_corpora_and_languages_are_told_apart_where_there_are_several():
    other = ["x" if row[0] == "toy-c" else "toy" for row in ROWS]
    found = told(corpus=other, language=other)
    assert found["corpus"] == found["language"]
    assert {name: one["clips"] for name, one in found["corpus"].items()} == {"toy": 5, "x": 2}


def test_the_card_names_no_speaker():
    shown = groups.for_card({"groups": told()})
    assert list(shown["groups"]) == ["corpus", "gender", "intensity"]
    assert "toy-a" not in json.dumps(shown)
    assert shown["speaker_range"] == {
        "speakers": 3,
        "uar": {"lowest": 0.5, "median": 0.75, "highest": 1.0},
        "accuracy": {"lowest": 0.5, "median": pytest.approx(2 / 3), "highest": 1.0},
    }
    assert groups.for_card({"test": {}}) == {}
    alone = groups.for_card({"groups": told(ROWS[:3])})
    assert "speaker_range" not in alone and list(alone["groups"]) == ["corpus", "intensity"]


def test_table_and_picture_are_written(tmp_path):
    table, truth, _ = clips(ROWS)
    training_set = SimpleNamespace(emotions=("sad", "angry"), corpus=SimpleNamespace(table=table), labels=truth)
    rows = [6, 0, 1, 2, 3, 4, 5]
    predictions = pd.DataFrame(
        {"row": rows, "subset": "test", "predicted": np.asarray(["sad", "angry"])[table["predicted"].to_numpy()[rows]]}
    )
    unseen = pd.DataFrame({"row": [0], "subset": "validation", "predicted": "angry"})
    both = pd.concat([unseen, predictions])
    found = groups.write(tmp_path, both, training_set=training_set, protocol=PROTOCOL)
    expected = told()
    assert found == expected
    written = pd.read_csv(tmp_path / "groups.csv")
    assert written.columns.tolist()[:3] == ["column", "group", "clips"]
    for row in written.to_dict("records"):
        assert row["uar"] == pytest.approx(expected[row["column"]][row["group"]]["uar"])
    assert written["low"].isna().sum() == 4  # the man, who is one, and three single speakers
    assert (tmp_path / "figures" / "groups.png").read_bytes()[:8] == PNG


# the picture


def many(n_speakers, corpora):
    one = {"clips": 60, "speakers": 1, "emotions": 8, "accuracy": 0.5, "low": None, "high": None}
    speakers = {
        f"{corpora[n % len(corpora)]}-{n:02d}": one | {"uar": 0.2 + 0.7 * n / n_speakers} for n in range(n_speakers)
    }
    span = {"low": 0.4, "high": 0.6, "uar": 0.5, "speakers": 9}
    kinds = {"corpus": {name: one | span for name in corpora}, "gender": {"female": one | span, "unknown": one | span}}
    return kinds | {"speaker": speakers}


@pytest.mark.parametrize(("n_speakers", "corpora"), [(24, ["ravdess"]), (60, ["emodb", "nemo", "ravdess"])])
def test_picture_has_every_group_and_every_speaker_the_best_first(n_speakers, corpora):
    found = many(n_speakers, corpora)
    figure = groups_picture(found, uar=0.55, protocol=PROTOCOL)
    upper, lower = figure.axes
    labels = [label.get_text() for label in upper.get_yticklabels()]
    assert labels == [f"{name}, 60 clips" for name in [*corpora, "female", "gender unknown"]]
    assert [text.get_text() for text in upper.texts] == ["50.0"] * len(labels)
    x, y = lower.collections[0].get_offsets().T
    assert x.tolist() == list(range(n_speakers))
    np.testing.assert_allclose(y, sorted((100 * one["uar"] for one in found["speaker"].values()), reverse=True))
    names = [label.get_text() for label in lower.get_xticklabels()]
    best = f"{corpora[(n_speakers - 1) % len(corpora)]}-{n_speakers - 1}"
    assert len(names) == n_speakers and names[0] == (best if len(corpora) > 1 else "23")
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in lower.get_xticklabels()]
    assert all(first.x1 < second.x0 for first, second in zip(boxes, boxes[1:], strict=False))
    low, high = lower.get_ylim()
    assert low < min(y) and high > max(y)
    assert (lower.get_legend() is None) == (len(corpora) == 1)
    uar = sorted(100 * one["uar"] for one in found["speaker"].values())
    assert f"of single speakers {uar[0]:.1f} to {uar[-1]:.1f} %" in figure._suptitle.get_text()


def test_too_many_speakers_are_not_named_and_none_are_not_drawn():
    lower = groups_picture(many(150, ["nemo"]), uar=0.55, protocol=PROTOCOL).axes[1]
    assert lower.get_xticks().size == 0 and lower.collections[0].get_offsets().shape == (150, 2)
    alone = {"corpus": many(1, ["nemo"])["corpus"]}
    assert len(groups_picture(alone, uar=0.5, protocol=PROTOCOL).axes) == 1


# a run, an older one, the card, the screen


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_voice):
    """A run, in the folder of a comparison."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy.install(monkeypatch)
        manifest = toy.write_corpus(tmp_path_factory.mktemp("corpus"), make_voice)
        config = toy.config(manifest, tmp_path_factory.mktemp("runs") / "out")
        compare(config, ["knn"])
        yield replace(config, out=config.out / "knn")


@pytest.mark.slow
def test_a_run_tells_groups_and_what_its_threshold_is_worth(finished):
    found = json.loads((finished.out / "metrics.json").read_text())
    table = pd.read_parquet(finished.out / "predictions.parquet")
    tested = table[table["subset"] == "test"]
    right = (tested["predicted"] == tested["emotion"]).to_numpy()
    assert list(found["groups"]) == ["corpus", "gender", "speaker"]
    assert found["groups"]["corpus"]["toy"]["uar"] == pytest.approx(found["test"]["uar"])
    assert found["groups"]["corpus"]["toy"]["low"] == pytest.approx(found["test"]["interval"]["low"])
    assert {name: one["clips"] for name, one in found["groups"]["gender"].items()} == {"female": 27, "male": 27}
    by_speaker = tested.assign(right=right).groupby("speaker")["right"].mean()
    assert {name: one["accuracy"] for name, one in found["groups"]["speaker"].items()} == pytest.approx(
        by_speaker.to_dict()
    )
    unsure, card = found["unsure"], json.loads((finished.out / "model" / "card.json").read_text())
    assert unsure["threshold"] == card["calibration"]["threshold"]
    sure = (tested["confidence"] >= unsure["threshold"]).to_numpy()
    assert unsure["coverage"] == pytest.approx(sure.mean())
    assert unsure["accuracy_above"] == pytest.approx(right[sure].mean())
    for name in ("groups.png", "risk_coverage.png"):
        assert (finished.out / "figures" / name).read_bytes()[:8] == PNG
    assert card["scores"]["groups"] == {name: found["groups"][name] for name in ("corpus", "gender")}
    assert card["scores"]["speaker_range"]["speakers"] == 6
    assert "| gender: female | 27 | 3 |" in (finished.out / "model" / "README.md").read_text()


def test_a_run_of_before_is_taken_as_it_is(finished, tmp_path):
    """Without the new keys and files it counts as finished, can be printed, and can be compared."""
    config = replace(finished, out=tmp_path / "out" / "knn")
    shutil.copytree(finished.out.parent, config.out.parent)
    (config.out.parent / "comparison.json").unlink()
    path = config.out / "metrics.json"
    old = {name: value for name, value in json.loads(path.read_text()).items() if name not in ("unsure", "groups")}
    path.write_text(json.dumps(old))
    for name in ("groups.csv", "risk_coverage.csv", "figures/groups.png", "figures/risk_coverage.png"):
        (config.out / name).unlink()
    assert run(config).metrics == old
    assert output.by_group(old) == []
    folder = compare(replace(config, out=config.out.parent), ["knn"])
    assert json.loads((folder / "comparison.json").read_text())["rows"][0]["uar"] == old["test"]["uar"]


def test_the_model_card_shows_groups_where_it_has_them(tmp_path):
    plain = handmade.card(b"", scores={"uar": 0.5})
    shown = groups.for_card({"groups": told()})
    text = cards.readme(handmade.card(b"", scores={"uar": 0.5, **shown}))
    lines = text.splitlines()
    start = lines.index("| group | clips | emotions | UAR % | 95 % interval | accuracy % |")
    low, high = (100 * shown["groups"]["gender"]["female"][end] for end in ("low", "high"))
    assert lines[start + 2 : start + 4] == [
        f"| gender: female | 5 | 2 | 58.3 | {low:.1f} to {high:.1f} | 60.0 |",
        "| gender: male | 2 | 1 | 100.0 | unknown | 100.0 |",
    ]
    assert lines[start + 5].startswith("| intensity: unknown | 3 | 2 | 75.0 |")
    assert "corpus: toy" not in text  # one corpus: its scores are those of all clips
    assert lines[start + 7] == (
        "Single speakers (3): UAR 50.0 to 100.0 %, median 75.0 %; accuracy 50.0 to 100.0 %, median 66.7 %."
    )
    added = set(lines) - set(cards.readme(plain).splitlines())
    assert added == set(lines[start : start + 6]) | {lines[start + 7]}
    bundle = handmade.write(tmp_path / "bundle", scores={"uar": 0.5, **shown})
    assert Recognizer(bundle).card["scores"]["speaker_range"] == shown["speaker_range"]


def test_the_screen_shows_a_line_a_kind():
    assert output.by_group({"groups": told()}) == [
        "UAR by gender: female 58.3, male 100.0 %",
        "UAR by intensity: normal 75.0, unknown 75.0 %",
        "UAR of single speakers: 50.0 to 100.0 %",
        "",
    ]
    assert output.by_group({"groups": {"corpus": told()["corpus"]}}) == []
