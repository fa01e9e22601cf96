"""The way of a newcomer: a copy of the repository, a new environment, the README's first commands, and its hints."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.document_blocks import ROOT, blocks_of, differences

#: What a checkout has that the first commands need.
CHECKOUT = (
    "pyproject.toml",
    "constraints.txt",
    "constraints-pipecat.txt",
    "README.md",
    "LICENSE",
    "src",
    "samples",
    "web",
)
#: What pip prints if it can't reach an index: the packages can't be installed then.
OFFLINE = (
    "Failed to establish a new connection",
    "Temporary failure in name",
)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Run lines in a copy of the repository, as somebody who has nothing but Python does."""
    folder = tmp_path_factory.mktemp("newcomer") / "emotone"
    folder.mkdir()
    for name in CHECKOUT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    paths = [path for path in os.environ["PATH"].split(os.pathsep) if Path(path) != Path(sys.prefix, "bin")]
    programs = folder.parent / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to(Path(sys._base_executable))
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = kept | {"PATH": os.pathsep.join([str(programs), *paths]), "COLUMNS": "120"}
    # Python compiles what is imported; pip would compile every file of every package
    environment |= {"PIP_COMPILE": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def run(*lines: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euc", "\n".join(lines)], cwd=folder, env=environment, capture_output=True, text=True
        )

    run.folder = folder
    install = next(block for block in blocks_of("README.md") if block.is_install)
    done = run(install.text)
    if done.returncode and any(words in done.stdout + done.stderr for words in OFFLINE):
        required = os.environ.get("EMOTONE_REQUIRE_DATA", "0") not in ("", "0")
        (pytest.fail if required else pytest.skip)(f"pip can't reach a package index: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stdout + done.stderr
    return run


ACTIVATE = ". .venv/bin/activate"


@pytest.mark.slow
def test_the_first_commands_of_the_readme_print_what_it_shows(shell):
    blocks = blocks_of("README.md")
    (number,) = [n for n, block in enumerate(blocks) if block.text == "emotone predict samples/*.wav\n"]
    done = shell(ACTIVATE, blocks[number].text)
    assert done.returncode == 0 and not differences(done.stdout, blocks[number + 1].text), done.stdout + done.stderr


@pytest.mark.slow
def test_python_of_the_readme_runs_without_an_extra(shell):
    (block,) = [block for block in blocks_of("README.md") if block.language == "python"]
    assert len(block.text.splitlines()) == 5
    done = shell(ACTIVATE, f"python - <<'END'\n{block.text}END")
    assert done.returncode == 0 and done.stdout.startswith("angry 0."), done.stdout + done.stderr


@pytest.mark.slow
def test_a_missing_extra_prints_the_command_for_this_checkout_and_then_for_none(shell):
    picture = "emotone timeline samples/conversation.ogg --picture conversation.png"
    done = shell(ACTIVATE, picture)
    folder = shell.folder
    assert done.returncode == 1
    assert f"not installed: pip install -c {folder}/constraints.txt '{folder}[plot]'" in done.stderr
    origin = f"{folder}/.venv/lib/python*/site-packages/emotone-*.dist-info/direct_url.json"
    done = shell(f"rm {origin}", ACTIVATE, picture)
    constraints = re.search(r"-c (\S+/emotone/data/constraints.txt) 'matplotlib>=3.9'$", done.stderr.strip())
    assert constraints is not None, done.stderr
    assert Path(constraints[1]).read_bytes() == (ROOT / "constraints.txt").read_bytes()


@pytest.mark.slow
def test_the_name_of_an_environment_that_is_not_activated_is_in_the_hint(shell):
    done = shell(".venv/bin/emotone serve")
    assert done.returncode == 1 and re.search(
        rf"{re.escape(str(shell.folder))}/\.venv/bin/python3? -m pip install ", done.stderr
    ), done.stderr
    assert "emotone[serve]" not in done.stderr or " @ " in done.stderr
