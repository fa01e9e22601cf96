"""The classic classifiers: each function builds an unfitted scikit-learn pipeline on a feature vector.

Every function takes ``seed``, ``n_jobs`` (threads; results do not depend on it) and ``class_weight`` (whether every
emotion has the same total weight), and returns a `Pipeline` whose last step is "classifier".  The first step is
"scaler", except for trees, which compare float32 values with thresholds: XGBoost gets the features unchanged and
forests get `DiscriminantAxes`, so that the exported graph compares exactly the same numbers.  The search grids are in
`emotone.models.registry`.
"""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier

from emotone.models.classic.estimators import DiscriminantAxes, ExtraTrees, MarginProbability, RandomForest, Weighted
from emotone.models.classic.kernel import KernelMachine

# 300 trees with leaves of ten clips score as well as 500 trees with leaves of two, at an eighth of the size.
N_TREES, MIN_LEAF_CLIPS = 300, 10
#: The members of `ensemble`, in the order of its weights: three families that make different errors.
ENSEMBLE_MEMBERS = ("svm", "logistic-regression", "extra-trees")


def _balance(class_weight: bool) -> str | None:
    return "balanced" if class_weight else None


def svm(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Support vector machine with the kernel exp(-gamma |x - s|^2), one against one; see `MarginProbability`.

    gamma is a tenth of scikit-learn's default for two thousand features; this broad kernel is better on unseen
    speakers.
    """
    machine = KernelMachine(C=10.0, gamma=5e-5, class_weight=_balance(class_weight))
    return _scaled(MarginProbability(machine, seed=seed, n_jobs=n_jobs))


def linear_svm(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Linear support vector machine, one against the rest; see `MarginProbability`.

    C is small because there are as many columns as clips.
    """
    # With more clips than columns, the default is the primal problem, many times slower for such a wide matrix.
    machine = LinearSVC(C=3e-4, dual=True, class_weight=_balance(class_weight), random_state=seed, max_iter=20_000)
    # On one thread: liblinear has one random generator for all threads, so several would draw in any order.
    return _scaled(MarginProbability(machine, seed=seed, n_jobs=1))


def logistic_regression(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Multinomial logistic regression with an L2 penalty, by L-BFGS (which needs neither seed nor threads)."""
    return _scaled(LogisticRegression(C=0.01, class_weight=_balance(class_weight), max_iter=2000))


def closeness(distance: np.ndarray) -> np.ndarray:
    """Weight of a neighbour at a Euclidean distance: 1 / (1 + distance).

    scikit-learn's "distance" is 1 / distance, which is infinite at a training clip: there a rounding error in the last
    bit changes the prediction, so no other implementation can reproduce it.

    Examples
    --------
    >>> closeness(np.array([0.0, 1.0, 3.0]))
    array([1.  , 0.5 , 0.25])
    """
    return np.asarray(1.0 / (1.0 + distance))


def knn(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Seven nearest neighbours, weighted by closeness, in the principal components that hold 95 % of the variance.

    ``class_weight`` has no effect: nearest neighbours have no class weights.
    """
    classifier = KNeighborsClassifier(7, weights=closeness, algorithm="brute", n_jobs=n_jobs)
    components = PCA(0.95, svd_solver="full", random_state=seed)
    return Pipeline([("scaler", StandardScaler()), ("components", components), ("classifier", classifier)])


def random_forest(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Random forest (L. Breiman, 2001) over `DiscriminantAxes`.

    A forest on the features themselves, the usual recipe, scores far lower; see `docs/results.md`.
    """
    return _on_axes(RandomForest(**_forest(seed=seed, n_jobs=n_jobs, class_weight=class_weight)))


def extra_trees(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Extremely randomised trees (P. Geurts et al., 2006) over `DiscriminantAxes`."""
    return _on_axes(ExtraTrees(**_forest(seed=seed, n_jobs=n_jobs, class_weight=class_weight)))


def _forest(*, seed: int, n_jobs: int, class_weight: bool) -> dict[str, object]:
    return {
        "n_estimators": N_TREES,
        "max_features": "sqrt",
        "min_samples_leaf": MIN_LEAF_CLIPS,
        "class_weight": _balance(class_weight),
        "n_jobs": n_jobs,
        "random_state": seed,
    }


def xgboost(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Gradient-boosted trees (T. Chen and C. Guestrin, 2016).

    Each tree gets 30 % of the columns: many columns are similar, and the time is proportional to their number.
    """
    booster = XGBClassifier(
        n_estimators=300,
        max_depth=4,
        learning_rate=0.1,
        colsample_bytree=0.3,
        subsample=0.8,
        max_bin=64,
        tree_method="hist",
        base_score=0.5,
        n_jobs=n_jobs,
        random_state=seed,
    )
    return _unscaled(Weighted(booster, class_weight=_balance(class_weight)))


def mlp(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Multilayer perceptron 512-256-128, stopped early on a tenth of the training clips.

    The configuration of a widely used RAVDESS recipe, without its ``learning_rate="adaptive"``, which has no effect
    with Adam.  It uses a single core: scikit-learn's perceptron has no threads.
    """
    network = MLPClassifier(
        (512, 256, 128),
        alpha=1e-4,
        batch_size=64,
        solver="adam",
        early_stopping=True,
        validation_fraction=0.1,
        max_iter=1000,
        random_state=seed,
    )
    return _scaled(Weighted(network, class_weight=_balance(class_weight)))


def ensemble(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Weighted mean of the probabilities of `ENSEMBLE_MEMBERS`, each a whole pipeline."""
    builders = (svm, logistic_regression, extra_trees)
    members = [
        (name, build(seed=seed, n_jobs=n_jobs, class_weight=class_weight))
        for name, build in zip(ENSEMBLE_MEMBERS, builders, strict=True)
    ]
    return _unscaled(VotingClassifier(members, voting="soft", weights=[1.0] * len(members)))


def _scaled(classifier: object) -> Pipeline:
    return Pipeline([("scaler", StandardScaler()), ("classifier", classifier)])


def _on_axes(classifier: object) -> Pipeline:
    return Pipeline([("axes", DiscriminantAxes()), ("classifier", classifier)])


def _unscaled(classifier: object) -> Pipeline:
    return Pipeline([("classifier", classifier)])
