"""The command ``evaluate``."""

from pathlib import Path

from support.command_line import run


def test_evaluate_says_what_was_left_out(experiment):
    result = run("evaluate", "b", "emodb", "--data", "d", "--channel", "all", "--adapt", "--out", "o")
    assert result.exit_code == 0, result.stderr
    expected = {"bundle": "b", "corpora": ("emodb",), "data": Path("d"), "channel": "all", "adapt": True}
    assert experiment == expected | {"out": Path("o")}
    run("evaluate", "b", "emodb", "--data", "d")
    assert (experiment["adapt"], experiment["out"]) == (False, None)
    assert "12.5 % of the answers are under the model's threshold" in result.stdout
    assert "left out, since the model does not know the emotion: 3 clips calm" in result.stderr
    assert "1 recordings left out; the first: x.wav: damaged" in result.stderr
