"""How a finding shows itself in a notebook."""

import numpy as np
import pandas as pd

from emotone.explore.finding import Finding
from emotone.report.figures.style import canvas


def test_a_finding_shows_words_picture_and_the_first_rows():
    figure = canvas(width_inch=4, height_inch=2)
    table = pd.DataFrame({f"c{n}": np.arange(25) + 0.123456 for n in range(12)})
    finding = Finding("name", "A < B", "Words & more.", table, figure)
    html = finding._repr_html_()
    assert html.startswith('<h4>A &lt; B</h4>\n<p>Words &amp; more.</p>\n<img src="data:image/png;base64,')
    assert 'alt="A &lt; B" width="368">' in html
    assert "<details><summary>Table: 10 of 25 rows, 9 of 12 columns</summary>" in html
    assert html.count("<tr>") + html.count("<tr ") == 11 and "<td>9.123</td>" in html and "10.12" not in html
    assert "\n\n" not in html  # a blank line would end the block where Markdown holds it


def test_a_finding_without_a_picture_shows_its_table_at_once():
    finding = Finding("name", "Title", "Words.", pd.DataFrame({"clips": [3], "share": [np.nan], "rate": [48000.4]}))
    html = finding._repr_html_()
    assert "<img" not in html and "<details open><summary>Table: all 1 rows</summary>" in html
    assert "<td></td>" in html and "<td>48000</td>" in html
    table = pd.DataFrame({"clip": ["/data/one.wav", "Actor_01/two.wav", None]})
    html = Finding("name", "Title", "Words.", table)._repr_html_()
    assert "<td>one.wav</td>" in html and "<td>Actor_01/two.wav</td>" in html  # folders of this machine are cut off
    empty = Finding("name", "Title", "Words.", pd.DataFrame({"clips": []}))
    assert empty._repr_html_() == "<h4>Title</h4>\n<p>Words.</p>"
