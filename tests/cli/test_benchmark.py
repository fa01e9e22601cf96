"""The command ``benchmark``, with few pairs of few rows."""

import json
import os
import sys
from pathlib import Path

import pytest

from support.command_line import run

SAMPLE = Path(__file__).parents[2] / "samples" / "woman_plain.wav"


@pytest.fixture
def without_peers(tmp_path, monkeypatch):
    """Packages that can't be imported, in front of the installed ones."""
    for name in ("librosa", "opensmile", "transformers"):
        (tmp_path / "shadow" / name).mkdir(parents=True)
        (tmp_path / "shadow" / name / "__init__.py").write_text("raise ImportError('not here')")
    kept = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "shadow"), *kept]))


@pytest.mark.slow
def test_a_row_beside_its_peer_as_table_json_and_picture(tmp_path):
    pytest.importorskip("opensmile")
    written, picture = tmp_path / "speed.json", tmp_path / "speed.png"
    result = run(
        "benchmark", SAMPLE, "--pairs", 1, "--rows", "opensmile", "--json", written, "--picture", picture, "--quiet"
    )
    assert result.exit_code == 0, result.output
    report = json.loads(written.read_text())
    (row,) = report["rows"]
    assert row["key"] == "opensmile" and row["pairs"] == 3  # what takes milliseconds is timed more often
    assert 0 < row["ours_ms"] and 0 < row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
    assert row["required"] == 9 and "skipped" not in row
    assert report["inputs"]["files"] == 1 and not report["inputs"]["synthesised"]
    header, line, inputs = result.stdout.splitlines()
    assert header.split()[0] == "what"
    assert "openSMILE eGeMAPSv02" in line and f"{row['ratio']:.1f} (" in line
    assert inputs.startswith("1 recordings, mean length") and "one thread" in inputs
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_peers_that_are_not_installed_are_skipped_and_emotone_is_timed(tmp_path, without_peers):
    written = tmp_path / "speed.json"
    result = run("benchmark", "--pairs", 1, "--rows", "transformers,onnx-8-bit,opensmile", "--json", written)
    assert result.exit_code == 0, result.output
    report = json.loads(written.read_text())
    for row in report["rows"]:
        assert row["ours_ms"] > 0 and "ratio" not in row
        assert "needs the extra 'benchmark', which is not installed" in row["skipped"]
    assert result.stderr.count("skipped: openSMILE needs the extra 'benchmark'") == 1
    # without recordings, clips of 4 s at 48 kHz are made, with silence around the voice
    inputs = report["inputs"]
    assert (inputs["synthesised"], inputs["mean_s"], inputs["rates"]) == (True, 4.0, [48_000])
    assert 2 < inputs["mean_trimmed_s"] < 3.5


@pytest.mark.slow
def test_a_picture_needs_a_peer(tmp_path, without_peers):
    result = run("benchmark", SAMPLE, "--pairs", 1, "--rows", "opensmile", "--picture", tmp_path / "speed.png")
    assert result.exit_code == 1
    assert "no row was measured beside a peer" in result.stderr


def test_an_unknown_row_and_a_missing_recording_are_errors(tmp_path):
    result = run("benchmark", "--rows", "speed")
    assert result.exit_code == 1 and "the row 'speed' is unknown; expected one or more of transformers" in result.stderr
    result = run("benchmark", tmp_path)
    assert result.exit_code == 1 and "no recording in this folder" in result.stderr


@pytest.mark.slow
def test_a_file_that_is_no_recording_is_the_error_of_the_process_that_measures(tmp_path):
    path = tmp_path / "notes.wav"
    path.write_text("this is no recording")
    result = run("benchmark", path, "--rows", "opensmile")
    assert result.exit_code == 1 and "this is text, not a recording" in result.stderr


def test_a_picture_without_matplotlib_is_refused_before_the_measurement(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("emotone.benchmark.benchmark", lambda *_, **__: pytest.fail("the measurement began"))
    result = run("benchmark", SAMPLE, "--picture", tmp_path / "speed.png", "--quiet")
    assert result.exit_code == 1 and "needs the extra 'plot'" in result.stderr
