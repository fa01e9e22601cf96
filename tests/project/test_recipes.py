"""The recipes of CONTRIBUTING.md: few files each, and each file holds the table or function that the recipe needs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "emotone"

#: Recipe -> files to edit, with a definition that each must hold; None: a file that the recipe creates.
RECIPES = {
    "A corpus": {"corpora/readers/NAME.py": None, "corpora/registry.py": r"^CORPORA\b"},
    "A model": {"models/classic/pipelines.py": r"^def \w+\(", "models/registry.py": r"^MODELS\b"},
    "A feature": {
        "features/descriptors.py": r"^def \w+\(",
        "features/columns.py": r"^class FeatureColumn\b",
        "features/functionals.py": r"^class Functionals\b",
    },
    "A protocol": {"protocols/builders.py": r"^PROTOCOLS\b"},
    "A score": {"metrics/scores.py": r"^_TABLE\b"},
    "A timeline format": {"recognition/timeline_formats.py": r"^(TIMELINE_)?FORMATS\b"},
    "A transform": {"augment/transforms.py": r"^TRANSFORMS\b"},
    "A training option": {"experiment/config.py": r"^class Config\b"},
    "How silence is trimmed": {"preprocessing.py": r"^DEFAULT\b"},
}
#: Recipe -> the most files that an engineer has to edit, where the goal is below three.
MOST = {
    "A corpus": 2,
    "A model": 2,
    **dict.fromkeys(("A protocol", "A score", "A timeline format", "A transform", "How silence is trimmed"), 1),
}
#: Folders and alternatives that a recipe mentions.
MENTIONED = {"A model": {"models/deep/", "export/"}}


def recipes() -> dict[str, str]:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## Recipes")[2].partition("\n## ")[0]
    return dict(re.findall(r"^- \*\*(.+?)\*\*: (.+(?:\n  .+)*)", section, flags=re.MULTILINE))


def paths_in(recipe: str) -> set[str]:
    return set(re.findall(r"`([\w/]+(?:\.py|/))`", recipe))


def test_every_recipe_is_checked():
    assert set(recipes()) == set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_few_files_that_hold_what_it_needs(name):
    recipe = recipes()[name]
    assert paths_in(recipe) - MENTIONED.get(name, set()) == set(RECIPES[name])
    assert len(RECIPES[name]) <= MOST.get(name, 3)
    for path, definition in RECIPES[name].items():
        if definition is None:
            assert (PACKAGE / path).parent.is_dir()
        else:
            source = (PACKAGE / path).read_text(encoding="utf-8")
            assert re.search(definition, source, flags=re.MULTILINE), f"{path} holds no {definition}"


@pytest.mark.parametrize("name", RECIPES)
def test_the_folders_and_tables_in_a_recipe_exist(name):
    recipe = recipes()[name]
    for folder in (path for path in paths_in(recipe) if path.endswith("/")):
        assert (PACKAGE / folder).is_dir()
    for function in re.findall(r"`(\w+\.\w+)`", recipe):
        module, _, attribute = function.partition(".")
        sources = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob(f"{module}.py")]
        assert attribute == "py" or any(re.search(rf"^def {attribute}\(", text, re.MULTILINE) for text in sources)
