"""The README of a bundle: what it says depends on the card."""

import numpy as np
import pytest
import soundfile

from emotone.preprocessing import ROBUST, Preprocessing
from emotone.recognition import model_card
from support import handmade, other_corpora


def test_adaptation_and_speech_are_explained_only_where_the_graph_has_them():
    plain = model_card.readme(handmade.card(b""))
    assert "adapt" not in plain and "no speech" not in plain
    able = model_card.readme(handmade.card(b"", adapts=True, checks_speech=True))
    assert "--adapt-to DIR" in able and "`heard` [1]" in able and "no speech" in able


@pytest.mark.parametrize(
    ("scores", "line"),
    [
        ({"uar": 0.5}, "| UAR | 50.0 | unknown |"),
        ({"uar": 0.5, "intervals": {"uar": {"low": 0.4, "high": 0.6}}}, "| UAR | 50.0 | 40.0 to 60.0 |"),
        ({"per_class": {"recall": {"sad|x": 0.25}}}, "| sad\\|x | 25.0 |"),
    ],
)
def test_scores_are_rows_of_a_table(scores, line):
    assert line in model_card.readme(handmade.card(b"", scores=scores)).splitlines()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<script>alert(1)</script>", "# &lt;script&gt;alert(1)&lt;/script&gt;"),
        ("[free](https://example.org)", "# \\[free\\](https://example.org)"),
        ("![x](https://example.org/x.png)", "# !\\[x\\](https://example.org/x.png)"),
        ("a\n\n## Licence\x1b[2J", "# a ## Licence \\[2J"),
        ("`rm -rf`  *bold* __init__ ~~gone~~", "# \\`rm -rf\\` \\*bold\\* \\_\\_init\\_\\_ \\~\\~gone\\~\\~"),
        ("whisper_base & co", "# whisper_base &amp; co"),
    ],
)
def test_names_of_strangers_are_text_and_neither_markdown_nor_html(name, shown):
    corpora = [{"name": "x", "title": name, "licence": name, "commercial_use": False}]
    text = model_card.readme(
        handmade.card(b"", name=name, model=name, training={"corpora": corpora, "note": name}, created=name)
    )
    assert text.splitlines()[0] == shown
    for sign in ("<", "\x1b", "](http", "\n## Licence\x1b"):
        assert sign not in text.replace("\\](", "")


def test_names_of_emotions_are_text():
    card = handmade.card(b"")
    text = model_card.readme(card | {"emotions": ["*bold*", "<b>", *card["emotions"][2:]]})
    assert text.count("\\*bold\\*, &lt;b&gt;") == 2  # in the opening and in the facts


def test_card_without_a_corpus_says_so():
    text = model_card.readme(handmade.card(b"", training={"corpora": []}))
    assert "names no training corpus" in text and "No commercial use" not in text


CARD = {
    "scores": {"uar": 0.73, "ece": 0.037},
    "protocol": {"name": "speaker-6fold", "words": "six folds", "speaker_disjoint": True},
    "calibration": {"threshold": 0.435, "coverage": 0.9, "accuracy_above": 0.8, "accuracy_below": 0.35},
}


def test_model_that_was_measured_on_other_corpora_has_a_table_of_them():
    text = model_card.readme(handmade.card(b"", **CARD, elsewhere=other_corpora.figures()))
    lines = text.splitlines()
    near, far = lines[lines.index("## How good it is") + 2 :][:2]
    assert near.startswith("- On new speakers of the corpora it was trained on, the model is right about 73 %")
    assert far.startswith("- On corpora it was not trained on, the model is right about 55 %")
    table = lines[lines.index("### On corpora it was not trained on") + 2 :]
    assert table[0].startswith(f"Protocol: {other_corpora.PROTOCOL}.")
    assert table[2].startswith("| corpus | UAR % | with 5 clips | with all clips | accuracy % | ECE, points | clips |")
    assert table[3].count("|") == table[2].count("|") == table[6].count("|") == 10
    assert table[4] == "| first | 50.0 | 58.0 | 67.0 | 51.0 | 10.0 | 1,440 | 24 | 8 |"
    assert table[6] == "| mean | 55.0 | 63.0 | 72.0 | 56.0 | 8.4 |  |  |  |" and table[7] == ""
    assert "- On new speakers" in lines[lines.index("- Under a confidence of 43.5 % the answer is 'unsure'.") + 1]
    assert "not measured" not in text.lower()


def test_model_that_was_not_measured_on_other_corpora_says_so_with_each_figure():
    lines = model_card.readme(handmade.card(b"", **CARD)).splitlines()
    assert lines[lines.index("### On corpora it was not trained on") + 2].startswith("Not measured.")
    figures = [place for place, line in enumerate(lines) if "points on average" in line or "answers reach" in line]
    assert len(figures) == 2 and all("not trained on: not measured." in lines[place] for place in figures)
    right = next(place for place, line in enumerate(lines) if "right about 73 %" in line)
    assert lines[right + 1].startswith("- On corpora it was not trained on: not measured.")


def test_scores_of_the_cross_corpus_protocol_are_on_other_corpora():
    text = model_card.readme(handmade.card(b"", **CARD | {"protocol": {"name": "cross-corpus"}}))
    assert text.count("### On") == text.count("### On corpora it was not trained on") == 1


def test_temperature_that_rises_is_explained():
    def line(**calibration):
        text = model_card.readme(handmade.card(b"", calibration={"threshold": 0.5, **calibration}))
        return next(line for line in text.splitlines() if line.startswith("- Calibration: "))

    assert line(temperature=1.25) == "- Calibration: temperature 1.25, inside the graph"
    assert line(temperature=1.25, per_distance=0.5, adapted_temperature=0.8) == (
        "- Calibration: temperature 1.25 at the usual distance from the training clips or nearer, 50 % more for each "
        "such distance further away, and 0.8 after adaptation to many clips, inside the graph"
    )


@pytest.mark.parametrize("preprocessing", [Preprocessing(), Preprocessing(high_pass_hz=70.0), ROBUST])
def test_code_without_emotone_prepares_sound_as_the_card_says(preprocessing, make_voice, tmp_path, monkeypatch):
    voice = make_voice(seconds=1.2, pitch_hz=180.0)
    hum = 0.05 * np.sin(2 * np.pi * 20 * np.arange(32_000) / 16_000) + 0.1
    noise = 1e-3 * np.random.default_rng(0).standard_normal(32_000)
    sound = (np.concatenate([np.zeros(8000), voice, np.zeros(32_000 - 8000 - len(voice))]) + noise).astype(np.float32)
    if preprocessing.high_pass_hz is not None:
        sound = (sound + hum).astype(np.float32)
    soundfile.write(tmp_path / "clip.wav", sound, 16_000, subtype="FLOAT")
    monkeypatch.chdir(tmp_path)
    lines = model_card.snippet(handmade.card(b"", preprocessing=preprocessing.to_dict())).splitlines()
    known = {}
    exec("\n".join(lines[:-2]), known)  # the graph itself is run by the guide
    expected = preprocessing.apply(sound)
    assert len(known["x"]) == pytest.approx(len(expected), abs=160) and len(expected) < 28_000
    starts = range(0, len(expected) - 8000, 160)
    assert any(np.allclose(expected[at : at + 8000], known["x"][4000:12_000], atol=1e-5) for at in starts)
