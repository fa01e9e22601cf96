"""Run code as if only the base dependencies were installed: all other packages of the environment can't be imported."""

import json
import os
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from dependencies import PROJECT, canonical, with_dependencies  # noqa: E402


@cache
def other_modules():
    """Top-level modules that the base dependencies do not install, and that Python does not have."""
    base = with_dependencies(PROJECT["dependencies"]).keys() | {"emotone"}
    owners = metadata.packages_distributions()
    others = {module for module, owned in owners.items() if not {canonical(name) for name in owned} & base}
    return sorted(others - set(sys.stdlib_module_names))


_BLOCK = """
import importlib.abc, json, os, sys
class Block(importlib.abc.MetaPathFinder):
    names = frozenset(json.loads(os.environ["TEST_BLOCKED"]))
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r} (blocked)", name=name)
sys.meta_path.insert(0, Block())
"""


def run_in_base(code, *, folder):
    """Run Python code in a process of its own that has the base dependencies alone, its children too."""
    _write_metadata(folder / "emotone-0.dist-info")
    (folder / "sitecustomize.py").write_text(_BLOCK, encoding="utf-8")
    paths = [str(folder), str(ROOT / "src")]
    environment = os.environ | {"TEST_BLOCKED": json.dumps(other_modules()), "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300, cwd=ROOT
    )


def _write_metadata(folder):
    """Describe Emotone as it would be installed now; the environment may be older than pyproject.toml."""
    lines = ["Metadata-Version: 2.4", "Name: emotone", "Version: 0"]
    lines += [f"Requires-Dist: {text}" for text in PROJECT["dependencies"]]
    for extra, texts in PROJECT["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}", *(f"Requires-Dist: {text}; extra == '{extra}'" for text in texts)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run_command_in_base(*arguments, folder):
    """Run a command line of Emotone with the base dependencies alone."""
    line = ["emotone", *map(str, arguments)]
    return run_in_base(f"import sys; sys.argv = {line!r}; from emotone.cli.start import main; main()", folder=folder)
