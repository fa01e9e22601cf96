"""What a corpus holds and how its emotions sound, as pictures with their tables.

`explore` writes the page.  Its parts make `Finding` objects:

- `measure`: read every clip once: length, format, levels, clipping, silence, mean spectrum;
- `overview`: what the corpus holds, and what was left out;
- `signal`: waveform, spectrogram, MFCC, pitch and energy of one clip of each emotion, and mean spectra;
- `feature_analysis`: features that distinguish emotions, and projections of all clips;
- `contrast`: one emotion compared with another.

Importing this package imports neither torch nor matplotlib.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotone.explore.finding import Finding
    from emotone.explore.measure import Measured, measure_corpus
    from emotone.explore.run import explore

__all__ = ["Finding", "Measured", "explore", "measure_corpus"]

_MODULES = {"Finding": "finding", "Measured": "measure", "explore": "run", "measure_corpus": "measure"}


def __getattr__(name: str) -> Any:
    # processes that read clips import this package, and need no pictures
    if name not in _MODULES:
        raise AttributeError(f"module 'emotone.explore' has no attribute {name!r}")
    return getattr(importlib.import_module(f"emotone.explore.{_MODULES[name]}"), name)
