"""Clips of frames with classes, and small classifiers of them."""

import numpy as np
from sklearn.pipeline import Pipeline

from emotone.models import registry
from emotone.models.deep import networks
from emotone.models.deep.classifier import NeuralClassifier

N_COLUMNS = 24
DEEP = {
    "cnn-bilstm": networks.CnnBiLstm,
    "lstm": networks.Lstm,
    "cnn1d": networks.Cnn1d,
    "cnn2d": networks.Cnn2d,
    "resnet": networks.ResNet,
}
QUICK = {"max_epochs": 2, "batch_size": 16, "precision": "float32", "device": "cpu", "window": 40, "max_bands": 4}


def toy(n=48, *, seed=0, labels=(0, 1, 2), spread=1.0):
    """Clips of 13 to 60 frames whose class is their mean, in columns of unlike means and scales."""
    rng = np.random.default_rng(seed)
    X = np.empty(n, dtype=object)
    place = np.arange(n) % len(labels)
    scale, offset = 10.0 ** np.linspace(-2, 2, N_COLUMNS), np.linspace(-50, 50, N_COLUMNS)
    for number in range(n):
        clip = spread * rng.standard_normal((int(rng.integers(13, 61)), N_COLUMNS))
        clip[:, place[number] :: 3] += 0.7
        X[number] = (clip * scale + offset).astype(np.float32)
    return X, np.asarray(labels)[place]


def classifier(network=networks.Cnn1d, **settings) -> NeuralClassifier:
    return NeuralClassifier(network, **QUICK | settings)


def built(name, **settings) -> Pipeline:
    pipeline = registry.get(name).build(seed=0, n_jobs=1, class_weight=True)
    return pipeline.set_params(**{f"classifier__{key}": value for key, value in (QUICK | settings).items()})
