"""The classic classifiers: each function builds an unfitted scikit-learn pipeline over a feature vector.

Every function takes ``seed``, ``n_jobs`` (threads) and ``class_weight`` (whether every emotion shall count the same,
however many clips it has) and returns a `Pipeline` whose last step is "classifier".  The first step is "scaler",
except in the models of trees, which compare float32 values with thresholds: XGBoost sees the features unchanged and the
forests see `DiscriminantAxes`, so that an exported threshold meets equal numbers.  The search grids stand in
`emotone.models.registry`.
"""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier

from emotone.models.classic.estimators import DiscriminantAxes, MarginProbability, Weighted
from emotone.models.classic.kernel import KernelMachine

# Leaves of ten clips in three hundred trees are as good as leaves of two in five hundred, in an eighth of the size.
N_TREES, MIN_LEAF_CLIPS = 300, 10
#: The members of `ensemble`, in the order of its weights: three families that err differently.
ENSEMBLE_MEMBERS = ("svm", "logistic-regression", "extra-trees")


def _balance(class_weight: bool) -> str | None:
    return "balanced" if class_weight else None


def svm(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Support vector machine with the kernel exp(-gamma |x - s|^2), one against one; see `MarginProbability`.

    The kernel is broad: a tenth of scikit-learn's default for two thousand features, which does better on unheard
    speakers.
    """
    machine = KernelMachine(C=10.0, gamma=5e-5, class_weight=_balance(class_weight))
    return _scaled(MarginProbability(machine, seed=seed, n_jobs=n_jobs))


def linear_svm(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Linear support vector machine, one against the rest; see `MarginProbability`.

    C is small since feature vectors have as many columns as there are clips.
    """
    # the dual: with more clips than columns the default turns to the primal, many times slower for so wide a matrix
    machine = LinearSVC(C=3e-4, dual=True, class_weight=_balance(class_weight), random_state=seed, max_iter=20_000)
    return _scaled(MarginProbability(machine, seed=seed, n_jobs=n_jobs))


def logistic_regression(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Multinomial logistic regression with an L2 penalty, by L-BFGS (which needs neither seed nor threads)."""
    return _scaled(LogisticRegression(C=0.01, class_weight=_balance(class_weight), max_iter=2000))


def closeness(distance: np.ndarray) -> np.ndarray:
    """Weight of a neighbour at a Euclidean distance: 1 / (1 + distance).

    scikit-learn's own "distance" is 1 / distance, which has a pole at a training clip: there a rounding error in the
    last bit turns one answer into another, so no other implementation can follow it.

    Examples
    --------
    >>> closeness(np.array([0.0, 1.0, 3.0]))
    array([1.  , 0.5 , 0.25])
    """
    return np.asarray(1.0 / (1.0 + distance))


def knn(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Seven nearest neighbours, weighted by closeness, in the principal components that hold 95 % of the variance.

    Neighbours have no class weights: ``class_weight`` changes nothing here.
    """
    classifier = KNeighborsClassifier(7, weights=closeness, algorithm="brute", n_jobs=n_jobs)
    components = PCA(0.95, svd_solver="full", random_state=seed)
    return Pipeline([("scaler", StandardScaler()), ("components", components), ("classifier", classifier)])


def random_forest(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Random forest (L. Breiman, 2001) over `DiscriminantAxes`.

    A forest of the plain columns, the usual recipe, is far weaker on the same clips; `docs/results.md` shows both.
    """
    return _on_axes(RandomForestClassifier(**_forest(seed=seed, n_jobs=n_jobs, class_weight=class_weight)))


def extra_trees(*, seed: int, n_jobs: int, class_weight: bool) -> Pipeline:
    """Extremely randomised trees (P. Geurts et al., 2006) over `DiscriminantAxes`."""
    return _on_axes(ExtraTreesClassifier(**_forest(seed=seed, n_jobs=n_jobs, class_weight=class_weight)))


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

    Each tree sees 30 % of the columns, since feature vectors are wide, their columns alike, and time goes with columns.
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

    The configuration of a widely copied RAVDESS recipe.  Its ``learning_rate="adaptive"`` is kept out: it acts on plain
    gradient descent only, and this is Adam.  One core: scikit-learn's perceptron has no threads of its own.
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
    """Weighted mean of the probabilities of `ENSEMBLE_MEMBERS`, each a whole pipeline with its own scaler or none."""
    builders = {
        "svm": svm,
        "logistic-regression": logistic_regression,
        "extra-trees": extra_trees,
    }
    members = [(name, builders[name](seed=seed, n_jobs=n_jobs, class_weight=class_weight)) for name in ENSEMBLE_MEMBERS]
    return _unscaled(VotingClassifier(members, voting="soft", weights=[1.0] * len(members)))


def _scaled(classifier: object) -> Pipeline:
    return Pipeline([("scaler", StandardScaler()), ("classifier", classifier)])


def _on_axes(classifier: object) -> Pipeline:
    return Pipeline([("axes", DiscriminantAxes()), ("classifier", classifier)])


def _unscaled(classifier: object) -> Pipeline:
    return Pipeline([("classifier", classifier)])
