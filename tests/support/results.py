"""Contents of ``metrics.json`` and ``comparison.json``, made from confusion matrices and shares."""

import numpy as np

from emotone import metrics
from emotone.emotions import EMOTIONS

WARNING = "WARNING: random split: 24 of 24 test speakers are also in training; a score under it says little"
DISJOINT = {
    "name": "speaker-6fold",
    "description": "speaker-6fold: speaker-disjoint: no test speaker is in training. Folds: EmoBox.",
    "warning": "",
    "speaker_disjoint": True,
}
LEAKING = {
    "name": "random-80-20",
    "description": f"random-80-20: 1 fold. Folds: drawn. {WARNING}.",
    "warning": WARNING,
    "speaker_disjoint": False,
}


def result(counts, *, speakers=None):
    """The summary of predictions that have this confusion matrix, each with probability 0.9."""
    counts = np.asarray(counts)
    k = len(counts)
    truth, predicted = (axis.repeat(counts.ravel()) for axis in np.divmod(np.arange(k * k), k))
    scores = np.full((truth.size, k), 0.1 / (k - 1))
    scores[np.arange(truth.size), predicted] = 0.9
    names = None if speakers is None else [f"s{i % speakers}" for i in range(truth.size)]
    return metrics.summary(truth, scores, emotions=EMOTIONS[:k], speakers=names, n_resamples=200)


def comparison(results, *, protocol=DISJOINT, p_values=(), deep=()):
    """A comparison under one protocol: name -> result, the best first; p values of all but the best."""
    rows = []
    for (name, test), p in zip(results.items(), [None, *p_values, *[0.5] * len(results)], strict=False):
        paired = None if p is None else {"difference": 0.1, "low": 0.02, "high": 0.2, "p_holm": p}
        row = {"model": name, "description": "<b>bold</b> & brave", "best": p is None, "test": test}
        row |= {"significant": None if p is None else p < 0.05, "paired": paired}
        row |= {"family": "deep" if name in deep else "classic", "extractor": "functionals"}
        rows.append(row | {"fit_s": 0.5, "bundle_mb": 2.0, "recognition_ms": 20.0})
    return {"protocol": protocol, "best": next(iter(results), ""), "level": 0.05, "rows": rows}


def entry(protocol, *, n_speakers=24):
    """An entry of ``protocols`` in a comparison under several protocols."""
    facts = {"n_speakers": n_speakers, "n_shared": 0 if protocol["speaker_disjoint"] else n_speakers}
    return {"name": protocol["name"], "best": "a", "protocol": protocol, "facts": facts}


def row_of_protocols(model, shares, *, family="classic", best=False):
    """A row of a comparison under several protocols: name of a protocol -> share of right predictions."""
    under = {}
    for name, share in shares.items():
        right = round(50 * share)
        scores = result([[right, 50 - right], [50 - right, right]])
        paired = None if best else {"difference": 0.1, "low": 0.02, "high": 0.2, "p_holm": 0.0004}
        under[name] = {**scores, "best": best, "significant": None if best else True, "paired": paired, "fit_s": 1.0}
    leak = None
    if len(shares) > 1:
        first, second = list(shares)[:2]
        same = {"difference": 0.15, "low": -0.05, "high": 0.25, "n_clips": 80}
        leak = {"uar": under[second]["uar"] - under[first]["uar"], "same_clips": same}
    model = {"model": model, "description": "<b>bold</b>", "family": family, "extractor": "functionals"}
    costs = {"fit_s": 0.5, "bundle_mb": 2.0, "recognition_ms": 20.0}
    return {**model, **costs, "leak": leak, "protocols": under}


def comparison_of_protocols():
    """Two models, a speaker-disjoint and a leaking protocol; the UARs are 60, 90 % and 50, 80 %."""
    known, unseen = LEAKING["name"], DISJOINT["name"]
    rows = [
        row_of_protocols("a", {unseen: 0.6, known: 0.9}, best=True),
        row_of_protocols("b", {unseen: 0.5, known: 0.8}, family="deep"),
    ]
    names = {"reference": unseen, "leaking": known, "protocols": [entry(DISJOINT), entry(LEAKING)]}
    return {**names, "level": 0.05, "rows": rows, "chance": 0.5, "words": ["Words & <more>."]}
