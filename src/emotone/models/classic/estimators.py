"""Estimators that scikit-learn lacks: exact discriminant axes, probabilities from margins, class weights for any model.

They follow scikit-learn's conventions: ``__init__`` only stores, ``fit`` returns self, fitted attributes end in ``_``.
The checks of ``sklearn.utils.estimator_checks`` pass; `tests/models/test_estimator_checks.py` runs them.
"""

from typing import Any, Self

import numpy as np
from joblib import Parallel, delayed
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax, softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
)
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.utils import get_tags
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from emotone.errors import CorpusError

#: Columns keep these types; others become the first.
_FLOATS = (np.float64, np.float32)


def _classes_of(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the classes (k,) of the labels (n,), the number of each label's class (n,), and clips per class (k,).

    Raises
    ------
    CorpusError
        There is a single class.
    """
    check_classification_targets(y)
    classes, encoded, counts = np.unique(y, return_inverse=True, return_counts=True)
    if classes.size < 2:
        raise CorpusError("all clips are of one emotion, so there is one class; a model needs two or more")
    return classes, encoded, counts


class DiscriminantAxes(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The k - 1 directions that separate the classes best: Fisher's discriminant with a shrunken covariance.

    Equal to scikit-learn's `LinearDiscriminantAnalysis(solver="eigen")` on standardised columns, with two differences.
    The projection is computed in double and rounded to float32 once, so that a forest in another implementation
    compares the same numbers with its thresholds.  And a Cholesky factorisation replaces the eigendecomposition.

    Trees need it because a tree tests a single column at a time, and each of two thousand columns has little
    information.

    Parameters
    ----------
    shrinkage
        Share, in (0, 1], of a multiple of the identity in the covariance within classes.  It is high because there
        are more columns than clips.

    Attributes
    ----------
    weights_, offset_
        (d, k - 1) and (k - 1,), double: ``x @ weights_ - offset_``.
    n_features_in_, feature_names_in_
        d, and the names of the columns if X was a table.

    References
    ----------
    R. A. Fisher, The use of multiple measurements in taxonomic problems, 1936.  J. H. Friedman, Regularized
    discriminant analysis, 1989.
    """

    def __init__(self, shrinkage: float = 0.5) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit on X (n, d), y (n,).

        Raises
        ------
        CorpusError
            There is a single class.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        classes, encoded, counts = _classes_of(y)
        mean, scale = X.mean(axis=0), X.std(axis=0)
        scale[scale == 0] = 1.0  # a constant column
        standard = (X - mean) / scale
        centres = np.stack([standard[encoded == number].mean(axis=0) for number in range(classes.size)])
        # Every class has the same total weight.
        weights = 1.0 / (classes.size * counts[encoded])
        within = standard - centres[encoded]
        covariance = (within * weights[:, None]).T @ within
        level = np.trace(covariance) / covariance.shape[0]
        covariance *= 1 - self.shrinkage
        covariance[np.diag_indices_from(covariance)] += self.shrinkage * max(level, 1e-12)
        factor = cholesky(covariance, lower=True, overwrite_a=True)
        whitened = solve_triangular(factor, (centres - centres.mean(axis=0)).T, lower=True)
        directions = np.linalg.svd(whitened, full_matrices=False)[0][:, : classes.size - 1]
        axes = solve_triangular(factor, directions, lower=True, trans="T")
        self.weights_ = axes / scale[:, None]
        self.offset_ = mean @ self.weights_
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Project X (n, d) onto the axes, (n, k - 1) float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(X @ self.weights_ - self.offset_, dtype=np.float32)

    @property
    def _n_features_out(self) -> int:
        return int(self.offset_.size)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float32"]  # doubles are rounded
        return tags


class _OrderedSum:
    """A forest that predicts on one thread: the order in which several add up their trees changes the last digit."""

    n_jobs: int | None

    def predict_proba(self, X: np.ndarray) -> Any:  # a list of arrays for labels of several columns
        threads, self.n_jobs = self.n_jobs, 1
        try:
            return super().predict_proba(X)  # type: ignore[misc]  # of the forest
        finally:
            self.n_jobs = threads


class RandomForest(_OrderedSum, RandomForestClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """scikit-learn's, whose probabilities do not depend on the number of threads."""


class ExtraTrees(_OrderedSum, ExtraTreesClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """scikit-learn's, whose probabilities do not depend on the number of threads."""


def pair_signs(n_classes: int) -> np.ndarray:
    """Return the classes of the one-against-one machines, (k (k - 1) / 2, k): +1 first, -1 second, 0 neither.

    Examples
    --------
    >>> pair_signs(3)
    array([[ 1., -1.,  0.],
           [ 1.,  0., -1.],
           [ 0.,  1., -1.]])
    """
    first, second = np.triu_indices(n_classes, k=1)
    rows = np.arange(first.size)
    signs = np.zeros((first.size, n_classes))
    signs[rows, first], signs[rows, second] = 1.0, -1.0
    return signs


class MarginProbability(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """Class probabilities from the margins of a support vector machine, with a single learned scale.

    One against the rest (`LinearSVC`, margins d_i): ``p = softmax(a d)``.  One against one (`KernelMachine`, margins
    d_ij): each machine gives the logistic probability of its first class, and the score of a class is the product over
    its machines, ``p = softmax_i(sum_j log sigmoid(a d_ij))``.  The scale ``a`` minimises the log loss of
    cross-validated margins.  So the model is a single machine, fitted on all data, and a number.
    ``SVC(probability=True)``, which fits two numbers per pair, leaves scikit-learn in 1.11.

    Parameters
    ----------
    estimator
        An unfitted `KernelMachine` or `LinearSVC`.
    n_folds
        Folds of the cross-validation of the scale; fewer if a class has fewer clips.
    seed
        Seed of the shuffle of these folds.
    n_jobs
        Number of folds that are fitted at the same time, in threads.

    Attributes
    ----------
    estimator_
        The machine fitted on all the data.
    scale_
        ``a`` above.
    classes_
        (k,) labels.
    n_features_in_, feature_names_in_
        d, and the names of the columns if X was a table.

    References
    ----------
    J. Platt, Probabilistic outputs for support vector machines, 1999.  G. Hinton, Products of experts, 1999.
    """

    def __init__(self, estimator: Any, *, n_folds: int = 4, seed: int = 0, n_jobs: int = 1) -> None:
        self.estimator = estimator
        self.n_folds = n_folds
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit the machine on all of X (n, d), y (n,), and the scale on cross-validated margins.

        Raises
        ------
        CorpusError
            There are fewer than two classes, or a class has a single clip.
        """
        X, y = validate_data(self, X, y, dtype=_FLOATS)
        self.classes_, encoded, counts = _classes_of(y)
        if counts.min() < 2:
            raise CorpusError(
                f"in a part of the clips that it is fitted on, clips per emotion are {counts.tolist()}; a support "
                "vector machine needs two emotions and two clips of each: add clips, leave the emotion out with "
                "--emotions, or train another model, such as logistic-regression"
            )
        self.estimator_ = clone(self.estimator).fit(X, encoded)
        folds = StratifiedKFold(min(self.n_folds, int(counts.min())), shuffle=True, random_state=self.seed)
        parts = list(folds.split(X, encoded))
        margins = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(_held_out_margins)(self.estimator, X, encoded, train=train, held_out=held_out)
            for train, held_out in parts
        )
        truth = np.concatenate([encoded[held_out] for _, held_out in parts])
        self.scale_ = _best_scale(np.concatenate(margins), truth, pairwise=self.pairwise)
        return self

    @property
    def pairwise(self) -> bool:
        """Whether the margins are one against one; else they are one against the rest."""
        return hasattr(self.estimator, "pair_margins")

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Compute the probabilities (n, k) of X (n, d)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        scores = _scores(_margins(self.estimator_, X), scale=self.scale_, pairwise=self.pairwise)
        return np.asarray(softmax(scores, axis=1))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Choose the most probable label of each row of X, (n,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


def _scores(margins: np.ndarray, *, scale: float, pairwise: bool) -> np.ndarray:
    """Turn margins, (n, k), (n, k (k - 1) / 2) or of two classes (n,), into unnormalised log probabilities (n, k)."""
    if margins.ndim == 1:  # two classes: positive values mean the second
        return np.stack([np.zeros_like(margins), scale * margins], axis=1)
    if not pairwise:
        return scale * margins
    n_classes = round((1 + np.sqrt(1 + 8 * margins.shape[1])) / 2)
    signs = pair_signs(n_classes)
    # log sigmoid(a d) where the class comes first in its pair, log sigmoid(-a d) where it comes second
    return np.asarray(log_expit(scale * margins) @ (signs > 0) + log_expit(-scale * margins) @ (signs < 0))


def _held_out_margins(
    estimator: Any, X: np.ndarray, y: np.ndarray, *, train: np.ndarray, held_out: np.ndarray
) -> np.ndarray:
    return _margins(clone(estimator).fit(X[train], y[train]), X[held_out])


def _margins(machine: Any, X: np.ndarray) -> np.ndarray:
    return np.asarray(machine.pair_margins(X) if hasattr(machine, "pair_margins") else machine.decision_function(X))


def _best_scale(margins: np.ndarray, truth: np.ndarray, *, pairwise: bool) -> float:
    """Return the scale in [1e-3, 1e3] of the lowest log loss of ``margins`` for the classes ``truth`` (n,)."""
    rows = np.arange(truth.size)

    def log_loss(log_scale: float) -> float:
        scores = _scores(margins, scale=float(np.exp(log_scale)), pairwise=pairwise)
        return -float(log_softmax(scores, axis=1)[rows, truth].mean())

    return float(np.exp(minimize_scalar(log_loss, bounds=(np.log(1e-3), np.log(1e3)), method="bounded").x))


class Weighted(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier whose `fit` takes sample weights, with weights that balance the classes.

    For classifiers that have no ``class_weight``.  The inner classifier gets labels 0 to k - 1, as XGBoost requires,
    so that a fold without some class can be fitted.

    Parameters
    ----------
    estimator
        The unfitted classifier.
    class_weight
        "balanced": each class has the same total weight; None: each clip has the same weight.

    Attributes
    ----------
    estimator_
        The fitted classifier.
    classes_
        (k,) labels.
    n_features_in_, feature_names_in_
        d, and the names of the columns if X was a table.
    """

    def __init__(self, estimator: Any, *, class_weight: str | None = None) -> None:
        self.estimator = estimator
        self.class_weight = class_weight

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Fit on X (n, d), y (n,).

        Raises
        ------
        CorpusError
            There is a single class.
        """
        X, y = validate_data(self, X, y, dtype=_FLOATS, ensure_all_finite=self._finite())
        self.classes_, encoded, _ = _classes_of(y)
        weights = None if self.class_weight is None else compute_sample_weight(self.class_weight, encoded)
        self.estimator_ = clone(self.estimator).fit(X, encoded, sample_weight=weights)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Compute the probabilities (n, k) of X (n, d)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, ensure_all_finite=self._finite(), reset=False)
        return np.asarray(self.estimator_.predict_proba(X))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Choose the most probable label of each row of X, (n,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def _finite(self) -> bool | str:
        """Return which numbers X may have, as `validate_data` names it."""
        return "allow-nan" if get_tags(self).input_tags.allow_nan else True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # XGBoost takes NaN for a missing value
        tags.input_tags.allow_nan = get_tags(self.estimator).input_tags.allow_nan
        return tags
