"""The import contracts of pyproject.toml: they cover the inside of every package, and no import is left out."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]


def modules_of(folder: Path) -> list[str]:
    """The modules and packages directly in a package."""
    parts = (path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file())
    return sorted(path.stem for path in parts if path.stem != "__init__")


def packages() -> list[str]:
    """Every package with modules that could import each other."""
    folders = sorted(path.parent for path in SOURCE.rglob("__init__.py"))
    return [".".join(folder.relative_to(SOURCE).parts) for folder in folders if len(modules_of(folder)) > 1]


@pytest.mark.parametrize("package", packages())
def test_a_contract_has_a_place_for_every_module_of_a_package(package: str) -> None:
    """``exhaustive`` makes a module without a place an error of import-linter."""
    (contract,) = [contract for contract in CONTRACTS if package in contract.get("containers", ())]
    assert contract["type"] == "layers" and contract["exhaustive"] is True and "exhaustive_ignores" not in contract


def test_no_circle_and_no_import_is_allowed_that_a_contract_forbids() -> None:
    assert [contract["ancestors"] for contract in CONTRACTS if contract["type"] == "acyclic_siblings"] == [["emotone"]]
    assert not [contract["name"] for contract in CONTRACTS if "ignore_imports" in contract]
