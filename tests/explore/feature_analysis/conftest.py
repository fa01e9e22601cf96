"""A table of features with known effects."""

import numpy as np
import pytest

from support.exploring import design, table_of


@pytest.fixture(scope="module")
def known():
    """Features of which it is known what they tell; the last is constant."""
    rng = np.random.default_rng(1)
    labels, speakers = design()
    level = np.select([labels == "happy", labels == "sad"], [1.0, -1.0], 0.0)
    offset = np.asarray([int(name[2:]) for name in speakers]) * 30.0
    noise = rng.standard_normal((len(labels), 40))
    best = 2.0 * level + offset + noise[:, 0]  # the best within speakers, hidden by them
    visible = 0.8 * level + noise[:, 1]  # the best if speakers are not asked for
    values = np.column_stack([best, visible, 3 * best - 7, noise[:, 2:], np.full(len(labels), 0.1)])
    names = ["hidden", "visible", "copy", *(f"noise{number}" for number in range(38)), "constant"]
    return table_of(values, names, emotions=labels, speakers=speakers)
