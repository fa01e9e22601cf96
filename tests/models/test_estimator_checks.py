"""scikit-learn's own checks of estimators, on those of Emotone and on the pipelines that are made of them.

A check that can't hold is listed here with the reason; if such a check begins to pass, its test fails.
"""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator
from xgboost import XGBClassifier

from emotone.errors import FeatureError
from emotone.models import registry
from emotone.models.classic.estimators import DiscriminantAxes, ExtraTrees, MarginProbability, RandomForest, Weighted
from emotone.models.classic.kernel import KernelMachine
from emotone.models.deep.adaptive import AdaptiveClassifier
from emotone.models.deep.classifier import NeuralClassifier
from support.blobs import blobs
from support.toy_frames import classifier, toy

OWN = [
    DiscriminantAxes(),
    KernelMachine(),
    MarginProbability(KernelMachine()),
    MarginProbability(LinearSVC(random_state=0)),
    Weighted(LogisticRegression()),
    RandomForest(n_estimators=3, random_state=0),
    ExtraTrees(n_estimators=3, random_state=0),
]

NAMED = {f"{type(each).__name__}{number}": each for number, each in enumerate(OWN)}

#: Pipelines with fewer trees, folds and iterations: the checks fit each a hundred times.
SMALL = {
    "svm": {"classifier__n_folds": 2},
    "linear-svm": {"classifier__n_folds": 2},
    "random-forest": {"classifier__n_estimators": 5},
    "extra-trees": {"classifier__n_estimators": 5},
    "xgboost": {"classifier__estimator__n_estimators": 5},
    "mlp": {"classifier__estimator__hidden_layer_sizes": (64,), "classifier__estimator__max_iter": 100},
    "ensemble": {"classifier__svm__classifier__n_folds": 2, "classifier__extra-trees__classifier__n_estimators": 5},
}
CLASSIC = [name for name, spec in registry.MODELS.items() if spec.family == "classic"]
_FITTED_STEPS = "a Pipeline of scikit-learn fits its own steps, not copies"
_MISSING = "XGBoost takes NaN for a missing value, and a Pipeline does not pass on that it does"
_FEW = "a tenth of the clips, for early stopping, must hold every class, and these checks give ten clips"
_BOOTSTRAP = "scikit-learn's forest draws rows by chance: the weight of a row is not the number of its copies"
_ONE_LABEL = "a forest takes several labels of a clip, and the axes before it separate the classes of one"


def failures_of_own(estimator):
    """Check -> why it can't hold for an estimator: for scikit-learn's forest neither."""
    kinds = ("dense", "sparse") if isinstance(estimator, RandomForest) else ()
    return {f"check_sample_weight_equivalence_on_{kind}_data": _BOOTSTRAP for kind in kinds}


def failures_of(pipeline):
    """Check -> why it can't hold for a pipeline."""
    names: tuple[str, ...] = ("check_estimators_overwrite_params", "check_dont_overwrite_parameters")
    failures = dict.fromkeys(names, _FITTED_STEPS)
    if get_tags(pipeline[-1]).input_tags.allow_nan and not isinstance(pipeline[0], DiscriminantAxes):
        failures["check_estimators_nan_inf"] = _MISSING
    if getattr(getattr(pipeline[-1], "estimator", None), "early_stopping", False) is True:
        failures |= dict.fromkeys(("check_estimators_nan_inf", "check_fit2d_1feature"), _FEW)
    if isinstance(pipeline[0], DiscriminantAxes):
        of_labels = "check_classifiers_multilabel_"
        formats = [f"{of_labels}output_format_{name}" for name in ("predict", "predict_proba", "decision_function")]
        names = ("check_classifier_multioutput", f"{of_labels}representation_invariance", *formats)
        failures |= dict.fromkeys(names, _ONE_LABEL)
    return failures


def pipeline_of(name):
    return registry.get(name).build(seed=0, n_jobs=1, class_weight=True).set_params(**SMALL.get(name, {}))


