"""The help of the command line: every command, its options in groups, existing names, two examples; what it imports."""

import importlib
import os
import re
import subprocess
import sys
from importlib.metadata import metadata

import pytest

import emotone
from emotone.augment import NAMES
from emotone.augment.conditions import CONDITIONS
from emotone.cli.main import COMMANDS, EXTRAS
from emotone.corpora.registry import CORPORA
from emotone.emotions import EMOTIONS
from emotone.experiment.config import SETTINGS
from emotone.features.registry import EXTRACTORS
from emotone.models.registry import MODELS
from emotone.protocols import PROTOCOLS
from support.command_line import run


def options_of(command):
    """Option or argument -> its lines in the help of a command."""
    blocks = re.split(r"\n(?=  [-C])", run(command, "--help").stdout)
    return {block.split()[0]: block for block in blocks}


@pytest.mark.parametrize(
    ("option", "names"),
    [
        ("CORPUS", CORPORA),
        ("--model", MODELS),
        ("--protocol", PROTOCOLS),
        ("--extractor", EXTRACTORS),
        ("--augment", NAMES),
        ("--conditions", CONDITIONS),
        ("--emotions", EMOTIONS),
    ],
)
def test_help_of_train_lists_the_existing_names(option, names, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = options_of("train")[option]
    assert [name for name in names if name not in text] == []
    assert max(len(line) for line in text.splitlines()) <= 80


def test_every_setting_is_an_option_with_its_default_of_train_and_of_compare():
    labels = {name: f"--{name.replace('_', '-')}" for name in SETTINGS if name != "corpora"}
    train, compare = options_of("train"), options_of("compare")
    assert set(labels.values()) <= set(train)
    assert [name for name, label in labels.items() if label not in compare] == ["model", "features"]
    for name, label in labels.items():
        assert f"default: {SETTINGS[name].default_text}" in " ".join(train[label].split()) or SETTINGS[name].is_required


def test_help_lists_every_command_in_one_whole_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("--help").stdout.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)
    assert all("..." not in line and len(line) <= 80 for line in lines)
    for line in lines:
        text, _, extra = line.removesuffix("]").partition(" [")
        assert text.endswith(".") and extra == EXTRAS.get(line.split()[0], "")
    assert set(EXTRAS.values()) <= set(metadata("emotone").get_all("Provides-Extra"))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_begins_with_its_line_and_ends_with_two_examples(command):
    begin, _, end = run(command, "--help").stdout.partition("Examples:\n")
    assert begin.splitlines()[2].strip() == COMMANDS[command]
    assert len(end.splitlines()) == 2 and all(line.startswith(f"    emotone {command}") for line in end.splitlines())


def test_help_of_train_shows_its_options_in_groups():
    titles = re.findall(r"^(\w+ options):$", run("train", "--help").stdout, flags=re.MULTILINE)
    assert titles == [f"{group} options" for group in ("Data", "Model", "Training", "Evaluation", "Job", "Output")]


def test_every_command_is_the_function_of_its_name():
    for name in COMMANDS:
        assert getattr(importlib.import_module(f"emotone.cli.{name}"), name).name == name


def test_version():
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"emotone {emotone.__version__}\n")


HEAVY = {"torch", "sklearn", "pandas", "matplotlib", "onnx", "av", "emotone.experiment"}


def imported_by(arguments, *, also=frozenset()):
    script = (
        "import sys; from emotone.cli.main import main\n"
        f"sys.argv = ['emotone', *{[str(argument) for argument in arguments]!r}]\n"
        "try: main()\n"
        f"finally: print(sorted({HEAVY | also!r} & set(sys.modules)), file=sys.stderr)"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)


def test_help_imports_nothing_heavy():
    done = imported_by(["--help"], also={"numpy", "onnxruntime", "soundfile"})
    assert done.stderr == "[]\n" and "predict" in done.stdout


@pytest.mark.parametrize("form", ["table", "json"])
@pytest.mark.slow
def test_predict_imports_nothing_heavy(bundle, clips, form):
    done = imported_by(["predict", clips / "a_sad.wav", "--model", bundle, "--format", form])
    assert done.stderr == "[]\n" and "sad" in done.stdout


def test_completion_is_shown_for_the_shell_that_asks():
    command = f"{sys.executable} -c 'from emotone.cli.main import main; main()' --show-completion; exit $?"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode == 0 and "complete -o default -F _emotone_completion emotone" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("emotone time", ["timeline"]),
        ("emotone ", list(COMMANDS)),
        ("emotone predict --thresh", ["--threshold"]),
        ("emotone predict --format ", ["table", "json", "csv"]),
    ],
)
@pytest.mark.slow
def test_a_shell_completes_commands_options_and_choices(words, expected):
    environment = {
        "_EMOTONE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    script = "from emotone.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | environment)
    assert done.stdout.split() == expected and done.stderr == ""


def test_completion_is_installed_into_the_home_of_the_user(tmp_path):
    command = f"{sys.executable} -c 'from emotone.cli.main import main; main()' --install-completion; exit $?"
    home = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=home)
    assert done.returncode == 0 and "bash completion installed in" in done.stdout
    (script,) = tmp_path.rglob("emotone.sh")
    assert f"source '{script}'" in (tmp_path / ".bashrc").read_text()
