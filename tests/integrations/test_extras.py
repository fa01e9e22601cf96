"""A partner's package that is not installed is a hint how to install it, and nothing else of Emotone needs it."""

import subprocess
import sys

import pytest


def ran(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("partner", "name"), [("pipecat", "Pipecat"), ("livekit", "LiveKit")])
def test_a_missing_package_is_named_with_the_command_that_installs_it(partner, name) -> None:
    done = ran(f"import sys; sys.modules[{partner!r}] = None; import emotone.integrations.{partner}")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("emotone.errors.MissingExtraError: ")
    assert f"the {name} integration needs the extra '{partner}', which is not installed: " in last
    assert f"[{partner}]" in last or "from where Emotone was installed" in last


def test_emotone_itself_imports_no_partner() -> None:
    code = "import sys, emotone; emotone.Recognizer(); print({'livekit', 'pipecat'} & set(sys.modules))"
    assert ran(code).stdout == "set()\n"
