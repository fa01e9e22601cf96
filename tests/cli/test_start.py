"""The console script: `--version` imports no library, and what can't be printed is an error in one line."""

import os
import subprocess
import sys

import pytest

import emotone

#: Parts of Python that take longer to import than all that the version needs.
SLOW = {
    "argparse",
    "ast",
    "asyncio",
    "dataclasses",
    "importlib.metadata",
    "inspect",
    "logging",
    "pathlib",
    "subprocess",
}
VERSION = "import sys; from emotone.cli.start import main; sys.argv = ['emotone', '--version']; main()"


def start(*arguments, **options):
    code = f"import sys; from emotone.cli.start import main; sys.argv = {['emotone', *arguments]!r}; main()"
    return subprocess.run([sys.executable, "-c", code], text=True, timeout=120, **options)


def modules_after(code):
    """Names of modules that a fresh process has after some code, without those that it starts with."""
    script = (
        f"import sys; before = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    return set(
        subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True).stderr.split()
    )


@pytest.mark.parametrize("code", ["import emotone", VERSION])
def test_neither_the_import_nor_the_version_loads_a_library(code):
    loaded = modules_after(code)
    assert "emotone" in loaded and not loaded & SLOW
    assert {name.partition(".")[0] for name in loaded} - {"emotone"} <= set(sys.stdlib_module_names)


def test_the_version_is_that_of_the_package():
    done = start("--version", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"emotone {emotone.__version__}\n", "")


def test_other_arguments_reach_the_command_line():
    done = start("--version", "--help", capture_output=True)
    assert done.stdout.startswith(f"emotone {emotone.__version__}\n")
    done = start("nothing", capture_output=True)
    assert done.returncode == 2 and done.stderr.startswith("error: unknown command 'nothing'; expected predict, ")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a device of Linux without space")
@pytest.mark.parametrize("option", ["--version", "--help"])
def test_a_full_disk_is_an_error_in_one_line(option):
    with open("/dev/full", "w") as full:
        done = start(option, stdout=full, stderr=subprocess.PIPE)
    assert done.stderr.startswith("error: [Errno 28] No space left on device; check the path") and done.returncode == 1
    assert "Traceback" not in done.stderr


def test_the_version_on_a_closed_stdout_is_an_error():
    closing = f"import os; os.close(1); os.execv({sys.executable!r}, {[sys.executable, '-c', VERSION]!r})"
    done = subprocess.run([sys.executable, "-c", closing], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.startswith("error: stdout is closed")) == (1, True)
