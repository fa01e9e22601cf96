"""The kernel machine is libsvm's with an RBF kernel."""

import numpy as np
import pytest
from sklearn.svm import SVC

from emotone.models.classic.kernel import KernelMachine
from support.blobs import N_FEATURES, blobs


@pytest.mark.parametrize(("n_classes", "gamma"), [(2, "scale"), (5, "scale"), (8, 1e-3)])
def test_kernel_machine_is_libsvms_rbf(n_classes, gamma):
    X, y = blobs(n_classes=n_classes)
    X = ((X - X.mean(0)) / X.std(0)).astype(np.float32)
    ours = KernelMachine(C=3.0, gamma=gamma, class_weight="balanced").fit(X[:300], y[:300])
    theirs = SVC(C=3.0, gamma=gamma, class_weight="balanced", decision_function_shape="ovo").fit(X[:300], y[:300])
    margins = theirs.decision_function(X[300:])
    np.testing.assert_allclose(ours.pair_margins(X[300:]), margins, atol=2e-3 * np.abs(margins).max())
    scores = theirs.set_params(decision_function_shape="ovr").decision_function(X[300:])
    np.testing.assert_allclose(ours.decision_function(X[300:]), scores, atol=2e-3 * np.abs(margins).max())
    assert np.mean(ours.predict(X[300:]) == theirs.predict(X[300:])) > 0.98
    assert ours.support_vectors_.shape == (ours.n_support_.sum(), N_FEATURES)
