"""Cells of CSV: no formula and no command to a terminal, and each text can be read back."""

import csv

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotone import files, formatting
from emotone.formatting import csv_cell, plain_cell

FORMULAS = (
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "＝1",
    "=",
    "--",
    "-\n",
    "'=1",
    "''@a",
    "+49 30",
    "=\x1b[2J",
)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_is_a_formula(text):
    assert csv_cell(text) == "'" + csv_cell(text)[1:] and csv_cell(text)[1:].startswith(text[0])


@pytest.mark.parametrize(
    "value", [-1, -0.5, -1.5e-9, float("-inf"), None, True, "-5", "+1.5", "-1e3", "-", "'-", "Anna", "'tis", ""]
)
def test_numbers_and_other_texts_are_as_they_were(value):
    assert csv_cell(value) is value or csv_cell(value) == value


def test_no_control_character_is_left_but_line_ends():
    text = csv_cell("".join(map(chr, range(0xA0))))
    assert [c for c in text if not c.isprintable()] == ["\n"]
    assert csv_cell("\t=1+1") == "\\t=1+1" and csv_cell("\r=1") == "\\r=1"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
def test_texts_are_read_back(text):
    cell = csv_cell(text)
    assert plain_cell(cell) == text
    assert csv_cell(plain_cell(cell)) == cell


def test_tables_hold_no_formula_in_texts_and_in_names_of_columns(tmp_path):
    table = pd.DataFrame(
        {"path": ["=a.wav", "b\x1b[31m.wav", None], "score": [-0.5, 1.0, 2.0], "=own": ["x", "y", "z"]}
    )
    files.write_table(tmp_path / "table.csv", table)
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["path", "score", "'=own"],
        ["'=a.wav", "-0.5", "x"],
        ["b\\x1b[31m.wav", "1.0", "y"],
        ["", "2.0", "z"],
    ]
    assert list(table["path"][:2]) == ["=a.wav", "b\x1b[31m.wav"]  # the table itself is as it was
    files.write_table(tmp_path / "table.parquet", table)
    assert pd.read_parquet(tmp_path / "table.parquet")["path"][0] == "=a.wav"


def test_a_share_that_is_rounded_to_0_is_never_negative_or_hidden():
    shares = (0.005, 0.004, 0.0, -0.001, 0.006)
    assert [formatting.percent(share, digits=0, least="< 1 %") for share in shares] == [
        *("< 1 %", "< 1 %", "0 %", "0 %", "1 %")
    ]
