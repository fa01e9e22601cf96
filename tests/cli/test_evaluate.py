"""The command ``evaluate``."""

from pathlib import Path

from support.command_line import run


def test_evaluate_says_what_was_left_out(experiment):
    result = run("evaluate", "b", "emodb", "--data", "d", "--channel", "all", "--adapt", "both", "--out", "o")
    assert result.exit_code == 0, result.stderr
    expected = {"bundle": "b", "corpora": ("emodb",), "data": Path("d"), "channel": "all", "adapt": "both"}
    assert experiment == expected | {"labels": None, "out": Path("o")}
    run("evaluate", "b", "emodb", "--data", "d", "--labels", "happy=gioia")
    assert experiment["labels"] == {"gioia": "happy"}
    assert (experiment["adapt"], experiment["out"]) == ("none", None)
    assert "12.5 % of the answers are under the model's threshold" in result.stdout
    card = result.stdout.split("According to the model's card:\n")[1].splitlines()
    assert card[:2] == ["On new speakers: 73 %.", "On other corpora: [55] %."]
    assert "left out, since the model does not know the emotion: 3 clips calm" in result.stderr
    assert "Left out 1 clip: 1 that can't be read; the first: x.wav: damaged" in result.stderr


def test_another_word_for_adapt_is_refused(experiment):
    result = run("evaluate", "b", "emodb", "--data", "d", "--adapt", "room")
    assert result.exit_code == 2 and experiment == {}
    assert "--adapt is 'room'; expected none, source, speaker, both" in result.stderr
