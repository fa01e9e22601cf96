"""Features of clips: extractors, their ONNX graph, and the store on disk."""

from emotone.features.columns import FeatureColumn
from emotone.features.extract import extract_features
from emotone.features.registry import DEFAULT, EXTRACTORS, get, is_sequence
from emotone.features.store import Features, FeatureStore

__all__ = [
    "DEFAULT",
    "EXTRACTORS",
    "FeatureColumn",
    "FeatureStore",
    "Features",
    "extract_features",
    "get",
    "is_sequence",
]
