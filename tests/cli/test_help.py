"""The help of the command line: every command, its options in groups, the names that exist, two examples."""

import re

import pytest
from typer.testing import CliRunner

from emotone.augment import NAMES
from emotone.cli.main import app
from emotone.features.registry import EXTRACTORS
from emotone.models.registry import MODELS
from emotone.protocols import PROTOCOLS


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("option", "names"),
    [("--model", MODELS), ("--protocol", PROTOCOLS), ("--extractor", EXTRACTORS), ("--augment", NAMES)],
)
def test_help_of_train_names_what_there_is(option, names, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    options = re.split(r"\n(?=  -)", run("train", "--help").stdout)
    told = next(told for told in options if told.startswith(f"  {option} "))
    assert [name for name in names if name not in told] == []
    assert max(len(line) for line in told.splitlines()) <= 80


COMMANDS = ("predict", "timeline", "listen", "serve", "train", "compare", "evaluate", "report", "explore", "fetch")


def test_help_lists_every_command_in_one_whole_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)
    assert all(line.endswith(".") and "..." not in line and len(line) <= 80 for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_ends_with_two_examples(command):
    shown = run(command, "--help").stdout.partition("Examples:\n")[2].splitlines()
    assert len(shown) == 2 and all(line.startswith(f"    emotone {command}") for line in shown)


def test_help_of_train_shows_its_options_in_groups():
    titles = re.findall(r"^(\w+ options):$", run("train", "--help").stdout, flags=re.MULTILINE)
    assert sorted(titles) == [f"{group} options" for group in ("Data", "Evaluation", "Model", "Output", "Training")]
