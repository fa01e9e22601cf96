"""The models of ``--model``: a table of name, builder, search grid and description.

A builder's module is imported when the model is built, so this table needs neither scikit-learn nor torch.

To add a model: write its builder in a module of `emotone.models.classic` or `emotone.models.deep`, and add its entry to
`MODELS`.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np

from emotone.errors import ConfigError


class Estimator(Protocol):
    """Interface of every model: a scikit-learn pipeline that is trained on features."""

    classes_: np.ndarray

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit on X (n, d) float32 and y (n,) int; return self."""
        ...

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return probabilities (n, k); rows sum to 1, columns are in the order of `classes_`."""
        ...

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by scikit-learn's names."""
        ...

    def set_params(self, **settings: Any) -> Self:
        """Change settings by scikit-learn's names, such as ``classifier__C``."""
        ...


@dataclass(frozen=True)
class ModelSpec:
    """An entry of the table.

    Attributes
    ----------
    name
        Name for ``--model``.
    build
        ``build(seed=0, n_jobs=1, class_weight=True)`` returns an unfitted `Estimator`.  With ``class_weight`` every
        emotion has the same total weight.
    grid
        Settings of ``--tune``, which tries every combination: scikit-learn's name -> values.
    description
        A few words for tables and reports.
    extractor
        Default features, a name in `emotone.features.registry`.
    family
        ``"classic"``: a row of features per clip, or ``"deep"``: frames.  The last step of a deep model is an
        `emotone.models.deep.classifier.NeuralClassifier`.
    adaptive
        Whether it can adapt to a speaker.  Its last step is an `emotone.models.deep.adaptive.AdaptiveClassifier`.
    """

    name: str
    build: Callable[..., Estimator]
    description: str
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    extractor: str = "functionals"
    family: str = "classic"
    adaptive: bool = False

    @property
    def from_scratch(self) -> bool:
        """Whether it is trained on the clips alone, without a pretrained encoder."""
        return "whisper-" not in self.extractor


@dataclass(frozen=True)
class Deferred:
    """A builder whose module is imported when it is called.

    Attributes
    ----------
    target
        ``"module:function"``.
    """

    target: str

    def __call__(self, *, seed: int, n_jobs: int = 1, class_weight: bool = False) -> Estimator:
        """Return an unfitted model; see `ModelSpec`."""
        module, function = self.target.split(":")
        builder: Callable[..., Estimator] = getattr(importlib.import_module(module), function)
        return builder(seed=seed, n_jobs=n_jobs, class_weight=class_weight)


def _classic(name: str, description: str, grid: Mapping[str, Sequence[Any]]) -> ModelSpec:
    builder = Deferred(f"emotone.models.classic.pipelines:{name.replace('-', '_')}")
    return ModelSpec(name=name, build=builder, description=description, grid=grid)


def _deep(name: str, description: str, *, extractor: str) -> ModelSpec:
    grid = {"classifier__learning_rate": (1e-3, 2e-3), "classifier__dropout": (0.2, 0.4)}
    builder = Deferred(f"emotone.models.deep.classifier:{name.replace('-', '_')}")
    return ModelSpec(name=name, build=builder, description=description, grid=grid, extractor=extractor, family="deep")


_FOREST_GRID = {"axes__shrinkage": (0.3, 0.5, 0.7), "classifier__min_samples_leaf": (3, 10, 20)}
#: Name -> entry, in the order of tables.
MODELS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        _classic(
            "svm",
            "support vector machine, RBF kernel",
            {"classifier__estimator__C": (3.0, 10.0), "classifier__estimator__gamma": ("scale", 1e-4, 5e-5)},
        ),
        _classic(
            "linear-svm", "support vector machine, linear", {"classifier__estimator__C": (3e-5, 1e-4, 3e-4, 1e-3)}
        ),
        _classic(
            "logistic-regression",
            "multinomial logistic regression, L2",
            {"classifier__C": (1e-3, 3e-3, 1e-2, 3e-2, 0.1)},
        ),
        _classic(
            "knn",
            "nearest neighbours in principal components, by closeness",
            {"classifier__n_neighbors": (3, 7, 15), "components__n_components": (0.8, 0.95)},
        ),
        _classic("random-forest", "random forest of 300 trees on discriminant axes", _FOREST_GRID),
        _classic("extra-trees", "300 extremely randomised trees on discriminant axes", _FOREST_GRID),
        _classic(
            "xgboost",
            "gradient-boosted trees (XGBoost)",
            {"classifier__estimator__max_depth": (3, 5), "classifier__estimator__learning_rate": (0.05, 0.1)},
        ),
        _classic(
            "mlp",
            "multilayer perceptron 512-256-128",
            {
                "classifier__estimator__alpha": (1e-4, 1e-2, 1.0),
                "classifier__estimator__hidden_layer_sizes": ((512, 256, 128), (256,)),
            },
        ),
        _classic(
            "ensemble",
            "mean of svm, logistic-regression and extra-trees",
            {"classifier__weights": ((1.0, 1.0, 1.0), (0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0))},
        ),
        _deep("cnn-bilstm", "two 1-D convolutions, then a bidirectional LSTM, over MFCCs", extractor="mfcc-frames"),
        _deep("lstm", "two layers of LSTM over MFCCs", extractor="mfcc-frames"),
        _deep("cnn1d", "three 1-D convolutions over MFCCs", extractor="mfcc-frames"),
        _deep("cnn2d", "three 2-D convolutions over the log-mel spectrogram", extractor="log-mel"),
        _deep("resnet", "residual network over the log-mel spectrogram", extractor="log-mel"),
        ModelSpec(
            name="adaptive",
            build=Deferred("emotone.models.deep.adaptive:adaptive"),
            description="statistics of projected states of Whisper, with a head that adapts to the speaker",
            grid={"classifier__learning_rate": (1e-3, 2e-3), "classifier__dropout": (0.3, 0.5)},
            extractor="int8:whisper-base@2,3:thirds",
            family="deep",
            adaptive=True,
        ),
    )
}


def get(name: str) -> ModelSpec:
    """Return the entry of a model.

    Raises
    ------
    ConfigError
        No model has this name; the message lists the known names.

    Examples
    --------
    >>> get("svm").description
    'support vector machine, RBF kernel'
    """
    if name not in MODELS:
        raise ConfigError(f"unknown model {name!r}; known: {', '.join(MODELS)}")
    return MODELS[name]
