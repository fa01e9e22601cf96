"""The page, from findings made by hand."""

import numpy as np
import pandas as pd

from emotone.explore import html
from emotone.explore.finding import Finding
from support.exploring import Page


def test_table_is_folded_and_cut_to_what_a_page_can_hold():
    wide = pd.DataFrame(np.arange(60 * 20).reshape(60, 20) / 8, columns=[f"c{number}" for number in range(20)])
    section = html.Section("One", [Finding("wide", "Wide", "Many numbers.", wide)])
    text = html.page([section], title="t", summary="s", emotions=["sad"], pictures={}, made="m")
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("details") == 1
    assert "the first 50 of 60 rows, the first 14 of 20 columns" in text
    assert [tag for tag, _ in page.tags].count("tr") == 51
    assert [tag for tag, _ in page.tags].count("td") == 50 * 14
    assert "tables/wide.csv" in text
