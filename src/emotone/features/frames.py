"""Sequences of frames for networks: the log-mel spectrogram, and MFCCs with their derivatives.

Both extractors first scale the waveform to unit loudness, as the functionals do, so that the gain of a recording has
no effect.  A frame of 32 ms begins every 16 ms; a clip of n samples has 1 + n // 256 frames.
"""

import torch
from torch import Tensor

from emotone.features import descriptors, spectral
from emotone.features.base import Extractor
from emotone.features.columns import FeatureColumn
from emotone.features.descriptors import N_FFT, N_MELS, N_MFCC, WIN_LENGTH, unit_loudness

#: Samples from one frame to the next, 16 ms: 128 frames are two seconds, about a sentence of acted speech.
HOP_LENGTH = 256


class LogMel(Extractor):
    """The log-mel spectrogram: 128 Slaney mel bands up to 8 kHz, in dB, floored at 80 dB below the loudest cell."""

    name = "log-mel"
    is_sequence = True
    mel_filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.power = spectral.PowerSpectrogram(n_fft=N_FFT, win_length=WIN_LENGTH, hop_length=HOP_LENGTH)
        filters = spectral.mel_filters(sample_rate=self.sample_rate, n_fft=N_FFT, n_mels=N_MELS)
        self.register_buffer("mel_filters", torch.from_numpy(filters).float(), persistent=False)

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """One column per mel band, lowest first."""
        return tuple(FeatureColumn(f"mel-{n}", f"mel-{n}", "", "mel bands", "dB") for n in range(1, N_MELS + 1))

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, 1 + n // 256, 128) dB."""
        return self.spectrogram(waveform)[None]

    def spectrogram(self, waveform: Tensor) -> Tensor:
        """Return the spectrogram, (1, n) -> (frames, 128) dB."""
        return spectral.decibel(self.power(unit_loudness(waveform[0])) @ self.mel_filters)

    def sources(self) -> tuple[object, ...]:
        """Return this module and the modules whose functions it calls."""
        return (*super().sources(), spectral, descriptors)


class MfccFrames(LogMel):
    """40 mel-frequency cepstral coefficients with their first and second derivatives over 9 frames."""

    name = "mfcc-frames"
    dct: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("dct", torch.from_numpy(spectral.dct_basis(N_MELS, N_MFCC)).float(), persistent=False)

    @property
    def columns(self) -> tuple[FeatureColumn, ...]:
        """40 coefficients, then their first and second derivatives."""
        units = {
            "mfcc": "dB (cepstrum)",
            "mfcc-delta": "dB (cepstrum) a frame",
            "mfcc-delta2": "dB (cepstrum) a frame²",
        }
        names = [(f"{kind}-{number}", unit) for kind, unit in units.items() for number in range(1, N_MFCC + 1)]
        return tuple(FeatureColumn(name, name, "", "MFCC", unit) for name, unit in names)

    def forward(self, waveform: Tensor) -> Tensor:
        """(1, n) float32, 16 kHz, n >= 3200 -> (1, 1 + n // 256, 120)."""
        mfcc = self.spectrogram(waveform) @ self.dct
        first, second = spectral.deltas(mfcc)
        return torch.cat([mfcc, first, second], dim=-1)[None]
