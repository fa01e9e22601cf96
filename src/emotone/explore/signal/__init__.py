"""The signal of one clip of each emotion, and mean spectra of all clips of each emotion."""

from emotone.explore.signal.findings import (
    all_findings,
    energy_contours,
    mean_log_mel,
    mean_mfcc,
    mel_spectrograms,
    mfccs,
    pitch_contours,
    spectrograms,
    waves,
)
from emotone.explore.signal.statistics import Example, choose_example

__all__ = [
    "Example",
    "all_findings",
    "choose_example",
    "energy_contours",
    "mean_log_mel",
    "mean_mfcc",
    "mel_spectrograms",
    "mfccs",
    "pitch_contours",
    "spectrograms",
    "waves",
]
