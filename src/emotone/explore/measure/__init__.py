"""Measure every clip of a corpus once."""

from emotone.explore.measure.clip import Measures, measure_clip
from emotone.explore.measure.corpus import Measured, measure_corpus

__all__ = ["Measured", "Measures", "measure_clip", "measure_corpus"]
