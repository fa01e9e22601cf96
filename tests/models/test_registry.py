"""The table of models."""

import subprocess
import sys

import numpy as np
import pytest

from emotone.errors import ConfigError
from emotone.models import registry


@pytest.mark.parametrize("name", registry.MODELS)
def test_grid_has_four_to_nine_points_that_the_model_accepts(name):
    spec = registry.get(name)
    assert 4 <= np.prod([len(values) for values in spec.grid.values()]) <= 9
    pipeline = spec.build(seed=0, n_jobs=1, class_weight=True)
    for setting, values in spec.grid.items():
        for value in values:
            assert pipeline.set_params(**{setting: value}).get_params()[setting] == value


def test_unknown_model_lists_the_known():
    with pytest.raises(ConfigError, match=r"'svn'; known: svm, linear-svm, .*ensemble"):
        registry.get("svn")


def test_names_are_known_without_importing_the_libraries():
    code = "import sys; from emotone.models import registry; print({'sklearn', 'torch', 'xgboost'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
