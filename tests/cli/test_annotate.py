"""The command ``annotate``; tests/bulk has the work itself."""

import json
import sys

import pyarrow.parquet as pq
import pytest

from support.command_line import run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.mark.slow
def test_rows_failures_and_summary(bundle, clips, out):
    result = run("annotate", clips, "--out", out, "--model", bundle, "--workers", 1)
    assert result.exit_code == 0
    assert "Recordings: 5, 4 with an answer in 4 rows, 1 failed" in result.stdout
    assert f"Rows: {out}/segments" in result.stdout and f"Failures: {out}/failures.parquet" in result.stdout
    assert "passed over 1 file that can't be read as sound: 1 .txt" in result.stderr
    assert "the first failure:" in result.stderr and "e_text.wav" in result.stderr
    assert pq.read_table(out / "segments").sort_by("row")["label"].to_pylist() == ["sad", "unsure", "angry", "sad"]


@pytest.mark.slow
def test_same_command_again_repeats_nothing(bundle, clips, out):
    arguments = ("annotate", clips, "--out", out, "--model", bundle, "--workers", 1)
    run(*arguments)
    again = run(*arguments)
    assert again.exit_code == 0 and "is done already" in again.stderr


@pytest.mark.slow
def test_options_are_the_settings_of_the_run(bundle, clips, out):
    run(
        *("annotate", clips / "a_sad.wav", "--out", out, "--model", bundle, "--threshold", 0.9, "--channel", "left"),
        *("--adapt", "none", "--time-limit", 9, "--part-files", 7, "--embedding", "--emotions", "sad,angry"),
    )
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert settings["threshold"] == 0.9 and settings["channel"] == "left" and settings["adapt"] == "none"
    assert settings["time_limit_s"] == 9 and settings["part_files"] == 7 and settings["embedding"]
    assert settings["emotions"] == ["sad", "angry"]
    assert {"score_sad", "score_angry", "embedding"} <= set(pq.read_table(out / "segments").column_names)


def test_dry_run_writes_nothing(bundle, clips, out):
    result = run("annotate", clips, "--out", out, "--model", bundle, "--dry-run", "--workers", 3)
    assert result.exit_code == 0 and not out.exists()
    assert "Recordings: 5, about 4.0 s of sound" in result.stdout
    assert "with 3 workers" in result.stdout and "From 5 recordings, 1 of which can't be predicted" in result.stdout


@pytest.mark.slow
def test_nothing_that_can_be_predicted_is_an_error(bundle, tmp_path, out):
    result = run("annotate", tmp_path / "gone.wav", "--out", out, "--model", bundle)
    assert result.exit_code == 1 and "gone.wav: there is no such file" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clip.wav"], "--out is missing"),
        (["clip.wav", "--out", "x", "--speakers", "2"], "--speakers is 2, which is for timelines; add --timeline"),
        (["clip.wav", "--out", "x", "--speakers", "many", "--timeline"], "--speakers is 'many'; expected 'auto'"),
        (["clip.wav", "--out", "x", "--embedding", "--timeline"], "leave out embedding or timeline"),
        (["clip.wav", "--out", "x", "--address", "10.0.0.1:6379"], "--address is '10.0.0.1:6379'"),
        (["clip.wav", "--out", "x", "--engine", "spark"], "expected local, ray"),
    ],
)
def test_wrong_arguments(arguments, message):
    result = run("annotate", *arguments)
    assert result.exit_code == 2 and message in result.stderr
    assert "See 'emotone annotate --help'" in result.stderr


def test_standard_input_is_named(bundle, out):
    result = run("annotate", "-", "--out", out, "--model", bundle)
    assert result.exit_code == 1 and "emotone predict -" in result.stderr


def test_engine_that_is_not_installed(monkeypatch, clips, out):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = run("annotate", clips, "--out", out, "--engine", "ray")
    assert result.exit_code == 1 and "needs the extra 'ray'" in result.stderr
