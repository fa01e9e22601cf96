"""The folder that explore writes."""

import json

import pandas as pd
import pytest

from emotone.errors import ConfigError
from emotone.explore import folder
from emotone.explore.finding import Finding


def test_only_own_files_are_ever_removed(tmp_path):
    outside = tmp_path / "precious.csv"
    outside.write_text("a,b", encoding="utf-8")
    out = tmp_path / "out"
    out.mkdir()
    files = ["tables/../../precious.csv", "../precious.csv", str(outside), "tables/gone.csv"]
    (out / "findings.json").write_text(json.dumps({"findings": [{"files": files}]}), encoding="utf-8")
    with folder.staged(out) as stage:
        stage.publish("<html>", {"findings": []})
    assert outside.read_text(encoding="utf-8") == "a,b"


def test_finding_of_a_bad_name_is_refused(tmp_path):
    with folder.staged(tmp_path) as stage:
        stage.add(Finding("one", "One", "x", pd.DataFrame({"a": [1]})))
        for name in ("one", "../two", "Two"):
            with pytest.raises(ConfigError, match="called"):
                stage.add(Finding(name, "Two", "x", pd.DataFrame({"a": [1]})))


def test_what_a_killed_call_left_is_removed_and_cells_are_no_formulas(tmp_path):
    left = tmp_path / ".explore-ab_12345.temporary"
    (left / "tables").mkdir(parents=True)
    left.chmod(0o700)
    folder.check(tmp_path)  # a folder counts as empty after a kill
    with folder.staged(tmp_path) as stage:
        assert not left.exists()
        stage.add(Finding("one", "One", "x", pd.DataFrame({"speaker": ["=1+1"], "score": [-0.5]})))
        stage.publish("<html>", {"findings": []})
    assert (tmp_path / "tables" / "one.csv").read_bytes() == b"speaker,score\n'=1+1,-0.5\n"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".explore-")]