def checks_of(estimators, failures):
    """Every check of estimators by name, and why it can't hold; the ids are the same in each process."""
    parameters = []
    for name, estimator in estimators.items():
        reasons = failures(estimator)
        for _, check in estimator_checks_generator(estimator):
            title = getattr(check, "func", check).__name__
            parameters.append(pytest.param(estimator, check, reasons.get(title), id=f"{name}-{title}"))
    return parameters


def holds(estimator, check, reason):
    """Run a check; one that can't hold must fail.  pytest's xfail would write a traceback for each of them."""
    if reason is None:
        check(clone(estimator))
        return
    with pytest.raises(Exception, match="."):
        check(clone(estimator))


@pytest.mark.filterwarnings("ignore")  # the checks give columns of a single value, and few iterations
@pytest.mark.parametrize(("estimator", "check", "reason"), checks_of(NAMED, failures_of_own))
@pytest.mark.slow
def test_every_check_of_scikit_learn_holds_for_our_estimators(estimator, check, reason):
    holds(estimator, check, reason)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("estimator", "check", "reason"), checks_of({name: pipeline_of(name) for name in CLASSIC}, failures_of)
)
def test_every_other_check_holds_for_the_pipelines(estimator, check, reason):
    holds(estimator, check, reason)


#: The checks that give no data.  The others give one row of features a clip, and networks take frames (T, d).
WITHOUT_DATA = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
)


@pytest.mark.parametrize("network", [NeuralClassifier(), AdaptiveClassifier()], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("check", WITHOUT_DATA)
def test_every_check_without_data_holds_for_networks(network, check):
    getattr(estimator_checks, check)(type(network).__name__, network)


@pytest.mark.parametrize("network", [NeuralClassifier(), AdaptiveClassifier()], ids=lambda one: type(one).__name__)
def test_networks_say_what_they_take(network):
    tags = get_tags(network)
    assert (tags.input_tags.two_d_array, tags.input_tags.three_d_array) == (False, True)
    for call in (network.predict, network.predict_proba):
        with pytest.raises(NotFittedError):
            call(toy(4)[0])


@pytest.mark.slow
def test_a_fitted_network_keeps_its_settings_is_pickled_and_checks_its_columns():
    X, y = toy()
    network = classifier()
    before = network.get_params()
    assert network.fit(X, y) is network and network.get_params() == before
    assert network.n_features_in_ == X[0].shape[1]
    copied = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(copied.predict_proba(X), network.predict_proba(X))
    narrow = [clip[:, :-1] for clip in X]
    for wrong in ([X[0], narrow[1]], [X[0], X[1][0]]):
        with pytest.raises(FeatureError, match=r"clip 1 has the shape .*; expected \(frames, 24\)"):
            network.predict(wrong)
    with pytest.raises(FeatureError, match="clip 1 has the shape"):
        clone(network).fit([X[0], *narrow[1:]], y)


@pytest.mark.filterwarnings("ignore")  # of columns that are not scaled
def test_names_of_columns_are_kept_and_checked():
    """Of a table, as scikit-learn does; names in another order are refused."""
    X, y = blobs(60, n_classes=3)
    table = pd.DataFrame(X, columns=[f"f{number}" for number in range(X.shape[1])])
    for estimator in OWN:
        fitted = clone(estimator).fit(table, y)
        assert list(fitted.feature_names_in_) == list(table.columns) and fitted.n_features_in_ == X.shape[1]
        answer = fitted.transform if hasattr(fitted, "transform") else fitted.predict
        np.testing.assert_array_equal(answer(table), getattr(clone(estimator).fit(X, y), answer.__name__)(X))
        with pytest.raises(ValueError, match="feature names"):
            answer(table[table.columns[::-1]])
    axes = DiscriminantAxes().set_output(transform="pandas").fit(table, y)
    assert list(axes.transform(table).columns) == ["discriminantaxes0", "discriminantaxes1"]


def test_missing_values_are_for_classifiers_that_know_them():
    X, y = blobs(60, n_classes=3)
    X[0, 0] = np.nan
    assert Weighted(XGBClassifier(n_estimators=2)).fit(X, y).predict_proba(X).shape == (60, 3)
    for estimator in OWN[:-2]:  # forests of scikit-learn take them too
        with pytest.raises(ValueError, match="NaN"):
            clone(estimator).fit(X, y)
