"""What a corpus holds and how its emotions sound: each function gives a picture and its table.

`explore` writes the page; the modules give its parts, as `Finding` objects:

- `measure`: every clip read once: length, format, levels, clipping, silence, mean spectrum;
- `checked`: what the corpus holds, and what was left out;
- `signals`: waveform, spectrogram, mel spectrogram, MFCC, pitch and energy of one clip of each emotion, and means;
- `features`: the statistics that tell emotions apart, and their projections;
- `pair`: two emotions, one against the other.

Importing this brings neither torch nor matplotlib.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotone.explore.contrast import findings as pair
    from emotone.explore.feature_analysis import findings as features
    from emotone.explore.finding import Finding
    from emotone.explore.measure.corpus import Measured
    from emotone.explore.measure.corpus import measure as measure_corpus
    from emotone.explore.overview import findings as checked
    from emotone.explore.run import explore
    from emotone.explore.signal import findings as signals

__all__ = ["Finding", "Measured", "checked", "explore", "features", "measure_corpus", "pair", "signals"]

_PLACES = {
    "Finding": ("finding", "Finding"),
    "Measured": ("measure.corpus", "Measured"),
    "measure_corpus": ("measure.corpus", "measure"),
    "explore": ("run", "explore"),
}
_MODULES = {"checked": "overview", "features": "feature_analysis", "pair": "contrast", "signals": "signal"}


def __getattr__(name: str) -> Any:
    # the processes that read clips import this package, and need no pictures
    if name in _PLACES:
        module, there = _PLACES[name]
        return getattr(importlib.import_module(f"emotone.explore.{module}"), there)
    if name in _MODULES:
        return importlib.import_module(f"emotone.explore.{_MODULES[name]}.findings")
    raise AttributeError(f"module 'emotone.explore' has no attribute {name!r}")
