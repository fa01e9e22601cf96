"""Export forests and boosted trees as a single ONNX node, the sum of leaf values over trees."""

import json
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from xgboost import XGBClassifier


def forest_attributes(forest: RandomForestClassifier | ExtraTreesClassifier) -> dict[str, Any]:
    """Return the attributes of a TreeEnsembleRegressor whose k outputs are the forest's probabilities.

    scikit-learn compares a float32 feature with a double threshold.  The greatest float32 that does not exceed the
    threshold gives the same result for every float32 feature.
    """
    table = _Table()
    for tree in (member.tree_ for member in forest.estimators_):
        share = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True) / len(forest.estimators_)
        table.add(
            features=tree.feature,
            thresholds=_floor_float32(tree.threshold),
            left=tree.children_left,
            right=tree.children_right,
            branch="BRANCH_LEQ",
            values=share,
        )
    return table.attributes(n_targets=len(forest.classes_))


def booster_attributes(model: XGBClassifier) -> dict[str, Any]:
    """Return the attributes of a TreeEnsembleRegressor for XGBoost's margins: k outputs, or 1 for two classes."""
    learner = json.loads(bytes(model.get_booster().save_raw("json")))["learner"]
    boosted = learner["gradient_booster"]["model"]
    n_targets = max(1, int(learner["learner_model_param"]["num_class"]))
    table = _Table()
    for tree, target in zip(boosted["trees"], boosted["tree_info"], strict=True):
        conditions = np.asarray(tree["split_conditions"], dtype=np.float32)
        values = np.zeros((conditions.size, n_targets))
        values[:, target] = conditions  # a leaf stores its value where an inner node stores its threshold
        table.add(
            features=np.asarray(tree["split_indices"]),
            thresholds=conditions,
            left=np.asarray(tree["left_children"]),
            right=np.asarray(tree["right_children"]),
            branch="BRANCH_LT",
            values=values,
        )
    return table.attributes(n_targets=n_targets)


def _floor_float32(values: np.ndarray) -> np.ndarray:
    """Return the greatest float32 not above each double.

    Examples
    --------
    >>> float(_floor_float32(np.array([0.1]))[0]) <= 0.1 < float(np.float32(0.1))
    True
    """
    near = values.astype(np.float32)
    return np.where(near.astype(np.float64) > values, np.nextafter(near, np.float32(-np.inf)), near)


class _Table:
    """Nodes of many trees, collected column by column."""

    def __init__(self) -> None:
        self._nodes: dict[str, list[np.ndarray]] = {}
        self._n_trees = 0

    def _extend(self, **columns: np.ndarray) -> None:
        for name, column in columns.items():
            self._nodes.setdefault(name, []).append(column)

    def add(
        self,
        *,
        features: np.ndarray,
        thresholds: np.ndarray,
        left: np.ndarray,
        right: np.ndarray,
        branch: str,
        values: np.ndarray,
    ) -> None:
        """Add a tree of m nodes: columns (m,), ``left`` of a leaf -1; ``values`` (m, n_targets), read at the leaves."""
        leaf = left < 0
        self._extend(
            nodes_treeids=np.full(leaf.size, self._n_trees),
            nodes_nodeids=np.arange(leaf.size),
            nodes_featureids=np.where(leaf, 0, features),
            nodes_values=np.where(leaf, 0, thresholds).astype(np.float32),
            nodes_modes=np.where(leaf, "LEAF", branch),
            nodes_truenodeids=np.where(leaf, 0, left),
            nodes_falsenodeids=np.where(leaf, 0, right),
        )
        # a leaf needs a value: its zeros are left out only if it has another one
        kept = leaf[:, None] & ((values != 0) | (np.arange(values.shape[1]) == np.abs(values).argmax(axis=1)[:, None]))
        node, target = np.nonzero(kept)
        self._extend(
            target_treeids=np.full(node.size, self._n_trees),
            target_nodeids=node,
            target_ids=target,
            target_weights=values[node, target].astype(np.float32),
        )
        self._n_trees += 1

    def attributes(self, *, n_targets: int) -> dict[str, Any]:
        """Return all columns in the form of the operator TreeEnsembleRegressor."""
        columns = {name: np.concatenate(parts).tolist() for name, parts in self._nodes.items()}
        return {**columns, "n_targets": n_targets, "aggregate_function": "SUM", "post_transform": "NONE"}
