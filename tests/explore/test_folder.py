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
