"""The map of all clips, and names on it."""

import numpy as np
import pytest

from emotone.explore.feature_analysis import figures, plane
from emotone.explore.feature_analysis.figures import projection_picture, short
from support.exploring import EMOTIONS, design


def test_the_map_says_whether_emotion_or_speaker_orders_it():
    rng = np.random.default_rng(0)
    labels, speakers = design()
    which = np.asarray([EMOTIONS.index(label) for label in labels])
    values = np.eye(3)[which] @ rng.standard_normal((3, 20)) * 6 + rng.standard_normal((len(labels), 20))
    found = plane.project(values.astype(np.float32), method="pca", seed=0)
    apart = plane.separation(found, labels, speakers, seed=0)
    assert apart["emotion"].plane > 0.95 and apart["emotion"].silhouette > 0.5
    assert apart["speaker"].plane == pytest.approx(apart["speaker"].chance, abs=0.06)
    assert (
        "the emotion orders this plane more"
        in projection_picture(found, labels, speakers, separation=apart)._suptitle.get_text()
    )


def test_names_on_the_map_do_not_cover_each_other():
    places = figures._spread(np.random.default_rng(0).random((24, 2)) * 0.2, apart=np.asarray([0.05, 0.045]))
    between = np.abs(places[:, None] - places[None]) / [0.05, 0.045]
    covered = (between < 0.99).all(axis=-1) & ~np.eye(24, dtype=bool)
    assert not covered.any()


def test_long_names_are_cut():
    assert len(short("x" * 90)) <= 30
