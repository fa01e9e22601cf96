"""The page of a comparison: every number is there, text is escaped, and it needs no network."""

import re

import pytest

from emotone.errors import ConfigError
from emotone.report.pages import comparison as pages
from support.html_page import Page
from support.results import DISJOINT, LEAKING, comparison, comparison_of_protocols, result, row_of_protocols

KNOWN, UNSEEN = LEAKING["name"], DISJOINT["name"]
RESULT = result([[20, 0], [0, 20]])


def test_a_difference_is_called_what_it_is_and_text_is_escaped():
    html = pages.page(
        comparison(dict.fromkeys("abc", RESULT), p_values=(0.0005, 0.2), deep="c"),
        comparison_png=b"1",
        confusion_png=b"2",
    )
    assert 'below<span class="span">p &lt; 0.001</span>' in html
    assert 'not significant<span class="span">p = 0.200</span>' in html
    assert html.count("not significant<") == 1
    assert html.count('<span class="tag">network</span>') == 1
    assert html.index(">c</a> <span") < html.index('"tag">network<') < html.index("Recall of each")
    assert "c: the difference from a is not significant at 0.05" in " ".join(html.split())
    assert "<b>bold" not in html and "&lt;b&gt;bold&lt;/b&gt; &amp; brave" in html
    assert '+10.0<span class="span">+2.0 to +20.0</span>' in html
    assert 'class="warning"' not in html
    assert "new speakers of the corpora it was trained on; on corpora it was not trained on: not measured here" in html


def test_the_warning_of_a_leak_is_at_the_top():
    warning = LEAKING["warning"]
    html = pages.page(comparison({"a": RESULT}, protocol=LEAKING), comparison_png=b"1", confusion_png=b"2")
    assert f'<p class="warning" role="alert">{warning}.</p>' in html
    assert html.index(warning) < html.index("<table>")
    with pytest.raises(ConfigError, match="no results"):
        pages.page(comparison({}), comparison_png=b"", confusion_png=b"")


def test_without_a_leak_the_page_does_not_mention_it():
    handmade = comparison_of_protocols()
    rows = [row_of_protocols("a", {UNSEEN: 0.6}, best=True)]
    told = {**handmade, "leaking": None, "rows": rows, "protocols": handmade["protocols"][:1]}
    html = pages.page(told, comparison_png=b"1")
    assert "Leak" not in html and 'class="warning"' not in html
    with pytest.raises(ConfigError, match="at least one model"):
        pages.page({**told, "rows": []}, comparison_png=b"")


def test_the_page_has_every_number_and_needs_no_network():
    handmade = comparison_of_protocols()
    html = pages.page(handmade, comparison_png=b"1")
    page = Page(html)
    assert page.fetched == ["data:image/png;base64,MQ=="]
    assert page.links == [f"{UNSEEN}/comparison.html", f"{KNOWN}/comparison.html"]
    assert "script" not in page.tags and "link" not in page.tags
    assert not re.search(r"https?://|url\(|@import", html)
    assert "Words &amp; &lt;more&gt;." in html and "<b>bold" not in html
    assert f"{handmade['protocols'][1]['protocol']['warning']}." in html
    first, second = page.cells[-2:]
    assert len(first) == len(second) == 1 + 4 + 4 + 2 + 3
    interval = handmade["rows"][1]["protocols"][KNOWN]["intervals"]["uar"]
    assert second[5] == f"80.0{100 * interval['low']:.1f} to {100 * interval['high']:.1f}"
    assert first[4] == "best" and second[4] == "below+10.0, p < 0.001"
    assert first[9:11] == ["+30.0", "+15.0\N{MINUS SIGN}5.0 to +25.0"]
    assert second[0].startswith("bnetwork") and "network" not in first[0]
