"""The README of a bundle: what it says depends on the card."""

import pytest

from emotone.recognition import model_card
from support import handmade


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


def test_card_without_a_corpus_says_so():
    text = model_card.readme(handmade.card(b"", training={"corpora": []}))
    assert "names no training corpus" in text and "No commercial use" not in text
