"""The recipes of CONTRIBUTING.md: few files each, and each file holds the table or function that the recipe needs."""

import json
import os
import re
import subprocess
import sys
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


#: Adds a score to the table, as an engineer does, and compares models on generated voices.
_NEW_SCORE = """
import sys
from pathlib import Path
from emotone import metrics
from emotone.metrics import names, scores
metrics.NAMES["worst"] = names.ScoreName("worst", "Worst recall", "worst recall")
metrics.SCORES["worst"] = "Worst recall"
scores._METRICS["worst"] = lambda counts: scores.ratio(counts.diagonal(axis1=-2, axis2=-1), counts.sum(-1)).min(-1)
import pytest
from conftest import voice
from support import toy_experiment as toy
from support.command_line import run
folder = Path(sys.argv[1])
toy.install(pytest.MonkeyPatch())
manifest = toy.write_corpus(folder, voice, pitch_hz={"neutral": 140.0, "happy": 152.0, "angry": 300.0})
more = ["--data", folder, "--extractor", "bands", "--cache", folder / "cache"]
train = ["train", manifest, "--out", folder / "one", "--model", "knn"]
compare = ["compare", manifest, "--out", folder / "two", "--models", "knn,linear-svm", "--protocol", "speaker-6fold"]
for command in (train, compare):
    done = run(*command, *more)
    assert done.exit_code == 0, done.output
    print(done.stdout)
from emotone.experiment.tracking import final_metrics
from emotone.files import read_json
print(sorted(final_metrics(read_json(folder / "one" / "metrics.json"))))
from emotone.serve.routes import _SCORES
print(_SCORES)
"""


@pytest.mark.slow
def test_a_score_in_the_table_is_in_every_file_table_and_page(tmp_path):
    paths = [str(PACKAGE.parent), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "120"}
    command = [sys.executable, "-c", _NEW_SCORE, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    trained, _, compared = done.stdout.partition("worst recall %")
    assert "worst recall" in trained and "linear-svm" in compared
    assert "'test_worst_high'" in compared and "'worst', 'interval'" in compared
    run = tmp_path / "one"
    measured = json.loads((run / "metrics.json").read_text())["test"]
    recalls = measured["per_class"]["recall"].values()
    assert measured["worst"] == pytest.approx(min(recalls)) and "worst" in measured["intervals"]
    assert json.loads((run / "model" / "card.json").read_text())["scores"]["worst"] == measured["worst"]
    for page in ("one/report.html", "one/model/README.md", "one/classification_report.txt", "two/comparison.html"):
        assert "Worst recall" in (tmp_path / page).read_text(encoding="utf-8"), page
    assert ",worst,worst_low,worst_high," in (tmp_path / "two" / "comparison.csv").read_text()


@pytest.mark.parametrize("name", RECIPES)
def test_the_folders_and_tables_in_a_recipe_exist(name):
    recipe = recipes()[name]
    for folder in (path for path in paths_in(recipe) if path.endswith("/")):
        assert (PACKAGE / folder).is_dir()
    for function in re.findall(r"`(\w+\.\w+)`", recipe):
        module, _, attribute = function.partition(".")
        sources = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob(f"{module}.py")]
        assert attribute == "py" or any(re.search(rf"^def {attribute}\(", text, re.MULTILINE) for text in sources)
