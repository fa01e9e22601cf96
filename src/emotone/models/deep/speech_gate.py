"""Detect clips without speech: a linear classifier on the mean state of an encoder over a clip."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from emotone.errors import ConfigError

#: Inverse strength of the L2 penalty; 0.001 to 0.1 made no difference.
_C = 0.01


@dataclass(frozen=True, eq=False)
class Gate:
    """A logistic classifier: sigmoid(weight . mean + bias) is the probability of speech.

    Attributes
    ----------
    weight
        (d,) float32, for the mean over time of each column of a clip's frames.
    bias
        Added to the weighted sum.
    """

    weight: NDArray[np.float32]
    bias: float

    def probability(self, means: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, d) mean frames -> (n,) probability of speech."""
        logits = means.astype(np.float64) @ self.weight.astype(np.float64) + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))))


def fit_gate(speech: NDArray[np.floating], other: NDArray[np.floating]) -> Gate:
    """Fit the gate; speech and other sounds have the same total weight.

    Parameters
    ----------
    speech, other
        (n, d), (m, d) mean frames of clips with and without speech.

    Raises
    ------
    ConfigError
        Either has no clip, or their widths differ.
    """
    if not len(speech) or not len(other) or speech.shape[1] != other.shape[1]:
        raise ConfigError(
            f"speech has the shape {speech.shape} and other sounds {other.shape}; expected clips of both, of one width"
        )
    X = np.concatenate([speech, other]).astype(np.float64)
    y = np.repeat([1, 0], [len(speech), len(other)])
    mean, scale = X.mean(axis=0), np.maximum(X.std(axis=0), 1e-9)
    rule = LogisticRegression(C=_C, class_weight="balanced", max_iter=1000).fit((X - mean) / scale, y)
    weight = rule.coef_[0] / scale
    return Gate(weight.astype(np.float32), float(rule.intercept_[0] - weight @ mean))
